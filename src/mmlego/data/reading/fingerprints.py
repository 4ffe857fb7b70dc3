"""What tells one content from another: of a file without reading all of it, of a row only where chance is ruled out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmlego.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

BLOCKS = 16
BLOCK_BYTES = 8192
# Two patients share a row by chance with probability 2^−bits: among n hardly ever, with so many bits beyond log2 n.
MARGIN_BITS = 10
MOST_COLUMNS = 256
PART = 4096  # columns that are turned at a time


def file_fingerprint(path: Path, start: int = 0) -> bytes:
    """Return a hash of the size of a file and of 16 blocks spread evenly from its start to its end.

    Slides of many gigabytes cannot be read through each time a run starts. A copy has the same fingerprint wherever
    it lies and whenever it was made.

    Parameters
    ----------
    path
        The file.
    start
        How many bytes at its beginning do not count.

    Raises
    ------
    InputError
        If it cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path, copy = Path(folder) / "slide.h5", Path(folder) / "copy.h5"
    ...     _ = path.write_bytes(b"patches"), copy.write_bytes(b"patches")
    ...     file_fingerprint(path) == file_fingerprint(copy)
    True
    """
    try:
        size = max(0, path.stat().st_size - start)
        digest = hashlib.sha256(str(size).encode())
        with path.open("rb") as file:
            for i in range(BLOCKS):
                file.seek(start + i * max(0, size - BLOCK_BYTES) // (BLOCKS - 1))
                digest.update(file.read(BLOCK_BYTES))
    except OSError as error:
        raise InputError(f"cannot read {path.name!r} ({error.strerror})") from error
    return digest.digest()


def folder_fingerprint(path: Path) -> bytes:
    """Return a hash of the names and sizes of all files in a folder, and of what 16 of them hold.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    InputError
        If one cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "0.0").write_bytes(b"patches")
    ...     folder_fingerprint(Path(folder)) == folder_fingerprint(Path(folder))
    True
    """
    files = sorted(file for file in path.rglob("*") if file.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(path).as_posix()} {file.stat().st_size} ".encode())
    for file in files[:: max(1, -(-len(files) // BLOCKS))]:
        digest.update(file_fingerprint(file))
    return digest.digest()


def row_fingerprints(frame: pd.DataFrame) -> list[bytes | None]:
    """Return a hash of each row; None where two patients may well have the same row by chance.

    Age and sex, or the mutations in a handful of genes, are the same in many patients, and tell nobody from another. So
    only columns of measurements count as evidence, in which most values are different: one shared by ``c`` of ``n``
    patients gives ``log2(n / c)`` bits, and a row needs ``log2 n + 10``. What a cell holds other than numbers and text
    (files, series) is evidence enough.

    Parameters
    ----------
    frame
        Rows by patient.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = np.random.default_rng(0).normal(size=(20, 10))
    >>> rows[7] = rows[3]
    >>> found = row_fingerprints(pd.DataFrame(rows))
    >>> found[7] == found[3], found[7] == found[4]
    (True, False)
    >>> row_fingerprints(pd.DataFrame({"sex": ["f", "m", "f"]}))
    [None, None, None]
    """
    from pandas.util import hash_pandas_object

    if frame.empty:
        return [None] * len(frame)
    digests = [hashlib.sha256() for _ in range(len(frame))]
    telling = np.zeros(len(frame), dtype=bool)
    kinds = [_kind(dtype) for dtype in frame.dtypes]
    for start, stop in _runs(kinds):
        if kinds[start]:
            for part in range(start, stop, PART):  # as float64: of float32 and of whole numbers that is exact
                numbers = frame.iloc[:, part : min(part + PART, stop)].to_numpy(dtype=np.float64, na_value=np.nan)
                numbers = np.where(np.isnan(numbers), np.nan, numbers + 0.0)  # one NaN, one zero
                for digest, row in zip(digests, np.ascontiguousarray(numbers), strict=True):
                    digest.update(row.tobytes())
            continue
        for place in range(start, stop):
            column = frame.iloc[:, place]
            if _holds_objects(column):
                telling |= column.notna().to_numpy()
                cells = [_cell(value) for value in column]
            else:
                cells = [int(value).to_bytes(8, "little") for value in hash_pandas_object(column, index=False)]
            for digest, cell in zip(digests, cells, strict=True):
                digest.update(cell)
    telling |= _bits(frame, [place for place, number in enumerate(kinds) if number]) >= (
        math.log2(len(frame)) + MARGIN_BITS
    )
    return [digest.digest() if tells else None for digest, tells in zip(digests, telling, strict=True)]


def text_fingerprints(column: pd.Series) -> list[bytes | None]:
    """Return a hash of each text, where any text is enough to tell who has it: sequences, molecules, reports.

    Parameters
    ----------
    column
        Texts by patient.

    Examples
    --------
    >>> import pandas as pd
    >>> first, second = text_fingerprints(pd.Series(["CCO", "CCO"]))
    >>> first == second
    True
    """
    return [hashlib.sha256(str(text).encode()).digest() for text in column]


def _holds_objects(column: pd.Series) -> bool:
    return column.dtype == object and not all(value is None or np.isscalar(value) for value in column)


def _cell(value: object) -> bytes:
    own = getattr(value, "fingerprint", None)
    if callable(own):
        found = own()
        if isinstance(found, bytes):
            return found
    raw = value.tobytes() if isinstance(value, np.ndarray) else str(value).encode()
    return hashlib.sha256(raw).digest()


def _kind(dtype: Any) -> bool:
    """Return whether a column holds numbers, of numpy or of pandas; truth values are none."""
    return getattr(dtype, "kind", "O") in "iuf"


def _runs(kinds: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield where columns of one kind stand beside each other."""
    start = 0
    for place in range(1, len(kinds) + 1):
        if place == len(kinds) or kinds[place] != kinds[start]:
            yield start, place
            start = place


def _bits(frame: pd.DataFrame, places: Sequence[int]) -> NDArray[np.float64]:
    """Return how much the numbers of each row tell of who has it, ``(n,)``; of many columns some are looked at."""
    total = np.zeros(len(frame))
    for place in places[:: max(1, len(places) // MOST_COLUMNS)]:
        column = frame.iloc[:, place].to_numpy(dtype=np.float64, na_value=np.nan)
        known = ~np.isnan(column)
        _, values, counts = np.unique(column[known], return_inverse=True, return_counts=True)
        if len(counts) > 0.3 * known.sum() and len(counts) > 2:
            total[known] += math.log2(known.sum()) - np.log2(counts[values])
    return total
