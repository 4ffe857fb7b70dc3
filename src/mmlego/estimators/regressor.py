"""A regressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array
from torch import Tensor

from mmlego.data.cohort.outcomes import Outcome
from mmlego.data.cohort.outcomes.regression import RegressionOutcome
from mmlego.data.cohort.splitting import Duplicates
from mmlego.errors import InputError
from mmlego.estimators.base import LegoEstimator, as_array
from mmlego.estimators.inputs import Columns, Kinds
from mmlego.estimators.wishes import Blocks, Overrides, Weights
from mmlego.tasks import Regression

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data import Cohort


class LegoRegressor(RegressorMixin, LegoEstimator):  # type: ignore[misc]
    """One or more numbers, by blocks that are trained apart, merged and fused.

    Parameters
    ----------
    blocks, fuse, weights, validation, partial_modalities, modalities, kinds, cohort, duplicates, settings, random_state
        As :class:`LegoClassifier` takes them.

    Attributes
    ----------
    model_, merge_, fuse_, blocks_, modalities_, n_patients_, n_features_in_, feature_names_in_
        As :class:`LegoClassifier` has them.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(40, 3))
    >>> model = LegoRegressor("ridge").fit(X, X[:, 0] + 5)
    >>> bool(model.score(X, X[:, 0] + 5) > 0.9), model.predict(X[:2]).shape
    (True, (2,))
    """

    _task: ClassVar[str] = "regression"

    def __init__(
        self,
        blocks: Blocks = "auto",
        *,
        fuse: bool = True,
        weights: Weights = "auto",
        validation: float = 0.2,
        partial_modalities: bool = True,
        modalities: Columns | None = None,
        kinds: Kinds | None = None,
        cohort: Cohort | None = None,
        duplicates: Duplicates = "error",
        settings: Overrides = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        super().__init__(
            blocks,
            fuse=fuse,
            weights=weights,
            validation=validation,
            partial_modalities=partial_modalities,
            modalities=modalities,
            kinds=kinds,
            cohort=cohort,
            duplicates=duplicates,
            settings=settings,
            random_state=random_state,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X: Any) -> np.ndarray:
        """Return the numbers ``(n,)``, of several targets ``(n, k)``, in their units.

        Parameters
        ----------
        X
            Patients.
        """
        values = self._answers(self._logits(X))
        return values[:, 0] if self._flat else values

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, *, patients: Any = None) -> float:
        """Return R², the mean of several targets.

        Parameters
        ----------
        X
            Patients.
        y
            Their numbers; None: as the cohort says.
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
            y = self._cohort_outcome(X)[list(cast(Regression, self.model_.task).targets)].to_numpy()
            y = y[:, 0] if self._flat else y
        return float(r2_score(y, self.predict(X), sample_weight=sample_weight))

    def _read(self, y: Any) -> tuple[pd.DataFrame, Outcome]:
        import pandas as pd

        if y is None:
            raise InputError("y", expected="numbers", got="None")
        names = getattr(y, "columns", None)
        values = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
        if values.ndim > 2 or values.ndim == 0:
            raise InputError("y of a regressor", expected="(n,) or (n, k)", got=values.shape)
        self._flat = values.ndim == 1
        table = values.reshape(len(values), -1).astype(np.float64)
        columns = [f"y{i}" for i in range(table.shape[1])] if names is None else [str(name) for name in names]
        if names is None and table.shape[1] == 1:
            columns = [str(getattr(y, "name", None) or "y")]
        return pd.DataFrame(table, columns=columns), RegressionOutcome(task="regression", target=columns)

    def _learn(self, outcome: pd.DataFrame, spec: Outcome) -> Outcome:
        self._flat = outcome.shape[1] == 1
        return spec

    def _answers(self, logits: Tensor) -> np.ndarray:
        return as_array(cast(Regression, self.model_.task).predict(logits).values)

    def _answer_names(self) -> list[str]:
        targets = cast(Regression, self.model_.task).targets
        return [""] if len(targets) == 1 else list(targets)
