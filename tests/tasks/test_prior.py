"""The prior of a task: what constant logits say best, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from mmlego.tasks import Classification, MultiLabel, Regression, Survival
from mmlego.tasks.prior import prior_logits


def test_of_classes_the_prior_is_their_frequency() -> None:
    prior = prior_logits(Classification(3), torch.tensor([0] * 5 + [1] * 3 + [2] * 2))
    torch.testing.assert_close(prior.softmax(0), torch.tensor([0.5, 0.3, 0.2]), atol=1e-4, rtol=0)


def test_weights_count_as_in_training() -> None:
    task, target = Classification(2), torch.tensor([0, 0, 0, 1])
    prior = prior_logits(task, target, task.balanced_weights(target))
    torch.testing.assert_close(prior.softmax(0), torch.tensor([0.5, 0.5]), atol=1e-4, rtol=0)


def test_of_labels_only_answers_count() -> None:
    target = torch.tensor([[1.0, 0.0], [1.0, math.nan], [0.0, 1.0], [math.nan, 0.0]])
    prior = prior_logits(MultiLabel(["a", "b"]), target)
    torch.testing.assert_close(prior.sigmoid(), torch.tensor([2 / 3, 1 / 3]), atol=1e-3, rtol=0)


def test_of_hazards_the_prior_is_the_share_of_events_among_those_at_risk() -> None:
    # Two cuts, three bins. Ten patients: two events in the first bin, three in the second, five beyond the cuts.
    target = Survival.target(event=[1] * 5 + [0] * 5, time=[0.5] * 2 + [1.5] * 3 + [9.0] * 5)
    prior = prior_logits(Survival([1.0, 2.0]), target)
    torch.testing.assert_close(prior.sigmoid()[:2], torch.tensor([0.2, 3 / 8]), atol=1e-3, rtol=0)


def test_of_numbers_the_prior_is_the_mean() -> None:
    task = Regression(mean=2.0)
    prior = prior_logits(task, torch.tensor([1.0, 5.0]))
    assert float(task.predict(prior[None]).values) == pytest.approx(3.0, abs=1e-3)


def test_where_an_outcome_never_happens_the_prior_is_finite() -> None:
    prior = prior_logits(Classification(2), torch.zeros(20, dtype=torch.long))
    assert torch.isfinite(prior).all()
    assert prior.softmax(0)[0] > 0.99
