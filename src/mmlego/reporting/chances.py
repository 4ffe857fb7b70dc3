"""Chances of an event by a time, on patients held out: calibration and net benefit at round horizons."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mmlego.reporting.answers import Answers, Heard
from mmlego.reporting.benefit import beside, decision_items, thresholds_of
from mmlego.reporting.drawing.probabilities import Benefit, draw_reliability
from mmlego.reporting.measures import events_of
from mmlego.reporting.outcomes import FEW, rhythm_of, when
from mmlego.reporting.parts import Item, Picture, Table, Text
from mmlego.reporting.statistics.decision_curve import net_benefit_by, treat_all
from mmlego.reporting.statistics.reliability import reliability_by
from mmlego.reporting.statistics.resampling import Floats
from mmlego.reporting.statistics.ticks import round_horizons
from mmlego.tasks.kaplan_meier import kaplan_meier


def horizons_of(answers: Answers, spec: Any) -> list[float]:
    """Return round times that prediction and follow-up of a tenth reach."""
    time = answers.target[:, 1].double().numpy()
    last = min(float(max(answers.task.cuts)), float(np.quantile(time, 0.9)))  # type: ignore[attr-defined]
    found = round_horizons(last, rhythm_of(answers.task, spec))
    return [one for one in found if chance_at(answers, one).max() > 0]  # before the first cut some models say nothing


def chance_at(answers: Answers, horizon: float) -> Floats:
    """Return the predicted probabilities ``(n,)`` of the event by a time."""
    survival = answers.prediction.survival_at([horizon])[:, 0]
    chance: Floats = 1 - survival.double().numpy()
    return chance


def calibrated(answers: Answers, horizons: list[float], spec: Any) -> list[Item | None]:
    """Return predicted chances against Kaplan–Meier at horizons.

    Parameters
    ----------
    answers
        For patients held out.
    horizons
        From :func:`horizons_of`.
    spec
        The outcome section of the manifest.
    """
    event, time = events_of(answers.target)
    bins = int(np.clip(event.sum() // FEW, 2, 5))
    curve, rows, panels = kaplan_meier(event, time), [], {}
    for horizon in horizons:
        chance = chance_at(answers, horizon)
        survival, low, high = (float(one[0]) for one in curve.at(horizon))
        seen = f"{_percent(1 - survival)} ({_percent(1 - high)} to {_percent(1 - low)})"
        gap = float(chance.mean()) - (1 - survival)
        named = when(horizon, answers.task, spec)
        gaps = f"{100 * gap:+.0f} points".replace("-", "−")
        rows.append((f"by {named}", _percent(float(chance.mean())), seen, gaps, _away(answers, horizon)))
        panels[f"by {named}"] = reliability_by(chance, event, time, horizon, bins)
    told = "; ".join(f"{row[0]}: predicted {row[1]}, seen {row[2]}" for row in rows)
    return [
        Text(
            "A prediction of 30 % is right if of patients like that 30 in 100 have the event. Below, what was "
            f"predicted stands against what happened to the {len(answers)} patients held out."
        ),
        Picture(
            "calibration",
            "Chance of the event: predicted and seen, in groups of like prediction",
            f"On average {told}.",
            draw_reliability(panels, "predicted chance of the event", "seen (1 − Kaplan–Meier)"),
            f"Up to {bins} groups of equal size; bars are 95 % intervals. On the dotted line predictions are right.",
        ),
        Table(
            "On average",
            ("event", "predicted, mean", "seen (95 % interval)", "predicted − seen", "ICI, E50, E90"),
            tuple(rows),
            "Seen: 1 − Kaplan–Meier. ICI, E50, E90: mean, median and 90th percentile of what predictions are away from "
            "a smooth curve of what was seen (Austin, Harrell and van Klaveren 2020).",
        ),
    ]


def _away(answers: Answers, horizon: float) -> str:
    (found,) = answers.task.calibration(answers.logits, answers.target, [horizon])  # type: ignore[attr-defined]
    values = (found.ici, found.e50, found.e90)
    return ", ".join(_percent(one) for one in values) if np.isfinite(values).all() else "not known"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if math.isfinite(share) else "not known"


def decided(heard: Heard, answers: Answers, horizons: list[float], spec: Any) -> list[Item | None]:
    """Return the net benefit of acting against the event by the middle one of the horizons.

    Parameters
    ----------
    heard, answers, horizons, spec
        As :func:`calibrated` takes them.
    """
    horizon = horizons[len(horizons) // 2]
    event, time = events_of(answers.target)
    had = 1 - float(kaplan_meier(event, time).at(horizon)[0][0])
    if not math.isfinite(had):
        return [Text("Too few patients are followed as far as any round time.", "warning")]
    thresholds = thresholds_of(had)
    shown = [Benefit(answers.label, net_benefit_by(chance_at(answers, horizon), event, time, horizon, thresholds))]
    other = beside(heard, answers)
    if other is not None:
        chance = chance_at(other, horizon)
        shown.append(Benefit(other.label, net_benefit_by(chance, *events_of(other.target), horizon, thresholds)))
    named = when(horizon, answers.task, spec)
    return decision_items(thresholds, shown, treat_all(had, thresholds), f"the event by {named}", had)
