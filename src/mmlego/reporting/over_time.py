"""How well over time, on patients held out: AUC and Brier score of survival, or of each of several causes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from mmlego.reporting.answers import Answers, Heard
from mmlego.reporting.benefit import beside
from mmlego.reporting.chances import Event
from mmlego.reporting.drawing.survival import OverTime, draw_over_time
from mmlego.reporting.measures import area_of_cause, brier_of_cause
from mmlego.reporting.numbers import plain, with_interval
from mmlego.reporting.outcomes import FEW
from mmlego.reporting.parts import Item, Picture, Table
from mmlego.reporting.statistics.resampling import Floats, Score, estimate, resamples
from mmlego.reporting.statistics.ticks import round_times
from mmlego.tasks.aalen_johansen import Incidence, aalen_johansen


def over_time(
    kind: Callable[[Answers], Event],
    heard: Heard,
    answers: Answers,
    last: float,
    unit: str | None,
    horizons: list[float],
    label: str,
) -> list[Item | None]:
    """Return AUC and Brier score of an event over time; nothing where no split tells how patients are lost.

    Parameters
    ----------
    kind
        Makes the event of answers.
    heard, answers
        For patients held out.
    last, unit, label
        Of the axis of time: where it ends, in which steps it is marked, what it is called.
    horizons
        Round times at which scores are told.
    """
    reference, event = heard.reference, kind(answers)
    if reference is None or not bool((reference[:, 0] == event.number).any()):
        return []
    last = min(float(max(answers.task.cuts)), last, float(reference[:, 1].max()) * (1 - 1e-6))  # type: ignore[attr-defined]
    came, time = answers.target[:, 0].long().numpy(), answers.target[:, 1].double().numpy()
    seen = np.sort(time[(came == event.number) & (time < last)])
    if len(seen) < FEW:
        return []
    times = np.linspace(float(seen[FEW // 2 - 1]), last, 25)
    other = beside(heard, answers)
    lines = [event] if other is None else [event, kind(other)]
    labels = [answers.label] if other is None else [answers.label, other.label]
    scores = {name: _scores(name, answers.target, reference) for name in ("AUC", "Brier")}
    areas, briers = (
        [_line(one, scores[name], times, told, first=one is event) for one, told in zip(lines, labels, strict=True)]
        for name in ("AUC", "Brier")
    )
    known = aalen_johansen(reference[:, 0].long().numpy(), reference[:, 1].double().numpy(), _causes(answers))
    null = np.array([_alone(known, event.number, answers.target, float(one), reference) for one in times])
    nothing = np.full(len(times), np.nan)
    briers.append(OverTime("the same chance for all", null, nothing, nothing))
    told_at = [one for one in horizons if times[0] <= one <= times[-1]] or [float(times[len(times) // 2])]
    rows, weights = [], resamples(len(answers))
    for mark in told_at:
        area, brier = (estimate(scores[name](event, mark), weights) for name in ("AUC", "Brier"))
        alone = _alone(known, event.number, answers.target, mark, reference)
        rows.append((f"{mark:g}", with_interval(area), with_interval(brier, 3), plain(alone, 3)))
    told = "; ".join(f"{row[0]}: AUC {row[1]}, Brier score {row[2]}" for row in rows)
    of = f" of {event.name}" if event.mark else ""
    controls = "one in whom it had not come, be it that another had" if event.mark else "one without"
    source = "Blanche and others 2013" if event.mark else "Uno 2007"
    squares = "Schoop and others 2011" if event.mark else "Graf 1999"
    return [
        Picture(
            f"over_time{event.mark}",
            f"Telling patients apart (AUC) and chances (Brier score) over time{': ' + event.name if of else ''}",
            f"Of {answers.label}, {told}.",
            draw_over_time(
                {"AUC(t)": areas, "Brier score(t)": briers}, times, round_times(float(times[-1]), unit), label
            ),
            f"AUC: of a patient with {event.name} by then and {controls}, how often the former has the higher risk "
            f"({source}). Brier score: squared distance between chance and outcome, lower is better ({squares}); worth "
            f"something where it is below that of the same chance for all, {event.estimate} in training patients. "
            "Weighed by how training patients were lost. Bands are 95 % intervals.",
        ),
        Table(
            f"At round times{of} (95 % intervals)",
            (label, "AUC", "Brier score", "Brier score of the same chance for all"),
            tuple(rows),
        ),
    ]


def _causes(answers: Answers) -> int:
    return len(getattr(answers.task, "causes", ("the event",)))


def _scores(name: str, target: torch.Tensor, reference: torch.Tensor) -> Callable[[Event, float], Score]:
    """Return what scores an event at a time."""

    def score(event: Event, when: float) -> Score:
        if name == "AUC":
            return area_of_cause(event.risk, target, event.number, when, reference)
        return brier_of_cause(event.chance(when), target, event.number, when, reference)

    return score


def _alone(known: Incidence, number: int, target: torch.Tensor, when: float, reference: torch.Tensor) -> float:
    """Return the Brier score of the same chance for all, that of training patients."""
    alike = np.full(len(target), float(known.at(when)[0][number - 1, 0]))
    return float(brier_of_cause(alike, target, number, when, reference)(np.ones((1, len(target))))[0])


def _line(event: Event, score: Callable[[Event, float], Score], times: Floats, label: str, *, first: bool) -> OverTime:
    found = [_told(score(event, float(one)), len(event.risk), first) for one in times]
    values, low, high = np.array(found).T
    return OverTime(label, values, low, high)


def _told(score: Any, n: int, whole: bool) -> tuple[float, float, float]:
    if not whole:
        return float(score(np.ones((1, n)))[0]), math.nan, math.nan
    found = estimate(score, resamples(n))
    return found.value, found.low, found.high
