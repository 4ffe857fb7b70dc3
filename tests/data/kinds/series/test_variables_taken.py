"""What each variable of stays is taken for is told before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mmlego.data import Cohort
from mmlego.data.kinds.series.source import SeriesSource
from tests.stays import frame_of

ROWS = [
    *((f"p{i:02}", 0.5, "HR", 60.0 + i / 2) for i in range(40)),
    *((f"p{i:02}", 1.5, "GCS", 3.0 + i % 4) for i in range(20)),
    *((f"p{i:02}", 1.5, "Vent", 1.0) for i in range(10)),
    *((f"p{i:02}", 2.5, "Awake", float(i % 2)) for i in range(30)),
    ("p39", 0.5, "Lactate", 1.5),
    ("p39", 0.6, "Lactate", 2.5),
]
SOURCE = SeriesSource(file="vitals.csv")


def test_each_variable_is_told_with_its_range_and_who_has_it() -> None:
    found = {one.column: (one.taken, one.values, one.missing) for one in SOURCE.columns_taken(frame_of(*ROWS))}
    assert found == {
        "HR": ("number", "60 to 79.5, 40 measurements", 0),
        "GCS": ("few whole numbers", "3, 4, 5, 6, 20 measurements", 20),
        "Vent": ("constant", "1, 10 measurements", 30),
        "Awake": ("0/1", "0 15, 1 15", 10),
        "Lactate": ("number", "1.5 to 2.5, 2 measurements", 39),
    }


def test_the_summary_tells_them_in_one_line_and_which_hardly_anybody_has() -> None:
    assert SOURCE.in_short(frame_of(*ROWS)) == (
        "2 numbers, 1 0/1 (Awake), 1 of few whole numbers (GCS), 1 constant (Vent), "
        "1 of fewer than 5% of the patients (Lactate 1)"
    )


def test_variables_of_stays_that_were_looked_for_in_another_order_are_counted_by_name() -> None:
    first, second = frame_of(("a", 0.5, "HR", 60.5)), frame_of(("b", 0.5, "GCS", 3), ("b", 0.6, "HR", 80.5))
    found = SOURCE.columns_taken(pd.concat([first, second]))
    assert {one.column: (one.values, one.missing) for one in found} == {
        "HR": ("60.5 to 80.5, 2 measurements", 0),
        "GCS": ("3, 1 measurement", 1),
    }


def test_summary_and_columns_of_a_cohort_hold_them(tmp_path: Path) -> None:
    lines = ["id,time,variable,value", *(f"{who},{time},{name},{value}" for who, time, name, value in ROWS)]
    (tmp_path / "vitals.csv").write_text("\n".join(lines))
    (tmp_path / "cohort.yaml").write_text(
        "key: id\nmodalities: {vitals: {kind: series, file: vitals.csv, cache: false}}\n"
    )
    cohort = Cohort.from_manifest(tmp_path / "cohort.yaml")
    assert "columns of vitals: 2 numbers, 1 0/1 (Awake)" in cohort.summary()
    table = cohort.columns().set_index("column")
    assert table.loc["GCS", ["taken", "missing"]].tolist() == ["few whole numbers", 20]
