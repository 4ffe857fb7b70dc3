"""Pieces of text tables: all rows, in memory no larger than the table."""

from __future__ import annotations

import io
import tracemalloc

import pytest

from mmlego.data.reading import rows
from mmlego.data.reading.dialect import detect
from mmlego.data.reading.rows import row_pieces

TABLE = b"id,x\n" + b"".join(b"p%d,%d\n" % (i, i) for i in range(50))


@pytest.mark.parametrize("size", [7, 64, 1 << 20])
@pytest.mark.parametrize("end", [b"", b"last,1"])
def test_all_rows_whatever_the_size_of_a_piece(monkeypatch: pytest.MonkeyPatch, size: int, end: bytes) -> None:
    monkeypatch.setattr(rows, "piece_bytes", lambda *_: size)
    content = io.BytesIO(TABLE + end)
    pieces = [bytes(piece.rows) for piece in row_pieces(content, detect(content, ",", "id"), 51)]
    assert b"".join(pieces) == TABLE[5:] + end
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])


def test_a_short_table_takes_no_memory_of_a_long_one() -> None:
    content = io.BytesIO(TABLE)
    dialect = detect(content, ",", "id")
    tracemalloc.start()
    try:
        assert len(list(row_pieces(content, dialect, 51))) == 1
        assert tracemalloc.get_traced_memory()[1] < 100 * len(TABLE)
    finally:
        tracemalloc.stop()
