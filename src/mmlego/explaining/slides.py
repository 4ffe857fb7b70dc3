"""Patches of slides for people and programs: heat maps from their coordinates, and GeoJSON that QuPath opens."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmlego.explaining.drawing import LOWERS, RAISES, figure_of, limit_of, png_of, shades

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


def patch_size(places: Floats) -> float:
    """Return how far patches lie apart: the most common step between neighbours of one row or one column.

    Parameters
    ----------
    places
        Where they begin, ``(n, 2)``.

    Examples
    --------
    >>> patch_size(np.array([[0.0, 0.0], [256.0, 0.0], [512.0, 0.0], [37.0, 256.0], [293.0, 256.0]]))
    256.0
    """
    steps: Counter[float] = Counter()
    for along, across in ((0, 1), (1, 0)):
        order = np.lexsort((places[:, along], places[:, across]))
        moved = np.diff(places[order], axis=0)
        same = (moved[:, across] == 0) & (moved[:, along] > 0)
        steps.update(moved[same, along].tolist())
    return float(steps.most_common(1)[0][0]) if steps else 1.0


def geojson_of(patches: pd.DataFrame, size: float) -> str:
    """Return patches as a GeoJSON of detections: squares, of which QuPath has attribution and rank as measurements.

    Parameters
    ----------
    patches
        Of one slide: ``x``, ``y``, in pixels of the level that the coordinates are of, and ``attribution``.
    size
        Of a patch, in these pixels.

    Examples
    --------
    >>> import pandas as pd
    >>> patches = pd.DataFrame({"feature": ["patch 0"], "x": [0.0], "y": [256.0], "attribution": [0.5]})
    >>> made = json.loads(geojson_of(patches, 256))["features"][0]
    >>> made["geometry"]["coordinates"], made["properties"]["measurements"]
    ([[[0, 256], [256, 256], [256, 512], [0, 512], [0, 256]]], {'attribution': 0.5, 'rank': 1})
    """
    shares = patches["attribution"].to_numpy()
    rank = np.empty(len(shares), dtype=np.int64)
    rank[np.argsort(-np.abs(shares), kind="stable")] = np.arange(1, len(shares) + 1)
    colours = (255 * shades(shares)[:, :3]).round().astype(int).tolist()
    features = []
    for i, (name, x, y) in enumerate(zip(patches["feature"], patches["x"], patches["y"], strict=True)):
        corners = [(x, y), (x + size, y), (x + size, y + size), (x, y + size), (x, y)]
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [[[_whole(a), _whole(b)] for a, b in corners]]},
                "properties": {
                    "objectType": "detection",
                    "name": str(name),
                    "classification": {"name": RAISES if shares[i] > 0 else LOWERS, "color": colours[i]},
                    "measurements": {"attribution": float(f"{shares[i]:.6g}"), "rank": int(rank[i])},
                },
            }
        )
    return json.dumps({"type": "FeatureCollection", "features": features}) + "\n"


def heat_map(patches: pd.DataFrame, size: float, title: str, scale: str) -> bytes:
    """Return a PNG of the patches of one slide where they lie, coloured by what they moved.

    Parameters
    ----------
    patches, size
        As :func:`geojson_of` takes them.
    title, scale
        What stands above, and beside the colours.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    x, y, shares = (patches[name].to_numpy(dtype=np.float64) for name in ("x", "y", "attribution"))
    width, height = np.ptp(x) + size, np.ptp(y) + size
    figure = figure_of(5.0 * min(max(height / width, 0.4), 2.0) + 0.6, 6.4)
    axes = figure.add_subplot()
    limit = limit_of(shares)
    squares = [Rectangle((a, b), size, size) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    drawn = PatchCollection(squares, cmap="RdBu_r", edgecolor="none", antialiased=False)
    drawn.set_array(shares)
    drawn.set_clim(-limit, limit)
    axes.add_collection(drawn)
    axes.set(xlim=(x.min(), x.max() + size), ylim=(y.max() + size, y.min()), aspect="equal", facecolor="#e6e6e6")
    axes.set_title(title, loc="left")
    axes.set_xlabel("x, pixels")
    axes.set_ylabel("y, pixels")
    figure.colorbar(drawn, ax=axes, label=scale, shrink=0.8)
    return png_of(figure)


def _whole(value: float) -> float:
    return int(value) if float(value).is_integer() else float(value)
