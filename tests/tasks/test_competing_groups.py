"""Predictions of causes beside held-out patients: against scikit-survival's estimate in the same group."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from mmlego.tasks import CompetingRisks
from tests.tasks.causes import competing_cohort

TASK = CompetingRisks([1.0, 2.0], ["relapse", "death"], unit="years")


def test_of_each_cause_thirds_of_its_risk_have_the_incidence_of_their_patients() -> None:
    nonparametric = pytest.importorskip("sksurv.nonparametric")
    event, time = competing_cohort(0, 90)
    target = torch.stack([event.float(), time.float()], 1)
    logits = torch.randn(90, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    summary = json.loads(json.dumps(TASK.summary(logits, target)))  # as a card keeps it
    risks = TASK.predict(logits).risks.numpy()
    found = TASK.compared(logits, summary, times=[1.0, 2.0])
    for place, cause in enumerate(TASK.causes):
        order = risks[:, place].argsort(kind="stable")
        for number, rows in enumerate(np.split(order, 3)):
            group = summary["causes"][cause]["groups"][number]
            assert (group["patients"], group["events"]) == (30, int((event.numpy()[rows] == place + 1).sum()))
            at, curves, band = nonparametric.cumulative_incidence_competing_risks(
                event.numpy()[rows], time.float().double().numpy()[rows], conf_type="log-log"
            )
            step = np.searchsorted(at, [1.0, 2.0], side="right") - 1
            assert group["incidence"] == pytest.approx(curves[place + 1, step].tolist(), rel=2e-3)
            assert group["low"] == pytest.approx(band[place + 1, 0, step].tolist(), rel=2e-3)
            name = ("low", "intermediate", "high")[number]
            assert found[f"risk_of_{cause}_group"][rows[3]].startswith(name)
            assert found[f"{cause}_by_2_years_low_95"][rows[3]] == pytest.approx(group["low"][1])
            assert found[f"{cause}_by_2_years_high_95"][rows[3]] == pytest.approx(group["high"][1])
        percentile = found[f"risk_of_{cause}_percentile"]
        assert percentile[order[0]] == pytest.approx(0, abs=0.1)
        assert percentile[order[-1]] == pytest.approx(100, abs=0.1)
        assert (np.diff(percentile[order]) >= 0).all()


def test_between_0_and_the_first_cut_the_bounds_rise_from_0_and_beyond_the_last_there_are_none() -> None:
    group = {"low": [0.2, 0.3], "high": [0.4, 0.5]}
    summary = {"causes": {cause: {"risk": list(range(21)), "groups": [group, group]} for cause in TASK.causes}}
    found = TASK.compared(torch.zeros(1, 6), summary, times=[0.5, 1.0, 3.0])
    bounds = [(found[f"death_by_{at}_years_low_95"][0], found[f"death_by_{at}_years_high_95"][0]) for at in (0.5, 1)]
    assert bounds == [pytest.approx((0.1, 0.2)), pytest.approx((0.2, 0.4))]
    assert np.isnan(found["death_by_3_years_low_95"][0])


def test_where_nobody_had_it_the_bound_is_that_of_so_many_who_were_free() -> None:
    event, time = torch.zeros(40), torch.arange(40) + 0.5
    summary = TASK.summary(torch.zeros(40, 6), torch.stack([event, time], 1))
    (first, _) = summary["causes"]["relapse"]["groups"]
    assert first["incidence"] == [0.0, 0.0]
    assert first["high"][0] == pytest.approx(1 - 0.025 ** (1 / 19), rel=1e-3)  # 19 of 20 are there at 1


def test_few_patients_make_no_groups_and_nothing_kept_nothing_compared() -> None:
    event, time = competing_cohort(1, 30)
    target = torch.stack([event.float(), time.float()], 1)
    summary = TASK.summary(torch.zeros(30, 6), target)
    assert summary["causes"]["death"]["groups"] == []
    assert "risk_of_death_group" not in TASK.compared(torch.zeros(2, 6), summary)
    assert TASK.compared(torch.zeros(2, 6), {}) == {}
