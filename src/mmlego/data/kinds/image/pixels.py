"""What all pixels of a cohort tell: masks among images, values that were shifted, or saved with other bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.seen import Seen
from mmlego.wording import counted, listed

MOST_LABELS, LARGEST_LABEL = 10, 255
SAMPLE = 2**16
PADDINGS = (-2000, -2048, -3000, -3024, -8192, -32768)  # of scanners, kept by converters that forget that they are
AIR, SHIFTED = -900, -100  # Hounsfield units: lungs and what is around a body are below; nothing of a shifted scan is
DIM, FULL = 1 / 8, 1 / 2  # of the range of the bits: 12 bits in 16 fill a sixteenth


def seen_of(values: NDArray[Any], bits: int) -> Seen:
    """Return lowest and highest value, and whether they are labels; where bits are known as shares of their range.

    Parameters
    ----------
    values
        Of pixels.
    bits
        Of how many the range of values is; 0: it is not known.

    Examples
    --------
    >>> seen_of(np.array([0, 2, 2, 1, 0.0]), 0), seen_of(np.array([0, 51.0, 0.5]), 8)
    (Seen(blank=0, total=0, low=0.0, high=2.0, labels=True), Seen(blank=0, total=0, low=0.0, high=0.2, labels=False))
    """
    if not values.size:
        return Seen()
    low, high = float(values.min()), float(values.max())
    few = low >= 0 and 0 < high <= LARGEST_LABEL and _few(values.ravel()[:: max(1, values.size // SAMPLE)])
    labels = few and _few(values)
    scale = 2**bits - 1 if bits else 1
    return Seen(low=low / scale, high=high / scale, labels=labels)


def _few(values: NDArray[Any]) -> bool:
    """Return whether there are a few whole numbers alone; from 0 to 255."""
    small = values.astype(np.uint8)
    return bool((small == values).all()) and len(np.unique(small)) <= MOST_LABELS


def pixel_doubts(seen: Mapping[str, Seen], noun: str, *, windowed: bool, own_scale: bool) -> list[str]:
    """Return what is doubtful of the values of a cohort.

    Parameters
    ----------
    seen
        By patient.
    noun
        What each has, ``image`` or ``volume``.
    windowed
        Whether a window cuts values off.
    own_scale
        Whether each is its own scale, by percentiles.

    Examples
    --------
    >>> pixel_doubts({"a": Seen(low=-3024, high=900)}, "volume", windowed=False, own_scale=False)[0][:51]
    '1 volume with a value of padding (a: -3024), which '
    """
    found = []
    labels = [who for who, one in seen.items() if one.labels]
    if labels:
        what = f"{counted(len(labels), noun)} of few whole numbers ({listed(labels, 3)})"
        found.append(f"{what}, as a mask or a segmentation: they count as brightness")
    if own_scale:
        return found
    if noun == "volume":
        padded = {who: one.low for who, one in seen.items() if one.low in PADDINGS}
        if padded and not windowed:
            some = listed((f"{who}: {low:g}" for who, low in padded.items()), 3)
            what = f"{counted(len(padded), noun)} with a value of padding ({some})"
            found.append(f"{what}, which counts as tissue: declare window: to cut it off")
        air = [who for who, one in seen.items() if one.low <= AIR]
        shifted = [who for who, one in seen.items() if one.low >= SHIFTED and one.high > -AIR]
        if shifted and 2 * len(air) >= len(seen):
            what = f"{counted(len(shifted), noun)} without values below {SHIFTED} ({listed(shifted, 3)})"
            found.append(f"{what} beside others down to {AIR} and less, as Hounsfield units: are they shifted?")
        return found
    dim = [who for who, one in seen.items() if 0 < one.high <= DIM]
    if dim and any(FULL <= one.high <= 1 for one in seen.values()):
        what = f"{counted(len(dim), noun)} using less than an eighth of their bits ({listed(dim, 3)})"
        found.append(f"{what} beside others using more than half: were they saved with other bits?")
    return found
