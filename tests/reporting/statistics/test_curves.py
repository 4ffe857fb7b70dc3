"""Kaplan–Meier, log-rank and hazard ratios against scikit-survival, scipy and cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import CensoredData, logrank

from mmlego.reporting.statistics.hazard_ratio import hazard_ratio
from mmlego.reporting.statistics.log_rank import log_rank
from mmlego.tasks.kaplan_meier import kaplan_meier, number_at_risk


def drawn(seed: int, n: int = 80, *, tied: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return events, times and groups; times in whole months where they are to be tied."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n)
    lived, seen = rng.exponential(20 / (1 + group)), rng.uniform(2, 40, n)
    time = np.minimum(lived, seen)
    return lived <= seen, np.ceil(time) if tied else time, group


# Freireich et al. 1963, 6-MP arm, as in Klein and Moeschberger 2003, table 4.1: remission in weeks.
WEEKS = np.array([6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35], dtype=float)
RELAPSED = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
# The placebo arm.
OTHERS = np.array([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], dtype=float)


def test_remission_of_leukaemia() -> None:
    curve = kaplan_meier(RELAPSED, WEEKS)
    survival, low, high = curve.at([6.0, 10.0, 23.0])
    assert_allclose(survival, [0.857, 0.753, 0.448], atol=5e-4)
    # Greenwood's standard errors there are 0.0764, 0.0963, 0.1346; on the scale of log(−log S) that is
    error = np.array([0.0764, 0.0963, 0.1346]) / (survival * np.abs(np.log(survival)))
    assert_allclose(low, survival ** np.exp(1.96 * error), atol=2e-3)
    assert_allclose(high, survival ** np.exp(-1.96 * error), atol=2e-3)
    assert curve.median()[0] == 23
    assert number_at_risk(WEEKS, [0.0, 10.0, 20.0, 36.0]) == [21, 15, 8, 0]


def test_treatment_of_leukaemia() -> None:
    event = np.concatenate([RELAPSED, np.ones(21, dtype=bool)])
    time, placebo = np.concatenate([WEEKS, OTHERS]), np.repeat([0, 1], 21)
    assert log_rank(event, time, placebo).statistic == pytest.approx(16.79, abs=5e-3)
    # survival::coxph(ties = "efron") of these data: log hazard ratio 1.5721, standard error 0.4124
    found = hazard_ratio(event, time, placebo == 1)
    assert np.log(found.value) == pytest.approx(1.5721, abs=1e-3)
    assert np.log(found.high / found.low) / (2 * 1.959964) == pytest.approx(0.4124, abs=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_curves_are_those_of_scikit_survival(seed: int) -> None:
    sksurv = pytest.importorskip("sksurv.nonparametric")
    event, time, _ = drawn(seed)
    curve = kaplan_meier(event, time)
    times, survival, band = sksurv.kaplan_meier_estimator(event, time, conf_type="log-log")
    assert_allclose(curve.times, times)
    assert_allclose(curve.survival, survival)
    inner = (survival < 1) & (survival > 0)
    assert_allclose(curve.low[inner], band[0][inner])
    assert_allclose(curve.high[inner], band[1][inner])


@pytest.mark.parametrize("seed", range(4))
def test_several_groups_are_compared_as_scikit_survival_does(seed: int) -> None:
    sksurv = pytest.importorskip("sksurv.compare")
    from sksurv.util import Surv

    event, time, group = drawn(seed)
    statistic, p = sksurv.compare_survival(Surv.from_arrays(event, time), group)
    found = log_rank(event, time, group)
    assert (found.statistic, found.p) == (pytest.approx(statistic), pytest.approx(p))


@pytest.mark.parametrize("seed", range(4))
def test_two_groups_are_compared_as_scipy_does(seed: int) -> None:
    event, time, group = drawn(seed)
    first, other = (
        CensoredData(uncensored=time[here & event], right=time[here & ~event]) for here in (group == 0, group > 0)
    )
    found = log_rank(event, time, group > 0)
    assert (found.statistic, found.p) == (
        pytest.approx(logrank(first, other).statistic ** 2),
        pytest.approx(logrank(first, other).pvalue),
    )


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_hazard_ratios_are_those_of_scikit_survival(seed: int, tied: bool) -> None:
    linear = pytest.importorskip("sksurv.linear_model")
    from sksurv.util import Surv

    event, time, group = drawn(seed, tied=tied)
    higher = group == 2
    model = linear.CoxPHSurvivalAnalysis(ties="efron", tol=1e-12).fit(
        higher[:, None].astype(float), Surv.from_arrays(event, time)
    )
    assert np.log(hazard_ratio(event, time, higher).value) == pytest.approx(model.coef_[0], abs=1e-6)


def test_what_cannot_be_told_is_not_told() -> None:
    time = np.array([1.0, 2.0, 3.0, 4.0])
    nobody, all_of_one = np.zeros(4, dtype=bool), np.array([True, True, False, False])
    assert np.isnan(log_rank(nobody, time, np.array([0, 0, 1, 1])).p)
    assert np.isnan(log_rank(all_of_one, time, np.zeros(4)).p)
    assert np.isnan(hazard_ratio(all_of_one, time, all_of_one).value)  # the other group has no event
    assert np.isnan(kaplan_meier(all_of_one, time).at(9.0)[0]).all()  # after the last time nothing is known
    assert not len(kaplan_meier(nobody[:0], time[:0]).times)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.1, 9.0))
def test_the_unit_of_time_makes_no_difference(seed: int, scale: float) -> None:
    event, time, group = drawn(seed, 40)
    here, there = hazard_ratio(event, time, group == 2), hazard_ratio(event, time * scale, group == 2)
    assert_allclose([here.value, here.low], [there.value, there.low])
    assert log_rank(event, time, group).p == pytest.approx(log_rank(event, time * scale, group).p)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_a_curve_falls_inside_its_band(seed: int) -> None:
    event, time, _ = drawn(seed, 30)
    curve = kaplan_meier(event, time)
    assert (np.diff(curve.survival) <= 1e-12).all()
    assert (curve.low <= curve.survival + 1e-9).all()
    assert (curve.survival <= curve.high + 1e-9).all()
    turned = hazard_ratio(event, time, time < np.median(time))
    if np.isfinite(turned.value):
        assert turned.value == pytest.approx(1 / hazard_ratio(event, time, time >= np.median(time)).value)
