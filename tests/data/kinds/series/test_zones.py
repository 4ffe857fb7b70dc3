"""Times with a zone do not count from dates without one: the hours between them are not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from mmlego.data import Cohort
from mmlego.errors import InputError

PLAIN, ZONED = "2020-01-01 01:30:00", "2020-01-01T01:30:00+01:00"


def read(folder: Path, layout: str, time: str, index: str) -> list[float]:
    """Return the hours of one measurement of each of two patients."""
    pd.DataFrame({"id": ["p", "q"], "adm": [index] * 2}).to_csv(folder / "a.csv", index=False)
    section: dict[str, Any] = {"file": "v.csv", "layout": layout}
    if layout == "long":
        rows = pd.DataFrame({"id": ["p", "q"], "time": [time] * 2, "variable": "HR", "value": [80, 70]})
        rows.to_csv(folder / "v.csv", index=False)
    elif layout == "parquet":
        section = {"file": "v.parquet", "layout": "long"}
        rows = pd.DataFrame({"id": ["p", "q"], "time": pd.to_datetime([time] * 2), "variable": "HR", "value": [80, 70]})
        rows.to_parquet(folder / "v.parquet", index=False)
    elif layout == "meds":
        section = {"file": "v.parquet", "layout": "meds"}
        times = pd.to_datetime([time] * 2)
        rows = pd.DataFrame({"subject_id": ["p", "q"], "time": times, "code": "HR", "numeric_value": [80.0, 70.0]})
        rows.to_parquet(folder / "v.parquet", index=False)
    elif layout == "wide":
        pd.DataFrame({"id": ["p", "q"], "time": [time] * 2, "HR": [80, 70]}).to_csv(folder / "v.csv", index=False)
    else:
        (folder / "v").mkdir(exist_ok=True)
        for patient in "pq":
            (folder / "v" / f"{patient}.csv").write_text(f"time,HR\n{time},80\n")
        section = {"file": "v", "layout": "wide"}
    part = {"kind": "series", "cache": False, "index": {"file": "a.csv", "column": "adm"}, **section}
    (folder / "m.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"v": part}}))
    frame = Cohort.from_manifest(folder / "m.yaml").frames["v"]
    return [float(hour) for stay in frame["stay"] for hour in stay.time]


@pytest.mark.parametrize("layout", ["long", "parquet", "meds", "wide", "files"])
def test_zones_and_none_are_not_mixed(layout: str, tmp_path: Path) -> None:
    assert read(tmp_path, layout, PLAIN, "2020-01-01 00:00") == [1.5, 1.5]
    assert read(tmp_path, layout, ZONED, "2020-01-01T00:00Z") == [0.5, 0.5]
    with pytest.raises(
        InputError, match=r"some times name a time zone and some do not \(with: time; without: the index"
    ):
        read(tmp_path, layout, ZONED, "2020-01-01 00:00")
    with pytest.raises(InputError, match=r"\(with: the index dates; without: time\)"):
        read(tmp_path, layout, PLAIN, "2020-01-01T00:00Z")


def test_index_dates_are_written_in_one_way(tmp_path: Path) -> None:
    read(tmp_path, "long", PLAIN, "2020-01-01 00:00")
    (tmp_path / "a.csv").write_text("id,adm\np,2020-01-01 00:00\nq,2020-01-01T00:00Z\n")
    with pytest.raises(InputError, match=r"v: some times name a time zone and some do not \(with: adm; without: adm\)"):
        Cohort.from_manifest(tmp_path / "m.yaml")
