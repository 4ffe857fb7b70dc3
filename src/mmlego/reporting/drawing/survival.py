"""Pictures of survival: curves of groups with those at risk, scores over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmlego.reporting.drawing.style import (
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    LINES,
    MARKS,
    ORANGE,
    VERMILLION,
    WIDTH,
    new_figure,
    styled,
)
from mmlego.reporting.statistics.resampling import Floats
from mmlego.tasks.kaplan_meier import number_at_risk

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEPS = 300  # of a curve that are drawn at most
_OF_GROUPS = {1: (BLUE,), 2: (BLUE, VERMILLION), 3: (BLUE, ORANGE, VERMILLION)}


@dataclass(frozen=True)
class Steps:
    """A step function of time with its band.

    Parameters
    ----------
    times : (t,)
        Increasing.
    values, low, high : (t,)
        From each time on.
    start
        Before the first.
    """

    times: Floats
    values: Floats
    low: Floats
    high: Floats
    start: float


@dataclass(frozen=True)
class Drawn:
    """A group whose curve is drawn.

    Parameters
    ----------
    name
        Of the group, lowest risk first.
    curve
        Its curve.
    time : (n,)
        Of its patients, for the numbers at risk.
    events
        How many had the event.
    happened
        What that is called.
    """

    name: str
    curve: Steps
    time: Floats
    events: int
    happened: str = "events"


def draw_groups(
    groups: Sequence[Drawn], marks: Sequence[float], last: float, label: str, *, note: str = "", what: str = ""
) -> Figure:
    """Draw curves of risk groups with bands, survival that falls or incidence that rises, and below who is at risk.

    Parameters
    ----------
    groups
        Lowest risk first.
    marks
        Where the axis of time has its marks, and where those at risk are counted.
    last
        Where the axis ends.
    label
        Of the axis of time.
    note
        Written into the picture, as the test of a difference.
    what
        Of the axis of the curves.
    """
    colours = _OF_GROUPS.get(len(groups), (BLUE, GREEN, ORANGE, VERMILLION))
    with styled():
        figure = new_figure(3.9 + 0.2 * len(groups))
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[1, 0.07 * (len(groups) + 1)])
        for group, colour, line in zip(groups, colours, LINES, strict=False):
            x, y, low, high = _steps(group.curve, last)
            told = f"{group.name} ({len(group.time)} patients, {group.events} {group.happened})"
            axes.step(x, y, where="post", color=colour, linestyle=line, label=told)
            axes.fill_between(x, low, high, step="post", color=colour, alpha=0.16, linewidth=0)
        axes.set(ylim=(0, 1.02), xlim=(0, last), xticks=list(marks), ylabel=what or "free of the event")
        axes.set_yticks(np.linspace(0, 1, 6), [f"{share} %" for share in range(0, 101, 20)])
        rising = any(group.curve.start == 0 for group in groups)
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(label)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), borderaxespad=0.2)
        if note:
            axes.annotate(
                note, (0.02, 0.97 if rising else 0.03), xycoords="axes fraction", fontsize=9,
                va="top" if rising else "bottom",
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5},
            )  # fmt: skip
        _count(below, groups, colours, marks)
    return figure


def _count(axes: Axes, groups: Sequence[Drawn], colours: Sequence[str], marks: Sequence[float]) -> None:
    for row, (group, colour) in enumerate(zip(groups, colours, strict=False)):
        counts = number_at_risk(group.time, list(marks))
        for mark, count in zip(marks, counts, strict=True):
            axes.annotate(str(count), (mark, row), ha="center" if mark else "left", va="center", fontsize=9)
        axes.annotate("▬", (-0.012, row), xycoords=("axes fraction", "data"), color=colour, ha="right", va="center")
    axes.set(ylim=(len(groups) - 0.4, -0.9), yticks=[])
    axes.annotate("at risk", (0, 1.0), xycoords="axes fraction", fontsize=9, color=GREY, va="bottom")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelbottom=False)


def _steps(curve: Steps, last: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Return a curve from 0 to its end or the end of the axis, thinned where it has very many steps."""
    fall = np.flatnonzero(np.diff(curve.values, prepend=curve.start) != 0)
    fall = fall[curve.times[fall] <= last]
    if len(fall) > STEPS:
        fall = fall[np.linspace(0, len(fall) - 1, STEPS).round().astype(int)]
    end = min(last, float(curve.times[-1])) if len(curve.times) else 0.0
    x = np.concatenate([[0.0], curve.times[fall], [end]])
    values = []
    for one in (curve.values, curve.low, curve.high):
        kept = np.concatenate([[curve.start], one[fall]])
        values.append(np.append(kept, kept[-1]))
    return x, values[0], values[1], values[2]


