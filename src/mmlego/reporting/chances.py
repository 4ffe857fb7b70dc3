"""Chances of an event by a time, on patients held out: calibration and net benefit at round horizons."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from mmlego.reporting.answers import Answers, Heard
from mmlego.reporting.benefit import beside, decision_items, thresholds_of
from mmlego.reporting.drawing.probabilities import draw_reliability
from mmlego.reporting.measures import events_of
from mmlego.reporting.outcomes import FEW, rhythm_of, when
from mmlego.reporting.parts import Item, Picture, Table, Text
from mmlego.reporting.statistics.decision_curve import Curve, net_benefit_by
from mmlego.reporting.statistics.reliability import reliability_by
from mmlego.reporting.statistics.resampling import Floats
from mmlego.reporting.statistics.ticks import round_horizons
from mmlego.tasks.aalen_johansen import aalen_johansen
from mmlego.tasks.kaplan_meier import kaplan_meier

Share = tuple[float, float, float]


class Event(Protocol):
    """An event that is predicted, and what was seen of it.

    Attributes
    ----------
    name : str
        In a sentence.
    mark : str
        In names of pictures; empty where there is one event.
    estimate, source : str
        What is called seen, and whose the smooth curve is.
    events : int
        How many patients had it.
    number : int
        Of the cause in targets.
    risk : (n,)
        Higher = earlier.
    """

    name: str
    mark: str
    estimate: str
    source: str
    events: int
    number: int
    risk: Floats

    def chance(self, horizon: float) -> Floats:
        """Return the predicted probabilities ``(n,)`` that it has come by a time."""

    def seen(self, horizon: float, rows: Any = slice(None)) -> Share:
        """Return the share of patients in whom it has come by then, with its 95 % interval."""

    def away(self, horizon: float) -> Share:
        """Return ICI, E50 and E90."""

    def benefit(self, chance: Floats, horizon: float, thresholds: Floats) -> Curve:
        """Return the net benefit of acting on chances of the event by a time."""


class Whole:
    """The event of survival: what was seen of it is 1 − Kaplan–Meier.

    Parameters
    ----------
    answers
        Of survival.
    """

    def __init__(self, answers: Answers) -> None:
        self.name, self.mark, self.estimate = "the event", "", "1 − Kaplan–Meier"
        self.source = "Austin, Harrell and van Klaveren 2020"
        self.answers = answers
        self.event, self.time = events_of(answers.target)
        self.events, self.number = int(self.event.sum()), 1
        self.risk: Floats = answers.prediction.risk.double().numpy()

    def chance(self, horizon: float) -> Floats:
        """Return the predicted probabilities ``(n,)``."""
        return chance_at(self.answers, horizon)

    def seen(self, horizon: float, rows: Any = slice(None)) -> Share:
        """Return 1 − Kaplan–Meier with its interval."""
        survival, low, high = (float(one[0]) for one in kaplan_meier(self.event[rows], self.time[rows]).at(horizon))
        return 1 - survival, 1 - high, 1 - low

    def away(self, horizon: float) -> Share:
        """Return ICI, E50 and E90."""
        task: Any = self.answers.task
        (found,) = task.calibration(self.answers.logits, self.answers.target, [horizon])
        return found.ici, found.e50, found.e90

    def benefit(self, chance: Floats, horizon: float, thresholds: Floats) -> Curve:
        """Return the net benefit by Kaplan–Meier."""
        return net_benefit_by(chance, self.event.astype(np.int64), self.time, horizon, thresholds)


class Cause:
    """The event of one of several causes: what was seen of it is Aalen and Johansen's estimate.

    Parameters
    ----------
    answers
        Of competing risks.
    place
        Of the cause, from 0.
    """

    def __init__(self, answers: Answers, place: int) -> None:
        self.answers, self.place = answers, place
        self.causes: Sequence[str] = answers.task.causes  # type: ignore[attr-defined]
        self.name, self.mark, self.estimate = self.causes[place], f"_{place + 1}", "Aalen–Johansen"
        self.source = "Austin, Putter, Giardiello and van Klaveren 2022"
        self.came, self.time = answers.target[:, 0].long().numpy(), answers.target[:, 1].double().numpy()
        self.events, self.number = int((self.came == place + 1).sum()), place + 1
        self.risk: Floats = answers.prediction.risks[:, place].double().numpy()

    def chance(self, horizon: float) -> Floats:
        """Return the predicted incidences ``(n,)``."""
        found: Floats = self.answers.prediction.incidence_at([horizon])[:, 0, self.place].double().numpy()
        return found

    def seen(self, horizon: float, rows: Any = slice(None)) -> Share:
        """Return the estimate with its interval."""
        curves = aalen_johansen(self.came[rows], self.time[rows], len(self.causes)).at(horizon)
        value, low, high = (float(one[self.place, 0]) for one in curves)
        return value, low, high

    def away(self, horizon: float) -> Share:
        """Return ICI, E50 and E90."""
        task: Any = self.answers.task
        found = task.calibration(self.answers.logits, self.answers.target, [horizon])[self.place]
        return found.ici, found.e50, found.e90

    def benefit(self, chance: Floats, horizon: float, thresholds: Floats) -> Curve:
        """Return the net benefit by Aalen–Johansen."""
        return net_benefit_by(chance, self.came, self.time, horizon, thresholds, self.place + 1)


def horizons_of(answers: Answers, spec: Any) -> list[float]:
    """Return round times that prediction and follow-up of a tenth reach."""
    time = answers.target[:, 1].double().numpy()
    last = min(float(max(answers.task.cuts)), float(np.quantile(time, 0.9)))  # type: ignore[attr-defined]
    found = round_horizons(last, rhythm_of(answers.task, spec))
    # before the first cut some models say nothing
    return [one for one in found if float(answers.prediction.survival_at([one]).min()) < 1]


def chance_at(answers: Answers, horizon: float) -> Floats:
    """Return the predicted probabilities ``(n,)`` of the event by a time."""
    survival = answers.prediction.survival_at([horizon])[:, 0]
    chance: Floats = 1 - survival.double().numpy()
    return chance


def calibrated(event: Event, answers: Answers, horizons: list[float], spec: Any) -> list[Item | None]:
    """Return predicted chances of an event against what was seen, at horizons.

    Parameters
    ----------
    event
        Of patients held out.
    answers
        Theirs.
    horizons
        From :func:`horizons_of`.
    spec
        The outcome section of the manifest.
    """
    bins = int(np.clip(event.events // FEW, 2, 5))
    rows, panels = [], {}
    for horizon in horizons:
        chance = event.chance(horizon)
        share, low, high = event.seen(horizon)
        seen = f"{_percent(share)} ({_percent(low)} to {_percent(high)})"
        gap = float(chance.mean()) - share
        named = when(horizon, answers.task, spec)
        gaps = f"{100 * gap:+.0f} points".replace("-", "−")
        away = event.away(horizon)
        errors = ", ".join(_percent(one) for one in away) if np.isfinite(away).all() else "not known"
        rows.append((f"by {named}", _percent(float(chance.mean())), seen, gaps, errors))
        panels[f"by {named}"] = reliability_by(chance, bins, partial(event.seen, horizon))
    told = "; ".join(f"{row[0]}: predicted {row[1]}, seen {row[2]}" for row in rows)
    first = event.name if event.mark else "event"
    intro = Text(
        "A prediction of 30 % is right if of patients like that 30 in 100 have the event. Below, what was "
        f"predicted stands against what happened to the {len(answers)} patients held out."
    )
    return [
        intro if event.mark in ("", "_1") else None,
        Picture(
            f"calibration{event.mark}",
            f"Chance of {event.name}: predicted and seen, in groups of like prediction",
            f"On average {told}.",
            draw_reliability(panels, f"predicted chance of {event.name}", f"seen ({event.estimate})"),
            f"Up to {bins} groups of equal size; bars are 95 % intervals. On the dotted line predictions are right.",
        ),
        Table(
            f"On average: {event.name}" if event.mark else "On average",
            (first, "predicted, mean", "seen (95 % interval)", "predicted − seen", "ICI, E50, E90"),
            tuple(rows),
            f"Seen: {event.estimate}. ICI, E50, E90: mean, median and 90th percentile of what predictions are away "
            f"from a smooth curve of what was seen ({event.source}).",
        ),
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if math.isfinite(share) else "not known"


def decided(
    kind: Callable[[Answers], Event], heard: Heard, answers: Answers, horizons: list[float], spec: Any
) -> list[Item | None]:
    """Return the net benefit of acting against an event by the middle one of the horizons.

    Parameters
    ----------
    kind
        Makes the event of answers.
    heard
        All answers.
    answers, horizons, spec
        As :func:`calibrated` takes them.
    """
    horizon, event = horizons[len(horizons) // 2], kind(answers)
    had = event.seen(horizon)[0]
    if not math.isfinite(had):
        return [Text("Too few patients are followed as far as any round time.", "warning")]
    thresholds = thresholds_of(had)
    models = {answers.label: event.benefit(event.chance(horizon), horizon, thresholds)}
    other = beside(heard, answers)
    if other is not None:
        models[other.label] = kind(other).benefit(kind(other).chance(horizon), horizon, thresholds)
    everybody = event.benefit(np.ones(len(answers)), horizon, thresholds)
    named = f"{event.name} by {when(horizon, answers.task, spec)}"
    return decision_items(thresholds, models, everybody, named, had, len(answers), event.mark)
