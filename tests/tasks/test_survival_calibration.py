"""Calibration of survival against scikit-survival and laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mmlego.tasks.smooth_calibration import smooth_survival
from mmlego.tasks.survival_calibration import calibration_at, kaplan_meier_at

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
nonparametric = pytest.importorskip("sksurv.nonparametric")


def cohort(seed: int, n: int, *, ties: bool = False) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw risks (n,), and exponential times of events and of leaving with these risks."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    death, leave = rng.exponential(3 / np.exp(risk)), rng.exponential(5.0, size=n)
    event, time = death <= leave, np.minimum(death, leave)
    if ties:
        time = np.ceil(time * 2) / 2
    return torch.tensor(risk), torch.tensor(event), torch.tensor(time)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_kaplan_meier_with_interval(seed: int, ties: bool) -> None:
    _, event, time = cohort(seed, 80, ties=ties)
    at, survival, interval = nonparametric.kaplan_meier_estimator(event.numpy(), time.numpy(), conf_type="log-log")
    for t in np.quantile(time.numpy(), [0.2, 0.5, 0.8]):
        place = np.searchsorted(at, t, side="right") - 1
        expected = (survival[place], interval[0][place], interval[1][place])
        assert kaplan_meier_at(event, time, float(t)) == pytest.approx(expected, abs=1e-5)


def test_kaplan_meier_where_nothing_is_known() -> None:
    event, time = torch.tensor([True, False]), torch.tensor([1.0, 2.0])
    assert kaplan_meier_at(event, time, 0.5)[0] == 1.0
    assert math.isnan(kaplan_meier_at(event, time, 0.5)[1])
    assert all(math.isnan(value) for value in kaplan_meier_at(event, time, 2.1))


@pytest.mark.parametrize("ties", [False, True])
def test_the_smooth_curve_is_a_cox_model_of_the_spline(ties: bool) -> None:
    """The spline by Harrell's formula; scikit-survival's Cox model with the same variables and Breslow's ties."""
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    risk, event, time = cohort(0, 150, ties=ties)
    survival = torch.exp(-torch.exp(0.7 * risk) * 0.4)
    x = torch.log(-torch.log(survival)).numpy()
    a, b, c = np.quantile(x, [0.1, 0.5, 0.9])

    def cube(knot: float) -> np.ndarray:
        return np.maximum(x - knot, 0) ** 3

    bend = (cube(a) - cube(b) * (c - a) / (c - b) + cube(c) * (b - a) / (c - b)) / (c - a) ** 2
    model = CoxPHSurvivalAnalysis(ties="breslow", n_iter=200, tol=1e-12)
    model.fit(np.column_stack([x, bend]), Surv.from_arrays(event.numpy(), time.numpy()))
    expected = [curve(1.5) for curve in model.predict_survival_function(np.column_stack([x, bend]))]
    np.testing.assert_allclose(smooth_survival(survival, event, time, 1.5, alike=0.5).numpy(), expected, atol=1e-4)


def test_the_truth_is_calibrated_and_what_is_not_is_told_by_how_much() -> None:
    risk, event, time = cohort(1, 4000)
    target = torch.stack([event.double(), time], 1)
    truth = torch.exp(-torch.exp(risk) * 2 / 3)  # at 2
    right = calibration_at(truth, target, 2.0)
    assert right.low < right.predicted < right.high
    assert right.ici < 0.015
    assert right.e50 <= right.e90
    wrong = calibration_at((truth + 0.2).clamp(max=0.999), target, 2.0)
    shift = float(((truth + 0.2).clamp(max=0.999) - truth).mean())
    assert wrong.ici == pytest.approx(shift, abs=0.02)
    assert wrong.predicted - wrong.km == pytest.approx(shift, abs=0.02)
    assert wrong.at_risk == int((time >= 2).sum())


def test_no_answer_is_no_number() -> None:
    _, event, time = cohort(2, 30)
    target = torch.stack([event.double(), time], 1)
    found = calibration_at(torch.full((30,), math.nan), target, 1.0)
    assert 0 < found.km < 1
    assert all(math.isnan(value) for value in (found.predicted, found.ici, found.e50, found.e90))
    late = calibration_at(torch.full((30,), 0.5), target, 1e3)
    assert (late.predicted, late.at_risk) == (0.5, 0)
    assert math.isnan(late.km)
    assert math.isnan(late.ici)
