"""What tells one content from another: of a file without reading all of it, of a row only where chance is ruled out."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.in_turn import in_turn, threads
from mmlego.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

BLOCKS = 16
BLOCK_BYTES = 8192
# Two patients share a row by chance with probability 2^−bits: among n hardly ever, with so many bits beyond log2 n.
MARGIN_BITS = 10
MOST_COLUMNS = 256
AT_ONCE = 2**18  # values


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
    summed = np.zeros((len(frame), 2), dtype=np.uint64)
    telling = np.zeros(len(frame), dtype=bool)
    number = np.array([getattr(kind, "kind", "O") in "iuf" for kind in frame.dtypes], dtype=bool)
    floats = np.flatnonzero(number)
    factors = np.random.default_rng(0).integers(2**63, size=(len(floats), 2), dtype=np.uint64) * 2 + 1

    def sums(some: slice) -> NDArray[np.uint64]:
        return _sums(_values(frame, floats[some]), factors[some])  # as sure as a hash of 128 bits, a tenth of the time

    step = max(1, AT_ONCE // len(frame))
    for _, part in in_turn(sums, (slice(start, start + step) for start in range(0, len(floats), step)), threads()):
        summed += part
    digests = [hashlib.sha256(row.tobytes()) for row in summed]
    for place in np.flatnonzero(~number).tolist():
        column = frame.iloc[:, place]
        if _holds_objects(column):
            cells = [_cell(value) for value in column]
            telling |= column.notna().to_numpy()
        else:
            cells = [value.tobytes() for value in hash_pandas_object(column, index=False).to_numpy()]
        for digest, cell in zip(digests, cells, strict=True):
            digest.update(cell)
    telling |= _are_telling(frame)
    return [digest.digest() if tells else None for digest, tells in zip(digests, telling, strict=True)]


def _sums(values: NDArray[np.float64], factors: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return two sums over columns ``(n, 2)`` of numbers ``(k, n)``, as bits of which each hangs on many others."""
    bits = values.view(np.uint64)
    spare = bits >> np.uint64(33)
    bits ^= spare
    bits *= np.uint64(0xFF51AFD7ED558CCD)
    np.right_shift(bits, np.uint64(33), out=spare)
    bits ^= spare
    found = [np.multiply(bits, factor[:, None], out=spare).sum(axis=0, dtype=np.uint64) for factor in factors.T]
    return np.stack(found, axis=1)


def _values(frame: pd.DataFrame, some: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the values ``(k, n)`` of some columns of numbers, one NaN and one zero being as another."""
    whole = some[-1] - some[0] + 1 == len(some)
    part = frame.iloc[:, some[0] : some[-1] + 1] if whole else frame.iloc[:, some.tolist()]
    plain = all(kind == np.float64 for kind in part.dtypes)
    numbers = part.to_numpy() if plain else part.to_numpy(dtype=np.float64, na_value=np.nan)
    values: NDArray[np.float64] = np.add(numbers.T, 0.0, order="C", dtype=np.float64)
    values[np.isnan(values)] = np.nan
    return values


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


def _are_telling(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Return for which rows ``(n,)`` the numbers tell who has them; of many columns some are looked at."""
    names = [place for place, kind in enumerate(frame.dtypes) if getattr(kind, "kind", "O") in "iuf"]
    needed = math.log2(len(frame)) + MARGIN_BITS
    total = np.zeros(len(frame))
    for place in names[:: max(1, len(names) // MOST_COLUMNS)]:
        column = frame.iloc[:, place].to_numpy(dtype=np.float64, na_value=np.nan)
        known = ~np.isnan(column)
        _, rank, counts = np.unique(column[known], return_inverse=True, return_counts=True)
        if len(counts) > 0.3 * known.sum() and len(counts) > 2:
            total[known] += math.log2(known.sum()) - np.log2(counts[rank])
        if (total >= needed).all():
            break
    telling: NDArray[np.bool_] = total >= needed
    return telling
