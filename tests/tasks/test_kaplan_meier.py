from __future__ import annotations

import math

import numpy as np
import pytest

from mmlego.tasks.kaplan_meier import kaplan_meier


def test_by_hand() -> None:
    # events at 2 (of 5 at risk) and 4 (of 3), one censored at 2, which is at risk there, and two later
    curve = kaplan_meier(np.array([1, 0, 1, 0, 0]), np.array([2.0, 2.0, 4.0, 6.0, 7.0]))
    assert curve.times.tolist() == [2.0, 4.0, 6.0, 7.0]
    assert curve.at_risk.tolist() == [5, 3, 2, 1]
    assert curve.survival.tolist() == pytest.approx([4 / 5, *[4 / 5 * 2 / 3] * 3])
    s, variance = 8 / 15, 1 / (5 * 4) + 1 / (3 * 2)
    wide = math.exp(1.959964 * math.sqrt(variance) / abs(math.log(s)))
    assert (float(curve.low[1]), float(curve.high[1])) == pytest.approx((s**wide, s ** (1 / wide)), rel=1e-6)


def test_it_says_nothing_beyond_the_longest_observation() -> None:
    survival, low, high = kaplan_meier(np.array([1, 0]), np.array([1.0, 3.0])).at([0.0, 0.9, 1.0, 3.0, 3.1])
    assert survival[:4].tolist() == [1.0, 1.0, 0.5, 0.5]
    assert np.isnan([survival[4], low[4], high[4]]).all()


def test_where_all_have_died_nothing_more_can_come() -> None:
    survival, low, high = kaplan_meier(np.array([1, 1]), np.array([1.0, 2.0])).at([1.0, 9.0])
    assert survival.tolist() == [0.5, 0.0]
    assert (low[1], high[1]) == (0.0, high[0])  # two deaths are no certainty: the upper end is what it was


def test_nobody_has_died() -> None:
    assert kaplan_meier(np.array([0, 0]), np.array([1.0, 2.0])).at(1.5)[0].tolist() == [1.0]


@pytest.mark.parametrize("seed", range(3))
def test_it_is_that_of_scikit_survival(seed: int) -> None:
    nonparametric = pytest.importorskip("sksurv.nonparametric")
    rng = np.random.default_rng(seed)
    time, event = rng.exponential(10, 150).round() + 1, rng.random(150) < 0.6
    x, survival, interval = nonparametric.kaplan_meier_estimator(event, time, conf_type="log-log")
    known = survival > 0  # where all have died scikit-survival gives [0, 0]
    for mine, theirs in zip(kaplan_meier(event, time).at(x), (survival, *interval), strict=True):
        np.testing.assert_allclose(mine[known], theirs[known], atol=1e-12)
