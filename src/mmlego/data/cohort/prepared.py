"""Fitted preprocessing and a task: they turn patients of a cohort into tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from mmlego.data.cohort.assembly import check_known
from mmlego.data.kinds.fitted import Preprocessing
from mmlego.data.memory.checks import check_names
from mmlego.data.memory.columns import BagColumn, Column, DenseColumn
from mmlego.data.memory.features import read_column
from mmlego.data.memory.patients import PatientData
from mmlego.errors import InputError, within
from mmlego.sites import modality_of
from mmlego.tasks import Task

if TYPE_CHECKING:
    from mmlego.data.cohort.table import CohortTable


@dataclass(frozen=True, eq=False)
class Prepared:
    """What :meth:`Cohort.prepare` fitted; made by hand to use preprocessing that was fitted elsewhere.

    Parameters
    ----------
    cohort
        The cohort whose patients are turned into data.
    preprocessing
        For each modality its fitted preprocessing; as ``clinical@a`` that of one site, whose data are a modality of
        their own.
    task
        The meaning of the target; None for a cohort without outcome.
    train
        The patients that were fitted on.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego.data import Cohort
    >>> frames = {"clinical": pd.DataFrame({"age": [40.0, 60.0, 70.0]}, index=["a", "b", "c"])}
    >>> prepared = Cohort.from_frames(frames).prepare(["a", "b"])
    >>> prepared.data(["c"]).batch().inputs["clinical"]
    tensor([[2.]])
    """

    cohort: CohortTable
    preprocessing: Mapping[str, Preprocessing]
    task: Task | None = None
    train: tuple[str, ...] = field(default=(), repr=False)

    def data(self, patients: Sequence[str] | None = None) -> PatientData:
        """Return the data of some patients.

        Parameters
        ----------
        patients
            Patient ids, in the order wanted; None for the whole cohort.

        Returns
        -------
        PatientData
            All modalities that have preprocessing, absent where a patient lacks them; with the target
            where the cohort has an outcome.

        Raises
        ------
        UnknownNameError
            If a patient is not in the cohort.
        InputError
            If a table lacks columns that were there in training.

        Examples
        --------
        >>> import pandas as pd
        >>> from mmlego.data import Cohort
        >>> frames = {"rna": pd.DataFrame({"TP53": [1.0, 3.0]}, index=["a", "b"])}
        >>> Cohort.from_frames(frames).prepare(["a", "b"]).data()
        PatientData(2 rows of 2 patients; rna 2; no target)
        """
        everyone = self.cohort.patients
        names = check_known(everyone if patients is None else patients, everyone, self.cohort.name)
        columns = {modality: self._column(modality, fitted, names) for modality, fitted in self.preprocessing.items()}
        outcome, spec = self.cohort.outcome, self.cohort.outcome_spec
        target = None
        if outcome is not None and spec is not None and self.task is not None:
            target = spec.target(outcome.loc[names], self.task)
        # a patient may have values in dropped columns alone: a loader refuses them, with_any() drops them
        return PatientData(columns, target, self.task, names, empty="allow")

    def _column(self, modality: str, fitted: Preprocessing, names: list[str]) -> Column:
        import pandas as pd

        frame = self.cohort.frames.get(modality_of(modality))
        nobody = fitted.blank()
        present = torch.zeros(len(names), dtype=torch.bool)  # (n,)
        if frame is not None:
            where = torch.from_numpy(frame.index.get_indexer(pd.Index(names, dtype=object)).copy())  # (n,), −1: absent
            rows = frame.iloc[where[where >= 0].tolist()]
            with within(f"modality {modality!r}"):
                present[where >= 0] = fitted.observed(rows)
                values = fitted.transform(rows[present[where >= 0].numpy()])
        if not bool(present.any()):
            if isinstance(nobody, Column):
                return nobody.blank(len(names))
            if fitted.ragged:
                return BagColumn([nobody] * len(names), present)
            return DenseColumn(nobody.new_zeros(len(names), *nobody.shape[1:]), None, present)
        having = [name for name, here in zip(names, present.tolist(), strict=True) if here]
        all_here = None if isinstance(values, Column) else torch.ones(len(having), dtype=torch.bool)
        return read_column(modality, values, all_here, having, missing=fitted.accepts_missing).spread(present)


def prepare_cohort(
    cohort: CohortTable,
    train_patients: Sequence[str],
    task: Task | None,
    modalities: Sequence[str] | None,
    min_patients: int | None = None,
) -> Prepared:
    """Fit preprocessing, and what the task learns, on training patients alone; see :meth:`Cohort.prepare`.

    Parameters
    ----------
    cohort
        The cohort.
    train_patients, task, modalities, min_patients
        As :meth:`Cohort.prepare` takes them.

    Raises
    ------
    UnknownNameError
        If a patient or a modality is not in the cohort.
    InputError
        If no training patient has a modality.
    """
    train = check_known(train_patients, cohort.patients, cohort.name)
    preprocessing = {}
    for name in cohort.modalities if modalities is None else modalities:
        check_names([name], cohort.modalities)
        frame = cohort.frames[name]
        frame = frame[frame.index.isin(set(train))]
        if frame.empty:
            remedy = "Leave it out with modalities=, or train on patients who have it."
            raise InputError(f"no training patient has modality {name!r}", remedy=remedy)
        with within(f"modality {name!r}"):
            source = cohort.sources[name]
            if min_patients is not None:
                source = source.model_copy(update={"min_patients": min_patients})
            preprocessing[name] = source.fit(frame)
    if task is None and cohort.outcome is not None and cohort.outcome_spec is not None:
        task = cohort.outcome_spec.fit_task(cohort.outcome.loc[train])
    return Prepared(cohort, preprocessing, task, tuple(train))
