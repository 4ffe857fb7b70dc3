"""What a sheet of Excel shows and its values do not say: merged, hidden and struck-out cells, which all are read.

So are parts of one text: ``55`` struck out before ``66`` is read as 5566, a raised ``2`` as a digit.

openpyxl tells them of a workbook that it holds as a whole alone, which takes several times as long as its values: so a
workbook is looked at only where its files hold a mark of them.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmlego.extras import import_extra
from mmlego.wording import counted, listed

_YES = rb"\s*=\s*[\"'](?:1|true)[\"']"
_HIDDEN = re.compile(rb"<(?:\w+:)?(?:row|col)\s[^>]*\bhidden" + _YES)
_STRUCK = re.compile(rb"<(?:\w+:)?strike(?:\s*/?>|\s+val" + _YES + rb")")
_PARTS = re.compile(_STRUCK.pattern + rb"|<(?:\w+:)?vertAlign\s+val\s*=\s*[\"'](?:super|sub)script[\"']")
_UNSEEN = re.compile(rb"\bstate\s*=\s*[\"'](?:hidden|veryHidden)[\"']")


def doubts_of_looks(path: Path, sheet: str, top: int, names: Sequence[str]) -> list[str]:
    """Return what is doubtful of cells that count, though a reader of the sheet takes them for something else.

    Parameters
    ----------
    path
        The workbook.
    sheet
        The sheet that is read.
    top
        The number of the row that names the columns, from 0.
    names
        The columns.
    """
    struck, parts = _marked(path), _has_parts(path)
    if struck is None and not parts:
        return []
    openpyxl = import_extra("openpyxl", f"reading {path.name!r}", "'mmlego[excel]'")
    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")
        page = openpyxl.load_workbook(file, rich_text=parts)[sheet]
    hidden = [] if page.sheet_state == "visible" else [f"sheet {sheet!r} is hidden, and is read"]
    found = [*_merged(page, top, names), *hidden, *_rows(page, top), *_columns(page, names)]
    found += _struck(page, top, names) if struck else []
    return [*found, *(_apart(page, top, names) if parts else [])]


def _marked(path: Path) -> bool | None:
    """Return whether some font strikes out; None if there is no mark of anything that is looked for."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        struck = any(_STRUCK.search(archive.read(name)) for name in names if name == "xl/styles.xml")
        if struck or any(_UNSEEN.search(archive.read(name)) for name in names if name == "xl/workbook.xml"):
            return struck
        for name in names:
            if re.fullmatch(r"xl/worksheets/[^/]+\.xml", name):
                content = archive.read(name)
                if b"<mergeCell " in content or _HIDDEN.search(content):
                    return False
    return None


def _has_parts(path: Path) -> bool:
    """Return whether a part of some text is struck out, raised or lowered."""
    with zipfile.ZipFile(path) as archive:
        places = re.compile(r"xl/(?:sharedStrings|worksheets/[^/]+)\.xml")
        return any(_PARTS.search(archive.read(name)) for name in archive.namelist() if places.fullmatch(name))


def _apart(page: Any, top: int, names: Sequence[str]) -> list[str]:
    """Return that parts of cells are struck out, raised or lowered, and read as the rest of their number."""
    from openpyxl.cell.rich_text import CellRichText, TextBlock

    cells = [
        cell
        for row in page.iter_rows(min_row=top + 2, max_col=len(names))
        for cell in row
        if isinstance(cell.value, CellRichText)
        and any(
            isinstance(part, TextBlock) and (part.font.strike or part.font.vertAlign in ("superscript", "subscript"))
            for part in cell.value
        )
        and any(sign.isdigit() for sign in str(cell.value))
    ]
    if not cells:
        return []
    some = listed((f"{cell.coordinate}: {str(cell.value)!r}" for cell in cells), 3)
    text = f"{counted(len(cells), 'cell')} of which a part is struck out, raised or lowered ({some})"
    return [f"{text}, read as one text: write what counts alone"]


def _merged(page: Any, top: int, names: Sequence[str]) -> list[str]:
    """Return that cells are merged below the names of the columns: Excel keeps the first one's value."""
    ranges = [
        merged for merged in page.merged_cells.ranges if merged.min_row > top + 1 and merged.min_col <= len(names)
    ]
    if not ranges:
        return []
    columns = dict.fromkeys(
        names[place - 1] for merged in ranges for place in range(merged.min_col, min(merged.max_col, len(names)) + 1)
    )
    ranges.sort(key=lambda merged: (merged.min_row, merged.min_col))
    where = listed((merged.coord for merged in ranges), 3)
    text = f"cells merged in {listed(columns)} ({where}), of which all but the first are read as empty: take them"
    return [f"{text} apart, and write the value into each that has it"]


def _rows(page: Any, top: int) -> list[str]:
    """Return that rows are hidden, as a filter does it, and count."""
    last = page.max_row
    rows = sorted(number for number, row in page.row_dimensions.items() if row.hidden and top + 1 < number <= last)
    full = [row for row in rows if any(cell.value is not None for cell in page[row])]
    if not full:
        return []
    some = listed(full, 3)
    return [
        f"{counted(len(full), 'hidden row')} ({some}), as a filter hides them, which count: delete them if they do not"
    ]


def _columns(page: Any, names: Sequence[str]) -> list[str]:
    """Return that columns are hidden, and count."""
    places = {
        place
        for column in page.column_dimensions.values()
        if column.hidden and column.min is not None
        for place in range(column.min, min(column.max, len(names)) + 1)
    }
    if not places:
        return []
    some = listed(names[place - 1] for place in sorted(places))
    return [f"{counted(len(places), 'hidden column')} ({some}), taken as the others: delete what does not count"]


def _struck(page: Any, top: int, names: Sequence[str]) -> list[str]:
    """Return that cells are struck out, and count."""
    cells = [
        cell.coordinate
        for row in page.iter_rows(min_row=top + 2, max_col=len(names))
        for cell in row
        if cell.value is not None and cell.has_style and cell.font.strike
    ]
    if not cells:
        return []
    return [
        f"{counted(len(cells), 'cell')} struck out ({listed(cells, 3)}), read as the others: empty what does not count"
    ]
