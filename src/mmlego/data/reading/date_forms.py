"""What texts look like that are dates: days, months of a year, years of two digits, quarters and weeks."""

from __future__ import annotations

import datetime
import re

_NAMES = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_NAME = rf"(?:{_NAMES})[a-z]{{0,6}}"
# How months begin in English, German, French, Spanish, Portuguese, Italian and Dutch: 12 ALL 2010 is a trial.
_ANY = (
    "jan|ene|gen|f[eé][bv]|mar|mär|mrz|mrt|maart|a[pbv]r|ma[iyg]|mei|ju[nil]|giu|lug|aug|ago|ao[uû]|se[pt]|o[ck]t|out|"
    "ott|nov|d[eé][cz]|dic"
)
DATE = re.compile(
    r"(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4}|\d{1,2}-[A-Za-z]{3}-\d{4}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?[-. ]{{0,2}}(?:{_ANY})[^\W\d_]{{0,7}}\.?[-, ]{{0,2}}(?:18|19|20|21)\d\d"  # 31JAN2020
    rf"|{_NAME}\.? \d{{1,2}}(?:st|nd|rd|th)?,? (?:18|19|20|21)\d\d)(?:[ T:]\d.*)?",  # January 31, 2020
    re.IGNORECASE,
)

SHORT = re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{2}(?:[ T]\d.*)?")  # with a year of two digits
_SHORT_NAMED = re.compile(rf"\d{{1,2}}([- ]?)(?:{_NAMES})\1\d{{2}}(?:[ T:]\d.*)?", re.IGNORECASE)  # 31-JAN-20
_YEAR, _MONTH = r"(?:18|19|20|21)\d\d", r"(?:0[1-9]|1[0-2])"
# Months, and how each form is read; a year and two digits after a point are a number.
MONTHS = {
    "%Y-%m": re.compile(rf"{_YEAR}-{_MONTH}"),
    "%Y/%m": re.compile(rf"{_YEAR}/{_MONTH}"),
    "%m/%Y": re.compile(rf"(?:{_MONTH}|[1-9])/{_YEAR}"),
    "%m-%Y": re.compile(rf"(?:{_MONTH}|[1-9])-{_YEAR}"),
    "%m.%Y": re.compile(rf"{_MONTH}\.{_YEAR}"),
    "%b %Y": re.compile(rf"[A-Za-z]{{3}} {_YEAR}"),
    "%b-%Y": re.compile(rf"[A-Za-z]{{3}}-{_YEAR}"),
    "%B %Y": re.compile(rf"[A-Za-z]{{3,9}} {_YEAR}"),
    "%Y %b": re.compile(rf"{_YEAR} [A-Za-z]{{3}}"),
    "%Y-%b": re.compile(rf"{_YEAR}-[A-Za-z]{{3}}"),
}
COMPACT = re.compile(_YEAR + _MONTH)  # a month where it is declared that it is a date; else a number
# Quarters, weeks, and what spreadsheets make of 1/2: Jan-20 may be a day or a month.
_PERIOD = re.compile(
    rf"{_YEAR}[-/ ]?[QW]\d{{1,2}}|Q[1-4][-/ ]?{_YEAR}|(?:{_NAMES})[- ]\d{{1,2}}|\d{{1,2}}[- ](?:{_NAMES})",
    re.IGNORECASE,
)
NO_DAY = "Write a day and a year in place of a quarter, a week, or a day or month of no year"


def is_date(text: str) -> bool:
    """Return whether a text looks like a date.

    Parameters
    ----------
    text
        A cell.

    Examples
    --------
    >>> is_date("2020-01-31"), is_date("31.1.20"), is_date("1-2"), is_date("2020-01"), is_date("2020-Q1")
    (True, True, False, True, True)
    >>> is_date("31JAN2020"), is_date("31-JAN-20"), is_date("January 31, 2020"), is_date("1. März 2020")
    (True, True, True, True)
    >>> is_date("3 cycles"), is_date("12 ALL 2010"), is_date("AML 2019")
    (False, False, False)
    """
    word = text.strip()
    forms = (DATE, SHORT, _SHORT_NAMED)
    return any(form.fullmatch(word) is not None for form in forms) or is_month(word) or is_period(word)


def is_month(text: str) -> bool:
    """Return whether a text is a month of a year.

    Parameters
    ----------
    text
        As :func:`is_date` takes it.

    Examples
    --------
    >>> is_month("2020-01"), is_month("Jan 2020"), is_month("1/2020"), is_month("2020-13"), is_month("1.2020")
    (True, True, True, False, False)
    """
    return bool(form_of_month(text))


def form_of_month(text: str) -> str:
    """Return how a month is written, as Python has it; nothing of any other text.

    Parameters
    ----------
    text
        A month, or another text, without spaces around it.

    Examples
    --------
    >>> form_of_month("2020-01"), form_of_month("Jan 2020"), form_of_month("2020-01-01")
    ('%Y-%m', '%b %Y', '')
    """
    return next((name for name, form in MONTHS.items() if form.fullmatch(text) and _reads(text, name)), "")


def is_period(text: str) -> bool:
    """Return whether a text is a quarter, a week or a day or month of no year, which no date can be made of.

    Parameters
    ----------
    text
        A cell without spaces around it.

    Examples
    --------
    >>> is_period("2020-Q1"), is_period("2020-W05"), is_period("Jan-20"), is_period("2020-05")
    (True, True, True, False)
    """
    return _PERIOD.fullmatch(text) is not None


def _reads(text: str, form: str) -> bool:
    try:
        datetime.datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def forms_of_short(text: str) -> str:
    """Return how a date with a year of two digits may be written, as a key ``format:``; nothing of any other text.

    Parameters
    ----------
    text
        A cell; spaces around it do not count.

    Examples
    --------
    >>> forms_of_short("01.02.20"), forms_of_short("25/12/20"), forms_of_short("1/2/20"), forms_of_short("2020-01-01")
    ("format: '%d.%m.%y'", "format: '%d/%m/%y'", "format: '%d/%m/%y' or format: '%m/%d/%y'", '')
    """
    if named := _SHORT_NAMED.fullmatch(text.strip()):
        return f"format: '%d{named[1]}%b{named[1]}%y'"
    found = SHORT.fullmatch(text.strip())
    if found is None:
        return ""
    sign = found[1]
    first, second = (int(part) for part in re.split(r"[-/.]", text.strip())[:2])
    forms = {"d": f"format: '%d{sign}%m{sign}%y'", "m": f"format: '%m{sign}%d{sign}%y'"}
    if sign == "." or first > 12:
        return forms["d"]
    return forms["m"] if second > 12 else " or ".join(forms.values())
