"""The cells of a text table: numbers as numbers, all else as it is written, piece by piece of the file.

pyarrow parses; what a column holds is guessed from the first rows and mended where a later one differs, for to let it
look at each column by itself takes three times as long, and a file of 450,000 columns has no memory to spare.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.dialect import COMMA, NULLS, Dialect
from mmlego.data.reading.in_turn import in_turn, threads
from mmlego.data.reading.own_memory import own_memory
from mmlego.data.reading.rows import (
    PIECE_BYTES,
    Piece,
    count_lines,
    estimate_lines,
    padded,
    piece_bytes,
    ragged,
    row_pieces,
    unequal,
)
from mmlego.data.reading.wide import WideReader
from mmlego.errors import InputError
from mmlego.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

LINE_FEED, ZERO = 10, 48
# Tables of so many columns are read row by row.
WIDE = 5000
# Rows and cells that tell whether a column seems to hold numbers.
MOST_LOOKED_AT = 20
CELLS_LOOKED_AT = 200_000
ALONE = 2 * PIECE_BYTES  # a piece as long as this is parsed alone, its columns side by side
SPARE = 1.1  # rows more than the first ones let expect
RAGGED = " columns, got "  # in what pyarrow says of a row of another number of cells
LOOKED_THROUGH = 16 * 2**20  # bytes of a file each cell of which is looked at for codes that look like numbers
CODE = r"^\s*0\d"
EXACT = 15  # digits that a float holds: longer ones stay text

Objects = NDArray[np.object_]
# The numbers of a piece ``(rows, f)``, its texts by column, and how many columns had become text when it was parsed.
Cells: TypeAlias = "tuple[NDArray[np.float64], dict[str, Any], int]"


class Columns:
    """The columns of a table as they are stored: one matrix of numbers, and an array of text a column.

    Parameters
    ----------
    numbers
        The names of the numbers, and their values ``(f, n)``, NaN where missing.
    matrix
        See ``numbers``.
    texts
        By column the texts ``(n,)``, None where the cell is empty.
    notes
        What was mended, each as a clause.
    """

    def __init__(
        self, numbers: Sequence[str], matrix: NDArray[np.float64], texts: dict[str, Any], notes: Sequence[str] = ()
    ) -> None:
        self.numbers, self.matrix, self.texts, self.notes = list(numbers), matrix, texts, list(notes)


def read_columns(content: BinaryIO, dialect: Dialect, wanted: Sequence[str], text: Collection[str]) -> Columns:
    r"""Return the wanted columns of a text table.

    Parameters
    ----------
    content
        The table, in UTF-8.
    dialect
        How it is written.
    wanted
        The columns, in the order of the file.
    text
        Those of them that are text whatever they look like.

    Raises
    ------
    InputError
        If lines have unequal numbers of cells, or hold no UTF-8.

    Examples
    --------
    >>> import io
    >>> from mmlego.data.reading.dialect import detect
    >>> file = io.BytesIO(b"id,age,sex\n007,50,f\n008,NA,\n")
    >>> found = read_columns(file, detect(file, ",", "id"), ["id", "age", "sex"], ["id"])
    >>> found.numbers, found.matrix.tolist(), found.texts["id"].tolist(), found.texts["sex"].tolist()
    (['age'], [[50.0, nan]], ['007', '008'], ['f', None])
    """
    if len(dialect.names) >= WIDE:
        lines, quotes = count_lines(content, dialect.start)
        if not quotes:
            numbers = _numbers(dialect, wanted, text)
            seeming = set(numbers)
            others = [name for name in wanted if name not in seeming]
            wide = WideReader(content, dialect, numbers, others, lines)
            wide.read()
            return Columns(*wide.parts())
    reader = _Reader(content, dialect, wanted, text)
    reader.read()
    return reader.columns()


class _RaggedError(Exception):
    """Rows of another number of cells than there are columns."""

    def __init__(self, rows: Sequence[tuple[int, str]]) -> None:
        self.rows = rows
        self.first = repr(rows[0][1].splitlines()[0][:60])


class _Reader:
    """Reads a table in pieces; columns that turn out to be no numbers become text, from the first row on."""

    def __init__(self, content: BinaryIO, dialect: Dialect, wanted: Sequence[str], text: Collection[str]) -> None:
        self.content, self.dialect = content, dialect
        self.names = list(dialect.names)
        self.numbers = _numbers(dialect, wanted, text)
        self.texts = set(wanted) - set(self.numbers)
        self.wanted = list(wanted)
        self.rows = 0
        self.parts: dict[str, list[Any]] = {name: [] for name in wanted if name in self.texts}
        self.late: dict[str, int] = {}  # columns that became text, and before which row they were numbers
        self.nulls = list(NULLS[:2])
        self.short = 0

    def read(self) -> None:
        self.lines = estimate_lines(self.content, self.dialect.start)
        # memory that is not written to is not taken; counting the rows first would read the file twice
        self.matrix = np.empty((len(self.numbers), int(SPARE * self.lines) + 1))
        self.place = {name: row for row, name in enumerate(self.numbers)}
        # longer pieces are not parsed side by side, for they would take more memory
        small = piece_bytes(self.content, self.dialect, self.lines) <= PIECE_BYTES
        workers = threads() if small else 1
        self.ahead = workers > 1
        for piece, cells in in_turn(self._tried, row_pieces(self.content, self.dialect, self.lines), workers):
            self._add(cells if cells is not None and cells[2] == len(self.late) else self._parsed_in_turn(piece))
        self._find_codes()
        self._again()

    def columns(self) -> Columns:
        matrix, numbers = self.matrix[:, : self.rows], self.numbers
        if self.late:
            kept = [row for row, name in enumerate(numbers) if name not in self.late]
            matrix, numbers = matrix[kept], [numbers[row] for row in kept]
        texts = {name: _joined(parts) for name, parts in self.parts.items()}
        lines = counted(self.short, "line")
        notes = [f"{lines} with fewer cells than there are columns, the others taken as empty"] if self.short else []
        return Columns(numbers, matrix, texts, notes)

    def _add(self, cells: Cells) -> None:
        values, texts, _ = cells
        stop = self.rows + len(values)
        rows: Any = slice(None)
        if stop > self.matrix.shape[1]:  # the first rows were longer than the others
            wider = np.empty((len(self.numbers), max(stop, int(SPARE * self.matrix.shape[1]))))
            wider[:, : self.rows] = self.matrix[:, : self.rows]
            self.matrix = wider
        if self.late:
            rows = [self.place[name] for name in self.numbers if name not in self.late]
        self.matrix[rows, self.rows : stop] = values.T
        for name, parts in self.parts.items():
            parts.append(texts[name])
        self.rows = stop

    def _tried(self, piece: Piece) -> Cells | None:
        """Return the cells of a piece as other pieces were so far; None if it is to be parsed when its turn comes."""
        import pyarrow as pa

        if not self.ahead:
            return None
        late = dict(self.late)
        try:
            return self._cells(self._convert(piece, late), late)
        except (pa.ArrowInvalid, _RaggedError):
            return None

    def _parsed_in_turn(self, piece: Piece) -> Cells:
        batch = self._mended(piece, self._parsed)
        return self._cells(batch, self.late)

    def _cells(self, batch: pa.RecordBatch, late: Collection[str]) -> Cells:
        numbers = [name for name in self.numbers if name not in late]
        texts = {name: _with_words(batch.column(name)) for name in self.wanted if name in self.texts or name in late}
        if not numbers or not batch.num_rows:
            return np.empty((batch.num_rows, len(numbers))), texts, len(late)
        values = batch.select(numbers).to_tensor(null_to_nan=True, row_major=False).to_numpy()  # (rows, f)
        return values, texts, len(late)

    def _mended(self, piece: Piece, parse: Callable[[Piece], pa.RecordBatch]) -> pa.RecordBatch:
        """Return a piece; rows without the empty cells at their end, which some programs leave out, get them."""
        try:
            return parse(piece)
        except _RaggedError as error:
            if any(count > len(self.names) for count, _ in error.rows) or piece.rows[-1] != LINE_FEED:
                raise ragged(error.rows, len(self.names)) from None
            self.short += len(error.rows)
            self.ahead = False  # such lines are hardly alone
        rows = padded(bytes(piece.rows), self.dialect.separator, len(self.names))
        try:
            return parse(Piece(memoryview(rows), piece.quotes))
        except _RaggedError as error:  # what the mark holds, the end of a line among it, is read in two ways
            what = "a line that lacks cells holds a quotation mark that is never closed, or within a cell"
            raise InputError(what, expected="it twice, and quotes around the cell", got=error.first) from None

    def _parsed(self, piece: Piece) -> pa.RecordBatch:
        """Return a piece; where a column of numbers holds a word, it is text from now on."""
        import pyarrow as pa

        try:
            return self._convert(piece, self.late)
        except pa.ArrowInvalid as error:
            if "conversion error" not in str(error):
                raise
        self.nulls = list(NULLS)
        for name in self._no_numbers(piece):
            self._to_text(name)
        for _ in range(len(self.numbers) + 1):
            try:
                return self._convert(piece, self.late)
            except pa.ArrowInvalid as error:
                found = re.search(r"column #(\d+): .*conversion error to double", str(error))
                if found is None:
                    raise
                self._to_text(self.names[int(found[1])])
        raise InputError("columns that are neither numbers nor text")

    def _to_text(self, name: str) -> None:
        self.late[name] = self.rows
        self.parts[name] = []

    def _no_numbers(self, piece: Piece) -> list[str]:
        """Return the columns of numbers that pyarrow, asked what they are, takes for something else."""
        import pyarrow as pa

        names = [name for name in self.numbers if name not in self.late]
        table = self._table(piece, names, {})
        number = (pa.types.is_integer, pa.types.is_floating, pa.types.is_null)
        return [
            name for name, kind in zip(names, table.schema.types, strict=True) if not any(test(kind) for test in number)
        ]

    def _convert(self, piece: Piece, late: Collection[str], only: Sequence[str] | None = None) -> pa.RecordBatch:
        import pyarrow as pa

        chosen = self.wanted if only is None else list(only)
        number = set() if only is not None else {name for name in self.numbers if name not in late}
        kinds = {name: pa.float64() if name in number else pa.string() for name in chosen}
        table = self._table(piece, chosen, kinds)
        return (
            table.combine_chunks().to_batches()[0] if table.num_rows else pa.RecordBatch.from_pylist([], table.schema)
        )

    def _table(self, piece: Piece, names: Sequence[str], kinds: dict[str, Any]) -> pa.Table:
        import pyarrow as pa
        from pyarrow import csv

        try:
            return csv.read_csv(
                own_memory(piece.rows),
                csv.ReadOptions(
                    block_size=max(2**20, len(piece.rows) + 1),
                    column_names=self.names,
                    use_threads=len(piece.rows) > ALONE,
                ),
                csv.ParseOptions(delimiter=self.dialect.separator, newlines_in_values=piece.quotes),
                csv.ConvertOptions(
                    column_types=kinds,
                    include_columns=[] if len(names) == len(self.names) else list(names),
                    null_values=self.nulls,
                    true_values=[],
                    false_values=[],
                    decimal_point=self.dialect.decimal,
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            bad = unequal(bytes(piece.rows), self.dialect.separator, len(self.names)) if RAGGED in str(error) else []
            if not bad:
                raise
            raise _RaggedError(bad) from None

    def _find_codes(self) -> None:
        """Have columns be text in which 007 or 01.2020 comes late: numbers would lose the zero that makes a code of it.

        Of a large file the first rows tell, for to look at each cell takes as long as to read it.
        """
        import pyarrow.compute as pc

        names = [name for name in self.numbers if name not in self.late]
        if not names or self.content.seek(0, io.SEEK_END) > LOOKED_THROUGH:
            return
        short = self.short
        begins = [*self.dialect.separator.encode(), *b'" ', *([LINE_FEED] if self.names[0] in names else [])]
        for piece in row_pieces(self.content, self.dialect, self.lines):
            if not _has_zeros(piece.rows, begins):
                continue
            batch = self._mended(piece, partial(self._convert, late=self.late, only=names))
            found = [name for name in names if pc.any(pc.match_substring_regex(batch.column(name), CODE)).as_py()]
            for name in found:
                self._to_text(name)
            names = [name for name in names if name not in found]
            if not names:
                break
        self.short = short

    def _again(self) -> None:
        """Read once more, as text, the rows of columns that were taken for numbers in earlier pieces."""
        late = {name: rows for name, rows in self.late.items() if rows > 0}
        if not late:
            return
        done, short = 0, self.short
        before: dict[str, list[Any]] = {name: [] for name in late}
        for piece in row_pieces(self.content, self.dialect, self.lines):
            if done >= max(late.values()):
                break
            batch = self._mended(piece, lambda whole: self._convert(whole, self.late, list(late)))
            for name, rows in late.items():
                if done < rows:
                    before[name].append(_with_words(batch.column(name)))
            done += batch.num_rows
        for name, parts in before.items():
            self.parts[name] = [*parts, *self.parts[name]]
        self.short = short  # those of these pieces were counted


def _has_zeros(rows: memoryview, begins: Sequence[int]) -> bool:
    """Return whether somewhere a zero and a digit come first in a cell."""
    signs = np.frombuffer(rows, dtype=np.uint8)
    places = np.flatnonzero((signs[1:-1] == ZERO) & (signs[2:] - ZERO < 10)) + 1  # below zero it wraps around
    return bool(np.isin(signs[places - 1], begins).any())


def _numbers(dialect: Dialect, wanted: Sequence[str], text: Collection[str]) -> list[str]:
    """Return which of the wanted columns seem to hold numbers."""
    place = {name: number for number, name in enumerate(dialect.names)}
    rows = max(3, min(MOST_LOOKED_AT, CELLS_LOOKED_AT // len(dialect.names)))
    return [name for name in wanted if name not in text and _is_number(dialect, place[name], rows)]


def _is_number(dialect: Dialect, place: int, rows: int) -> bool:
    """Return whether a column of the sample holds numbers alone; one that holds nothing may hold numbers later."""
    for row in dialect.sample[:rows]:
        word = row[place] if place < len(row) else ""
        try:
            value = float(word)
        except ValueError:
            word = word.strip()
            if word not in NULLS and not (dialect.decimal == "," and COMMA.fullmatch(word)):
                return False
            continue
        if value != value:
            continue
        if word[:1] == "0" or len(word) > EXACT:
            digits = word.strip().lstrip("+-")
            if digits[:1] == "0" and digits[1:2].isdigit():
                return False  # 01.2020 is a month
            if digits.isdigit() and (len(digits) > EXACT or digits != str(int(digits))):
                return False  # 007 and a number of 20 digits would lose something
    return True


def _with_words(column: pa.Array) -> Any:
    return column.dictionary_encode() if hasattr(column, "dictionary_encode") else column


def _joined(parts: Sequence[Any]) -> Objects:
    """Return texts as objects, each word once in memory; None where a cell is empty."""
    if not parts:
        return np.empty(0, dtype=object)
    found = []
    for part in parts:
        words = np.array([word.strip() or None for word in part.dictionary.to_pylist()] or [None], dtype=object)
        found.append(words[part.indices.to_numpy(zero_copy_only=False)])
    return np.concatenate(found)
