"""What tells one content from another: of a file without reading all of it, of a row only where chance is ruled out."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING

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
    hashed = np.zeros((len(frame), frame.shape[1]), dtype=np.uint64)
    telling = np.zeros(len(frame), dtype=bool)
    for place, (_, column) in enumerate(frame.items()):
        if _holds_objects(column):
            cells = [_cell(value) for value in column]
            hashed[:, place] = [int.from_bytes(cell[:8], "little") for cell in cells]
            telling |= column.notna().to_numpy()
        else:
            hashed[:, place] = hash_pandas_object(column, index=False).to_numpy()
    numbers = frame.select_dtypes("number").to_numpy(dtype=np.float64, na_value=np.nan)
    telling |= _bits(numbers) >= math.log2(len(frame)) + MARGIN_BITS
    rows = zip(hashed, telling, strict=True)
    return [hashlib.sha256(row.tobytes()).digest() if tells else None for row, tells in rows]


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


def _bits(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much each row ``(n, f)`` tells of who has it, ``(n,)``."""
    total = np.zeros(len(values))
    for column in values.T[:: max(1, values.shape[1] // MOST_COLUMNS)]:
        known = ~np.isnan(column)
        _, place, counts = np.unique(column[known], return_inverse=True, return_counts=True)
        if len(counts) > 0.3 * known.sum() and len(counts) > 2:
            total[known] += math.log2(known.sum()) - np.log2(counts[place])
    return total
