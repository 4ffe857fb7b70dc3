"""What pictures of explanations share: colours that go both ways from white, bars, and overlays on images."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
RAISES, LOWERS = "raises", "lowers"
_BLUE, _SPAN = "#0072B2", 99.0  # percentile of sizes at which colours are full


def figure_of(height: float, width: float) -> Figure:
    """Return an empty figure, which no window holds; sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def png_of(figure: Figure, dpi: int = 150) -> bytes:
    """Return a figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def limit_of(shares: Floats) -> float:
    """Return the size at which colours are full: of all but the largest hundredth."""
    limit = float(np.percentile(np.abs(shares), _SPAN)) if shares.size else 0.0
    return limit or float(np.abs(shares).max(initial=0.0)) or 1.0


def shades(shares: Floats) -> Floats:
    """Return colours ``(n, 4)``: red raises, blue lowers, white is nothing.

    Examples
    --------
    >>> bool((shades(np.array([1.0]))[0, 0] > shades(np.array([1.0]))[0, 2]))
    True
    """
    import matplotlib

    place = np.clip(shares / limit_of(shares), -1, 1) / 2 + 0.5
    return np.asarray(matplotlib.colormaps["RdBu_r"](place))


def bars(sizes: pd.Series, title: str, label: str) -> bytes:
    """Return a PNG of horizontal bars, the first on top.

    Parameters
    ----------
    sizes
        By name.
    title, label
        What stands above, and below the axis.
    """
    figure = figure_of(0.24 * len(sizes) + 1.1, 6.4)
    axes = figure.add_subplot()
    names = [str(name) if len(str(name)) <= 40 else f"{str(name)[:39]}…" for name in sizes.index]
    places = np.arange(len(sizes))
    axes.barh(places, sizes.to_numpy(), color=_BLUE)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_title(title, loc="left")
    axes.set_xlabel(label)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return png_of(figure)


def overlay(picture: Floats, shares: Floats, title: str, scale: str) -> bytes:
    """Return a PNG of an image, or of the three middle slices of a volume, with what its pixels moved above it.

    Parameters
    ----------
    picture, shares
        ``(h, w)`` or ``(d, h, w)``.
    title, scale
        What stands above, and beside the colours.
    """
    limit = limit_of(shares)
    views = [(picture, shares)]
    if picture.ndim == 3:
        views = [(_middle(picture, axis), _middle(shares, axis)) for axis in range(3)]
    figure = figure_of(3.6, 3.4 * len(views) + 1.0)
    axes = figure.subplots(1, len(views), squeeze=False)[0]
    drawn = None
    for place, (under, above) in zip(axes, views, strict=True):
        place.imshow(under, cmap="gray", interpolation="nearest")
        strength = np.clip(np.abs(above) / limit, 0, 1) * 0.8
        drawn = place.imshow(above, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=strength, interpolation="nearest")
        place.set_axis_off()
    axes[0].set_title(title, loc="left")
    if drawn is not None:
        from matplotlib.cm import ScalarMappable

        colours = ScalarMappable(norm=drawn.norm, cmap=drawn.cmap)  # an overlay's own are as faint as its pixels
        figure.colorbar(colours, ax=axes, label=scale, shrink=0.8)
    return png_of(figure)


def _middle(volume: Floats, axis: int) -> Floats:
    made: Floats = np.take(volume, volume.shape[axis] // 2, axis=axis)
    return made
