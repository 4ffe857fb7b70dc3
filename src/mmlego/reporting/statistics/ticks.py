"""Round times: where an axis of time has its marks, and at which times predictions are told."""

from __future__ import annotations

import math

# What people count in, by the unit: months in years, days in weeks, months and years.
_STEPS = {
    "months": (1, 2, 3, 6, 12, 24, 36, 60, 120, 240),
    "days": (1, 7, 14, 30, 90, 180, 365, 730, 1825, 3650),
    "weeks": (1, 2, 4, 13, 26, 52, 104, 260, 520),
    "years": (0.25, 0.5, 1, 2, 5, 10, 20),
}
_HORIZONS = {
    "months": (3, 6, 12, 24, 60, 120, 240),
    "days": (30, 90, 180, 365, 730, 1825, 3650),
    "weeks": (4, 13, 26, 52, 104, 260, 520),
    "years": (0.25, 0.5, 1, 2, 5, 10, 20),
}


def round_times(last: float, unit: str | None, most: int = 7) -> list[float]:
    """Return marks from 0 up to a time, at steps in which people count.

    Parameters
    ----------
    last
        The last time that is drawn.
    unit
        ``days``, ``weeks``, ``months`` or ``years``; None if nobody said: steps of 1, 2 or 5 times a power of ten.
    most
        How many marks at most.

    Examples
    --------
    >>> round_times(52.0, "months"), round_times(52.0, None)
    ([0.0, 12.0, 24.0, 36.0, 48.0], [0.0, 10.0, 20.0, 30.0, 40.0, 50.0])
    """
    if not last > 0:
        return [0.0]
    steps = _STEPS.get(unit or "", ())
    step = next((float(one) for one in steps if last / one <= most - 1 + 1e-9), None)
    if step is None or last / step < 2:
        step = _plain_step(last, most)
    return [round(step * place, 10) for place in range(int(last / step + 1e-9) + 1)]


def round_horizons(last: float, unit: str | None, most: int = 3) -> list[float]:
    """Return times at which survival is told: round, and not after the last; of more than wanted the longest.

    Parameters
    ----------
    last
        Until when predictions and follow-up reach.
    unit
        As :func:`round_times` takes it.
    most
        How many at most.

    Examples
    --------
    >>> round_horizons(70.0, "months"), round_horizons(70.0, None)
    ([12.0, 24.0, 60.0], [20.0, 40.0, 60.0])
    """
    known = [float(one) for one in _HORIZONS.get(unit or "", ()) if one <= last]
    if not known:
        known = [one for one in round_times(last, None, most + 2) if 0 < one <= last]
    return known[-most:]


def _plain_step(last: float, most: int) -> float:
    power = 10.0 ** math.floor(math.log10(last / (most - 1)))
    return next(power * one for one in (1, 2, 5, 10) if last / (power * one) <= most - 1 + 1e-9)
