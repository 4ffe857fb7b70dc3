from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmlego.data.kinds.series.preprocess import SeriesPreprocessor
from mmlego.data.kinds.series.ranges import ranges
from mmlego.errors import InputError, LegoWarning
from tests.data.kinds.series.test_series import frame_of


def of(
    values: list[list[float]], least: int, clip: dict[str, tuple[float, float]] | None = None
) -> tuple[float, float]:
    """Return the range of one variable, whose values each patient has in a list."""
    who = np.repeat(np.arange(len(values)), [len(row) for row in values])
    flat = np.concatenate([np.array(row, dtype=float) for row in values])
    low, high, patients = ranges(who, np.zeros(len(who), dtype=int), flat, ["HR"], clip or {}, (0, 1), least)
    assert patients.tolist() == [len(values)]
    return float(low[0]), float(high[0])


def test_so_many_patients_lie_at_the_ends_or_beyond() -> None:
    values = [[10.0, 90], [20, 80], [30, 70], [40, 60], [50, 55], [1, 99]]
    assert of(values, 1) == (1, 99)
    assert of(values, 2) == (10, 90)  # the second smallest of the smallest, the second largest of the largest
    assert of(values, 3) == (20, 80)
    assert of([*values[:5], [1.0] * 50], 3) == (20, 70)  # one patient's many values count once
    assert of(values, 2, {"HR": (30, 85)}) == (30, 85)


def test_of_few_patients_three_deviations() -> None:
    low, high = of([[1.0], [2.0], [3.0]], 3)  # mean 2, variance 2/3; no value is negative
    assert (low, high) == (0.0, pytest.approx(2 + 3 * np.sqrt(2 / 3)))
    low, high = of([[-1.0], [2.0], [3.0]], 3, {"*": (-9, 4)})
    assert (low, high) == (pytest.approx(4 / 3 - 3 * np.sqrt(26 / 9)), 4)


@given(st.lists(st.lists(st.floats(-99, 99), min_size=1, max_size=4), min_size=4, max_size=12), st.integers(2, 4))
def test_no_range_is_one_patients(values: list[list[float]], least: int) -> None:
    low, high = of(values, least)
    assert low <= high
    if len(values) >= 2 * least:
        assert sum(min(row) <= low for row in values) >= least
        assert sum(max(row) >= high for row in values) >= least


def test_a_variable_that_few_have_is_dropped_and_told() -> None:
    rows = [(str(i), 0, "HR", 80 + i) for i in range(6)] + [("0", 0, "Rare", 1)]
    with pytest.warns(LegoWarning, match="1 variable measured in fewer than 5 patients dropped: Rare"):
        series = SeriesPreprocessor.fit(frame_of(*rows), min_patients=5)
    assert series.dropped == {"Rare": "measured in fewer than 5 patients"}
    assert [column.patients for column in series.columns] == [5]
    assert SeriesPreprocessor.from_config(series.config()) == series
    with (
        pytest.warns(LegoWarning, match="2 variables measured in fewer than 7 patients"),
        pytest.raises(InputError, match="no variable is measured in enough training patients: expected 7"),
    ):
        SeriesPreprocessor.fit(frame_of(*rows), min_patients=7)
