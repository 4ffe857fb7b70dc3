"""What is asked of a cohort that was followed over time: when, or whether before a horizon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from mmlego.data import Cohort

FollowedTask: TypeAlias = Literal["survival", "classification"]


def with_task(name: str, frames: Mapping[str, Any], outcome: Any, task: FollowedTask, horizon: float) -> Cohort:
    """Return the cohort with a survival task, or with classes: whether the event came before the horizon.

    Parameters
    ----------
    name
        Of the cohort.
    frames
        By modality.
    outcome
        Time, in a column named by its unit, and ``event``, 1 where it was seen; indexed by patient.
    task
        Which of the two; for classes, patients who were lost before the horizon are left out.
    horizon
        In the unit of the times.
    """
    unit = outcome.columns[0]
    if task == "survival":
        spec: dict[str, object] = {"task": "survival", "time": unit, "unit": unit, "event": "event", "event_when": 1}
        return Cohort.from_frames(frames, outcome=outcome, task=spec, name=name)
    known = outcome[(outcome["event"] == 1) | (outcome[unit] >= horizon)]
    early = ((known["event"] == 1) & (known[unit] < horizon)).astype(int).to_frame("event_by_horizon")
    spec = {"task": "classification", "label": "event_by_horizon"}
    return Cohort.from_frames(frames, outcome=early, task=spec, name=name)
