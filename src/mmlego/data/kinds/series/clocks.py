"""Times of measurements as hours: since the start of a stay, or since the date of each patient that a table names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from mmlego.data.reading.date_doubts import check_zones, zones
from mmlego.data.reading.date_forms import forms_of_short
from mmlego.data.reading.dates import in_past
from mmlego.data.reading.joins import by_patient
from mmlego.errors import InputError
from mmlego.wording import counted, label, meant

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data.kinds.folder import Folder

Unit: TypeAlias = Literal["seconds", "minutes", "hours", "days"]
Floats: TypeAlias = NDArray[np.float64]
Form: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
FORM = "format: '%d.%m.%Y %H:%M'"
# Hours a unit, as a fraction: a multiplication and a division are exact where a factor of 1/60 is not.
HOURS: dict[Unit, tuple[int, int]] = {"seconds": (1, 3600), "minutes": (1, 60), "hours": (1, 1), "days": (24, 1)}
# How columns of times are called that count in a unit; offsets of eICU are minutes.
_NAMED: dict[Unit, re.Pattern[str]] = {
    "seconds": re.compile(r"(.*[_ (])?(sec|secs|seconds?)\)?", re.IGNORECASE),
    "minutes": re.compile(
        r"(.*[_ (])?(min|mins|minutes?)\)?|(lab|chart|drug|nursing|treatment)\w*offset", re.IGNORECASE
    ),
    "hours": re.compile(r"(.*[_ (])?(h|hrs?|hours?)\)?|ICULOS", re.IGNORECASE),
    "days": re.compile(r"(.*[_ (])?(days?)\)?", re.IGNORECASE),
}


class IndexOf(dict[str, np.datetime64]):
    """The date of each patient from which hours are counted.

    Parameters
    ----------
    zones
        Whether these dates name a time zone, as :func:`mmlego.data.reading.date_doubts.zones` says.
    """

    def __init__(self, zones: set[bool]) -> None:
        super().__init__()
        self.zones = zones


class IndexDates(BaseModel):
    """Where the date of each patient stands from which hours are counted.

    Parameters
    ----------
    file
        A table with the key of the manifest.
    column
        Its column of dates or times, as ISO 8601 writes them.
    format
        How these, or the times of the series, are written, as ``%d.%m.%Y %H:%M``, if otherwise.

    Examples
    --------
    >>> IndexDates(file="admissions.csv", column="admittime").column
    'admittime'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    column: str
    format: str | None = None

    def read(self, folder: Folder, where: str) -> IndexOf:
        """Return the date of each patient who has one.

        Parameters
        ----------
        folder
            Where the table lies.
        where
            The modality, for messages.

        Raises
        ------
        InputError
            If the column is not there, a date cannot be read, or a patient has two.
        """
        frame, _ = by_patient(folder.table(self.file, text=[self.column]), folder.key, where)
        names = [str(name) for name in frame.columns]
        if self.column not in names:
            raise InputError(f"{where}: no column {self.column!r} of index dates", remedy=meant(self.column, names))
        given = frame[self.column].dropna()
        dates = moments(given, self.format)
        wrong = np.isnat(dates)
        if wrong.any():
            got = repr(str(given.iloc[int(wrong.argmax())]))
            what, expected = f"{where}: an index date cannot be read", self.format or "ISO 8601, as 2024-01-31 08:15"
            odd = str(given.iloc[int(wrong.argmax())])
            remedy = f"Say how dates are written, as {forms_of_short(odd) or FORM} in index:, or empty the cell."
            raise InputError(what, expected=expected, got=got, remedy=remedy)
        found = IndexOf(zones(given))
        check_zones({self.column: found.zones}, where)
        for patient, date in zip(given.index, dates, strict=True):
            if found.setdefault(patient, date) != date:
                raise InputError(f"{where}: patient {patient} has two index dates", expected="one a patient")
        return found


def doubt_of_unit(column: str, unit: Unit) -> list[str]:
    """Return the doubt that times count in another unit than declared, for their column is called so.

    Parameters
    ----------
    column
        Its name.
    unit
        As declared, or hours.

    Examples
    --------
    >>> doubt_of_unit("labresultoffset", "hours")
    ["times of 'labresultoffset' count as hours, though it is called as minutes are: declare unit: minutes"]
    >>> doubt_of_unit("minutes", "minutes"), doubt_of_unit("time", "days"), doubt_of_unit("Hours", "hours")
    ([], [], [])
    """
    named = next((one for one, form in _NAMED.items() if form.fullmatch(column)), unit)
    told = f"times of {column!r} count as {unit}, though it is called as {named} are: declare unit: {named}"
    return [] if named == unit else [told]


