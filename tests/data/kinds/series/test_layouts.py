"""Stays in other layouts: wide files and tables, MEDS, dates; words in cells, columns without a name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from mmlego.data import Cohort
from mmlego.data.kinds.series.clocks import Clock
from mmlego.data.kinds.series.wide_tables import WideFiles
from mmlego.data.reading.remarks import Doubtful, Noted
from mmlego.errors import InputError
from tests.stays import pack

IDS = ("p000001", "p000002", "p000003")
DIED = "id,died\np000001,1\np000002,0\np000003,1\n"


def cohort(folder: Path, files: Mapping[str, str], section: Mapping[str, Any], kind: str = "series") -> Cohort:
    for name, content in {"died.csv": DIED, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    outcome = {"task": "classification", "file": "died.csv", "label": "died", "classes": [0, 1]}
    part = {"kind": kind, "cache": False, **section}
    (folder / "cohort.yaml").write_text(yaml.safe_dump({"key": "id", "outcome": outcome, "modalities": {"x": part}}))
    return Cohort.from_manifest(folder / "cohort.yaml")


def measured(read: Cohort, patient: str) -> list[tuple[str, float, float]]:
    stay = read.frames["x"]["stay"][patient]
    rows = zip(stay.variable.tolist(), stay.time.tolist(), stay.value.tolist(), strict=True)
    return [(stay.names[variable], time, round(value, 4)) for variable, time, value in rows]


PSV = {
    f"training/{name}.psv": f"HR|Temp|Gender|ICULOS|SepsisLabel\n{80 + i}|NaN|1|1|0\nNaN|36.{i}|1|2|1\n"
    for i, name in enumerate(IDS)
}


def test_files_of_physionet_2019(tmp_path: Path) -> None:
    wide = {"file": "training", "layout": "wide", "time": "ICULOS"}
    read = cohort(tmp_path, PSV, wide)
    assert read.patients == IDS
    assert measured(read, IDS[1]) == [("HR", 1, 81), ("Gender", 1, 1), ("Temp", 2, 36.1), ("Gender", 2, 1)]
    assert any("SepsisLabel left out, the outcome of a public set" in str(note) for note in read.dropped)
    named = cohort(tmp_path, PSV, {**wide, "variables": ["HR", "SepsisLabel"]})
    assert [row[0] for row in measured(named, IDS[0])] == ["HR", "SepsisLabel", "SepsisLabel"]
    static = cohort(tmp_path, PSV, {**wide, "variables": "Gender", "until": 1}, "static")
    assert static.frames["x"]["Gender"].tolist() == [1, 1, 1]
    packed = pack(tmp_path / "t.tar.gz", {name: content.encode() for name, content in PSV.items()})
    archived = cohort(tmp_path, {}, {**wide, "file": packed.name})
    assert [measured(archived, name) for name in IDS] == [measured(read, name) for name in IDS]


def test_episodes_of_the_mimic_benchmark(tmp_path: Path) -> None:
    files = {
        f"train/{name}_episode{n}_timeseries.csv": f"Hours,GCS eye,Heart Rate\n0.5,4 Spontaneously,{n}\n1.5,,9{i}\n"
        for i, name in enumerate(IDS)
        for n in (2, 10)
    }
    wide = {"file": "train", "layout": "wide", "time": "Hours", "pattern": "{key}_episode*_timeseries.csv"}
    with pytest.raises(InputError, match=r"x: 3 patients with several stays.*stays: first"):
        cohort(tmp_path, files, {**wide, "variables": "Heart Rate"})
    with pytest.raises(
        InputError, match=r"train: 6 values that are no numbers \(GCS eye: '4 Spont.*' 6 times\)"
    ) as error:
        cohort(tmp_path, files, wide)
    for remedy, rows in (
        ({"codes": {"GCS*": {"4 Spontaneously": 4}}}, [("GCS eye", 0.5, 4), ("Heart Rate", 0.5, 2)]),
        ({"missing": ["4 Spontaneously"]}, [("Heart Rate", 0.5, 2)]),
        ({"exclude": ["GCS eye"]}, [("Heart Rate", 0.5, 2)]),
    ):
        assert next(iter(remedy)) + ": " in str(error.value)
        read = cohort(tmp_path, files, {**wide, **remedy, "stays": "first"})
        assert measured(read, IDS[0]) == [*rows, ("Heart Rate", 1.5, 90)], "episode 2 before episode 10"
    skipped = {**wide, "stays": "first", "on_error": "skip"}
    good = {f"train/{IDS[0]}_episode2_timeseries.csv": "Hours,GCS eye,Heart Rate\n0,15,70\n"}
    read = cohort(tmp_path, files | good, skipped)
    assert measured(read, IDS[0]) == [("GCS eye", 0, 15), ("Heart Rate", 0, 70)]
    assert read.patients == IDS[:1]


def test_one_wide_table(tmp_path: Path) -> None:
    rows = "".join(f"{n},{name},{60 * h - 60},{80 + h},{36 + n},\n" for n, name in enumerate(IDS) for h in (1, 0, 2))
    files = {"vitals.csv": ",id,minute,HR,Temp,SpO2\n" + rows}
    wide = {"file": "vitals.csv", "layout": "wide", "time": "minute", "unit": "minutes", "window": [-1, 1]}
    read = cohort(tmp_path, files, wide)
    assert measured(read, IDS[1]) == [
        ("HR", -1, 80), ("Temp", -1, 37), ("HR", 0, 81), ("Temp", 0, 37), ("HR", 1, 82), ("Temp", 1, 37),
    ]  # fmt: skip
    assert read.frames["x"]["stay"][IDS[0]].names == ("HR", "SpO2", "Temp"), "the number of the row is no variable"
    odd = {"vitals.csv": files["vitals.csv"].replace(",81,", ",> 80,", 1)}
    with pytest.raises(InputError, match=r"1 value that is no number \(HR: '> 80' 1 time\)"):
        cohort(tmp_path, odd, wide)
    skipped = cohort(tmp_path, odd, {**wide, "on_error": "skip"})
    assert skipped.patients == IDS[1:]
    assert "1 stay with unreadable cells (HR: '> 80' 1 time)" in skipped.summary()
    assert cohort(tmp_path, odd, {**wide, "variables": "Temp"}).patients == IDS


@pytest.mark.parametrize(
    ("files", "section", "message"),
    [
        (PSV, {"file": "training", "pattern": "*.psv"}, r"declare layout: wide\. Declare time: ICULOS"),
        (PSV, {"file": "training", "layout": "wide"}, "has no column 'time' of times. Declare time: ICULOS"),
        ({"v.csv": "id,time,HR\np000001,1,2\n"}, {"file": "v.csv"}, "is read with layout: wide"),
        ({"v.csv": "id,hour,HR\np000001,1,2\n"}, {"file": "v.csv", "layout": "wide"}, "Declare time: hour"),
        (PSV, {"file": "training", "layout": "wide", "time": "ICULOS", "value": "x"}, "has no use for value"),
        ({"v.csv": "id,time\n"}, {"file": "v.csv", "layout": "meds"}, "needs index: {file"),
        ({"t/p.psv": "HR|ICULOS\n80\n"}, {"file": "t", "layout": "wide", "time": "ICULOS"}, "row 2 has 1 cells, not 2"),
        ({"t/p.psv": "HR|HR|t\n"}, {"file": "t", "layout": "wide", "time": "t"}, "columns of the same name .HR"),
        ({"t/p.psv": "HR|t\n80|noon\n"}, {"file": "t", "layout": "wide", "time": "t"}, "t is 'noon', no time in hours"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(files: dict[str, str], section: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as error:
        cohort(tmp_path, files, section)
    assert files is not PSV or "Mend" not in str(error.value) or "Declare" in str(error.value)


LONG = (
    "id,time,variable,value\np000001,1,NA,140\np000001,1,nan,2\np000001,2,None,3\np000002,1,NA,'--\np000002,3,NA,135\n"
)


def test_words_are_names_of_variables_and_missing_among_values(tmp_path: Path) -> None:
    """NA is sodium."""
    read = cohort(tmp_path, {"labs.csv": LONG}, {"file": "labs.csv"})
    assert measured(read, IDS[0]) == [("NA", 1, 140), ("nan", 1, 2), ("None", 2, 3)]
    assert measured(read, IDS[1]) == [("NA", 3, 135)]
    assert 'words taken for missing: "\'--" 1' in read.summary()


def test_words_in_long_tables_by_declaration(tmp_path: Path) -> None:
    labs = "id,time,variable,value\np000001,1,Na,140\np000001,2,Na,hemolysed\np000002,1,Culture,positive\n"
    with pytest.raises(InputError, match=r"2 values that are no numbers \(Na: 'hemolysed' 1 time, Culture: 'pos"):
        cohort(tmp_path, {"labs.csv": labs}, {"file": "labs.csv"})
    said = {"missing": ["hemolysed"], "codes": {"Culture": {"positive": 1, "negative": 0}}}
    read = cohort(tmp_path, {"labs.csv": labs}, {"file": "labs.csv", **said})
    assert measured(read, IDS[0]) == [("Na", 1, 140)]
    assert measured(read, IDS[1]) == [("Culture", 1, 1)]
    chosen = {"file": "labs.csv", "variables": "Na", "missing": ["hemolysed"]}
    assert cohort(tmp_path, {"labs.csv": labs}, chosen).patients == IDS[:1], "cells of others need not be readable"


@pytest.mark.parametrize("layout", ["long", "wide", "files"])
def test_numbers_that_mean_missing_or_something_else(layout: str, tmp_path: Path) -> None:
    said = {"missing": ["999", "-9"], "codes": {"sex": {"1": 0, "2": 1}}, "layout": layout.replace("files", "wide")}
    files = {
        "long": ("x.csv", "id,time,variable,value\np000001,1,HR,80\np000001,2,HR,999\np000001,1,sex,2\n"),
        "wide": ("x.csv", "id,time,HR,sex\np000001,1,80,2\np000001,2,999.0,\np000002,1,-9,\n"),
        "files": ("t/p000001.csv", "time,HR,sex\n1,80,2\n2,999.0,\n"),
    }
    name, content = files[layout]
    read = cohort(tmp_path, {name: content}, {"file": name.split("/")[0], **said})
    assert sorted(measured(read, IDS[0])) == [("HR", 1, 80), ("sex", 1, 1)]
    assert read.patients == IDS[:1]


@pytest.mark.parametrize("word", ["1_000", "inf", "> 89"])
def test_words_that_only_look_like_numbers(word: str, tmp_path: Path) -> None:
    section = {"file": "t", "layout": "wide"}
    with pytest.raises(InputError, match=r"t: 1 value that is no number \(HR: "):
        cohort(tmp_path, {"t/p000001.csv": f"time,HR\n1,80\n2,{word}\n"}, section)


DATED = """id,time,variable,value
p000001,2024-01-01 11:00,HR,80
p000001,2024-01-01T13:30:00,HR,90
p000002,2024-03-01 00:00,HR,70
p000003,2024-01-01,HR,60
"""
ADMITTED = "id,admitted\np000001,2024-01-01 12:00\np000002,2024-02-29 12:00\n"


def test_dates_count_from_an_index_date(tmp_path: Path) -> None:
    dated = {"file": "labs.csv", "index": {"file": "adm.csv", "column": "admitted"}, "window": [-1, None]}
    files = {"labs.csv": DATED, "adm.csv": ADMITTED}
    read = cohort(tmp_path, files, dated)
    assert measured(read, IDS[0]) == [("HR", -1, 80), ("HR", 1.5, 90)]
    assert measured(read, IDS[1]) == [("HR", 12, 70)]
    assert "1 patient without an index date" in read.summary()
    for bad, message in (
        (ADMITTED.replace("2024-01-01 12:00", "01.01.2024"), r"an index date cannot be read: .* got '01\.01\.2024'"),
        (ADMITTED + "p000001,2024-01-02\n", "patient p000001 has two index dates"),
    ):
        with pytest.raises(InputError, match=message):
            cohort(tmp_path, {**files, "adm.csv": bad}, dated)
    with pytest.raises(InputError, match="with index: times are dates"):
        cohort(tmp_path, files, {**dated, "unit": "days"})


def shards(folder: Path) -> None:
    rows = [
        (1, None, "GENDER//F", None),
        (1, "1950-01-01", "MEDS_BIRTH", None),
        (1, "2023-12-31", "LAB//Na", 140.0),
        (1, "2024-01-01", "LAB//Na", None),
        (1, "2024-01-01", "ICD10//E11", None),
        (1, "2024-01-03", "LAB//Na", 150.0),
        (2, None, "GENDER//M", None),
        (2, "2024-05-01", "LAB//Na", 130.0),
        (9, "2024-05-01", "LAB//Na", 1.0),
    ]
    frame = pd.DataFrame(rows, columns=["subject_id", "time", "code", "numeric_value"])
    frame["time"] = pd.to_datetime(frame["time"]).astype("datetime64[us]")
    frame["numeric_value"] = frame["numeric_value"].astype("float32")
    for part, name in ((frame[:5], "train/0"), (frame[5:], "held_out/0")):
        (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        part.to_parquet(folder / "data" / f"{name}.parquet", index=False)


MEDS = {"file": ".", "layout": "meds", "index": {"file": "labels.csv", "column": "prediction_time"}}


def meds(folder: Path, kind: str = "series", **section: Any) -> Cohort:
    pytest.importorskip("pyarrow")
    shards(folder)
    (folder / "labels.csv").write_text("subject_id,prediction_time,boolean_value\n1,2024-01-02,1\n2,2024-05-02,0\n")
    outcome = {"task": "classification", "file": "labels.csv", "label": "boolean_value"}
    part = {"kind": kind, **MEDS, **section}
    (folder / "cohort.yaml").write_text(
        yaml.safe_dump({"key": "subject_id", "outcome": outcome, "modalities": {"x": part}})
    )
    return Cohort.from_manifest(folder / "cohort.yaml")


@pytest.mark.parametrize("cache", [False, True])
def test_meds(cache: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMLEGO_CACHE", raising=False)
    for _ in range(2 if cache else 1):
        read = meds(tmp_path, window=["-3d", 0], cache=cache)
        assert measured(read, "1") == [("LAB//Na", -48, 140), ("ICD10//E11 (event)", -24, 1)]
        assert measured(read, "2") == [("LAB//Na", -24, 130)]
        notes = " ".join(map(str, read.dropped))
        for note in ("1 row without a value, of codes that have values elsewhere (LAB//Na)",
                     "1 measurement after the window (0 h) left out", "2 measurements without a time left out",
                     "1 measurement before the window (-72 h) left out"):  # fmt: skip
            assert note in notes
    with pytest.raises(InputError, match="before the start"):
        meds(tmp_path)


def test_static_of_meds(tmp_path: Path) -> None:
    read = meds(tmp_path, "static", window=["-36500d", 0], variables=["GENDER*", "LAB//Na"])
    frame = read.frames["x"]
    assert frame["GENDER//F (event)"].tolist() == [1, 0], "what is not said of someone did not happen"
    assert frame["LAB//Na"].tolist() == [140, 130]
    assert np.isfinite(read.prepare(["1", "2"]).data().batch().inputs["x"].numpy()).all()


@pytest.mark.parametrize(
    ("files", "section", "remedy"),
    [
        ({"d/0.parquet": "x"}, {"file": "d"}, r"expected files \*\.txt, got others: \.parquet\. .*layout: .*meds"),
        ({"d/p_1.csv": "x"}, {"file": "d", "pattern": "{key}_1.csv"}, r"got others: \.csv\. .*without \{key\}; .*wide"),
        (
            {"d.csv": "id,time,HR\np000001,2020-01-01 01:00:00,80\n"},
            {"file": "d.csv", "layout": "wide"},
            r"time is '2020-01-01 01:00:00', no time in hours.*declare index: \{file: \.\.\., column: \.\.\.\}",
        ),
        (
            {"d.csv": "id,time,variable,value\np000001,2020-01-01T01:00,HR,80\n"},
            {"file": "d.csv"},
            r"time is '2020-01-01T01:00', no time in hours.*declare index: \{file: \.\.\., column: \.\.\.\}",
        ),
    ],
)
def test_the_layout_or_index_that_is_meant(
    files: dict[str, str], section: dict[str, str], remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=remedy):
        cohort(tmp_path, files, section)


NUMBERED = {
    "in one table": ("file: a.csv", {"a.csv": "X,id,time,HR\n1,p1,0,70.5\n2,p1,1,71.5\n3,p2,0,80.5\n"}),
    "in one table, ...1": ("file: a.csv", {"a.csv": "...1,id,time,HR\n0,p1,0,70.5\n1,p1,1,71.5\n2,p2,0,80.5\n"}),
    "in a file a stay": (
        "file: f",
        {"f/p1.csv": "X,time,HR\n1,0,70.5\n2,1,71.5\n", "f/p2.csv": "X,time,HR\n1,0,80.5\n"},
    ),
}


@pytest.mark.parametrize("case", NUMBERED)
def test_the_numbers_of_rows_that_r_writes_are_no_variable(case: str, tmp_path: Path) -> None:
    section, files = NUMBERED[case]
    stays = wide(tmp_path, section, files)
    assert {name for stay in stays for name in stay.names} == {"HR"}
    assert stays["p1"].value.tolist() == [70.5, 71.5]


def test_row_numbers_of_a_table_that_was_cut_into_files(tmp_path: Path) -> None:
    files = {"f/p1.csv": "X,time,HR\n11,0,70.5\n14,1,71.5\n", "f/p2.csv": "X,time,HR\n15,0,8\n"}
    assert wide(tmp_path, "file: f", files)["p2"].names == ("HR",)
    files["f/p3.csv"] = "X,time,HR\n3,0,70.5\n2,1,71.5\n"  # measured, then
    stays = wide(tmp_path, "file: f", files)
    assert stays["p2"].names == ("HR", "X")
    assert stays["p1"].value.tolist() == [11, 70.5, 14, 71.5]


def test_a_variable_called_x_that_does_not_number_the_rows_is_one(tmp_path: Path) -> None:
    stays = wide(tmp_path, "file: a.csv", {"a.csv": "X,id,time,HR\n5,p1,0,70.5\n2,p1,1,71.5\n3,p2,0,80.5\n"})
    assert stays["p1"].names == ("HR", "X")


def test_semicolons_and_decimal_commas_of_wide_files(tmp_path: Path) -> None:
    files = {f"f/p{i}.csv": f"hour;HR;BP\n0,5;7{i},5;12\n1;71,25;13\n" for i in range(3)}
    stays = wide(tmp_path, "file: f, time: hour", files)
    assert stays["p1"].time.tolist() == [0.5, 0.5, 1, 1]
    assert stays["p1"].value.tolist() == [71.5, 12, 71.25, 13]
    both = {"f/p0.csv": "hour;HR\n0;70,5\n1;71.5\n"}
    with pytest.raises(InputError, match=r"no number \(HR: '70,5' 1 time\)"):
        wide(tmp_path, "file: f, time: hour", both)


def test_how_a_table_of_series_is_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id;time;variable;value\np1;0,5;HR;70,5\np2;1;HR;71,5\n")
    (tmp_path / "cohort.yaml").write_text("key: id\nmodalities: {m: {kind: series, file: a.csv, cache: false}}\n")
    cohort = Cohort.from_manifest(tmp_path / "cohort.yaml")
    assert cohort.frames["m"]["stay"]["p1"].value.tolist() == [70.5]
    assert "note: m: a.csv: read with decimal commas, as 3,5 for 3.5" in cohort.summary()
    assert "left out" not in cohort.summary()


def wide(folder: Path, section: str, files: dict[str, str]) -> pd.Series:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    section = f"kind: series, layout: wide, cache: false, {section}"
    (folder / "cohort.yaml").write_text(f"key: id\nmodalities: {{m: {{{section}}}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml").frames["m"]["stay"]


def test_infinite_values_of_meds_are_refused_missing_or_left_out(tmp_path: Path) -> None:
    section = {"window": ["-3d", 0], "cache": False}
    meds(tmp_path, **section)
    place = tmp_path / "data" / "held_out" / "0.parquet"
    frame = pd.read_parquet(place)
    frame.loc[(frame["code"] == "LAB//Na") & (frame["subject_id"] == 2), "numeric_value"] = np.inf
    frame.to_parquet(place, index=False)

    def read(**more: Any) -> Cohort:
        document = yaml.safe_load((tmp_path / "cohort.yaml").read_text())
        document["modalities"]["x"] |= more
        (tmp_path / "more.yaml").write_text(yaml.safe_dump(document))
        return Cohort.from_manifest(tmp_path / "more.yaml")

    with pytest.raises(InputError, match=r"'LAB//Na' of patient 2 has the value inf.*missing: \[inf\].*on_error: skip"):
        read()
    assert read(on_error="skip").patients == ("1",)
    missing = read(missing=["inf"])
    assert measured(missing, "1") == [("LAB//Na", -48, 140), ("ICD10//E11 (event)", -24, 1)]
    assert any("'inf' 1" in str(note) for note in missing.dropped)
    assert "2" not in missing.frames["x"].index
    assert measured(read(exclude=["LAB//Na"]), "1") == [("ICD10//E11 (event)", -24, 1)]


def test_a_code_of_which_all_values_are_missing_is_no_event(tmp_path: Path) -> None:
    read = meds(tmp_path, window=["-3d", 0], cache=False, missing=[140, 130, 150, 1])
    assert measured(read, "1") == [("ICD10//E11 (event)", -24, 1)]


@pytest.mark.parametrize(("yes", "no"), [("yes", "no"), ("TRUE", "FALSE"), ("Y", "N")])
def test_yes_and_no_are_refused_with_codes_that_read_them(yes: str, no: str, tmp_path: Path) -> None:
    rows = [f"p{i},{t},{yes if t else no},{40 + t}" for i in range(4) for t in range(2)]
    (tmp_path / "s.csv").write_text("\n".join(["id,time,vent,hr", *rows, f"p9,0,{yes},1", "p9,1,1,2"]))
    section = {"kind": "series", "layout": "wide", "file": "s.csv", "cache": False}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": section}}))
    with pytest.raises(InputError, match="Say that yes is 1 and no is 0, as codes: ") as told:
        Cohort.from_manifest(tmp_path / "c.yaml")
    codes = yaml.safe_load(re.findall(r"codes: (\{.*?\}\})", str(told.value))[0])
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": section | {"codes": codes}}}))
    stay = Cohort.from_manifest(tmp_path / "c.yaml").frames["m"].loc["p0", "stay"]
    assert stay.value[stay.variable == stay.names.index("vent")].tolist() == [0, 1]


def test_rows_that_a_quotation_mark_swallows_in_a_file_of_a_stay(tmp_path: Path) -> None:
    reader = WideFiles(Clock("hour"), "id", "{key}.csv")
    text = b'hour,HR,note\n0,80,"x\n1,81,x\n2,82,x"\n3,83,x\n'
    with pytest.raises(InputError, match=r"p1\.csv: a quotation mark swallows 2 rows: is one never closed\?"):
        reader.read_all([("p1.csv", text)], "stays")


@pytest.mark.parametrize(("more", "kind"), [(3, Doubtful), (1, Noted)])
def test_measurements_that_stand_twice_are_told(more: int, kind: type, tmp_path: Path) -> None:
    rows = [f"p,{hour},HR,{60 + hour}\n" for hour in range(60)]
    (tmp_path / "s.csv").write_text("id,time,variable,value\n" + "".join([*rows, *rows[:more]]))
    section = {"kind": "series", "file": "s.csv", "cache": False}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": section}}))
    (note,) = Cohort.from_manifest(tmp_path / "c.yaml").dropped
    assert type(note) is kind
    stand = "measurement of 1 stay stands" if more == 1 else f"{more} measurements of 1 stay stand"
    assert f"{stand} there once more, which counts in sum and count" in str(note)
