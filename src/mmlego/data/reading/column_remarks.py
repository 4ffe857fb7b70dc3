"""What is said of the columns of a table once they are read: what was missing, what is doubtful, what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mmlego.data.reading.dates import forms_of_short
from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.remarks import Noted
from mmlego.data.reading.words import COMMAS, GROUPED, as_number
from mmlego.errors import InputError, fault, named
from mmlego.wording import listed, shortened

SEVERAL = 5  # so many different numbers among words are hardly names of categories


class Remarks:
    """What is said of columns, gathered one by one.

    Parameters
    ----------
    where
        The modality, for messages.

    Examples
    --------
    >>> remarks = Remarks("clinical")
    >>> remarks.missing("age", {"NA": 2, "": 1})
    >>> [str(note) for note in remarks.notes()], remarks.gone()
    (["clinical: read as missing: age 'NA' 2×"], {'age': ('NA',)})
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.doubts: dict[str, str] = {}
        self.commas: list[str] = []
        self.odd: dict[str, dict[str, int]] = {}  # columns of numbers, and their other words
        self.dates: dict[str, str] = {}  # columns of dates, and one of them
        self._counts: dict[str, dict[str, int]] = {}
        self._said: list[tuple[str, str]] = []

    def missing(self, name: object, words: Mapping[str, int]) -> None:
        """Keep which words of a column were read as missing, and how often.

        Parameters
        ----------
        name
            The column.
        words
            Its words, with how often each stands there.
        """
        found = {word: count for word, count in words.items() if word}
        if found:
            self._counts[str(name)] = found

    def gone(self) -> dict[str, tuple[str, ...]]:
        """Return by column the words that were read as missing, in order."""
        return {name: tuple(sorted(words)) for name, words in self._counts.items()}

    def categories(self, name: str, often: Mapping[str, int], gone: set[str], numbers: int, total: int) -> None:
        """Keep what is doubtful about a column that was taken for categories.

        Parameters
        ----------
        name
            The column.
        often
            Its words, with how often each stands there.
        gone
            Those that were read as missing.
        numbers
            How many cells are numbers.
        total
            How many cells there are.
        """
        left = [word for word in often if word not in gone]
        known = [word for word in left if as_number(word, "point") is not None]
        others = sorted((word for word in left if word not in known), key=lambda word: -often[word])
        doubts = []
        if named := [f"{word!r} {often[word]}×" for word in left if is_missing(word)]:
            doubts.append(f"has the word {listed(named)}, taken as a category")
            self._said.append((f"{name} {doubts[-1]}", "if it says that nothing is known, declare it under missing:"))
        if numbers * 4 > total or len(known) >= SEVERAL:
            doubts.append(f"{numbers} of {total} values are numbers")
        if len(known) >= SEVERAL:
            words = listed((f"{shortened(word)!r} {often[word]}×" for word in others), 4)
            text = f"{name} has {len(known)} numbers beside words ({words}), all taken as categories"
            self._said.append((text, f"if they are measured, declare numeric: [{name}], and the words under missing:"))
        if alike := _but_for_case(left):
            doubts.append(f"{listed(map(repr, alike))} differ in case alone, each a category")
            self._said.append((f"{name}: {doubts[-1]}", "mend the file if they are one"))
        if doubts:
            self.doubts[name] = "; ".join(doubts)

    def notes(self) -> list[Noted]:
        """Return what was read as missing, or otherwise than it is written."""
        notes: list[Noted] = []
        if self._counts:
            text = listed(
                (f"{n} {word!r} {count}×" for n, words in self._counts.items() for word, count in words.items()), 12
            )
            notes.append(Noted(self.where, f"read as missing: {text}"))
        if self.commas:
            notes.append(
                Noted(self.where, f"read with decimal commas, or commas between thousands: {listed(self.commas)}")
            )
        if self.odd:
            notes.append(Noted(self.where, f"numbers with other words, left as text: {_quoted(self.odd)}"))
        for remedy in dict.fromkeys(remedy for _, remedy in self._said):
            notes.append(Noted(self.where, f"{listed(text for text, why in self._said if why == remedy)} ({remedy})"))
        return notes

    def refuse(self) -> None:
        """Refuse columns of numbers that hold other words, and dates of which nothing is declared.

        Raises
        ------
        InputError
            If there are any.
        """
        if self.odd:
            name, words = next(iter(self.odd.items()))
            first = next(iter(words))
            comma = next(
                (n for n, found in self.odd.items() if any(GROUPED.fullmatch(w) or COMMAS.fullmatch(w) for w in found)),
                None,
            )
            more = (
                f" Of commas say what they are: decimal: {{{comma}: ','}} or decimal: {{{comma}: '.'}}."
                if comma
                else ""
            )
            hold = "columns of numbers hold" if len(self.odd) > 1 else "column of numbers holds"
            remedy = f"Declare in the section what they are: missing: {{{name}: [{first!r}]}} to read such cells as "
            remedy += f"missing, or categories: [{name}] if it holds no numbers.{more}"
            what = f"{self.where}: {len(self.odd)} {hold} other words ({_quoted(self.odd)})"
            fault(InputError(what, expected="numbers", remedy=remedy))
        if self.dates:
            name, first = next(iter(self.dates.items()))
            short = forms_of_short(first).partition(" or ")[0]
            unit = f"unit: days, {short}" if short else "unit: days"
            remedy = f"Declare what they are to be, as dates: {{{name}: {{since: OTHER_DATE, {unit}}}}} (before: "
            remedy += "for an age), or leave them out of columns:."
            got = listed((f"{column} {word!r}" for column, word in self.dates.items()), named(3))
            what, expected = f"{self.where}: column {name!r} holds dates", "numbers or categories"
            fault(InputError(what, expected=expected, got=got, remedy=remedy))


def _quoted(found: Mapping[str, Mapping[str, int]]) -> str:
    lines = (
        f"{name}: " + listed((f"{shortened(word)!r} {count}×" for word, count in _often(words)), 4)
        for name, words in found.items()
    )
    return "; ".join(lines) if len(found) <= 4 else listed(lines, named(4))


def _but_for_case(words: Sequence[str]) -> list[str]:
    folded = [word.casefold() for word in words]
    often = Counter(folded)
    return sorted(word for word, low in zip(words, folded, strict=True) if often[low] > 1)


def _often(words: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(words.items(), key=lambda item: -item[1])
