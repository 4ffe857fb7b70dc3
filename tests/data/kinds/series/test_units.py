"""Two units of one variable in each layout: told, never mixed without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.data.kinds.series.binning import Rule
from mmlego.data.kinds.series.long_tables import LongColumns
from mmlego.data.kinds.series.preprocess import SeriesPreprocessor
from mmlego.data.reading.remarks import Doubtful
from mmlego.data.reading.units import units_in_names
from tests.data.kinds.series.test_layouts import IDS, cohort, measured

SAID = "two units of one variable, whose numbers count as if of one (Crea: 'mg/dL' 2×, 'umol/L' 1×): convert them"


def shards(folder: Path, units: list[list[str | None]]) -> dict[str, Any]:
    """Write a shard of MEDS for each list of units of three creatinines; return its section."""
    (folder / "meds").mkdir()
    for place, of_shard in enumerate(units):
        rows = {
            "subject_id": list(IDS[: len(of_shard)]),
            "time": pd.to_datetime([f"2024-01-01 13:0{place}"] * len(of_shard)),
            "code": ["Crea"] * len(of_shard),
            "numeric_value": [1.0 + i for i in range(len(of_shard))],
            "text_value": [None] * len(of_shard),
            "unit": of_shard,
        }
        frame = pd.DataFrame(rows)
        none = all(unit is None for unit in of_shard)
        (frame.drop(columns="unit") if none else frame).to_parquet(folder / f"meds/{place}.parquet")
    (folder / "adm.csv").write_text("id,at\n" + "".join(f"{name},2024-01-01\n" for name in IDS))
    return {"layout": "meds", "file": "meds", "index": {"file": "adm.csv", "column": "at"}}


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ([["mg/dL", "mg/dL", "umol/L"]], [f"x: meds: {SAID}"]),
        ([["mg/dL", "mg/dl"], ["umol/L"]], [f"x: meds: {SAID}"]),  # told of all shards together
        ([["mg/dL", "mg/dL"], [None]], []),
        ([["MICU", "SICU", "MICU"]], []),  # wards
    ],
)
def test_units_beside_the_values_of_meds(units: list[list[str | None]], said: list[str], tmp_path: Path) -> None:
    read = cohort(tmp_path, {}, shards(tmp_path, units))
    assert [str(note) for note in read.dropped if isinstance(note, Doubtful)] == said
    assert measured(read, IDS[1])[0] == ("Crea", 13, 2)


WIDE = [(0, "1.0", "mg/dL", "80"), (1, "1.1", "mg/dl", "81"), (2, "88", "umol/L", "82"), (2, "", "g/L", "83")]


@pytest.mark.parametrize("files", [True, False])
def test_units_beside_the_values_of_wide_stays(files: bool, tmp_path: Path) -> None:
    """Columns of units are no variables, and no words that stand for numbers."""
    head = "time,Crea,Crea_unit,HR\n"
    if files:
        made = {
            f"t/{name}.csv": head + "".join(f"{k},{c},{u},{h}\n" for k, (i, c, u, h) in enumerate(WIDE) if i == n)
            for n, name in enumerate(IDS)
        }
    else:
        rows = "".join(f"{IDS[i]},{k},{c},{u},{h}\n" for k, (i, c, u, h) in enumerate(WIDE))
        made = {"t": f"id,{head}{rows}"}
    section = {"file": "t", "layout": "wide"}
    if not files:
        made, section["file"] = {"t.csv": made["t"]}, "t.csv"
    read = cohort(tmp_path, made, section)
    assert [str(note) for note in read.dropped if isinstance(note, Doubtful)] == [f"x: {section['file']}: {SAID}"]
    assert f"x: {section['file']}: Crea_unit, a column of units" in [str(note) for note in read.dropped]
    assert measured(read, IDS[2]) == [("Crea", 2, 88), ("HR", 2, 82), ("HR", 3, 83)]
    left = cohort(tmp_path, made, {**section, "exclude": ["Crea*"]})
    assert not [note for note in left.dropped if isinstance(note, Doubtful)]
    coded = cohort(tmp_path, made, {**section, "codes": {"Crea_unit": {"mg/dL": 0, "mg/dl": 0, "umol/L": 1, "g/L": 2}}})
    assert ("Crea_unit", 2, 1) in measured(coded, IDS[2]), "it was declared as a variable"


def test_variables_that_differ_in_their_unit_alone(tmp_path: Path) -> None:
    long = "id,time,variable,value\n" + "".join(
        f"{name},1,LAB//50912//{'umol/L' if i == 2 else 'mg/dL'},{i}\n" for i, name in enumerate(IDS)
    )
    read = cohort(tmp_path, {"l.csv": long}, {"file": "l.csv"})
    said = "x: variables that differ in their unit alone (LAB//50912: 'mg/dL', 'umol/L'), each of its own"
    assert said in [str(note) for note in read.dropped]
    assert units_in_names(["LAB//1//mg/dL", "LAB//1//MG/DL", "ICD10//C50//C61", "Temp (1)", "Temp (2)"]) is None
    assert units_in_names(["Temp [°C]", "Temp [°F]"]) is not None


def test_values_of_another_unit_are_marked_at_prediction(tmp_path: Path) -> None:
    """They are clipped to the range of training, so that nobody would see it: by hand, of 20 patients."""
    long = "id,time,variable,value\n" + "".join(
        f"{i},{hour},{name},{value}\n"
        for i in range(20)
        for hour in (0, 1)
        for name, value in (("Temp", 36 + i / 10), ("Glucose", 80 + 4 * i), ("Urine", 10 * i))
    )
    (tmp_path / "l.csv").write_text(long)
    (tmp_path / "c.yaml").write_text("key: id\nmodalities: {x: {kind: series, file: l.csv, cache: false}}\n")
    frame = Cohort.from_manifest(tmp_path / "c.yaml").frames["x"]
    rules: dict[str, Rule | list[Rule]] = {"Temp": ["mean", "count"], "Urine": "sum", "*": "last"}
    fitted = SeriesPreprocessor.fit(frame, rules=rules, quantiles=(0, 1))
    assert fitted.odd(frame) == ({}, {})
    assert fitted.odd(frame.iloc[:0]) == ({}, {})
    new = {
        "a": {"Temp": 98.6},
        "b": {"Temp": 37, "Glucose": 6},
        "c": {"Urine": 5000, "Temp": 39},
        "d": {"Glucose": 330},
    }
    rows = [(who, 0.5, name, value) for who, said in new.items() for name, value in said.items()]
    other = LongColumns().read(pd.DataFrame(rows, columns=["patient", "time", "variable", "value"]), "t").frame()
    assert fitted.odd(other) == ({"a": ["Temp = 98.6"], "b": ["Glucose = 6"], "d": ["Glucose = 330"]}, {})
