from __future__ import annotations

import io
import random

import numpy as np
import pytest

from mmlego.data.reading import delimited
from mmlego.data.reading.delimited import Columns, read_columns
from mmlego.data.reading.dialect import detect
from mmlego.errors import InputError


@pytest.fixture(params=[1, 3], autouse=True)
def small_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in pieces of a few rows, by one thread and by three."""
    monkeypatch.setattr("mmlego.data.reading.rows.PIECE_BYTES", 64)
    monkeypatch.setattr("mmlego.data.reading.rows.PIECE_ROWS", 1)
    monkeypatch.setattr(delimited, "threads", lambda: request.param)


def read(lines: list[str]) -> Columns:
    file = io.BytesIO("\n".join(["id,a,b", *lines, ""]).encode())
    dialect = detect(file, ",", "id")
    return read_columns(file, dialect, list(dialect.names), ["id"])


def test_many_pieces_are_the_rows_of_the_file_in_order() -> None:
    chance = random.Random(0)
    numbers = [(chance.random(), chance.random()) for _ in range(2000)]
    found = read([f"P{row},{a!r},{b!r}" for row, (a, b) in enumerate(numbers)])
    assert found.numbers == ["a", "b"]
    np.testing.assert_array_equal(found.matrix, np.array(numbers).T)
    assert found.texts["id"].tolist() == [f"P{row}" for row in range(2000)]
    assert found.notes == []


def test_columns_become_text_where_a_word_comes_late() -> None:
    lines = [f"P{row},{row},{row}.5" for row in range(500)]
    lines[200] = "P200,none of it,200.5"
    lines[400] = "P400,400,NA"
    lines[450] = "P450,450,> 9"
    found = read(lines)
    assert found.numbers == []
    assert found.texts["a"].tolist() == [line.split(",")[1] for line in lines]
    assert found.texts["b"].tolist() == [line.split(",")[2] for line in lines]


def test_lines_without_their_last_cells_are_counted_once() -> None:
    lines = [f"P{row},{row},{row}" for row in range(300)]
    lines[100], lines[101], lines[200] = "P100,100", "P101", "P200,word"
    found = read(lines)
    assert np.flatnonzero(np.isnan(found.matrix[0])).tolist() == [100, 101, 200]
    assert found.numbers == ["b"]
    assert found.texts["a"][[99, 101, 200]].tolist() == ["99", None, "word"]
    assert found.notes == ["3 lines with fewer cells than there are columns, the others taken as empty"]


def test_the_first_fault_of_the_file_is_told() -> None:
    lines = [f"P{row},{row},{row}" for row in range(300)]
    lines[100], lines[250] = "P100,1,2,3", 'P250,1,"2'
    with pytest.raises(InputError, match=r"expected 3 cells, got 4 in 'P100,1,2,3'"):
        read(lines)
    lines[100] = "P100,1,2"
    with pytest.raises(InputError, match="never closed"):
        read(lines)


@pytest.mark.parametrize("line", ["P100,5'10\"", 'P100"', '"P100" a,1"', 'P100 "a" "'])
def test_a_mark_within_a_cell_of_a_line_that_lacks_cells_is_named(line: str) -> None:
    lines = [f"P{row},{row},{row}" for row in range(300)]
    lines[100] = line
    with pytest.raises(InputError, match=r"a quotation mark that is never closed, or within a cell") as caught:
        read(lines)
    assert "P100" in str(caught.value)


def test_line_feeds_in_quotes_end_no_row() -> None:
    lines = [f'P{row},{row},"a\nb, {row}"' for row in range(100)]
    found = read(lines)
    assert found.matrix.tolist() == [[float(row) for row in range(100)]]
    assert found.texts["b"].tolist() == [f"a\nb, {row}" for row in range(100)]


def test_rows_that_become_shorter_are_more_than_the_first_ones_let_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmlego.data.reading.rows.COUNTED_BYTES", 200)
    lines = [f"P{row},{row}.{'0' * 40},1" for row in range(5)] + [f"P{row},{row},1" for row in range(5, 3000)]
    found = read(lines)
    np.testing.assert_array_equal(found.matrix, [np.arange(3000.0), np.ones(3000)])


def test_quotes_that_come_late_hold_line_feeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmlego.data.reading.rows.COUNTED_BYTES", 64)
    plain = [f"P{row},{row},word" for row in range(400)]
    late = [f'P{row},{row},"two\nlines, {row}"' for row in range(400, 420)]
    found = read([*plain, *late])
    np.testing.assert_array_equal(found.matrix, [np.arange(420.0)])
    assert found.texts["b"].tolist() == ["word"] * 400 + [f"two\nlines, {row}" for row in range(400, 420)]


@pytest.mark.parametrize("code", ["007", "01.2020", "05", " 08"])
@pytest.mark.parametrize("mark", ["", '"'])
def test_codes_that_come_late_are_text_in_every_row(code: str, mark: str) -> None:
    cells = [str(100 + row) for row in range(50)]
    rows = [f"P{row},{mark}{cell}{mark},{row}.5,0{row}" for row, cell in enumerate([*cells, code])]
    file = io.BytesIO("\n".join(["id,x,y,z", *rows, ""]).encode())
    found = read_columns(file, detect(file, ",", "id"), ["id", "x", "y", "z"], ["id"])
    assert found.numbers == ["y"]
    assert found.texts["x"].tolist() == [*cells, code.strip()]
    assert found.matrix[0].tolist() == [row + 0.5 for row in range(51)]


def test_codes_that_come_late_in_the_first_column() -> None:
    file = io.BytesIO("\n".join(["x,id", *(f"{100 + row},P{row}" for row in range(50)), "007,P50", ""]).encode())
    found = read_columns(file, detect(file, ",", "id"), ["x", "id"], ["id"])
    assert found.numbers == []
    assert found.texts["x"].tolist() == [*(str(100 + row) for row in range(50)), "007"]
