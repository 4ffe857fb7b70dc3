from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmlego.data.kinds.series.binning import RULES, aggregate, bins_of, count_bins, group_cells

MEASURED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.floats(-100, 100)), max_size=30)


@pytest.mark.parametrize("rule", RULES)
@given(rows=MEASURED)
def test_cells_agree_with_pandas(rule: str, rows: list[tuple[int, int, float]]) -> None:
    table = pd.DataFrame(rows, columns=["variable", "row", "value"]).astype(
        {"variable": int, "row": int, "value": float}
    )
    cells = group_cells(table["variable"].to_numpy(), table["row"].to_numpy())
    found = pd.Series(
        aggregate(table["value"].to_numpy(), cells, rule),
        index=pd.MultiIndex.from_arrays([cells.variable, cells.row], names=["variable", "row"]),
        name="value",
        dtype=float,
    )
    expected = table.groupby(["variable", "row"])["value"].agg(rule)
    pd.testing.assert_series_equal(found, expected.astype(float), check_index_type=False, atol=1e-9)


@pytest.mark.parametrize(
    ("time", "width", "horizon", "expected"),
    [
        ([0.0, 0.99, 1.0, 47.99, 48.0], 1.0, 48.0, [0, 0, 1, 47, 47]),
        ([48.01, 1e9], 1.0, 48.0, [-1, -1]),
        ([4.0, 4.9, 5.0], 2.0, 5.0, [2, 2, 2]),  # the last bin is shorter
        ([0.0, 100.0], 24.0, None, [0, 4]),
        ([0.3, 0.25], 0.1, 0.3, [2, 2]),
    ],
)
def test_bins(time: list[float], width: float, horizon: float | None, expected: list[int]) -> None:
    assert bins_of(np.array(time), width, horizon).tolist() == expected


def test_rounding_makes_no_bin_of_its_own() -> None:
    assert count_bins(0.3, 0.1) == 3
    assert count_bins(48, 1 / 60) == 2880
