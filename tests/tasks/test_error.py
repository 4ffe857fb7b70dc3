"""Standard errors of scores, against what scores scatter by."""

from __future__ import annotations

import math

import pytest
import torch

from mmlego.tasks import Classification, CompetingRisks, MultiLabel, Regression, Survival, Task
from mmlego.tasks.error import standard_error


def scatter(task: Task, make: object, repeats: int = 300) -> tuple[float, float]:
    """Return the standard deviation of a score over samples, and the mean of the errors that are told of it."""
    scores, errors = [], []
    for seed in range(repeats):
        logits, target = make(torch.Generator().manual_seed(seed))  # type: ignore[operator]
        score = task.metrics(logits, target)[task.primary_metric]
        scores.append(score)
        errors.append(standard_error(task, score, target))
    return float(torch.tensor(scores).std()), sum(errors) / len(errors)


def test_of_an_area_under_the_curve() -> None:
    def make(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        target = (torch.arange(80) < 20).long()
        score = torch.randn(80, generator=generator) + target
        return torch.stack([-score, score], 1), target

    measured, told = scatter(Classification(2), make)
    assert told == pytest.approx(measured, rel=0.25)


def test_of_r2() -> None:
    def make(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.randn(100, generator=generator)
        return x[:, None], x + torch.randn(100, generator=generator)

    measured, told = scatter(Regression(), make)
    assert told == pytest.approx(measured, rel=0.35)  # its formula is for fitted predictions


def test_by_hand() -> None:
    # Hanley and McNeil: θ = 0.8, 20 yes, 30 no.
    q1, q2 = 0.8 / 1.2, 2 * 0.64 / 1.8
    expected = math.sqrt((0.8 * 0.2 + 19 * (q1 - 0.64) + 29 * (q2 - 0.64)) / 600)
    survival = Survival.target(event=[1] * 20 + [0] * 30, time=[1.0] * 50)
    labels = torch.tensor([[1.0, math.nan]] * 20 + [[0.0, math.nan]] * 30)
    for task, target in (
        (Survival([1.0, 2.0]), survival),
        (MultiLabel(["a", "b"]), labels),
    ):
        assert standard_error(task, 0.8, target) == pytest.approx(expected)
    # Of two classes each is once the yes and once the no: the mean of both variances.
    other = (0.8 * 0.2 + 29 * (q1 - 0.64) + 19 * (q2 - 0.64)) / 600
    both = standard_error(Classification(2), 0.8, torch.tensor([1] * 20 + [0] * 30))
    assert both == pytest.approx(math.sqrt((expected**2 + other) / 2))


def test_of_few_targets_by_hand() -> None:
    """Olkin and Finn (1995): 4 R² (1 − R²)² (n − 2)² / ((n² − 1) (n + 3)), with one predictor."""
    assert standard_error(Regression(), 0.5, torch.arange(10.0)) == pytest.approx(math.sqrt(0.5 * 64 / (99 * 13)))
    assert standard_error(Regression(), 0.5, torch.arange(3.0)) == pytest.approx(math.sqrt(0.5 / (8 * 6)))
    for beyond, bound in ((-2.0, 0.05), (0.0, 0.05), (1.0, 0.95)):  # where the formula knows no error
        expected = math.sqrt(4 * bound * (1 - bound) ** 2 * 64 / (99 * 13))
        assert standard_error(Regression(), beyond, torch.arange(10.0)) == pytest.approx(expected)


def test_events_in_the_majority_compare_with_each_other() -> None:
    q1, q2 = 0.8 / 1.2, 2 * 0.64 / 1.8
    expected = math.sqrt((0.8 * 0.2 + 29 * (q1 - 0.64) + 29 * (q2 - 0.64)) / 900)
    target = Survival.target(event=[1] * 30 + [0] * 20, time=[1.0] * 50)
    assert standard_error(Survival([1.0, 2.0]), 0.8, target) == pytest.approx(expected)
    causes = CompetingRisks([1.0, 2.0], ["relapse", "death"])  # nobody dies
    assert standard_error(causes, 0.8, target) == pytest.approx(expected)


def test_more_patients_mean_less_error_and_one_class_none_at_all() -> None:
    task = Classification(2)
    few, many = (standard_error(task, 0.7, torch.tensor([0, 1] * n)) for n in (10, 1000))
    assert many < few / 5
    assert math.isnan(standard_error(task, 0.5, torch.zeros(9, dtype=torch.long)))
    assert math.isnan(standard_error(Regression(), 0.5, torch.zeros(2)))
    assert standard_error(task, 1.0, torch.tensor([0, 1])) > 0
