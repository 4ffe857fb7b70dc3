"""Tables in workbooks of Excel: one sheet, whose first row with the key names the columns."""

from __future__ import annotations

import datetime
import re
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmlego.data.reading.delimited import Columns
from mmlego.data.reading.dialect import UNNAMED
from mmlego.data.reading.workbook_looks import doubts_of_looks
from mmlego.errors import InputError
from mmlego.extras import import_extra
from mmlego.wording import counted, label, listed

# What a damaged file makes openpyxl stumble over; a fault of XML is a SyntaxError.
DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    SyntaxError,
    RuntimeError,
    ArithmeticError,
    zlib.error,
    zipfile.BadZipFile,
)
MOST_ABOVE = 50  # rows of titles above the names of the columns


class Workbook:
    """One sheet of an ``.xlsx`` file, its values as Excel last computed them.

    Parameters
    ----------
    path
        The file.
    key
        The column of patient ids.
    sheet
        The sheet; None: the one that names the key.

    Raises
    ------
    InputError
        If it is damaged, several sheets name the key, two columns have one name, or formulas were never computed.
    MissingExtraError
        If openpyxl is not installed.
    """

    decimal = "."
    dotted: tuple[str, ...] = ()

    def __init__(self, path: Path, key: str, sheet: str | None) -> None:
        self.path = path
        sheets = _read(path, values=True)
        chosen = _choose(sheets, key, sheet)
        rows = sheets[chosen]
        top = _top(rows, key)
        heads = [str(label(cell)) if cell is not None else "" for cell in rows[top]] if rows else []
        while heads and not heads[-1] and all(len(row) < len(heads) or row[len(heads) - 1] is None for row in rows):
            heads.pop()
        self.names = tuple(name or f"{UNNAMED}{place}" for place, name in enumerate(heads))
        again = [name for name, count in Counter(self.names).items() if count > 1]
        if again:
            raise InputError(f"columns of the same name ({listed(again)})", remedy="Rename or drop them.")
        self.notes = tuple(_notes(sheets, chosen, top))
        self.doubts = tuple(self._looks(chosen, top))
        self._rows = [row for row in rows[top + 1 :] if any(cell is not None for cell in row)]
        self._sheet, self._top = chosen, top
        self._refuse_formulas()

    def read(self, wanted: Sequence[str], text: Collection[str]) -> Columns:
        """Return some columns.

        Parameters
        ----------
        wanted
            The columns.
        text
            Those of them that are text.
        """
        place = {name: number for number, name in enumerate(self.names)}
        cells = {name: self._column(place[name]) for name in wanted}
        numbers = [
            name
            for name, column in cells.items()
            if name not in text and all(cell is None or _is_number(cell) for cell in column)
        ]
        known = set(numbers)
        matrix = np.array([[np.nan if cell is None else float(cell) for cell in cells[name]] for name in numbers])
        return Columns(
            numbers,
            matrix.reshape(len(numbers), len(self._rows)),
            {name: _texts(column) for name, column in cells.items() if name not in known},
        )

    def _column(self, place: int) -> list[Any]:
        found = [row[place] if place < len(row) else None for row in self._rows]
        return [None if isinstance(cell, str) and not cell.strip() else cell for cell in found]

    def _looks(self, sheet: str, top: int) -> list[str]:
        """Return what is doubtful of cells that are merged, hidden or struck out."""
        try:
            return doubts_of_looks(self.path, sheet, top, self.names)
        except DAMAGE as error:
            raise InputError(f"{type(error).__name__}: {error}", expected="a whole, unencrypted .xlsx file") from error

    def _refuse_formulas(self) -> None:
        """Refuse cells that hold a formula and no value: a program wrote them that computes nothing."""
        bare: dict[str, str] = {}
        for row, place in _never_computed(self.path, self._sheet):
            if row > self._top and place < len(self.names):
                bare.setdefault(self.names[place], f"{_letters(place)}{row + 1}")
        if bare:
            raise InputError(
                f"formulas that were never computed in {listed(f'{name} ({cell})' for name, cell in bare.items())}",
                expected="values",
                remedy="Open it in Excel or LibreOffice and save it, so that the values are stored.",
            )


