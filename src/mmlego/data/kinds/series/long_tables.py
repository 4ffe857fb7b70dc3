"""Long tables of series: a row a measurement, with columns for patient, time, variable and value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.series.clocks import Clock, Floats, Form, Unit, numbers_of
from mmlego.data.kinds.series.stays import LARGEST, OnError, Stays
from mmlego.data.kinds.series.values import DOUBTED, NOTED, CellRules, Words
from mmlego.data.reading.units import two_units, unit_of_rows
from mmlego.errors import InputError, fault
from mmlego.wording import counted, label, listed, meant

if TYPE_CHECKING:
    import pandas as pd

WIDE = " A table with a row an hour and a column a variable is read with layout: wide."


@dataclass(frozen=True)
class LongColumns:
    """Which column of a long table holds what.

    Parameters
    ----------
    patient, time, variable, value
        Names of columns. The time counts from the start of the stay.
    stay
        The column that tells several stays of a patient apart; None if each patient has one.
    unit
        Of the times.
    index
        By patient, the date from which dates are counted; None: times are numbers.
    rules
        What words in place of values mean, and which variables are looked at.
    form
        Brings ids into the form of those of the index.
    written
        How dates are written; None: as ISO 8601 writes them.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"id": ["a", "a"], "day": [2, 0.5], "what": ["HR", "Temp"], "value": [80, None]})
    >>> stays = LongColumns(patient="id", time="day", variable="what", unit="days").read(table, "table")
    >>> stays.patients, stays.names, stays.time.tolist()
    (('a',), ('HR',), [48.0])
    """

    patient: str = "patient"
    time: str = "time"
    variable: str = "variable"
    value: str = "value"
    stay: str | None = None
    unit: Unit = "hours"
    index: Mapping[str, np.datetime64] | None = None
    rules: CellRules = field(default_factory=CellRules)
    form: Form | None = None
    written: str | None = None

    def read(self, table: pd.DataFrame, where: str, on_error: OnError = "raise") -> Stays:
        """Return the stays of a table, in the order in which they first appear; rows without a value do not count.

        Parameters
        ----------
        table
            The rows, in any order.
        where
            The file, for messages.
        on_error
            ``"raise"``: a row that cannot be read is an error; ``"skip"``: its whole stay is left out, and named.

        Raises
        ------
        InputError
            If a column is missing, or a row cannot be read under ``on_error="raise"``.
        """
        import pandas as pd

        rows, notes = self._named(table, where)
        clock = Clock(self.time, self.unit, self.index, self.form, self.written)
        rows, without = clock.known(rows, self.patient)
        notes += without
        patient = rows[self.patient].map(label)
        keys = [patient] if self.stay is None else [patient, rows[self.stay].map(label)]
        number = rows.groupby(keys, sort=False).ngroup().to_numpy()  # the stay of each row
        patients = [str(patient.iloc[row]) for row in np.unique(number, return_index=True)[1]]
        time = clock.of_column(rows[self.time], patient)
        value, words, odd = self._values(rows)
        wrong = self._wrong(rows, time, odd, value, clock)
        gone = sorted(set(number[list(wrong)].tolist()))
        if wrong:
            row, what = next(iter(wrong.items()))
            if on_error == "raise" and len(words):
                fault(words.error(f"cannot read {where}: of patient {patient.iloc[row]}, {what}"))
            others = [place for place in wrong if not odd[place]]
            if on_error == "raise" and others:
                first = others[0]
                fault(
                    InputError(
                        f"cannot read {where}: of patient {patient.iloc[first]}, {wrong[first]}",
                        got=f"{counted(len(others), 'row')} that cannot be read",
                        remedy=clock.remedy(rows[self.time].iloc[first]),
                    )
                )
            who = listed(patients[stay] for stay in gone)
            notes.append(f"{where}: {counted(len(gone), 'stay')} with unreadable rows ({who}), the first: {what}")
        notes += words.notes(where)
        notes += self._units(table, where) + self._without(rows, value, odd, where)
        kept = ~np.isnan(value) & ~np.isin(number, gone) & rows[self.variable].notna().to_numpy() & ~np.isnan(time)
        code, names = pd.factorize(rows[self.variable].map(label, na_action="ignore").to_numpy()[kept], sort=True)
        stays = [stay for stay in range(len(patients)) if stay not in set(gone)]
        stay = np.searchsorted(stays, number[kept])
        order = np.lexsort((time[kept], stay))
        return Stays(
            patients=tuple(patients[stay] for stay in stays),
            sizes=np.bincount(stay, minlength=len(stays)).tolist(),
            names=tuple(str(name) for name in names),
            variable=code.astype(np.int32)[order],
            time=time[kept][order],
            value=value[kept].astype(np.float32)[order],
            skipped=tuple(notes),
        )

    def _named(self, table: pd.DataFrame, where: str) -> tuple[pd.DataFrame, list[str]]:
        """Return the needed columns of the rows that say whose they are."""
        needed = [self.patient, self.time, self.variable, self.value, *([] if self.stay is None else [self.stay])]
        for name in needed:
            if name not in table.columns:
                raise InputError(
                    f"{where} has no column {name!r}",
                    expected=f"columns {', '.join(needed)}",
                    remedy=f"Name its columns in the manifest. {meant(name, [str(c) for c in table.columns])}"
                    + (WIDE if name in (self.variable, self.value) else ""),
                )
        whose = [self.patient] if self.stay is None else [self.patient, self.stay]
        named = table[whose].notna().all(axis=1)
        bare = int((~named).sum())
        return table.loc[named, needed], [f"{where}: {counted(bare, 'row')} without a patient or stay"] if bare else []

    def _units(self, table: pd.DataFrame, where: str) -> list[str]:
        """Return the doubt that a variable is measured in two units, which stand in a column beside its values."""
        names = [name for name in table.columns if name not in (self.patient, self.time, self.variable, self.stay)]
        column = unit_of_rows(names, self.value)
        if column is None:
            return []
        rows = table[table[self.value].notna() & table[column].notna()]
        wanted = {label(name) for name in rows[self.variable].dropna().unique() if self.rules.cares(label(name))}
        doubt = two_units(rows[self.variable], rows[column], {str(name) for name in wanted})
        return [] if doubt is None else [f"{DOUBTED}{where}: {doubt}"]

    def _without(self, rows: pd.DataFrame, value: Floats, odd: NDArray[np.bool_], where: str) -> list[str]:
        """Return the note that rows have no value, and the doubt that a variable has none at all."""
        names = rows[self.variable].map(label, na_action="ignore")
        empty = np.isnan(value) & ~odd & names.notna().to_numpy()
        often = {name: count for name, count in names[empty].value_counts().items() if self.rules.cares(str(name))}
        if not often:
            return []
        some = listed((f"{name} {count}×" for name, count in often.items()), 3)
        notes = [f"{NOTED}{where}: {counted(sum(often.values()), 'row')} without a value ({some})"]
        bare = [str(name) for name in often if name not in set(names[~empty])]
        if bare:
            notes.append(f"{DOUBTED}{where}: {listed(bare)} without any value: do they stand in another column?")
        return notes

    def _values(self, rows: pd.DataFrame) -> tuple[Floats, Words, NDArray[np.bool_]]:
        """Return the values, NaN where there is none; and where words stand that are none."""
        column, words = rows[self.value], Words(self.rules)
        value = numbers_of(column) if self.rules.decimal is None else np.full(len(column), np.nan)
        odd = np.zeros(len(rows), dtype=bool)
        unread = ~(np.abs(value) <= LARGEST)
        if not self.rules.plain:
            for name, places in rows.groupby(self.variable, sort=False).indices.items():
                value[places] = words.settled(str(label(name)), value[places])
        for row in np.flatnonzero(unread & column.notna().to_numpy()).tolist():
            before = len(words)
            value[row] = words.number(str(label(rows[self.variable].iloc[row])), str(column.iloc[row]))
            odd[row] = len(words) > before
        return value, words, odd

    def _wrong(
        self, rows: pd.DataFrame, time: Floats, odd: NDArray[np.bool_], value: Floats, clock: Clock
    ) -> dict[int, str]:
        """Return what is wrong with each row that cannot be read; one without a value need not be readable."""
        given = odd | ~np.isnan(value)
        if self.rules.wanted is not None or self.rules.exclude:
            cares = {name: self.rules.cares(label(name)) for name in rows[self.variable].dropna().unique()}
            given &= np.array([cares.get(name, True) for name in rows[self.variable]], dtype=bool)
        tests = [
            (self.value, odd, "not a number"),
            (self.time, np.isnan(time), f"no time{clock.expected}"),
            (self.variable, rows[self.variable].isna().to_numpy(), "no name"),
        ]
        found: dict[int, str] = {}
        for column, wrong, what in tests:
            for row in np.flatnonzero(wrong & given).tolist():
                found.setdefault(row, f"{column} is {str(rows[column].iloc[row])!r}, {what}")
        return found
