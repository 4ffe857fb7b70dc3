"""Which part of a stay is looked at: measurements before or after it are left out by declaration, never in silence."""

from __future__ import annotations

import math
import re
from typing import Annotated, TypeAlias

import numpy as np
from pydantic import BeforeValidator, Field

from mmlego.data.kinds.series.stays import OnError, Stays
from mmlego.data.reading.remarks import Dropped
from mmlego.errors import InputError, fault
from mmlego.wording import counted, listed

_HOURS = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "d": 24.0}
_TEXT = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*(s|min|h|d)\s*")
TIMELESS = -np.inf  # the time of what was said without one


def hours_of(value: object) -> object:
    """Return hours for a text with a unit (``s``, ``min``, ``h``, ``d``), and anything else as it is.

    Parameters
    ----------
    value
        What a manifest says.

    Raises
    ------
    ValueError
        If it is a text of another form.

    Examples
    --------
    >>> hours_of("-2d"), hours_of("90 min"), hours_of(48)
    (-48.0, 1.5, 48)
    """
    if not isinstance(value, str):
        return value
    found = _TEXT.fullmatch(value)
    if found is None:
        raise ValueError(f"{value!r} is no time: write hours, as -24, or with a unit, as -24h, 90min or 2d")
    return float(found[1]) * _HOURS[found[2]]


_Written = float | Annotated[str, Field(pattern=f"^{_TEXT.pattern}$")]
Hours: TypeAlias = Annotated[float, BeforeValidator(hours_of, json_schema_input_type=_Written)]
Window: TypeAlias = tuple[Hours, Hours | None]


def check_window(window: Window | None) -> None:
    """Refuse a window without length.

    Parameters
    ----------
    window
        From when until when, in hours; None: not declared.

    Raises
    ------
    ValueError
        If its end is not after its start, or it is not finite.
    """
    if window is None:
        return
    start, end = window
    if not math.isfinite(start) or (end is not None and not (math.isfinite(end) and end > start)):
        raise ValueError("window is from one time to a later one, as [-24, 48], or to the end, as [-24, null]")


def within(
    stays: Stays, window: Window | None, where: str, *, on_error: OnError, timeless: bool
) -> tuple[Stays, list[Dropped]]:
    """Return what was measured in a window, and notes of what was left out.

    Parameters
    ----------
    stays
        All that was measured.
    window
        From when until when, in hours since the start; None: from the start, and what was before is refused.
    where
        The modality, for messages.
    on_error
        ``"skip"``: what was before the start is left out where no window is declared.
    timeless
        Whether what was said without a time counts.

    Raises
    ------
    InputError
        If something was measured before the start, and nothing is declared.

    Examples
    --------
    >>> stays = Stays(("7",), [3], ("HR",), np.int32([0, 0, 0]), np.array([-5.0, -1.0, 2.0]), np.float32([80, 81, 82]))
    >>> found, notes = within(stays, (-2.0, None), "vitals", on_error="raise", timeless=False)
    >>> found.time.tolist(), str(notes[0])
    ([-1.0, 2.0], 'vitals: 1 measurement before the window (-2 h) left out, of 1 patient')
    """
    start, end = (0.0, None) if window is None else window
    without = stays.time == TIMELESS
    early = (stays.time < start) & ~without
    late = np.zeros(len(early), dtype=bool) if end is None else stays.time > end
    if early.any() and window is None and on_error == "raise":
        who = _patients(stays, early)
        earliest = float(stays.time[early].min())
        fault(
            InputError(
                f"{where}: {counted(int(early.sum()), 'measurement')} before the start, of "
                f"{counted(len(who), 'patient')} ({listed(who)})",
                expected="times since the start, unless a window is declared",
                got=f"negative ones, the earliest {earliest:g} hours",
                remedy=f"Declare from when on they count, as window: [{math.floor(earliest):d}, null] (hours), or "
                "leave out those before the start, as window: [0, null].",
            )
        )
    notes = []
    for gone, what in (
        (early, f"before the {'start' if window is None else f'window ({start:g} h)'}"),
        (late, f"after the window ({end or 0:g} h)"),
        (without & (not timeless), "without a time"),
    ):
        if gone.any():
            count, who = counted(int(gone.sum()), "measurement"), _patients(stays, gone)
            notes.append(Dropped(where, f"{count} {what} left out, of {counted(len(who), 'patient')}"))
    kept = ~(early | late) & (~without | timeless)
    return stays.chosen(kept), notes


def _patients(stays: Stays, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[str]:
    return list(dict.fromkeys(stays.patients[stay] for stay in np.unique(stays.stay[rows]).tolist()))
