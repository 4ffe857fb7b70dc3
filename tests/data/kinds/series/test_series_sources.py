from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

import mmlego
from mmlego import Baseplate, LegoBlock
from mmlego.data import Cohort, Prepared
from mmlego.data.kinds.series.preprocess import SeriesPreprocessor
from mmlego.data.reading.bundles import Bundle
from mmlego.encoders import build_encoder
from mmlego.errors import InputError
from tests.stays import pack, simulated, text_of

SERIES: dict[str, Any] = {"kind": "series", "file": "set.tar.gz", "horizon": 48}


def manifest(folder: Path, outcome: bool = True, **modalities: dict[str, Any]) -> Path:
    content: dict[str, Any] = {"name": "icu", "key": "RecordID", "modalities": modalities}
    if outcome:
        content["outcome"] = {"task": "classification", "file": "outcomes.txt", "label": "died"}
    (folder / "cohort.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder / "cohort.yaml"


@pytest.fixture
def icu(tmp_path: Path) -> Path:
    files, outcome = simulated(12)
    files["set/1099.txt"] = text_of("1099", [("00:00", "Age", 60), ("00:00", "Gender", 1)])
    outcome.loc[len(outcome)] = [1099, 0]
    pack(tmp_path / "set.tar.gz", files)
    outcome.to_csv(tmp_path / "outcomes.txt", index=False)
    return tmp_path


@pytest.mark.parametrize("sep", [",", "\t"])
def test_the_three_kinds_of_one_archive(sep: str, icu: Path) -> None:
    outcome = pd.read_csv(icu / "outcomes.txt")
    outcome.to_csv(icu / "outcomes.txt", index=False, sep=sep)
    static = {"kind": "static", "file": "set.tar.gz", "variables": ["Age", "Gender"], "categories": ["Gender"]}
    path = manifest(icu, static=static, vitals=SERIES | {"variables": "HR"}, labs=SERIES | {"variables": ["Lact*"]})
    cohort = Cohort.from_manifest(path)
    assert {name: len(frame) for name, frame in cohort.frames.items()} == {"static": 13, "vitals": 12, "labs": 10}
    assert [str(note) for note in cohort.dropped] == [
        "vitals: 1 patient without any measurement (1099)",
        "labs: 3 patients without any measurement (1000, 1007, 1099)",
    ]
    assert cohort.frames["static"].loc["1001"].to_dict() == {"Age": 51.0, "Gender": "1"}
    data = cohort.prepare(cohort.patients).data()
    batch = data.batch([0, 1, 12])
    assert batch.inputs["static"].shape == (3, 3)  # age and a category each
    assert batch.inputs["vitals"].shape == (3, 48, 2)
    assert batch.present["labs"].tolist() == [False, True, False]
    assert "series        12" in cohort.summary()


def test_folders_archives_and_tables_say_the_same(icu: Path) -> None:
    members = dict(Bundle.open(icu / "set.tar.gz").files())
    pack(icu / "folder", members)
    pack(icu / "set.zip", members)
    rows = []
    for content in members.values():
        lines = [line.split(",") for line in content.decode().splitlines()[1:]]
        patient = lines[0][2]
        for clock, name, value in lines[1:]:
            hours, minutes = clock.split(":")
            rows.append((patient, int(hours) * 60 + int(minutes), name, float(value)))
    long = pd.DataFrame(rows, columns=["stay", "minute", "what", "x"])
    long.to_csv(icu / "long.csv.zip", index=False)
    long.to_csv(icu / "long.tsv.gz", index=False, sep="\t")
    long.assign(stay=long["stay"].astype(int)).to_parquet(icu / "long.parquet")
    layout = {"patient": "stay", "time": "minute", "variable": "what", "value": "x", "unit": "minutes"}
    parts = {name.split(".")[0] + str(i): {"file": name} for i, name in enumerate(["set.tar.gz", "set.zip", "folder"])}
    parts |= {f"long{i}": {"file": f, **layout} for i, f in enumerate(["long.csv.zip", "long.tsv.gz", "long.parquet"])}
    sections = {name: SERIES | {"variables": ["HR", "Lactate"]} | part for name, part in parts.items()}
    frames = Cohort.from_manifest(manifest(icu, **sections)).frames
    digests = {name: [stay.digest for stay in frame["stay"]] for name, frame in frames.items()}
    assert len(digests) == 6
    assert all(found == digests["set0"] for found in digests.values())


def test_globs_leave_out_what_describes_the_patient(icu: Path) -> None:
    def names(variables: object) -> tuple[str, ...]:
        sections = {"x": SERIES | {"variables": variables}, "any": SERIES}
        cohort = Cohort.from_manifest(manifest(icu, **sections))
        return cohort.frames["x"]["stay"].iloc[0].names

    assert len(names("*")) == 37
    assert "Age" not in names("*")
    assert names(["HR", "Age"]) == ("HR", "Age")
    assert names(["TroponinI", "HR"]) == ("TroponinI", "HR")
    assert names(["HR", "Troponin*"])[1:] == ("TroponinI", "TroponinT")  # of the layout, though nobody has them


def test_a_changed_file_is_read_anew(icu: Path) -> None:
    path = manifest(icu, x=SERIES | {"variables": "HR"})
    first = Cohort.from_manifest(path).frames["x"]
    assert len(list((icu / ".mmlego-cache").glob("stays-*"))) == 1
    again = Cohort.from_manifest(path).frames["x"]
    assert [stay.digest for stay in again["stay"]] == [stay.digest for stay in first["stay"]]
    pack(icu / "set.tar.gz", {"1001.txt": text_of("1001", [("00:10", "HR", 99)])})
    changed = Cohort.from_manifest(path).frames["x"]
    assert changed["stay"]["1001"].value.tolist() == [99.0]


@pytest.mark.parametrize(
    ("cache", "where"), [(True, ".mmlego-cache"), ("kept/here", "kept/here"), (False, None), ("env", "env")]
)
def test_where_the_cache_lies(cache: object, where: str | None, icu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMLEGO_CACHE", raising=False)
    if cache == "env":
        monkeypatch.setenv("MMLEGO_CACHE", str(icu / "env"))
        cache = True
    Cohort.from_manifest(manifest(icu, x=SERIES | {"cache": cache}))
    assert [file.parent for file in icu.rglob("stays-*")] == ([] if where is None else [icu / where])


def test_several_stays_of_a_patient(icu: Path) -> None:
    files = {f"{i}.txt": text_of("1001", [("00:10", "HR", 80 + i)]) for i in range(3)}
    pack(icu / "set.tar.gz", files)
    with pytest.raises(InputError, match=r"x: 1 patient with several stays \(1001\): expected one stay a patient"):
        Cohort.from_manifest(manifest(icu, x=SERIES))
    for rule, value in (("first", 80.0), ("last", 82.0)):
        cohort = Cohort.from_manifest(manifest(icu, x=SERIES | {"stays": rule}))
        assert cohort.frames["x"]["stay"]["1001"].value.tolist() == [value]
        assert f"x: 2 further stays of a patient, the {rule} is kept (1001)" in map(str, cohort.dropped)


def test_unreadable_stays_are_left_out_and_named(icu: Path) -> None:
    good = text_of("1001", [("00:10", "HR", 80)])
    pack(icu / "set.tar.gz", {"1001.txt": good, "1002.txt": good[:-9], "1003.txt": b""})
    with pytest.raises(InputError, match=r"cannot read the stay 1002\.txt: line 3 has not three cells"):
        Cohort.from_manifest(manifest(icu, x=SERIES))
    for _ in range(2):  # from the cache too
        cohort = Cohort.from_manifest(manifest(icu, x=SERIES | {"on_error": "skip"}))
        assert list(cohort.frames["x"].index) == ["1001"]
        assert "2 parts of set.tar.gz left out: 1002.txt: line 3 has" in str(cohort.dropped[0])


def test_static_takes_the_first_value_until_a_time(icu: Path) -> None:
    rows = [("00:00", "Weight", -1), ("02:00", "Weight", 80), ("03:00", "Weight", 90), ("00:00", "Age", 50)]
    other = text_of("1002", [("05:00", "Weight", 70)])
    pack(icu / "set.tar.gz", {"1001.txt": text_of("1001", rows), "1002.txt": other})
    static = {"kind": "static", "file": "set.tar.gz"}
    cohort = Cohort.from_manifest(manifest(icu, static=static | {"until": 4}))
    assert cohort.frames["static"].loc["1001", ["Age", "Weight"]].tolist() == [50, 80]
    assert "static: 1 patient without any value (1002)" in map(str, cohort.dropped)
    assert "Weight" in cohort.frames["static"]


def test_a_loaded_block_takes_raw_files(icu: Path, tmp_path: Path) -> None:
    cohort = Cohort.from_manifest(manifest(icu, vitals=SERIES | {"variables": ["HR", "Lactate"], "bin_hours": 6}))
    prepared = cohort.prepare(cohort.patients[:8])
    fitted = prepared.preprocessing["vitals"]
    plate = Baseplate(prepared.task, channels=4, width=8, heads=2, head_width=4)
    name, given = fitted.encoder()
    block = LegoBlock(build_encoder(name, given | {"out_features": 8}), plate, "vitals")
    block.preprocessing = fitted
    mmlego.fit(block, prepared.data(cohort.patients[:8]), validation=None, epochs=1, progress=False)
    mmlego.save(block, tmp_path / "block")
    loaded = mmlego.load(tmp_path / "block")
    assert isinstance(loaded.preprocessing, SeriesPreprocessor)
    assert loaded.preprocessing == fitted

    new = tmp_path / "new"
    new.mkdir()
    pack(new / "stays", {"1008.txt": dict(Bundle.open(icu / "set.tar.gz").files())["set/1008.txt"]})
    fresh = Cohort.from_manifest(manifest(new, outcome=False, vitals={"kind": "series", "file": "stays"}))
    data = Prepared(fresh, {"vitals": loaded.preprocessing}).data()
    expected = prepared.data(["1008"]).batch().inputs["vitals"]
    found = data.batch().inputs["vitals"]
    assert torch.equal(found.nan_to_num(9), expected.nan_to_num(9))
    assert torch.allclose(loaded.predict(found).probabilities, block.predict(expected).probabilities)


def test_stays_of_unequal_length_train_too(icu: Path) -> None:
    section = {"kind": "series", "file": "set.tar.gz", "variables": "HR", "bin_hours": 4}
    cohort = Cohort.from_manifest(manifest(icu, vitals=section))
    prepared = cohort.prepare(cohort.patients)
    data = prepared.data().with_any()
    assert isinstance(data.batch().inputs["vitals"], mmlego.Ragged)
    plate = Baseplate(prepared.task, channels=4, width=8, heads=2, head_width=4)
    block = LegoBlock(build_encoder("gru_d", {"in_features": 2, "out_features": 8}), plate, "vitals")
    history = mmlego.fit(block, data, validation=None, epochs=1, progress=False)
    assert len(history) == 1


def test_the_same_values_have_the_same_name(icu: Path) -> None:
    """Experiments hash their tables: two cohorts of the same files are the same, of others another."""
    path = manifest(icu, x=SERIES | {"variables": "HR"})
    first, again = (Cohort.from_manifest(path).frames["x"]["stay"] for _ in range(2))
    assert pd.util.hash_pandas_object(first).tolist() == pd.util.hash_pandas_object(again).tolist()
    assert first.map(str).is_unique
