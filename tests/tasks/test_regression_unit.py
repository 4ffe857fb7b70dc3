"""Units of numbers: part of the task, never converted; and what cannot be in them is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmlego import InputError, LegoWarning, MismatchError
from mmlego.tasks import Regression, task_from_config
from mmlego.tasks.regression_unit import check_numbers, units_of

CHOLESTEROL = np.random.default_rng(0).normal(200, 40, (60, 1))  # mg/dl
PER_MMOL = 38.67  # mg/dl of cholesterol in a mmol/l


def test_units_are_part_of_the_task() -> None:
    task = Regression(["ldl"], mean=130.0, scale=30.0, units="mg/dl")
    assert task.config() == {
        "name": "regression",
        "targets": ["ldl"],
        "mean": [130.0],
        "scale": [30.0],
        "units": ["mg/dl"],
    }
    assert task_from_config(task.config()) == task
    assert task.differences(Regression(["ldl"], 130.0, 30.0, "mmol/l")) == ["units: ('mg/dl',) ≠ ('mmol/l',)"]
    assert "units" not in Regression(["ldl"]).config()  # as before there were units
    assert repr(Regression(["ldl"])) == "Regression(targets=('ldl',), mean=(0.0,), scale=(1.0,))"


@pytest.mark.parametrize("units", [["kg"], "", " kg", {"height": "m"}, [1, 2], ["kg", ""]])
def test_what_is_no_unit(units: object) -> None:
    with pytest.raises(InputError, match="units of numbers: expected one unit, or one for each of height, weight"):
        units_of(units, ["height", "weight"])  # type: ignore[arg-type]


def test_other_units_are_refused_and_not_converted() -> None:
    task = Regression(["ldl"], mean=200.0, scale=40.0, units="mg/dl")
    with pytest.raises(MismatchError, match=r"in the outcome section, ldl in mg/dl, got mmol/l\. Convert"):
        check_numbers(task, CHOLESTEROL, ["mmol/l"])
    with pytest.raises(MismatchError, match=r"got none\. Add there the unit"):
        check_numbers(task, CHOLESTEROL, None)
    check_numbers(task, CHOLESTEROL, ("mg/dl",))


@pytest.mark.parametrize(
    ("mean", "scale", "values"),
    [
        (200.0, 40.0, CHOLESTEROL / PER_MMOL),
        (200 / PER_MMOL, 40 / PER_MMOL, CHOLESTEROL),
        (37.0, 0.6, np.linspace(309, 312, 40)[:, None]),  # Celsius and Kelvin
        (70.0, 12.0, np.linspace(50e3, 90e3, 40)[:, None]),  # kg and g
    ],
)
def test_another_scale_is_refused_where_units_do_not_tell(mean: float, scale: float, values: np.ndarray) -> None:
    with pytest.raises(MismatchError, match=r"'x' are of another scale than those of the model.*in the unit that"):
        check_numbers(Regression(["x"], mean, scale), values, None)
    with pytest.raises(MismatchError, match="Mend unit: of the outcome section"):
        check_numbers(Regression(["x"], mean, scale, "u"), values if scale != 40.0 else values / 10, ("u",))


def test_declared_alike_and_far_away_is_told() -> None:
    with pytest.warns(LegoWarning, match=r"far from those of the model.*is unit: of the outcome section right\?"):
        check_numbers(Regression(["x"], 50.0, 10.0, "years"), np.linspace(100, 150, 40)[:, None], ("years",))


def test_who_is_older_or_fewer_or_alike_is_no_other_unit() -> None:
    task = Regression(["age"], 50.0, 12.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_numbers(task, np.linspace(75, 95, 40)[:, None], None)  # a geriatric ward
        check_numbers(task, np.full((40, 1), 60.0), None)  # all of one age
        check_numbers(task, np.full((10, 1), 1e6), None)  # too few to tell
        check_numbers(Regression(["age"]), np.linspace(75, 95, 40)[:, None], None)  # a plate made without patients


@given(st.floats(-2, 2), st.floats(0.3, 3), st.integers(20, 60))
def test_a_like_cohort_is_never_refused(shift: float, spread: float, n: int) -> None:
    values = 5 + 2 * (shift + spread * np.linspace(-1, 1, n)[:, None])
    check_numbers(Regression(["x"], 5.0, 2.0), values, None)
