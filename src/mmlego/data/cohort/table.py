"""What a cohort holds: patients × modalities as tables, an outcome, and how they were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from torch import Tensor

from mmlego.data.cohort.outcomes import Outcome
from mmlego.data.kinds.source import Source
from mmlego.data.reading.remarks import Dropped
from mmlego.data.splits.rules import PatientGroups
from mmlego.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class CohortTable:
    """The content of a cohort; :class:`Cohort` is made of it and adds what can be done with it.

    Parameters
    ----------
    name
        The name of the cohort.
    patients
        The ``n`` patient ids: all with an outcome (where there is one) and at least one modality.
    frames
        For each modality a table indexed by patient, of those patients who have it, in cohort order.
    outcome
        The outcome in canonical columns, indexed by patient; None for a cohort to predict on.
    outcome_spec
        How the outcome was read, and which task it makes.
    sources
        For each modality how it was read.
    dropped
        What was left out, and why.
    groups
        Who must stay on one side of a split, where the manifest says so.
    """

    name: str
    patients: tuple[str, ...]
    frames: Mapping[str, pd.DataFrame]
    outcome: pd.DataFrame | None
    outcome_spec: Outcome | None
    sources: Mapping[str, Source]
    dropped: tuple[Dropped, ...]
    groups: PatientGroups | None = None

    def __len__(self) -> int:
        return len(self.patients)

    def __sklearn_clone__(self) -> Self:
        """Return this: it never changes, and an estimator that holds it is cloned for each fold."""
        return self

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of the modalities, in order."""
        return tuple(self.frames)

    def strata(self) -> Tensor:
        """Return the group of each patient ``(n,)`` by outcome, for stratified splits.

        Raises
        ------
        InputError
            If the cohort has no outcome.
        """
        if self.outcome is None or self.outcome_spec is None:
            raise InputError("a cohort without an outcome has no strata", remedy="Split without strata.")
        return self.outcome_spec.strata(self.outcome)
