"""Tables from files: text of any dialect, Parquet, Excel; as frames whose numbers lie in one piece of memory."""

from __future__ import annotations

import fnmatch
import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from mmlego.data.reading.delimited import Columns, read_columns
from mmlego.data.reading.dialect import SEPARATORS, Dialect, detect, is_unnamed
from mmlego.data.reading.files import PACKED, packed_bytes
from mmlego.data.reading.parquet import ParquetTable
from mmlego.data.reading.swallowed import refuse_swallowed
from mmlego.data.reading.workbooks import Workbook
from mmlego.errors import InputError, fault, within
from mmlego.wording import UTF8, listed, meant

if TYPE_CHECKING:
    import pandas as pd

# Of a file of which one column in eight is wanted, or more, all is read at once.
WORTH = 8
# More texts than these are not put between the numbers one by one.
FEW = 50
TRUE, FALSE = frozenset({"TRUE", "True", "true"}), frozenset({"FALSE", "False", "false"})


class TableFile:
    r"""A table in a file: how it is written is found once, and each column is read once, in the form asked for.

    Parameters
    ----------
    path
        CSV, TSV, ``.psv`` or ``.txt``, plain, ``.gz`` or ``.zip``; Parquet; or ``.xlsx``.
    key
        The column of patient ids, which is text.
    sheet
        Of ``.xlsx`` the sheet; None: the one that has the key.
    patients
        The patients with an outcome, where they are known: they may stand in the columns.

    Raises
    ------
    InputError
        If the file is of another kind, damaged, ambiguous, grows too large when unpacked, has two columns of one name,
        or lacks the key; the message names the file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "clinical.csv"
    ...     _ = path.write_text("id;crp\n007;3,5\n")
    ...     table = TableFile(path, key="id")
    ...     table.frame().to_dict("list"), table.notes
    ({'id': ['007'], 'crp': [3.5]}, ('read with semicolons between cells', 'read with decimal commas, as 3,5 for 3.5'))
    """

    def __init__(
        self, path: Path, key: str, *, sheet: str | None = None, patients: Collection[str] | None = None
    ) -> None:
        self.path, self.key = path, key
        with _told(path.name):
            self._source = _opened(path, key, sheet)
        self.names = tuple(self._source.names)
        self.notes: tuple[str, ...] = tuple(self._source.notes)
        self.doubts: tuple[str, ...] = self._source.doubts
        self.decimal: str = self._source.decimal
        self.dotted: tuple[str, ...] = self._source.dotted
        self._place: dict[tuple[str, bool], tuple[Columns, int | None]] = {}
        if key not in self.names:
            raise self._without_key(set(patients or ()))

    def _without_key(self, patients: Collection[str]) -> InputError:
        what = f"file {self.path.name!r} has no key column {self.key!r}"
        lengths = {len(patient) for patient in patients if len(patient) > 3}
        theirs = [n for n in self.names if n in patients or any(n[:length] in patients for length in lengths)]
        if len(theirs) * 2 > len(self.names):
            return InputError(
                f"{what}: patients stand in its columns",
                expected="a row a patient",
                got=listed(theirs, 3),
                remedy="A matrix with genes in rows is read by kind: omics with genes: rows; turn other tables.",
            )
        if self.names and is_unnamed(self.names[0]):
            return InputError(what, remedy=f"Its first column has no name: give it the name {self.key!r}.")
        return InputError(what, remedy=meant(self.key, list(self.names)))

    def frame(self, text: Collection[str] = (), only: Collection[str] | None = None) -> pd.DataFrame:
        """Return the table.

        Parameters
        ----------
        text, only
            As :func:`read_table` takes them.

        Raises
        ------
        InputError
            If a column is not there, or a row cannot be read.
        """
        for pattern in only or ():
            if not matching(self.names, [pattern]):
                what = f"file {self.path.name!r} has no column {pattern!r}"
                fault(InputError(what, remedy=meant(pattern, list(self.names))))
        wanted = list(self.names) if only is None else matching(self.names, {self.key, *only})
        texts = set(matching(self.names, {self.key, *text}))
        absent = [name for name in wanted if (name, name in texts) not in self._place]
        if len(absent) > len(self.names) // WORTH:  # then all the rest, for other modalities of the file
            absent = [name for name in self.names if (name, name in texts) not in self._place]
        if absent:
            with _told(self.path.name):
                found = self._source.read(absent, texts)
            self.notes = (*self.notes, *(note for note in found.notes if note not in self.notes))
            rows = {name: row for row, name in enumerate(found.numbers)}
            for name in absent:
                self._place[name, name in texts] = (found, rows.get(name))
        return _frame(wanted, [self._place[name, name in texts] for name in wanted], texts)


