"""Linear learners against scikit-learn, and against what can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmlego.errors import InputError, UnknownNameError
from mmlego.learners import Coxnet, Logistic, Ridge, build_learner, learner_names, learners_for
from mmlego.learners.coordinates import Columns, Coordinates
from mmlego.learners.folds import stratified_folds
from mmlego.learners.logistic import logistic_path
from mmlego.tasks import Classification, MultiLabel, Regression, Survival
from tests.learners.cases import data


@pytest.mark.parametrize(("n", "p"), [(60, 4), (30, 80), (700, 610)])
def test_logistic_paths_are_those_of_scikit_learn(n: int, p: int) -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, p))
    y = (rng.logistic(size=n) < x[:, 0] - x[:, 1]).astype(int)
    weight = rng.uniform(0.5, 1.5, n)
    weight /= weight.mean()
    turned = Coordinates.of(x) if n < 700 else Coordinates(x, None, np.square(x).mean(axis=0))  # as it is where large
    grid = np.array([1.0, 0.1])
    path = logistic_path(turned.values, y[:, None] * 1.0, weight, grid, turned.variance)
    for (w, a), penalty in zip(path, grid, strict=True):
        other = LogisticRegression(C=1 / (penalty * n), tol=1e-10, max_iter=10000).fit(x, y, weight)
        np.testing.assert_allclose(turned.back(w)[:, 0], other.coef_[0], atol=2e-5)
        np.testing.assert_allclose(a, other.intercept_, atol=2e-5)


def test_softmax_paths_are_those_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 5))
    y = np.arange(90) % 3
    x[:, 0] += y
    turned = Coordinates.of(x)
    ((w, a),) = logistic_path(turned.values, np.eye(3)[y], np.ones(90), np.array([0.02]), turned.variance)
    other = LogisticRegression(C=1 / (0.02 * 90), tol=1e-10, max_iter=10000).fit(x, y)
    np.testing.assert_allclose(turned.back(w).T, other.coef_ - other.coef_.mean(0), atol=2e-5)
    np.testing.assert_allclose(a - a.mean(), other.intercept_ - other.intercept_.mean(), atol=2e-5)


def test_ridge_takes_the_penalty_of_least_leave_one_out_error() -> None:
    from sklearn.linear_model import Ridge as Other

    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 12))
    y = x[:, 0] + 2 * rng.normal(size=40)
    weight = rng.uniform(0.5, 1.5, 40)
    weight /= weight.mean()
    learner = Ridge.fit(x, torch.from_numpy(y), Regression(), seed=0, sample_weight=weight)
    y = y.astype(np.float32).astype(float)
    columns = Columns.of(x, weight)
    z = columns.standard
    top = np.linalg.svd(np.sqrt(weight)[:, None] * z, compute_uv=False)[0] ** 2

    def error(penalty: float) -> float:  # leaving each out in turn, the mean being left as it is
        total = 0.0
        for i in range(40):
            rest = np.arange(40) != i
            model = Other(alpha=penalty).fit(z[rest], y[rest], weight[rest])
            total += weight[i] * (model.predict(z[i : i + 1])[0] - y[i]) ** 2
        return total

    grid = 10 * top * np.logspace(0, -9, 30)
    best = grid[int(np.argmin([error(penalty) for penalty in grid]))]
    expected = Other(alpha=best).fit(z, y, weight).predict((x[:5] - columns.mean) / columns.scale)
    np.testing.assert_allclose(learner(torch.from_numpy(x[:5]))[:, 0], expected, atol=1e-9)


def test_ridge_answers_in_standardised_units_each_target_by_itself() -> None:
    known = data("regression")
    both = Ridge.fit(known.x, known.target, known.task, seed=0)(torch.from_numpy(known.x))
    assert abs(float(both.mean())) < 1e-6
    alone = Regression(["a"], mean=known.task.mean[1], scale=known.task.scale[1])
    one = Ridge.fit(known.x, known.target[:, 1], alone, seed=0)(torch.from_numpy(known.x))
    torch.testing.assert_close(one[:, 0], both[:, 1])


def test_a_wide_ridge_and_a_wide_logistic_are_quick_and_find_the_column() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 3000))
    x[:, 7] *= 4
    y = x[:, 7]
    x[:, 8:60] += y[:, None]
    held = rng.normal(size=(50, 3000))
    held[:, 8:60] += 4 * rng.normal(size=(50, 1))
    ridge = Ridge.fit(x, torch.from_numpy(y), Regression.from_data(y), seed=0)
    assert np.corrcoef(ridge(torch.from_numpy(held))[:, 0], held[:, 8:60].mean(1))[0, 1] > 0.95
    logistic = Logistic.fit(x, torch.from_numpy(y > 0).long(), Classification(2), seed=0)
    raw = logistic(torch.from_numpy(held))
    assert np.corrcoef(raw[:, 1] - raw[:, 0], held[:, 8:60].mean(1))[0, 1] > 0.95


def test_the_log_odds_of_two_classes_is_the_difference() -> None:
    known = data("classification", n=2000)
    raw = Logistic.fit(known.x, known.target, known.task, seed=0)(torch.from_numpy(known.x))
    assert Classification(2).metrics(raw, known.target)["ece"] < 0.05
    slope = np.polyfit(known.x[:, 0], raw[:, 1] - raw[:, 0], 1)[0]
    assert slope == pytest.approx(1.5, abs=0.2)


def test_a_label_of_one_class_answers_its_constant_and_missing_labels_are_left_out() -> None:
    x = np.random.default_rng(0).normal(size=(50, 2))
    target = torch.ones(50, 2)
    target[:, 1] = torch.from_numpy(x[:, 0] > 0)
    target[40:, 1] = float("nan")
    raw = Logistic.fit(x, target, MultiLabel(2), seed=0)(torch.from_numpy(x))
    torch.testing.assert_close(raw[:, 0], torch.full((50,), np.log(50.5 / 0.5), dtype=torch.float64))
    known = Logistic.fit(x[:40], target[:40, 1].long(), Classification(2), seed=0)(torch.from_numpy(x))
    torch.testing.assert_close(raw[:, 1], known[:, 1] - known[:, 0])


def test_nothing_to_learn_is_refused() -> None:
    x = np.random.default_rng(0).normal(size=(10, 2))
    with pytest.raises(InputError, match=r"two classes among the patients.*all of class 1"):
        Logistic.fit(x, torch.ones(10), Classification(2), seed=0)
    with pytest.raises(InputError, match="a known label"):
        Logistic.fit(x, torch.full((10, 2), float("nan")), MultiLabel(2), seed=0)
    with pytest.raises(InputError, match=r"an event among the patients.*all censored"):
        Coxnet.fit(x, Survival.target([0] * 10, range(1, 11)), Survival([1.0]), seed=0)


def test_names_and_sizes_that_are_unknown() -> None:
    with pytest.raises(UnknownNameError, match=r"one of .*coxnet.*got 'coxnte'. Did you mean 'coxnet'"):
        build_learner("coxnte", {})
    with pytest.raises(InputError, match="wrong arguments for learner 'ridge'"):
        build_learner("ridge", {"in_features": 2})
    assert set(learners_for(Regression())) <= set(learner_names())


@pytest.mark.parametrize("n", [3, 10, 23])
def test_folds_share_strata_out(n: int) -> None:
    strata = np.arange(n) % 2
    fold = stratified_folds(strata, 5, seed=1)
    for group in (fold, fold[strata == 0], fold[strata == 1]):
        counts = np.bincount(group, minlength=min(5, n))
        assert counts.max() - counts.min() <= 1
    assert (fold != stratified_folds(strata, 5, seed=2)).any() or n == 3


def test_penalties_are_scaled_by_the_widest_direction_turned_or_not() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 30)) + 3 * rng.normal(size=(80, 1))
    turned, plain = Coordinates.of(x), Coordinates(x, None, np.square(x).mean(axis=0))
    assert plain.largest() == pytest.approx(np.linalg.eigvalsh(x.T @ x / 80)[-1], rel=1e-6)
    assert turned.largest() == pytest.approx(plain.largest(), rel=1e-6)
    assert Coordinates.of(np.zeros((5, 0))).largest() == 0
