"""Numbers that rather say that nothing is known: -9, -3, -999 and 9999 far from all other values of a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmlego.wording import listed, quoted

if TYPE_CHECKING:
    import pandas as pd

_NINES = (9.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0)
_ONE = -1.0  # a step down, too: it counts where no other is negative, and there are more than the steps 0, 1, 2
_REFUSED = (-3.0, -7.0, -8.0, -77.0, -88.0, -818.0)  # of UK Biobank, NHANES and panels: not asked, not answered
_TENTHS = (99.9, 99.99, 999.9, 999.99, 9999.9, 9999.99)  # as wide as the field, with its decimals
_BELOW = (_ONE, *(-code for code in _NINES), *_REFUSED, *(-code for code in _TENTHS))
_ABOVE = (*_NINES, *_TENTHS)
CODES = (*_BELOW, *_ABOVE[1:])  # 9 is a count as well
# Beside 9, 99 and 999, which mean that nothing is known, what registers and surveys write for refused or not asked.
_BESIDE = {
    9.0: (8.0, 7.0),
    99.0: (98.0, 97.0, 96.0, 95.0, 88.0, 77.0),
    999.0: (*(float(code) for code in range(998, 987, -1)), 888.0, 777.0),
    9999.0: (9998.0, 9997.0, 8888.0, 7777.0),
}
_LARGE = 77  # of a code beside one other value
MOST_GRADES = 4  # the largest of whole numbers beside which 9 is hardly one of them
MOST_CELLS = 20_000_000  # of larger tables every second row, or third, is looked at
FAR = 3  # times the largest of the others


def likely_codes(values: NDArray[Any]) -> dict[float, int]:
    """Return the numbers of a column that rather say that nothing is known, with how often each is there.

    A negative one where all others are at least 0, or any that is more than three times as far from 0 as all others;
    -1 where all others are at least 0 and some above 2, for -1 to 2 are steps, as of copies of a gene, or beside -3; 9
    beside whole numbers from 0 to 4 alone. Beside these such as 8, 98 and 988 are codes as well.

    Parameters
    ----------
    values
        Numbers of any shape, NaN where there is none.

    Examples
    --------
    >>> likely_codes(np.array([47.0, -9, 52, 999, 61, -9])), likely_codes(np.array([-9.0, -8, 3]))
    ({-9.0: 2, 999.0: 1}, {})
    >>> likely_codes(np.array([-1.0, 47, 52])), likely_codes(np.array([-1.0, 0, 1, 2]))
    ({-1.0: 1}, {})
    >>> likely_codes(np.array([-3.0, -1, 0, 1, 2, 2])), likely_codes(np.array([-3.0, -2, -1, 0, 1, 2, 3]))
    ({-1.0: 1, -3.0: 1}, {})
    >>> likely_codes(np.array([1.0, 2, 3, 4, 9, 8])), likely_codes(np.array([1.0, 5, 9]))
    ({9.0: 1, 8.0: 1}, {})
    """
    known = values[np.isfinite(values)]
    if not len(known) or (known.min() > _BELOW[0] and known.max() < _NINES[0]):
        return {}
    candidates = [code for code in (*_BELOW, *_ABOVE) if known.min() <= code <= known.max() and (known == code).any()]
    beside = {
        code: nine for nine, band in _BESIDE.items() if nine in candidates for code in band if (known == code).any()
    }
    codes = np.array([*candidates, *beside], dtype=known.dtype if known.dtype.kind == "f" else np.float64)
    others = known[~np.isin(known, codes)] if candidates else known
    if not candidates or not len(others):
        return {}
    if others.min() == others.max():  # two values are steps or classes as well, but for what is no small number
        candidates = [code for code in candidates if abs(code) >= _LARGE]
    largest = max(abs(float(others.min())), abs(float(others.max())))
    whole = not (others % 1 != 0).any()
    far = FAR * largest
    found = [code for code in candidates if abs(code) > far or (code < 0 and others.min() >= 0)]
    if _ONE in found and (others.min() < 0 or (others.max() <= 2 and not set(found) & set(_REFUSED))):
        found.remove(_ONE)
    if _NINES[0] in candidates and whole and others.min() >= 0 and largest <= MOST_GRADES:
        found = list(dict.fromkeys([*found, _NINES[0]]))  # as of grades from 1 to 4
    elif _NINES[0] in found:
        found.remove(_NINES[0])  # a value among others
    found += [code for code, nine in beside.items() if nine in found and code not in found and code > largest]
    return {code: int((known == code).sum()) for code in found}


def codes_of_matrix(frame: pd.DataFrame) -> str:
    """Return what is doubtful of a table of many columns of numbers, which are looked at as one; nothing if nothing is.

    Parameters
    ----------
    frame
        A row a patient.

    Examples
    --------
    >>> import pandas as pd
    >>> codes_of_matrix(pd.DataFrame({"TP53": [0.5, -9], "KRAS": [2, 3]}))
    'holds -9 1×, far from all others (0.5 to 3): if nothing is known there, declare missing: [-9]'
    """
    plain = [isinstance(kind, np.dtype) and kind.kind in "iuf" for kind in frame.dtypes]
    if not any(plain):
        return ""
    values = (frame if all(plain) else frame.loc[:, plain]).to_numpy()
    values = values[:: -(-values.size // MOST_CELLS)] if values.size else values
    codes = likely_codes(values)
    for code in (_ONE, _NINES[0]):  # the logarithm of ½, as many transforms add to counts; and a count
        codes.pop(code, None)
    return told_codes(codes, values) if codes else ""


def told_codes(
    codes: Mapping[float, int], values: NDArray[Any], column: str | None = None, *, declare: bool = True
) -> str:
    """Return what is doubtful of numbers, and what to declare.

    Parameters
    ----------
    codes
        What :func:`likely_codes` found.
    values
        All of them.
    column
        The column, where ``missing:`` of the section may name it.
    declare
        Whether the section has ``missing:`` at all.

    Examples
    --------
    >>> values = np.array([47.0, -9, 52])
    >>> told_codes(likely_codes(values), values, "age")
    'holds -9 1×, far from all others (47 to 52): if nothing is known there, declare missing: {age: [-9]}'
    """
    written = np.array(list(codes), dtype=values.dtype if values.dtype.kind == "f" else np.float64)
    rest = values[np.isfinite(values) & ~np.isin(values, written)]
    words = listed(f"{code:.10g} {count}×" for code, count in codes.items())
    way = f"[{', '.join(f'{code:.10g}' for code in codes)}]"
    way = way if column is None else f"{{{quoted(column, bare=True)}: {way}}}"
    span = f"{rest.min():g}" if rest.min() == rest.max() else f"{rest.min():g} to {rest.max():g}"
    far = f"far from all others ({span})"
    way = f"declare missing: {way}" if declare else "mend the files"
    return f"holds {words}, {far}: if nothing is known there, {way}"