def read_table(
    path: Path, key: str, *, text: Collection[str] = (), only: Collection[str] | None = None
) -> pd.DataFrame:
    r"""Read one table: CSV, TSV, ``.psv`` or ``.txt``, plain, ``.gz`` or ``.zip``; Parquet; or ``.xlsx``.

    What stands between cells, and whether commas are decimal, is found from the file; lines that begin with ``#`` above
    the names of the columns are passed over. A column is numbers (float64) if all its cells are, or are empty, or say
    in a common way that nothing is known, as ``NA``; else it is text as it is written, missing where the cell is empty.

    Parameters
    ----------
    path
        The file.
    key
        The column of patient ids, read as text so that ``007`` stays ``007``.
    text
        Further columns, as names or globs, that are read as text: as they are written, missing only where the cell is
        empty.
    only
        The columns that are wanted, as names or globs, beside the key; None: all.

    Returns
    -------
    pandas.DataFrame
        The table, rows numbered.

    Raises
    ------
    InputError
        If the file is of another kind, damaged, ambiguous, grows too large when unpacked, has two columns of one name,
        or lacks the key; the message names the file.
    MissingExtraError
        If ``.xlsx`` is asked for and openpyxl is not installed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "clinical.csv"
    ...     _ = path.write_text("id,age\n007,50\n")
    ...     read_table(path, key="id").to_dict("list")
    {'id': ['007'], 'age': [50.0]}
    """
    return TableFile(path, key).frame(text, only)


def matching(names: Sequence[str], patterns: Collection[str]) -> list[str]:
    """Return the names that others name, by themselves or as a glob, in order; a name counts before it is a glob.

    Parameters
    ----------
    names
        Names of columns.
    patterns
        Names or globs.

    Examples
    --------
    >>> matching(["age", "tox_a", "tox_b", "x[1]"], ["tox_*", "x[1]", "sex"])
    ['tox_a', 'tox_b', 'x[1]']
    """
    exact = set(names) & set(patterns)
    globs = [pattern for pattern in patterns if pattern not in exact and any(sign in pattern for sign in "*?[")]
    return [name for name in names if name in exact or any(fnmatch.fnmatchcase(name, glob) for glob in globs)]


class _TextTable:
    """A text table, opened."""

    doubts: tuple[str, ...] = ()

    def __init__(self, path: Path, kind: str, key: str) -> None:
        self.path, self.key = path, key
        packed = path.name.lower().endswith((".gz", ".zip"))
        self._content: io.BytesIO | None = _utf8(packed_bytes(path) if packed else None, path)
        with self._open() as content:
            self.dialect: Dialect = detect(content, SEPARATORS[kind], key)
        self.names, self.notes, self.decimal = self.dialect.names, self.dialect.notes, self.dialect.decimal
        self.dotted = self.dialect.dotted

    def _open(self) -> BinaryIO:
        return self.path.open("rb") if self._content is None else io.BytesIO(self._content.getbuffer())

    def read(self, wanted: Sequence[str], text: Collection[str]) -> Columns:
        with self._open() as content:
            found = read_columns(content, self.dialect, wanted, text)
            if self.key in found.texts:
                ids = [word for word in found.texts[self.key] if word is not None]
                refuse_swallowed(content, self.dialect, self.key, ids)
            return found


