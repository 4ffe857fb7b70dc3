"""Wide stays, a column a variable and a row an hour, all in one table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mmlego.data.kinds.series.clocks import Clock
from mmlego.data.kinds.series.stays import LARGEST, OnError, Stays
from mmlego.data.kinds.series.values import CellRules, Words
from mmlego.data.kinds.series.wide_tables import UNNAMED, meant_time
from mmlego.data.kinds.series.wide_units import WideUnits
from mmlego.data.reading.joins import row_numbers
from mmlego.errors import InputError, fault
from mmlego.wording import counted, label, listed, meant

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class WideColumns:
    """One wide table of all stays: columns for patient and time, and a column a variable.

    Parameters
    ----------
    clock
        The column of times, and what they mean.
    patient
        The column of patient ids.
    stay
        The column that tells several stays of a patient apart; None if each has one.
    rules
        What words in place of numbers mean.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"id": ["a", "a"], "hour": [0, 1], "HR": [80, None], "Temp": [36.5, 37]})
    >>> stays = WideColumns(Clock("hour"), "id").read(table, "vitals.csv")
    >>> stays.names, stays.time.tolist(), stays.variable.tolist()
    (('HR', 'Temp'), [0.0, 0.0, 1.0], [0, 1, 1])
    """

    clock: Clock
    patient: str
    stay: str | None = None
    rules: CellRules = field(default_factory=CellRules)

    def read(self, table: pd.DataFrame, where: str, on_error: OnError = "raise") -> Stays:
        """Return the stays of a table, in the order in which they first appear.

        Parameters
        ----------
        table
            The rows, in any order.
        where
            The file, for messages.
        on_error
            ``"raise"``, or ``"skip"`` to leave out stays that cannot be read, and name them.

        Raises
        ------
        InputError
            If a column is missing, or a cell cannot be read under ``on_error="raise"``.
        """
        names = [str(name) for name in table.columns]
        own = [self.patient, self.clock.column, *([] if self.stay is None else [self.stay])]
        for name in own:
            if name not in names:
                hint = meant_time(names) if name == self.clock.column else meant(name, names)
                raise InputError(f"{where} has no column {name!r}", remedy=f"Name its columns in the manifest. {hint}")
        table = table.set_axis(names, axis=1)
        numbered = [name for name in row_numbers(table) if name not in own]
        whose = [name for name in own if name != self.clock.column]
        table, without = self.clock.known(table[table[whose].notna().all(axis=1)], self.patient)
        words = Words(self.rules)
        number = table.groupby([table[name].map(label) for name in whose], sort=False).ngroup().to_numpy()
        time = self.clock.of_column(table[self.clock.column], table[self.patient])
        wrong = np.isnan(time)
        if wrong.any() and on_error == "raise":
            odd = table[self.clock.column].iloc[int(wrong.argmax())]
            fault(
                InputError(
                    f"{where}: {self.clock.column} is {str(odd)!r}, no time{self.clock.expected}",
                    got=f"{counted(int(wrong.sum()), 'row')} that cannot be read",
                    remedy=self.clock.remedy(odd),
                )
            )
        gone = set(number[wrong].tolist())
        units = WideUnits(self.rules)
        variables = list(units.taken_out({name: table[name] for name in names if name not in (*own, *numbered)}))
        values = np.empty((len(table), len(variables)))
        for place, name in enumerate(variables):
            values[:, place], odd = self._numbers(table[name], words)
            gone |= set(number[odd].tolist())
        if len(words) and on_error == "raise":
            fault(words.error(where))
        notes = [*without, *words.notes(where), *units.notes(where)]
        if named := [name for name in numbered if not UNNAMED.fullmatch(name)]:
            notes.append(f"{where}: {listed(named)}, which numbers the rows")
        if gone:
            text = f" ({words.text()})" if len(words) else ""
            notes.append(f"{where}: {counted(len(gone), 'stay')} with unreadable cells{text}")
        values[np.isin(number, list(gone))] = np.nan
        row, variable = np.nonzero(~np.isnan(values))
        patients = [label(table[self.patient].iloc[i]) for i in np.unique(number, return_index=True)[1]]
        stays = [stay for stay in range(len(patients)) if stay not in gone]
        stay = np.searchsorted(stays, number[row])
        order = np.lexsort((time[row], stay))
        return Stays(
            patients=tuple(patients[stay] for stay in stays),
            sizes=np.bincount(stay, minlength=len(stays)).tolist(),
            names=tuple(variables),
            variable=variable.astype(np.int32)[order],
            time=time[row][order],
            value=values[row, variable].astype(np.float32)[order],
            skipped=tuple(notes),
        )

    def _numbers(self, column: pd.Series, words: Words) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of a column, and in which rows a word stands that is none."""
        if column.dtype.kind in "iufb":
            values = words.settled(str(column.name), column.to_numpy(dtype=np.float64, na_value=np.nan)).copy()
            known = np.abs(values) > LARGEST  # infinite ones are no numbers either
        else:
            values = np.full(len(column), np.nan)
            known = column.notna().to_numpy()
        odd = np.zeros(len(column), dtype=bool)
        for row in np.flatnonzero(known).tolist():
            before = len(words)
            values[row] = words.number(str(column.name), str(column.iloc[row]))
            odd[row] = len(words) > before
        return values, odd