@dataclass(frozen=True)
class Clock:
    """The column of times of a table, and what they mean.

    Parameters
    ----------
    column
        The column.
    unit
        Of times that count from the start of the stay.
    index
        By patient, the date from which dates are counted; None: times are numbers.
    form
        Brings ids of the table into the form of those of the index; None: they are in it.
    written
        How dates are written; None: as ISO 8601 writes them.

    Examples
    --------
    >>> import pandas as pd
    >>> Clock("t", "minutes").of_column(pd.Series([30, -90]), pd.Series(["a", "a"])).tolist()
    [0.5, -1.5]
    >>> dated = Clock("t", index={"a": np.datetime64("2024-01-01T12:00")})
    >>> dated.of_column(pd.Series(["2024-01-01 13:30", "soon"]), pd.Series(["a", "a"])).tolist()
    [1.5, nan]
    """

    column: str
    unit: Unit = "hours"
    index: Mapping[str, np.datetime64] | None = None
    form: Form | None = None
    written: str | None = None

    @property
    def expected(self) -> str:
        """What a time should be, for messages."""
        if self.written is not None:
            return f" as {self.written}"
        return " as ISO 8601 writes it" if self.index is not None else f" in {self.unit} since the start"

    def remedy(self, odd: object) -> str:
        """Return what to do about a time that cannot be read: dates count from an index date.

        Parameters
        ----------
        odd
            The time.
        """
        dates = ""
        if self.index is None and re.match(r"\d{4}-?\d\d-?\d\d\D|\d{4}-\d\d-\d\d$", str(odd)):
            dates = "Dates count from one of each patient: declare index: {file: ..., column: ...}. "
        if self.index is not None and self.written is None:
            dates = f"Say how they are written, as {forms_of_short(str(odd)) or FORM} in index:. "
        return dates + "Mend them, or declare on_error: skip to go on without these stays."

    def of_column(self, times: pd.Series, patients: pd.Series) -> Floats:
        """Return hours, NaN where there is no time; of dates too where there is no index."""
        if self.index is None:
            many, units = HOURS[self.unit]
            found = numbers_of(times) * many / units
            found[~np.isfinite(found)] = np.nan
            return found
        check_index_zones(self.index, times, self.column)
        ids = patients.map(label)
        dates = dates_of(ids.unique().tolist(), self.index, self.form)
        start = np.array([dates.get(patient, np.datetime64("NaT")) for patient in ids], "M8[us]")
        hours: Floats = (moments(times, self.written) - start) / np.timedelta64(1, "h")
        return hours

    def of_texts(self, times: Sequence[str], patient: str) -> Floats:
        """Return hours of the times of one patient, who has an index date if there are any."""
        import pandas as pd

        column = pd.Series([text.strip() for text in times], dtype=object)
        return self.of_column(column, pd.Series([patient] * len(column), dtype=object))

    def knows(self, patient: str) -> bool:
        """Return whether a patient has an index date, or needs none."""
        return self.index is None or bool(dates_of([patient], self.index, self.form))

    def known(self, table: pd.DataFrame, patient: str) -> tuple[pd.DataFrame, list[str]]:
        """Return the rows of the patients who have an index date, and a note of the others."""
        if self.index is None:
            return table, []
        ids = table[patient].map(label)
        there = ids.isin(list(dates_of(ids.unique().tolist(), self.index, self.form))).to_numpy()
        without = ids[~there].nunique()
        return table[there], [f"{counted(without, 'patient')} without an index date"] if without else []


def check_index_zones(index: Mapping[str, np.datetime64], times: pd.Series, column: str) -> None:
    """Refuse times with a zone that count from dates without one, and the other way round.

    Parameters
    ----------
    index
        The dates, of which only :class:`IndexOf` says whether they name a zone.
    times
        The times.
    column
        Their column.

    Raises
    ------
    InputError
        If one of both names a zone.
    """
    if isinstance(index, IndexOf):
        check_zones({column: zones(times), "the index dates": index.zones}, "index")


def dates_of(ids: Sequence[str], index: Mapping[str, np.datetime64], form: Form | None) -> dict[str, np.datetime64]:
    """Return the index date of each id, as a table writes it, that has one.

    Parameters
    ----------
    ids
        Each once.
    index, form
        As :class:`Clock` takes them.

    Examples
    --------
    >>> dates_of(["007", "8"], {"7": np.datetime64("2024-01-01")}, lambda ids: [text.lstrip("0") for text in ids])
    {'007': np.datetime64('2024-01-01')}
    """
    given = zip(ids, ids if form is None else form(ids), strict=True)
    return {raw: index[patient] for raw, patient in given if patient in index}


def moments(column: pd.Series, written: str | None = None) -> NDArray[np.datetime64]:
    """Return dates and times, in UTC where they name a zone; NaT where there is none.

    Parameters
    ----------
    column
        Dates, or texts as ISO 8601 writes them; numbers are none.
    written
        How texts are written, if otherwise; no year of two digits is in the future.

    Examples
    --------
    >>> import pandas as pd
    >>> moments(pd.Series(["2024-01-31", "31.01.2024"])).astype(str).tolist()
    ['2024-01-31T00:00:00.000000', 'NaT']
    """
    import pandas as pd

    if column.dtype.kind in "iufb":
        return np.full(len(column), np.datetime64("NaT"), "M8[us]")
    read = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
    if written is not None and column.dtype.kind != "M":
        other = pd.to_datetime(column, format=written, errors="coerce", utc=True).dt.tz_localize(None)
        read = in_past(other, written).fillna(read)
    return read.to_numpy().astype("M8[us]")


def numbers_of(column: pd.Series) -> Floats:
    """Return numbers, NaN where there is none; of dates too, whose nanoseconds would pass for hours.

    Parameters
    ----------
    column
        Any cells.

    Examples
    --------
    >>> import pandas as pd
    >>> numbers_of(pd.Series(["1.5", "x"])).tolist()
    [1.5, nan]
    """
    import pandas as pd

    if column.dtype.kind in "mM":
        return np.full(len(column), np.nan)
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan).copy()
