"""How modalities overlap, as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmlego.data.cohort.summary import overlap
from mmlego.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mmlego.data.cohort.table import CohortTable

# Combinations drawn at most; further ones are told in the title.
MOST = 30
_DARK, _LIGHT = "#30506e", "#dde3e9"


def draw_overlap(cohort: CohortTable, path: str | os.PathLike[str]) -> Path:
    """Draw who has what, as an UpSet plot: a column a combination of modalities, its bar the patients who have it.

    Lex, Gehlenborg, Strobelt, Vuillemot, Pfister 2014, *UpSet: visualization of intersecting sets*.

    Parameters
    ----------
    cohort
        The cohort.
    path
        Where to; the ending says the format, as ``.png``, ``.pdf`` or ``.svg``.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    InputError
        If the format is not known, or the file cannot be written.

    Examples
    --------
    >>> import pandas as pd
    >>> from tempfile import TemporaryDirectory
    >>> from mmlego.data import Cohort
    >>> rna = pd.DataFrame({"TP53": [0.1, 0.9]}, index=["a", "b"])
    >>> with TemporaryDirectory() as folder:
    ...     draw_overlap(Cohort.from_frames({"rna": rna, "cnv": rna[:1]}), Path(folder) / "overlap.svg").name
    'overlap.svg'
    """
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec

    found = overlap(cohort)
    shown, names = found[:MOST], list(cohort.frames)
    rows = range(len(names))
    longest = max(len(name) for name in names)
    width, height = 2.6 + 0.09 * longest + 0.42 * len(shown), 2.6 + 0.36 * len(names)
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = GridSpec(
        2, 2, figure, width_ratios=[1.2, max(1.0, 0.42 * len(shown))], height_ratios=[2.0, 0.36 * len(names)]
    )
    bars, sets, dots = (figure.add_subplot(grid[place]) for place in ((0, 1), (1, 0), (1, 1)))
    bars.bar(range(len(shown)), [count for _, count in shown], color=_DARK, width=0.6)
    for place, (_, count) in enumerate(shown):
        bars.annotate(str(count), (place, count), (0, 2), textcoords="offset points", ha="center", fontsize=8)
    bars.set(ylabel="patients", xticks=[], xlim=(-0.6, len(shown) - 0.4))
    bars.margins(y=0.15)
    title = f"{cohort.name}: {len(cohort)} patients"
    figure.suptitle(title if len(found) <= MOST else f"{title}, the {MOST} most frequent of {len(found)} combinations")
    totals = [len(frame) for frame in cohort.frames.values()]
    sets.barh(rows, totals, color=_DARK, height=0.6)
    sets.set(xlabel="patients", yticks=[], xlim=(1.35 * max(totals), 0), ylim=(len(names) - 0.5, -0.5))
    for row, total in enumerate(totals):
        sets.annotate(
            str(total), (total, row), (-3, 0), textcoords="offset points", ha="right", va="center", fontsize=8
        )
    _draw_dots(dots, [have for have, _ in shown], names)
    for axis, hidden in ((bars, ("top", "right")), (sets, ("top", "left")), (dots, ("top", "right", "bottom", "left"))):
        axis.spines[list(hidden)].set_visible(False)
    target = Path(path)
    try:
        figure.savefig(target, dpi=150)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot draw to {target.name!r} ({error})", expected="a file as overlap.png") from error
    return target


def _draw_dots(axis: Axes, shown: Sequence[tuple[str, ...]], names: Sequence[str]) -> None:
    for place, have in enumerate(shown):
        rows = [row for row, name in enumerate(names) if name in have]
        axis.scatter([place] * len(names), range(len(names)), s=70, color=_LIGHT, zorder=1)
        axis.scatter([place] * len(rows), rows, s=70, color=_DARK, zorder=3)
        axis.plot([place, place], [rows[0], rows[-1]], color=_DARK, linewidth=2, zorder=2)
    axis.set(xticks=[], yticks=range(len(names)), xlim=(-0.6, len(shown) - 0.4), ylim=(len(names) - 0.5, -0.5))
    axis.set_yticklabels(list(names))
    axis.tick_params(length=0)
