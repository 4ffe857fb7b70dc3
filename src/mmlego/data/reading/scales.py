"""Values that nothing living has in one unit: a temperature of 98 beside 37 is of two, whatever no column says."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmlego.wording import listed

FEWEST, LEAST_SHARE = 3, 0.01  # of values in each range: fewer are slips of a finger
COVERED = 0.9  # of all values lie in the two ranges
MOST_BEYOND = 0.1  # of the values are no slips of a finger: they are something else


@dataclass(frozen=True)
class _Scale:
    """Two ranges in which values of one thing lie, by unit, with nothing between that anybody has.

    ``ends`` are what no value in each of the units is beyond, where that is known.
    """

    names: str
    low: tuple[float, float]
    high: tuple[float, float]
    units: tuple[str, str]
    ends: tuple[tuple[float, float], tuple[float, float]] | None = None


_SCALES = (
    _Scale(r"(body ?)?temp(erature)?", (30, 44), (86, 112), ("°C", "°F"), ((10, 47), (50, 117))),
    _Scale(r"fi ?o2|(fraction of )?inspired (o2|oxygen)( fraction)?", (0.15, 1), (15, 100), ("a fraction", "%")),
    _Scale(r"s[ap] ?o2|(o2|oxygen) sat(uration)?", (0.3, 1), (30, 100), ("a fraction", "%"), ((0, 1), (0, 100))),
    _Scale(r"ha?ematocrit|hct", (0.1, 0.7), (10, 70), ("a fraction", "%"), ((0, 0.9), (0, 90))),
    _Scale(r"(body ?)?height", (1, 2.3), (100, 230), ("m", "cm"), ((0.2, 2.75), (20, 275))),
    _Scale(r"ha?emoglobin|hgb", (3, 22), (30, 220), ("g/dL", "g/L"), ((0, 30), (0, 300))),
    _Scale(r"p ?h", (6.5, 8), (650, 800), ("pH", "100 times it"), ((0, 14), (0, 1400))),
    _Scale(r"p ?a?co2", (1.5, 13.5), (16, 150), ("kPa", "mmHg")),
    _Scale(r"creatinine", (0.1, 20), (30, 2000), ("mg/dL", "µmol/L")),
    _Scale(r"glucose", (1.5, 25), (40, 1500), ("mmol/L", "mg/dL")),
    _Scale(r"cholesterol", (1.5, 15), (50, 600), ("mmol/L", "mg/dL")),
    _Scale(r"albumin", (0.8, 6.5), (8, 65), ("g/dL", "g/L")),
    _Scale(r"hba1c|gl?ycated ha?emoglobin", (3, 18), (19, 200), ("%", "mmol/mol")),
    _Scale(r"(serum |total )?calcium", (0.8, 4), (5, 18), ("mmol/L", "mg/dL")),
    _Scale(
        r"(anchor |admission )?age( at [a-z ]+)?", (0, 115), (3000, 42000), ("years", "days"), ((0, 125), (0, 45700))
    ),
    _Scale(r"wbc|leu[ck]ocytes", (0.05, 600), (1000, 5e5), ("10^9/L", "cells/µL")),
    _Scale(r"platelets?|plt", (1, 2000), (5000, 2e6), ("10^9/L", "cells/µL")),
)
# What may stand behind a name: a unit, which its values need not keep, and what was made of them.
_UNITS = "c|f|degc|degf|celsius|fahrenheit|m|cm|pct|percent|mm ?hg|kpa|m?g d?l|mm?ol l|[uµμ]mol l|mmol mol|10 ?9 l|k ul"
_BEHIND = f"{_UNITS}|value|mean|min|max|first|last"
_KNOWN = [(re.compile(rf"(?:.* )?(?:{scale.names})(?: (?:{_BEHIND}))*"), scale) for scale in _SCALES]
_ANY = re.compile("|".join(scale.names for scale in _SCALES))
_OTHER = re.compile(
    r"\b(urin\w*|u|csf|ascites|pleural|ratio|clearance|score|z|change|delta|diff\w*|log\w*|months?|weeks?|gestation\w*|bone|bmi)\b"
)


def has_scales(name: str) -> bool:
    """Return whether a name is of something whose units its values tell.

    Parameters
    ----------
    name
        What was measured.

    Examples
    --------
    >>> has_scales("Body_Temperature_F"), has_scales("TempoOfSpeech"), has_scales("Hb")
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
    >>> two_scales("Temp", [36.5, 37, 38.2, 98.6]), two_scales("Sodium", [5, 6, 7, 90, 100, 110])
    (None, None)
    """
    scale = _scale(name)
    if scale is None:
        return None
    given = _numbers(values)
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


def beyond_life(name: str, values: ArrayLike) -> str | None:
    """Return that a few values of one thing are beyond what anybody has, in the unit of the others; None if none are.

    Zeros are told as what was not measured, and not here.

    Parameters
    ----------
    name, values
        As :func:`two_scales` takes them.

    Examples
    --------
    >>> beyond_life("pH", [7.35, 7.4, 7.1, 7.2, 7.3, 7.41, 7.38, 7.4, 7.33, 735])
    'pH holds 735 1×, which nobody has: mend it, or leave it out'
    >>> beyond_life("Height", [1.7, 1.8, 1.65, 170]), beyond_life("Glucose", [90, 5000])
    (None, None)
    """
    scale = _scale(name)
    if scale is None or scale.ends is None:
        return None
    given = _numbers(values)
    given = given[~np.isnan(given) & (given != 0)]
    for (low, high), (least, most) in zip((scale.low, scale.high), scale.ends, strict=True):
        inside = (given >= low) & (given <= high)
        odd = given[(given < least) | (given > most)]
        if len(odd) and len(odd) <= MOST_BEYOND * len(given) and inside.sum() >= COVERED * len(given):
            words, counts = np.unique(odd, return_counts=True)
            told = listed(f"{word:g} {count}×" for word, count in zip(words.tolist(), counts.tolist(), strict=True))
            return f"{name} holds {told}, which nobody has: mend {'it' if len(words) == 1 else 'them'}, or leave " + (
                "it out" if len(words) == 1 else "them out"
            )
    return None


def doubts_of_scale(name: str, values: ArrayLike) -> list[str]:
    """Return what :func:`two_scales` and :func:`beyond_life` say of values, the former first and then alone.

    Parameters
    ----------
    name, values
        As :func:`two_scales` takes them.

    Examples
    --------
    >>> doubts_of_scale("Temp", [36.5, 37, 38.2, 36.9, 97.3, 98.6, 99.1])
    ['Temp is in two ranges: 4 values from 36.5 to 38.2, as of °C, beside 3 from 97.3 to 99.1, as of °F']
    """
    told = two_scales(name, values) or beyond_life(name, values)
    return [] if told is None else [told]


def _numbers(values: ArrayLike) -> NDArray[np.float64]:
    """Return values as numbers, NaN where words stand, which are told elsewhere."""
    given = np.asarray(values)
    if given.dtype.kind in "iufb":
        return given.astype(np.float64)
    import pandas as pd

    return np.asarray(pd.to_numeric(pd.Series(given), errors="coerce"), dtype=np.float64)


def _scale(name: str) -> _Scale | None:
    plain = re.sub(r"[^a-z0-9µμ]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name).casefold()).strip()
    if not _ANY.search(plain) or _OTHER.search(plain):
        return None
    return next((scale for form, scale in _KNOWN if form.fullmatch(plain)), None)
