"""What patients × modalities in memory are: the columns, the outcome and who has what, checked once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from mmlego.data.memory.checks import (
    Array,
    Choice,
    check_any,
    check_ids,
    check_lengths,
    check_names,
    check_present,
    check_target,
    check_weights,
)
from mmlego.data.memory.columns import Column
from mmlego.data.memory.features import ModalityData, count_rows, read_column
from mmlego.errors import InputError
from mmlego.tasks.base import Task
from mmlego.wording import counted


class PatientTable:
    """Some modalities of ``n`` patients and their outcome, to which ``PatientData`` adds its verbs.

    Parameters
    ----------
    modalities, target, task, patients, present, weights, repeats, empty, missing
        As :class:`~mmlego.data.memory.patients.PatientData` takes them.
    """

    def __init__(
        self,
        modalities: Mapping[str, ModalityData],
        target: object | None = None,
        task: Task | None = None,
        patients: Sequence[str] | Sequence[int] | None = None,
        present: Mapping[str, Array] | None = None,
        *,
        weights: Array | None = None,
        repeats: Choice = "error",
        empty: Choice = "error",
        missing: Sequence[str] = (),
    ) -> None:
        if not modalities:
            raise InputError("no modality", remedy="Give at least one, as {'rna': tensor (n, f)}.")
        check_names(missing, tuple(modalities), "missing")
        rows = {name: count_rows(name, value) for name, value in modalities.items()}
        who = check_present(present or {}, tuple(modalities))
        rows |= {f"present of {name}": len(mask) for name, mask in who.items()}
        if target is not None:
            target = check_target(target, task)
            rows["target"] = len(target)
        if weights is not None:
            weights = check_weights(weights)
            rows["weights"] = len(weights)
        if patients is not None:
            rows["patients"] = len(patients)
        n = check_lengths(rows)
        self.patients = tuple(str(row) for row in range(n)) if patients is None else check_ids(patients, repeats)
        self.numbering = object() if patients is None else None  # of which data the ids are row numbers
        self.task = task
        self.target: Tensor | None = target
        self.weights: Tensor | None = weights
        self.repeats: Choice = repeats
        self._columns: dict[str, Column] = {
            name: read_column(name, value, who.get(name), self.patients, missing=name in missing)
            for name, value in modalities.items()
        }
        if empty == "error":
            check_any(self.present, self.patients, "Mend them, or give empty='allow' and drop them with .with_any().")

    def __len__(self) -> int:
        return len(self.patients)

    def __repr__(self) -> str:
        rows, patients = counted(len(self), "row"), counted(len(set(self.patients)), "patient")
        has = ", ".join(f"{name} {int(mask.sum())}" for name, mask in self.present.items())
        target = "no target" if self.target is None or self.task is None else f"target: {self.task.name}"
        return f"PatientData({rows} of {patients}; {has}; {target})"

    @property
    def modalities(self) -> tuple[str, ...]:
        """The names of the modalities, in order."""
        return tuple(self._columns)

    @property
    def present(self) -> dict[str, Tensor]:
        """For each modality a boolean tensor ``(n,)``: which rows have it."""
        return {name: column.present for name, column in self._columns.items()}

    def contents(self) -> Iterator[Tensor | bytes]:
        """Yield all that tells this data from other, for a hash; of files their size and both ends."""
        yield json.dumps([self.patients, self.modalities]).encode()
        for part in (self.target, self.weights):
            yield b"none" if part is None else part
        for column in self._columns.values():
            yield from column.contents()