def _opened(path: Path, key: str, sheet: str | None) -> _TextTable | ParquetTable | Workbook:
    name = path.name.lower()
    kinds = [f"{kind}{packed}" for kind in SEPARATORS for packed in PACKED]
    suffix = next((suffix for suffix in kinds if name.endswith(suffix)), None)
    if name.endswith(".parquet"):
        return ParquetTable(path)
    if name.endswith(".xlsx"):
        return Workbook(path, key, sheet)
    if suffix is None:
        expected = f"one of {', '.join([*kinds, '.parquet', '.xlsx'])}"
        raise InputError(f"file {path.name!r} is of a kind that is not read", expected=expected)
    return _TextTable(path, next(kind for kind in SEPARATORS if suffix.startswith(kind)), key)


def _utf8(content: io.BytesIO | None, path: Path) -> io.BytesIO | None:
    """Return a table in UTF-16, as Excel saves "Unicode text", or with the line ends of old Macs, in the usual way."""
    try:
        with path.open("rb") if content is None else io.BytesIO(content.getbuffer()) as file:
            head = file.read(2**16)
            if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
                return io.BytesIO((head + file.read()).decode("utf-16").encode())
            if b"\r" in head and b"\n" not in head:
                return io.BytesIO((head + file.read()).replace(b"\r", b"\n"))
    except OSError as error:
        raise InputError(f"cannot read the table {path.name!r} ({error.strerror})", expected="a file") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"cannot read the table {path.name!r} ({error})", expected="text in UTF-8 or UTF-16"
        ) from error
    return content


def _frame(names: Sequence[str], places: Sequence[tuple[Columns, int | None]], text: Collection[str]) -> pd.DataFrame:
    """Return columns as a frame: the numbers one block where they are read at once, and not copied."""
    import pandas as pd

    numbers = [(name, columns, row) for name, (columns, row) in zip(names, places, strict=True) if row is not None]
    others: dict[str, Any] = {}
    for name, (columns, row) in zip(names, places, strict=True):
        if row is None:
            cells = columns.texts[name]
            others[name] = cells if name in text else _booleans(cells)
    if not numbers:
        return pd.DataFrame(others, columns=list(names))
    first = numbers[0][1]
    if all(columns is first for _, columns, _ in numbers):
        rows: Any = [row for _, _, row in numbers]
        if rows == list(range(rows[0], rows[0] + len(rows))):
            rows = slice(rows[0], rows[0] + len(rows))
        matrix = first.matrix[rows]
    else:
        matrix = np.stack([columns.matrix[row] for _, columns, row in numbers])
    frame = pd.DataFrame(matrix.T, columns=[name for name, _, _ in numbers], copy=False)
    if len(others) > FEW:
        return pd.concat([frame, pd.DataFrame(others)], axis=1)[list(names)]
    for place, name in enumerate(names):
        if name in others:
            frame.insert(place, name, others[name])
    return frame


def _booleans(cells: Any) -> Any:
    """Return truth values where all words of a column are TRUE or FALSE, as R, Python or SQL writes them."""
    if not isinstance(cells, np.ndarray) or cells.dtype != object:
        return cells
    words = set(map(_word, cells)) - {None}
    if not words or not words <= TRUE | FALSE:
        return cells
    truth = np.array([None if cell is None else cell in TRUE for cell in cells], dtype=object)
    return truth if None in set(cells) else truth.astype(bool)


def _word(cell: object) -> object:
    return cell if cell is None or isinstance(cell, str) else ""


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say of an error of parsing which file it was."""
    import pyarrow as pa

    with within(f"cannot read the table {name!r}", repr(name)):
        try:
            yield
        except (UnicodeDecodeError, pa.ArrowInvalid) as error:
            text = " ".join(str(error).split())
            remedy = UTF8 if isinstance(error, UnicodeDecodeError) or "UTF8" in text else None
            what = f"cannot read the table {name!r} ({text[:200]})"
            raise InputError(what, expected="text in UTF-8", remedy=remedy) from error
