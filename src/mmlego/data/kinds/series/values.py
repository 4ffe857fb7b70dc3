"""Cells of series as numbers: words that mean "missing" or stand for a number by declaration, all others counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.series.choices import fits
from mmlego.data.kinds.series.stays import LARGEST
from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.signs import doubt_of_sign, ways_of_sign
from mmlego.data.reading.truths import truth_of, truths_of
from mmlego.data.reading.word_forms import like_number, other_form
from mmlego.data.reading.words import as_number, numbers_among, plain
from mmlego.errors import InputError, named
from mmlego.wording import counted, label, listed, shortened

MOST_CODES = 12  # words that are named one by one
_SEXES = ("m", "male", "f", "female")
MOST_SEEN = 1000
NOTED, DOUBTED = "as read: ", "doubtful: "  # begin what is said of a table of which nothing is left out
TOLD = "words taken for missing"  # begins what is told and is not left out
Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class CellRules:
    """What words in place of numbers mean.

    Parameters
    ----------
    missing
        Words that mean that nothing was measured, beside those that always do, as ``NA``.
    codes
        By variable, as a name or glob, the number that each word stands for.
    wanted
        The variables that are looked at, as names or globs; cells of others need not be readable. None: all.
    exclude
        Those of them that are not.
    decimal
        The decimal sign, ``.`` or ``,``; the other one then parts thousands. None: a point, and none parts thousands.

    Examples
    --------
    >>> rules = CellRules(missing=("clotted",), codes={"GCS*": {"4 Spontaneously": 4}})
    >>> [rules.number("GCS eye", word) for word in ("3", "4 Spontaneously", "clotted", "NA", "> 89")]
    [3.0, 4.0, nan, nan, None]
    """

    missing: tuple[str, ...] = ()
    codes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    wanted: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    decimal: str | None = None

    def number(self, variable: str, text: str) -> float | None:
        """Return the number in a cell, NaN where it says that there is none; None of any other word.

        Parameters
        ----------
        variable
            The variable that the cell is of.
        text
            The cell.
        """
        word = text.strip()
        for pattern, codes in self.codes.items():
            if word in codes and fits(variable, [pattern]):
                return float(codes[word])
        if word in self.missing or is_missing(word) or (self.numbers and as_number(word, ".") in self.numbers):
            return float("nan")
        value = _parsed(word) if self.decimal is None else as_number(word, self.decimal)
        return None if value is None or abs(value) > LARGEST else float(self.settled(variable, np.array([value]))[0])

    def settled(self, variable: str, values: Floats) -> Floats:
        """Return numbers of one variable where some numbers mean "missing", as 999, or are codes of others.

        Parameters
        ----------
        variable
            Their variable.
        values
            The numbers.
        """
        made = values
        for pattern, codes in self.codes.items():
            if fits(variable, [pattern]):
                for word, number in codes.items():
                    if (code := _parsed(word)) is not None:
                        made = np.where(values == code, number, made)
        return np.where(np.isin(values, list(self.numbers)), np.nan, made) if self.numbers else made

    @cached_property
    def numbers(self) -> frozenset[float]:
        """The numbers that mean that nothing was measured."""
        return numbers_among(self.missing)

    @property
    def plain(self) -> bool:
        """Whether nothing is declared of any word."""
        return not self.missing and not self.codes and self.decimal is None

    def cares(self, variable: str) -> bool:
        """Return whether a variable is looked at."""
        return (self.wanted is None or fits(variable, self.wanted)) and not fits(variable, self.exclude)


def of_one_code(codes: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return which words stand for one number and do not mean the same, so that nothing tells them apart.

    ``yes`` and ``Y``, ``M`` and ``male`` mean the same, and so do a number and words that begin with it.

    Parameters
    ----------
    codes
        By variable, as a name or glob, the number that each word stands for.

    Examples
    --------
    >>> of_one_code({"Gender": {"M": 1, "F": 1}, "Vent": {"yes": 1, "TRUE": 1, "no": 0}, "GCS": {"4": 4, "4 Eyes": 4}})
    ["'M' and 'F' of Gender are 1"]
    """
    found = []
    for variable, words in codes.items():
        for number in dict.fromkeys(words.values()):
            alike = [word for word, value in words.items() if value == number]
            first = next(iter(alike)).strip().casefold()
            others = [
                word
                for word in alike
                if truth_of(word) is None or truth_of(word) != truth_of(first)
                if not (word.strip().casefold().startswith(first) or first.startswith(word.strip().casefold()))
            ]
            if others:
                found.append(f"{listed(map(repr, alike)).replace(', ', ' and ')} of {variable} are {number:g}")
    return found


