"""Answers of a model on patients whom it has not seen, though it has been fitted on all of them in the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmlego.errors import InputError, ShapeError, TooFewError
from mmlego.learners.folds import stratified_folds
from mmlego.wording import label, listed, shortened

FOLDS = 5
MARKS = 5  # numbers a row that marks_of makes
CLOSE = 1e-6  # of the sum of magnitudes


@dataclass(frozen=True)
class OutOfFold:
    """What a brick answered to each patient it was fitted on, from a fit without that patient.

    It stays with whoever trained the brick: it names patients, and is not saved with it.

    Parameters
    ----------
    patients
        ``n`` ids; one may come several times.
    logits
        ``(n, k)``.
    marks
        By what their features are told from others', ``(n, m)``, as :func:`marks_of` makes it: a patient of another
        hospital may have the same id, and a patient several rows. None: the id alone counts.
    """

    patients: tuple[str, ...]
    logits: Tensor
    marks: Tensor | None = None

    def __post_init__(self) -> None:
        n = len(self.patients)
        if self.logits.ndim != 2 or len(self.logits) != n:
            raise ShapeError("answers out of fold", expected=f"({n}, k)", got=tuple(self.logits.shape))
        if self.marks is not None and tuple(self.marks.shape) != (n, MARKS):
            raise ShapeError("marks of features", expected=f"({n}, {MARKS})", got=tuple(self.marks.shape))
        place: dict[str, list[int]] = {}
        for row, patient in enumerate(self.patients):
            place.setdefault(patient, []).append(row)
        object.__setattr__(self, "_place", place)

    def among(self, patients: Sequence[str]) -> list[int]:
        """Return the places of those patients who are called as one of these.

        Examples
        --------
        >>> OutOfFold(("a", "b"), torch.zeros(2, 1)).among(["b", "x"])
        [0]
        """
        place: Mapping[str, list[int]] = self._place  # type: ignore[attr-defined]
        return [row for row, patient in enumerate(patients) if patient in place]

    def of(self, patients: Sequence[str], marks: Tensor | None = None) -> Tensor | None:
        """Return ``(b, k)``, NaN for patients who are not among them; None if nobody is.

        Of a patient's several rows it is the mean; where marks are known, of those that agree with the patient's.

        Parameters
        ----------
        patients
            ``b`` ids.
        marks
            Of their features, ``(b, m)``; None: they are not known.

        Examples
        --------
        >>> OutOfFold(("a", "b"), torch.tensor([[1.0], [2.0]])).of(["b", "x"])
        tensor([[2.],
                [nan]])
        """
        place: Mapping[str, list[int]] = self._place  # type: ignore[attr-defined]
        found = self.logits.new_full((len(patients), self.logits.shape[1]), torch.nan)
        some = False
        for row in self.among(patients):
            mine = place[patients[row]]
            if self.marks is not None and marks is not None:
                mine = [own for own in mine if _agree(self.marks[own], marks[row])]
            if mine:
                found[row], some = self.logits[mine].mean(0), True
        return found if some else None


def marks_of(rows: Tensor) -> Tensor:
    """Return a few numbers by which rows are told apart, ``(n, m)`` float64 on the CPU; they tell no value of a row.

    Three sums of the values with signs that change along the columns, one over the missing ones, and the sum of
    magnitudes, by which the others are compared: the same features come out a little otherwise on another device.

    Parameters
    ----------
    rows
        ``(n, p)``, NaN where a value is missing.

    Examples
    --------
    >>> marks_of(torch.tensor([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0]])).unique(dim=0).shape
    torch.Size([2, 5])
    """
    values = rows.detach().cpu().double()
    place = torch.arange(1, values.shape[1] + 1, dtype=torch.float64)
    waves = torch.stack([torch.cos(place * speed) for speed in (1.0, 2.0**0.5, 5.0**0.5)], 1)  # (p, 3)
    missing, filled = values.isnan().double(), values.nan_to_num(0.0)
    return torch.cat([filled @ waves, missing @ waves[:, :1], filled.abs().sum(1, keepdim=True)], 1)


def _agree(one: Tensor, other: Tensor) -> bool:
    room = CLOSE * (1 + max(float(one[-1]), float(other[-1])))
    return bool(((one - other).abs() <= room).all())


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
        raise InputError(
            "patients of a brick", expected="ids, one a row", got=shortened(" ".join(repr(patients).split()))
        )
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
        raise TooFewError("too few patients to leave one out", expected="at least two", got=len(first))
    dealt = stratified_folds(np.array(list(first.values())), folds, [seed, 29])
    fold = dict(zip(first, dealt.tolist(), strict=True))
    return np.array([fold[patient] for patient in patients])
