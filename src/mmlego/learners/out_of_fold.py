"""Answers of a model on patients whom it has not seen, though it has been fitted on all of them in the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmlego.errors import InputError, ShapeError
from mmlego.learners.folds import stratified_folds
from mmlego.wording import label, listed

FOLDS = 5


@dataclass(frozen=True)
class OutOfFold:
    """What a brick answered to each patient it was fitted on, from a fit without that patient.

    It stays with whoever trained the brick: it names patients, and is not saved with it.

    Parameters
    ----------
    patients
        ``n`` ids; of those that come several times the mean is kept.
    logits
        ``(n, k)``.
    """

    patients: tuple[str, ...]
    logits: Tensor

    def __post_init__(self) -> None:
        if self.logits.ndim != 2 or len(self.logits) != len(self.patients):
            raise ShapeError("answers out of fold", expected=f"({len(self.patients)}, k)", got=tuple(self.logits.shape))
        if len(set(self.patients)) < len(self.patients):  # of several rows of one patient the mean is told
            names = list(dict.fromkeys(self.patients))
            place = {patient: row for row, patient in enumerate(names)}
            rows = torch.tensor([place[patient] for patient in self.patients])
            total = self.logits.new_zeros(len(names), self.logits.shape[1]).index_add_(0, rows, self.logits)
            object.__setattr__(self, "logits", total / torch.bincount(rows)[:, None])
            object.__setattr__(self, "patients", tuple(names))
        object.__setattr__(self, "_place", {patient: row for row, patient in enumerate(self.patients)})

    def of(self, patients: Sequence[str]) -> Tensor | None:
        """Return ``(b, k)``, NaN for patients who are not among them; None if nobody is.

        Examples
        --------
        >>> OutOfFold(("a", "b"), torch.tensor([[1.0], [2.0]])).of(["b", "x"])
        tensor([[2.],
                [nan]])
        """
        place: Mapping[str, int] = self._place  # type: ignore[attr-defined]
        rows = [place.get(patient, -1) for patient in patients]
        if max(rows, default=-1) < 0:
            return None
        index = torch.tensor(rows)
        return torch.where((index >= 0)[:, None], self.logits[index], torch.nan)


def ids_of(patients: Any) -> list[str]:
    """Return ids as text, whole numbers as a cohort reads them.

    Parameters
    ----------
    patients
        One id a row.

    Raises
    ------
    InputError
        If they are no row of names or whole numbers.

    Examples
    --------
    >>> ids_of(["a", 7])
    ['a', '7']
    """
    unordered = isinstance(patients, str | bytes | set | frozenset | Mapping)
    if unordered or not isinstance(patients, Iterable) or getattr(patients, "ndim", 1) != 1:
        raise InputError("patients of a brick", expected="ids, one a row", got=repr(patients))
    ids = list(patients)
    odd = [one for one in ids if isinstance(one, bool) or not isinstance(one, str | Integral) or one == ""]
    if odd:
        expected = "ids as text or whole numbers"
        raise InputError("patients of a brick", expected=expected, got=listed([repr(one) for one in odd], 2))
    return [label(one) for one in ids]


def deal_folds(
    strata: Sequence[int] | np.ndarray, patients: Sequence[str], *, folds: int = FOLDS, seed: int = 0
) -> np.ndarray:
    """Return the fold of each row, ``(n,)`` integers: by patient, and alike in outcome.

    Parameters
    ----------
    strata
        Of each row, as ``task.strata`` gives them.
    patients
        The id of each row; rows of one patient come into one fold, with the stratum of the first.
    folds
        How many; fewer where there are not as many patients.
    seed
        Of the dealing.

    Raises
    ------
    InputError
        If there are fewer than two patients, not as many ids as rows, or the folds are no number ≥ 2.

    Examples
    --------
    >>> folds = deal_folds([0, 0, 1, 1], ["a", "b", "c", "d"], folds=2)
    >>> sorted(folds[:2].tolist()), sorted(folds[2:].tolist())
    ([0, 1], [0, 1])
    """
    if isinstance(folds, bool) or not isinstance(folds, int) or folds < 2:
        raise InputError("folds of a brick", expected="an int ≥ 2", got=repr(folds))
    if len(patients) != len(strata):
        raise InputError("patients of a brick", expected=f"{len(strata)} ids, one a row", got=len(patients))
    first: dict[str, int] = {}
    for patient, stratum in zip(patients, np.asarray(strata).tolist(), strict=True):
        first.setdefault(patient, int(stratum))
    if len(first) < 2:
        raise InputError("too few patients to leave one out", expected="at least two", got=len(first))
    dealt = stratified_folds(np.array(list(first.values())), folds, [seed, 29])
    fold = dict(zip(first, dealt.tolist(), strict=True))
    return np.array([fold[patient] for patient in patients])
