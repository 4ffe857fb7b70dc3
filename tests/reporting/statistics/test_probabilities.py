"""Decision curves and calibration against hand-worked cases, scikit-learn and statistics of other origin."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from mmlego.reporting.statistics.decision_curve import net_benefit, net_benefit_by, treat_all
from mmlego.reporting.statistics.reliability import groups_of, recalibration, reliability, reliability_by, wilson


def drawn(seed: int = 0, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    risk = rng.beta(2, 4, n)
    return risk, rng.random(n) < risk


def test_net_benefit_by_hand() -> None:
    # Ten patients, three with the outcome; at 20 % five are treated, two of them rightly: 2/10 − 3/10 · 0.25.
    risk = np.array([0.9, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
    truth = np.array([1, 0, 1, 0, 0, 1, 0, 0, 0, 0], dtype=bool)
    assert_allclose(net_benefit(risk, truth, np.array([0.2, 0.6])), [0.2 - 0.3 * 0.25, 0.1])
    assert_allclose(treat_all(0.3, np.array([0.2, 0.3])), [0.3 - 0.7 * 0.25, 0.0], atol=1e-12)


def test_treating_all_is_a_threshold_that_everybody_reaches() -> None:
    risk, truth = drawn()
    low = np.array([float(risk.min())])
    assert_allclose(net_benefit(risk, truth, low), treat_all(float(truth.mean()), low))


def test_without_censoring_survival_is_yes_or_no() -> None:
    risk, truth = drawn(1)
    time = np.where(truth, 1.0, 9.0)
    thresholds = np.linspace(0.05, 0.6, 12)
    all_seen = np.ones(len(risk), dtype=bool)
    assert_allclose(net_benefit_by(risk, all_seen, time, 5.0, thresholds), net_benefit(risk, truth, thresholds))


def test_shares_are_estimated_in_the_same_groups() -> None:
    risk, truth = drawn(1)
    bins, plain = (
        reliability_by(risk, 5, lambda rows: (float(truth[rows].mean()), 0.0, 1.0)),
        reliability(risk, truth, 5),
    )
    assert [(one.patients, one.predicted, one.observed) for one in bins] == [
        (one.patients, one.predicted, one.observed) for one in plain
    ]


def test_a_censored_patient_counts_by_those_who_stay() -> None:
    # All are treated. One of four is censored first; of the three who stay one has the event: 1 − 2/3.
    event, time = np.array([False, True, False, False]), np.array([1.0, 2.0, 8.0, 9.0])
    found = net_benefit_by(np.full(4, 0.5), event, time, 5.0, np.array([0.25]))
    assert_allclose(found, [1 / 3 - 2 / 3 / 3])


def test_nobody_is_followed_so_far() -> None:
    event, time = np.array([True, False]), np.array([1.0, 2.0])
    assert np.isnan(net_benefit_by(np.full(2, 0.5), event, time, 5.0, np.array([0.25]))).all()


def test_groups_are_those_of_scikit_learn() -> None:
    risk, truth = drawn(2)
    observed, predicted = calibration_curve(truth, risk, n_bins=8, strategy="quantile")
    found = reliability(risk, truth, 8)
    assert_allclose([one.observed for one in found], observed)
    assert_allclose([one.predicted for one in found], predicted)
    assert sum(one.patients for one in found) == len(risk)


def test_equal_predictions_stay_together() -> None:
    groups = groups_of(np.repeat([0.1, 0.9], [90, 10]), 5)
    assert [len(rows) for rows in groups] == [90, 10]


def test_wilson_by_hand() -> None:
    # Newcombe 1998, table I: 81 of 263, method 3.
    assert_allclose(wilson(81 / 263, 263), (0.2553, 0.3662), atol=5e-5)
    assert_allclose(wilson(1.0, 29), (0.8830, 1.0), atol=5e-5)


def test_recalibration_is_logistic_regression() -> None:
    risk, truth = drawn(3)
    odds = 2 * np.log(risk / (1 - risk)) + 0.5  # twice too sure, and too high
    found = recalibration(odds, truth)
    assert found is not None
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(odds[:, None], truth)
    assert found.slope[0] == pytest.approx(model.coef_[0, 0], abs=1e-4)
    assert found.slope[1] < found.slope[0] < found.slope[2] < 1
    shifted = 1 / (1 + np.exp(-(odds + found.intercept[0])))
    assert shifted.mean() == pytest.approx(truth.mean(), abs=1e-9)  # which is what the intercept is for


def test_no_recalibration_of_what_tells_all_apart() -> None:
    truth = np.array([False] * 5 + [True] * 5)
    assert recalibration(np.where(truth, 1.0, -1.0), truth) is None
    assert recalibration(np.zeros(10), truth) is None
    assert recalibration(np.arange(10.0), np.ones(10, dtype=bool)) is None
