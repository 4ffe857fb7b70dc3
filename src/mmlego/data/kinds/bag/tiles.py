"""Where tiles lie whose features are a table of SpatialData or LazySlide: a folder of zarr with tables and shapes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.annotated import INSTALL, Stored
from mmlego.data.reading.zarrs import open_zarr
from mmlego.errors import InputError
from mmlego.extras import import_extra
from mmlego.wording import label, listed

Places = NDArray[np.float64]
POINT, POLYGON = 1, 3  # codes of WKB, OGC 06-103r4, table 7


def tile_places(path: Path, table: str) -> Places | None:
    """Return where each tile of a table lies, ``(n, 2)``, in the order of its rows; None if the folder does not say.

    That is ``obsm["spatial"]`` of the table, as it stands there; else the corner with the smallest coordinates of each
    tile among the shapes that the table annotates (``region``, ``region_key`` and ``instance_key`` of SpatialData),
    in their units; LazySlide's are pixels of the slide's first level. Tiles are found by their ids, never by position.

    Parameters
    ----------
    path
        The folder of zarr.
    table
        The name of the table.

    Raises
    ------
    InputError
        If a tile is not among the shapes, or twice, or the shapes cannot be read.
    """
    import_extra("anndata", f"reading the tables of {path.name!r}", INSTALL)
    with open_zarr(path) as group:
        if "tables" not in group or table not in group["tables"]:
            return None
        one, said = Stored(group["tables"][table]), _annotated(group["tables"][table])
        spatial = one.mask("spatial")
        if spatial is not None:
            return np.asarray(spatial, dtype=np.float64)
        if said is None or said[2] not in one.columns("obs"):
            return None
        regions, region_key, instance_key = said
        ids = one.column("obs", instance_key)
        whose = one.column("obs", region_key) if region_key in one.columns("obs") else regions[:1] * len(ids)
    out = np.full((len(ids), 2), np.nan)
    for region in dict.fromkeys(whose):
        shapes = _shapes(path, str(region), instance_key)
        if shapes is None:
            return None
        rows = [row for row, name in enumerate(whose) if name == region]
        lost = [label(ids[row]) for row in rows if label(ids[row]) not in shapes]
        if lost:
            raise InputError(
                f"tiles of table {table!r} in {path.name!r} are not among its shapes {region!r}",
                expected=f"one for each {instance_key}",
                got=listed(lost),
            )
        out[rows] = [shapes[label(ids[row])] for row in rows]
    return out


def _annotated(table: Any) -> tuple[list[str], str, str] | None:
    """Return which shapes a table is about, and the columns of their name and of their ids; None if it does not say."""
    said = dict(table.attrs)
    if "instance_key" not in said and "uns" in table and "spatialdata_attrs" in table["uns"]:
        said = {name: array[()] for name, array in table["uns"]["spatialdata_attrs"].arrays()}
    region, keys = said.get("region"), [said.get(name) for name in ("region_key", "instance_key")]
    names = [region] if isinstance(region, str) else np.asarray(region if region is not None else []).ravel().tolist()
    if not names or any(key is None for key in keys):
        return None
    return [str(name) for name in names], str(keys[0]), str(keys[1])


def _shapes(path: Path, region: str, key: str) -> dict[str, tuple[float, float]] | None:
    """Return by id where shapes begin; None where they are not kept in a file of their own."""
    file = path / "shapes" / region / "shapes.parquet"
    if Path(region).name != region or not file.is_file():
        return None
    if not file.resolve().is_relative_to(path.resolve()):
        raise InputError(f"'shapes/{region}' in {path.name!r} lies elsewhere", remedy="Put all in one folder.")
    parquet = import_extra("pyarrow.parquet", f"reading {path.name!r}", "'mmlego[parquet]'")
    try:
        names = parquet.read_schema(file).names
        ids = key if key in names else next((name for name in names if name.startswith("__index_level_")), None)
        wanted = ["x", "y"] if {"x", "y"} <= set(names) else ["geometry"]
        columns = parquet.read_table(file, columns=[*([] if ids is None else [ids]), *wanted]).to_pydict()
    except (OSError, ValueError, KeyError) as error:
        what = f"cannot read 'shapes/{region}' in {path.name!r} ({error})"
        raise InputError(what, expected="a whole Parquet file of shapes") from error
    if wanted == ["geometry"]:
        places = [_corner(shape, f"'shapes/{region}' in {path.name!r}") for shape in columns["geometry"]]
    else:
        places = [(float(x), float(y)) for x, y in zip(columns["x"], columns["y"], strict=True)]
    known = [label(one) for one in (range(len(places)) if ids is None else columns[ids])]
    found = dict(zip(known, places, strict=True))
    if len(found) < len(known):
        again = sorted({one for one in known if known.count(one) > 1})
        raise InputError(
            f"shapes {region!r} in {path.name!r} have ids that are not their own",
            expected="one each",
            got=listed(again),
        )
    return found


def _corner(shape: bytes, where: str) -> tuple[float, float]:
    """Return the point, or of a polygon the smallest coordinates of its outline, of well-known binary."""
    order = "<" if shape[:1] == b"\x01" else ">"
    code, numbers = struct.unpack_from(f"{order}I", shape, 1)[0], shape[5:]
    if code == POINT:
        x, y = struct.unpack_from(f"{order}2d", numbers)
        return float(x), float(y)
    if code == POLYGON:
        count = struct.unpack_from(f"{order}I", numbers, 4)[0]
        outline: Sequence[float] = struct.unpack_from(f"{order}{2 * count}d", numbers, 8)
        return min(outline[::2]), min(outline[1::2])
    raise InputError(
        f"{where} are shapes of a kind that is not read", expected="points or polygons", got=f"code {code}"
    )
