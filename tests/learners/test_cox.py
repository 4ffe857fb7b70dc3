"""The partial likelihood by hand, Cox paths against scikit-survival."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sksurv.linear_model import CoxnetSurvivalAnalysis, CoxPHSurvivalAnalysis
from sksurv.util import Surv

from mmlego.errors import InputError
from mmlego.learners import Coxnet, coxnet
from mmlego.learners.coordinates import Columns, Coordinates
from mmlego.learners.cox import PartialLikelihood
from mmlego.learners.cox_paths import net_path, net_penalties, ridge_path
from mmlego.tasks import Survival
from tests.learners.cases import data, score


def cohort(n: int, p: int, *, ties: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    time = 10 * rng.exponential(np.exp(-x[:, 0] + x[:, 1] / 2))
    event = (rng.random(n) < 0.6) * 1.0
    return Columns.of(x, np.ones(n)).standard, event, np.ceil(time) if ties else time


def test_the_partial_likelihood_is_the_sum_over_events_of_shares_at_risk() -> None:
    rng = np.random.default_rng(0)
    event, time = np.array([1, 0, 1, 1, 0, 1.0]), np.array([2, 2, 1, 2, 3, 4.0])
    weight, eta = rng.uniform(0.5, 2, 6), rng.normal(size=6)

    def by_hand(eta: np.ndarray) -> float:
        total = 0.0
        for i in range(6):
            if event[i]:
                total += weight[i] * (
                    eta[i] - np.log(sum(weight[j] * np.exp(eta[j]) for j in range(6) if time[j] >= time[i]))
                )
        return total

    likelihood = PartialLikelihood(event, time, weight)
    value, gradient, diagonal = likelihood(eta)
    assert value == pytest.approx(by_hand(eta))
    assert likelihood.value(eta) == pytest.approx(value)
    steps = np.eye(6) * 1e-5
    np.testing.assert_allclose(gradient, [(by_hand(eta + s) - by_hand(eta - s)) / 2e-5 for s in steps], atol=1e-8)
    hessian = np.empty((6, 6))
    for i, j in itertools.product(range(6), range(6)):
        s, t = steps[i] * 10, steps[j] * 10
        hessian[i, j] = (
            by_hand(eta + s + t) - by_hand(eta + s - t) - by_hand(eta - s + t) + by_hand(eta - s - t)
        ) / 4e-8
    assert np.linalg.eigvalsh(np.diag(diagonal) + hessian).min() > -1e-4


def test_far_risks_neither_overflow_nor_vanish() -> None:
    likelihood = PartialLikelihood(np.ones(3), np.arange(3.0), np.ones(3))
    value, gradient, _ = likelihood(np.array([900.0, 0.0, -900.0]))
    assert value == pytest.approx(0.0)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-9)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0])
@pytest.mark.parametrize(("n", "p"), [(120, 30), (40, 90)])
def test_nets_are_those_of_scikit_survival(n: int, p: int, ratio: float, ties: bool) -> None:
    x, event, time = cohort(n, p, ties=ties)
    likelihood = PartialLikelihood(event, time, np.ones(n))
    grid = net_penalties(likelihood, x, ratio, 8)[: 8 if n > p else 5]  # further on patients are told apart completely
    ours = net_path(likelihood, x, ratio, grid, tolerance=1e-12)
    other = CoxnetSurvivalAnalysis(l1_ratio=ratio, alphas=grid, tol=1e-12, max_iter=1_000_000)
    np.testing.assert_allclose(ours, other.fit(x, Surv.from_arrays(event, time)).coef_, atol=5e-4)
    usual = net_path(likelihood, x, ratio, grid)
    np.testing.assert_allclose(x @ usual, x @ ours, atol=0.15)
    assert (ours[:, 0] == 0).all()  # the largest penalty leaves nothing,
    assert (net_path(likelihood, x, ratio, grid[:1] * 0.98, 1e-14) != 0).sum() == 1  # a little less the first column


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("n", "p"), [(120, 30), (40, 90)])
def test_ridges_are_those_of_scikit_survival(n: int, p: int, ties: bool) -> None:
    x, event, time = cohort(n, p, ties=ties)
    turned = Coordinates.of(x)
    grid = np.array([3.0, 0.3, 0.03])
    ours = turned.back(ridge_path(PartialLikelihood(event, time, np.ones(n)), turned, grid))
    for column, penalty in zip(ours.T, grid, strict=True):
        other = CoxPHSurvivalAnalysis(alpha=penalty * n, ties="breslow", tol=1e-14)
        np.testing.assert_allclose(column, other.fit(x, Surv.from_arrays(event, time)).coef_, atol=4e-5)


def test_weights_are_patients_told_twice() -> None:
    x, event, time = cohort(60, 5, ties=True)
    twice = np.r_[0:60, 0:20]
    weight = np.r_[np.full(20, 2.0), np.ones(40)]
    grid = np.array([0.1, 0.01])
    once = net_path(PartialLikelihood(event, time, weight), x, 0.5, grid * 80 / 60, 1e-12)
    again = net_path(PartialLikelihood(event[twice], time[twice], np.ones(80)), x[twice], 0.5, grid, 1e-12)
    np.testing.assert_allclose(once, again, atol=1e-4)


def test_the_penalty_is_the_one_of_the_best_cross_validated_likelihood() -> None:
    """Few weak columns among noise: the net drops the noise, and no penalty of the path does better by a margin."""
    known, held = data("survival", n=150, columns=120), data("survival", n=600, columns=120, seed=1)
    net = Coxnet.fit(known.x, known.target, known.task, seed=0, l1_ratios=[0.95])
    assert 2 <= int((net.weight != 0).sum()) < 60
    assert score(net(torch.from_numpy(held.x)), held) > 0.75
    ridge = Coxnet.fit(known.x, known.target, known.task, seed=0, l1_ratios=[0.0])
    assert int((ridge.weight != 0).sum()) == 120
    both = Coxnet.fit(known.x, known.target, known.task, seed=0, l1_ratios=[0.0, 0.95])
    assert torch.equal(both.weight, net.weight)
    by_index = Coxnet.fit(known.x, known.target, known.task, seed=0, criterion="c_index", penalties=6)
    assert score(by_index(torch.from_numpy(held.x)), held) > 0.72


def test_columns_of_large_variance_are_kept_where_they_differ() -> None:
    known = data("survival", n=100, columns=30)
    x = known.x * np.linspace(9, 1, 30)
    net = Coxnet.fit(x, known.target, known.task, seed=0, columns=4, l1_ratios=[0.0])
    assert net.weight[:, 0].nonzero()[:, 0].tolist() == np.sort(np.argsort(-x.var(0))[:4]).tolist()
    same = (x - x.mean(0)) / x.std(0)
    with pytest.raises(InputError, match="variances do not tell which 4 columns"):
        Coxnet.fit(same, known.target, known.task, seed=0, columns=4)
    Coxnet.fit(same, known.target, known.task, seed=0, columns=30, penalties=3)


@pytest.mark.parametrize("options", [{"l1_ratios": [-1]}, {"l1_ratios": []}, {"criterion": "auc"}, {"columns": 0}])
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    known = data("survival", n=40)
    with pytest.raises(InputError, match=r"coxnet|columns"):
        Coxnet.fit(known.x, known.target, known.task, seed=0, **options)


@pytest.mark.parametrize("signal", [0.0, 1.0, 5.0])
def test_a_ridge_that_is_left_early_is_the_one_of_the_whole_path(
    signal: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(90, 40))
    task = Survival([1.0])
    target = task.target((rng.random(90) < 0.7) * 1.0, rng.exponential(np.exp(-signal * x[:, 0])))
    taken: list[int] = []
    steps = coxnet.ridge_steps

    def counted(likelihood: PartialLikelihood, turned: Coordinates, grid: np.ndarray) -> Iterator[np.ndarray]:
        for weights in steps(likelihood, turned, grid):
            taken.append(1)
            yield weights

    monkeypatch.setattr(coxnet, "ridge_steps", counted)
    early = Coxnet.fit(x, target, task, seed=0, l1_ratios=0.0)
    few = len(taken)
    monkeypatch.setattr(coxnet, "FALLEN", 1000)
    whole = Coxnet.fit(x, target, task, seed=0, l1_ratios=0.0)
    assert torch.equal(early.weight, whole.weight)
    assert few < len(taken) - few == 5 * 25
