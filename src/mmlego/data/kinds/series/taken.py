"""What each variable of stays was taken for, for a person to look at before anything is trained."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.series.meds import EVENT
from mmlego.data.kinds.series.stays import Stay
from mmlego.data.kinds.tabular.taken import Taken
from mmlego.data.reading.likely_codes import likely_codes, told_codes
from mmlego.wording import counted, listed

FEW = 8  # so many different whole numbers may be codes: they are said one by one
SPARSE = 0.05  # of the patients
RARE = 0.01  # of the values are artefacts, whatever they are
# Signs of life, as public sets call them.
_VITAL = re.compile(
    r"(?:.*[ _])?(hr|heart[ _]?rate|pulse|rr|resp(?:iratory)?[ _]?rate|temp(?:erature)?|sbp|dbp|map|mbp|"
    r"(?:ni)?(?:sys|dias|m)?a?bp|(?:systolic|diastolic|mean)[ _]blood[ _]pressure|spo2|sao2|o2sat|"
    r"oxygen[ _]saturation|weight|height|ph|na|k|sodium|potassium)",
    re.IGNORECASE,
)


def variables_taken(stays: Sequence[Stay], *, declare: bool = True) -> list[Taken]:
    """Return what each variable was taken for, in the order of the files.

    All are numbers; ``0/1``, ``few whole numbers`` and ``constant`` are told apart, for they may be codes, or say no
    more than that something was measured.

    Parameters
    ----------
    stays
        A stay a patient.
    declare
        Whether the section has ``missing:``, which the layout of PhysioNet has not.

    Returns
    -------
    list of Taken
        ``missing`` is how many patients have no measurement of it.

    Examples
    --------
    >>> names = ("HR", "Vent", "Gas")
    >>> one = Stay(names, np.int32([0, 0, 1]), np.array([0.1, 1.5, 1.5]), np.float32([80, 90.5, 1]))
    >>> two = Stay(names, np.int32([0]), np.array([0.1]), np.float32([75]))
    >>> for found in variables_taken([one, two]):
    ...     print(found.column, found.taken, found.values, found.missing)
    HR number 75 to 90.5, 3 measurements 0
    Vent constant 1, 1 measurement 1
    Gas never measured none 2
    """
    place = {name: number for number, name in enumerate(dict.fromkeys(name for stay in stays for name in stay.names))}
    codes: list[NDArray[np.int64]] = []
    maps: dict[tuple[str, ...], NDArray[np.int64]] = {}
    for stay in stays:
        if stay.names not in maps:
            maps[stay.names] = np.array([place[name] for name in stay.names], dtype=np.int64)
        codes.append(maps[stay.names][stay.variable])
    variable = np.concatenate([np.empty(0, dtype=np.int64), *codes])
    value = np.concatenate([np.empty(0, dtype=np.float32), *(stay.value for stay in stays)])
    having = np.zeros(len(place), dtype=np.int64)
    for found in codes:
        having[np.unique(found)] += 1
    ends = np.cumsum(np.bincount(variable, minlength=len(place)))
    parts = np.split(value[np.argsort(variable, kind="stable")], ends[:-1]) if place else []
    columns = []
    for (name, number), values in zip(place.items(), parts, strict=True):
        word, text = _taken(name, values)
        numbers = values.astype(np.float64)
        codes_of = likely_codes(numbers)
        doubt = told_codes(codes_of, numbers, declare=declare) if codes_of else ""
        if _VITAL.fullmatch(name) and (zeros := _zeros(numbers)):
            told = f"holds 0 {zeros}×, as nobody alive does: leave out what was not measured"
            doubt = f"{doubt}; {told}" if doubt else told
        columns.append(Taken(name, word, text, len(stays) - int(having[number]), doubt))
    return columns


def _zeros(values: NDArray[np.float64]) -> int:
    """Return how many values are 0, where the others are far from it: nobody alive has none of a vital sign."""
    others = values[values != 0]
    return int((values == 0).sum()) if len(others) and 2 * np.quantile(others, RARE) >= np.median(others) else 0


def _taken(name: str, values: NDArray[np.float32]) -> tuple[str, str]:
    if not len(values):
        return "never measured", "none"
    times = counted(len(values), "measurement")
    if name.endswith(EVENT):
        return "event", times
    different = np.unique(values)
    shown = ", ".join(f"{value:g}" for value in different[:FEW].tolist())
    if len(different) == 1:
        return "constant", f"{shown}, {times}"
    if set(different.tolist()) == {0, 1}:
        return "0/1", f"0 {int((values == 0).sum())}, 1 {int((values == 1).sum())}"
    if len(different) <= FEW and len(values) > len(different) * 2 and (different % 1 == 0).all():
        return "few whole numbers", f"{shown}, {times}"
    return "number", f"{different[0]:g} to {different[-1]:g}, {times}"


def variables_in_short(stays: Sequence[Stay]) -> str:
    """Return in one line how many variables were taken for what, and which hardly anybody has.

    Parameters
    ----------
    stays
        A stay a patient.

    Examples
    --------
    >>> names = ("HR", "Vent")
    >>> one = Stay(names, np.int32([0, 0, 1]), np.array([0.1, 1.5, 1.5]), np.float32([80, 90.5, 1]))
    >>> variables_in_short([one])
    '1 number, 1 constant (Vent)'
    """
    columns = variables_taken(stays)
    numbers = sum(one.taken == "number" for one in columns)
    parts = [counted(numbers, "number")] if numbers else []
    for word, said in (
        ("0/1", "0/1"),
        ("few whole numbers", "of few whole numbers"),
        ("constant", "constant"),
        ("event", "events"),
        ("never measured", "never measured"),
    ):
        names = [one.column for one in columns if one.taken == word]
        if names:
            parts.append(f"{len(names)} {said} ({listed(names)})")
    rare = [(one, len(stays) - one.missing) for one in columns if one.taken != "never measured"]
    sparse = [f"{one.column} {count}" for one, count in rare if count < SPARSE * len(stays)]
    if sparse:
        parts.append(f"{len(sparse)} of fewer than {SPARSE:.0%} of the patients ({listed(sparse)})")
    return ", ".join(parts)
