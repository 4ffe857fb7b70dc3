"""Long tables of series: a row a measurement, with columns for patient, time, variable and value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.series.stays import LARGEST, OnError, Stays
from mmlego.errors import InputError
from mmlego.wording import counted, label, listed, meant

if TYPE_CHECKING:
    import pandas as pd

Unit: TypeAlias = Literal["seconds", "minutes", "hours", "days"]
Floats: TypeAlias = NDArray[np.float64]
# Hours a unit, as a fraction: a multiplication and a division are exact where a factor of 1/60 is not.
HOURS: dict[Unit, tuple[int, int]] = {"seconds": (1, 3600), "minutes": (1, 60), "hours": (1, 1), "days": (24, 1)}


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
        patient = rows[self.patient].map(label)
        keys = [patient] if self.stay is None else [patient, rows[self.stay].map(label)]
        number = rows.groupby(keys, sort=False).ngroup().to_numpy()  # the stay of each row
        patients = [str(patient.iloc[row]) for row in np.unique(number, return_index=True)[1]]
        many, units = HOURS[self.unit]
        time = _numbers(rows[self.time]) * many / units
        value = _numbers(rows[self.value])
        wrong = self._wrong(rows, time, value)
        gone = sorted(set(number[list(wrong)].tolist()))
        if wrong:
            row, what = next(iter(wrong.items()))
            if on_error == "raise":
                raise InputError(
                    f"cannot read {where}: of patient {patient.iloc[row]}, {what}",
                    got=f"{counted(len(wrong), 'row')} that cannot be read",
                    remedy="Mend them, or declare on_error: skip to go on without these stays.",
                )
            who = listed(patients[stay] for stay in gone)
            notes.append(f"{where}: {counted(len(gone), 'stay')} with unreadable rows ({who}), the first: {what}")
        kept = ~np.isnan(value) & ~np.isin(number, gone)
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
                    remedy=f"Name its columns in the manifest. {meant(name, [str(c) for c in table.columns])}",
                )
        whose = [self.patient] if self.stay is None else [self.patient, self.stay]
        named = table[whose].notna().all(axis=1)
        bare = int((~named).sum())
        return table.loc[named, needed], [f"{where}: {counted(bare, 'row')} without a patient or stay"] if bare else []

    def _wrong(self, rows: pd.DataFrame, time: Floats, value: Floats) -> dict[int, str]:
        """Return what is wrong with each row that cannot be read; one without a value need not be readable."""
        given = rows[self.value].notna().to_numpy()
        tests = [
            (self.value, ~(np.abs(value) <= LARGEST), "not a number"),
            (self.time, ~np.isfinite(time), f"no time in {self.unit} since the start"),
            (self.variable, rows[self.variable].isna().to_numpy(), "no name"),
        ]
        found: dict[int, str] = {}
        for column, wrong, what in tests:
            for row in np.flatnonzero(wrong & given).tolist():
                found.setdefault(row, f"{column} is {str(rows[column].iloc[row])!r}, {what}")
        return found


def _numbers(column: pd.Series) -> Floats:
    """Return numbers, NaN where there is none; of dates too, whose nanoseconds would pass for hours."""
    import pandas as pd

    if column.dtype.kind in "mM":
        return np.full(len(column), np.nan)
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
