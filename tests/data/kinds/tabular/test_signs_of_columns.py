"""Whether a column has values below 0 is learnt of so many patients as all else; a negative one elsewhere is told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.random import default_rng

from mmlego.data import TablePreprocessor
from mmlego.errors import CheckpointError

# skewed to the right: −1 is within a deviation of the mean
TRAIN = pd.DataFrame(
    {
        "crp": default_rng(0).lognormal(1, 1.5, 60),
        "base_excess": np.linspace(-9, 6, 60),
        "mostly": [-0.5, -0.4, *np.linspace(0, 9, 58)],  # two patients are too few to tell of
        "sex": ["f", "m"] * 30,
    }
)
NEW = pd.DataFrame(
    {"crp": [-1, 4, None], "base_excess": [-1, -5, 2], "mostly": [3, -1, 4], "sex": "f"}, index=list("abc")
)


def test_a_negative_value_where_training_had_none_marks_the_patient() -> None:
    table = TablePreprocessor.fit(TRAIN, min_patients=5)
    assert table.signed == ("base_excess",)
    assert abs((-1 - table.centre[0]) / table.scale[0]) < 1
    assert table.odd(NEW) == ({"a": ["crp = -1"], "b": ["mostly = -1"]}, {})
    assert TablePreprocessor.fit(TRAIN, min_patients=2).signed == ("base_excess", "mostly")


def test_a_table_without_numbers() -> None:
    assert TablePreprocessor.fit(TRAIN[["sex"]]).odd(NEW) == ({}, {})


def test_rows_of_one_patient_count_once() -> None:
    owners = np.repeat(np.arange(12), 5)
    below = pd.DataFrame({"x": np.r_[-np.ones(20), np.arange(40.0)]})  # 20 rows of four patients
    assert TablePreprocessor.fit(below, min_patients=5, owners=owners).signed == ()
    assert TablePreprocessor.fit(below, min_patients=4, owners=owners).signed == ("x",)


def test_it_is_saved_listed_and_not_known_of_older_files() -> None:
    table = TablePreprocessor.fit(TRAIN, min_patients=5)
    config = table.config()
    assert (config["version"], config["signed"]) == (5, ["base_excess"])
    assert TablePreprocessor.from_config(config) == table
    told = {one.where: one.what for one in table.kept()}
    assert told["crp"] == "median or middle, mean, deviation, few below 0"
    assert told["base_excess"] == "median or middle, mean, deviation, some below 0"
    old = TablePreprocessor.from_config({k: v for k, v in config.items() if k != "signed"} | {"version": 4})
    assert old.signed is None
    assert old.odd(NEW) == ({}, {})
    assert old.config() == {k: v for k, v in config.items() if k != "signed"} | {"version": 4}
    with pytest.raises(CheckpointError, match="below 0 is no numeric one"):
        TablePreprocessor.from_config(config | {"signed": ["sex"]})
