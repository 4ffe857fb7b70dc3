"""Values that nothing living has in one unit: a temperature of 98 beside 37 is of two, whatever no column says."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

FEWEST, LEAST_SHARE = 3, 0.01  # of values in each range: fewer are slips of a finger
COVERED = 0.9  # of all values lie in the two ranges


@dataclass(frozen=True)
class _Scale:
    """Two ranges in which values of one thing lie, by unit, with nothing between that anybody has."""

    names: str
    low: tuple[float, float]
    high: tuple[float, float]
    units: tuple[str, str]


_SCALES = (
    _Scale(r"(body ?)?temp(erature)?", (30, 44), (86, 112), ("°C", "°F")),
    _Scale(r"fi ?o2|(fraction of )?inspired (o2|oxygen)( fraction)?", (0.15, 1), (15, 100), ("a fraction", "%")),
    _Scale(r"s[ap] ?o2|(o2|oxygen) sat(uration)?", (0.3, 1), (30, 100), ("a fraction", "%")),
    _Scale(r"ha?ematocrit|hct", (0.1, 0.7), (10, 70), ("a fraction", "%")),
    _Scale(r"(body ?)?height", (1, 2.3), (100, 230), ("m", "cm")),
    _Scale(r"ha?emoglobin|hgb", (3, 22), (30, 220), ("g/dL", "g/L")),
)
_BEHIND = "c|f|degc|degf|celsius|fahrenheit|value|mean|min|max|first|last"
_KNOWN = [(re.compile(rf"(?:.* )?(?:{scale.names})(?: (?:{_BEHIND}))?"), scale) for scale in _SCALES]
_ANY = re.compile("|".join(scale.names for scale in _SCALES))


def has_scales(name: str) -> bool:
    """Return whether a name is of something whose units its values tell.

    Parameters
    ----------
    name
        What was measured.

    Examples
    --------
    >>> has_scales("Body_Temperature_F"), has_scales("TempoOfSpeech"), has_scales("HbA1c")
    (True, False, False)
    """
    return _scale(name) is not None


def two_scales(name: str, values: ArrayLike) -> str | None:
    """Return that the values of one thing lie in two ranges, as of two units; None if they do not, or it is not known.

    Parameters
    ----------
    name
        What was measured.
    values
        Of all patients, NaN where nothing was.

    Examples
    --------
    >>> two_scales("Temp", [36.5, 37, 38.2, 36.9, 97.3, 98.6, 99.1])
    'Temp is in two ranges: 4 values from 36.5 to 38.2, as of °C, beside 3 from 97.3 to 99.1, as of °F'
    >>> two_scales("Temp", [36.5, 37, 38.2, 98.6]), two_scales("Glucose", [5, 6, 7, 90, 100, 110])
    (None, None)
    """
    scale = _scale(name)
    if scale is None:
        return None
    given = np.asarray(values, dtype=np.float64)
    given = given[~np.isnan(given)]
    parts = [given[(given >= low) & (given <= high)] for low, high in (scale.low, scale.high)]
    least = max(FEWEST, LEAST_SHARE * len(given))
    if min(map(len, parts)) < least or sum(map(len, parts)) < COVERED * len(given):
        return None
    said = [
        f"{len(part)}{' values' if place == 0 else ''} from {part.min():g} to {part.max():g}, as of {unit}"
        for place, (part, unit) in enumerate(zip(parts, scale.units, strict=True))
    ]
    return f"{name} is in two ranges: {', beside '.join(said)}"


def _scale(name: str) -> _Scale | None:
    plain = re.sub(r"[^a-z0-9]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name).casefold()).strip()
    return next((scale for form, scale in _KNOWN if form.fullmatch(plain)), None) if _ANY.search(plain) else None
