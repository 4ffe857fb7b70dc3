"""What all estimators have in common: reading X, training by the main job, asking the model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_feature_names_in, check_consistent_length, check_is_fitted, validate_data
from torch import Tensor

from mmlego.data import Cohort
from mmlego.data.cohort.outcomes import Outcome
from mmlego.data.cohort.splitting import Duplicates
from mmlego.errors import InputError, MismatchError, TooFewError
from mmlego.estimators.cells import holds_cells
from mmlego.estimators.guard import Seen
from mmlego.estimators.inputs import Columns, Kinds, Reading, Rows, bare, columns_of, is_container
from mmlego.estimators.modalities import Modalities
from mmlego.estimators.training import run_job
from mmlego.estimators.wishes import Blocks, Overrides, Weights, settings_of
from mmlego.job import data_of
from mmlego.job.data import having
from mmlego.training.evaluate import all_logits
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

BATCH = 64  # patients at a time: whole bags of that many still fit


class LegoEstimator(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A block a modality, trained apart, merged, and fused on those who have everything, as ``mmlego.train`` does.

    It is the base of :class:`LegoClassifier`, :class:`LegoRegressor`, :class:`LegoMultiLabelClassifier` and
    :class:`LegoSurvival`; each says which parameters it has.
    """

    _task: ClassVar[str]

    def __init__(
        self,
        blocks: Blocks = "auto",
        *,
        fuse: bool = True,
        weights: Weights = "auto",
        calibrate: bool = False,
        validation: float = 0.2,
        partial_modalities: bool = True,
        modalities: Columns | None = None,
        kinds: Kinds | None = None,
        cohort: Cohort | None = None,
        duplicates: Duplicates = "error",
        settings: Overrides = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.blocks = blocks
        self.fuse = fuse
        self.weights = weights
        self.calibrate = calibrate
        self.validation = validation
        self.partial_modalities = partial_modalities
        self.modalities = modalities
        self.kinds = kinds
        self.cohort = cohort
        self.duplicates = duplicates
        self.settings = settings
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, patients: Any = None) -> Self:
        """Train on all patients of X.

        Parameters
        ----------
        X
            ``n`` patients in any of the forms of :mod:`mmlego.estimators`.
        y
            What happened to each, ``(n,)`` or ``(n, k)``; None: as the cohort says that X is, or names patients of.
        patients
            The id of each, ``(n,)``; with it the leakage guard works.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If X, y or a parameter cannot be used, or an inner split would leak.
        UnknownNameError
            If a modality, an encoder or a learner is unknown.
        """
        X = self._checked(X, reset=True)
        rows = self._reading(None).read(X, patients)
        if len(rows.ids) < 2:
            raise TooFewError("an estimator cannot be trained on n_samples=1", expected="two patients", got="one")
        outcome, spec = self._outcome_of(rows, y)
        self._refuse_outcome(rows, y)
        cohort = _with_outcome(rows, outcome, spec)
        seed = self._seed()
        settings = settings_of(self.blocks, self.weights, self.settings, seed, cohort.modalities)
        made = run_job(
            cohort,
            settings,
            fuse=self.fuse,
            calibrated=self.calibrate,
            validation=self.validation,
            duplicates=self.duplicates,
        )
        self.model_ = made.model
        self.merge_, self.fuse_, self.blocks_ = made.merge, made.fuse, made.blocks
        self.modalities_ = cohort.modalities
        self.n_patients_ = len(cohort)
        self._columns, self._left = columns_of(cohort), rows.left
        self._seen = Seen.of(cohort, named=rows.named)
        if not hasattr(self, "n_features_in_"):
            self.n_features_in_ = len(cohort.modalities)
        self._finish()
        return self

    def _finish(self) -> None:
        """Keep in attributes what is known when all is trained."""

    def transform(self, X: Any) -> np.ndarray:
        """Return what each modality alone says of each patient, NaN where a patient does not have it.

        Of patients who were trained on it is in part what the models have learnt by heart: another model that is
        stacked on it has to be fitted to other patients.

        Parameters
        ----------
        X
            ``n`` patients.

        Returns
        -------
        array (n, m · j)
            By modality: the log-odds of the second of two classes, else of each class or label the logit; numbers in
            their units; the risk. :meth:`get_feature_names_out` names the columns, ``set_output`` makes a table of it.
        """
        check_is_fitted(self)
        rows = self._asked(X)
        wanted = list(dict.fromkeys(rows.ids))
        place = {one: row for row, one in enumerate(wanted)}
        parts = []
        for name, block in self.blocks_.items():
            found = np.full((len(wanted), len(self._answer_names())), np.nan)
            if having(rows.cohort, [name], wanted):
                data = data_of(block, bare(rows.cohort), wanted)
                found[[place[one] for one in data.patients]] = self._answers(all_logits(block, data, BATCH).double())
            parts.append(found)
        return np.concatenate(parts, axis=1)[[place[one] for one in rows.ids]]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns of :meth:`transform`: ``modality``, or ``modality__answer``.

        Parameters
        ----------
        input_features
            Compared with those of training; nothing else is made of them.
        """
        check_is_fitted(self)
        if hasattr(self, "feature_names_in_") or input_features is not None:
            _check_feature_names_in(self, input_features)
        names = [f"{name}__{one}" if one else name for name in self.modalities_ for one in self._answer_names()]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = self.cohort is None
        return tags

    def _logits(self, X: Any) -> Tensor:
        """Return the logits ``(n, k)`` of patients, in double precision."""
        check_is_fitted(self)
        rows = self._asked(X)
        wanted = list(dict.fromkeys(rows.ids))
        data = data_of(self.model_, bare(rows.cohort), wanted)
        if len(data) < len(wanted):
            lost = sorted(set(wanted) - set(data.patients))
            raise InputError(
                f"{counted(len(lost), 'patient')} of X without a value in the columns of the model ({listed(lost)})",
                expected=f"a value of {listed(self.model_.modalities)}",
                remedy="Leave them out: nothing can be said of them.",
            )
        logits = all_logits(self.model_, data, BATCH).double()
        place = {one: row for row, one in enumerate(data.patients)}
        return logits[[place[one] for one in rows.ids]]

    def _asked(self, X: Any) -> Rows:
        X = self._checked(X, reset=False)
        return self._reading(self._columns).read(X)

    def _reading(self, known: dict[str, tuple[str, ...] | None] | None) -> Reading:
        return Reading(
            modalities=self.modalities,
            kinds={} if self.kinds is None else self.kinds,
            cohort=self.cohort,
            partial=self.partial_modalities,
            known=known,
            left={} if known is None else getattr(self, "_left", {}),  # of those that were pickled before
        )

    def _checked(self, x: Any, *, reset: bool) -> Any:
        """Return X, a plain table checked as scikit-learn checks it; the attributes ``*_in_`` are set or compared."""
        import pandas as pd

        whole = isinstance(x, Cohort | Modalities | dict) or is_container(x) or self.cohort is not None
        if reset:
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(self, name):
                    delattr(self, name)
        if whole:
            return x
        if isinstance(x, pd.DataFrame):
            if isinstance(x.columns, pd.MultiIndex) or holds_cells(x):
                if reset:
                    self.n_features_in_ = x.shape[1]
                    names = ["__".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in x.columns]
                    self.feature_names_in_ = np.array(names, dtype=object)
                return x
            validate_data(self, x, skip_check_array=True, reset=reset)
            if x.shape[1] == 0 or len(x) == 0:
                validate_data(self, x, reset=reset)  # which says what scikit-learn says
            return x
        return validate_data(self, x, reset=reset, ensure_all_finite="allow-nan", dtype="numeric")

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer) and not isinstance(self.random_state, bool):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _outcome_of(self, rows: Rows, y: Any) -> tuple[pd.DataFrame, Outcome]:
        """Return the outcome in canonical columns by patient, and what reads it as a task."""
        cohort = rows.cohort
        if y is None:
            if cohort.outcome is None or cohort.outcome_spec is None:
                raise InputError(
                    f"{type(self).__name__} requires y to be passed, but the target y is None",
                    expected="y, or a cohort with an outcome",
                )
            if cohort.outcome_spec.task != self._task:  # type: ignore[attr-defined]
                raise MismatchError(
                    f"the outcome of {cohort.name} is not of {type(self).__name__}",
                    expected=self._task,
                    got=cohort.outcome_spec.task,  # type: ignore[attr-defined]
                )
            found = cohort.outcome.loc[list(rows.ids)]
            return found, self._learn(found, cohort.outcome_spec)
        if hasattr(y, "__len__"):
            check_consistent_length(rows.ids, y)
        values, spec = self._read(y)
        return values.set_axis(_index(rows.ids), axis=0), spec

    def _read(self, y: Any) -> tuple[pd.DataFrame, Outcome]:
        """Return y in canonical columns, and what reads it as a task; what is learnt of it is kept in attributes."""
        raise NotImplementedError

    def _learn(self, outcome: pd.DataFrame, spec: Outcome) -> Outcome:
        """Keep in attributes what is learnt of an outcome; return what reads it as the parameters ask."""
        raise NotImplementedError

    def _answers(self, logits: Tensor) -> np.ndarray:
        """Return what logits ``(n, k)`` say in the units of :meth:`transform`, ``(n, j)``."""
        raise NotImplementedError

    def _answer_names(self) -> list[str]:
        """Return the names of the ``j`` answers of a modality; one alone needs none."""
        return [""]

    def _cohort_outcome(self, X: Any) -> pd.DataFrame:
        """Return the outcome of a cohort that X is, or names patients of."""
        rows = self._asked(X)
        cohort = rows.cohort
        if cohort.outcome is None:
            raise InputError(
                f"{type(self).__name__} requires y to be passed, but the target y is None",
                expected="y, or a cohort with an outcome",
            )
        return cohort.outcome.loc[list(rows.ids)]

    def _guard(self, X: Any, patients: Any) -> None:
        """Refuse patients whom the model was trained on, where it is known who they are."""
        check_is_fitted(self)
        if patients is not None:
            read = self._reading(self._columns).read(self._checked(X, reset=False), patients)
            self._seen.refuse(read)

    def _refuse_outcome(self, rows: Rows, y: Any) -> None:
        """Refuse a feature that is the outcome itself, by its name and its values."""
        name = getattr(y, "name", None)
        if not isinstance(name, str) or not hasattr(y, "to_numpy"):
            return
        for modality, frame in rows.cohort.frames.items():
            if name in frame.columns:
                outcome = y.set_axis(_index(rows.ids), axis=0).reindex(frame.index)
                if bool((frame[name].astype(object) == outcome.astype(object)).all()):
                    raise InputError(
                        f"leakage: {modality} holds the outcome {name!r}",
                        expected="features alone",
                        remedy="Drop the column from X.",
                    )


def as_array(values: Tensor) -> np.ndarray:
    """Return a tensor as an array of float64.

    Parameters
    ----------
    values
        On the CPU.

    Examples
    --------
    >>> import torch
    >>> as_array(torch.tensor([1.0])).dtype
    dtype('float64')
    """
    return values.detach().double().numpy()


def _index(ids: Any) -> Any:
    import pandas as pd

    return pd.Index(ids, dtype=object, name="patient")


def _with_outcome(rows: Rows, outcome: pd.DataFrame, spec: Outcome) -> Cohort:
    cohort = rows.cohort
    if cohort.patients != rows.ids:
        cohort = cohort.subset(list(rows.ids))
    return replace(cohort, outcome=outcome, outcome_spec=spec)
