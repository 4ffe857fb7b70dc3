"""Table files from disk, with care: inside the manifest's folder, of bounded size, named when unreadable."""

from __future__ import annotations

import fnmatch
import gzip
import io
import zipfile
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mmlego.errors import InputError
from mmlego.extras import import_extra
from mmlego.wording import label, listed, meant

if TYPE_CHECKING:
    import pandas as pd


class _Bytes(Protocol):
    def read(self, size: int, /) -> bytes: ...


SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": ","}
PACKED = ("", ".gz", ".zip")
# What pandas takes for a missing cell, in columns that are not declared as text.
WORDS = "#N/A #NA -1.#IND -1.#QNAN -NaN -nan 1.#IND 1.#QNAN <NA> N/A NA NULL NaN None n/a nan null"
MISSING = ["", "#N/A N/A", *WORDS.split()]
# A packed file may grow to FREE_BYTES whatever its size, beyond that RATIO-fold, and never past MOST_BYTES.
FREE_BYTES = 64 * 2**20
RATIO = 200
MOST_BYTES = 4 * 2**30


def read_lines(path: Path) -> list[str]:
    r"""Read a text file, plain, ``.gz`` or ``.zip``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    list of str
        Its lines, without their ends.

    Raises
    ------
    InputError
        If the file is damaged, no text in UTF-8, or grows too large when unpacked; the message names it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "seqs.fasta"
    ...     _ = path.write_text(">p1\nACGT\n")
    ...     read_lines(path)
    ['>p1', 'ACGT']
    """
    try:
        return _bytes(path).getvalue().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {path.name!r} ({error})", expected="text in UTF-8") from error


def read_bytes(path: Path) -> bytes:
    """Read a whole file, plain, ``.gz`` or ``.zip``, for what says itself how it is encoded.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If the file is damaged or grows too large when unpacked; the message names it.
    """
    return _bytes(path).getvalue()


def read_table(
    path: Path, key: str, *, text: Collection[str] = (), only: Collection[str] | None = None
) -> pd.DataFrame:
    r"""Read one table: CSV, TSV, or either as ``.txt``, plain, ``.gz`` or ``.zip``; or Parquet.

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
        If the file is of another kind, damaged, grows too large when unpacked, has two columns of one name, or
        lacks the key; the message names the file.
    MissingExtraError
        If Parquet is asked for and pyarrow is not installed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "clinical.csv"
    ...     _ = path.write_text("id,age\n007,50\n")
    ...     read_table(path, key="id").to_dict("list")
    {'id': ['007'], 'age': [50]}
    """
    kinds = [f"{kind}{packed}" for kind in SEPARATORS for packed in PACKED]
    suffix = next((suffix for suffix in kinds if path.name.lower().endswith(suffix)), None)
    if path.name.lower().endswith(".parquet"):
        frame = _read_parquet(path, key, text, only)
    elif suffix is not None:
        content = _bytes(path)
        frame = _read_text(path, content, _separator(suffix[:4], content), key, text, only)
    else:
        expected = f"one of {', '.join([*kinds, '.parquet'])}"
        raise InputError(f"file {path.name!r} is of a kind that is not read", expected=expected)
    if key not in frame.columns:
        raise _no_key(path, key, [str(name) for name in frame.columns])
    return frame


def _separator(kind: str, content: io.BytesIO) -> str:
    """Return what stands between cells; of a ``.txt``, what its first line has more of."""
    if kind != ".txt":
        return SEPARATORS[kind]
    first = content.readline()
    content.seek(0)
    return "\t" if first.count(b"\t") > first.count(b",") else ","


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


def _there(path: Path, key: str, names: Sequence[str], patterns: Collection[str]) -> set[str]:
    """Return the columns of a file that are wanted, or say which is not there."""
    for pattern in patterns:
        if pattern != key and not matching(names, [pattern]):
            raise InputError(f"file {path.name!r} has no column {pattern!r}", remedy=meant(pattern, list(names)))
    if key not in names:
        raise _no_key(path, key, names)
    return set(matching(names, [key, *patterns]))


def _no_key(path: Path, key: str, names: Sequence[str]) -> InputError:
    return InputError(f"file {path.name!r} has no key column {key!r}", remedy=meant(key, list(names)))


