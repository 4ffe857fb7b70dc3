"""Weights of modalities: where they come from, and what is left of them when modalities are missing."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego import LegoFuse, LegoMerge, LegoWarning
from mmlego.merge.weights import believed_gains, present_weights, resolve_weights
from mmlego.tasks import Regression
from tests import strategies
from tests.bricks import family, plate


def resolve(weights: Any, count: int = 3) -> list[float]:
    return resolve_weights(weights, {block.modality: block for block in family(count)})


def test_uniform() -> None:
    assert resolve("uniform") == [1 / 3] * 3


@pytest.mark.parametrize(
    "weights",
    [[2, 1, 1], (0.5, 0.25, 0.25), {"vitals": 1.0, "rna": 2.0, "slide": 1}, torch.tensor([2.0, 1.0, 1.0])],
    ids=["list", "tuple", "by name", "tensor"],
)
def test_explicit_weights_are_scaled_to_sum_to_one(weights: Any) -> None:
    assert resolve(weights) == [0.5, 0.25, 0.25]


@pytest.mark.parametrize("weights", ["evidence", "auto"])
def test_evidence_is_the_root_of_the_score_above_chance(weights: str) -> None:
    blocks = family(3)
    for block, score in zip(blocks, (0.86, 0.54, 0.45), strict=True):
        block.card.validation["auroc"] = score
    merge = LegoMerge(blocks, weights=weights)
    torch.testing.assert_close(merge.weights, torch.tensor([0.75, 0.25, 0.0]))


def test_evidence_of_a_regression_counts_from_zero() -> None:
    blocks = family(2, plate(Regression()))
    for block, score in zip(blocks, (0.36, 0.04), strict=True):
        block.card.validation["r2"] = score
    torch.testing.assert_close(LegoMerge(blocks, weights="evidence").weights, torch.tensor([0.75, 0.25]))


def test_gains_with_errors_are_drawn_together() -> None:
    # By hand, with τ = 0.03 and s = 0.04: of a score's distance from the mean 0.2, 9/25 is left; its variance is that
    # about the mean, 0.64 · 0.03², and of the mean, 0.64² · 0.05² / 2.
    variance = 0.64 * 0.03**2 + 0.64**2 * 0.05**2 / 2
    expected = [math.sqrt(0.236**2 + variance), math.sqrt(0.164**2 + variance)]
    assert believed_gains([0.3, 0.1], [0.04, 0.04]) == pytest.approx(expected)
    blocks = family(2)
    for block, score in zip(blocks, (0.8, 0.6), strict=True):
        block.card.validation["auroc"], block.card.errors["auroc"] = score, 0.04
    roots = torch.tensor(expected).sqrt()
    torch.testing.assert_close(LegoMerge(blocks).weights, roots / roots.sum())


def test_a_score_that_was_not_measured_is_believed_to_be_as_the_others() -> None:
    known, unknown = believed_gains([0.3, -0.4], [0.0, math.inf])
    assert known == pytest.approx(0.3)
    assert unknown == pytest.approx(math.hypot(0.3, 0.03 * math.sqrt(2)))
    assert believed_gains([0.1, 0.2], [math.inf, math.inf]) == pytest.approx([0.03, 0.03])


def test_near_chance_a_little_difference_decides_nothing() -> None:
    first, second = believed_gains([0.04, -0.04], [0.12, 0.12])
    assert first / second == pytest.approx(1.0, abs=0.05)


@given(st.lists(st.tuples(st.floats(-0.5, 0.5), st.floats(0.0, 1.0)), min_size=1, max_size=6))
def test_better_scores_of_equal_error_never_weigh_less(measured: list[tuple[float, float]]) -> None:
    scores, error = sorted(x for x, _ in measured), measured[0][1]
    gains = believed_gains(scores, [error] * len(scores))
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(gains))


def test_without_scores_the_default_is_uniform_and_silent() -> None:
    blocks = family(3)
    blocks[0].card.validation["auroc"] = 0.9
    torch.testing.assert_close(LegoMerge(blocks).weights, torch.full((3,), 1 / 3))


@pytest.mark.parametrize("make", [LegoMerge, LegoFuse])
def test_without_any_evidence_weights_are_uniform_with_a_warning_that_points_at_the_caller(make: Any) -> None:
    blocks = family(2)
    for block in blocks:
        block.card.validation["auroc"] = 0.4
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = make(blocks, weights="evidence")
    assert model.weights.tolist() == [0.5, 0.5]
    assert [(w.category, w.filename) for w in caught] == [(LegoWarning, __file__)]
    assert "better than chance" in str(caught[0].message)


@given(st.data())
def test_what_is_present_shares_the_whole_weight(data: st.DataObject) -> None:
    m, b = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
    weights, present = data.draw(strategies.shares(m)), data.draw(strategies.presence(m, b))
    shares = present_weights(weights, present)
    torch.testing.assert_close(shares.sum(0), torch.ones(b, dtype=torch.float64))
    assert (shares[~present] == 0).all()
    for i in range(b):
        here = present[:, i]
        torch.testing.assert_close(shares[here, i], weights[here] / weights[here].sum())


def test_present_modalities_that_all_weigh_nothing_weigh_alike() -> None:
    shares = present_weights(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([[True, False], [True, True], [False, True]]))
    assert shares.T.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]
