"""Measurements of all patients end to end, each with its patient, its variable and its bin: what bins are made of."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmlego.data.kinds.series.binning import Floats, Integers, bins_of
from mmlego.data.kinds.series.stays import COLUMN, Stay
from mmlego.errors import InputError, LegoWarning
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

MOST_BINS = 100_000  # of one patient: a time in the wrong unit must not fill the memory


class Flat(NamedTuple):
    """Measurements of all patients: patient, column of the variable, bin, value, each ``(v,)``."""

    patient: Integers
    variable: Integers
    bin: Integers
    value: Floats


def flat_of(
    frame: pd.DataFrame,
    variables: Sequence[str],
    bin_hours: float,
    horizon: float | None,
    start: float,
    *,
    warn: bool = False,
) -> Flat:
    """Return the measurements that count, in order of patient and time.

    Parameters
    ----------
    frame
        Stays.
    variables
        Those that are looked at.
    bin_hours, horizon, start
        Hours a bin, and until and from when is looked.
    warn
        Whether to warn of variables that are not there.

    Raises
    ------
    InputError
        If none of the variables is there, or a stay is far too long.

    Examples
    --------
    >>> import pandas as pd
    >>> stay = Stay(("HR", "Temp"), np.int32([0, 1, 0]), np.array([0.1, 0.2, 1.5]), np.float32([80, 37, 90]))
    >>> flat = flat_of(pd.DataFrame({COLUMN: [stay]}, index=["a"]), ["HR"], 1.0, None, 0.0)
    >>> flat.bin.tolist(), flat.value.tolist()
    ([0, 1], [80.0, 90.0])
    """
    stays: list[Stay] = frame[COLUMN].tolist()
    code = _codes(stays, variables, warn=warn)
    empty = np.zeros(0)
    sizes = [len(stay.time) for stay in stays]
    patient = np.repeat(np.arange(len(stays)), sizes)
    variable = np.concatenate([empty.astype(np.int64), *(code[s.names][s.variable] for s in stays)])
    time = np.concatenate([empty, *(stay.time for stay in stays)])
    value = np.concatenate([empty, *(stay.value for stay in stays)])
    place = bins_of(time - start, bin_hours, None if horizon is None else horizon - start)
    kept = (variable >= 0) & (place >= 0)
    if place[kept].max(initial=0) >= MOST_BINS:
        longest = int(patient[kept][place[kept].argmax()])
        raise InputError(
            f"the stay of {frame.index[longest]} is too long",
            expected=f"at most {MOST_BINS} bins of {bin_hours:g} h",
            got=f"{time[kept].max():g} h",
            remedy="Check the unit of the times, or declare a horizon or wider bins.",
        )
    return Flat(patient[kept], variable[kept], place[kept], value[kept])


def _codes(stays: Sequence[Stay], variables: Sequence[str], *, warn: bool) -> dict[tuple[str, ...], Integers]:
    """Return, for each set of names that stays have, the place of each name among the variables, or −1."""
    place = {name: i for i, name in enumerate(variables)}
    sets = dict.fromkeys(stay.names for stay in stays)
    absent = [name for name in place if not any(name in names for names in sets)]
    if sets and len(absent) == len(place):
        known = list(dict.fromkeys(name for names in sets for name in names))
        raise InputError(
            "none of the variables is in the series",
            expected=f"some of {listed(place, 12)}",
            got=listed(known, 12) or "none",
            remedy="Choose variables: as in training.",
        )
    if absent and sets and warn:
        text = f"{counted(len(absent), 'variable')} of training not in the series, taken as not measured: "
        warnings.warn(f"{text}{listed(absent)}.", LegoWarning, stacklevel=4)
    return {names: np.array([place.get(name, -1) for name in names], dtype=np.int64) for names in sets}
