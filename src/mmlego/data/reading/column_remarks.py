"""What is said of the columns of a table once they are read: what was missing, what is doubtful, what is refused."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from mmlego.data.reading.column_remedies import Advice, remedy
from mmlego.data.reading.date_forms import NO_DAY, forms_of_short, is_date, is_month, is_period
from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.remarks import Doubtful, Noted
from mmlego.data.reading.spellings import told_alike
from mmlego.data.reading.telling import MOST_CATEGORIES
from mmlego.data.reading.truths import truth_of
from mmlego.data.reading.word_forms import is_range
from mmlego.errors import InputError, named
from mmlego.wording import listed, quoted, shortened

_ZEROS = re.compile(r"[0-9]{2,}")
SEVERAL = 5  # so many different numbers among words are hardly names of categories


class Remarks:
    """What is said of columns, gathered one by one.

    Parameters
    ----------
    where
        The modality, for messages.
    model
        Whether a model is to say what the columns are, which knows its own categories; else the table does.

    Examples
    --------
    >>> remarks = Remarks("clinical")
    >>> remarks.missing("age", {"NA": 2, "": 1})
    >>> [str(note) for note in remarks.notes()], remarks.gone()
    (["clinical: read as missing: age 'NA' 2×"], {'age': ('NA',)})
    """

    def __init__(self, where: str, *, model: bool = False) -> None:
        self.where, self.model = where, model
        self._category = "a category if the model knows it, else missing" if model else "a category"
        self.doubts: dict[str, str] = {}
        self.commas: list[str] = []
        self.months: list[str] = []  # dates that are months alone
        self.parted: list[str] = []  # with thousands that apostrophes or spaces part
        self.shares: list[str] = []  # with percentages
        self.odd: dict[str, dict[str, int]] = {}  # columns of numbers, and their other words
        self.advice: dict[str, Advice] = {}  # and what may be declared of them
        self.dates: dict[str, str] = {}  # columns of dates, and one of them
        self.clocks: dict[str, list[str]] = {}  # columns of times of day, and their words
        self.others: dict[str, str] = {}  # columns of what no table can have, and what that is
        self._counts: dict[str, dict[str, int]] = {}
        self._said: list[tuple[str, str]] = []  # doubts, each with what to do
        self._truths: list[str] = []  # how yes and no are written

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

    def categories(
        self, name: str, often: Mapping[str, int], gone: set[str], known: Sequence[str], numbers: int, total: int
    ) -> None:
        """Keep what is doubtful about a column that was taken for categories.

        Parameters
        ----------
        name
            The column.
        often
            Its words, with how often each stands there.
        gone
            Those that were read as missing.
        known
            Those that are numbers.
        numbers
            How many cells are numbers, or nearly.
        total
            How many cells there are.
        """
        left = [word for word in often if word not in gone]
        others = sorted((word for word in left if word not in known), key=lambda word: -often[word])
        doubts = []
        if named := [f"{word!r} {often[word]}×" for word in left if is_missing(word)]:
            doubts.append(f"has the word {listed(named)}, taken as {self._category}")
            self._said.append((f"{name} {doubts[-1]}", "if it says that nothing is known, declare it under missing:"))
        if len(known) >= SEVERAL:
            words = listed((f"{shortened(word)!r} {often[word]}×" for word in others), 4)
            all_taken = f"each {self._category}" if self.model else "all taken as categories"
            doubts.append(f"has {len(known)} numbers beside words ({words}), {all_taken}")
            declared = f"numeric: [{quoted(name, bare=True)}], and the words under missing:"
            self._said.append((f"{name} {doubts[-1]}", f"if they are measured, declare {declared}"))
        elif len(left) >= SEVERAL and all(_ZEROS.fullmatch(word) for word in left) and len(set(map(len, left))) == 1:
            doubts.append(
                f"has numbers with zeros in front ({listed(map(repr, left), 3)}), each taken as {self._category}"
            )
            self._said.append(
                (f"{name} {doubts[-1]}", f"if they are measured, declare numeric: [{quoted(name, bare=True)}]")
            )
        elif numbers * 4 > total:
            doubts.append(f"has numbers in {numbers} of {total} cells")
        if ranges := [word for word in left if is_range(word)]:
            told = listed(map(repr, ranges), 3)
            doubts.append(f"has ranges or shares of numbers ({told}), each taken as {self._category}")
            self._said.append((f"{name} {doubts[-1]}", "if they are measured, write them as numbers"))
        if dates := [word for word in left if is_date(word)]:
            doubts.append(f"has dates among words ({listed(map(repr, dates), 3)}), each taken as {self._category}")
            self._said.append((f"{name} {doubts[-1]}", "if a spreadsheet made them, of ranges as 5-9, mend the file"))
        if len(left) > 1 and all(truth_of(word) is not None for word in left) and not known == left:
            taken = "read as yes or no if the model has them so" if self.model else "each a category"
            doubts.append(f"has {listed(map(repr, left))}, of which it is not said what is yes and what no, {taken}")
            self._said.append((f"{name} {doubts[-1]}", "write yes and no in one way"))
        if doubts:
            self.doubts[name] = "; ".join(doubts)
        self.alike(name, left)

    def alike(self, name: str, words: Collection[str]) -> None:
        """Keep which categories of a column differ in form alone.

        Parameters
        ----------
        name
            The column.
        words
            Its categories.
        """
        if told := told_alike(words):
            doubt = f"has {told}, which differ in form alone, each {self._category}"
            self.doubts[name] = "; ".join([*filter(None, [self.doubts.get(name)]), doubt])
            self._said.append((f"{name} {doubt}", "mend the file if they are one"))

    def yes_or_no(self, name: str, words: Mapping[str, int]) -> None:
        """Keep how yes and no are written, where they are not in one of the usual ways.

        Parameters
        ----------
        name, words
            As :meth:`missing` takes them.
        """
        if {word.casefold() for word in words} not in ({"yes", "no"}, {"true", "false"}) or len(words) > 2:
            told = listed((f"{word!r} {count}×" for word, count in _often(words)), 6)
            self._truths.append(f"{name} holds {told}")

    def notes(self, *, strict: bool = False) -> list[Noted]:
        """Return what was read as missing, or otherwise than it is written.

        Parameters
        ----------
        strict
            Whether columns of numbers that hold other words are refused; else they are left as text, and noted.
        """
        notes: list[Noted] = []
        if self._counts:
            text = listed(
                (f"{n} {word!r} {count}×" for n, words in self._counts.items() for word, count in words.items()), 12
            )
            notes.append(Noted(self.where, f"read as missing: {text}"))
        if self.months:
            notes.append(Noted(self.where, f"months read as their 15th day: {listed(dict.fromkeys(self.months))}"))
        if self.parted:
            notes.append(Noted(self.where, f"read with apostrophes or spaces between thousands: {listed(self.parted)}"))
        if self.commas:
            notes.append(
                Noted(self.where, f"read with decimal commas, or commas between thousands: {listed(self.commas)}")
            )
        if self.shares:
            notes.append(Noted(self.where, f"percentages read as hundredths, as 9.5% as 0.095: {listed(self.shares)}"))
        if self.odd and not strict:
            notes.append(Noted(self.where, f"numbers with other words, left as text: {_quoted(self.odd)}"))
        if self._truths:
            notes.append(Noted(self.where, f"{listed(self._truths)} (read as yes or no; else declare categories:)"))
        for way in dict.fromkeys(way for _, way in self._said):
            notes.append(Doubtful(self.where, f"{listed(text for text, why in self._said if why == way)} ({way})"))
        return notes

    def faults(self) -> list[InputError]:
        """Return what is wrong: columns of numbers that hold other words, dates and times that are not declared."""
        found = []
        if self.odd:
            hold = "columns of numbers hold" if len(self.odd) > 1 else "column of numbers holds"
            what = f"{self.where}: {len(self.odd)} {hold} other words ({_quoted(self.odd)})"
            found.append(InputError(what, expected="numbers", remedy=remedy(self.advice)))
        if self.dates:
            found.append(_of_dates(self.dates, self.where))
        if self.clocks:
            name, words = next(iter(self.clocks.items()))
            few = f", or declare categories: [{quoted(name, bare=True)}]" if len(words) <= MOST_CATEGORIES else ""
            got = listed((f"{column} {next(iter(some))!r}" for column, some in self.clocks.items()), named(3))
            way = f"Write them as numbers, leave them out of columns:{few}."
            what = f"{self.where}: column {name!r} holds times of day, or ratios"
            found.append(InputError(what, expected="numbers or categories", got=got, remedy=way))
        for name, what in self.others.items():
            way = "Write them as numbers, or leave the column out of columns:."
            found.append(InputError(f"{self.where}: column {name!r} holds {what}", expected="numbers", remedy=way))
        return found


def _quoted(found: Mapping[str, Mapping[str, int]]) -> str:
    lines = (
        f"{name}: " + listed((f"{shortened(word)!r} {count}×" for word, count in _often(words)), 4)
        for name, words in found.items()
    )
    return "; ".join(lines) if len(found) <= 4 else listed(lines, named(4))


def _of_dates(dates: Mapping[str, str], where: str) -> InputError:
    name, first = next(iter(dates.items()))
    months = "" if not is_month(first) else "; a month is its 15th day"
    short = forms_of_short(first).partition(" or ")[0]
    unit = f"unit: days, {short}" if short else "unit: days"
    way = f"Declare what they are to be, as dates: {{{quoted(name, bare=True)}: {{since: OTHER_DATE, {unit}}}}} "
    way += f"(before: for an age{months}), or leave them out of columns:."
    if is_period(first):
        way = f"{NO_DAY}, and declare dates:, or declare categories: "
        way += f"[{quoted(name, bare=True)}], or leave them out of columns:."
    got = listed((f"{column} {word!r}" for column, word in dates.items()), named(3))
    what, expected = f"{where}: column {name!r} holds dates", "numbers or categories"
    return InputError(what, expected=expected, got=got, remedy=way)


def _often(words: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(words.items(), key=lambda item: -item[1])
