"""Of survival and competing risks: when predictions are looked at, and how they stand to what was observed then."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmlego.errors import InputError
from mmlego.tasks.competing_calibration import IncidenceAt
from mmlego.tasks.risk_groups import NAMES
from mmlego.tasks.survival_calibration import CalibrationAt
from mmlego.tasks.time_bins import BinnedTime

if TYPE_CHECKING:
    from mmlego.job.scoring import Scored
    from mmlego.training.evaluate import Model

Row = CalibrationAt | IncidenceAt

MOST = 4  # times, where none are asked for


def times_of(text: str | None) -> list[float] | None:
    """Return the times of an option, as ``12,24,60``.

    Parameters
    ----------
    text
        What was passed; None: nothing.

    Raises
    ------
    InputError
        If one is no number, or negative.

    Examples
    --------
    >>> times_of("12, 24.5")
    [12.0, 24.5]
    """
    if text is None:
        return None
    try:
        times = [float(part) for part in text.split(",")]
    except ValueError:
        times = [math.nan]
    if not all(0 <= time < math.inf for time in times):
        raise InputError("times are not numbers", expected="times ≥ 0 with commas between, as 12,24,60", got=repr(text))
    return times


def default_times(cuts: Sequence[float]) -> list[float]:
    """Return the cuts, or four of many, the last among them.

    Examples
    --------
    >>> default_times(range(1, 15))
    [3.0, 7.0, 10.0, 14.0]
    """
    if len(cuts) <= MOST:
        return [float(cut) for cut in cuts]
    return [float(cuts[(len(cuts) * (j + 1)) // MOST - 1]) for j in range(MOST)]


def calibration_of(
    models: Mapping[str, Model], found: Mapping[str, Scored | None], times: Sequence[float] | None
) -> dict[str, list[Row]]:
    """Return by model how predictions stand to Kaplan–Meier, or Aalen–Johansen; nothing for tasks without times.

    Parameters
    ----------
    models
        By name.
    found
        What they answered, by name; None where nobody could be scored.
    times
        In the unit of the models; None: their cuts, or some of them.

    Raises
    ------
    InputError
        If times are asked of models none of which is of survival.
    """
    rows: dict[str, list[Row]] = {}
    for name, model in models.items():
        one, task = found.get(name), model.task
        if not isinstance(task, BinnedTime):
            if times is not None:
                raise InputError("--times is of survival", expected="models of survival", got=f"{name} of {task.name}")
        elif one is not None:
            at = default_times(task.cuts) if times is None else times
            rows[name] = list(task.calibration(one.logits, one.data.target, at))
    return rows


def calibration_table(rows: Mapping[str, Sequence[Row]], models: Mapping[str, Model]) -> Any:
    """Return a table of all models, a line a time, and a note on what they do not tell.

    Parameters
    ----------
    rows
        By model, from :func:`calibration_of`.
    models
        The models.
    """
    from rich.console import Group
    from rich.text import Text

    tasks = {name: model.task for name, model in models.items() if isinstance(model.task, BinnedTime)}
    several = any(isinstance(row, IncidenceAt) for lines in rows.values() for row in lines)
    what = "incidence (mean) and observed (Aalen-Johansen" if several else "survival (mean) and observed (Kaplan-Meier"
    parts: list[Any] = [Text(f"Predicted {what}, 95 %)", style="bold")]
    for model, lines in rows.items():
        unit = tasks[model].unit
        causes: dict[str, list[IncidenceAt]] = {}
        for row in lines:
            if isinstance(row, IncidenceAt):
                causes.setdefault(row.cause, []).append(row)
        if not causes:
            parts += ["", _table(f"of {model}", lines, unit)]
        for cause, some in causes.items():
            parts += ["", _table(f"of {model}: {cause}", some, unit)]
            if any(row.groups for row in some):
                parts += ["", _of_groups(f"of {model}: {cause}, by what is predicted", some, unit)]
    ends = dict.fromkeys(f"{task.horizon:.4g}{'' if task.unit is None else ' ' + task.unit}" for task in tasks.values())
    return Group(*parts, f"Nothing is predicted beyond {' or '.join(ends)}, the last cut; ibs ends there.")


def _table(title: str, lines: Sequence[Row], unit: str | None) -> Any:
    table = _empty(title, (unit or "time", "predicted", "observed", "95 %", "at risk", "ICI", "E50", "E90"))
    for row in lines:
        observed = row.aj if isinstance(row, IncidenceAt) else row.km
        errors = [_told(value) for value in (row.ici, row.e50, row.e90)]
        shown = (_told(row.predicted), _told(observed), _between(row.low, row.high), str(row.at_risk))
        table.add_row(f"{row.time:.4g}", *shown, *errors)
    return table


def _of_groups(title: str, lines: Sequence[IncidenceAt], unit: str | None) -> Any:
    """Return a table with a line a group of like predictions."""
    table = _empty(title, (unit or "time", "group", "patients", "predicted", "observed", "95 %"))
    for row in lines:
        for place, group in enumerate(row.groups):
            seen = (_told(group.predicted), _told(group.aj), _between(group.low, group.high))
            name = NAMES[len(row.groups)][place]
            table.add_row("" if place else f"{row.time:.4g}", name, str(group.patients), *seen)
    return table


def _empty(title: str, heads: Sequence[str]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in heads:
        table.add_column(name, justify="left" if name == "group" else "right")
    return table


def _between(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{low:.2f}-{high:.2f}"


def _told(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
