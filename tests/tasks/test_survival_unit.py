"""Times of a cohort meet those of a model: the same unit, another that is declared, or a refusal."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from mmlego import Baseplate, load, save
from mmlego.data.cohort.manifest import parse_outcome
from mmlego.errors import InputError, LegoWarning, MismatchError
from mmlego.tasks import Survival, task_from_config
from mmlego.tasks.survival_unit import DAYS, times_for

MONTHS = np.arange(1.0, 61.0)  # a median of 30.5, which is kept with two digits
TASK = Survival.from_data(np.ones(60), MONTHS, unit="months")


def section(**more: object) -> object:
    return parse_outcome({"task": "survival", "time": "t", "event": "e", "event_when": 1, **more})


def outcome(times: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"event": 1.0, "time": times}, index=[f"p{i}" for i in range(len(times))])


@pytest.mark.parametrize(
    ("unit", "in_months"), [("days", 12 / 365.25), ("weeks", 7 * 12 / 365.25), ("months", 1), ("years", 12)]
)
def test_declared_times_are_converted(unit: str, in_months: float) -> None:
    times = MONTHS / in_months
    torch.testing.assert_close(
        section(unit=unit).target(outcome(times), TASK), Survival.target(np.ones(60), MONTHS), rtol=1e-6, atol=1e-6
    )


def test_times_without_a_unit_are_refused_where_the_model_has_one() -> None:
    with pytest.raises(MismatchError, match=r"times of the cohort have no unit, those of the model are months: .*Add"):
        section().target(outcome(MONTHS), TASK)


def test_times_of_a_model_without_a_unit_are_taken_as_they_are() -> None:
    task = Survival.from_data(np.ones(60), MONTHS)
    for spec in (section(), section(unit="months")):
        assert spec.target(outcome(MONTHS), task)[:, 1].tolist() == MONTHS.tolist()


@pytest.mark.parametrize("task", [Survival.from_data(np.ones(60), MONTHS), Survival([12, 24, 60])])
@pytest.mark.parametrize(
    ("factor", "where"), [(1.0, ""), (365.25 / 12, "longer"), (3.0, ""), (1 / 3, ""), (1 / 100, "shorter")]
)
def test_times_of_another_scale_are_refused(task: Survival, factor: float, where: str) -> None:
    if not where:
        times_for(task, MONTHS * factor, None)
        return
    with pytest.raises(MismatchError, match=f"of another scale than those of the model, far {where}: .*Give the times"):
        times_for(task, MONTHS * factor, None)
    times_for(task, MONTHS[:19] * factor, None)  # by a few patients no scale is judged


def test_years_for_months() -> None:
    with pytest.raises(MismatchError, match=r"expected times in the unit of the model, which has a median of 30 in "):
        times_for(Survival.from_data(np.ones(60), MONTHS), MONTHS / 12, None)


@pytest.mark.parametrize("task", [TASK, Survival([12, 24, 60], unit="months")])
@pytest.mark.parametrize("meant", ["days", "weeks", "months", "years"])
@pytest.mark.parametrize("said", ["days", "weeks", "months", "years"])
def test_declared_times_that_would_be_right_in_another_unit_are_refused_with_the_unit(
    task: Survival, meant: str, said: str
) -> None:
    times = MONTHS * DAYS["months"] / DAYS[meant]
    if meant == said or {meant, said} == {"weeks", "months"}:  # four times is no more than cohorts differ
        assert times_for(task, times, said).shape == times.shape
        return
    with pytest.raises(
        MismatchError, match=rf"in {said}, as unit: .*, as if they were in {meant}\. Say unit: {meant} "
    ):
        times_for(task, times, said)
    np.testing.assert_allclose(times_for(task, times, meant), MONTHS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegoWarning)
        assert np.median(times_for(task, times, said, sure=True)) != pytest.approx(30.5)


@pytest.mark.parametrize("middle", [1.5, 48.0, 110.0])
def test_a_median_between_the_cuts_is_of_their_unit_however_far_apart_these_are(middle: float) -> None:
    task = Survival([1, 12, 60, 120], unit="months")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert times_for(task, np.full(20, middle), "months").tolist() == [middle] * 20
    with pytest.raises(MismatchError, match="as if they were in days"):
        times_for(task, np.full(20, 900.0), "months")


def test_declared_times_that_are_far_off_in_all_units_are_told_and_impossible_ones_refused() -> None:
    with pytest.warns(LegoWarning, match=r"far longer than those of the model, which has a median of 1000 days in"):
        times_for(Survival.from_data(np.ones(60), MONTHS / MONTHS.mean() * 1000, unit="days"), MONTHS * 400, "days")
    with pytest.raises(MismatchError, match=r"far longer: .*Mend unit: of the outcome section, or the times"):
        times_for(TASK, MONTHS * 1000, "months")


def test_who_has_looked_says_so_and_times_between_dates_are_what_they_are() -> None:
    frame = outcome(MONTHS / 12)
    with pytest.raises(MismatchError, match="unit_checked: true"):
        section(unit="months").target(frame, TASK)
    dates = parse_outcome(
        {"task": "survival", "start": "a", "end": "b", "unit": "months", "event": "e", "event_when": 1}
    )
    for spec in (section(unit="months", unit_checked=True), dates):
        with pytest.warns(LegoWarning, match="far shorter"):
            assert spec.target(frame, TASK)[:, 1].tolist() == pytest.approx((MONTHS / 12).tolist())


def test_the_unit_is_part_of_the_task() -> None:
    task = Survival([12, 24], unit="months")
    assert task_from_config(task.config()) == task
    assert task != Survival([12, 24])
    assert Survival([12, 24]).differences(task) == ["unit: None ≠ months"]
    assert list(task.predict(torch.zeros(1, 3)).frame().columns) == [
        "risk",
        "survival_at_12_months",
        "survival_at_24_months",
    ]
    assert task.predict(torch.zeros(1, 3)).columns([6, 36])["survival_at_36_months"].tolist() == pytest.approx(
        [np.nan], nan_ok=True
    )
    with pytest.raises(InputError, match=r"unit of time: expected one of days, weeks, months, years, or None, got 'h'"):
        Survival([1.0], unit="h")


def test_the_unit_is_kept_with_the_plate_and_old_plates_have_none(tmp_path: object) -> None:
    plates = {unit: Baseplate(Survival([12, 24], unit=unit), channels=4, width=8) for unit in (None, "months")}
    for unit, plate in plates.items():
        save(plate, f"{tmp_path}/{unit}")
        assert load(f"{tmp_path}/{unit}").task == plate.task
    # As written before there were units, so that fingerprints of old files hold.
    assert plates[None].config()["task"] == {"name": "survival", "cuts": [12.0, 24.0]}
    assert plates[None].fingerprint != plates["months"].fingerprint
    assert plates[None].differences(plates["months"]) == ["task.unit: None ≠ months"]
