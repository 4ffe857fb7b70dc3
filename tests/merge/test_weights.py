"""Weights of modalities: where they come from, and what is left of them when modalities are missing."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego import InputError, LegoFuse, LegoMerge, LegoWarning, load, save
from mmlego.merge.weights import believed_gain, present_weights, resolve_weights
from mmlego.tasks import Regression
from tests import strategies
from tests.bricks import batch, doubled, family, plate


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


@pytest.mark.parametrize("weights", [[-0.5, 1, 0.5], [1, 1, -1e-9], {"rna": -1.0, "slide": 1.0, "vitals": 2.0}])
def test_weights_below_zero_are_refused(weights: Any) -> None:
    with pytest.raises(InputError, match="weights: expected one number ≥ 0 for each of"):
        resolve(weights)


@pytest.mark.parametrize("weights", ["evidence", "auto"])
def test_evidence_is_the_root_of_the_score_above_chance(weights: str) -> None:
    blocks = family(3)
    for block, score in zip(blocks, (0.86, 0.54, 0.45), strict=True):
        block.card.validation["auroc"], block.card.errors["auroc"] = score, 0.0
    merge = LegoMerge(blocks, weights=weights)
    torch.testing.assert_close(merge.weights, torch.tensor([0.75, 0.25, 0.0]))


def test_evidence_of_a_regression_counts_from_zero() -> None:
    blocks = family(2, plate(Regression()))
    for block, score in zip(blocks, (0.36, 0.04), strict=True):
        block.card.validation["r2"], block.card.errors["r2"] = score, 0.0
    torch.testing.assert_close(LegoMerge(blocks, weights="evidence").weights, torch.tensor([0.75, 0.25]))


def test_gains_with_errors_are_drawn_towards_what_is_typical() -> None:
    # By hand, μ = 0.15, τ = 0.03, s = 0.04: 9/25 of the distance from 0.15 is left; the variance is 0.024².
    expected = [math.hypot(0.204, 0.024), math.hypot(0.132, 0.024)]
    assert [believed_gain(x, 0.04) for x in (0.3, 0.1)] == pytest.approx(expected)
    assert believed_gain(0.3, math.inf) == believed_gain(-0.4, math.inf) == pytest.approx(math.hypot(0.15, 0.03))
    blocks = family(2)
    for block, score in zip(blocks, (0.8, 0.6), strict=True):
        block.card.validation["auroc"], block.card.errors["auroc"] = score, 0.04
    roots = torch.tensor(expected).sqrt()
    torch.testing.assert_close(LegoMerge(blocks).weights, roots / roots.sum())


@pytest.mark.parametrize("error", [0.05, math.nan, None])
def test_weights_are_the_same_after_saving(tmp_path: Path, error: float | None) -> None:
    blocks = family(2)
    for block, score in zip(blocks, (0.9, 0.6), strict=True):
        block.card.validation["auroc"] = score
        if error is not None:
            block.card.errors["auroc"] = error
    again = [load(save(block, tmp_path / block.modality)) for block in blocks]
    expected = LegoMerge(blocks).weights
    torch.testing.assert_close(LegoMerge(again).weights, expected)
    assert (float(expected[0]) == 0.5) is (error is None or math.isnan(error))


def test_a_score_of_which_no_error_is_told_is_not_believed() -> None:
    blocks = family(2)
    for block, score in zip(blocks, (0.9, 0.6), strict=True):
        block.card.validation["auroc"] = score
    with pytest.warns(LegoWarning, match="tells no standard error of auroc: its score is not believed"):
        merge = LegoMerge(blocks, weights="evidence")
    assert merge.weights.tolist() == [0.5, 0.5]


def test_with_few_patients_a_difference_decides_little_and_with_many_a_useless_block_loses_its_weight() -> None:
    assert believed_gain(0.1, 0.12) / believed_gain(-0.04, 0.12) == pytest.approx(1.0, abs=0.1)
    assert believed_gain(0.2, 0.005) / believed_gain(-0.01, 0.005) > 20
    # The worst of scores of r² does not drag the others down with it.
    assert believed_gain(-10.0, 0.02) < 0.05
    assert believed_gain(0.6, 0.02) > 0.4


@given(st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=2), st.floats(0.0, 1.0))
def test_a_better_score_of_equal_error_never_weighs_less(scores: list[float], error: float) -> None:
    worse, better = sorted(scores)
    assert believed_gain(worse, error) <= believed_gain(better, error) + 1e-12


@given(st.integers(2, 5), st.data())
def test_by_evidence_too_a_missing_modality_equals_a_merge_without_it(count: int, data: st.DataObject) -> None:
    blocks = family(count)
    for i, block in enumerate(blocks):
        block.card.validation["auroc"] = data.draw(st.floats(0.4, 0.9))
        block.card.errors["auroc"] = data.draw(st.floats(0.0, 0.2))
        if i % 2:
            block.card.prior = [0.5, 0.0, -0.5]
    present = data.draw(strategies.presence(count, 1))[:, 0].tolist()
    here = [block for block, there in zip(blocks, present, strict=True) if there]
    inputs = doubled(batch(here, 3))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", LegoWarning)
        whole, without = (LegoMerge(part, weights="auto").eval().double() for part in (blocks, here))
        torch.testing.assert_close(whole(inputs), without(inputs), rtol=1e-5, atol=1e-6)


def test_without_scores_the_default_is_uniform_and_silent() -> None:
    blocks = family(3)
    blocks[0].card.validation["auroc"] = 0.9
    torch.testing.assert_close(LegoMerge(blocks).weights, torch.full((3,), 1 / 3))


@pytest.mark.parametrize("make", [LegoMerge, LegoFuse])
def test_without_any_evidence_weights_are_uniform_with_a_warning_that_points_at_the_caller(make: Any) -> None:
    blocks = family(2)
    for block in blocks:
        block.card.validation["auroc"], block.card.errors["auroc"] = 0.4, 0.0
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


@pytest.mark.parametrize("error", [-math.inf, -1e200, math.inf, 1e200, math.nan])
def test_an_error_that_is_vast_tells_nothing_whatever_its_sign(error: float) -> None:
    assert believed_gain(0.3, error) == believed_gain(-0.3, math.inf) == math.hypot(0.15, 0.03)
