"""Decision curves and calibration against hand-worked cases, scikit-learn and statistics of other origin."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from mmlego.reporting.benefit import decision_items, thresholds_of
from mmlego.reporting.parts import Table
from mmlego.reporting.statistics.decision_curve import Curve, net_benefit, net_benefit_by
from mmlego.reporting.statistics.reliability import groups_of, recalibration, reliability, reliability_by, wilson
from mmlego.reporting.statistics.resampling import resamples
from mmlego.tasks.aalen_johansen import aalen_johansen


def drawn(seed: int = 0, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    risk = rng.beta(2, 4, n)
    return risk, rng.random(n) < risk


def once(curve: Curve, n: int) -> np.ndarray:
    """Return net benefit where each patient counts once."""
    return curve(np.ones((1, n)))[0]


def test_net_benefit_by_hand() -> None:
    # Ten patients, three with the outcome; at 20 % five are treated, two of them rightly: 2/10 − 3/10 · 0.25.
    risk = np.array([0.9, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
    truth = np.array([1, 0, 1, 0, 0, 1, 0, 0, 0, 0], dtype=bool)
    assert_allclose(once(net_benefit(risk, truth, np.array([0.2, 0.6])), 10), [0.2 - 0.3 * 0.25, 0.1])
    everybody = net_benefit(np.ones(10), truth, np.array([0.2, 0.3]))
    assert_allclose(once(everybody, 10), [0.3 - 0.7 * 0.25, 0.0], atol=1e-12)


def test_without_censoring_survival_is_yes_or_no() -> None:
    risk, truth = drawn(1)
    time = np.where(truth, 1.0, 9.0)
    thresholds = np.linspace(0.05, 0.6, 12)
    weights = resamples(len(risk))[:5]
    found = net_benefit_by(risk, np.ones(len(risk), dtype=int), time, 5.0, thresholds)(weights)
    assert_allclose(found, net_benefit(risk, truth, thresholds)(weights))


@pytest.mark.parametrize("cause", [1, 2])
def test_a_weight_is_how_often_a_patient_is_there(cause: int) -> None:
    """And the share of those treated is that of Kaplan and Meier, or of Aalen and Johansen."""
    rng = np.random.default_rng(cause)
    came, time, risk = rng.integers(0, cause + 1, 80), rng.integers(1, 9, 80).astype(float), rng.random(80)
    thresholds = np.array([0.2, 0.5, 0.8])
    for weights in resamples(80)[:20]:
        rows = np.repeat(np.arange(80), weights.astype(int))
        wanted = []
        for threshold in thresholds:
            treated = rows[risk[rows] >= threshold]
            had = aalen_johansen(came[treated], time[treated], cause).at(6.0)[0][cause - 1, 0]
            share = len(treated) / 80
            wanted.append(share * had - share * (1 - had) * threshold / (1 - threshold))
        found = net_benefit_by(risk, came, time, 6.0, thresholds, cause)(weights[None])[0]
        assert_allclose(found, wanted, atol=1e-12)


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
    came, time = np.array([0, 1, 0, 0]), np.array([1.0, 2.0, 8.0, 9.0])
    assert_allclose(once(net_benefit_by(np.full(4, 0.5), came, time, 5.0, np.array([0.25])), 4), [1 / 3 - 2 / 3 / 3])


def test_who_had_another_event_is_treated_for_nothing() -> None:
    # All are treated, one of four has the event and one another: 1/4 − 3/4 · 1/3, censored as nobody is.
    came, time = np.array([1, 2, 0, 0]), np.array([1.0, 2.0, 8.0, 9.0])
    assert_allclose(once(net_benefit_by(np.full(4, 0.5), came, time, 5.0, np.array([0.25])), 4), [0.0], atol=1e-12)
    assert_allclose(once(net_benefit_by(np.full(4, 0.5), came, time, 5.0, np.array([0.2])), 4), [1 / 4 - 3 / 4 / 4])


def test_nobody_is_followed_so_far() -> None:
    came, time = np.array([1, 0]), np.array([1.0, 2.0])
    assert np.isnan(once(net_benefit_by(np.full(2, 0.5), came, time, 5.0, np.array([0.25])), 2)).all()


def test_what_is_gained_is_told_with_its_interval() -> None:
    risk, truth = drawn(3, 401)
    thresholds = thresholds_of(float(truth.mean()))
    everybody = net_benefit(np.ones(401), truth, thresholds)
    items = decision_items(
        thresholds, {"it": net_benefit(risk, truth, thresholds)}, everybody, "relapse", float(truth.mean()), 401
    )
    (table,) = [one for one in items if isinstance(one, Table)]
    row = dict(zip(table.head, table.rows[3], strict=True))
    assert row["acting from"] == "30 %"
    treated, weights = risk >= 0.3, resamples(401)
    worth = np.where(treated, np.where(truth, 1.0, -0.3 / 0.7), 0.0)  # what each patient adds
    low, high = np.quantile(weights @ worth / 401, [0.025, 0.975])
    assert row["net benefit of it"] == f"{worth.mean():.3f} ({low:.3f} to {high:.3f})"
    of_all = np.where(truth, 1.0, -0.3 / 0.7)
    assert row["of treating everybody"] == f"{of_all.mean():.3f}"
    gain = worth - (of_all if of_all.mean() > 0 else 0.0)
    low, high = np.quantile(weights @ gain / 401, [0.025, 0.975])
    assert table.rows[3][3] == f"+{gain.mean():.3f} ({low:+.3f} to {high:+.3f})".replace("-", "−")


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
