"""At which times survival is told where nobody asks for any."""

from __future__ import annotations

import math

# What clinicians compare: one, two, five, ten years, in the unit.
USUAL = {
    "days": (365.0, 730.0, 1826.0, 3652.0),
    "weeks": (52.0, 104.0, 260.0, 520.0),
    "months": (12.0, 24.0, 60.0, 120.0),
    "years": (1.0, 2.0, 5.0, 10.0),
}
FEWEST, MOST = 2, 4


def usual_times(horizon: float, unit: str | None = None) -> tuple[float, ...]:
    """Return two to four round times up to a horizon.

    Parameters
    ----------
    horizon
        The last time of which anything is known, > 0.
    unit
        Of it: ``days``, ``weeks``, ``months`` or ``years``; None: not known.

    Examples
    --------
    >>> usual_times(61.3, "months"), usual_times(4.2), usual_times(3.0, "months")
    ((12.0, 24.0, 60.0), (2.0, 4.0), (1.0, 2.0, 3.0))
    """
    known = [time for time in USUAL.get(unit or "", ()) if time <= horizon]
    if len(known) >= FEWEST:
        return tuple(known)
    rough = horizon / MOST
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if size * factor >= rough * (1 - 1e-9))
    if horizon / step < FEWEST:
        step /= 2
    return tuple(float(f"{step * count:.6g}") for count in range(1, math.floor(horizon / step * (1 + 1e-9)) + 1))
