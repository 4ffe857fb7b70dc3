"""Pictures of probabilities: calibration, net benefit, ROC and precision-recall curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmlego.reporting.drawing.style import BLUE, COLOURS, GREY, LINES, MARKS, VERMILLION, WIDTH, new_figure, styled
from mmlego.reporting.statistics.reliability import Bin
from mmlego.reporting.statistics.resampling import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PERCENT = [f"{share} %" for share in range(0, 101, 20)]


def draw_reliability(panels: Mapping[str, Sequence[Bin]], predicted: str, observed: str) -> Figure:
    """Draw observed against predicted shares in groups, a panel a question; on the line both are the same.

    Parameters
    ----------
    panels
        By title the groups.
    predicted, observed
        Labels of the axes.
    """
    across = min(len(panels), 2)
    down = -(-len(panels) // across)
    with styled():
        figure = new_figure((3.6 if across == 1 else 2.95) * down, WIDTH if across > 1 else 3.9)
        grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for axes, (title, bins) in zip(grid.flat, panels.items(), strict=False):
            axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
            x, y = np.array([one.predicted for one in bins]), np.array([one.observed for one in bins])
            low, high = np.array([one.low for one in bins]), np.array([one.high for one in bins])
            known = np.isfinite(y) & np.isfinite(low)
            away = np.stack([y - low, high - y])[:, known]
            axes.errorbar(x[known], y[known], np.maximum(away, 0), fmt="o-", color=BLUE, capsize=3, linewidth=1.3)
            axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
            axes.set_title(title)
            axes.set_xticks(
                np.linspace(0, 1, 6),
                _PERCENT if across == 1 else [t if i % 2 == 0 else "" for i, t in enumerate(_PERCENT)],
            )
            axes.set_yticks(np.linspace(0, 1, 6), _PERCENT)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        figure.supxlabel(predicted, fontsize=10)
        figure.supylabel(observed, fontsize=10)
    return figure


@dataclass(frozen=True)
class Benefit:
    """A strategy and its net benefit at each threshold, with an interval where there is one."""

    name: str
    values: Floats
    low: Floats | None = None
    high: Floats | None = None


def draw_net_benefit(thresholds: Floats, strategies: Sequence[Benefit], everybody: Floats) -> Figure:
    """Draw the net benefit of acting on models, of treating everybody, and of treating nobody.

    Parameters
    ----------
    thresholds : (t,)
        The probabilities at which one would act.
    strategies
        Of models.
    everybody : (t,)
        Net benefit of treating everybody.
    """
    with styled():
        figure = new_figure(3.5)
        axes = figure.add_subplot()
        for place, one in enumerate(strategies):
            colour = COLOURS[1 - place] if place < 2 else COLOURS[place]
            axes.plot(thresholds, one.values, color=colour, linestyle=LINES[place], label=one.name)
            if one.low is not None and one.high is not None:
                axes.fill_between(thresholds, one.low, one.high, color=colour, alpha=0.16, linewidth=0)
        axes.plot(thresholds, everybody, color=GREY, linewidth=1.3, linestyle="--", label="treat everybody")
        axes.axhline(0, color="black", linewidth=1, label="treat nobody")
        values = [everybody, *(one.values for one in strategies)]
        top = max(float(np.nanmax(one)) for one in values)
        bands = [band[np.isfinite(band)] for one in strategies for band in (one.low, one.high) if band is not None]
        highest = max([top, *(float(band.max()) for band in bands if len(band))])
        lowest = min([-0.25 * top, *(float(band.min()) for band in bands if len(band))])
        axes.set(xlim=(0, float(thresholds[-1])), ylim=(max(lowest, -top) - 0.01, 1.04 * highest + 0.01))
        axes.set(xlabel="threshold: the probability at which one would act", ylabel="net benefit")
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=2, borderaxespad=0.2)
    return figure


@dataclass(frozen=True)
class Ranked:
    """A curve over all thresholds.

    Parameters
    ----------
    name
        Whose.
    x, y : (t,)
        From left to right.
    """

    name: str
    x: Floats
    y: Floats


def draw_ranking(roc: Sequence[Ranked], precision: Sequence[Ranked], share: float | None) -> Figure:
    """Draw ROC and precision-recall curves side by side.

    Parameters
    ----------
    roc, precision
        The curves.
    share
        Of patients with the outcome, the precision of chance; None where there are several.
    """
    with styled():
        figure = new_figure(3.1 + 0.2 * len(roc), WIDTH)
        left, right = figure.subplots(1, 2)
        _lines(left, roc)
        left.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
        left.set(xlabel="1 − specificity", ylabel="sensitivity", title="ROC")
        _lines(right, precision)
        if share is not None:
            right.axhline(share, color=GREY, linewidth=1, linestyle=":")
        right.set(xlabel="recall (sensitivity)", ylabel="precision", title="Precision and recall")
        for axes in (left, right):
            axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        handles, names = left.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower left", ncols=1)
    return figure


def _lines(axes: Axes, curves: Sequence[Ranked]) -> None:
    order = (VERMILLION, BLUE, *COLOURS[2:])
    for curve, colour, line in zip(curves, order, LINES, strict=False):
        axes.plot(curve.x, curve.y, color=colour, linestyle=line, label=curve.name)


def draw_numbers(panels: Mapping[str, tuple[Floats, Floats]]) -> Figure:
    """Draw observed against predicted numbers, and what is left over; cells hold how many patients lie there.

    Parameters
    ----------
    panels
        By name predicted and observed numbers.
    """
    with styled():
        figure = new_figure(2.9 * len(panels), WIDTH)
        grid = figure.subplots(len(panels), 2, squeeze=False)
        for (left, right), (name, (predicted, observed)) in zip(grid, panels.items(), strict=True):
            low = float(min(predicted.min(), observed.min()))
            high = float(max(predicted.max(), observed.max()))
            _cells(left, predicted, observed)
            left.plot([low, high], [low, high], color=GREY, linewidth=1, linestyle=":")
            left.set(xlabel=f"predicted {name}", ylabel=f"observed {name}")
            _cells(right, predicted, observed - predicted)
            right.axhline(0, color=GREY, linewidth=1, linestyle=":")
            right.set(xlabel=f"predicted {name}", ylabel="observed − predicted")
    return figure


def _cells(axes: Axes, x: Floats, y: Floats) -> None:
    """Draw how many lie where, and the median with quartiles along x: never a mark a patient."""
    cells = int(np.clip(np.sqrt(len(x)), 6, 24))
    counts, across, up = np.histogram2d(x, y, cells)
    shown = np.ma.masked_equal(counts.T, 0)
    axes.pcolormesh(across, up, shown, cmap="Blues", vmin=-0.5 * shown.max(), rasterized=False)
    parts = np.array_split(np.argsort(x, kind="stable"), int(np.clip(len(x) // 12, 2, 8)))
    middle = [float(np.median(x[rows])) for rows in parts]
    quartiles = np.array([np.quantile(y[rows], [0.25, 0.5, 0.75]) for rows in parts]).T
    away = np.stack([quartiles[1] - quartiles[0], quartiles[2] - quartiles[1]])
    axes.errorbar(middle, quartiles[1], away, fmt=f"{MARKS[0]}-", color=VERMILLION, capsize=3, markersize=4.5)
