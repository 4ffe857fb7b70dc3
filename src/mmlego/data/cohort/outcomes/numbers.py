"""Columns of the outcome that hold numbers or dates: what is none is named, never guessed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from mmlego.data.cohort.outcomes.words import words
from mmlego.data.reading.date_forms import is_date
from mmlego.data.reading.likely_codes import FAR, likely_codes, told_codes
from mmlego.data.reading.signs import doubt_of_sign
from mmlego.data.reading.word_forms import is_clock, other_form
from mmlego.data.reading.words import GROUPED, as_number, plain
from mmlego.errors import InputError, fault
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

Decimal: TypeAlias = Literal[".", ","]
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*|\d{1,2}[- ][A-Za-z]{3}.*")


def numbers(frame: pd.DataFrame, name: str, decimal: Decimal | None = None) -> pd.Series:
    """Return a column as numbers, NaN where there is none.

    Parameters
    ----------
    frame
        A row a patient.
    name
        The column.
    decimal
        What stands before the decimals; where it is declared, the other sign parts thousands.

    Raises
    ------
    InputError
        If a cell holds something else than a finite number; the message names the words.

    Examples
    --------
    >>> import pandas as pd
    >>> numbers(pd.DataFrame({"t": ["1.5", None, "2e1"]}), "t").tolist()
    [1.5, nan, 20.0]
    >>> [numbers(pd.DataFrame({"t": ["1,100"]}), "t", sign).tolist() for sign in (".", ",")]
    [[1100.0], [1.1]]
    >>> numbers(pd.DataFrame({"age": ["35", "> 89"]}), "age")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: outcome column 'age' holds 1 cell that is no number: got '> 89' 1. Mend it, or ...
    """
    import pandas as pd

    column = frame[name]
    if column.dtype.kind in "mMc":
        remedy = _of_dates(["2020-01-01"])
        fault(InputError(f"outcome column {name!r} holds dates", expected="numbers", remedy=remedy))
        return pd.Series(np.nan, frame.index, dtype=float)
    if column.dtype.kind in "iufb":
        values = column.astype(float)
    else:
        cells = words(column)
        read = [None if word is None else _read(word, decimal) for word in cells]
        fits = [word is None or bool(_NUMBER.fullmatch(word)) for word in read]
        odd = [cell for cell, fit in zip(cells, fits, strict=True) if not fit and cell is not None]
        if odd:
            fault(_odd(name, odd, decimal))
        known = [float(word) if fit and word is not None else np.nan for word, fit in zip(read, fits, strict=True)]
        values = pd.Series(known, frame.index, dtype=float)
    refuse(values.index[np.isinf(values)], f"an infinite value in outcome column {name!r}")
    return values


def code_doubts(columns: pd.DataFrame) -> list[str]:
    """Return which columns hold numbers that rather say that nothing is known, in a clause each.

    Parameters
    ----------
    columns
        Numbers, NaN where there is none.

    Examples
    --------
    >>> import pandas as pd
    >>> code_doubts(pd.DataFrame({"t": [5.0, 7.0, -999.0]}))
    ["'t' holds -999 1×, far from all others (5 to 7): if nothing is known there, declare missing: [-999]"]
    """
    found = []
    for name in columns.columns:
        values = columns[name].to_numpy(dtype=float)
        codes = likely_codes(values)
        others = np.abs(values[np.isfinite(values) & ~np.isin(values, list(codes))])
        # of times 1 to 4 and 9 the last is no grade of its own: it counts where it is far, as any other
        codes = {code: count for code, count in codes.items() if not 0 < code < 10 or code > FAR * others.max()}
        if codes:
            found.append(f"{str(name)!r} {told_codes(codes, values)}")
    return found


def sign_doubts(frame: pd.DataFrame, names: Sequence[str], decimal: Decimal | None) -> list[str]:
    """Return in which columns the declared decimal sign may part thousands, in a clause each.

    Parameters
    ----------
    frame
        A row a patient.
    names
        The columns.
    decimal
        What is declared.

    Examples
    --------
    >>> import pandas as pd
    >>> sign_doubts(pd.DataFrame({"t": ["1,100", "301"]}), ["t"], ",")
    ["'t': decimal: ',' reads '1,100' as 1.100 beside '301': if the sign parts thousands, declare decimal: '.'"]
    """
    found = []
    for name in names if decimal is not None else ():
        given = [word for word in words(frame[name]) if word is not None]
        if decimal is not None and (doubt := doubt_of_sign(given, decimal)):
            found.append(f"{name!r}: decimal: {decimal!r} {doubt}")
    return found


def _read(word: str, decimal: Decimal | None) -> str:
    """Return a number as Python writes it; where a decimal sign is declared, the other one parts thousands."""
    number = plain(word)
    value = None if decimal is None else as_number(number, decimal)
    if value is not None:
        return repr(value)
    return number.replace(",", ".") if decimal == "," else number


def refuse(patients: pd.Index, what: str) -> None:
    """Refuse values of some patients.

    Parameters
    ----------
    patients
        Whose they are; nobody's are fine.
    what
        What is wrong with them.

    Raises
    ------
    InputError
        If there are any.
    """
    if len(patients):
        remedy = "Mend these rows, or empty the cell to drop the patient."
        fault(InputError(f"{counted(len(patients), 'patient')} with {what} ({listed(patients)})", remedy=remedy))


def _odd(name: str, odd: list[str], decimal: Decimal | None) -> InputError:
    told = listed(f"{word!r} {count}" for word, count in Counter(odd).most_common())
    remedy = "Mend it, or name the words that mean that nothing is known, as missing: [...] in the outcome section."
    thousands = decimal is None and all(GROUPED.fullmatch(plain(word)) for word in odd)
    if thousands and all(_COMMA.fullmatch(word) for word in odd):
        first = odd[0]
        remedy = (
            f'Say in the outcome section what the comma is: decimal: "," if {first!r} is {first.replace(",", ".")}, or '
        )
        remedy += f'decimal: "." if it is {first.replace(",", "")}.'
    elif thousands:
        remedy = f'If {odd[0]!r} is {odd[0].replace(",", "")}, declare decimal: "." in the outcome section.'
    elif decimal is None and all(_COMMA.fullmatch(word) for word in odd):
        remedy = 'If the comma stands before the decimals, declare decimal: "," in the outcome section; else mend it.'
    elif all(is_date(word) or _DATE.fullmatch(word) for word in odd):
        remedy = _of_dates(odd)
    elif all(other_form(word) or is_clock(word) for word in odd):
        remedy = "Write numbers alone, in one unit" + ("." if decimal == "," else " and with a decimal point.")
    return InputError(
        f"outcome column {name!r} holds {counted(len(odd), 'cell')} that is no number"
        if len(odd) == 1
        else f"outcome column {name!r} holds {counted(len(odd), 'cell')} that are no numbers",
        got=told,
        remedy=remedy,
    )


def _of_dates(odd: list[str]) -> str:
    return (
        "Of dates, task: survival takes two columns, as start: diagnosed, end: last_seen, unit: days; else turn "
        f"{odd[0]!r} into a duration."
    )
