"""The rows of a text table in pieces of bytes, each of which ends with a row; cells in quotes may hold line feeds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from mmlego.data.reading.dialect import Dialect, cells
from mmlego.errors import InputError
from mmlego.wording import counted

PIECE_BYTES = 8 * 2**20
MOST_PIECE_BYTES = 192 * 2**20
COUNTED_BYTES = 2**20
PIECE_ROWS = 64  # of a wide file: each column of each piece costs something


def count_lines(content: BinaryIO, start: int) -> tuple[int, bool]:
    r"""Return how many rows there are at most, and whether there are cells in quotes.

    Parameters
    ----------
    content
        The table.
    start
        Where its rows begin.

    Examples
    --------
    >>> import io
    >>> count_lines(io.BytesIO(b'id\n"a"\nb\n'), 3)
    (3, True)
    """
    content.seek(start)
    lines, quotes = 1, False
    piece = bytearray(COUNTED_BYTES)
    while size := content.readinto(piece):  # type: ignore[attr-defined]
        lines += piece.count(b"\n", 0, size)
        quotes = quotes or piece.find(b'"', 0, size) >= 0
    return lines, quotes


class Piece(NamedTuple):
    """Whole rows, and whether there are cells in quotes among them or before."""

    rows: memoryview
    quotes: bool


def estimate_lines(content: BinaryIO, start: int) -> int:
    r"""Return about how many rows there are, from how long the first ones are.

    Parameters
    ----------
    content
        The table.
    start
        Where its rows begin.

    Examples
    --------
    >>> import io
    >>> estimate_lines(io.BytesIO(b"id\na\nb\n"), 3)
    3
    """
    size = content.seek(0, 2) - start
    content.seek(start)
    first = content.read(COUNTED_BYTES)
    return 1 + round(size * max(1, first.count(b"\n")) / max(1, len(first)))


def row_pieces(content: BinaryIO, dialect: Dialect, lines: int) -> Iterator[Piece]:
    """Yield the rows in pieces that end with a row, each in memory of its own.

    Parameters
    ----------
    content
        The table.
    dialect
        How it is written.
    lines
        About how many rows there are.

    Raises
    ------
    InputError
        If a quotation mark is never closed.
    """
    size = piece_bytes(content, dialect, lines)
    rest = content.seek(0, 2) - content.seek(dialect.start)
    left, quotes = b"", False
    while rest > 0:
        piece = bytearray(len(left) + min(size, rest))  # of a short table: its zeros took longer than to read it
        piece[: len(left)] = left
        with memoryview(piece) as whole:
            found: int = content.readinto(whole[len(left) :])  # type: ignore[attr-defined]
        if not found:
            break
        stop, rest = len(left) + found, rest - found
        quotes = quotes or piece.find(b'"', 0, stop) >= 0  # a line feed before the first of them ends a row
        end = _last_end(piece, quotes, stop)
        left = bytes(memoryview(piece)[end:stop])
        if end:
            yield Piece(memoryview(piece)[:end], quotes)
    if re.search(rb'(?:^|[\n,;|\t])"[^"]*$', left):
        raise InputError(
            "a quotation mark at the beginning of a cell that is never closed", got=repr(left[-60:].decode())
        )
    if left.strip():
        yield Piece(memoryview(left), quotes)


def piece_bytes(content: BinaryIO, dialect: Dialect, lines: int) -> int:
    """Return how many bytes a piece has, beside what is left of the one before.

    Parameters
    ----------
    content, dialect, lines
        As :func:`row_pieces` takes them.
    """
    content.seek(0, 2)
    row = (content.tell() - dialect.start) / max(1, lines - 1)
    return int(min(max(PIECE_BYTES, PIECE_ROWS * row), MOST_PIECE_BYTES))


def _last_end(piece: bytearray, quotes: bool, stop: int) -> int:
    """Return where the last whole row before ``stop`` ends; a line feed within quotes ends none."""
    end = piece.rfind(b"\n", 0, stop) + 1
    if not quotes:
        return end
    odd = piece.count(b'"', 0, end) % 2
    while end and odd:
        before = piece.rfind(b"\n", 0, end - 1) + 1
        odd = (odd + piece.count(b'"', before, end)) % 2
        end = before
    return end


def padded(piece: bytes, separator: str, width: int) -> bytes:
    r"""Return a piece whose rows have all so many cells: those that lack some get empty ones at their end.

    Parameters
    ----------
    piece
        Whole rows.
    separator
        What stands between cells.
    width
        How many cells a row has.

    Examples
    --------
    >>> padded(b"a,1,2\nb\n", ",", 3)
    b'a,1,2\nb,,\n'
    """
    lines = []
    for line in _lines_of(piece):
        bare = line.rstrip(b"\r\n")
        lacking = width - len(cells(bare.decode("utf-8"), separator)) if bare.strip() else 0
        lines.append(bare + separator.encode() * lacking)
    return b"\n".join([*lines, b""])


def unequal(piece: bytes, separator: str, width: int) -> list[tuple[int, str]]:
    r"""Return the rows of a piece that have more or fewer cells than others: how many, and the text.

    Parameters
    ----------
    piece, separator, width
        As :func:`padded` takes them.

    Examples
    --------
    >>> unequal(b"a,1,2\nb\n\nc,1,2,3\n", ",", 3)
    [(1, 'b'), (4, 'c,1,2,3')]
    """
    rows = (line.rstrip(b"\r\n").decode("utf-8") for line in _lines_of(piece))
    counts = ((len(cells(row, separator)), row) for row in rows if row.strip())
    return [(count, row) for count, row in counts if count != width]


def _lines_of(piece: bytes) -> list[bytes]:
    """Return the rows of a piece, also those that go on in the next line."""
    rows: list[bytes] = []
    for line in piece.splitlines(keepends=True):
        if rows and rows[-1].count(b'"') % 2:
            rows[-1] += line
        else:
            rows.append(line)
    return rows


def ragged(bad: Sequence[tuple[int, str]], width: int) -> InputError:
    """Return the error that lines have more or fewer cells than there are names.

    Parameters
    ----------
    bad
        Of each line its number of cells, and its text.
    width
        How many names there are.
    """
    count, text = bad[0]
    text = text if len(text) <= 60 else f"{text[:59]}…"
    return InputError(
        f"{counted(len(bad), 'line')} of another number of cells than the line of names",
        expected=f"{width} cells",
        got=f"{count} in {text!r}",
        remedy="Mend them: a text that holds the separator belongs in quotes.",
    )
