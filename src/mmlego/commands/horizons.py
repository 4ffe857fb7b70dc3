"""Of survival: when predictions are looked at, and how they stand to what was observed then."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmlego.errors import InputError
from mmlego.tasks import Survival

if TYPE_CHECKING:
    from mmlego.job.scoring import Scored
    from mmlego.tasks.survival_calibration import CalibrationAt
    from mmlego.training.evaluate import Model

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
) -> dict[str, list[CalibrationAt]]:
    """Return by model how predicted survival stands to Kaplan–Meier; nothing for models of other tasks.

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
    rows = {}
    for name, model in models.items():
        one, task = found.get(name), model.task
        if not isinstance(task, Survival):
            if times is not None:
                raise InputError("--times is of survival", expected="models of survival", got=f"{name} of {task.name}")
        elif one is not None:
            at = default_times(task.cuts) if times is None else times
            rows[name] = task.calibration(one.logits, one.data.target, at)
    return rows


def calibration_table(rows: Mapping[str, Sequence[CalibrationAt]], models: Mapping[str, Model]) -> Any:
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

    tasks = {name: model.task for name, model in models.items() if isinstance(model.task, Survival)}
    parts: list[Any] = [Text("Predicted survival (mean) and observed (Kaplan-Meier, 95 %)", style="bold")]
    for model, lines in rows.items():
        parts += ["", _table(model, lines, tasks[model].unit)]
    ends = dict.fromkeys(f"{task.horizon:.4g}{'' if task.unit is None else ' ' + task.unit}" for task in tasks.values())
    return Group(*parts, f"Nothing is predicted beyond {' or '.join(ends)}, the last cut; ibs ends there.")


def _table(model: str, lines: Sequence[CalibrationAt], unit: str | None) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(title=f"of {model}", title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in (unit or "time", "predicted", "observed", "95 %", "at risk", "ICI", "E50", "E90"):
        table.add_column(name, justify="right")
    for row in lines:
        interval = "" if math.isnan(row.low) else f"{row.low:.2f}-{row.high:.2f}"
        errors = [_told(value) for value in (row.ici, row.e50, row.e90)]
        table.add_row(f"{row.time:.4g}", _told(row.predicted), _told(row.km), interval, str(row.at_risk), *errors)
    return table


def _told(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
