"""What a manifest says of the columns of a table, and what was found of them."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mmlego.data.reading.dates import DateRule
from mmlego.data.reading.remarks import Noted
from mmlego.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ColumnRules:
    """What a manifest says of columns; names may be globs.

    Parameters
    ----------
    missing
        By column the words that are missing there, beside the empty cell; under ``*``, words for all columns.
    numeric
        Columns that are numbers, whatever else they look like.
    categories
        Columns whose values are words: nothing in them is missing but the empty cell.
    dates
        Columns of dates, and what they become.
    decimal
        By column ``.`` or ``,``.
    """

    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numeric: Sequence[str] = ()
    categories: Sequence[str] = ()
    dates: Mapping[str, DateRule] = field(default_factory=dict)
    decimal: Mapping[str, str] = field(default_factory=dict)

    def within(self, names: Sequence[str]) -> ColumnRules:
        """Return the rules that fit some of the columns of one table, where a section has several.

        Parameters
        ----------
        names
            The columns of the table.

        Examples
        --------
        >>> ColumnRules(missing={"age": ("> 89",), "*": ("-9",)}, numeric=("w*",)).within(["age"])
        ColumnRules(missing={'age': ('> 89',), '*': ('-9',)}, numeric=(), categories=(), dates={}, decimal={})
        """

        def here(pattern: str) -> bool:
            return pattern == "*" or any(fits(name, [pattern]) for name in names)

        return ColumnRules(
            {pattern: words for pattern, words in self.missing.items() if here(pattern)},
            tuple(filter(here, self.numeric)),
            tuple(filter(here, self.categories)),
            {pattern: rule for pattern, rule in self.dates.items() if here(pattern)},
            {pattern: sign for pattern, sign in self.decimal.items() if here(pattern)},
        )

    def strays(self, names: Sequence[str]) -> list[str]:
        """Return the names and globs that fit no column.

        Parameters
        ----------
        names
            The columns of all tables of a section.

        Examples
        --------
        >>> ColumnRules(numeric=("w*", "age")).strays(["age"])
        ['w*']
        """
        said = [*self.missing, *self.numeric, *self.categories, *self.dates, *self.decimal]
        return [pattern for pattern in said if pattern != "*" and not any(fits(name, [pattern]) for name in names)]


@dataclass(frozen=True)
class Found:
    """What was found of the columns of a table.

    Parameters
    ----------
    frame
        The table: numbers as float64, words as categories.
    notes
        What was read as missing, or otherwise than it is written.
    missing
        By column the words that were read as missing.
    taken
        By column what it was taken for, where that is no plain number or category.
    doubts
        By column what may be wrong with it.
    faults
        What is wrong, where columns were read all the same.
    truths
        The columns that are yes or no.
    """

    frame: pd.DataFrame
    notes: tuple[Noted, ...]
    missing: Mapping[str, tuple[str, ...]]
    taken: Mapping[str, str]
    doubts: Mapping[str, str]
    faults: tuple[InputError, ...] = ()
    truths: tuple[str, ...] = ()

    def without_rows(self) -> Found:
        """Return what was found, without the values."""
        return replace(self, frame=self.frame.iloc[:0])


def fits(name: str, patterns: Collection[str]) -> bool:
    """Return whether a name is named, by itself or by a glob.

    Parameters
    ----------
    name
        The name.
    patterns
        Names or globs.

    Examples
    --------
    >>> fits("lab_crp", ["lab_*"]), fits("x[1]", ["x[1]"])
    (True, True)
    """
    return name in patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
