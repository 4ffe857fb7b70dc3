"""Words that stand in tables for a value that is not there, as programs and archives write them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.remarks import Dropped, Noted
from mmlego.wording import label, listed

# Nobody's name for anything: what programs write (R, pandas, SQL, Excel) and what GDC and cBioPortal write.
_SIGNS = """
#n/a|#n/a n/a|#na|#null!|#value!|#div/0!|#ref!|#name?|#num!|-1.#ind|-1.#qnan|-nan|1.#ind|1.#qnan|<na>|nan|nat
'--|--|---|[not available]|[not applicable]|[not evaluated]|[not reported]|[not specified]|[unknown]|[discrepancy]
[completed]|[pending]|[data missing]|[missing]
"""
# Missing where numbers belong; but a class, a category, a gene or a molecule may well be called so.
_NAMES = """
na|n/a|n.a.|none|null|.|-|?|unknown|unk|missing|not available|not applicable|not reported|not evaluated|not recorded
not done|not known|notreported|notavailable
"""
SIGNS = frozenset(word for line in _SIGNS.split("\n") for word in line.split("|") if word)
NAMES = frozenset(word for line in _NAMES.split("\n") for word in line.split("|") if word)


def is_sign(text: str) -> bool:
    """Return whether a cell says that nothing is known, and can say nothing else: ``#N/A``, ``[Not Available]``.

    Parameters
    ----------
    text
        The cell.

    Examples
    --------
    >>> is_sign("[Not Available]"), is_sign(" "), is_sign("NA"), is_sign("0")
    (True, True, False, False)
    """
    word = text.strip().casefold()
    return not word or word in SIGNS


def is_missing(text: str) -> bool:
    """Return whether a cell among numbers, dates or events says that nothing is known; names may look the same.

    Parameters
    ----------
    text
        The cell.

    Examples
    --------
    >>> is_missing("NA"), is_missing("not reported"), is_missing("'--"), is_missing("> 89")
    (True, True, True, False)
    """
    return is_sign(text) or text.strip().casefold() in NAMES


def without_codes(values: NDArray[Any], codes: Collection[float]) -> tuple[NDArray[Any], Counter[str]]:
    """Return numbers with NaN in place of those that mean that nothing is known, and how often each stood there.

    Parameters
    ----------
    values
        Numbers of any shape; they are not changed.
    codes
        Which of them mean that.

    Examples
    --------
    >>> without_codes(np.array([1, -9, 2]), [-9.0])
    (array([ 1., nan,  2.]), Counter({'-9': 1}))
    """
    found = Counter[str]()
    made = values
    for code in codes:
        here = values == code
        if here.any():
            if made is values:
                made = values.astype(np.result_type(values.dtype, np.float32))
            made[here] = np.nan
            found[label(code)] += int(here.sum())
    return made, found


def told_missing(words: Counter[str], where: str) -> list[Dropped]:
    """Return the note that words were read as missing.

    Parameters
    ----------
    words
        How often each was.
    where
        The modality.
    """
    if not words:
        return []
    return [Noted(where, f"read as missing: {listed((f'{word!r} {n}×' for word, n in words.most_common()), 4)}")]
