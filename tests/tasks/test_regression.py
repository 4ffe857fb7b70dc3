"""Regression; scores against scikit-learn and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as reference

from mmlego.errors import LegoWarning
from mmlego.tasks import Regression


def expected_scores(value: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    return {
        "r2": reference.r2_score(truth, value),
        "rmse": reference.root_mean_squared_error(truth, value),
        "mae": reference.mean_absolute_error(truth, value),
        "pearson": np.mean([stats.pearsonr(v, t)[0] for v, t in zip(value.T, truth.T, strict=True)]),
        "spearman": np.mean([stats.spearmanr(v, t)[0] for v, t in zip(value.T, truth.T, strict=True)]),
    }


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e6])
@pytest.mark.parametrize("ties", [False, True], ids=["no ties", "ties"])
def test_scores_in_any_unit(unit: float, ties: bool) -> None:
    """torchmetrics' r2 takes a sum of squares below 1e-4 for zero; in small units it would say 1."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 1))
    logits = truth + rng.normal(size=(200, 1))
    if ties:
        truth, logits = np.round(truth), np.round(logits)
    truth = (truth * unit).astype(np.float32).astype(np.float64)
    scores = Regression(scale=unit).metrics(torch.tensor(logits), truth)
    assert scores == pytest.approx(expected_scores(logits * unit, truth), rel=1e-6)


def test_a_large_mean_costs_no_precision() -> None:
    rng = np.random.default_rng(1)
    truth = np.round(1e6 + 10 * rng.normal(size=(100, 1)))
    logits = rng.normal(size=(100, 1))
    scores = Regression(mean=1e6, scale=10.0).metrics(torch.tensor(logits), truth)
    assert scores == pytest.approx(expected_scores(1e6 + 10 * logits, truth), rel=1e-8)


def test_several_targets() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(60, 2)).astype(np.float32).astype(np.float64)
    logits = truth + rng.normal(size=(60, 2)) * [0.1, 2.0]
    scores = Regression(["x", "y"]).metrics(torch.tensor(logits), truth)
    expected = expected_scores(logits, truth)
    each = reference.r2_score(truth, logits, multioutput="raw_values")
    assert scores == pytest.approx(expected | {"r2/x": each[0], "r2/y": each[1]}, rel=1e-6)


def test_constant_target() -> None:
    task = Regression()
    with pytest.warns(LegoWarning, match="r2, pearson and spearman are undefined: constant target target_0"):
        scores = task.metrics(torch.randn(4, 1), torch.ones(4))
    assert all(math.isnan(scores[key]) for key in ("r2", "pearson", "spearman"))
    assert scores["mae"] > 0
    with pytest.warns(LegoWarning, match="constant target"):
        assert math.isnan(task.metrics(torch.randn(1, 1), torch.ones(1))["r2"])


def test_one_constant_target_among_several_is_left_out() -> None:
    truth = torch.tensor([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    with pytest.warns(LegoWarning, match="constant target x"):
        scores = Regression(["x", "y"]).metrics(truth, truth)
    assert scores["r2"] == 1.0
    assert math.isnan(scores["r2/x"])


def test_constant_prediction() -> None:
    with pytest.warns(LegoWarning, match="pearson and spearman are undefined: constant prediction of target_0"):
        scores = Regression().metrics(torch.zeros(3, 1), torch.tensor([-1.0, 0.0, 1.0]))
    assert scores["r2"] == 0.0  # what the mean of the target gives: chance
    assert math.isnan(scores["pearson"])


def test_loss_and_prediction_by_hand() -> None:
    task = Regression(["x", "y"], mean=[10.0, 0.0], scale=[2.0, 1.0])
    logits = torch.tensor([[1.0, 3.0]])
    torch.testing.assert_close(task.predict(logits).values, torch.tensor([[12.0, 3.0]]))
    loss = task.loss(logits, torch.tensor([[14.0, 1.0]]))  # standardised target: 2 and 1
    torch.testing.assert_close(loss, torch.tensor((1.0 + 4.0) / 2))


def test_from_data_standardises() -> None:
    rng = np.random.default_rng(3)
    y = rng.normal(size=(50, 2)) * [3.0, 0.1] + [100.0, -5.0]
    task = Regression.from_data(y, ["x", "y"])
    np.testing.assert_allclose(task.mean, y.mean(0))
    np.testing.assert_allclose(task.scale, y.std(0))
    # the mean of the target is logit 0, and costs a loss of 1
    assert float(task.loss(torch.zeros(50, 2), y)) == pytest.approx(1.0, abs=1e-4)
    assert Regression.from_data(y).targets == ("target_0", "target_1")


def test_from_data_with_a_constant_target() -> None:
    with pytest.warns(LegoWarning, match="Constant target, its scale is taken as 1: target_1"):
        task = Regression.from_data([[1.0, 0.1], [3.0, 0.1]])
    assert task.scale == (1.0, 1.0)


def test_flat_and_column_targets_are_the_same() -> None:
    task, logits = Regression(), torch.randn(4, 1)
    flat = torch.randn(4)
    torch.testing.assert_close(task.loss(logits, flat), task.loss(logits, flat[:, None]))
    torch.testing.assert_close(task.sample_loss(logits, flat), task.sample_loss(logits, flat[:, None]))


def test_strata_are_fifths() -> None:
    strata = Regression().strata(torch.randn(100))
    assert strata.bincount().tolist() == [20] * 5


def test_frame() -> None:
    frame = Regression(["age"], mean=50.0).predict(torch.tensor([[1.0]])).frame(["p"])
    assert frame.loc["p", "age"] == 51.0
