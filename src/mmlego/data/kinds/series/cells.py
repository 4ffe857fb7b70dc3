"""Series in memory: tables whose cells hold tables or arrays, a row a time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlego.data.kinds.series.clocks import HOURS, Floats, Unit
from mmlego.data.kinds.series.stays import LARGEST, Stays
from mmlego.data.reading.joins import by_patient
from mmlego.data.reading.remarks import Dropped
from mmlego.errors import InputError
from mmlego.wording import listed

if TYPE_CHECKING:
    import pandas as pd


def stays_of_cells(
    frame: pd.DataFrame, key: str | None, modality: str, *, bin_hours: float = 1.0, unit: Unit = "hours"
) -> tuple[Stays, list[Dropped]]:
    """Return the stays in the one column of a table.

    Parameters
    ----------
    frame
        Its cells are DataFrames, whose index is the time since the start and whose columns are variables; or arrays
        ``(t, v)``, a row a bin; or None. NaN was not measured.
    key
        The column of patient ids; None if the index holds them.
    modality
        Its name, for messages.
    bin_hours
        Hours from one row of an array to the next.
    unit
        Of the index of a DataFrame.

    Raises
    ------
    InputError
        If there are several columns or rows a patient, or a cell is no series.

    Examples
    --------
    >>> import pandas as pd
    >>> cells = [pd.DataFrame({"HR": [80.0, None], "Temp": [37.0, 38.0]}, index=[0.5, 2.0]), None]
    >>> stays, _ = stays_of_cells(pd.DataFrame({"vitals": cells}, index=["a", "b"]), None, "vitals")
    >>> stays.patients, stays.names, stays.time.tolist(), stays.value.tolist()
    (('a',), ('HR', 'Temp'), [0.5, 0.5, 2.0], [80.0, 37.0, 38.0])
    """
    frame, notes = by_patient(frame, key, modality)
    if frame.shape[1] != 1:
        got = listed(map(str, frame.columns)) or "none"
        raise InputError(f"{modality}: a table of series", expected="one column of tables or arrays", got=got)
    cells = {
        str(patient): cell
        for patient, cell in zip(frame.index, frame.iloc[:, 0], strict=True)
        if cell is not None and not (isinstance(cell, float) and np.isnan(cell))
    }
    again = [patient for patient, count in Counter(frame.index).items() if count > 1]
    if again:
        raise InputError(f"{modality}: patients with several series ({listed(again)})", expected="one a patient")
    parts = {patient: _part(cell, modality, patient, bin_hours, unit) for patient, cell in cells.items()}
    names = list(dict.fromkeys(name for found, _, _ in parts.values() for name in found))
    place = {name: number for number, name in enumerate(names)}
    variable, time, value, sizes = [], [], [], []
    for found, at, values in parts.values():
        rows, columns = np.nonzero(~np.isnan(values))
        variable.append(np.array([place[name] for name in found], dtype=np.int32)[columns])
        time.append(at[rows])
        value.append(values[rows, columns].astype(np.float32))
        sizes.append(len(rows))
    stays = Stays(
        tuple(parts),
        sizes,
        tuple(names),
        np.concatenate([np.zeros(0, np.int32), *variable]),
        np.concatenate([np.zeros(0), *time]),
        np.concatenate([np.zeros(0, np.float32), *value]),
    )
    return stays.sorted(), notes


def _part(cell: Any, modality: str, patient: str, bin_hours: float, unit: Unit) -> tuple[list[str], Any, Any]:
    """Return variables, times in hours and values ``(t, v)`` of a cell."""
    import pandas as pd

    where = f"{modality}: patient {patient}"
    if hasattr(cell, "detach"):
        cell = cell.detach().cpu().double().numpy()
    try:
        values = np.array(cell, dtype=np.float64)
        if isinstance(cell, pd.DataFrame):
            many, units = HOURS[unit]
            names = [str(name) for name in cell.columns]
            time: Floats = np.array(cell.index, dtype=np.float64) * many / units
        else:
            names = [f"v{i}" for i in range(values.shape[1] if values.ndim == 2 else 0)]
            time = np.arange(len(values), dtype=np.float64) * bin_hours
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: no series of numbers", expected="times and values as numbers", got=error) from error
    if values.ndim != 2 or len(set(names)) < len(names):
        raise InputError(f"{where}: no series", expected="a row a time, a column a variable", got=values.shape)
    if np.isinf(values).any() or (np.abs(values) > LARGEST).any() or not np.isfinite(time).all():
        raise InputError(f"{where}: the series holds infinite values or times", expected="finite numbers, or NaN")
    return names, time, values