def _read(path: Path, *, values: bool) -> dict[str, list[tuple[Any, ...]]]:
    openpyxl = import_extra("openpyxl", f"reading {path.name!r}", "'mmlego[excel]'")
    try:
        with warnings.catch_warnings(), path.open("rb") as file:  # which openpyxl leaves open where it stumbles
            warnings.simplefilter("ignore")  # of styles and extensions that do not matter to values
            book = openpyxl.load_workbook(file, read_only=True, data_only=values)
            found = {
                sheet.title: [tuple(row) for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets
            }
            book.close()
    except DAMAGE as error:
        raise InputError(f"{type(error).__name__}: {error}", expected="a whole, unencrypted .xlsx file") from error
    return {title: rows for title, rows in found.items() if any(cell is not None for row in rows for cell in row)}


def _never_computed(path: Path, sheet: str) -> list[tuple[int, int]]:
    """Return row and column, from 0, of formulas without a value; one that came out as an empty text has one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if re.fullmatch(r"xl/worksheets/[^/]+\.xml", name)]
            if not any(re.search(rb"<(?:\w+:)?f[\s/>]", archive.read(name)) for name in names):
                return []
        formulas = {place for place, cell in _cells(path, sheet, values=False) if cell.data_type == "f"}
        found = [place for place, cell in _cells(path, sheet, values=True) if cell.value is None and place in formulas]
    except DAMAGE as error:
        raise InputError(f"{type(error).__name__}: {error}", expected="a whole, unencrypted .xlsx file") from error
    return found


def _cells(path: Path, sheet: str, *, values: bool) -> list[tuple[tuple[int, int], Any]]:
    openpyxl = import_extra("openpyxl", f"reading {path.name!r}", "'mmlego[excel]'")
    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")
        book = openpyxl.load_workbook(file, read_only=True, data_only=values)
        found = [
            ((number, place), cell)
            for number, row in enumerate(book[sheet].iter_rows())
            for place, cell in enumerate(row)
            if cell.data_type != "str"  # a text that a formula gave and that is empty
        ]
        book.close()
    return found


def _letters(place: int) -> str:
    letters = ""
    while place >= 0:
        letters, place = chr(ord("A") + place % 26) + letters, place // 26 - 1
    return letters


def _choose(sheets: dict[str, list[tuple[Any, ...]]], key: str, sheet: str | None) -> str:
    if sheet is not None:
        if sheet not in sheets:
            raise InputError(f"no sheet {sheet!r}", expected=f"one of {listed(sheets)}")
        return sheet
    if not sheets:
        raise InputError("no cell has a value", expected="a table with a header")
    naming = [title for title, rows in sheets.items() if any(_names(row, key) for row in rows[:MOST_ABOVE])]
    if len(naming) > 1:
        raise InputError(
            f"several sheets have a column {key!r} ({listed(naming)})",
            expected="one, or the one that is meant",
            remedy=f"Name the sheet after the file, as file.xlsx#{naming[0]}.",
        )
    return naming[0] if naming else next(iter(sheets))


def _top(rows: Sequence[tuple[Any, ...]], key: str) -> int:
    return next((number for number, row in enumerate(rows[:MOST_ABOVE]) if _names(row, key)), 0)


def _names(row: Sequence[Any], key: str) -> bool:
    return any(cell is not None and label(cell) == key for cell in row)


def _notes(sheets: dict[str, Any], chosen: str, top: int) -> list[str]:
    notes = []
    others = [title for title in sheets if title != chosen]
    if others:
        notes.append(f"sheet {chosen!r} is read, not {listed(map(repr, others))}")
    if top:
        notes.append(f"{counted(top, 'row')} above the names of the columns left out")
    return notes


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _texts(column: Sequence[Any]) -> Any:
    found = np.empty(len(column), dtype=object)
    found[:] = [None if cell is None else _text(cell) for cell in column]
    return found


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    return label(cell)


def sheet_headers(path: Path) -> dict[str, list[str]]:
    """Return the sheets of a workbook that hold a table, each with the names of its columns.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If it is damaged, or no sheet holds a table.
    MissingExtraError
        If openpyxl is not installed.
    """
    found = {}
    for title, rows in _read(path, values=True).items():
        full = [row for row in rows if sum(cell is not None for cell in row) > 1]
        if len(full) > 1:
            found[title] = [str(label(cell)) for cell in full[0] if cell is not None]
    if not found:
        raise InputError(f"{path.name!r} has no sheet that is a table", expected="names of columns and rows")
    return found
