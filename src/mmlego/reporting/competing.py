"""Competing risks on patients held out: by cause risk groups, chances and how far off they are."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mmlego.reporting.answers import Heard, of_fitting
from mmlego.reporting.chances import Cause, calibrated, decided, horizons_of
from mmlego.reporting.drawing.survival import Drawn, Steps, draw_groups
from mmlego.reporting.numbers import p_value
from mmlego.reporting.outcomes import rhythm_of, when
from mmlego.reporting.over_time import over_time
from mmlego.reporting.parts import Item, Picture, Section, Table, Text, section
from mmlego.reporting.statistics.gray import gray_test
from mmlego.reporting.statistics.resampling import Floats
from mmlego.reporting.subject import Subject
from mmlego.reporting.survival import Axis, Groups, axis_of, compared, cut_groups, differing, short
from mmlego.tasks.aalen_johansen import aalen_johansen

HOW = (
    "What is drawn is the probability that the event of this cause has come first (Aalen and Johansen 1978). These "
    "curves are compared by the test of Gray (1988). The log-rank test and the hazard ratio (HR) are cause-specific: "
    "they compare the hazard of the cause among those still free of all causes, others being censored, and not the "
    "curves, which hang on the other causes, too."
)


def competing_sections(subject: Subject, heard: Heard) -> list[Section]:
    """Return the sections on competing risks.

    Parameters
    ----------
    subject
        Whose models.
    heard
        Their answers.
    """
    label = subject.main or ""
    answers, fitting = heard.answers[label], of_fitting(subject, label)
    spec = None if subject.cohort is None else subject.cohort.outcome_spec
    came, time = answers.target[:, 0].long().numpy(), answers.target[:, 1].double().numpy()
    axis = axis_of(time, answers.task, spec)
    horizons = horizons_of(answers, spec)
    marks = {when(one, answers.task, spec): one for one in horizons}
    causes: tuple[str, ...] = answers.task.causes  # type: ignore[attr-defined]
    items: list[Item | None] = []
    for place, cause in enumerate(causes):
        risk = answers.prediction.risks[:, place].numpy()
        others = None if fitting is None else fitting.prediction.risks[:, place].numpy()
        groups = cut_groups(risk, others, int((came == place + 1).sum()), of=cause)
        items += of_cause(came, time, groups, axis, answers.label, place, causes, marks)
    found = [section("groups", "Risk groups", [*items, Text(HOW, "note")])]
    if horizons:
        right: list[Item | None] = []
        for place in range(len(causes)):
            right += calibrated(Cause(answers, place), answers, horizons, spec)
        found.append(section("calibration", "Are predicted chances right?", right))
        done: list[Item | None] = []
        for place in range(len(causes)):
            done += decided(partial(Cause, place=place), heard, answers, horizons, spec)
        found.append(section("decision", "Would acting on it do good?", done))
        over: list[Item | None] = []
        for place in range(len(causes)):
            kind = partial(Cause, place=place)
            over += over_time(kind, heard, answers, axis.last, rhythm_of(answers.task, spec), horizons, axis.label)
        if over:
            found.append(section("time", "How well over time", over))
    return found


def of_cause(
    came: NDArray[np.int64],
    time: Floats,
    groups: Groups,
    axis: Axis,
    label: str,
    place: int,
    causes: tuple[str, ...],
    marks: dict[str, float],
) -> list[Item | None]:
    """Return curves of a cause by risk group, with a test, a hazard ratio and a table.

    Parameters
    ----------
    came, time : (n,)
        Numbers of causes, 0 censored, and times of patients held out.
    groups
        Of the same, by their risk of the cause.
    axis
        Of time.
    label
        Who sorted them.
    place
        Of the cause, from 0.
    causes
        Names of all.
    marks
        By words the times at which incidences are told.
    """
    cause, mine = causes[place], came == place + 1
    drawn: list[Drawn] = []
    rows: list[tuple[str, ...]] = []
    for number, name in enumerate(groups.names):
        here = groups.member == number
        if not here.any():
            rows.append((name, "0", "0", "0", *["–"] * len(marks)))
            continue
        curve = aalen_johansen(came[here], time[here], len(causes))
        steps = Steps(curve.times, curve.incidence[place], curve.low[place], curve.high[place], 0.0)
        drawn.append(Drawn(name, steps, time[here], int(mine[here].sum()), f"with {cause}"))
        told = [_share([float(one[place, 0]) for one in curve.at(at)]) for at in marks.values()]
        others = int((here & (came > 0) & ~mine).sum())
        rows.append((name, str(int(here.sum())), str(int(mine[here].sum())), str(others), *told))
    test, ratio = compared(mine, time, groups)
    gray = gray_test(came, time, groups.member, place + 1)
    first = f"Whether the curves differ: {p_value(gray.p)} (test of Gray). " if math.isfinite(gray.p) else ""
    said = first + differing(test, ratio, groups, cause)
    shown = "; ".join(f"{one.name}: {len(one.time)} patients, {one.events} with {cause}" for one in drawn)
    head = ("group", "patients", cause, "other events", *(f"by {named} (95 % interval)" for named in marks))
    note = "\n".join([*([f"Gray {p_value(gray.p)}"] if first else []), short(test, ratio, cause)])
    figure = draw_groups(drawn, axis.marks, axis.last, axis.label, note=note, what=f"{cause} has come first")
    return [
        Text(f"{label} sorted the patients held out by their risk of {cause}, with cuts at the {groups.cut}. {said}"),
        Picture(
            f"risk_groups_{place + 1}",
            f"Cumulative incidence of {cause} in groups by its risk (Aalen–Johansen), patients held out",
            f"{shown}. {said}",
            figure,
            "Bands are pointwise 95 % intervals; the axis ends where a tenth of the patients is still at risk.",
        ),
        Table(f"Risk groups: {cause}", head, tuple(rows), "Incidences are Aalen–Johansen estimates."),
    ]


def _share(found: list[float]) -> str:
    if not math.isfinite(found[0]):
        return "not known"
    value, low, high = (100 * one for one in found)
    if not value:
        return "0 % (none seen)"  # the variance of none is 0: it makes no interval
    return f"{value:.0f} % ({low:.0f} to {high:.0f} %)"
