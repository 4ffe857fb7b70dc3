"""Paired differences over repeated splits: by hand, and against scipy's paired t where folds do not overlap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from mmlego.bench import Comparison, compare


def test_by_hand() -> None:
    # Differences 0.1, 0.2, 0.3, 0: mean 0.15, variance 0.05/3. Five folds: n_test/n_train = 1/4, so that the variance
    # of the mean is (1/4 + 1/4) 0.05/3; t with three degrees of freedom has its 97.5 % quantile at 3.182446.
    found = compare([0.7, 0.8, 0.9, 0.6], [0.6, 0.6, 0.6, 0.6], test_share=0.2)
    reach = 3.182446 * math.sqrt(0.5 * 0.05 / 3)
    assert found.difference == pytest.approx(0.15)
    assert found.low == pytest.approx(0.15 - reach, abs=1e-6)
    assert found.high == pytest.approx(0.15 + reach, abs=1e-6)
    assert found.verdict == "level"


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_without_overlap_it_is_the_paired_t(confidence: float) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random(15), rng.random(15)
    found = compare(first, second, test_share=0.0, confidence=confidence)
    interval = stats.ttest_rel(first, second).confidence_interval(confidence)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_overlap_widens_the_interval_by_the_correction(folds: int) -> None:
    rng = np.random.default_rng(1)
    first, second = rng.random(folds), rng.random(folds)
    plain = compare(first, second, test_share=0.0)
    found = compare(first, second, test_share=1 / folds)
    wider = math.sqrt((1 / folds + 1 / (folds - 1)) / (1 / folds))
    assert found.high - found.low == pytest.approx(wider * (plain.high - plain.low))
    assert found.difference == plain.difference


def test_exchanged_methods_have_the_opposite_difference() -> None:
    first, second = [0.7, 0.8, 0.75], [0.6, 0.75, 0.8]
    one, other = compare(first, second, test_share=0.2), compare(second, first, test_share=0.2)
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))


def test_splits_without_a_score_are_left_out() -> None:
    nan = math.nan
    found = compare([0.7, nan, 0.8, 0.9], [0.6, 0.6, 0.5, nan], test_share=0.2)
    assert found == compare([0.7, 0.8], [0.6, 0.5], test_share=0.2)


@pytest.mark.parametrize(("first", "mean"), [([0.7, math.nan], 0.2), ([math.nan, math.nan], math.nan)])
def test_fewer_than_two_splits_have_no_interval(first: list[float], mean: float) -> None:
    found = compare(first, [0.5, 0.5], test_share=0.2)
    assert found.difference == pytest.approx(mean, nan_ok=True)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.verdict == "level"


def test_equal_scores_are_level() -> None:
    assert compare([0.7, 0.8], [0.7, 0.8], test_share=0.5) == Comparison(0.0, 0.0, 0.0)
    assert Comparison(0.0, 0.0, 0.0).verdict == "level"


@pytest.mark.parametrize(("low", "high", "verdict"), [(0.01, 0.1, "better"), (-0.2, -0.1, "worse"), (-1, 1, "level")])
def test_a_verdict_needs_an_interval_without_zero(low: float, high: float, verdict: str) -> None:
    assert Comparison((low + high) / 2, low, high).verdict == verdict
