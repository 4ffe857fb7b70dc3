"""Dates as text: read where they can be read in one way only."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmlego.data.cohort.outcomes.words import words
from mmlego.data.reading.date_doubts import strange_days, told_strange
from mmlego.data.reading.date_forms import NO_DAY, form_of_month, forms_of_short, is_period
from mmlego.data.reading.dates import in_past
from mmlego.errors import InputError
from mmlego.wording import counted, listed, quoted

if TYPE_CHECKING:
    import pandas as pd

_CLOCK = r"(?:[T :](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?Z?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_CLOCK}")
_COMPACT = re.compile(rf"((?:18|19|20|21)\d\d)(\d\d)(\d\d){_CLOCK}")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})[-/.](\d{{1,2}})[-/.](\d{{4}}){_CLOCK}")
_NAMED = re.compile(rf"(\d{{1,2}})[-. ]*([A-Za-z]{{3,9}})[-., ]*(\d{{4}}){_CLOCK}")
_MONTH_FIRST = re.compile(rf"([A-Za-z]{{3,9}})\.? (\d{{1,2}}),? (\d{{4}}){_CLOCK}")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_LONG = "january february march april may june july august september october november december".split()
_DAY = 86400
_MISSING = "Mend it, or name the words that mean that nothing is known, as missing: [...] in the outcome section."


class _Parts(NamedTuple):
    """A date; of one written with its year last, the first two numbers, whichever is the day."""

    year: int
    first: int
    second: int
    seconds: int
    sure: bool


def days_of(
    frame: pd.DataFrame, names: Sequence[str], day_first: bool | None, form: str | None = None
) -> dict[str, pd.Series]:
    """Return columns of dates as days since 1970, NaN where there is none.

    Whether ``03/04/2020`` is in March or in April is known where a date of these columns can only be read in one way,
    as ``25/04/2020``, or where it is said.

    Parameters
    ----------
    frame
        A row a patient.
    names
        The columns, which are taken to be written by one hand.
    day_first
        Whether the day stands before the month where the year is last; None: as the dates themselves say.
    form
        How the dates are written, as ``%d.%m.%y``; None: as it is seen.

    Raises
    ------
    InputError
        If a cell is no date, or dates can be read in two ways.

    Examples
    --------
    >>> import pandas as pd
    >>> days = days_of(pd.DataFrame({"seen": ["25/04/2020", "03/04/2020"]}), ["seen"], None)
    >>> float(days["seen"][0] - days["seen"][1])
    22.0
    >>> days_of(pd.DataFrame({"seen": ["03/04/2020"]}), ["seen"], None)
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: outcome: dates of 'seen' can be read in two ways: got '03/04/2020'. Declare ...
    """
    import pandas as pd

    written: dict[str, list[str | None]] = {}
    for name in names:
        if frame[name].dtype.kind in "iufcm":
            raise InputError(f"outcome column {name!r} holds no dates", expected="dates, as 2020-12-31", got="numbers")
        written[name] = words(frame[name])
    if form is not None:
        return {name: _by_form(texts, form, name, frame.index) for name, texts in written.items()}
    parts = {text: _parts(text, name) for name, texts in written.items() for text in texts if text is not None}
    order = _day_first([(text, part) for text, part in parts.items() if not part.sure], day_first, names)
    days = {text: _days(text, part, order) for text, part in parts.items()}
    return {
        name: pd.Series([np.nan if text is None else days[text] for text in texts], frame.index, dtype=float)
        for name, texts in written.items()
    }


def date_doubts(
    frame: pd.DataFrame, names: Sequence[str], day_first: bool | None, form: str | None = None
) -> list[str]:
    """Return which columns hold dates that are rather none, as 9999-12-31 and 1900-01-01, in a clause each.

    Parameters
    ----------
    frame, names, day_first, form
        As :func:`days_of` takes them.

    Examples
    --------
    >>> import pandas as pd
    >>> date_doubts(pd.DataFrame({"died": ["2020-01-31", "2020-05-01", "9999-12-31"]}), ["died"], None)[0][:66]
    "'died' holds dates that hardly are any ('9999-12-31' in 1 patient)"
    """
    found = []
    for name, days in days_of(frame, names, day_first, form).items():
        odd = strange_days(days.to_numpy(dtype=float))
        if odd.any():
            texts = [str(word) for word in words(frame[name][odd])]
            few = ", ".join(quoted(text) for text in list(dict.fromkeys(texts))[:4])
            way = f"if no date is meant, declare missing: [{few}], or empty these cells"
            found.append(f"{name!r} {told_strange(texts)}: {way}")
    return found


def _by_form(texts: list[str | None], form: str, name: str, patients: pd.Index) -> pd.Series:
    """Return dates that are written in one way as days since 1970."""
    import pandas as pd

    read = pd.to_datetime(pd.Series(texts, patients, dtype=object), format=form, errors="coerce")
    odd = [text for text, date in zip(texts, read, strict=True) if text is not None and pd.isna(date)]
    if odd:
        what = f"outcome column {name!r}: {counted(len(odd), 'cell')} not written as format: says"
        raise InputError(what, expected=f"dates as {form}", got=listed(map(repr, odd), 3), remedy=_MISSING)
    days: pd.Series = (in_past(read, form) - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    return days


def _day_first(doubtful: list[tuple[str, _Parts]], said: bool | None, names: Sequence[str]) -> bool:
    """Return whether the day stands first in dates with the year last."""
    days = [text for text, part in doubtful if part.first > 12]
    months = [text for text, part in doubtful if part.second > 12]
    where = f"outcome: dates of {listed(map(repr, names))}"
    if days and months:
        raise InputError(f"{where} have day and month in both orders", got=f"{days[0]!r} and {months[0]!r}")
    if said is not None:
        against = months if said else days
        if against:
            raise InputError(f"{where} do not fit day_first: {str(said).lower()}", got=repr(against[0]))
        return said
    if doubtful and not days and not months:
        remedy = "Declare day_first: true (3 April) or day_first: false (March 4) in the outcome section."
        raise InputError(f"{where} can be read in two ways", got=repr(doubtful[0][0]), remedy=remedy)
    return bool(days)


def _parts(text: str, name: str) -> _Parts:
    for pattern in (_YEAR_FIRST, _COMPACT):
        if found := pattern.fullmatch(text):
            return _Parts(int(found[1]), int(found[3]), int(found[2]), _seconds(found.groups()[3:]), sure=True)
    if found := _YEAR_LAST.fullmatch(text):
        return _Parts(int(found[3]), int(found[1]), int(found[2]), _seconds(found.groups()[3:]), sure=False)
    if found := _NAMED.fullmatch(text) or _MONTH_FIRST.fullmatch(text):
        day, month = (found[1], found[2]) if found[1].isdecimal() else (found[2], found[1])
        for months in (_MONTHS, _LONG):
            if month.casefold() in months:
                place = months.index(month.casefold()) + 1
                return _Parts(int(found[3]), int(day), place, _seconds(found.groups()[3:]), sure=True)
    remedy = _MISSING
    if short := forms_of_short(text):
        remedy = f"Say how dates are written, as {short} in the outcome section; years are then none of the future."
    elif month := form_of_month(text):
        remedy = f"Say that months alone are written, as format: '{month}' in the outcome section, the first day of "
        remedy += "each then; or complete them to days."
    elif is_period(text):
        remedy = f"{NO_DAY}."
    raise InputError(
        f"outcome column {name!r} holds a cell that is no date",
        expected="dates, as 2020-12-31, 31.12.2020 or 31-Dec-2020",
        got=repr(text),
        remedy=remedy,
    )


def _seconds(clock: Sequence[str | None]) -> int:
    hours, minutes, seconds = (int(part or 0) for part in clock)
    return 3600 * hours + 60 * minutes + seconds


def _days(text: str, part: _Parts, day_first: bool) -> float:
    day, month = (part.first, part.second) if part.sure or day_first else (part.second, part.first)
    try:
        date = datetime.date(part.year, month, day)
    except ValueError as error:
        raise InputError(f"{text!r} is no date ({error})", expected=f"a day of {counted(12, 'month')}") from error
    return date.toordinal() - datetime.date(1970, 1, 1).toordinal() + part.seconds / _DAY
