"""Dates that are rather no dates: words for none, as 9999-12-31, dates far from all others, ages of nobody, zones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.missing import is_missing
from mmlego.errors import InputError
from mmlego.wording import counted, label, listed, quoted

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 120  # years that a life lasts, and a study
YEAR = 365.25
# What data bases and spreadsheets write where no date is known.
_NONE = np.array(
    [
        *("0001-01-01", "1000-01-01", "1111-11-11", "1753-01-01", "1800-01-01", "1899-12-30", "1899-12-31"),
        *("1900-01-01", "1900-01-02", "2099-12-31", "2100-01-01", "2999-12-31", "9999-01-01", "9999-12-31"),
    ],
    dtype="datetime64[D]",
).astype(np.float64)
_ZONE = re.compile(r".*\d[T ]\d{1,2}:?\d{2}(?::?\d{2}(?:\.\d+)?)?\s*(?:Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)")


def strange_days(days: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which dates are words for no date, or farther from the others than a life lasts.

    Parameters
    ----------
    days
        Days since 1970, NaN where there is none.

    Examples
    --------
    >>> strange_days(np.array(["2020-01-31", "2020-05-01", "9999-12-31", "1900-01-01"], "M8[D]").astype(float)).tolist()
    [False, False, True, True]
    """
    known = ~np.isnan(days)
    if not known.any():
        return known
    none: NDArray[np.bool_] = known & np.isin(np.floor(days), _NONE)
    rest = np.sort(days[known & ~none])
    if len(rest):
        none |= known & (np.abs(days - rest[len(rest) // 2]) > LONGEST * YEAR)
    return none


def told_strange(words: Iterable[str]) -> str:
    """Return what is doubtful of dates, with how often each is there.

    Parameters
    ----------
    words
        The dates as they are written, one a patient.

    Examples
    --------
    >>> told_strange(["9999-12-31", "9999-12-31"])
    "holds dates that hardly are any ('9999-12-31' in 2 patients)"
    """
    often = Counter(words).most_common()
    text = listed((f"{word!r} in {counted(count, 'patient')}" for word, count in often), 4)
    return f"holds dates that hardly are any ({text})"


def doubts_of_ages(
    time: pd.Series, dates: Mapping[str, pd.Series], words: Mapping[str, pd.Series], hours: float, *, before: bool
) -> str:
    """Return what is doubtful of a time between two dates; nothing if nothing is.

    Parameters
    ----------
    time
        The time, in some unit.
    dates
        The two columns of dates, or the one, its own first.
    words
        The same, as they are written.
    hours
        How many one unit is.
    before
        Whether it is the time from a date to the other one, as an age: it is not negative.
    """
    import pandas as pd

    told = []
    strange = np.zeros(len(time), dtype=bool)
    for name, column in dates.items():
        since = (column - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
        days: NDArray[np.float64] = np.asarray(since, dtype=np.float64)
        odd = strange_days(days)
        if odd.any():
            found = list(map(label, words[name][odd]))
            few = ", ".join(quoted(word) for word in list(dict.fromkeys(found))[:4])
            way = f"if no date is meant, declare missing: {{{quoted(name, bare=True)}: [{few}]}}, or empty these cells"
            told.append(
                f"{'' if name == next(iter(dates)) else f'counts from {name!r}, which '}{told_strange(found)}: {way}"
            )
            strange |= odd
    years = (time * hours / (24 * YEAR)).to_numpy(dtype=np.float64)
    negative = (years < 0) & ~strange
    if (before and negative.any()) or 0 < negative.sum() * 2 < (~np.isnan(years)).sum():
        told.append(_told("is negative", time, negative, words))
    if (long := (np.abs(years) > LONGEST) & ~strange).any():
        told.append(_told(f"is more than {LONGEST} years", time, long, words))
    return "; ".join(told)


def _told(what: str, time: pd.Series, which: NDArray[np.bool_], words: Mapping[str, pd.Series]) -> str:
    cells = []
    for row in np.flatnonzero(which)[:3].tolist():
        pair = [f"{name} {label(column.iloc[row])!r}" for name, column in words.items()]
        cells.append(", ".join([f"{time.index[row]}: {time.iloc[row]:.4g}", *pair]))
    way = "mend these dates, or empty those that are none, or declare them under missing:"
    return f"{what} in {counted(int(which.sum()), 'patient')} ({'; '.join(cells)}): {way}"


def unread(texts: Sequence[str], forms: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return, where most cells are dates written in one way, those that are none, and those written in other ways.

    Parameters
    ----------
    texts
        The cells, each once.
    forms
        Ways to write dates, as Python has them.

    Examples
    --------
    >>> unread(["2020-01-31", "2020-02-30", "2020-03-01", "2020-04-01", "1.5.2020"], ["%Y-%m-%d", "%d.%m.%Y"])
    (['2020-02-30'], ['2020-02-30', '1.5.2020'])
    """
    import pandas as pd

    column = pd.Series(list(texts), dtype=object)
    reads = [pd.to_datetime(column, format=form, errors="coerce", utc=True).notna().to_numpy() for form in forms]
    best = max(reads, key=lambda read: int(read.sum()))
    if not best.sum() * 2 > len(texts):
        return [], []
    never = ~np.logical_or.reduce(reads)
    bad = [text for text, none in zip(texts, never, strict=True) if none]
    return bad, [text for text, read in zip(texts, best, strict=True) if not read]


def zones(column: pd.Series) -> set[bool]:
    """Return whether the dates of a column name a time zone: yes, no, or some do.

    Parameters
    ----------
    column
        Dates, or texts.

    Examples
    --------
    >>> import pandas as pd
    >>> zones(pd.Series(["2020-01-01T01:30+01:00", "2020-01-01 01:30Z"])), zones(pd.Series(["2020-01-01"]))
    ({True}, {False})
    """
    if column.dtype.kind == "M":
        return {getattr(column.dtype, "tz", None) is not None} if column.notna().any() else set()
    cells = (str(cell).strip() for cell in column.dropna().unique())
    return {_ZONE.fullmatch(cell) is not None for cell in cells if not is_missing(cell)}


def check_zones(columns: Mapping[str, set[bool]], where: str) -> None:
    """Refuse dates of which some name a time zone and some do not: hours between them are not known.

    Parameters
    ----------
    columns
        By column what :func:`zones` says of it.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If some do and some do not.

    Examples
    --------
    >>> check_zones({"seen": {True}, "born": {False}}, "labs")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: labs: some times name a time zone and some do not (with: seen; without: born). Write ...
    """
    if len(set().union(*columns.values())) < 2:
        return
    with_zone = listed(name for name, found in columns.items() if True in found)
    without = listed(name for name, found in columns.items() if False in found)
    raise InputError(
        f"{where}: some times name a time zone and some do not (with: {with_zone}; without: {without})",
        remedy="Write all of them with a zone, as 2020-01-31T08:15+01:00, or all in one zone without it.",
    )
