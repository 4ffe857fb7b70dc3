"""Folds that keep the share of events and the spread of times, and never part a patient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state

from mmlego.data import split_patients
from mmlego.data.reading.ids import plain_ids
from mmlego.errors import InputError, ShapeError
from mmlego.tasks import Survival
from mmlego.tasks.survival_target import split_causes


class SurvivalStratifiedKFold(BaseCrossValidator):  # type: ignore[misc]
    """K folds for survival, each with its share of events and of early and late times, grouped by patient.

    Patients are shuffled within strata: those with an event and those without, each cut into ``bins`` by their times.
    Every row of a patient is in one fold, in the stratum of the first of them.

    Parameters
    ----------
    n_splits
        How many folds, at least 2.
    bins
        Into how many bins times are cut; fewer where a stratum would have fewer patients than there are folds.
    random_state
        Of the shuffling.

    Examples
    --------
    >>> y = np.array([(i % 2 == 0, float(i)) for i in range(20)], dtype=[("event", "?"), ("time", "<f8")])
    >>> folds = SurvivalStratifiedKFold(5).split(np.zeros((20, 1)), y)
    >>> [int(y["event"][test].sum()) for _, test in folds]
    [2, 2, 2, 2, 2]
    """

    # Within cross-validation groups are passed on without being asked for, as to GroupKFold.
    __metadata_request__split: ClassVar[dict[str, bool]] = {"groups": True}

    def __init__(
        self, n_splits: int = 5, *, bins: int = 4, random_state: int | np.random.RandomState | None = 0
    ) -> None:
        self.n_splits = n_splits
        self.bins = bins
        self.random_state = random_state

    def split(self, X: Any, y: Any, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the rows of the training and of the test part of each fold.

        Parameters
        ----------
        X
            ``n`` rows, or anything of that length.
        y
            Events, or numbers of causes, and times, a structured array ``(n,)``.
        groups
            The patient of each row ``(n,)``; None: each row is one.

        Raises
        ------
        InputError
            If there are fewer patients than folds, or y is no survival.

        Warns
        -----
        LegoWarning
            If there are fewer events than folds, so that some have none.
        """
        if isinstance(self.bins, bool) or not isinstance(self.bins, int | np.integer) or self.bins < 1:
            raise InputError("bins", expected="an int ≥ 1", got=repr(self.bins))
        kinds = [y.dtype[name].kind for name in getattr(getattr(y, "dtype", None), "names", None) or ()]
        # of competing causes each has its share
        target = np.stack(split_causes(y), axis=1) if "b" not in kinds and "f" in kinds else Survival.target(y).numpy()
        if X is not None and hasattr(X, "__len__") and len(X) != len(target):
            raise ShapeError("X and y differ in their number of rows", expected=len(X), got=len(target))
        width = len(str(len(target)))
        rows = [f"{row:0{width}d}" for row in range(len(target))]
        patients = rows if groups is None else plain_ids(list(groups), "groups")
        if len(patients) != len(target):
            raise ShapeError("groups and y differ in their number of rows", expected=len(target), got=len(patients))
        first = [patients.index(patient) for patient in dict.fromkeys(patients)]
        strata = np.zeros(len(target), dtype=np.int64)
        strata[first] = self._strata(target[first])
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31 - 1)
        for made in split_patients(patients, strata, folds=self.n_splits, validation=0.0, seed=int(seed)):
            yield np.setdiff1d(np.arange(len(target)), made.test), made.test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return how many folds there are.

        Parameters
        ----------
        X, y, groups
            Not looked at.
        """
        return self.n_splits

    def _strata(self, target: np.ndarray) -> np.ndarray:
        """Return the stratum of each patient: event or not, and the bin of the time among its likes."""
        event, time = target[:, 0], target[:, 1]
        strata = np.zeros(len(target), dtype=np.int64)
        for number in np.unique(event).astype(int):
            here = event == number
            count = int(here.sum())
            bins = max(1, min(self.bins, count // max(1, self.n_splits)))
            order = np.argsort(time[here], kind="stable")
            rank = np.empty(count, dtype=np.int64)
            rank[order] = np.arange(count)
            strata[here] = number * self.bins + rank * bins // max(1, count)
        return strata
