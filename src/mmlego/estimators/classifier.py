"""A classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d
from torch import Tensor

from mmlego.data.cohort.outcomes import Outcome
from mmlego.data.cohort.outcomes.classes import ClassificationOutcome
from mmlego.errors import InputError
from mmlego.estimators.base import LegoEstimator, as_array
from mmlego.wording import label

if TYPE_CHECKING:
    import pandas as pd


class LegoClassifier(ClassifierMixin, LegoEstimator):  # type: ignore[misc]
    """One class out of two or more, by blocks that are trained apart, merged and fused.

    Parameters
    ----------
    blocks
        ``"auto"``, what has proved best for the kind of data; the name of an encoder or a learner for all modalities;
        or one by modality, for the others ``"auto"``.
    fuse
        Whether to tune a fused model on those who have all modalities; else the merged one answers.
    weights
        How much each modality counts: ``"auto"``, ``"uniform"``, ``"evidence"``, or a number by modality.
    calibrate
        Whether to calibrate the model on the validation patients.
    validation
        The share of patients that early stopping watches; learners are fitted to these, too.
    partial_modalities
        Whether patients may lack modalities; every patient has at least one.
    modalities
        Of a plain table: what separates modality and column in the names of its columns, as ``"__"``; or by modality
        its columns, as names or positions. None: the table is one modality.
    kinds
        By modality its kind, as ``{"notes": "text"}``, or its section of a manifest, where it is no table.
    cohort
        A cohort of which X names patients.
    duplicates
        What to do about equal features under two ids, as :meth:`mmlego.data.Cohort.split` takes it.
    settings
        All other settings of ``mmlego train``, as ``{"fit.epochs": 5}`` or ``["fit.epochs=5"]``; they win.
    random_state
        Of splits, weights and training.

    Attributes
    ----------
    model_ : LegoMerge or LegoFuse
        What answers; :func:`mmlego.save` keeps it.
    merge_, fuse_, blocks_
        The merged model, the fused one or None, and the blocks by modality.
    classes_ : array (k,)
        The classes.
    modalities_ : tuple of str
        The modalities.
    n_patients_ : int
        How many patients it was trained on.
    n_features_in_ : int
        Columns of a table, else modalities.
    feature_names_in_ : array
        Names of the columns of a table, ``modality__feature`` where columns have two levels.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(40) % 2
    >>> X = pd.DataFrame(rng.normal(size=(40, 3)) + 2 * y[:, None])
    >>> X.columns = pd.MultiIndex.from_tuples([("rna", "TP53"), ("rna", "BRCA1"), ("clinical", "age")])
    >>> X.loc[:9, "rna"] = np.nan  # these patients have no RNA
    >>> model = LegoClassifier("logistic", fuse=False).fit(X, y)
    >>> model.modalities_, bool(model.score(X, y) > 0.8), model.predict_proba(X).shape
    (('rna', 'clinical'), True, (40, 2))
    """

    _task: ClassVar[str] = "classification"

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits ``(n, k)``; of two classes the log-odds of the second, ``(n,)``.

        Parameters
        ----------
        X
            Patients.
        """
        answers = self._answers(self._logits(X))
        return answers[:, 0] if answers.shape[1] == 1 else answers

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class ``(n, k)``, in the order of ``classes_``.

        Parameters
        ----------
        X
            Patients.
        """
        return as_array(self._logits(X).softmax(1))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of the probabilities ``(n, k)``.

        Parameters
        ----------
        X
            Patients.
        """
        return as_array(self._logits(X).log_softmax(1))

    def predict(self, X: Any) -> np.ndarray:
        """Return the likeliest class of each patient ``(n,)``.

        Parameters
        ----------
        X
            Patients.
        """
        logits = as_array(self._logits(X))
        found: np.ndarray = self.classes_[logits.argmax(1)]
        return found

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, *, patients: Any = None) -> float:
        """Return the accuracy.

        Parameters
        ----------
        X
            Patients.
        y
            Their classes; None: as the cohort says.
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
            known = dict(zip(self._names, self.classes_, strict=True))
            y = np.array([known.get(name) for name in self._cohort_outcome(X)["label"]])
        return float(accuracy_score(y, self.predict(X), sample_weight=sample_weight))

    def _read(self, y: Any) -> tuple[pd.DataFrame, Outcome]:
        import pandas as pd

        check_classification_targets(y)
        values = column_or_1d(y, warn=True)
        if values.dtype.kind == "O" and any(value is None or value != value for value in values):
            raise InputError("y holds missing classes (NaN or None)", expected="a class for each patient")
        self.classes_, codes = np.unique(values, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(
                "a classifier cannot be trained on only one class", expected="two classes", got=f"{len(codes)} patients"
            )
        self._names = tuple(label(one) for one in self.classes_)
        labels = pd.Categorical([self._names[code] for code in codes], categories=list(self._names))
        spec = ClassificationOutcome(task="classification", label="label", classes=list(self._names))
        return pd.DataFrame({"label": labels}), spec

    def _learn(self, outcome: pd.DataFrame, spec: Outcome) -> Outcome:
        self._names = tuple(outcome["label"].cat.categories)
        self.classes_ = np.array(self._names, dtype=object)
        return spec

    def _answers(self, logits: Tensor) -> np.ndarray:
        found = as_array(logits)
        return found[:, 1:] - found[:, :1] if found.shape[1] == 2 else found

    def _answer_names(self) -> list[str]:
        return [""] if len(self.classes_) == 2 else list(self._names)
