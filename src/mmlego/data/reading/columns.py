"""What the columns of a table are: numbers, yes or no, dates, categories; decided column by column, and told.

A column of which most values are numbers is a column of numbers. The other cells of it are named and refused, unless
they say that nothing is known, in one of the usual ways or in one that the manifest declares.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.column_remarks import Remarks
from mmlego.data.reading.column_remedies import advice
from mmlego.data.reading.column_rules import ColumnRules, Found, fits
from mmlego.data.reading.date_doubts import doubts_of_ages
from mmlego.data.reading.date_forms import is_date, is_month
from mmlego.data.reading.dates import HOURS, DateRule, date_text, dates_of, elapsed
from mmlego.data.reading.joins import pick
from mmlego.data.reading.missing import is_missing, is_sign
from mmlego.data.reading.signs import doubt_of_sign
from mmlego.data.reading.truths import truths_of
from mmlego.data.reading.unmet import unmet_missing
from mmlego.data.reading.word_forms import is_clock, like_number
from mmlego.data.reading.words import as_number, numbers_among, numbers_of_column
from mmlego.errors import InputError, fault
from mmlego.wording import label, meant

if TYPE_CHECKING:
    import pandas as pd

# What R and data bases write where nothing is known, in columns of text too; None, unknown and the like are words.
BLANK = frozenset({"na", "n/a", "null"})
# A table in memory, and one of which all cells say so, has truth values; they are not written in any case.
_CASES = {word: (word, word.upper(), word.capitalize()) for word in ("true", "false")}
_TRUTH_VALUES = frozenset({"True", "False"})
FEWEST_MONTHS = 8  # numbers as 202001: one in eight of any numbers looks like a month


def read_types(
    frame: pd.DataFrame,
    rules: ColumnRules,
    where: str,
    columns: Sequence[str] | None = None,
    *,
    strict: bool = True,
    decimal: str = ".",
    dotted: Collection[str] = (),
    truths: bool = True,
    model: bool = False,
) -> Found:
    """Decide what the columns of a table are.

    Parameters
    ----------
    frame
        The table, with names as text.
    rules
        What the manifest says.
    where
        The modality, for messages.
    columns
        The columns that are wanted; None: all. Others may be the dates that ``dates`` of the rules count from.
    strict
        Refuse columns of numbers that hold other words. Else they stay as they are, and are noted: a model that needs
        such a column refuses it, and no other does.
    decimal
        The decimal sign of the file, where the rules say nothing of a column.
    dotted
        Columns, read as text, in which 1.234 may be a thousand and more.
    truths
        Whether words that say yes or no become 1 and 0; else they stay categories, as a model may know them as such.
    model
        Whether it is read for a model, which says what becomes of a word.

    Raises
    ------
    InputError
        If a column of numbers holds other words, a column dates, or a rule names no column.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": ["50", "> 89", "61", "not reported"], "sex": ["f", "m", "NA", "f"]}, dtype=object)
    >>> read_types(table, ColumnRules(), "clinical")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: clinical: 1 column of numbers holds other words (age: '> 89' 1×): expected numbers. ...
    >>> found = read_types(table, ColumnRules(missing={"age": ("> 89",)}), "clinical")
    >>> found.frame["age"].tolist(), found.frame["sex"].cat.categories.tolist()
    ([50.0, nan, 61.0, nan], ['f', 'm'])
    >>> [str(note) for note in found.notes]
    ["clinical: read as missing: age '> 89' 1×, age 'not reported' 1×, sex 'NA' 1×"]
    """
    chosen = list(frame.columns) if columns is None else list(columns)
    reader = _Types(rules, where, decimal, dotted, truths=truths, model=model)
    reader.check(chosen, [rule.other for rule in rules.dates.values() if rule.other in frame.columns])
    made: dict[str, Any] = {}
    wrong: set[str] = set()
    for name in _odd(frame, chosen, rules):
        try:
            value = reader.read(frame, name)
        except InputError as error:
            fault(error)
            wrong.add(name)
            continue
        if value is not None:
            made[name] = value
    faults = reader.remarks.faults()
    if strict:
        for one in faults:
            fault(one)
        wrong |= {*reader.remarks.odd, *reader.remarks.dates, *reader.remarks.clocks, *reader.remarks.others}
    picked = pick(frame, [name for name in chosen if name not in wrong])
    if made:
        picked = _replaced(picked, made)
    notes, gone = tuple(reader.remarks.notes(strict=strict)), reader.remarks.gone()
    if strict and not model:
        notes = (*notes, *unmet_missing(rules.missing, [*picked.columns, *gone], gone, reader.kept, where))
    said = [name for name, kind in zip(picked.columns, picked.dtypes, strict=True) if getattr(kind, "kind", "O") == "b"]
    wrongs = () if strict else tuple(faults)
    return Found(picked, notes, gone, reader.taken, reader.remarks.doubts, wrongs, (*reader.truths, *said))


def _odd(frame: pd.DataFrame, chosen: Sequence[str], rules: ColumnRules) -> list[str]:
    """Return the columns that are no plain numbers, or of which the rules say something."""
    said = [*rules.categories, *rules.dates, *(name for name in rules.missing if name != "*")]
    words = rules.missing.get("*", ())
    every = bool(numbers_among(words)) or any(word.casefold() in _CASES for word in words)
    kinds = frame.dtypes.to_numpy()
    plain = {name for name, kind in zip(frame.columns, kinds, strict=True) if getattr(kind, "kind", "O") in "iufb"}
    whole = _calendar(frame, [name for name in chosen if name in plain])
    return [name for name in chosen if name not in plain or every or name in whole or (said and fits(name, said))]


def _calendar(frame: pd.DataFrame, names: Sequence[str]) -> set[str]:
    """Return the columns of numbers that are all dates as 20200131, or months as 202001."""
    if not names or frame.empty:
        return set()
    head = pick(frame.iloc[:50], names).to_numpy(dtype=np.float64, na_value=np.nan)
    low, high = np.fmin.reduce(head, axis=0), np.fmax.reduce(head, axis=0)
    with np.errstate(invalid="ignore"):
        near = np.flatnonzero(((low >= 19000101) & (high <= 21001231)) | ((low >= 190001) & (high <= 210012))).tolist()
    found = set()
    for name in (names[place] for place in near):
        values = frame[name].dropna().to_numpy(dtype=np.float64)
        days = values >= 19000101
        month, day = np.where(days, values // 100 % 100, values % 100), np.where(days, values % 100, 1)
        if not days.all() and (days.any() or len(values) < FEWEST_MONTHS):
            continue
        if ((values % 1 == 0) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all():
            found.add(name)
    return found


def _replaced(frame: pd.DataFrame, made: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    if len(made) > 50:
        others = [name for name in frame.columns if name not in made]
        parts = [frame[others], pd.DataFrame(dict(made), index=frame.index)]
        return pd.concat(parts, axis=1)[list(frame.columns)]
    frame = frame.copy(deep=False)
    for name, value in made.items():
        frame[name] = value
    return frame


class _Types:
    """Reads columns one by one, and keeps what is to be said of them."""

    def __init__(
        self, rules: ColumnRules, where: str, decimal: str, dotted: Collection[str], *, truths: bool, model: bool
    ) -> None:
        self.rules, self.where, self.decimal, self.dotted = rules, where, decimal, frozenset(dotted)
        self.remarks = Remarks(where, model=model)
        self.taken: dict[str, str] = {}
        self.truths: list[str] = []
        self._numbers_of_truth = truths
        self.kept: dict[str, list[str]] = {}  # the categories of a column

    def check(self, columns: Sequence[str], others: Sequence[str] = ()) -> None:
        """Refuse rules that fit no column; words for missing may also be of dates that are counted from."""
        said = {
            "missing": [name for name in self.rules.missing if name != "*"],
            "numeric": self.rules.numeric,
            "categories": self.rules.categories,
            "dates": list(self.rules.dates),
            "decimal": [name for name in self.rules.decimal if name != "*"],
        }
        for key, patterns in said.items():
            here = [*columns, *others] if key == "missing" else columns
            known = set(here)
            for pattern in patterns:
                if pattern not in known and not fnmatch.filter(here, pattern):
                    what = f"{self.where}: {key}: no column matches {pattern!r}"
                    fault(InputError(what, remedy=meant(pattern, columns)))

    def read(self, frame: pd.DataFrame, name: str) -> Any:
        """Return a column as what it is; None if it stays as it is."""
        import pandas as pd

        rule = next((rule for pattern, rule in self.rules.dates.items() if fits(name, [pattern])), None)
        if rule is not None:
            self.taken[name] = rule.describe()
            if rule.format is None:
                self.remarks.months += [one for one in (name, rule.other) if one in frame and _has_months(frame[one])]
            return self._time(frame, name, rule)
        column = frame[name]
        if column.dtype.kind == "b" and not _TRUTH_VALUES.isdisjoint(self._declared(name)):
            return self._words(column, name)
        if column.dtype.kind in "iufb" and not fits(name, self.rules.categories):
            return self._number(column, name)
        if column.dtype.kind in "mc":
            self.remarks.others[name] = "durations" if column.dtype.kind == "m" else "complex numbers"
            return None
        if column.dtype.kind == "M":
            self.remarks.dates[name] = str(next(iter(column.dropna()), ""))
            return None
        if isinstance(column.dtype, pd.CategoricalDtype) and not fits(name, self.rules.categories):
            self.remarks.alike(name, [label(word) for word in column.cat.categories])
            return None  # said to be categories by whoever made the table
        return self._words(column, name)

    def _time(self, frame: pd.DataFrame, name: str, rule: DateRule) -> Any:
        """Return the time between two dates, neither of which is a word that means that none is known."""
        columns = [one for one in dict.fromkeys((name, rule.other)) if one in frame.columns]
        words = {one: frame[one] for one in columns}
        known = {one: column.mask(self._no_dates(column, one)) for one, column in words.items()}
        time = elapsed(frame.assign(**known), name, rule, self.where)
        dates = {one: dates_of(column, rule.format, self.where) for one, column in known.items()}
        doubt = doubts_of_ages(time, dates, words, HOURS[rule.unit], before=rule.before is not None)
        if doubt:
            self.remarks.doubts[name] = doubt
        return time

    def _no_dates(self, column: pd.Series, name: str) -> pd.Series:
        """Return which cells of a column of dates say that nothing is known; they are noted."""
        declared = set(self._declared(name))
        texts = column.map(lambda cell: date_text(cell), na_action="ignore").astype(object)
        gone = column.notna() & texts.map(lambda text: text in declared or is_missing(str(text))).astype(bool)
        self.remarks.missing(name, {str(word): int(count) for word, count in texts[gone].value_counts().items()})
        return gone

    def _number(self, column: pd.Series, name: str) -> Any:
        codes = numbers_among(self._declared(name))
        gone = column.isin(codes) if codes else None
        if gone is not None and gone.any():
            counts = column[gone].map(label).value_counts()
            self.remarks.missing(name, {str(word): int(count) for word, count in counts.items()})
            return column.astype(float).mask(gone)
        if not codes and not fits(name, self.rules.numeric) and column.dtype.kind != "b":
            if _calendar(column.to_frame(name), [name]):
                self.remarks.dates[name] = label(column.dropna().iloc[0])
        return None

    def _words(self, column: pd.Series, name: str) -> Any:
        """Return a column of words as numbers, truth values or categories."""
        import pandas as pd

        try:
            codes, raw = pd.factorize(column.astype(object).to_numpy())
            counts = np.bincount(codes[codes >= 0], minlength=len(raw))
        except TypeError:  # lists and the like have no hash
            _text(next(cell for cell in column if not isinstance(cell, Hashable)), name, self.where)
            raise
        words = [_text(word, name, self.where) for word in raw]
        often: dict[str, int] = {}
        for word, count in zip(words, counts.tolist(), strict=True):
            often[word] = often.get(word, 0) + count
        if fits(name, self.rules.categories):
            declared = set(self._declared(name)) if self._by_name(name) else set()
            gone = {word for word in often if not word or word in declared}
            self.remarks.alike(name, [word for word in often if word not in gone])
            return self._categories(column, codes, words, gone, often)
        nothing = {word for word in often if self._is_missing(word, name, number=False)}
        truths = truths_of([word for word in often if word not in nothing])
        if truths is not None:
            self.truths.append(name)
            self.remarks.yes_or_no(name, {word: often[word] for word in truths})
            if not self._numbers_of_truth:
                return self._categories(column, codes, words, nothing, often)
            self.remarks.missing(name, {word: count for word, count in often.items() if word in nothing})
            self.taken[name] = "yes/no"
            return np.array([*(truths.get(word, np.nan) for word in words), np.nan], dtype=np.float64)[codes]
        numbers_missing = numbers_among(self._declared(name))  # -9 is -9.0 among numbers
        gone = {word for word in often if self._is_missing(word, name, number=True) or _is_code(word, numbers_missing)}
        left = {word: count for word, count in often.items() if word not in gone}
        total = sum(left.values())
        if sum(count for word, count in left.items() if is_date(word)) * 2 > total:
            self.remarks.dates[name] = next(word for word in left if is_date(word))
            return None
        if sum(count for word, count in left.items() if is_clock(word)) * 2 > total:
            self.remarks.clocks[name] = list(left)
            return None
        numeric = fits(name, self.rules.numeric)
        sign = next((sign for pattern, sign in self.rules.decimal.items() if fits(name, [pattern])), None)
        file = "," if name in self.dotted else self.decimal
        values = numbers_of_column(left, declared=sign, file=file, numeric=numeric)
        numbers = sum(count for word, count in left.items() if values[word] is not None or like_number(word))
        if numeric or numbers * 2 > total or not left:
            odd = {word: often[word] for word, value in values.items() if value is None}
            if odd:
                self.remarks.odd[name] = odd
                self.remarks.advice[name] = advice(left, odd, file, sign)
                return None
            if doubt := doubt_of_sign(left, sign or file, name) if sign or file == "," else "":
                self.remarks.doubts[name] = doubt
            return self._numbers(name, codes, words, gone, values, often)
        known = [word for word, value in values.items() if value is not None]
        self.remarks.categories(name, often, nothing, known, numbers, total)
        return self._categories(column, codes, words, nothing, often)

    def _numbers(
        self,
        name: str,
        codes: NDArray[np.int64],
        words: Sequence[str],
        gone: set[str],
        values: Mapping[str, float | None],
        often: Mapping[str, int],
    ) -> Any:
        self.remarks.missing(name, {word: count for word, count in often.items() if word in gone})
        if any("," in word for word in values):
            self.remarks.commas.append(name)
        if any(re.search(r"\d['’ \u00a0\u202f\u2009]\d", word) for word in values):
            self.remarks.parted.append(name)
        if any("%" in word for word in values):
            self.remarks.shares.append(name)
        known = [np.nan if word in gone else values[word] for word in words]
        return np.array([*known, np.nan], dtype=np.float64)[codes]

    def _categories(
        self,
        column: pd.Series,
        codes: NDArray[np.int64],
        words: Sequence[str],
        gone: set[str],
        often: Mapping[str, int],
    ) -> Any:
        import pandas as pd

        self.remarks.missing(column.name, {word: count for word, count in often.items() if word in gone})
        kept = self.kept[str(column.name)] = sorted(set(words) - gone)
        place = {word: number for number, word in enumerate(kept)}
        new = np.array([*(place.get(word, -1) for word in words), -1], dtype=np.int64)[codes]
        return pd.Categorical.from_codes(new, categories=pd.Index(kept, dtype=object))

    def _declared(self, name: str) -> list[str]:
        return [
            word
            for pattern, words in self.rules.missing.items()
            if pattern == "*" or fits(name, [pattern])
            for one in words
            for word in _CASES.get(one.casefold(), (one,))
        ]

    def _by_name(self, name: str) -> bool:
        return any(pattern != "*" and fits(name, [pattern]) for pattern in self.rules.missing)

    def _is_missing(self, word: str, name: str, *, number: bool) -> bool:
        if not word or word in self._declared(name):
            return True
        if number:
            return is_missing(word)
        return not self._by_name(name) and (is_sign(word) or word.casefold() in BLANK)


def _is_code(word: str, codes: Collection[float]) -> bool:
    return bool(codes) and any(as_number(word, sign) in codes for sign in ("point", "comma"))


def _has_months(column: pd.Series) -> bool:
    return column.dtype.kind == "O" and any(is_month(str(word).strip()) for word in column.dropna().unique())


def _text(word: Any, name: str, where: str) -> str:
    if isinstance(word, str | bool | int | float | np.generic) or type(word).__name__ in (
        "Decimal",
        "date",
        "datetime",
        "Timestamp",
    ):
        return label(word)
    raise InputError(
        f"{where}: column {name!r} holds cells of {type(word).__name__}",
        expected="numbers, texts, truth values or dates",
        remedy="Leave it out of columns:, or make columns of what it holds.",
    )
