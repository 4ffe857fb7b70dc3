"""Series in memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from mmlego.data import Cohort
from mmlego.data.kinds.series.cells import stays_of_cells
from mmlego.errors import InputError


def frame(*cells: object) -> pd.DataFrame:
    return pd.DataFrame({"vitals": pd.Series(list(cells), dtype=object, index=[f"p{i}" for i in range(len(cells))])})


def test_rows_of_an_array_are_bins() -> None:
    stays, _ = stays_of_cells(
        frame(np.array([[1.0, np.nan], [2.0, 5.0]]), None, torch.zeros(1, 1)), None, "v", bin_hours=2
    )
    assert (stays.patients, stays.names, list(stays.sizes)) == (("p0", "p2"), ("v0", "v1"), [3, 1])
    assert stays.time.tolist() == [0.0, 2.0, 2.0, 0.0]
    assert stays.value.tolist() == [1.0, 2.0, 5.0, 0.0]
    assert stays.variable.tolist() == [0, 0, 1, 0]


def test_times_of_a_table_are_in_a_unit_and_put_in_order() -> None:
    table = pd.DataFrame({"HR": [80, 90]}, index=[120, 30])
    stays, _ = stays_of_cells(frame(table), None, "v", unit="minutes")
    assert stays.time.tolist() == [0.5, 2.0]
    assert stays.value.tolist() == [90.0, 80.0]


def test_memory_is_as_a_long_table(tmp_path: object) -> None:
    rng = np.random.default_rng(0)
    tables = {
        f"p{i}": pd.DataFrame(
            rng.normal(size=(4, 2)).astype(np.float32), columns=["HR", "Temp"], index=[0.5, 1.2, 3, 7]
        )
        for i in range(5)
    }
    rows = [(who, at, name, row[name]) for who, t in tables.items() for at, row in t.iterrows() for name in t]
    pd.DataFrame(rows, columns=["id", "time", "variable", "value"]).to_csv(tmp_path / "long.csv", index=False)
    (tmp_path / "cohort.yaml").write_text("key: id\nmodalities: {vitals: {kind: series, file: long.csv, bin_hours: 2}}")
    files = Cohort.from_manifest(tmp_path / "cohort.yaml")
    kinds = {"vitals": {"kind": "series", "bin_hours": 2}}
    memory = Cohort.from_frames({"vitals": frame(*tables.values())}, kinds=kinds)
    ours, theirs = (cohort.prepare(cohort.patients).data().batch().inputs["vitals"] for cohort in (memory, files))
    torch.testing.assert_close(ours.values, theirs.values, equal_nan=True)
    assert ours.sizes == theirs.sizes


def test_variables_are_chosen() -> None:
    cell = pd.DataFrame({"HR": [80.0], "Temp": [37.0]}, index=[0.0])
    kinds = {"vitals": {"kind": "series", "exclude": ["HR"]}}
    assert Cohort.from_frames({"vitals": frame(cell)}, kinds=kinds).frames["vitals"]["stay"]["p0"].names == ("Temp",)


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (np.ones(3), "no series"),
        (np.array([["a"]]), "no series of numbers"),
        (np.array([[np.inf]]), "infinite values or times"),
        (pd.DataFrame({"HR": [1.0]}, index=["noon"]), "no series of numbers"),
        (pd.DataFrame([[1.0, 2.0]], columns=["HR", "HR"]), "no series"),
    ],
)
def test_cells_that_are_none(cell: object, told: str) -> None:
    with pytest.raises(InputError, match=told):
        stays_of_cells(frame(cell), None, "vitals")


def test_one_series_a_patient() -> None:
    twice = pd.DataFrame({"v": [np.ones((1, 1))] * 2}, index=["a", "a"])
    with pytest.raises(InputError, match=r"several series \(a\)"):
        stays_of_cells(twice, None, "vitals")
    with pytest.raises(InputError, match="one column"):
        stays_of_cells(twice.assign(w=1), None, "vitals")
    early = pd.DataFrame({"HR": [1.0]}, index=[-3.0])
    with pytest.raises(InputError, match="before the start"):
        Cohort.from_frames({"v": frame(early)}, kinds={"v": {"kind": "series"}})
