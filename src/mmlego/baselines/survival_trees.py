"""Trees for survival, of scikit-survival: it is under the GPL, so that nothing else imports it, and here at need."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from mmlego.baselines.base import Answer, Baseline, Filled, events_in, risk_of
from mmlego.baselines.registry import EXTRA, register_baseline
from mmlego.extras import import_extra
from mmlego.tasks import Task


def structured(target: Tensor) -> np.ndarray:
    """Return events and times ``(n, 2)`` as scikit-survival takes them."""
    outcome = target.double().numpy()
    return np.array([(event == 1, time) for event, time in outcome], dtype=[("event", "?"), ("time", "<f8")])


class _Grown(Baseline):
    tasks: ClassVar[tuple[str, ...]] = ("survival",)

    def estimator(self, seed: int) -> Any:
        """Return an unfitted estimator."""
        raise NotImplementedError

    def _fit(self, x: np.ndarray, target: Tensor, task: Task, seed: int) -> Answer:
        if events_in(target) < 1:
            return risk_of
        prepare = Filled(x)
        model = self.estimator(seed).fit(prepare(x), structured(target))
        return lambda asked: np.asarray(model.predict(prepare(asked)), dtype=np.float64)[:, None]


@register_baseline("survival forest", "sksurv")
class SurvivalForest(_Grown):
    """The random survival forest (Ishwaran et al. 2008) of scikit-survival: 300 trees."""

    def estimator(self, seed: int) -> Any:
        """Return it."""
        ensemble = import_extra("sksurv.ensemble", "the rival 'survival forest'", EXTRA)
        return ensemble.RandomSurvivalForest(
            300,
            min_samples_split=10,
            min_samples_leaf=5,
            max_features="sqrt",
            low_memory=True,
            random_state=seed,
            n_jobs=1,
        )


@register_baseline("survival boosting", "sksurv")
class SurvivalBoosting(_Grown):
    """Gradient boosting of the partial likelihood by scikit-survival: 300 rounds of trees of depth 3."""

    def estimator(self, seed: int) -> Any:
        """Return it."""
        ensemble = import_extra("sksurv.ensemble", "the rival 'survival boosting'", EXTRA)
        return ensemble.GradientBoostingSurvivalAnalysis(
            n_estimators=300,
            learning_rate=0.05,
            max_depth=3,
            subsample=0.5,
            max_features="sqrt",
            min_samples_leaf=5,
            random_state=seed,
        )
