"""What words look like that are nearly numbers: limits, shares, amounts with a unit, times of day, ranges."""

from __future__ import annotations

import re

from mmlego.data.reading.words import plain

_NUMBER = r"[+-]?\d[\d.,]*(?:[eE][+-]?\d+)?"
# Units that stand behind a number; letters that also name stages and grades (2A, 3b) count behind a space alone.
_UNITS = (
    r"(?:[munpkdcµμ]?(?:g|l|L|mol)|[cmnµμk]?m|m?I?U|kU|mmHg|[mk]?Hz|bpm|c?Gy|HU|°\s?[CF]|sec|min|hrs?|hours?|days?|wks?|"
    r"weeks?|mo|months?|yrs?|years?|Jahre?|Tage?|Monate?|copies|cells)"
)
_UNIT = re.compile(rf"{_NUMBER}(?: ?{_UNITS}| [dhmsylgLUC])(?:\^?[23²³])?(?:\s?/\s?[\w^µμ]{{1,12}})?")
_LETTER = re.compile(r"\S*\d[A-Za-z]")
_LIKE = re.compile(
    rf"[<>≤≥~≈=]{{1,2}}\s*{_NUMBER}"  # > 89
    rf"|{_NUMBER}\s*[%‰+]"  # 45 %, 90+
    r"|[+-]?\d+(?:[.,]\d+)+"  # 1,234 or 1.234.567
    r"|[+-]?\d{1,3}(?:[ _]\d{3})+(?:[.,]\d+)?|\d+_\d+"  # 4 750
    rf"|{_NUMBER}\s*[*†‡]+|{_NUMBER} [HL]{{1,2}}"  # 4.75*, 4.75 H
    rf"|[€$£]\s*{_NUMBER}|{_NUMBER}\s*[€$£]"
    rf"|\({_NUMBER}\)|[\u2010-\u2015\u2212\uff0d]\s*{_NUMBER}"  # (5.2), –5
    r"|[+-]?\d[\d.,]*[dD][+-]?\d+"  # 4.75D0, as Fortran writes it
    r"|[+-]?\d[\d.,]*\s*[x×*·]\s*10\s*\^?\s*[-+⁻]?[\d⁰¹²³⁴-⁹]+(?:\s?/\s?\w+)?"  # 2×10³
    rf"|0[xX][0-9a-fA-F]+|[\"'“”‘’`]{{1,2}}\s*{_NUMBER}\s*[\"'“”‘’`]{{0,2}}"  # "5", '5 as spreadsheets mark text
)
_RANGE = re.compile(r"\d[\d.,]*\s*(?:-|–|—|to|bis)\s*\d[\d.,]*%?")
_PARTS = re.compile(
    r"\d+\s*(?:['′’]|ft|feet)\s*(?:\d[\d.]*\s*(?:[\"″”]|''|in|inches)?)?"  # 5'10"
    r"|\d+\s*y(?:(?:ea)?rs?)?\.?,?\s*\d+\s*m(?:o(?:nth)?s?)?\.?"  # 3y 2m
)
_FRACTION = re.compile(r"\d+\s*/\s*\d+")
_CLOCK = re.compile(r"\d{1,2}:[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:\s?[AaPp]\.?[Mm]\.?)?")


def like_number(word: str) -> bool:
    """Return whether a word is a number with something about it, or may be read as two.

    Parameters
    ----------
    word
        A cell of a column, without spaces around it.

    Examples
    --------
    >>> [word for word in ("> 89", "45 %", "1,234", "12 mg", "4.75*", "0x2f", "٣٤") if not like_number(word)]
    []
    >>> [word for word in ("2A", "T1", "40-49", "1/4", "12:30", "mg") if like_number(word)]
    []
    """
    if _LIKE.fullmatch(plain(word)):
        return True
    if _UNIT.fullmatch(word):
        return not _LETTER.fullmatch(word)
    signs = word.strip("+-")
    return bool(signs) and not word.isascii() and all(sign.isnumeric() or sign in ".,٫٬\u2212" for sign in signs)


def other_form(word: str) -> bool:
    """Return whether a word is a number in a form that is not read: neither a bound nor a word for missing.

    Parameters
    ----------
    word
        As :func:`like_number` takes it.

    Examples
    --------
    >>> other_form("1.234,5"), other_form("12 mg"), other_form("<0.5"), other_form("lost")
    (True, True, False, False)
    """
    return like_number(word) and word[:1] not in "<>≤≥~≈=" and word[-1:] != "+"


def is_clock(word: str) -> bool:
    """Return whether a word is a time of day, or of minutes and seconds.

    Parameters
    ----------
    word
        A cell without spaces around it.

    Examples
    --------
    >>> is_clock("00:24"), is_clock("7:05:30 pm"), is_clock("1:1")
    (True, True, False)
    """
    return _CLOCK.fullmatch(word) is not None


def is_range(word: str) -> bool:
    """Return whether a word is a range of numbers, a share, or one of two units: ``40-49``, ``3/12``, ``3y 2m``.

    Parameters
    ----------
    word
        A cell that is no date.

    Examples
    --------
    >>> is_range("40-49"), is_range("3/12"), is_range("5'10"), is_range("-5")
    (True, True, True, False)
    """
    return any(form.fullmatch(word) is not None for form in (_RANGE, _FRACTION, _PARTS))
