"""The cells of a text table of very many columns, row by row: whatever costs something a column would cost too much."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.dialect import NULLS, Dialect
from mmlego.data.reading.own_memory import own_memory
from mmlego.errors import InputError
from mmlego.wording import counted


class WideReader:
    """Reads a table without quotes; columns that turn out to be no numbers become text, from the first row on.

    Parameters
    ----------
    content
        The table, in UTF-8.
    dialect
        How it is written.
    numbers, texts
        The wanted columns that seem to be numbers, and the others, in the order of the file.
    lines
        How many rows there are at most.
    """

    def __init__(
        self, content: BinaryIO, dialect: Dialect, numbers: Sequence[str], texts: Collection[str], lines: int
    ) -> None:
        self.content, self.dialect, self.numbers = content, dialect, list(numbers)
        self.separator, self.width = dialect.separator.encode(), len(dialect.names)
        self.matrix = np.empty((len(self.numbers), lines))
        self.rows = self.short = 0
        place = {name: number for number, name in enumerate(dialect.names)}
        self.places = {name: place[name] for name in numbers}
        self.texts: dict[str, list[str | None]] = {name: [] for name in texts}
        self.text_places = {name: place[name] for name in self.texts}
        self.late: dict[str, int] = {}  # columns that became text, and before which row they were numbers

    def read(self) -> None:
        """Read all rows.

        Raises
        ------
        InputError
            If rows have unequal numbers of cells, or hold no UTF-8.
        """
        self.content.seek(self.dialect.start)
        while line := self.content.readline():
            cells = self._cells(line)
            if cells is None:
                continue
            for name, place in self.text_places.items():
                self.texts[name].append(cells[place].decode("utf-8").strip() or None)
            self.matrix[:, self.rows] = self._values(cells)
            self.rows += 1
        self._again()

    def _cells(self, line: bytes) -> list[bytes] | None:
        """Return the cells of a row; None of an empty line."""
        row = line.rstrip(b"\r\n")
        if not row:
            return None
        cells = row.split(self.separator)
        lacking = self.width - len(cells)
        if lacking < 0 or (lacking and not line.endswith(b"\n")):
            raise InputError(
                "1 line of another number of cells than the line of names",
                expected=f"{self.width} cells",
                got=f"{len(cells)} in {cells[0].decode('utf-8', 'replace')!r}",
                remedy="Mend them: a text that holds the separator belongs in quotes.",
            )
        self.short += lacking > 0
        return cells + [b""] * lacking

    def _values(self, cells: list[bytes]) -> NDArray[np.float64]:
        """Return the numbers of a row; a column in which it has a word is text from now on."""
        import pyarrow as pa

        late = self.late.keys()
        chosen = [b"" if name in late else cells[place] for name, place in self.places.items()]
        try:
            return self._parsed(chosen)
        except pa.ArrowInvalid as error:
            if "conversion error" not in str(error):
                raise
        for name, cell in zip(self.numbers, chosen, strict=True):
            if name not in self.late and not self._is_number(cell):
                self._to_text(name, cell)
        return self._parsed(
            [b"" if name in self.late else cell for name, cell in zip(self.numbers, chosen, strict=True)]
        )

    def _to_text(self, name: str, cell: bytes) -> None:
        self.late[name] = self.rows
        self.texts[name] = [cell.decode("utf-8").strip() or None]
        self.text_places[name] = self.places[name]

    def _is_number(self, cell: bytes) -> bool:
        import pyarrow as pa

        try:
            self._parsed([cell])
        except pa.ArrowInvalid:
            return False
        return True

    def _parsed(self, cells: Sequence[bytes]) -> NDArray[np.float64]:
        """Return cells as numbers: to pyarrow, they are one column."""
        import pyarrow as pa
        from pyarrow import csv

        text = b"\n".join(cells) + b"\n"
        if len(cells) == 0:
            return np.zeros(0)
        table = csv.read_csv(
            own_memory(text),
            csv.ReadOptions(block_size=max(2**20, len(text) + 1), column_names=["x"], use_threads=False),
            csv.ParseOptions(delimiter="\x1f", quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types={"x": pa.float64()}, null_values=list(NULLS), decimal_point=self.dialect.decimal
            ),
        )
        values: NDArray[np.float64] = table.column(0).to_numpy()
        return values

    def _again(self) -> None:
        """Read once more, as text, the rows of columns that were taken for numbers before."""
        late = {name: rows for name, rows in self.late.items() if rows > 0}
        before: dict[str, list[str | None]] = {name: [] for name in late}
        row = 0
        self.content.seek(self.dialect.start)
        while late and row < max(late.values()) and (line := self.content.readline()):
            cells = line.rstrip(b"\r\n").split(self.separator)
            if cells == [b""]:
                continue
            for name, rows in late.items():
                if row < rows:
                    place = self.places[name]
                    before[name].append((cells[place].decode("utf-8").strip() or None) if place < len(cells) else None)
            row += 1
        for name, cells_before in before.items():
            self.texts[name] = cells_before + self.texts[name]

    def parts(self) -> tuple[list[str], NDArray[np.float64], dict[str, Any], list[str]]:
        """Return the names of the numbers, their values ``(f, n)``, the texts, and what was mended."""
        matrix, numbers = self.matrix[:, : self.rows], self.numbers
        if self.late:
            kept = [row for row, name in enumerate(numbers) if name not in self.late]
            matrix, numbers = matrix[kept], [numbers[row] for row in kept]
        texts = {name: np.array(cells, dtype=object) for name, cells in self.texts.items()}
        lines = counted(self.short, "line")
        notes = [f"{lines} with fewer cells than there are columns, the others taken as empty"] if self.short else []
        return numbers, matrix, texts, notes
