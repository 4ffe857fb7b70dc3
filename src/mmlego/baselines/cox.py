"""Cox nets of scikit-survival, which is under the GPL: imported at need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np
from torch import Tensor

from mmlego.baselines.base import Answer, Baseline, Components, Filled, events_in, risk_of
from mmlego.baselines.linear import COMPONENTS, FOLDS
from mmlego.baselines.registry import EXTRA, register_baseline
from mmlego.baselines.survival_trees import structured
from mmlego.extras import import_extra
from mmlego.tasks import Task

RATIOS = (0.05, 0.5, 0.95)  # shares of L1
PENALTIES = 30
SMALLEST = (1e-3, 1e-2, 3e-2, 0.1, 0.3)  # penalty, as a share of the largest: too small a one overflows
Fold: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
NARROW = 50  # columns, below which the first of these is tried


@register_baseline("Cox net", "sksurv")
class CoxNet(Baseline):
    """Cox regression with an elastic net; penalty and share of L1 have the best mean c-index of five inner folds."""

    tasks: ClassVar[tuple[str, ...]] = ("survival",)

    def prepared(self, x: np.ndarray) -> Answer:
        """Return what rows become: without gaps, standardised."""
        return Filled(x)

    def _fit(self, x: np.ndarray, target: Tensor, task: Task, seed: int) -> Answer:
        if events_in(target) < 2:
            return risk_of
        prepare, y = self.prepared(x), structured(target)
        rows = prepare(x)
        folds = self._folds(x, y, seed)
        best, weights = -np.inf, np.zeros(rows.shape[1])
        for ratio in RATIOS:
            found = _path(rows, y, ratio)
            if found is None:
                continue
            penalties, path = found
            score = np.mean([_of_fold(fold, ratio, penalties) for fold in folds], axis=0)
            at = int(score.argmax())
            if score[at] > best:
                best, weights = score[at], path[:, at]
        return lambda asked: (prepare(asked) @ weights)[:, None]

    def _folds(self, x: np.ndarray, y: np.ndarray, seed: int) -> list[Fold]:
        """Return rows and outcomes of each fold, to fit to and to judge by; all is learnt of the former alone."""
        from sklearn.model_selection import StratifiedKFold

        fewest = min(int(y["event"].sum()), int((~y["event"]).sum()))
        folds = StratifiedKFold(max(2, min(FOLDS, fewest)), shuffle=True, random_state=seed)
        made: list[Fold] = []
        for fit, judge in folds.split(x, y["event"]):
            prepare = self.prepared(x[fit])
            made.append((prepare(x[fit]), y[fit], prepare(x[judge]), y[judge]))
        return made


def _net(ratio: float, more: Mapping[str, Any]) -> Any:
    linear = import_extra("sksurv.linear_model", "the rival 'Cox net'", EXTRA)
    return linear.CoxnetSurvivalAnalysis(l1_ratio=ratio, max_iter=20_000, tol=1e-6, **more)


def _path(rows: np.ndarray, y: np.ndarray, ratio: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return penalties and weights ``(p, penalties)``; None where every path overflows."""
    for smallest in SMALLEST[rows.shape[1] >= NARROW :]:
        try:
            net = _net(ratio, {"n_alphas": PENALTIES, "alpha_min_ratio": smallest}).fit(rows, y)
        except (ArithmeticError, ValueError):
            continue
        return net.alphas_, net.coef_
    return None


def _of_fold(fold: Fold, ratio: float, penalties: np.ndarray) -> np.ndarray:
    """Return the c-index at each penalty, 0 where there is none: a penalty has to work in every fold."""
    rows, y, asked, truth = fold
    metrics = import_extra("sksurv.metrics", "the rival 'Cox net'", EXTRA)
    score, count = np.zeros(len(penalties)), len(penalties)
    while count > 2:
        try:
            risks = asked @ _net(ratio, {"alphas": penalties[:count]}).fit(rows, y).coef_
            score[: risks.shape[1]] = [
                metrics.concordance_index_censored(truth["event"], truth["time"], risk)[0] for risk in risks.T
            ]
            break
        except (ArithmeticError, ValueError):  # overflow, no event, no pair to compare
            count = int(0.8 * count)
    return score


@register_baseline("PCA, Cox net", "sksurv")
class ComponentsCox(CoxNet):
    """The same on the first 32 principal components."""

    def prepared(self, x: np.ndarray) -> Answer:
        """Return what rows become: components."""
        return Components(x, COMPONENTS)
