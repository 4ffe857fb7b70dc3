"""Rows, columns and sheets that are hidden, and cells that are struck out, count, and are doubted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.styles import Font

from mmlego.data.reading.tables import TableFile


def doubts(folder: Path, change: Callable[[Any], object]) -> tuple[str, ...]:
    book = openpyxl.Workbook()
    book.create_sheet("notes")
    page = book.worksheets[0]
    for row in (["A title"], ["id", "age", "crp"], *([f"p{n}", 50 + n, n / 2] for n in range(8))):
        page.append(row)
    change(page)
    book.save(folder / "people.xlsx")
    table = TableFile(folder / "people.xlsx", "id")
    assert table.frame()["age"].tolist() == [50.0 + n for n in range(8)]  # all are read
    return tuple(table.doubts)


def hide_rows(page: Any) -> None:
    for row in (1, 4, 5, 40):  # a title, two patients, and nothing
        page.row_dimensions[row].hidden = True


def hide_columns(page: Any) -> None:
    page.column_dimensions.group("B", "F", hidden=True)


def strike(page: Any) -> None:
    page["A1"].font = page["C6"].font = page["D9"].font = Font(strike=True)


def hide_sheet(page: Any) -> None:
    page.sheet_state = "hidden"
    page.parent.active = 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (hide_rows, "2 hidden rows (4, 5), as a filter hides them, which count: delete them if they do not"),
        (hide_columns, "2 hidden columns (age, crp), taken as the others: delete what does not count"),
        (strike, "1 cell struck out (C6), read as the others: empty what does not count"),
        (hide_sheet, "sheet 'Sheet' is hidden, and is read"),
    ],
)
def test_it_is_told(change: Callable[[Any], object], told: str, tmp_path: Path) -> None:
    assert doubts(tmp_path, change) == (told,)


def test_nothing_is_told_of_a_plain_sheet(tmp_path: Path) -> None:
    assert doubts(tmp_path, lambda page: None) == ()
    assert doubts(tmp_path, lambda page: setattr(page["C6"], "font", Font(bold=True))) == ()
    assert doubts(tmp_path, lambda page: setattr(page.column_dimensions["B"], "width", 30)) == ()


@pytest.mark.parametrize("font", [InlineFont(strike=True), InlineFont(vertAlign="superscript")])
def test_parts_of_a_text_are_told_for_they_become_digits_of_its_number(font: InlineFont, tmp_path: Path) -> None:
    def change(page: Any) -> None:
        page["C6"] = CellRichText(TextBlock(InlineFont(b=True), "1"), TextBlock(font, "2"))
        page["C7"] = CellRichText(TextBlock(InlineFont(b=True), "3"), "1")

    way = "read as one text: write what counts alone"
    told = f"1 cell of which a part is struck out, raised or lowered (C6: '12'), {way}"
    assert doubts(tmp_path, change) == (told,)
