"""Cells that hold arrays or texts: vectors become a table, bags and series tables of their own kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlego.errors import InputError, ShapeError
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

# What cells are, where nothing is said of them.
USUAL: dict[str, Mapping[str, object]] = {"matrices": {"kind": "bag"}, "tables": {"kind": "series"}}


def holds_cells(frame: pd.DataFrame) -> bool:
    """Return whether a column holds arrays in its cells.

    Parameters
    ----------
    frame
        A row a patient.

    Examples
    --------
    >>> import pandas as pd
    >>> holds_cells(pd.DataFrame({"wsi": [None, np.ones((2, 3))]})), holds_cells(pd.DataFrame({"sex": ["f", "m"]}))
    (True, False)
    """
    kinds = frame.dtypes.to_numpy()
    columns = [place for place, kind in enumerate(kinds) if getattr(kind, "kind", "") == "O"]
    return any(any(_is_array(cell) for cell in frame.iloc[:, place]) for place in columns)


def frame_of_cells(
    name: str, cells: Sequence[Any], index: pd.Index, section: Mapping[str, object] | None
) -> tuple[pd.DataFrame, Mapping[str, object] | None]:
    """Return a modality whose cells are arrays or texts as a table, and its section of a manifest.

    Parameters
    ----------
    name
        The modality.
    cells
        One a patient: vectors ``(f,)``, bags ``(n_i, f)``, DataFrames of a series, texts; None or NaN of who does not
        have it.
    index
        The patients.
    section
        The section that was asked for; None: vectors are a table, ``(n_i, f)`` are bags, DataFrames are series.

    Raises
    ------
    InputError
        If cells are of several sorts, or of none of these.
    """
    import pandas as pd

    here = [row for row, cell in enumerate(cells) if not _is_nothing(cell)]
    if not here:
        return pd.DataFrame(index=index[:0]), section
    found = [_plain(cells[row]) for row in here]
    sorts = list(dict.fromkeys(_sort(cell) for cell in found))
    if len(sorts) > 1:
        raise InputError(f"modality {name!r} has cells of several sorts", expected="one sort", got=listed(sorts))
    whose = index[here]
    if sorts == ["vectors"] and section is None:
        return _table(name, found, whose), None
    section = section or USUAL.get(sorts[0])
    if section is None or sorts == ["others"]:
        texts = sorts == ["texts"]
        remedy = f"Say so by kinds={{{name!r}: ...}}." if texts else "Describe their files in a manifest: cohort=."
        expected = "a kind: text, sequence, graph, fingerprint" if texts else "vectors (f,), bags (n, f), DataFrames"
        raise InputError(f"modality {name!r} has cells of {_described(found[0])}", expected=expected, remedy=remedy)
    if sorts == ["texts"]:
        section = {"column": name, **section}
    column = section.get("column", name)
    made = np.empty(len(found), dtype=object)
    for row, cell in enumerate(found):
        made[row] = cell
    return pd.DataFrame({str(column): made}, index=whose), section


def _table(name: str, cells: Sequence[np.ndarray], index: pd.Index) -> pd.DataFrame:
    import pandas as pd

    widths = [len(cell) for cell in cells]
    usual = max(set(widths), key=widths.count)
    odd = [f"{one} {width}" for one, width in zip(index, widths, strict=True) if width != usual]
    if odd:
        raise ShapeError(
            f"vectors of {name!r} of another length for {counted(len(odd), 'patient')}", expected=usual, got=listed(odd)
        )
    frame = pd.DataFrame(np.stack(cells), index=index, columns=[f"{name}_{i}" for i in range(usual)])
    return frame[frame.notna().any(axis=1)]


def _is_nothing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float | np.floating) and bool(np.isnan(cell)))


def _is_array(cell: Any) -> bool:
    return isinstance(cell, list | tuple) or (getattr(cell, "ndim", 0) >= 1 and hasattr(cell, "shape"))


def _plain(cell: Any) -> Any:
    import pandas as pd

    if isinstance(cell, str | pd.DataFrame):
        return cell
    if hasattr(cell, "detach"):
        cell = cell.detach().cpu().double().numpy()
    return np.asarray(cell)


def _sort(cell: Any) -> str:
    import pandas as pd

    if isinstance(cell, str):
        return "texts"
    if isinstance(cell, pd.DataFrame):
        return "tables"
    if cell.dtype.kind not in "biuf":
        return "others"
    return {1: "vectors", 2: "matrices"}.get(cell.ndim, "others")


def _described(cell: Any) -> str:
    return f"shape {cell.shape} and {cell.dtype}" if isinstance(cell, np.ndarray) else type(cell).__name__
