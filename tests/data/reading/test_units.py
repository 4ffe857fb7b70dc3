from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from mmlego.data import Cohort
from mmlego.data.reading import units
from mmlego.data.reading.remarks import Doubtful
from mmlego.data.reading.units import two_units, unit_column, unit_of_rows


def doubts(folder: Path, section: dict[str, object], text: str) -> list[str]:
    """Return what is doubtful of a file of a cohort."""
    (folder / "m.csv").write_text(text)
    section = {"file": "m.csv", **section}
    (folder / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": section}}))
    return [str(note) for note in Cohort.from_manifest(folder / "c.yaml").dropped if isinstance(note, Doubtful)]


@pytest.mark.parametrize(
    ("units", "same"),
    [
        (("mg/dL", "MG/DL"), True),
        (("µg/l", "mcg/L", "ug / L"), True),
        (("mg/dL", "umol/L"), False),
        (("C", "F"), False),
        (("days", "months"), False),
        (("MICU", "SICU"), True),  # wards, not units
        (("mg/dL", "see comment"), True),
        (("mg/dL", None), True),
    ],
)
def test_which_units_are_two(units: tuple[str, ...], same: bool) -> None:
    variables = pd.Series(["crea"] * len(units))
    assert (two_units(variables, pd.Series(units)) is None) == same
    assert two_units(pd.Series([f"v{i}" for i in range(len(units))]), pd.Series(units)) is None  # each of its own


def test_codes_of_units_are_units_where_the_column_says_so() -> None:
    codes = pd.Series([8840, 8749, 8840], name="unit_concept_id")
    assert "(3016723: '8840' 2×, '8749' 1×)" in str(two_units(pd.Series([3016723] * 3), codes))


def test_which_column_says_the_unit() -> None:
    eicu = ["patientunitstayid", "labname", "labresult", "labmeasurenamesystem", "labmeasurenameinterface"]
    assert unit_of_rows(eicu, "labresult") == "labmeasurenamesystem"
    assert unit_of_rows(["value_as_number", "value_source_value", "unit_concept_id"], "value_as_number")
    assert unit_of_rows(["subject_id", "hour", "value"], "value") is None
    table = ["id", "crp", "unit", "ldh", "LDH (units)", "age"]
    assert [unit_column(table, name) for name in ("crp", "ldh", "age")] == ["unit", "LDH (units)", None]


def test_two_units_in_a_long_table_and_in_a_table(tmp_path: Path) -> None:
    rows = ["p1,1,Crea,1.0,mg/dL", "p1,2,Na,140,mmol/L", "p2,1,Crea,88,umol/L", "p3,1,Crea,1.2,mg/dl", "p3,2,Crea,,g/L"]
    text = "\n".join(["id,time,variable,value,valueuom", *rows]) + "\n"
    said = "two units of one variable, whose numbers count as if of one (Crea: 'mg/dL' 2×, 'umol/L' 1×): convert them"
    assert doubts(tmp_path, {"kind": "series", "cache": False}, text) == [f"m: m.csv: {said}"]
    assert doubts(tmp_path, {"kind": "series", "cache": False, "variables": ["Na"]}, text) == []
    rows = ["p1,1.0,mg/dL,50,years", "p2,88,umol/L,60,years", "p3,1.2,mg/dL,61,years"]
    text = "\n".join(["id,Crea,Crea_unit,age,unit", *rows]) + "\n"
    said = said.replace("m: m.csv", "m")
    assert doubts(tmp_path, {"kind": "table", "columns": ["Crea", "age"]}, text) == [f"m: {said}"]
    assert doubts(tmp_path, {"kind": "table", "columns": ["age"]}, text) == []


def test_two_units_of_an_outcome(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,x\n" + "".join(f"p{i},{i}\n" for i in range(6)))
    (tmp_path / "o.csv").write_text(
        "id,T,T_unit,E\n" + "".join(f"p{i},{i + 1},{'days' if i == 2 else 'months'},{i % 2}\n" for i in range(6))
    )
    survival = {"task": "survival", "time": "T", "event": "E", "event_when": 1, "unit": "months"}
    for outcome in (survival, {"task": "regression", "target": "T"}):
        modalities = {"m": {"kind": "table", "file": "m.csv"}}
        manifest = {"key": "id", "outcome": {**outcome, "file": "o.csv"}, "modalities": modalities}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(manifest))
        dropped = Cohort.from_manifest(tmp_path / "c.yaml").dropped
        (said,) = [str(note) for note in dropped if isinstance(note, Doubtful)]
        assert said.startswith("outcome: two units of one variable")
        assert "(T: 'months' 5×, 'days' 1×)" in said


def test_each_column_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a table of many columns this took two thirds of reading it."""
    seen: list[str] = []
    plain = units._plain
    monkeypatch.setattr(units, "_plain", lambda name: (seen.append(name), plain(name))[1])
    names = [*(f"g{number}" for number in range(300)), "g7_unit"]
    assert units.unit_columns(names, names) == {"g7": "g7_unit"}
    assert sorted(seen) == sorted(names)
