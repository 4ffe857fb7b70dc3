"""Survival on patients held out, how well over time: AUC and Brier score."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from mmlego.reporting.answers import Answers, Heard
from mmlego.reporting.benefit import beside
from mmlego.reporting.drawing.survival import OverTime, draw_over_time
from mmlego.reporting.measures import area_at, brier_at, events_of
from mmlego.reporting.numbers import plain, with_interval
from mmlego.reporting.outcomes import FEW
from mmlego.reporting.parts import Item, Picture, Table
from mmlego.reporting.statistics.resampling import Floats, estimate, resamples
from mmlego.reporting.statistics.ticks import round_times
from mmlego.tasks.kaplan_meier import kaplan_meier


def over_time(
    heard: Heard, answers: Answers, last: float, unit: str | None, horizons: list[float], label: str
) -> list[Item | None]:
    """Return AUC and Brier score over time; nothing where no split tells how patients are lost.

    Parameters
    ----------
    heard, answers
        For patients held out.
    last, unit, label
        Of the axis of time: where it ends, in which steps it is marked, what it is called.
    horizons
        Round times at which scores are told.
    """
    reference = heard.reference
    if reference is None or not bool((reference[:, 0] == 1).any()):
        return []
    last = min(float(max(answers.task.cuts)), last, float(reference[:, 1].max()) * (1 - 1e-6))  # type: ignore[attr-defined]
    event, time = events_of(answers.target)
    seen = np.sort(time[event & (time < last)])
    if len(seen) < FEW:
        return []
    times = np.linspace(float(seen[FEW // 2 - 1]), last, 25)
    other = beside(heard, answers)
    lines = [answers] if other is None else [answers, other]
    areas = [_areas(one, times, reference, first=one is answers) for one in lines]
    briers = [_briers(one, times, reference, first=one is answers) for one in lines]
    known = kaplan_meier((reference[:, 0] == 1).numpy(), reference[:, 1].double().numpy())
    null = np.array(
        [
            brier_at(np.full(len(answers), float(known.at(one)[0][0])), answers.target, one, reference)(
                np.ones((1, len(answers)))
            )[0]
            for one in times
        ]
    )
    nothing = np.full(len(times), np.nan)
    briers.append(OverTime("Kaplan–Meier for all", null, nothing, nothing))
    told_at = [one for one in horizons if times[0] <= one <= times[-1]] or [float(times[len(times) // 2])]
    rows = _at_marks(answers, told_at, reference, known)
    told = "; ".join(f"{row[0]}: AUC {row[1]}, Brier score {row[2]}" for row in rows)
    return [
        Picture(
            "over_time",
            "Telling patients apart (AUC) and chances (Brier score) over time",
            f"Of {answers.label}, {told}.",
            draw_over_time(
                {"AUC(t)": areas, "Brier score(t)": briers}, times, round_times(float(times[-1]), unit), label
            ),
            "AUC: of a patient with the event by then and one without, how often the former has the higher risk (Uno "
            "2007). Brier score: squared distance between chance and outcome, lower is better (Graf 1999); worth "
            "something where it is below that of Kaplan–Meier, which gives all patients the same chance. Weighed by "
            "how training patients were lost. Bands are 95 % intervals.",
        ),
        Table(
            "At round times (95 % intervals)",
            (label, "AUC", "Brier score", "Brier score of Kaplan–Meier for all"),
            tuple(rows),
        ),
    ]


def _areas(answers: Answers, times: Floats, reference: torch.Tensor, *, first: bool) -> OverTime:
    weights = resamples(len(answers))
    found = [_told(area_at(answers, float(one), reference), weights, first) for one in times]
    return _line(answers.label, found)


def _briers(answers: Answers, times: Floats, reference: torch.Tensor, *, first: bool) -> OverTime:
    weights = resamples(len(answers))
    survival = answers.prediction.survival_at(torch.tensor(times).float()).double().numpy()
    found = [
        _told(brier_at(survival[:, place], answers.target, float(one), reference), weights, first)
        for place, one in enumerate(times)
    ]
    return _line(answers.label, found)


def _told(score: Any, weights: Floats, whole: bool) -> tuple[float, float, float]:
    if not whole:
        return float(score(np.ones((1, weights.shape[1])))[0]), math.nan, math.nan
    found = estimate(score, weights)
    return found.value, found.low, found.high


def _line(label: str, found: list[tuple[float, float, float]]) -> OverTime:
    values, low, high = np.array(found).T
    return OverTime(label, values, low, high)


def _at_marks(answers: Answers, marks: list[float], reference: torch.Tensor, known: Any) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    weights = resamples(len(answers))
    for mark in marks:
        survival = answers.prediction.survival_at([mark])[:, 0].double().numpy()
        area = estimate(area_at(answers, mark, reference), weights)
        brier = estimate(brier_at(survival, answers.target, mark, reference), weights)
        same = np.full(len(answers), float(known.at(mark)[0][0]))
        null = brier_at(same, answers.target, mark, reference)(np.ones((1, len(answers))))[0]
        rows.append((f"{mark:g}", with_interval(area), with_interval(brier, 3), plain(float(null), 3)))
    return rows
