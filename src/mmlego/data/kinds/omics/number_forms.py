"""How numbers are written in matrices of genes: one cell, with the decimal sign of its file or the declared one."""

from __future__ import annotations

import math
import re

from mmlego.data.reading.words import DOTTED, as_number, plain

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def is_number(word: str) -> bool:
    """Return whether a word is a finite number.

    Parameters
    ----------
    word
        A cell of a matrix.

    Examples
    --------
    >>> is_number("1e-3"), is_number("1,5"), is_number("nan")
    (True, False, False)
    """
    return _NUMBER.fullmatch(word.strip()) is not None


def point_form(word: str, decimal: str) -> str:
    """Return a number as Python writes it; among decimal commas 1.234 may be a thousand and more: that is none.

    Parameters
    ----------
    word
        As :func:`is_number` takes it.
    decimal
        What stands before the decimals in the file, ``.`` or ``,``.

    Examples
    --------
    >>> point_form("2,5", ","), point_form("2.941", ","), point_form("4'750.5", "."), point_form("2,5", ".")
    ('2.5', '', '4750.5', '2,5')
    """
    number = plain(word.strip())
    if decimal == ".":
        return number
    return "" if DOTTED.fullmatch(number) else number if "." in number else number.replace(",", ".")


def number_in(word: str, decimal: str, declared: str | None = None) -> float | None:
    """Return the number that a word is; None of any other.

    Parameters
    ----------
    word, decimal
        As :func:`point_form` takes them.
    declared
        The one that is declared: the other one then parts thousands.

    Examples
    --------
    >>> number_in("2,5", ","), number_in("1,100", "."), number_in("1,100", ".", "."), number_in("1,100", ".", ",")
    (2.5, None, 1100.0, 1.1)
    """
    if declared is not None:
        value = as_number(word.strip(), declared)
        return value if value is not None and math.isfinite(value) else None
    number = point_form(word, decimal)
    return float(number) if is_number(number) else None
