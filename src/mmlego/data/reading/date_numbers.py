"""Dates that stand as numbers: days since 1900 as spreadsheets count, seconds or milliseconds since 1970."""

from __future__ import annotations

import datetime
import re
from typing import Any

from numpy.typing import NDArray

_NAME = re.compile(
    r"(?i:(?:^|[\W_])(?:date|datum|dob|dod|timestamp|datetime)(?:$|[\W_\d]))|[a-z](?:Date|Datum|Time[sS]tamp)(?![a-z])"
)
# What is counted from where, by how many seconds; the zero of spreadsheets is two days before 1900.
_COUNTS = {
    "days, as spreadsheets count": (datetime.datetime(1899, 12, 30), 86400.0),
    "seconds since 1970": (datetime.datetime(1970, 1, 1), 1.0),
    "milliseconds since 1970": (datetime.datetime(1970, 1, 1), 0.001),
}
_FIRST, _LAST = datetime.datetime(1945, 1, 1), datetime.datetime(2045, 1, 1)


def told_counted_dates(name: str, numbers: NDArray[Any]) -> str:
    """Return what is doubtful of a column that is called as dates are and holds numbers which would be some.

    Parameters
    ----------
    name
        The column.
    numbers
        Its numbers, without missing ones.

    Examples
    --------
    >>> import numpy as np
    >>> told_counted_dates("diagnosis_date", np.array([43000.0, 43100.0]))[:74]
    'may hold dates as numbers (43000 is 2017-09-22 in days, as spreadsheets co'
    >>> told_counted_dates("days_to_death", np.array([43000.0])), told_counted_dates("date", np.array([5.0]))
    ('', '')
    """
    if not len(numbers) or _NAME.search(name) is None:
        return ""
    low, high = float(numbers.min()), float(numbers.max())
    for what, (zero, seconds) in _COUNTS.items():
        first, last = ((end - zero).total_seconds() / seconds for end in (_FIRST, _LAST))
        if first <= low and high <= last and low > last / 1000:  # few seconds since 1970 are any numbers
            date = (zero + datetime.timedelta(seconds=low * seconds)).date()
            way = "write dates, and declare dates:, or leave it out of columns:"
            return f"may hold dates as numbers ({low:.15g} is {date} in {what}): {way}"
    return ""
