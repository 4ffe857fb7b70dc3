"""MEDS: shards of Parquet with an event a row, ``subject_id``, ``time``, ``code`` and ``numeric_value``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlego.data.kinds.series.clocks import Floats, Form, IndexOf, dates_of
from mmlego.data.kinds.series.stays import LARGEST, OnError, Stays
from mmlego.data.kinds.series.values import DOUBTED, CellRules, Words
from mmlego.data.kinds.series.windows import TIMELESS
from mmlego.data.reading.date_doubts import check_zones
from mmlego.data.reading.units import two_units, unit_of_rows
from mmlego.errors import InputError, fault
from mmlego.extras import import_extra
from mmlego.wording import counted, listed, meant

if TYPE_CHECKING:
    import pandas as pd

SUBJECT = "subject_id"
EVENT = " (event)"  # ends the name of a variable made of a code without values, 1 wherever it occurs


@dataclass(frozen=True)
class MedsShards:
    """The shards of a MEDS data set, of which each event has a time, or none where it always holds.

    Parameters
    ----------
    patient
        The column of patient ids.
    index
        By patient, the date from which hours are counted.
    patients
        The patients there are, where that is known: nobody else is kept in memory.
    form
        Brings ids into the form of those of the index and of the patients.
    rules
        Which numbers mean that nothing was measured, and which variables are looked at.
    on_error
        ``"raise"``, or ``"skip"`` to leave out patients of whom a value cannot be read.
    """

    patient: str
    index: Mapping[str, np.datetime64]
    patients: Collection[str] | None = None
    form: Form | None = None
    rules: CellRules = field(default_factory=CellRules)
    on_error: OnError = "raise"

    def read_all(self, files: Sequence[Path], where: str) -> Stays:
        """Return all events, those without a time at the time :data:`TIMELESS`.

        A code of which no row has a value is an event, its variable ``CODE (event)``, of value 1. Rows without a value
        of codes that have values elsewhere were not measured.

        Parameters
        ----------
        files
            The shards.
        where
            The data set, for messages.

        Raises
        ------
        InputError
            If a shard cannot be read, is not of the layout, or holds infinite values.
        MissingExtraError
            If pyarrow is not installed.
        """
        import pandas as pd

        rows = pd.concat([self._shard(file) for file in files], ignore_index=True)
        dates = dates_of(rows["patient"].unique().tolist(), self.index, self.form)
        dated = rows["patient"].isin(list(dates)).to_numpy()
        notes = []
        if not dated.all():
            notes.append(f"{counted(rows['patient'][~dated].nunique(), 'patient')} without an index date")
        rows = rows[dated].reset_index(drop=True)
        value = np.array(rows["value"], dtype=np.float64)  # a copy: it is filled, and pandas 3 forbids that of its own
        code, names = pd.factorize(rows["code"], sort=True)
        valued = np.bincount(code[~np.isnan(value)], minlength=len(names)) > 0
        bare = np.isnan(value) & valued[code]
        if bare.any():
            what = f"{counted(int(bare.sum()), 'row')} without a value, of codes that have values elsewhere"
            notes.append(f"{what} ({listed(names[np.unique(code[bare])], 3)})")
        words = Words(self.rules)
        value = words.settled("", value)
        notes += [note.removeprefix(f"{where}: ") for note in words.notes(where)]
        doubts = self._units(rows, value)
        odd = self._odd(rows, value, code, where)
        if odd.any():
            left = rows["patient"].isin(set(rows["patient"][odd])).to_numpy()
            notes.append(f"{counted(rows['patient'][odd].nunique(), 'patient')} with values that are infinite")
            rows, value, code = rows[~left].reset_index(drop=True), value[~left], code[~left]
        value[~valued[code]] = 1.0
        number, patients = pd.factorize(rows["patient"])
        time = self._hours(rows, dates)
        kept = ~np.isnan(value)
        order = np.lexsort((time[kept], number[kept]))
        return Stays(
            patients=tuple(str(patient) for patient in patients),
            sizes=np.bincount(number[kept], minlength=len(patients)).tolist(),
            names=tuple(f"{name}{'' if has else EVENT}" for name, has in zip(names, valued, strict=True)),
            variable=code[kept].astype(np.int32)[order],
            time=time[kept][order],
            value=value[kept].astype(np.float32)[order],
            skipped=(*(f"{where}: {note}" for note in notes), *(f"{DOUBTED}{where}: {doubt}" for doubt in doubts)),
        )

    def _units(self, rows: pd.DataFrame, value: Floats) -> list[str]:
        """Return the doubt that a code has values in two units, which stand in a column beside them."""
        known = rows["unit"].notna().to_numpy() & ~np.isnan(value)
        if not known.any():
            return []
        wanted = {str(name) for name in rows["code"][known].unique() if self.rules.cares(str(name))}
        doubt = two_units(rows["code"][known], rows["unit"][known], wanted)
        return [] if doubt is None else [doubt]

    def _hours(self, rows: pd.DataFrame, dates: Mapping[str, np.datetime64]) -> Floats:
        start = np.array([dates[patient] for patient in rows["patient"]], "M8[us]")
        time = (rows["time"].to_numpy().astype("M8[us]") - start) / np.timedelta64(1, "h")
        return np.where(np.isnan(time), TIMELESS, time)

    def _odd(self, rows: pd.DataFrame, value: Any, code: Any, where: str) -> Any:
        """Return which rows cannot be read, ``(v,)``; refuse them if there are any and none may be left out."""
        odd = np.abs(value) > LARGEST
        if (code < 0).any():
            row = int(np.argmax(code < 0))
            fault(InputError(f"{where}: an event of patient {rows['patient'].iloc[row]} has no code"))
        for row in np.flatnonzero(odd).tolist():
            name = str(rows["code"].iloc[row])
            odd[row] = self.rules.cares(name)
            if odd[row] and self.on_error == "raise":
                fault(
                    InputError(
                        f"{where}: {name!r} of patient {rows['patient'].iloc[row]} has the value {value[row]}",
                        expected="finite numbers",
                        remedy=f"If it means that nothing was measured, declare missing: [{value[row]:g}]; leave the "
                        f"variable out, as exclude: [{name!r}]; or declare on_error: skip to go on without these "
                        "patients.",
                    )
                )
        value[np.abs(value) > LARGEST] = np.nan  # of variables that are not looked at
        return odd | (code < 0)

    def _shard(self, file: Path) -> pd.DataFrame:
        what, install = f"reading {file.name!r}", "'mmlego[parquet]'"
        pa, parquet, compute = (import_extra(f"pyarrow{m}", what, install) for m in ("", ".parquet", ".compute"))
        try:
            names = parquet.read_schema(file).names
            needed = [self.patient, "time", "code"]
            for name in needed:
                if name not in names:
                    known = "columns subject_id, time, code and numeric_value, as MEDS has them"
                    raise InputError(f"{file.name!r} has no column {name!r}", expected=known, remedy=meant(name, names))
            valued = "numeric_value" in names
            unit = unit_of_rows([name for name in names if name not in needed], "numeric_value") if valued else None
            wanted = [*needed, *(["numeric_value"] if valued else []), *([] if unit is None else [unit])]
            table = parquet.read_table(file, columns=wanted)
            ids = compute.cast(table.column(self.patient), pa.string())
            if self.patients is not None:
                here = ids.unique().to_pylist()
                formed = zip(here, here if self.form is None else self.form(here), strict=True)
                mine = [raw for raw, patient in formed if patient in self.patients]
                kept = compute.is_in(ids, pa.array(mine, pa.string()))
                table, ids = table.filter(kept), ids.filter(kept)
            time = table.column("time")
            if not (pa.types.is_timestamp(time.type) or pa.types.is_date(time.type) or pa.types.is_null(time.type)):
                raise InputError(f"{file.name!r}: time is no date", expected="timestamps", got=str(time.type))
            if isinstance(self.index, IndexOf) and not pa.types.is_null(time.type):
                zone = {getattr(time.type, "tz", None) is not None}
                check_zones({"time": zone, "the index dates": self.index.zones}, "index")
            return _framed(ids, compute.cast(time, pa.timestamp("us"), safe=False), table, unit, valued=valued)
        except (OSError, ValueError, pa.ArrowException) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"cannot read the table {file.name!r} ({error})", expected="Parquet") from error


def _framed(ids: Any, time: Any, table: Any, unit: str | None, *, valued: bool) -> pd.DataFrame:
    import pandas as pd

    value = table.column("numeric_value").to_numpy() if valued else np.full(len(ids), np.nan)
    return pd.DataFrame(
        {
            "patient": ids.to_pandas().astype(object),
            "time": time.to_numpy(),
            "code": table.column("code").to_pandas().astype(object),
            "value": np.asarray(value, dtype=np.float64),
            "unit": None if unit is None else table.column(unit).to_pandas().astype(object),
        }
    )
