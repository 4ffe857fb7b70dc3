"""Words that are numbers, nearly are, or may be read as two of them."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection

LARGEST = 3e38  # in single precision
NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*|0?(?=\.))(?:\.\d*)?(?:[eE][+-]?\d+)?|[+-]?inf(?:inity)?", re.IGNORECASE)
COMMAS = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
DOTTED = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?")
# A number with something about it: > 89, <0.01, 45 %, 90+; or one that may be read in two ways, as 1,234.
LIKE = re.compile(r"[<>≤≥~≈=]{1,2}\s*[+-]?\d[\d.,]*(?:[eE][+-]?\d+)?|[+-]?\d[\d.,]*\s*[%+]|[+-]?\d+(?:[.,]\d+)+")

# What helps where infinite values stand, in every section that has missing:.
INFINITE = "Mend them; if they mean that nothing is known, say so in the section: missing: [inf, -inf]."


def commas_are_decimal(words: Collection[str]) -> bool:
    """Return whether 3,5 stands for 3.5 in a column: some cell can be read in no other way, and none has a point.

    Parameters
    ----------
    words
        The words of the column.

    Examples
    --------
    >>> commas_are_decimal(["3,5", "1,234"]), commas_are_decimal(["1,234"]), commas_are_decimal(["3,5", "3.5"])
    (True, False, False)
    """
    if any(re.fullmatch(r"[+-]?\d*\.\d+", word) for word in words):
        return False
    return any(COMMAS.fullmatch(word) and not GROUPED.fullmatch(word) for word in words)


def numbers_among(words: Collection[str]) -> frozenset[float]:
    """Return the numbers among words that mean that nothing is known, so that ``-9`` is missing where ``-9.0`` stands.

    Files of single precision hold another number than the one that is declared, which is among them, too.

    Parameters
    ----------
    words
        The words.

    Examples
    --------
    >>> sorted(numbers_among(["-9", "inf", "> 89"]))
    [-9.0, inf]
    """
    found = {value for word in words if (value := as_number(word, ".")) is not None}
    single = {struct.unpack("f", struct.pack("f", value))[0] for value in found if abs(value) < LARGEST}
    return frozenset(found | single)


def as_number(word: str, decimal: str) -> float | None:
    """Return a word as a number; None if it is none.

    Parameters
    ----------
    word
        The word.
    decimal
        ``point`` or ``comma``; where it is declared, ``.`` or ``,``, the other sign parts thousands.

    Examples
    --------
    >>> as_number("1,234", "point"), as_number("1,234", "comma"), as_number("1,234", "."), as_number("1.234,5", ",")
    (None, 1.234, 1234.0, 1234.5)
    """
    if decimal == "." and GROUPED.fullmatch(word):
        return float(word.replace(",", ""))
    if decimal == "," and DOTTED.fullmatch(word):
        return float(word.replace(".", "").replace(",", "."))
    if decimal in (",", "comma") and COMMAS.fullmatch(word):
        return float(word.replace(",", "."))
    return float(word) if NUMBER.fullmatch(word) and re.search(r"\d|inf", word, re.IGNORECASE) else None
