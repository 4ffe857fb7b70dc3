"""Words of stays in place of numbers: what is proposed tells them apart, or else is doubted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from mmlego.data import Cohort
from mmlego.data.cohort.checking import check_manifest
from mmlego.errors import InputError


def manifest(folder: Path, words: dict[str, str], **section: object) -> Path:
    """Write a stay a patient, of one variable each."""
    rows = "".join(f"{patient},0,Gender,{word}\n" for patient, word in words.items())
    (folder / "v.csv").write_text(f"id,time,variable,value\n{rows}")
    part = {"kind": "static", "file": "v.csv", "cache": False, "variables": ["Gender"], **section}
    (folder / "m.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"v": part}}))
    return folder / "m.yaml"


@pytest.mark.parametrize(
    ("words", "section", "numbers"),
    [
        ("FM", {}, {"M": 0, "F": 1}),
        ("MF", {"codes": {"Gender": {"M": 1}}}, {"M": 1, "F": 0}),
        (["female", "male"], {}, {"male": 0, "female": 1}),
        (["b", "a", "c"], {}, {"a": 0, "b": 1, "c": 2}),
    ],
)
def test_the_codes_that_are_proposed_tell_all_words_apart(
    words: list[str], section: dict[str, object], numbers: dict[str, float], tmp_path: Path
) -> None:
    said = dict(zip("pqr", words, strict=False))
    with pytest.raises(InputError) as told:
        Cohort.from_manifest(manifest(tmp_path, said, **section))
    codes = yaml.safe_load(re.findall(r"codes: (\{.*?\}\})", str(told.value))[0])
    assert codes == {"Gender": numbers}
    cohort = Cohort.from_manifest(manifest(tmp_path, said, codes=codes))
    assert cohort.frames["v"]["Gender"].to_dict() == {patient: numbers[word] for patient, word in said.items()}


def test_no_code_is_proposed_of_a_bound(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape('missing: ["> 89"], or write numbers alone')) as told:
        Cohort.from_manifest(manifest(tmp_path, {"p": "> 89", "q": "50"}))
    assert "codes:" not in str(told.value)


@pytest.mark.parametrize(
    ("codes", "doubts"),
    [
        ({"M": 1, "F": 1}, ["v: codes: 'F' and 'M' of Gender are 1: nothing tells these words apart"]),
        ({"M": 1, "F": 0, "male": 1}, []),
        ({"M": 1, "F": 2}, []),
    ],
)
def test_two_words_of_one_code_are_doubted(codes: dict[str, float], doubts: list[str], tmp_path: Path) -> None:
    path = manifest(tmp_path, {f"p{i}": "MF"[i % 2] for i in range(20)}, codes={"Gender": codes})
    found = [text for text in check_manifest(path).doubtful if "codes" in text]
    assert found == doubts


def test_whom_nothing_was_measured_of_until_the_horizon_is_told(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("id,time,variable,value\np,500,HR,80\nq,1,HR,70\nr,3,HR,60\nr,4,HR,61\n")
    part = {"kind": "series", "file": "v.csv", "cache": False, "horizon": 3}
    (tmp_path / "m.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"v": part}}))
    cohort = Cohort.from_manifest(tmp_path / "m.yaml")
    assert cohort.patients == ("q", "r")
    assert [str(note) for note in cohort.dropped] == [
        "v: 1 patient without any measurement until the horizon (3 h) (p)"
    ]
    (tmp_path / "m.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"v": {**part, "horizon": 2}}}))
    said = "v: 3 of 4 measurements are after the horizon (2 h), and left out: check unit: hours, if that is too many"
    assert said in [str(note) for note in Cohort.from_manifest(tmp_path / "m.yaml").dropped]
