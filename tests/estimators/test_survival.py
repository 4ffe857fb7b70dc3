"""LegoSurvival behaves as an estimator of scikit-survival."""

from __future__ import annotations

import numpy as np
import pytest

from mmlego.errors import InputError, ShapeError
from mmlego.estimators import LegoSurvival, StepFunction
from tests.estimators.made import survival, two_levels


@pytest.fixture(scope="module")
def fitted() -> tuple[LegoSurvival, object, np.ndarray]:
    x, risk = two_levels()
    y = survival(risk)
    return LegoSurvival("coxnet", fuse=False).fit(x, y), x, y


def harrell(risk: np.ndarray, event: np.ndarray, time: np.ndarray) -> float:
    """Count pairs: who has an event before another's time should have the higher risk."""
    right = pairs = 0.0
    for i in np.flatnonzero(event):
        for j in range(len(time)):
            if time[j] > time[i] or (time[j] == time[i] and not event[j]):
                pairs += 1
                right += 1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0
    return right / pairs


def test_a_higher_risk_is_an_earlier_event(fitted: tuple[LegoSurvival, object, np.ndarray]) -> None:
    model, x, y = fitted
    score = model.score(x, y)
    assert score == pytest.approx(harrell(model.predict(x), y["event"], y["time"]))
    assert score > 0.65


def test_curves_fall_from_one_and_end(fitted: tuple[LegoSurvival, object, np.ndarray]) -> None:
    model, x, y = fitted
    curves = model.predict_survival_function(x)
    table = model.predict_survival_function(x, return_array=True)
    times = model.unique_times_
    assert table.shape == (len(y), len(times))
    assert (np.diff(times) > 0).all()
    assert (np.diff(table, axis=1) <= 1e-12).all()
    assert table.min() >= 0
    assert table.max() <= 1
    for curve, row in zip(curves, table, strict=True):
        assert curve(0.0) == 1.0
        np.testing.assert_array_equal(curve(times), row)
        np.testing.assert_array_equal(curve.x, times)
        assert curve.domain == (0.0, times[-1])
    with pytest.raises(InputError, match="not known there"):
        curves[0](times[-1] + 1)
    assert times[-1] <= y["time"].max()
    assert set(model.event_times_) == set(y["time"][y["event"]])


def test_the_cumulative_hazard_is_minus_the_logarithm(fitted: tuple[LegoSurvival, object, np.ndarray]) -> None:
    model, x, _ = fitted
    table = model.predict_survival_function(x, return_array=True)
    np.testing.assert_allclose(model.predict_cumulative_hazard_function(x, return_array=True), -np.log(table))
    curve = model.predict_cumulative_hazard_function(x)[3]
    assert curve(0.0) == 0.0
    np.testing.assert_allclose(curve(model.unique_times_), -np.log(table[3]))


def test_a_structured_array_of_any_names_will_do(fitted: tuple[LegoSurvival, object, np.ndarray]) -> None:
    model, x, y = fitted
    other = np.array(list(zip(y["time"], y["event"], strict=True)), dtype=[("months", "<f4"), ("died", "?")])
    np.testing.assert_array_equal(LegoSurvival("coxnet", fuse=False).fit(x, other).predict(x), model.predict(x))
    assert model.score(x, other) == model.score(x, y)


def test_bins_and_cuts() -> None:
    x, risk = two_levels()
    y = survival(risk)
    assert len(LegoSurvival("coxnet", fuse=False, bins=3).fit(x, y).model_.task.cuts) == 2
    model = LegoSurvival("coxnet", fuse=False, cuts=[6, 12.0, 24], unit="months").fit(x, y)
    assert model.model_.task.cuts == (6.0, 12.0, 24.0)
    assert model.model_.task.unit == "months"
    assert model.predict_survival_function(x[:1])[0].domain == (0.0, 24.0)
    with pytest.raises(InputError, match="leave out one of both"):
        LegoSurvival("coxnet", bins=3, cuts=[6, 12]).fit(x, y)
    with pytest.raises(InputError, match="'unit' is wrong"):
        LegoSurvival("coxnet", unit="fortnights").fit(x, y)


def test_bad_outcomes() -> None:
    x, risk = two_levels()
    y = survival(risk)
    model = LegoSurvival("coxnet", fuse=False)
    with pytest.raises(InputError, match="structured array"):
        model.fit(x, y["time"])
    with pytest.raises(InputError, match="requires y"):
        model.fit(x)
    censored = y.copy()
    censored["event"] = False
    with pytest.raises(InputError, match="all patients are censored"):
        model.fit(x, censored)
    wrong = y.copy()
    wrong["time"][3] = -1
    with pytest.raises(InputError, match="time is negative"):
        model.fit(x, wrong)


def test_metrics_of_scikit_survival_take_it(fitted: tuple[LegoSurvival, object, np.ndarray]) -> None:
    metrics = pytest.importorskip("sksurv.metrics")
    model, x, y = fitted
    theirs = metrics.concordance_index_censored(y["event"], y["time"], model.predict(x))[0]
    assert model.score(x, y) == pytest.approx(theirs)
    times = np.quantile(y["time"], [0.2, 0.4, 0.6])
    curves = np.vstack([curve(times) for curve in model.predict_survival_function(x)])
    assert 0 < metrics.integrated_brier_score(y, y, curves, times) < 0.25
    scorer = metrics.as_integrated_brier_score_scorer(LegoSurvival("coxnet", fuse=False), times=times).fit(x, y)
    assert scorer.score(x, y) == pytest.approx(-metrics.integrated_brier_score(y, y, curves, times))


def test_steps_are_those_of_scikit_survival() -> None:
    functions = pytest.importorskip("sksurv.functions")
    x, y = np.array([1.0, 2.5, 4.0]), np.array([0.9, 0.4, 0.1])
    ours = StepFunction(x, y, start=0.9)  # theirs has its first value before the first step, too
    theirs = functions.StepFunction(x, y)
    at = np.array([0.0, 0.99, 1.0, 2.0, 2.5, 3.9, 4.0])
    np.testing.assert_array_equal(ours(at), theirs(at))
    assert ours.domain == theirs.domain
    assert ours(2.5) == theirs(2.5) == 0.4
    for bad in (-0.1, 4.1, np.nan):
        for function in (ours, theirs):
            with pytest.raises(ValueError, match=r"finite|within"):
                function(bad)


def test_steps_that_are_none() -> None:
    with pytest.raises(ShapeError):
        StepFunction(np.array([1.0, 2.0]), np.array([1.0]))
    with pytest.raises(InputError, match="do not ascend"):
        StepFunction(np.array([2.0, 1.0]), np.array([1.0, 0.5]))
    one = StepFunction(np.array([1.0]), np.array([0.5]))
    assert one == StepFunction(np.array([1.0]), np.array([0.5]))
    assert one != StepFunction(np.array([1.0]), np.array([0.4]))
    assert one != 1