class Words:
    """Counts the words in cells that are no numbers, and says what is wrong with them.

    Parameters
    ----------
    rules
        What words mean.

    Examples
    --------
    >>> words = Words(CellRules())
    >>> words.numbers("HR", ["80", "high", "", "high"]).tolist()
    [80.0, nan, nan, nan]
    >>> str(words.error("icu"))[:76]
    "icu: 2 values that are no numbers (HR: 'high' 2 times): expected numbers, or"
    """

    def __init__(self, rules: CellRules) -> None:
        self.rules = rules
        self.odd: Counter[tuple[str, str]] = Counter()
        self.said: Counter[str] = Counter()
        self._seen: dict[str, dict[str, None]] = {}  # of each variable, where a decimal sign is declared

    def __len__(self) -> int:
        return self.odd.total()

    def numbers(self, variable: str, cells: Iterable[str]) -> Floats:
        """Return the cells of one variable as numbers, NaN where there is none."""
        cells = list(cells)
        if self.rules.plain and (fast := _fast(cells)) is not None:
            return fast
        return np.array([self.number(variable, cell) for cell in cells], dtype=np.float64)

    def number(self, variable: str, cell: str) -> float:
        """Return the number in one cell, NaN where there is none; an odd word is counted."""
        value = self.rules.number(variable, cell)
        if self.rules.decimal is not None and len(seen := self._seen.setdefault(variable, {})) < MOST_SEEN:
            seen[cell.strip()] = None
        if value is None:
            if self.rules.cares(variable):
                self.odd[variable, cell.strip()] += 1
            return float("nan")
        if value != value and cell.strip():
            self.said[cell.strip()] += 1
        return value

    def settled(self, variable: str, values: Floats) -> Floats:
        """Return numbers of one variable as :meth:`CellRules.settled` does; those that mean "missing" are counted."""
        made = self.rules.settled(variable, values)
        for value in values[np.isnan(made) & ~np.isnan(values)].tolist():
            self.said[label(value)] += 1
        return made

    def error(self, where: str) -> InputError:
        """Return the error that words stand where numbers belong."""
        what = "that is no number" if len(self) == 1 else "that are no numbers"
        odd = next(
            (one for one in self.odd if not like_number(one[1])),
            next((one for one in self.odd if not other_form(one[1])), next(iter(self.odd))),
        )
        name, word = (json.dumps(text, ensure_ascii=False) for text in odd)
        mine = sorted({text for variable, text in self.odd if variable == odd[0]})
        if (truths := truths_of(mine, alone=True)) is not None:
            codes = ", ".join(f"{json.dumps(text)}: {int(value)}" for text, value in truths.items())
            way = f"Say that yes is 1 and no is 0, as codes: {{{name}: {{{codes}}}}}"
        elif self.rules.decimal is None and (sign := ways_of_sign(list(dict.fromkeys(text for _, text in self.odd)))):
            way = sign.removesuffix(".")
        elif other_form(odd[1]):  # all of them
            way = "Write numbers alone, in one unit and with a decimal point"
        elif like_number(odd[1]):  # > 89 is no name of anything: a code would be one of many values that it may be
            way = f"Say that they mean missing, as missing: [{word}], or write numbers alone"
        else:
            way = f"Say what they stand for, as {self._codes(odd[0], mine)}, or that they mean missing, as "
            way += f"missing: [{word}]"
        return InputError(
            f"{where}: {counted(len(self), 'value')} {what} ({self.text()})",
            expected="numbers, or words that are declared",
            remedy=f"{way}; leave the variable out, as exclude: [{name}]; or declare on_error: skip to go on "
            "without these stays.",
        )

    def _codes(self, variable: str, words: Sequence[str]) -> str:
        """Return codes for all words of a variable at once, a number each that no other of them has."""
        said = {
            word: code
            for pattern, codes in self.rules.codes.items()
            if fits(variable, [pattern])
            for word, code in codes.items()
        }
        new = [word for word in words if not like_number(word)]
        if set(map(str.casefold, new)) <= set(_SEXES):
            new.sort(key=lambda word: _SEXES.index(word.casefold()))
        free = (number for number in count() if number not in said.values())
        made = {**said, **dict(zip(new[:MOST_CODES], free, strict=False))}
        text = ", ".join(f"{json.dumps(word, ensure_ascii=False)}: {code:g}" for word, code in made.items())
        more = ", ..." if len(new) > MOST_CODES else ""
        return f"codes: {{{json.dumps(variable, ensure_ascii=False)}: {{{text}{more}}}}}, a number for each"

    def text(self) -> str:
        """Return which words of which variable there are, and how often."""
        often = self.odd.most_common()
        return listed((f"{name}: {shortened(word)!r} {counted(n, 'time')}" for (name, word), n in often), named(5))

    def notes(self, where: str) -> Sequence[str]:
        """Return a note of the words that mean "missing", where they are not the usual NaN, and doubts of thousands."""
        signs = {name: doubt_of_sign(list(seen), self.rules.decimal or "") for name, seen in self._seen.items()}
        doubts = [f"{DOUBTED}{where}: {name} {doubt}" for name, doubt in signs.items() if doubt]
        rare = {word: n for word, n in self.said.items() if word.casefold() not in ("nan", "na")}
        if not rare:
            return doubts
        return [*doubts, f"{where}: {TOLD}: {listed(f'{word!r} {n}' for word, n in rare.items())}"]


def _parsed(word: str) -> float | None:
    """Return the number that a word is; Python would take 1_000 and inf for one, too."""
    try:
        value = float(plain(word))
    except ValueError:
        return None
    return value if abs(value) <= LARGEST and "_" not in word else None


def _fast(cells: Sequence[str]) -> Floats | None:
    """Return cells that all are numbers, NaN or empty; None if one is anything else, which needs a closer look."""
    try:
        values = np.array([float(cell) if cell else np.nan for cell in cells], dtype=np.float64)
    except ValueError:
        return None
    return None if (np.abs(values) > LARGEST).any() or "_" in "".join(cells) else values