def _read_text(
    path: Path, content: io.BytesIO, separator: str, key: str, text: Collection[str], only: Collection[str] | None
) -> pd.DataFrame:
    import pandas as pd

    try:
        header = pd.read_csv(content, sep=separator, header=None, nrows=1, dtype=str).iloc[0].dropna().tolist()
        content.seek(0)
        text = set(matching(header, [key, *text]))
        wanted = None if only is None else _there(path, key, header, only)
        missing = {name: [""] if name in text else MISSING for name in header}
        kinds = dict.fromkeys(text, str)
        frame = pd.read_csv(
            content,
            sep=separator,
            dtype=kinds,
            na_values=missing,
            keep_default_na=False,
            low_memory=False,
            usecols=None if wanted is None else (lambda name: name in wanted),
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the table {path.name!r} ({error})", expected="text in UTF-8") from error
    again = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    if again:
        raise InputError(f"file {path.name!r} has columns of the same name ({listed(again)})")
    if not isinstance(frame.index, pd.RangeIndex):
        remedy = "Name the first column too: some programs leave out the name of the row names."
        raise InputError(f"file {path.name!r} has more columns than names in its first line", remedy=remedy)
    return frame.copy()  # a wide table comes in pieces, and in one piece is faster to work with


def _read_parquet(path: Path, key: str, text: Collection[str], only: Collection[str] | None) -> pd.DataFrame:
    what, install = f"reading {path.name!r}", "'mmlego[parquet]'."
    pa, parquet = (import_extra(module, what, install) for module in ("pyarrow", "pyarrow.parquet"))
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            table = file.read(None if only is None else sorted(_there(path, key, names, only), key=names.index))
        texts = set(matching(names, [key, *text]))
        # Whole numbers beside a null would become floats, which cannot tell those beyond 2^53 apart.
        for place, name in enumerate(table.column_names):
            if name in texts and pa.types.is_integer(table.schema.types[place]):
                table = table.set_column(place, name, table.column(place).cast(pa.string()))
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"cannot read the table {path.name!r} ({error})", expected="Parquet") from error
    return _as_text(frame.rename(columns={"__index_level_0__": "index"}), texts)


def _as_text(frame: pd.DataFrame, names: Collection[str]) -> pd.DataFrame:
    """Return a table whose named columns hold text, or nothing."""
    frame = frame.copy(deep=False)
    for name in frame.columns:
        if name in names:
            cells = frame[name].astype(object).where(frame[name].notna(), None)
            frame[name] = [None if value is None else label(value) for value in cells]
    return frame


def _bytes(path: Path) -> io.BytesIO:
    """Return the content of a file, unpacked if need be."""
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as stream:
                return unpacked(stream, path)
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
                if len(members) != 1:
                    names = listed(member.filename for member in members)
                    raise InputError(f"archive {path.name!r} is ambiguous", expected="one file in it", got=names)
                with archive.open(members[0]) as member:
                    return unpacked(member, path)
        return io.BytesIO(path.read_bytes())
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise InputError(f"cannot unpack {path.name!r} ({error})", expected="a whole, unencrypted file") from error


def unpacked(stream: _Bytes, path: Path) -> io.BytesIO:
    """Return the whole of a stream that unpacks a file.

    Parameters
    ----------
    stream
        The stream.
    path
        The packed file.

    Raises
    ------
    InputError
        If it grows past the allowance.
    """
    allowed = allowance(path)
    content = io.BytesIO()
    while chunk := stream.read(2**20):
        content.write(chunk)
        if content.tell() > allowed:
            raise too_large(path, allowed)
    content.seek(0)
    return content


def allowance(path: Path) -> int:
    """Return how many bytes a packed file may hold."""
    return min(MOST_BYTES, max(FREE_BYTES, RATIO * path.stat().st_size))


def too_large(path: Path, allowed: int) -> InputError:
    """Return the error that a packed file holds more than it may."""
    return InputError(
        f"file {path.name!r} grows too large when unpacked",
        expected=f"at most {allowed} bytes from {path.stat().st_size}",
        remedy="If you trust it, unpack it yourself and name what was unpacked.",
    )
