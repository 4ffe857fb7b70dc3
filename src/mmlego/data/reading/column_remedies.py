"""What to declare of columns of numbers that hold other words: only what the section takes, and what reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmlego.data.reading.telling import MOST_CATEGORIES
from mmlego.data.reading.word_forms import other_form
from mmlego.data.reading.words import numbers_of_column
from mmlego.wording import listed, quoted, shortened

MOST_WORDS = 8  # that are named one by one as missing


@dataclass(frozen=True)
class Advice:
    """What may be declared of a column.

    Parameters
    ----------
    signs
        What ``decimal:`` may say of it, so that more of it is read.
    example
        A word that it is about, and what the word is then, by sign; or as a percentage.
    numeric
        Whether ``numeric:`` reads more of it.
    missing
        The words that are left, if they may be declared missing.
    categories
        Whether it may be declared as categories.
    mend
        A word that is to be mended; empty: none.
    """

    signs: tuple[str, ...] = ()
    example: tuple[str, ...] = ()
    numeric: bool = False
    missing: tuple[str, ...] = ()
    categories: bool = False
    mend: str = ""


def advice(often: Mapping[str, int], odd: Mapping[str, int], file: str, declared: str | None = None) -> Advice:
    """Return what may be declared of a column of numbers that holds other words.

    Parameters
    ----------
    often
        All its words that say that something is known, with how often each stands there.
    odd
        Those that are no numbers.
    file
        The decimal sign of the file.
    declared
        The decimal sign that is declared of it already.

    Examples
    --------
    >>> advice({"950": 1, "870": 1, "1,234": 1}, {"1,234": 1}, ".").signs
    (',', '.')
    >>> advice({"50": 1, "61": 1, "> 89": 1}, {"> 89": 1}, ".").missing
    ('> 89',)
    >>> advice({"9.5%": 1, "12%": 1}, {"9.5%": 1, "12%": 1}, ".").numeric
    True
    """

    def read(sign: str | None, *, numeric: bool = False) -> Mapping[str, float | None]:
        return numbers_of_column(list(often), declared=sign, file=file, numeric=numeric)

    tried = {sign: read(sign) for sign in (",", ".") if declared is None}
    left = {sign: _unread(values) for sign, values in tried.items()}
    fewest = min(map(len, left.values()), default=len(odd))
    shares = read(declared, numeric=True)
    signs: tuple[str, ...] = ()
    example: tuple[str, ...] = ()
    rest, numeric = list(odd), False
    if fewest < len(odd):
        signs = tuple(sign for sign, words in left.items() if len(words) == fewest)
        rest = left[signs[0]]
        word = next(word for word in odd if word not in rest)
        example = (word, *(f"{tried[sign][word]:.12g}" for sign in signs))
    elif len(_unread(shares)) < len(odd):
        rest = _unread(shares)
        word = next(word for word in odd if word not in rest)
        numeric, example = True, (word, f"{shares[word]:.6g}")
    mend = [word for word in rest if other_form(word)]  # which hold a number, and say that something is known
    words = [word for word in rest if word not in mend]
    lost = len(words) <= MOST_WORDS
    few = len(often) <= MOST_CATEGORIES and not signs
    first = next(iter([*mend, *([] if lost else words)]), "")
    return Advice(signs, example, numeric, tuple(words) if lost else (), few, first)


def _unread(values: Mapping[str, float | None]) -> list[str]:
    return [word for word, value in values.items() if value is None]


def remedy(columns: Mapping[str, Advice]) -> str:
    """Return what to declare of columns, of all at once.

    Parameters
    ----------
    columns
        By column what may be declared of it.

    Examples
    --------
    >>> remedy({"age": Advice(missing=("> 89",), categories=True)})
    "Declare in the section what they are: missing: {age: ['> 89']} to read such cells as missing, or categories: ..."
    >>> remedy({"ldh": Advice((",", "."), ("2.941", "2941", "2.941"))})
    "Say what parts thousands: decimal: {ldh: ','} or decimal: {ldh: '.'} ('2.941' is 2941 or 2.941)."
    """
    told = []
    by_signs: dict[tuple[str, ...], list[str]] = {}
    for name, one in columns.items():
        if one.signs:
            by_signs.setdefault(one.signs, []).append(name)
    for signs, names in by_signs.items():
        ways = " or ".join(f"decimal: {_mapping({name: repr(sign) for name in names})}" for sign in signs)
        word, *values = columns[names[0]].example
        told.append(f"Say what parts thousands: {ways} ({word!r} is {' or '.join(values)}).")
    shares = [name for name, one in columns.items() if one.numeric]
    if shares:
        word, value = columns[shares[0]].example
        told.append(f"Declare numeric: {_names(shares)} to read {word!r} as {value}")
        told[-1] += _categories([name for name in shares if columns[name].categories], ", or ", "if they are words")
    missing = {name: one.missing for name, one in columns.items() if one.missing}
    if missing:
        words = _mapping({name: f"[{', '.join(map(quoted, found))}]" for name, found in missing.items()})
        told.append(f"Declare in the section what they are: missing: {words} to read such cells as missing")
        some = [name for name in missing if columns[name].categories and name not in shares]
        told[-1] += _categories(some, ", or ", "if it holds no numbers")
    mended = [name for name, one in columns.items() if one.mend]
    if mended:
        word = shortened(columns[mended[0]].mend)
        told.append(f"Write numbers alone, in one unit, in place of cells as {word!r} in {listed(mended)}")
        more = [name for name in mended if columns[name].categories and name not in [*missing, *shares]]
        told[-1] += _categories(more, ", or declare ", "if they are words")
    return " ".join(told)


def _categories(names: Sequence[str], before: str, when: str) -> str:
    return f"{before}categories: {_names(names)} {when}." if names else "."


def _names(names: Sequence[str]) -> str:
    return f"[{', '.join(quoted(name, bare=True) for name in names)}]"


def _mapping(values: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{quoted(name, bare=True)}: {value}' for name, value in values.items())}}}"
