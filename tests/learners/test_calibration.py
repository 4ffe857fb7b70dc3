"""Scores become logits by a map fitted on patients whom the model has not seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmlego import ShapeError
from mmlego.learners.calibration import Scale, believed_slope, calibrated_map, identity_map
from mmlego.tasks import Classification, MultiLabel, Regression, Survival, Task
from mmlego.tasks.prior import prior_logits


def mapped(task: Task, raw: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The map of raw scores, which have a scale of their own."""
    scale = Scale.of(task, raw)
    slope, offset = calibrated_map(task, scale.apply(raw), y, prior_logits(task, y))
    slope = slope / scale.spread
    return slope, offset - slope @ scale.centre


def test_what_is_believed_of_a_slope_is_the_mean_of_its_posterior() -> None:
    for estimate, error in ((0.3, 0.1), (0.05, 0.2), (-0.1, 0.15), (1.2, 0.4)):
        grid = np.linspace(0, 6, 600_001)
        slab = np.exp(-0.5 * ((estimate - grid) / error) ** 2) * 2 * np.exp(-0.5 * (grid / 0.5) ** 2) / 0.5
        spike = np.exp(-0.5 * (estimate / error) ** 2)
        step = grid[1] - grid[0]
        mass = slab.sum() * step / np.sqrt(2 * np.pi)
        wanted = (slab * grid).sum() * step / np.sqrt(2 * np.pi) / (mass + spike)
        assert believed_slope(estimate, error, useless=0.5) == pytest.approx(wanted, rel=1e-3)
    assert believed_slope(0.4, 1e-6) == pytest.approx(0.4, abs=1e-6)
    assert believed_slope(-40.0, 0.1) < 1e-3
    assert believed_slope(0.4, 0.1, useless=0.0) > believed_slope(0.4, 0.1)
    assert believed_slope(0.4, 0.1, useless=1.0) == 0.0


def test_the_scale_of_a_model_is_that_of_its_log_odds() -> None:
    z = torch.tensor([-3.0, 0.0, 3.0])
    scale = Scale.of(Classification(2), torch.stack([-z / 2, z / 2], 1))
    assert scale.spread.tolist() == pytest.approx([float(z.std(correction=0))] * 2)
    still = Scale.of(Survival([1.0]), torch.ones(4, 1))
    assert still.apply(torch.ones(2, 1)).tolist() == [[0.0], [0.0]]


def test_log_odds_that_are_three_times_too_sure_are_divided_by_three() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=20_000)
    y = torch.from_numpy((rng.random(20_000) < 1 / (1 + np.exp(-z))).astype(np.int64))
    raw = torch.from_numpy(np.stack([-1.5 * z, 1.5 * z], 1))  # their difference is 3 z
    task = Classification(2)
    slope, offset = mapped(task, raw, y)
    assert torch.allclose(slope, slope[0, 0] * torch.eye(2, dtype=torch.float64))
    assert float(slope[0, 0]) == pytest.approx(1 / 3, rel=0.04)
    assert abs(float(offset[1] - offset[0])) < 0.05


def test_the_slope_of_a_risk_is_that_of_the_discrete_odds_that_made_the_times() -> None:
    rng = np.random.default_rng(1)
    n, beta, base = 20_000, 0.8, np.array([-1.5, -1.0, -0.5])
    risk = rng.normal(size=n)
    time = np.full(n, 3.5)
    for j in (2, 1, 0):  # the earliest event wins
        time = np.where(rng.random(n) < 1 / (1 + np.exp(-(base[j] + beta * risk))), j + 0.5, time)
    event = time < 3
    task = Survival([1.0, 2.0, 3.0])
    target = torch.from_numpy(np.stack([event, np.where(event, time, 2.99)], 1)).float()
    slope, offset = mapped(task, torch.from_numpy(risk)[:, None], target)
    assert slope.shape == (4, 1)
    assert float(slope[0, 0]) == pytest.approx(beta, rel=0.06)
    assert offset[:3].tolist() == pytest.approx(base.tolist(), abs=0.08)


@pytest.mark.parametrize("misleading", [0.0, 0.7])
def test_a_score_that_is_worth_nothing_or_less_gets_no_weight(misleading: float) -> None:
    rng = np.random.default_rng(2)
    y = torch.from_numpy(rng.integers(0, 2, 2000))
    noise = rng.normal(size=2000) - misleading * (y.numpy() - 0.5)
    raw = torch.from_numpy(np.stack([-noise, noise], 1))
    task = Classification(2)
    slope, offset = mapped(task, raw, y)
    assert 0 <= float(slope[0, 0]) < 0.06
    middle = offset + slope @ raw.mean(0)
    assert torch.allclose(middle.softmax(0), prior_logits(task, y).double().softmax(0), atol=0.02)


def test_each_label_has_a_factor_of_its_own_and_unknown_ones_are_left_out() -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(size=(8000, 2))
    y = torch.from_numpy((rng.random((8000, 2)) < 1 / (1 + np.exp(-z))).astype(float)).float()
    y[:4000, 1] = float("nan")
    raw = torch.from_numpy(z * [1.0, 2.0])
    task = MultiLabel(2)
    slope, _ = mapped(task, raw, y)
    assert slope.diagonal().tolist() == pytest.approx([1.0, 0.5], rel=0.08)


def test_numbers_are_shrunk_as_far_as_they_say_too_much() -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(size=5000)
    task = Regression(mean=10.0, scale=2.0)
    y = torch.from_numpy(10 + 2 * (0.5 * z + 0.3 * rng.normal(size=5000))).float()[:, None]
    slope, offset = mapped(task, torch.from_numpy(z)[:, None], y)
    assert float(slope[0, 0]) == pytest.approx(0.5, abs=0.03)
    assert abs(float(offset[0])) < 0.03


def test_scores_that_are_logits_stay_as_they_are_and_a_risk_is_none() -> None:
    slope, offset = identity_map(Classification(3), 3)
    assert torch.equal(slope, torch.eye(3, dtype=torch.float64))
    assert not bool(offset.any())
    with pytest.raises(ShapeError):
        identity_map(Classification(3), 2)
    with pytest.raises(ShapeError, match="no logits"):
        identity_map(Survival([1.0, 2.0]), 1)
