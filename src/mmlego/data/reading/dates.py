"""Columns of dates, as the time since another date or before it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from mmlego.data.reading.date_doubts import check_zones, unread, zones
from mmlego.data.reading.date_forms import COMPACT, DATE, MONTHS, NO_DAY, forms_of_short, is_month, is_period
from mmlego.data.reading.missing import is_missing
from mmlego.errors import InputError
from mmlego.wording import counted, listed, meant, quoted

if TYPE_CHECKING:
    import pandas as pd

HOURS = {"hours": 1.0, "days": 24.0, "weeks": 168.0, "months": 24 * 365.25 / 12, "years": 24 * 365.25}
# How dates are written; a day before a month looks like a month before a day until a day is beyond 12.
FORMATS = (
    *("ISO8601", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y", "%d %b %Y"),
    *("%d%b%Y", "%d-%B-%Y", "%d %B %Y", "%B %d, %Y", "%b %d, %Y"),
)
TIMES = ("", " %H:%M", " %H:%M:%S", ":%H:%M:%S")
MID_MONTH = 14  # days after its first
EXAMPLE = "format: '%d.%m.%Y'"


class DateRule(BaseModel):
    """What a column of dates becomes: a number of days, or of another unit.

    Parameters
    ----------
    since
        The date that the time is counted from: another column, or a date as 2020-01-31.
    before
        The date that the time is counted to, as the date of diagnosis for the age at diagnosis.
    unit
        ``hours``, ``days``, ``weeks``, ``months`` (a twelfth of a year) or ``years`` (365.25 days).
    format
        How the dates are written, as ``%d/%m/%Y``, where that is not to be seen. Of years of two digits (``%y``) the
        last that is not in the future counts.

    Examples
    --------
    >>> DateRule(before="diagnosed", unit="years").other
    'diagnosed'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: str | None = None
    before: str | None = None
    unit: Literal["hours", "days", "weeks", "months", "years"] = "days"
    format: str | None = None

    @field_validator("since", "before", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return value.isoformat() if isinstance(value, datetime.date) else value  # YAML knows dates

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.since is None) == (self.before is None):
            raise ValueError("say since: or before:, with another column or a date")
        return self

    @property
    def other(self) -> str:
        """The other date: a column, or a date."""
        return self.since or self.before or ""

    def describe(self) -> str:
        """Return what the column becomes, as ``years before diagnosed``."""
        return f"{self.unit} {'since' if self.since is not None else 'before'} {self.other}"


def in_past(dates: pd.Series, form: str | None) -> pd.Series:
    """Return dates whose years were written with two digits in the last century that puts them not after today.

    Parameters
    ----------
    dates
        The dates, as Python reads them: 68 is 2068, and 69 is 1969.
    form
        How they are written; other forms stay as they are.

    Examples
    --------
    >>> import pandas as pd
    >>> in_past(pd.to_datetime(pd.Series(["01.02.65"]), format="%d.%m.%y"), "%d.%m.%y").dt.year.tolist()
    [1965]
    """
    import pandas as pd

    if form is None or "%y" not in form:
        return dates
    return dates.where(~(dates > pd.Timestamp.now()), dates - pd.DateOffset(years=100))


def elapsed(frame: pd.DataFrame, name: str, rule: DateRule, where: str) -> pd.Series:
    """Return a column of dates as numbers, NaN where one of the two dates is missing.

    A month, as 2020-01, is its 15th day, for nobody knows better; with ``format: '%Y-%m'`` it is its first.

    Parameters
    ----------
    frame
        The table, with the other column if there is one.
    name
        The column.
    rule
        What it becomes.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If cells are no dates, or may be read in two ways, or the other date is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"born": ["1.2.1950", None], "seen": ["1.2.2020", "3.4.2020"]})
    >>> elapsed(table, "born", DateRule(before="seen", unit="years", format="%d.%m.%Y"), "clinical").round(2).tolist()
    [70.0, nan]
    """
    import pandas as pd

    own = dates_of(frame[name], rule.format, where)
    check_zones({one: zones(frame[one]) for one in dict.fromkeys((name, rule.other)) if one in frame.columns}, where)
    if rule.other in frame.columns:
        other: Any = dates_of(frame[rule.other], rule.format, where)
    elif DATE.fullmatch(rule.other) and not pd.isna(day := pd.to_datetime(rule.other, errors="coerce")):
        other = day
    else:
        remedy = meant(rule.other, [str(column) for column in frame.columns])
        raise InputError(f"{where}: dates: of {name!r} name no column and no date {rule.other!r}", remedy=remedy)
    time = (own - other) if rule.since is not None else (other - own)
    after = frame.index[(time < pd.Timedelta(0)).to_numpy()]
    if rule.before is not None and "%y" in (rule.format or "") and len(after):
        raise InputError(
            f"{where}: {counted(len(after), 'date')} in {name!r} after {rule.other!r}, of years of two digits",
            expected=f"dates before {rule.other}",
            got=listed(repr(str(cell)) for cell in frame.loc[after, name]),
            remedy="Write the years with four digits, or empty these cells.",
        )
    found: pd.Series = time / pd.Timedelta(hours=HOURS[rule.unit])
    return found


