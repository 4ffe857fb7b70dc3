"""Padding of DICOM: pixels that were never measured and hold a value that the header names; they become background.

Scanners with a round field of view fill its corners, as with −2000, and mammograms are cut free so. PS3.3 C.7.5.1.1.2:
the value is among those stored, before any slope or table of values, and nothing that is calculated may rest on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlego.errors import InputError

_WHOLE = ("PixelPaddingValue", "PixelPaddingRangeLimit")
_REAL = (
    ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
    ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
)


def names_padding(found: Any) -> bool:
    """Return whether a header names a value of padding.

    Parameters
    ----------
    found
        The header, as pydicom gives it.
    """
    return any(_given(found, value) for value, _ in (_WHOLE, *_REAL))


def padding_of(stored: NDArray[Any], found: Any, name: str) -> NDArray[np.bool_] | None:
    """Return which stored values are padding; None if the header names none, or none is there.

    Whole numbers are compared as they lie in the bits allocated: 63536 and −2000 are the same 16 bits, and files name
    one where their pixels hold the other.

    Parameters
    ----------
    stored
        The values as they are stored.
    found
        The header, as pydicom gives it.
    name
        Of the file.

    Raises
    ------
    InputError
        If the value does not fit the bits stored: the pixels that hold it cannot be told from others.
    """
    pairs = _REAL if stored.dtype.kind == "f" else (_WHOLE,)
    pair = next((pair for pair in pairs if _given(found, pair[0])), None)
    if pair is None:
        return None
    ends = [found.get(element) for element in pair if _given(found, element)]
    if stored.dtype.kind != "f":
        ends = [_as_stored(int(end), found, pair[0], name) for end in ends]
    low, high = min(ends), max(ends)
    padded: NDArray[np.bool_] = (stored >= low) & (stored <= high)
    return padded if padded.any() else None


def without_padding(frames: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Return frames, or a volume, whose padding is as dark as the darkest of what was measured: background.

    Parameters
    ----------
    frames
        Values of any shape, NaN where padding is.
    name
        Of their file or folder.

    Raises
    ------
    InputError
        If there is nothing else.

    Examples
    --------
    >>> without_padding(np.array([[np.nan, -1000.0], [40.0, np.nan]], dtype=np.float32), "ct").tolist()
    [[-1000.0, -1000.0], [40.0, -1000.0]]
    """
    padded = np.isnan(frames)
    if not padded.any():
        return frames
    if padded.all():
        raise InputError(f"{name!r} holds nothing but padding", expected="pixels that were measured")
    return np.where(padded, frames[~padded].min(), frames)


def _given(found: Any, element: str) -> bool:
    return found.get(element) not in (None, "")


def _as_stored(value: int, found: Any, element: str, name: str) -> int:
    """Return a number as the pixels hold it, signed or not."""
    allocated, bits = int(found.BitsAllocated), int(found.get("BitsStored", 0) or found.BitsAllocated)
    signed = int(found.get("PixelRepresentation", 0) or 0) == 1
    value %= 2**allocated
    value -= 2**allocated if signed and value >= 2 ** (allocated - 1) else 0
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if not low <= value <= high:
        expected = f"one of {bits} bits, from {low} to {high}"
        raise InputError(f"{element} of {name!r} is no value that is stored", expected=expected, got=value)
    return value
