from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mmlego.tasks import Survival
from mmlego.tasks.kaplan_meier import kaplan_meier
from mmlego.tasks.risk_groups import observed_survival, risk_standing, risk_summary
from mmlego.tasks.usual_times import usual_times


def cohort(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    risk = torch.rand(n, generator=draw, dtype=torch.float64)
    time = torch.empty(n).exponential_(1.0, generator=draw) * (2 - risk) * 10
    event = (torch.rand(n, generator=draw) < 0.7).double()
    return risk, torch.stack([event, time], dim=1)


def test_thirds_of_the_risk_have_the_curves_of_their_patients() -> None:
    risk, target = cohort(90)
    found = risk_summary(risk, target, [5.0, 10.0])
    assert [group["patients"] for group in found["groups"]] == [30, 30, 30]
    lowest = target[risk.argsort()[:30]]
    curve = kaplan_meier(lowest[:, 0].numpy(), lowest[:, 1].numpy()).at([5.0, 10.0])
    assert found["groups"][0]["survival"] == pytest.approx(curve[0].tolist(), rel=1e-3)
    assert found["groups"][0]["low"] == pytest.approx(curve[1].tolist(), rel=1e-3)
    assert found["groups"][0]["events"] == int(lowest[:, 0].sum())


@pytest.mark.parametrize(("n", "groups"), [(39, 0), (40, 2), (59, 2), (60, 3)])
def test_groups_have_twenty_patients(n: int, groups: int) -> None:
    assert len(risk_summary(*cohort(n), [5.0])["groups"]) == groups


def test_where_nobody_died_the_bound_is_that_of_so_many_survivors() -> None:
    target = torch.stack([torch.zeros(40), torch.arange(40) + 1.0], dim=1)
    found = risk_summary(torch.arange(40.0), target, [10.5])["groups"]
    # of the lower half, whose times are 1 to 20, ten are observed longer than 10.5
    assert (found[0]["survival"], found[0]["high"]) == ([1.0], [1.0])
    assert found[0]["low"] == pytest.approx([0.025 ** (1 / 10)], rel=1e-3)


def test_no_risk_of_a_single_patient_is_kept() -> None:
    risk = torch.arange(41.0)
    found = risk_summary(risk, cohort(41)[1], [5.0])
    # the fifth from either end are 4 and 36; a step of 5 % is two patients
    assert found["risk"] == [4, 4, *np.arange(4.0, 37.0, 2.0), 36, 36]
    assert found["least"] == 5
    among = risk_standing(torch.tensor([-3.0, 4.0, 5.0, 20.0, 36.0, 99.0]), found)["risk_percentile"]
    assert among.tolist() == [5.0, 5.0, 12.5, 50.0, 95.0, 95.0]  # the middle of the lowest and of the highest tenth


def test_of_few_patients_nobody_is_told_where_they_stand() -> None:
    found = risk_summary(*cohort(9), [5.0])
    assert (found["risk"], found["groups"]) == ([], [])
    assert np.isnan(risk_standing(torch.tensor([0.5]), found)["risk_percentile"]).all()


def test_a_risk_stands_among_those_held_out() -> None:
    summary = {"risk": np.linspace(0, 1, 21).tolist(), "groups": [{}, {}, {}]}
    found = risk_standing(torch.tensor([-1.0, 0.25, 0.5, 0.99, 2.0]), summary)
    assert found["risk_percentile"].tolist() == pytest.approx([0.0, 25.0, 50.0, 99.0, 100.0])
    assert found["risk_group"].tolist() == [
        "low (≤ P33)",
        "low (≤ P33)",
        "intermediate (P33–P67)",
        "high (> P67)",
        "high (> P67)",
    ]


def test_observed_survival_lies_on_lines_between_cuts_and_ends_at_the_last() -> None:
    groups = [{"low": [0.8, None], "high": [1.0, None]}, {"low": [0.2, 0.1], "high": [0.6, 0.4]}]
    summary = {"risk": np.linspace(0, 1, 21).tolist(), "groups": groups}
    low, high = observed_survival(torch.tensor([0.1, 0.9]), summary, [2.0, 4.0], [1.0, 2.0, 3.0, 4.5])
    assert low[0, :2].tolist() == pytest.approx([0.9, 0.8])
    assert np.isnan(low[0, 2:]).all()
    assert low[1, :3].tolist() == pytest.approx([0.6, 0.2, 0.15])
    assert high[1, :3].tolist() == pytest.approx([0.8, 0.6, 0.5])
    assert math.isnan(high[1, 3])


def test_a_survival_task_compares_with_all_of_that() -> None:
    task = Survival([5.0, 10.0], unit="months")
    risk, target = cohort(90)
    logits = torch.stack([risk, risk, risk], dim=1).float()
    summary = task.summary(logits, target)
    found = task.compared(logits[:4], summary, times=[5.0])
    assert list(found) == [
        "risk_percentile",
        "risk_group",
        "survival_at_5_months_low_95",
        "survival_at_5_months_high_95",
    ]
    twice = task.compared(logits[:4], summary, times=[5.0, 5.0, 10.0])
    once = task.compared(logits[:4], summary, times=[10.0])
    assert twice["survival_at_10_months_low_95"].tolist() == once["survival_at_10_months_low_95"].tolist()
    order = risk[:4].argsort().tolist()
    assert found["risk_percentile"].argsort().tolist() == order
    assert task.compared(logits, {}) == {}


@pytest.mark.parametrize(
    ("horizon", "unit", "times"),
    [
        (61.3, "months", (12.0, 24.0, 60.0)),
        (16.4, "years", (1.0, 2.0, 5.0, 10.0)),
        (800.0, "days", (365.0, 730.0)),
        (400.0, "days", (100.0, 200.0, 300.0, 400.0)),
        (3.0, "months", (1.0, 2.0, 3.0)),
        (1000.0, None, (250.0, 500.0, 750.0, 1000.0)),
        (0.07, None, (0.02, 0.04, 0.06)),
    ],
)
def test_round_times_up_to_the_horizon(horizon: float, unit: str | None, times: tuple[float, ...]) -> None:
    assert usual_times(horizon, unit) == pytest.approx(times)
