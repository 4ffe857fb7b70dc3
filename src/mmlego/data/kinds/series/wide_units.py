"""Columns of units in wide stays: they are no variables, and say where one variable was measured in two units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

from mmlego.data.kinds.series.choices import fits
from mmlego.data.kinds.series.values import DOUBTED, NOTED, CellRules
from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.units import mixed_units, unit_columns
from mmlego.data.reading.words import as_number
from mmlego.wording import listed

Column = TypeVar("Column", bound=Iterable[object])


class WideUnits:
    """Takes the columns of units out of wide stays, table by table, and counts which unit stands beside which values.

    Parameters
    ----------
    rules
        Which variables are looked at: columns of units that are excluded, or whose words have codes, stay where they
        are.

    Examples
    --------
    >>> units = WideUnits(CellRules())
    >>> units.taken_out({"Temp": ["36.5", "98", ""], "Temp_unit": ["C", "F", "C"], "HR": ["80", "81", "82"]})
    {'Temp': ['36.5', '98', ''], 'HR': ['80', '81', '82']}
    >>> [note[:61] for note in units.notes("icu")]
    ['as read: icu: Temp_unit, a column of units', 'doubtful: icu: two units of one variable, whose numbers count']
    """

    def __init__(self, rules: CellRules) -> None:
        self.rules = rules
        self._counts: Counter[tuple[str, str]] = Counter()
        self._left: dict[str, None] = {}

    def taken_out(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        """Return the columns that are variables.

        Parameters
        ----------
        columns
            All columns but those of patient and time, in order, with their cells.
        """
        left: dict[str, None] = {}
        for name, unit in unit_columns(list(columns), columns).items():
            words = [_word(cell) for cell in columns[unit]]
            if not any(words) or any(as_number(word, ".") is not None for word in words):
                continue
            if self.rules.cares(name):
                pairs = zip(columns[name], words, strict=True)
                self._counts.update((name, word) for cell, word in pairs if word and _word(cell))
            if self.rules.cares(unit) and not any(fits(unit, [pattern]) for pattern in self.rules.codes):
                left[unit] = None
        self._left |= left
        return {name: cells for name, cells in columns.items() if name not in left}

    def notes(self, where: str) -> list[str]:
        """Return notes of the columns that were taken out, and the doubt that a variable is in two units.

        Parameters
        ----------
        where
            The file or folder.
        """
        columns = "a column of units" if len(self._left) == 1 else "columns of units"
        said = [f"{NOTED}{where}: {listed(self._left)}, {columns}"] if self._left else []
        doubt = mixed_units(self._counts)
        return [*said, *([f"{DOUBTED}{where}: {doubt}"] if doubt else [])]


def _word(cell: object) -> str:
    """Return the text of a cell, empty where it is missing."""
    word = str(cell).strip()
    return "" if is_missing(word) else word
