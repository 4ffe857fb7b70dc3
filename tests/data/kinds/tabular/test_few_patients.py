"""What stands for too few patients is not kept: counted by hand, and as laws."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego.data import TablePreprocessor, preprocessing_from_config
from mmlego.data.kinds.tabular.categories import categories_of
from mmlego.data.kinds.tabular.moments import moments
from mmlego.errors import CheckpointError, LegoWarning

NAMES = [f"Ada {i}" for i in range(12)]


def people() -> pd.DataFrame:
    sites = ["Ulm"] * 5 + ["Bonn"] * 3 + ["Graz"] * 2 + ["Ulm", None]
    stages = ["I"] * 8 + ["II"] * 3 + [None]
    return pd.DataFrame({"site": sites, "stage": stages, "name": NAMES, "age": np.arange(12.0)})


def fitted(least: int = 5) -> TablePreprocessor:
    with pytest.warns(LegoWarning, match="fewer than 5 patients are taken as one, 'other', in 1 column: site"):
        return TablePreprocessor.fit(people(), min_patients=least)


def test_rare_categories_are_one_if_enough_have_them_and_else_missing() -> None:
    table = fitted()
    assert table.features == ("age", "site=Ulm", "site=other", "stage=I")
    assert table.dropped == {"name": "values of fewer than 5 patients each"}
    assert table.rare == {"site": "other", "stage": "missing"}
    assert table.counts == {"age": (10,), "site": (5, 5), "stage": (5,)}  # 12, 6 and 5, 8: in steps of five
    with pytest.warns(LegoWarning, match="'stage' has values that fewer than 5 patients had, taken as missing: II"):
        features = table.transform(people())[:, 1:]
    assert features[[0, 5, 8, 11]].tolist() == [[1, 0, 1], [0, 1, 1], [0, 1, 0], [0, 0, 0]]


def test_what_nobody_had_is_other_too_and_marked() -> None:
    table = fitted()
    new = pd.DataFrame({"site": ["Linz"], "stage": ["I"], "age": [3.0]}, index=["x"])
    assert table.transform(new)[0, 1:].tolist() == [0, 1, 1]
    assert table.odd(new)[1] == {"x": ["site = Linz"]}


def test_no_rare_value_is_in_what_is_saved() -> None:
    table = fitted()
    text = json.dumps(table.config())
    for value in ("Bonn", "Graz", "II", "Ada"):
        assert f'"{value}' not in text
    assert preprocessing_from_config(json.loads(text)) == table


def test_a_value_called_other_is_one_of_them() -> None:
    found = categories_of(pd.Series(["other"] * 6 + ["a"] * 5 + ["b"]), 5, np.arange(12))
    assert found == (("a", "other"), (5, 5), "other")
    assert categories_of(pd.Series(["other"] * 6 + ["a"] * 5), 5, np.arange(11)).rare is None


def test_patients_count_and_not_rows() -> None:
    atoms, owners = pd.Series(["C"] * 4 + ["U"] * 9), np.array([0, 1, 2, 3, *[0] * 9])
    assert categories_of(atoms, 2, owners).known == ("C",)
    table = TablePreprocessor.fit(pd.DataFrame({"atom": atoms}), min_patients=2, owners=owners.tolist())
    assert table.features == ("atom=C",)


def test_a_column_that_few_have_is_dropped() -> None:
    frame = pd.DataFrame({"age": np.arange(9.0), "crp": [1.0, 2.0, 3.0, 4.0, *[np.nan] * 5]})
    table = TablePreprocessor.fit(frame, min_patients=5)
    assert (table.columns, table.dropped) == (("age",), {"crp": "of fewer than 5 patients"})


def test_medians_that_few_have_become_the_mean_of_the_middle() -> None:
    values = np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 2.0], [8.0, 2.0], [100.0, 9.0], [np.nan, np.nan]])
    # x: the three in the middle are 2, 4 and 8. y: three patients have the median.
    assert moments(values, ["x", "y"], least=3).fill.tolist() == pytest.approx([14 / 3, 2])
    # even many: the four in the middle of six
    six = np.array([[1.0], [2.0], [4.0], [8.0], [16.0], [100.0]])
    assert moments(six, ["x"], least=3).fill.tolist() == pytest.approx([7.5])
    assert moments(six, ["x"], least=1).fill.tolist() == [6.0]
    # of rows of few patients as many as it takes: 0 has the three in the middle, 1 and 2 come with the next two
    assert moments(six[:5], ["x"], least=3, owners=np.array([1, 0, 0, 0, 2])).fill.tolist() == pytest.approx([31 / 5])


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=60), st.integers(1, 7))
def test_each_category_is_of_enough_patients(cells: list[str], least: int) -> None:
    found = categories_of(pd.Series(cells, dtype=object), least, np.arange(len(cells)))
    rare = [cell for cell in cells if cell not in found.known]
    for word, count in zip(found.known, found.counts, strict=True):
        exact = len(rare) if word == "other" else cells.count(word)
        assert exact >= count >= least
        assert count % least == 0
    if found.rare == "missing":
        assert 0 < len(rare) < least


@given(st.lists(st.integers(-50, 50), min_size=5, max_size=40), st.integers(1, 5))
def test_fills_do_not_hang_on_the_ends(numbers: list[int], least: int) -> None:
    values = np.array(numbers, dtype=float)[:, None]
    found = moments(values, ["x"], least=least).fill[0]
    assert np.isclose(moments(values[::-1], ["x"], least=least).fill[0], found)
    assert np.isclose(moments(values + 3, ["x"], least=least).fill[0], found + 3)
    if (values == np.median(values)).sum() >= least:
        assert found == np.median(values)


def test_old_configurations_answer_as_before() -> None:
    table = TablePreprocessor.fit(people().drop(columns="name"))
    config = {key: value for key, value in table.config().items() if key not in ("rare", "min_patients", "counts")}
    old = preprocessing_from_config(config | {"version": 2})
    assert torch.equal(old.transform(people()), table.transform(people()))  # type: ignore[arg-type]
    assert old.counts == {}  # type: ignore[attr-defined]


@pytest.mark.parametrize("bad", [{"counts": {"age": [5, 5]}}, {"counts": {"x": [5]}}, {"rare": {"stage": "other"}}])
def test_a_state_that_does_not_fit(bad: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match=r"counts need a column|rare categories are other"):
        preprocessing_from_config(fitted().config() | bad)
