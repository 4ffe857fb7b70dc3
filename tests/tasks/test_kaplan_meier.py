from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mmlego.tasks.kaplan_meier import kaplan_meier


def test_by_hand() -> None:
    # events at 2 (of 5 at risk) and 4 (of 3), one censored at 2, which is at risk there, and two later
    curve = kaplan_meier(torch.tensor([1, 0, 1, 0, 0]), torch.tensor([2.0, 2.0, 4.0, 6.0, 7.0]))
    assert curve.times.tolist() == [2.0, 4.0]
    assert curve.at_risk.tolist() == [5.0, 3.0]
    assert curve.survival.tolist() == pytest.approx([4 / 5, 4 / 5 * 2 / 3])
    s, variance = 8 / 15, 1 / (5 * 4) + 1 / (3 * 2)
    wide = math.exp(1.959964 * math.sqrt(variance) / abs(math.log(s)))
    assert (float(curve.low[1]), float(curve.high[1])) == pytest.approx((s**wide, s ** (1 / wide)), rel=1e-6)


def test_it_says_nothing_beyond_the_longest_observation() -> None:
    curve = kaplan_meier(torch.tensor([1, 0]), torch.tensor([1.0, 3.0]))
    survival, low, high = curve.at(torch.tensor([0.0, 0.9, 1.0, 3.0, 3.1]))
    assert survival[:4].tolist() == [1.0, 1.0, 0.5, 0.5]
    assert survival[4].isnan()
    assert low[4].isnan()
    assert high[4].isnan()
    assert kaplan_meier(torch.tensor([1]), torch.tensor([2.0])).at(torch.tensor([9.0]))[0].tolist() == [0.0]


def test_nobody_has_died() -> None:
    curve = kaplan_meier(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))
    assert curve.at(torch.tensor([1.5]))[0].tolist() == [1.0]


@pytest.mark.parametrize("seed", range(3))
def test_it_is_that_of_scikit_survival(seed: int) -> None:
    nonparametric = pytest.importorskip("sksurv.nonparametric")
    rng = np.random.default_rng(seed)
    time, event = rng.exponential(10, 150).round() + 1, rng.random(150) < 0.6
    x, survival, interval = nonparametric.kaplan_meier_estimator(event, time, conf_type="log-log")
    found = kaplan_meier(torch.tensor(event), torch.tensor(time)).at(torch.tensor(x))
    for mine, theirs in zip(found, (survival, *interval), strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs, atol=1e-12)
