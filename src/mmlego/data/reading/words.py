"""Words that are numbers, or may be read as two of them."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Mapping

LARGEST = 3e38  # in single precision
EXACT = 15  # digits that a float holds, whatever they are
NUMBER = re.compile(
    r"[+-]?(?:0|[1-9]\d*|\d*(?=\.))(?:\.\d*)?(?:[eE][+-]?\d+)?|[+-]?inf(?:inity)?", re.IGNORECASE | re.ASCII
)
COMMAS = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?", re.ASCII)
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
DOTTED = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?", re.ASCII)
# What parts thousands and nothing else: an apostrophe, a space that ends no line.
_PARTED = re.compile(r"[+-]?[1-9]\d{0,2}(?:(['’\u00a0\u202f\u2009])\d{3})(?:\1\d{3})*(?:[.,]\d+)?", re.ASCII)
_SPACED = re.compile(r"[+-]?[1-9]\d{0,2}(?: \d{3})+(?:[.,]\d+)?", re.ASCII)  # which may be two numbers
_PERCENT = re.compile(r"(.*\d)\s*%", re.ASCII)
_MINUS = "\u2212"
_UNSEEN = re.compile("[\u200b-\u200f\u2060\ufeff]")  # signs without a width

# What helps where infinite values stand, in every section that has missing:.
INFINITE = "Mend them; if they mean that nothing is known, say so in the section: missing: [inf, -inf]."


def plain(word: str) -> str:
    """Return a number as it is written without thousands, where an apostrophe or a hard space parts them.

    A minus of typesetters (U+2212) becomes the usual one, and signs without a width are left out. Groups of other than
    three digits stay as they are.

    Parameters
    ----------
    word
        The word.

    Examples
    --------
    >>> plain("4'750.5"), plain("4\u00a0750"), plain("\u22125"), plain("4'75"), plain("4 750")
    ('4750.5', '4750', '-5', "4'75", '4 750')
    """
    if word.isascii() and "'" not in word:
        return word
    word = _UNSEEN.sub("", word)
    made = f"-{word[1:]}" if word[:1] == _MINUS and word[1:2].isdigit() else word
    found = _PARTED.fullmatch(made)
    return made if found is None else made.replace(found[1], "")


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
    cells = [plain(word) for word in words]
    if any(re.fullmatch(r"[+-]?\d*\.\d+", word) for word in cells):
        return False
    return any(COMMAS.fullmatch(word) and not GROUPED.fullmatch(word) for word in cells)


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
        ``point`` or ``comma``; where it is declared, ``.`` or ``,``, the other sign and spaces part thousands.

    Examples
    --------
    >>> as_number("1,234", "point"), as_number("1,234", "comma"), as_number("1,234", "."), as_number("1.234,5", ",")
    (None, 1.234, 1234.0, 1234.5)
    >>> as_number("4'750", "point"), as_number("4 750", "point"), as_number("4 750", ".")
    (4750.0, None, 4750.0)
    """
    word = plain(word)
    if decimal in (".", ",") and _SPACED.fullmatch(word):
        word = word.replace(" ", "")
    if decimal == "." and GROUPED.fullmatch(word):
        return float(word.replace(",", ""))
    if decimal == "," and DOTTED.fullmatch(word):
        return float(word.replace(".", "").replace(",", "."))
    if decimal in (",", "comma") and COMMAS.fullmatch(word):
        return float(word.replace(",", "."))
    return float(word) if NUMBER.fullmatch(word) and re.search(r"\d|inf", word, re.IGNORECASE) else None


def numbers_of_column(
    words: Collection[str], *, declared: str | None = None, file: str = ".", numeric: bool = False
) -> Mapping[str, float | None]:
    """Return each word of a column as a number; None where it is none, or may be two.

    Parameters
    ----------
    words
        The words, none of which means that nothing is known.
    declared
        What ``decimal:`` of the manifest says of the column; None: nothing.
    file
        The decimal sign of the file.
    numeric
        Whether the manifest says that it holds numbers: ``007`` is then 7, and if all cells are percentages, they are
        hundredths, as spreadsheets have them.

    Examples
    --------
    >>> numbers_of_column(["3,5", "1,234"]), numbers_of_column(["2.941"], file=",")
    ({'3,5': 3.5, '1,234': 1.234}, {'2.941': None})
    >>> numbers_of_column(["9.5%", "12 %"], numeric=True), numbers_of_column(["9.5%", "0.1"], numeric=True)
    ({'9.5%': 0.095, '12 %': 0.12}, {'9.5%': None, '0.1': 0.1})
    """
    percent = {word: found[1] for word in words if (found := _PERCENT.fullmatch(word))} if numeric else {}
    if percent and len(percent) == len(words):
        made = numbers_of_column(set(percent.values()), declared=declared, file=file, numeric=True)
        values = {word: made[number] for word, number in percent.items()}
        return {word: None if value is None else value / 100 for word, value in values.items()}
    sign = declared
    if sign is None:
        sign = "comma" if file == "," or commas_are_decimal(words) else "point"
    return {word: _value(word, sign, doubtful=declared is None and file == ",", numeric=numeric) for word in words}


def _value(word: str, decimal: str, *, doubtful: bool, numeric: bool) -> float | None:
    if doubtful and DOTTED.fullmatch(plain(word)):
        return None  # in a file with decimal commas 1.234 may be a thousand and more
    digits = word.lstrip("+-")
    if digits.isascii() and digits.isdigit() and not numeric:
        code = digits != str(int(digits)) or (len(digits) > EXACT and int(float(digits)) != int(digits))
        return None if code else float(word)  # 007 is a code, and so is what would lose digits
    return float(word) if numeric and digits.isascii() and digits.isdigit() else as_number(word, decimal)
