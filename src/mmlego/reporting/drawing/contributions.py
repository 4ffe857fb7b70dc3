"""What moved predictions: bars by modality or feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmlego.reporting.drawing.style import BLUE, GREY, VERMILLION, WIDTH, new_figure, one_axes, styled
from mmlego.reporting.numbers import significant
from mmlego.wording import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_bars(panels: Sequence[tuple[str, Sequence[str], Sequence[float]]]) -> Figure:
    """Draw bars from 0, a panel a title; those below 0 in another colour and hatched.

    Parameters
    ----------
    panels
        For each the label of its axis, the names of the bars from top to bottom, and their lengths.
    """
    with styled():
        figure = new_figure(0.75 * len(panels) + 0.27 * sum(len(names) for _, names, _ in panels))
        heights = [len(names) + 1.5 for _, names, _ in panels]
        grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (label, names, values) in zip(grid, panels, strict=True):
            _bars(axes, label, names, values)
    return figure


def _bars(axes: Axes, label: str, names: Sequence[str], values: Sequence[float]) -> None:
    for row, value in enumerate(values):
        low = value < 0
        axes.barh(row, value, height=0.62, color=BLUE if low else VERMILLION, hatch="///" if low else None,
                  edgecolor="white", linewidth=0)  # fmt: skip
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set(yticks=range(len(names)), ylim=(len(names) - 0.4, -0.6), xlabel=label)
    axes.set_yticklabels([shortened(name, 30) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.04)


def draw_waterfall(names: Sequence[str], values: Sequence[float], base: float, label: str) -> Figure:
    """Draw how a prediction comes about: from the base, a step a modality, to the prediction.

    Parameters
    ----------
    names, values
        The steps.
    base
        Where they begin.
    label
        Of the axis.
    """
    with styled():
        figure, axes = one_axes(1.15 + 0.36 * (len(names) + 2), WIDTH)
        place = base
        axes.plot(base, 0, "o", color=GREY, markersize=7)
        for row, value in enumerate(values, start=1):
            axes.barh(row, value, left=place, height=0.55, color=BLUE if value < 0 else VERMILLION,
                      hatch="///" if value < 0 else None, edgecolor="white", linewidth=0)  # fmt: skip
            place += value
            axes.plot([place, place], [row - 0.28, row + 1], color=GREY, linewidth=0.8)
        end = len(values) + 1
        axes.plot(place, end, "D", color="black", markersize=7)
        rows = [
            f"nothing known: {significant(base)}",
            *(f"{name}: {_signed(v)}" for name, v in zip(names, values, strict=True)),
        ]
        ends = np.cumsum([base, *values])
        reach = 0.06 * float(np.ptp(ends)) or 0.1
        axes.set(yticks=range(end + 1), ylim=(end + 0.5, -0.6), xlabel=label)
        axes.set_xlim(float(ends.min()) - reach, float(ends.max()) + reach)
        axes.set_yticklabels([shortened(row, 34) for row in [*rows, f"prediction: {significant(place)}"]])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    return figure


def _signed(value: float) -> str:
    text = significant(value)
    return f"+{text}" if value > 0 else text
