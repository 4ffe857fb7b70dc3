"""Scores, or differences of them, each as a point with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmlego.reporting.drawing.style import BLUE, GREY, VERMILLION, one_axes, styled
from mmlego.reporting.numbers import plain, signed
from mmlego.reporting.statistics.resampling import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mmlego.reporting.measures import Measure

_CHANCE = {"c_index": 0.5, "auroc": 0.5, "r2": 0.0}


@dataclass(frozen=True)
class Line:
    """A line of the picture.

    Parameters
    ----------
    label
        Whose score it is.
    found
        The score.
    patients
        On how many.
    told
        What happened to them.
    """

    label: str
    found: Estimate
    patients: int
    told: str = ""


def draw_intervals(lines: Sequence[Line], measure: Measure, *, highlight: str | None = None) -> Figure:
    """Draw scores with their intervals, the value written beside each.

    Parameters
    ----------
    lines
        From top to bottom.
    measure
        Which score.
    highlight
        The label of the line that the page is about.
    """
    return _drawn(lines, measure.label, _CHANCE.get(measure.name), "chance", highlight, plain)


def draw_differences(lines: Sequence[Line], label: str, *, better: str) -> Figure:
    """Draw differences with their intervals; at 0 there is none.

    Parameters
    ----------
    lines
        From top to bottom.
    label
        Of the axis.
    better
        Which side is better: ``"right"`` or ``"left"``.
    """
    arrow = f"{label}  (better: {'→' if better == 'right' else '←'})"
    return _drawn(lines, arrow, 0.0, "no difference", None, signed)


def _drawn(lines, label, reference, said, highlight, write) -> Figure:  # type: ignore[no-untyped-def]
    with styled():
        figure, axes = one_axes(0.95 + 0.34 * len(lines))
        for row, line in enumerate(lines):
            first = line.label == highlight
            colour = VERMILLION if first else BLUE
            if np.isfinite(line.found.value):
                if line.found.known:
                    axes.plot([line.found.low, line.found.high], [row, row], color=colour, solid_capstyle="butt")
                axes.plot(line.found.value, row, "D" if first else "o", color=colour, markersize=6.5)
            text = write(line.found.value)
            axes.annotate(text, (1.02, row), xycoords=("axes fraction", "data"), va="center", fontsize=9.5)
        if reference is not None:
            axes.axvline(reference, color=GREY, linewidth=1, linestyle=":", zorder=0)
            axes.annotate(
                said,
                (reference, 1.0),
                (0, 2),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=8.5,
                color=GREY,
            )
        axes.set(yticks=range(len(lines)), ylim=(len(lines) - 0.5, -0.5), xlabel=label)
        axes.set_yticklabels([line.label for line in lines])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.06)
    return figure
