"""Survival on patients held out: risk groups, and what else a page tells of survival."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlego.reporting.answers import Answers, Heard, of_fitting
from mmlego.reporting.chances import Whole, calibrated, decided, horizons_of
from mmlego.reporting.drawing.survival import Drawn, Steps, draw_groups
from mmlego.reporting.measures import events_of
from mmlego.reporting.numbers import p_value, plain, significant
from mmlego.reporting.outcomes import FEW, rhythm_of, time_label
from mmlego.reporting.over_time import over_time
from mmlego.reporting.parts import Item, Picture, Section, Table, Text, section
from mmlego.reporting.statistics.hazard_ratio import HazardRatio, hazard_ratio
from mmlego.reporting.statistics.log_rank import Difference, log_rank
from mmlego.reporting.statistics.resampling import Floats
from mmlego.reporting.statistics.ticks import round_times
from mmlego.reporting.subject import Subject
from mmlego.tasks.kaplan_meier import kaplan_meier

_NAMES = {2: ("lower risk", "higher risk"), 3: ("low risk", "middle risk", "high risk")}


@dataclass(frozen=True)
class Groups:
    """Patients held out, by cuts that others set.

    Parameters
    ----------
    member : (n,)
        The group of each, 0 the lowest risk.
    names
        Of the groups.
    cut
        Where the cuts come from, in words.
    """

    member: NDArray[np.int64]
    names: tuple[str, ...]
    cut: str


@dataclass(frozen=True)
class Axis:
    """How time is drawn: until when, with which marks, under which label.

    Parameters
    ----------
    last
        The end of the axis: a tenth of the patients are still at risk.
    marks
        Round times.
    label
        With the unit.
    """

    last: float
    marks: list[float]
    label: str


def survival_sections(subject: Subject, heard: Heard) -> list[Section]:
    """Return the sections on survival.

    Parameters
    ----------
    subject
        Whose models.
    heard
        Their answers.
    """
    label = subject.main or ""
    answers = heard.answers[label]
    spec = None if subject.cohort is None else subject.cohort.outcome_spec
    axis = axis_of(answers.target[:, 1].double().numpy(), answers.task, spec)
    groups = risk_groups(answers, of_fitting(subject, label))
    horizons = horizons_of(answers, spec)
    found = [section("groups", "Risk groups", grouped(answers, groups, axis))]
    if horizons:
        found += [
            section("calibration", "Are predicted chances right?", calibrated(Whole(answers), answers, horizons, spec)),
            section("decision", "Would acting on it do good?", decided(Whole, heard, answers, horizons, spec)),
        ]
    over = over_time(Whole, heard, answers, axis.last, rhythm_of(answers.task, spec), horizons, axis.label)
    if over:
        found.append(section("time", "How well over time", over))
    return found


def axis_of(time: Floats, task: Any, spec: Any, last: float | None = None) -> Axis:
    """Return the axis of time: up to where a tenth of the patients is still at risk, or to a time given."""
    last = float(np.quantile(time, 0.9)) if last is None else last
    return Axis(last, round_times(last, rhythm_of(task, spec)), time_label(task, spec))


def risk_groups(answers: Answers, fitting: Answers | None, *, count: int | None = None) -> Groups:
    """Cut patients held out at risks of those whom the model was made from, never at their own where it can be helped.

    Three groups of thirds where at least 30 events allow them, else two at the median.

    Parameters
    ----------
    answers
        For patients held out.
    fitting
        For training and validation patients, fitted bricks out of fold; None where no split is known.
    count
        How many groups, in place of that.
    """
    others = None if fitting is None else fitting.prediction.risk.numpy()
    return cut_groups(answers.prediction.risk.numpy(), others, _events(answers), count)


def group_count(answers: Answers) -> int:
    """Return how many groups of risk patients held out make: three where 30 of them had the event, else two."""
    return _thirds(_events(answers))


def _thirds(events: int) -> int:
    return 3 if events >= 3 * FEW else 2


def _events(answers: Answers) -> int:
    return int((answers.target[:, 0] == 1).sum())


def cut_groups(risk: Floats, others: Floats | None, events: int, count: int | None = None, of: str = "") -> Groups:
    """Cut risks at quantiles of those of others.

    Parameters
    ----------
    risk : (n,)
        Of patients held out.
    others : (m,), optional
        Of training and validation patients; None: no split is known.
    events
        How many held out had the event: by these there are three groups or two.
    count
        How many groups, in place of that.
    of
        Of what the risk is, where there are several.
    """
    count = _thirds(events) if count is None else count
    by = risk if others is None else others
    cuts = np.quantile(by, np.linspace(0, 1, count + 1)[1:-1])
    where = (
        "training and validation patients" if others is not None else "these patients themselves, as no split is known"
    )
    what = "thirds" if count == 3 else "median"
    named = f" of {of}" if of else ""
    return Groups(
        np.searchsorted(cuts, risk, side="left"), _NAMES[count], f"{what} of the risks{named} of the {len(by)} {where}"
    )


def grouped(answers: Answers, groups: Groups, axis: Axis) -> list[Item | None]:
    """Return curves of risk groups with their test, hazard ratio and a table.

    Parameters
    ----------
    answers
        For patients held out.
    groups
        Of the same.
    axis
        Of time.
    """
    event, time = events_of(answers.target)
    return of_groups(event, time, groups, axis, answers.label)


def of_groups(event: NDArray[np.bool_], time: Floats, groups: Groups, axis: Axis, label: str) -> list[Item | None]:
    """Return the same of events and times."""
    drawn, rows = [], []
    for place, name in enumerate(groups.names):
        mine = groups.member == place
        if not mine.any():
            rows.append((name, "0", "0", "–"))
            continue
        curve = kaplan_meier(event[mine], time[mine])
        steps = Steps(curve.times, curve.survival, curve.low, curve.high, 1.0)
        drawn.append(Drawn(name, steps, time[mine], int(event[mine].sum())))
        middle, low, high = curve.median()
        told = significant(middle) if math.isfinite(middle) else "not reached"
        if math.isfinite(middle):
            reach = [significant(one) if math.isfinite(one) else "not reached" for one in (low, high)]
            told += f" ({reach[0]} to {reach[1]})"
        rows.append((name, str(int(mine.sum())), str(int(event[mine].sum())), told))
    test, ratio = compared(event, time, groups)
    said = differing(test, ratio, groups)
    shown = "; ".join(f"{one.name}: {len(one.time)} patients, {one.events} events" for one in drawn)
    head = ("group", "patients", "events", f"median {axis.label} (95 % interval)")
    return [
        Text(f"{label} sorted the patients held out into groups by cuts at the {groups.cut}. {said}"),
        Picture(
            "risk_groups",
            "Survival of risk groups (Kaplan–Meier), patients held out",
            f"{shown}. {said}",
            draw_groups(drawn, axis.marks, axis.last, axis.label, note=short(test, ratio)),
            "Bands are pointwise 95 % intervals; the axis ends where a tenth of the patients is still at risk. "
            "HR: hazard ratio of the highest against the lowest group.",
        ),
        Table("Risk groups", head, tuple(rows), "The interval of a median inverts the band of the curve."),
    ]


def compared(event: NDArray[np.bool_], time: Floats, groups: Groups) -> tuple[Difference, HazardRatio]:
    """Return the log-rank test of all groups, and the hazard ratio of the highest against the lowest."""
    top = len(groups.names) - 1
    ends = np.isin(groups.member, [0, top])
    ratio = hazard_ratio(event[ends], time[ends], groups.member[ends] == top)
    return log_rank(event, time, groups.member), ratio


def differing(test: Difference, ratio: HazardRatio, groups: Groups, cause: str = "") -> str:
    """Return both in words; of one cause among several they are of its hazard."""
    of = f" of {cause}" if cause else ""
    first = f"Whether the curves differ: {p_value(test.p)} (log-rank test)"
    if cause:
        first = f"Whether the hazards{of} differ: {p_value(test.p)} (cause-specific log-rank test)"
    if not math.isfinite(test.p):
        first = (
            "The groups cannot be compared: too few events"
            if cause
            else "The curves cannot be compared: too few events"
        )
    if not math.isfinite(ratio.value):
        return f"{first}; no hazard ratio, as a group has no event."
    told = f"{plain(ratio.value)} times (95 % interval {plain(ratio.low)} to {plain(ratio.high)})"
    return f"{first}; the hazard{of} of “{groups.names[-1]}” is {told} that of “{groups.names[0]}”."


def short(test: Difference, ratio: HazardRatio, cause: str = "") -> str:
    """Return both as they are written into a picture."""
    lines = [f"{'cause-specific ' if cause else ''}log-rank {p_value(test.p)}"] if math.isfinite(test.p) else []
    if math.isfinite(ratio.value):
        lines.append(f"HR {plain(ratio.value)} ({plain(ratio.low)} to {plain(ratio.high)})")
    return "\n".join(lines)
