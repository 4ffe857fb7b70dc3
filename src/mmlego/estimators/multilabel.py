"""A classifier of several labels at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_array
from torch import Tensor

from mmlego.data.cohort.outcomes import Outcome
from mmlego.data.cohort.outcomes.classes import MultiLabelOutcome
from mmlego.errors import InputError
from mmlego.estimators.base import LegoEstimator, as_array
from mmlego.tasks import MultiLabel
from mmlego.wording import counted

if TYPE_CHECKING:
    import pandas as pd


class LegoMultiLabelClassifier(ClassifierMixin, LegoEstimator):  # type: ignore[misc]
    """Several labels, each there or not, by blocks that are trained apart, merged and fused.

    Parameters
    ----------
    blocks, fuse, weights, calibrate, validation, partial_modalities, modalities, kinds, cohort, duplicates, settings, \
    random_state
        As :class:`LegoClassifier` takes them.

    Attributes
    ----------
    model_, merge_, fuse_, blocks_, modalities_, n_patients_, n_features_in_, feature_names_in_
        As :class:`LegoClassifier` has them.
    classes_ : array (k,)
        Names of the labels, numbers from 0 where y has none.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(40, 3))
    >>> y = (X[:, :2] > 0).astype(float)
    >>> y[0, 1] = np.nan  # nobody knows
    >>> model = LegoMultiLabelClassifier("logistic").fit(X, y)
    >>> model.predict(X).shape, model.predict_proba(X).shape, bool(model.score(X[1:], y[1:]) > 0.5)
    ((40, 2), (40, 2), True)
    """

    _task: ClassVar[str] = "multilabel"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the log-odds of each label ``(n, k)``.

        Parameters
        ----------
        X
            Patients.
        """
        return as_array(self._logits(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each label ``(n, k)``; rows need not sum to 1.

        Parameters
        ----------
        X
            Patients.
        """
        return as_array(self._logits(X).sigmoid())

    def predict(self, X: Any) -> np.ndarray:
        """Return 1 for each label of probability above ½, else 0, ``(n, k)``.

        Parameters
        ----------
        X
            Patients.
        """
        logits = as_array(self._logits(X))
        return (logits > 0).astype(np.int64)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, *, patients: Any = None) -> float:
        """Return the share of patients all of whose known labels are right.

        Parameters
        ----------
        X
            Patients.
        y
            Their labels ``(n, k)``, NaN where nobody knows; None: as the cohort says.
        sample_weight
            How much each counts.
        patients
            Their ids: those whom the model was trained on are refused then.

        Raises
        ------
        InputError
            If the model was trained on one of the patients.
        """
        self._guard(X, patients)
        if y is None:
            y = self._cohort_outcome(X)[list(cast(MultiLabel, self.model_.task).labels)].to_numpy()
        known = _labels(y)
        found = self.predict(X)
        if known.shape != found.shape:
            raise InputError("y does not fit the labels", expected=found.shape, got=known.shape)
        right = ((known == found) | np.isnan(known)).all(axis=1)
        return float(accuracy_score(np.ones(len(right)), right.astype(float), sample_weight=sample_weight))

    def _read(self, y: Any) -> tuple[pd.DataFrame, Outcome]:
        import pandas as pd

        names = getattr(y, "columns", None)
        table = _labels(y)
        odd = ~((table == 0) | (table == 1) | np.isnan(table))
        if odd.any():
            raise InputError(  # in the words of scikit-learn
                "Unknown label type: a label that is neither 0 nor 1. Only binary classification is supported",
                expected="0, 1, or NaN where nobody knows",
                got=f"{table[odd][0]:g}",
            )
        empty = np.flatnonzero(np.isnan(table).all(axis=1))
        if len(empty):
            raise InputError(
                f"{counted(len(empty), 'patient')} without any known label",
                expected="at least one each",
                got=f"none in row {empty[0]}",
            )
        self.classes_ = np.arange(table.shape[1]) if names is None else np.array([str(one) for one in names], object)
        columns = [f"label_{i}" for i in range(table.shape[1])] if names is None else list(self.classes_)
        return pd.DataFrame(table, columns=columns), MultiLabelOutcome(task="multilabel", labels=columns)

    def _learn(self, outcome: pd.DataFrame, spec: Outcome) -> Outcome:
        self.classes_ = np.array([str(name) for name in outcome.columns], dtype=object)
        return spec

    def _answers(self, logits: Tensor) -> np.ndarray:
        return as_array(logits)

    def _answer_names(self) -> list[str]:
        return [str(name) for name in self.classes_]


def _labels(y: Any) -> np.ndarray:
    values: np.ndarray = check_array(
        y, ensure_2d=False, dtype=np.float64, ensure_all_finite="allow-nan", input_name="y"
    )
    if values.ndim == 1:
        values = values[:, None]
    return values
