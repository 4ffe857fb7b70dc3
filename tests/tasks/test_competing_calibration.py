"""Calibration of incidences: against scikit-survival's estimate, plain survival, and a brute-force Fine–Gray model."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mmlego.tasks import CompetingRisks, Survival
from mmlego.tasks.competing_calibration import incidence_calibration_at
from mmlego.tasks.smooth_calibration import smooth_survival
from mmlego.tasks.survival_calibration import calibration_at
from tests.tasks.causes import competing_cohort

CAUSES = ["relapse", "death"]


def test_observed_is_aalen_johansen_overall_and_by_thirds() -> None:
    nonparametric = pytest.importorskip("sksurv.nonparametric")
    event, time = competing_cohort(0, 90)
    chance = torch.rand(90, generator=torch.Generator().manual_seed(0))
    found = incidence_calibration_at(chance, torch.stack([event, time], 1), 1.0, 2, CAUSES)
    assert (found.cause, found.time, found.at_risk) == ("death", 1.0, int((time >= 1).sum()))
    assert found.predicted == pytest.approx(float(chance.mean()))
    parts = [(found, np.arange(90))]
    parts += [(group, rows) for group, rows in zip(found.groups, np.split(chance.argsort().numpy(), 3), strict=True)]
    for one, rows in parts:
        at, curves, band = nonparametric.cumulative_incidence_competing_risks(
            event.numpy()[rows], time.numpy()[rows], conf_type="log-log"
        )
        place = np.searchsorted(at, 1.0, side="right") - 1
        assert (one.aj, one.low, one.high) == pytest.approx((curves[2, place], *band[2, :, place]))
    assert [group.patients for group in found.groups] == [30, 30, 30]
    assert found.groups[0].predicted < found.groups[1].predicted < found.groups[2].predicted


def test_a_cause_that_never_comes_leaves_the_calibration_of_survival() -> None:
    event, time = competing_cohort(1, 120)
    target = torch.stack([(event == 1).double(), time], 1)
    survival = torch.rand(120, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mine, plain = incidence_calibration_at(1 - survival, target, 1.5, 1, CAUSES), calibration_at(survival, target, 1.5)
    # the logarithm of a variance's complement is another interval than that of survival, the estimate the same
    assert (1 - mine.predicted, 1 - mine.aj) == pytest.approx((plain.predicted, plain.km))
    assert (mine.ici, mine.e50, mine.e90) == pytest.approx((plain.ici, plain.e50, plain.e90), abs=1e-6)


def test_without_censoring_whoever_had_another_event_never_leaves() -> None:
    """Fine and Gray 1999, section 3: then the model is Cox's with their times at infinity."""
    event, time = competing_cohort(2, 150, censored=False)
    survival = torch.rand(150, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    here, others = event == 1, event == 2
    found = smooth_survival(survival, here, time, 1.0, alike=0.5, other=others)
    cox = smooth_survival(survival, here, torch.where(others, 1e6, time), 1.0, alike=0.5)
    torch.testing.assert_close(found, cox, atol=1e-6, rtol=0)


@pytest.mark.parametrize("ties", [False, True])
def test_the_smooth_curve_is_the_model_of_fine_and_gray(ties: bool) -> None:
    """The weighted partial likelihood written out pair by pair, and minimised by scipy."""
    from scipy.optimize import minimize

    event, time = (one.numpy() for one in competing_cohort(3, 80, ties=ties))
    logs = np.random.default_rng(3).normal(size=80).clip(-2, 2)
    survival = np.exp(-np.exp(logs))
    when = np.quantile(time, 0.5)
    x = (logs - logs.mean()) / logs.std()
    a, b, c = np.quantile(x, [0.1, 0.5, 0.9])
    cube = [np.maximum(x - knot, 0) ** 3 for knot in (a, b, c)]
    x = np.column_stack([x, (cube[0] - cube[1] * (c - a) / (c - b) + cube[2] * (b - a) / (c - b)) / (c - a) ** 2])

    def stay(t: float) -> float:
        """Return the share not censored before t: events leave before censorings of the same time."""
        left = 1.0
        for s in np.unique(time[(event == 0) & (time < t)]):
            there = ((time > s) | ((time == s) & (event == 0))).sum()
            left *= 1 - ((time == s) & (event == 0)).sum() / there
        return left

    ends = np.flatnonzero(event == 1)
    weight = np.zeros((len(ends), 80))
    for row, i in enumerate(ends):
        for j in range(80):
            if time[j] >= time[i]:
                weight[row, j] = 1.0
            elif event[j] == 2:
                weight[row, j] = stay(time[i]) / stay(time[j])

    def cost(slope: np.ndarray) -> float:
        return float((np.log(weight @ np.exp(x @ slope)) - (x @ slope)[ends]).sum() + 5e-5 * slope @ slope)

    slope = minimize(cost, np.zeros(2), tol=1e-12).x
    steps = 1 / (weight @ np.exp(x @ slope))
    expected = np.exp(-steps[time[ends] <= when].sum() * np.exp(x @ slope))
    given = torch.tensor(event == 1), torch.tensor(time), float(when)
    found = smooth_survival(torch.tensor(survival), *given, alike=0.5, other=torch.tensor(event == 2))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_the_truth_is_calibrated() -> None:
    """Two exponential causes whose hazards depend on one covariate, so that incidences are known."""
    rng = np.random.default_rng(4)
    z = rng.normal(size=4000)
    rates = np.stack([0.3 * np.exp(0.8 * z), 0.2 * np.exp(-0.5 * z)])
    each = np.concatenate([rng.exponential(8.0, (1, 4000)), rng.exponential(1 / rates)])
    event, time = each.argmin(0), each.min(0)
    whole = rates.sum(0)
    truth = rates / whole * (1 - np.exp(-whole * 2.0))
    target = torch.tensor(np.stack([event, time], 1))
    for cause in (1, 2):
        right = incidence_calibration_at(torch.tensor(truth[cause - 1]), target, 2.0, cause, CAUSES)
        assert right.low < right.predicted < right.high
        assert right.ici < 0.015
        shifted = torch.tensor(truth[cause - 1] * 0.6)
        wrong = incidence_calibration_at(shifted, target, 2.0, cause, CAUSES)
        assert wrong.ici == pytest.approx(0.4 * truth[cause - 1].mean(), abs=0.02)
        assert wrong.aj - wrong.predicted == pytest.approx(0.4 * truth[cause - 1].mean(), abs=0.02)


def test_a_task_tells_of_each_cause_and_time() -> None:
    event, time = competing_cohort(5, 50)
    task = CompetingRisks([1.0, 2.0], CAUSES)
    found = task.calibration(torch.zeros(50, 6), torch.stack([event, time], 1), [1.0, 2.0, 99.0])
    assert [(one.cause, one.time) for one in found] == [(c, t) for c in CAUSES for t in (1.0, 2.0, 99.0)]
    assert found[0].predicted == pytest.approx(1 / 3)
    assert math.isnan(found[2].predicted)
    assert math.isnan(found[2].aj)
    assert found[2].groups == ()
    assert len(found[0].groups) == 2
    only = Survival([1.0]).calibration(torch.zeros(50, 2), torch.stack([(event == 1).double(), time], 1), [1.0])[0]
    assert only.km < 1 - found[0].aj  # with the others as censored, the event would look more frequent
