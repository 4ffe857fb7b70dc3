"""What was lost of measurements, or read as another thing than it is, is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.data.kinds.series.clocks import Unit, doubt_of_unit
from mmlego.data.kinds.series.stays import Stay
from mmlego.data.kinds.series.taken import variables_taken
from mmlego.data.reading.remarks import Doubtful
from tests.data.kinds.series.test_layouts import IDS, cohort, measured


def told(read: Cohort, kind: type = Doubtful) -> list[str]:
    return [
        str(note) for note in read.dropped if type(note) is kind or (kind is not Doubtful and isinstance(note, kind))
    ]


def test_rows_without_a_value(tmp_path: Path) -> None:
    """eICU writes > 15 of a lactate into a column of its own, and leaves the number empty."""
    rows = "".join(f"{name},{h},K,{4 if h else ''},\n{name},{h},lactate,,>15\n" for name in IDS for h in (0, 1))
    table = {"l.csv": f"id,time,variable,value,valuetext\n{rows}"}
    read = cohort(tmp_path, table, {"file": "l.csv"})
    assert told(read) == ["x: l.csv: lactate without any value: do they stand in another column?"]
    assert "x: l.csv: 9 rows without a value (lactate 6×, K 3×)" in map(str, read.dropped)
    assert told(cohort(tmp_path, table, {"file": "l.csv", "variables": "K"})) == []


@pytest.mark.parametrize(
    ("column", "unit", "named"),
    [
        ("labresultoffset", "hours", "minutes"),
        ("labresultoffset", "minutes", ""),
        ("offset", "hours", ""),
        ("time_min", "hours", "minutes"),
        ("Minute", "days", "minutes"),
        ("day", "hours", "days"),
        ("time (s)", "hours", ""),
        ("seconds", "hours", "seconds"),
        ("ICULOS", "days", "hours"),
        ("hours", "hours", ""),
        ("admin", "hours", ""),
        ("time", "days", ""),
    ],
)
def test_times_called_by_another_unit(column: str, unit: Unit, named: str) -> None:
    assert [text.endswith(f"declare unit: {named}") for text in doubt_of_unit(column, unit)] == [True] * bool(named)


@pytest.mark.parametrize("layout", ["long", "wide"])
def test_times_called_by_another_unit_in_tables(layout: str, tmp_path: Path) -> None:
    content = "id,minutes,HR\np000001,60,80\n" if layout == "wide" else "id,minutes,variable,value\np000001,60,HR,80\n"
    section = {"file": "l.csv", "layout": layout, "time": "minutes"}
    read = cohort(tmp_path, {"l.csv": content}, section)
    assert ["called as minutes are" in text for text in told(read)] == [True]
    right = cohort(tmp_path, {"l.csv": content}, {**section, "unit": "minutes"})
    assert told(right) == []
    assert measured(right, IDS[0]) == [("HR", 1, 80)]


def test_death_is_no_variable_of_meds(tmp_path: Path) -> None:
    times = pd.to_datetime(["2024-01-01 01:00", "2024-01-01 09:00"])
    rows = pd.DataFrame(
        {"subject_id": IDS[0], "time": times, "code": ["HR", "MEDS_DEATH"], "numeric_value": [80.0, None]}
    )
    rows.to_parquet(tmp_path / "0.parquet")
    (tmp_path / "adm.csv").write_text(f"id,at\n{IDS[0]},2024-01-01\n")
    section: dict[str, Any] = {"layout": "meds", "file": "0.parquet", "index": {"file": "adm.csv", "column": "at"}}
    read = cohort(tmp_path, {}, section)
    assert [row[0] for row in measured(read, IDS[0])] == ["HR"]
    said = "x: MEDS_DEATH (event) left out, the outcome of many a task; name it under variables: if it is wanted"
    assert said in map(str, read.dropped)
    named = cohort(tmp_path, {}, {**section, "variables": ["HR", "MEDS_DEATH (event)"]})
    assert [row[0] for row in measured(named, IDS[0])] == ["HR", "MEDS_DEATH (event)"]


def test_zeros_of_vital_signs() -> None:
    """The others need not be far from it: one in a hundred is an artefact itself."""
    values = {
        "SysABP": [0, 0, 3, *range(80, 199)],
        "Heart Rate": [0, *range(60, 99)],
        "Urine": [0, *range(60, 99)],
        "MechVent": [0, 1, 1, 1],
        "K": [0.5, 3.5, 4, 5],
    }
    names, stays = tuple(values), []
    for place, (_, some) in enumerate(values.items()):
        count = len(some)
        stays.append(Stay(names, np.full(count, place, np.int32), np.arange(count, dtype=float), np.float32(some)))
    found = {one.column: one.doubt for one in variables_taken(stays)}
    assert found["SysABP"] == "holds 0 2×, as nobody alive does: leave out what was not measured"
    assert "holds 0 1×" in found["Heart Rate"]
    assert [found[name] for name in ("Urine", "MechVent", "K")] == ["", "", ""]
