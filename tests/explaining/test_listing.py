"""Lines of many patients: what is kept, what is summed, and the mean sizes of all."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego import InputError
from mmlego.data import PatientData
from mmlego.explaining import feature_values
from mmlego.explaining.listing import Listing
from mmlego.tasks import Regression
from tests.bricks import plate, table_block


def lines(values: list[float], **more: Any) -> list[dict[str, Any]]:
    return [{"feature": f"g{i}", "value": 1.0, "attribution": value, **more} for i, value in enumerate(values)]


@given(st.lists(st.lists(st.floats(-5, 5), min_size=1, max_size=8), min_size=1, max_size=4), st.integers(1, 9))
def test_what_is_listed_sums_to_all_and_sizes_are_of_all(patients: list[list[float]], top: int) -> None:
    some, whole = Listing(top), Listing(None)
    for i, values in enumerate(patients):
        some.add(f"p{i}", lines(values))
        whole.add(f"p{i}", lines(values))
    table, all_of_it = some.table(), whole.table()
    for i, values in enumerate(patients):
        mine = table[table["patient"] == f"p{i}"]["attribution"]
        assert len(mine) <= top + 1
        assert mine.sum() == pytest.approx(sum(values), abs=1e-9)
        kept = mine.iloc[:top].abs() if len(values) > top + 1 else mine.abs()
        assert kept.min() == pytest.approx(sorted(map(abs, values), reverse=True)[: len(kept)][-1])
    assert some.sizes().equals(whole.sizes())
    assert some.cut == (len(table) < len(all_of_it))
    means = all_of_it.assign(size=all_of_it["attribution"].abs()).groupby("feature")["size"].sum() / len(patients)
    assert whole.sizes()["mean_size"].to_dict() == pytest.approx(means.to_dict())


def test_cells_of_a_variable_are_one_feature_of_the_summary() -> None:
    listing = Listing(None)
    listing.add("p", [*lines([2.0], hour=0.0), *lines([-3.0], hour=6.0)])
    assert listing.sizes().loc["g0"].tolist() == [1.0, -1.0, 1]


def test_places_are_kept_of_all_patches_and_columns_that_some_lack_are_missing() -> None:
    listing = Listing(1)
    listing.add("p", lines([1.0]))
    listing.add("q", lines([1.0, 2.0, 3.0], slide="s", x=0.0, y=0.0))
    assert listing.patches["q"]["attribution"].tolist() == [1.0, 2.0, 3.0]
    table = listing.table()
    assert table["slide"].isna().tolist() == [True, False, True]
    assert table["feature"].tolist() == ["g0", "g2", "(2 others)"]
    assert listing.most == 3


def test_feature_values_list_the_top() -> None:
    block = table_block(plate(Regression()), "labs", 6)
    data = PatientData({"labs": torch.randn(12, 6)}, None, block.task, patients=[f"p{i}" for i in range(12)])
    whole, some = (feature_values(block, data, "labs", top=top) for top in (None, 2))
    assert (len(whole.per_feature), len(some.per_feature)) == (72, 36)
    assert (whole.most, some.most) == (0, 6)
    assert some.summary().equals(whole.summary())
    sums = some.per_feature.groupby("patient")["attribution"].sum()
    assert sums.to_dict() == pytest.approx(some.sums["attributions"].to_dict())
    with pytest.raises(InputError, match="how many features are listed"):
        feature_values(block, data, "labs", top=0)