def dates_of(column: pd.Series, form: str | None, where: str) -> pd.Series:
    """Return the dates of a column, NaT where missing.

    Parameters
    ----------
    column
        Dates, or texts.
    form
        How they are written; None: found, where only one way fits all.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If cells are no dates, or may be read in two ways.

    Examples
    --------
    >>> import pandas as pd
    >>> dates_of(pd.Series(["2020-01", "2020-02"]), None, "clinical").dt.day.tolist()
    [15, 15]
    >>> dates_of(pd.Series(["31/01/2020", "01/02/2020"]), None, "clinical").dt.month.tolist()
    [1, 2]
    """
    import pandas as pd

    if column.dtype.kind == "M":
        return column.dt.tz_convert(None) if getattr(column.dtype, "tz", None) is not None else column
    codes, words = pd.factorize(column.astype(object).to_numpy())
    texts = [date_text(word) for word in words]
    known = [text for text in texts if not is_missing(text)]
    read = dict.fromkeys(texts, np.datetime64("NaT")) | dict(
        zip(known, _parsed(known, form, column, where), strict=True)
    )
    values = np.array([*(read[text] for text in texts), np.datetime64("NaT")], dtype="datetime64[ns]")
    return pd.Series(values[codes], index=column.index, name=column.name)


def date_text(word: object) -> str:
    """Return a cell of dates as it would be written: no decimals, no time of midnight.

    Parameters
    ----------
    word
        The cell.

    Examples
    --------
    >>> date_text(20200131.0), date_text(" 2020-01-31 "), date_text(datetime.datetime(2020, 1, 31))
    ('20200131', '2020-01-31', '2020-01-31')
    """
    if isinstance(word, datetime.datetime):
        return str(word).removesuffix(" 00:00:00")
    if isinstance(word, float) and word.is_integer():
        return str(int(word))
    return str(word).strip()


def _parsed(texts: Sequence[str], form: str | None, column: pd.Series, where: str) -> Any:
    if not texts:
        return []
    if form is None and (months := _months(texts)) is not None:
        return months
    forms = (
        [form]
        if form is not None
        else [base + time for base in FORMATS for time in TIMES if base != "ISO8601" or not time]
    )
    found = [(each, read) for each in forms if (read := _by(texts, each)) is not None]
    name = column.name
    if not found:
        raise _no_dates(texts, form, str(name), where)
    first = found[0][1]
    rivals = [each for each, read in found if not np.array_equal(read, first)]
    if rivals:
        raise InputError(
            f"{where}: dates in {name!r} may be read in two ways",
            expected="the day or the month first",
            got=listed(map(repr, texts), 3),
            remedy=f"Say which, as format: '{found[0][0]}' or format: '{rivals[0]}' in its entry of dates:.",
        )
    return first


def _no_dates(texts: Sequence[str], form: str | None, name: str, where: str) -> InputError:
    forms = [form] if form is not None else [base + time for base in FORMATS[1:] for time in TIMES] + [FORMATS[0]]
    bad, others = unread(texts, forms)
    odd = bad or others or [text for text in texts if DATE.fullmatch(text) is None] or list(texts)
    short = forms_of_short(odd[0]) or EXAMPLE
    way = f"Say how they are written, as {short} in its entry of dates:, or empty these cells."
    if any(map(is_period, odd)):
        way = f"{NO_DAY}, or leave the column out of columns:."
    elif any(map(is_month, odd)) and len(odd) < len(texts):
        way = "Complete months to days, or cut days to months, or empty these cells."
    elif bad:
        named = f"{quoted(name, bare=True)}: [{', '.join(map(quoted, bad[:4]))}{', ...' if len(bad) > 4 else ''}]"
        way = f"Mend or empty these cells; if they mean that nothing is known, declare missing: {{{named}}}."
    return InputError(
        f"{where}: column {name!r} holds something else than dates",
        expected=f"dates as {form}" if form else "dates that are all written in one way",
        got=listed(map(repr, odd)),
        remedy=way,
    )


def _months(texts: Sequence[str]) -> Any:
    """Return the 15th days of months; None if not all texts are months, written in one way."""
    for form, pattern in {**MONTHS, "%Y%m": COMPACT}.items():
        if all(pattern.fullmatch(text) for text in texts):
            read = _by(texts, form)
            return None if read is None else read + np.timedelta64(MID_MONTH, "D")
    return None


def _by(texts: Sequence[str], form: str) -> Any:
    """Return the dates as a format reads them; None if it does not read them all."""
    import pandas as pd

    if form == "ISO8601" and any(re.fullmatch(r"\d{4}(?:-?\d{2})?", text) for text in texts):
        return None  # a year or a month alone would become its first day
    try:
        read = pd.to_datetime(pd.Series(list(texts), dtype=object), format=form, errors="raise", utc=True)
    except (ValueError, OverflowError):
        return None
    return in_past(read.dt.tz_convert(None), form).to_numpy(dtype="datetime64[ns]")
