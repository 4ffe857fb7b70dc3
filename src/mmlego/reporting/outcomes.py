"""How an outcome is spoken of: what happened to how many, and in which unit time runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mmlego.data import Cohort
from mmlego.tasks import CompetingRisks, Task
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    from mmlego.data.cohort.outcomes import Outcome

_UNITS = ("months", "days", "weeks", "years")
FEW = 10  # patients or events below which a score is not told


def happened(task: Task, target: Tensor, label: str = "") -> str:
    """Return how many had the outcome, in words; nothing of numbers.

    Parameters
    ----------
    task
        The task.
    target : (n, …)
        What happened.
    label
        The column of classes.

    Examples
    --------
    >>> from mmlego.tasks import Classification, Survival
    >>> import torch
    >>> happened(Survival([1.0]), torch.tensor([[1.0, 2.0], [0.0, 3.0]]))
    '1 event'
    >>> happened(Classification(["no", "yes"]), torch.tensor([0, 1, 1]), "relapse")
    '2 with relapse = yes'
    """
    counts = counts_of(task, target)
    if not counts:
        return ""
    if task.name == "survival":
        return counted(counts["event"], "event")
    if task.name == "classification" and len(counts) == 2:
        return f"{list(counts.values())[1]} with {yes_of(task, label)}"
    return listed((f"{count} {name}" for name, count in counts.items()), 6)


def yes_of(task: Task, label: str) -> str:
    """Return what the second of two classes is called, with the column that it stands in."""
    name = str(task.classes[1])  # type: ignore[attr-defined]
    return f"{label} = {name}" if label else name


def had(task: Task, target: Tensor, label: str = "") -> str:
    """Return how many of some patients had the outcome, as a clause; nothing of numbers.

    Parameters
    ----------
    task, target, label
        As :func:`happened` takes them.

    Examples
    --------
    >>> from mmlego.tasks import Survival
    >>> import torch
    >>> had(Survival([1.0]), torch.tensor([[1.0, 2.0], [0.0, 3.0]]))
    '1 of whom had the event'
    """
    counts = counts_of(task, target)
    if not counts:
        return ""
    if task.name == "survival":
        return f"{counts['event']} of whom had the event"
    if isinstance(task, CompetingRisks):
        first, *others = [f"{cause} {{}}in {count}" for cause, count in counts.items()]
        return ", ".join([first.format("came first "), *(one.format("") for one in others)]) + " of them"
    if task.name == "classification" and len(counts) == 2:
        return f"{list(counts.values())[1]} of whom had {yes_of(task, label)}"
    return f"among them {happened(task, target, label)}"


def column_of(task: Task, label: str = "") -> str:
    """Return the heading of a column of counts of the outcome."""
    if task.name == "survival":
        return "events"
    if isinstance(task, CompetingRisks):
        return "events"
    if task.name == "classification" and task.outputs == 2:
        return yes_of(task, label)
    return "outcome"


def cell_of(task: Task, target: Tensor) -> str:
    """Return a cell of that column."""
    counts = counts_of(task, target)
    if task.name == "survival" or (task.name == "classification" and len(counts) == 2):
        return str(list(counts.values())[-1])
    return happened(task, target) or "–"


def label_of(spec: Any) -> str:
    """Return the column of classes that an outcome section names; nothing where there is none."""
    found = getattr(spec, "label", None)
    return str(found) if found else ""


def counts_of(task: Task, target: Tensor) -> dict[str, int]:
    """Return how many had what: the event, each class, each label; nothing of numbers."""
    if task.name == "survival":
        return {"event": int((target[:, 0] == 1).sum())}
    if isinstance(task, CompetingRisks):
        return {name: int((target[:, 0] == number).sum()) for number, name in enumerate(task.causes, start=1)}
    if task.name == "classification":
        names: Sequence[str] = task.classes  # type: ignore[attr-defined]
        return {name: int((target == place).sum()) for place, name in enumerate(names)}
    if task.name == "multilabel":
        labels: Sequence[str] = task.labels  # type: ignore[attr-defined]
        return {name: int((target[:, place] == 1).sum()) for place, name in enumerate(labels)}
    return {}


def rarest(task: Task, target: Tensor) -> int:
    """Return how many patients bear the weight of a score: of the rarer answer, or all of numbers."""
    if task.name == "survival":
        return int((target[:, 0] == 1).sum())
    if task.name == "classification" or isinstance(task, CompetingRisks):
        return min(counts_of(task, target).values())
    if task.name == "multilabel":
        known = [target[:, place] for place in range(target.shape[1])]
        return max(min(int((one == 1).sum()), int((one == 0).sum())) for one in known)
    return len(target)


def outcome_named(task: Task, spec: Outcome | None) -> str:
    """Return what is predicted, as a noun.

    Parameters
    ----------
    task
        The task.
    spec
        The outcome section of the manifest.
    """
    said: Any = spec
    if task.name == "survival":
        event = getattr(said, "event", None)
        when = getattr(said, "event_when", None)
        return "the time to the event" + (f" ({event} = {_words(when)})" if event else "")
    if isinstance(task, CompetingRisks):
        event = getattr(said, "event", None)
        return f"which of {listed(task.causes, 8)} comes first, and when" + (f" (column {event})" if event else "")
    if task.name == "classification":
        classes = " or ".join(map(str, task.classes))  # type: ignore[attr-defined]
        label = getattr(said, "label", None)
        return f"{label} ({classes})" if label else classes
    if task.name == "multilabel":
        return listed(task.labels, 6)  # type: ignore[attr-defined]
    return listed(task.targets, 6)  # type: ignore[attr-defined]


def _words(value: Any) -> str:
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)


def unit_of(task: Task | None, spec: Any) -> str | None:
    """Return the unit of time that somebody declared; None if nobody did.

    Parameters
    ----------
    task
        Of survival.
    spec
        The outcome section of the manifest, or what an experiment tells of it.
    """
    found = getattr(task, "unit", None) or _told(spec, "unit")
    return None if found is None else str(found)


def rhythm_of(task: Task | None, spec: Any) -> str | None:
    """Return in which steps an axis of time is marked: by the unit, else by the name of the column of times.

    The name decides about marks alone; nothing is converted by it.

    Parameters
    ----------
    task, spec
        As :func:`unit_of` takes them.
    """
    unit = unit_of(task, spec)
    if unit is not None:
        return unit
    name = str(_told(spec, "time") or "").casefold()
    return next((one for one in _UNITS if one.rstrip("s") in name), None)


def time_label(task: Task | None, spec: Any) -> str:
    """Return the label of an axis of time, with its unit where somebody declared it."""
    unit = unit_of(task, spec)
    if unit is not None:
        return f"time ({unit})"
    name = _told(spec, "time")
    return f"time ({name})" if name else "time"


def when(time: float, task: Task | None, spec: Any) -> str:
    """Return a time in words, as ``24 months``."""
    unit = rhythm_of(task, spec)
    return f"{time:g}" + (f" {unit}" if unit else "")


def _told(spec: Any, name: str) -> Any:
    return spec.get(name) if isinstance(spec, dict) else getattr(spec, name, None)


def target_of(cohort: Cohort, task: Task, patients: Sequence[str]) -> Tensor:
    """Return what happened to patients, as the task has it."""
    return cohort.outcome_spec.target(cohort.outcome.loc[list(patients)], task)  # type: ignore[union-attr]