@dataclass(frozen=True)
class OverTime:
    """A score over time.

    Parameters
    ----------
    name
        Whose it is.
    values, low, high : (t,)
        Its value and interval at each time; the interval is NaN where there is none.
    """

    name: str
    values: Floats
    low: Floats
    high: Floats


def draw_over_time(
    panels: Mapping[str, Sequence[OverTime]], times: Floats, marks: Sequence[float], label: str
) -> Figure:
    """Draw scores over time, a panel a score; the first of each with its interval.

    Parameters
    ----------
    panels
        By the label of the axis.
    times : (t,)
        When.
    marks, label
        Of the axis of time.
    """
    with styled():
        figure = new_figure(2.5 * len(panels) + 0.3)
        all_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, lines) in zip(all_axes, panels.items(), strict=True):
            for line, colour, dash in zip(lines, (VERMILLION, BLUE, GREY), ("-", "--", ":"), strict=False):
                axes.plot(times, line.values, color=colour, linestyle=dash, label=line.name)
                if np.isfinite(line.low).any():
                    axes.fill_between(times, line.low, line.high, color=colour, alpha=0.16, linewidth=0)
            axes.set(ylabel=name, xlim=(0, float(times[-1])), xticks=[one for one in marks if one <= times[-1]])
            if name.startswith("AUC"):
                axes.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
                low = min([0.4, *(float(np.nanmin(line.low)) for line in lines if np.isfinite(line.low).any())])
                axes.set_ylim(max(0.0, low), 1.0)
            else:
                axes.set_ylim(bottom=0)
            axes.tick_params(labelbottom=True)
            axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3, borderaxespad=0.2)
        all_axes[-1].set_xlabel(label)
    return figure


@dataclass(frozen=True)
class CurveBefore:
    """A predicted curve of a patient, before those of all."""

    name: str
    times: Floats
    survival: Floats


def draw_predicted(
    curve: CurveBefore, others: Sequence[CurveBefore], marks: Sequence[float], last: float, label: str
) -> Figure:
    """Draw a predicted curve before some that it may be compared with.

    Parameters
    ----------
    curve
        The patient's.
    others
        Say the Kaplan–Meier curves of risk groups.
    marks, last, label
        Of the axis of time.
    """
    with styled():
        figure = new_figure(3.2, WIDTH)
        axes = figure.add_subplot()
        for place, other in enumerate(others):
            axes.step(other.times, other.survival, where="post", color=GREY, linestyle=LINES[place + 1],
                      linewidth=1.2, label=other.name)  # fmt: skip
        axes.plot(curve.times, curve.survival, color=VERMILLION, label=curve.name, marker=MARKS[0], markevery=[-1])
        axes.set(ylim=(0, 1.02), xlim=(0, last), xticks=list(marks), xlabel=label, ylabel="free of the event")
        axes.set_yticks(np.linspace(0, 1, 6), [f"{share} %" for share in range(0, 101, 20)])
        axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), borderaxespad=0.2)
    return figure


def draw_predicted_causes(curves: Sequence[CurveBefore], marks: Sequence[float], last: float, label: str) -> Figure:
    """Draw the predicted incidences of a patient, one a cause.

    Parameters
    ----------
    curves
        By cause.
    marks, last, label
        Of the axis of time.
    """
    with styled():
        figure = new_figure(3.2, WIDTH)
        axes = figure.add_subplot()
        for place, curve in enumerate(curves):
            axes.plot(
                curve.times, curve.survival, color=COLOURS[place % len(COLOURS)], linestyle=LINES[place % len(LINES)],
                marker=MARKS[place % len(MARKS)], markevery=[-1], label=curve.name,
            )  # fmt: skip
        axes.set(ylim=(0, 1.02), xlim=(0, last), xticks=list(marks), xlabel=label, ylabel="has come")
        axes.set_yticks(np.linspace(0, 1, 6), [f"{share} %" for share in range(0, 101, 20)])
        axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), borderaxespad=0.2, ncols=2)
    return figure
