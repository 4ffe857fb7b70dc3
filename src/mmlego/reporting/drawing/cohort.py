"""Who has which modality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmlego.reporting.drawing.style import BLUE, FAINT, GREY, WIDTH, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 14  # combinations, of which the rarest are drawn together


def draw_patterns(found: Sequence[tuple[tuple[str, ...], int]], modalities: Sequence[str]) -> Figure:
    """Draw a row a combination of modalities: dots for what it has, a bar for how many patients have it.

    Parameters
    ----------
    found
        The combinations with their counts, the most frequent first.
    modalities
        All modalities, in order.
    """
    shown = list(found[:MOST])
    rest = sum(count for _, count in found[MOST:])
    rows = len(shown) + bool(rest)
    longest = max(len(name) for name in modalities)
    with styled():
        figure = new_figure(0.75 + 0.062 * longest + 0.27 * rows)
        left = max(1.2, min(3.2, 0.34 * len(modalities)))
        dots, bars = figure.subplots(1, 2, width_ratios=[left, WIDTH - left], sharey=True)
        for row, (names, _) in enumerate(shown):
            has = [place for place, name in enumerate(modalities) if name in names]
            dots.plot(range(len(modalities)), [row] * len(modalities), "o", color=FAINT, markersize=7)
            dots.plot(has, [row] * len(has), "o-", color=BLUE, markersize=7, linewidth=1.6)
        counts = [count for _, count in shown] + ([rest] if rest else [])
        bars.barh(range(rows), counts, height=0.55, color=[BLUE] * len(shown) + ([GREY] if rest else []))
        for row, count in enumerate(counts):
            said = f"{count}" if row < len(shown) else f"{count} with {len(found) - MOST} other combinations"
            bars.annotate(said, (count, row), (4, 0), textcoords="offset points", va="center", fontsize=9)
        dots.set(xticks=range(len(modalities)), yticks=[], xlim=(-0.6, len(modalities) - 0.4), ylim=(rows - 0.4, -0.6))
        dots.set_xticklabels(list(modalities), rotation=60, ha="left", rotation_mode="anchor")
        dots.xaxis.tick_top()
        dots.tick_params(length=0)
        dots.spines[:].set_visible(False)
        bars.set(xlabel="patients", xlim=(0, 1.18 * max(counts)))
        bars.spines["left"].set_visible(False)
        bars.tick_params(axis="y", length=0)
    return figure
