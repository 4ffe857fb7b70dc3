"""Splits made elsewhere, in the forms that are about: what is on which side, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmlego.data import Split, save_splits
from mmlego.data.splits.foreign import read_parts
from mmlego.errors import InputError

PATIENTS = ["01", "02", "03", "04"]
ONE = {"train": ("01", "02"), "validation": ("03",), "test": ("04",)}

# Each says the same: who trains, validates and tests.
FORMS = {
    "a column of parts": "id,split\n01,train\n02,train\n03,val\n04,test\n",
    "other words": "id,Set\n01,Training\n02,training\n03,Tuning\n04,Held-out\n",
    "another key, other columns": "age,case;x,part\n".replace(";x", "")
    + "7,01,train\n8,02,train\n9,03,dev\n5,04,test\n",
    "semicolons": "id;split\n01;train\n02;train\n03;valid\n04;test\n",
    "tabs": "id\tsplit\n01\ttrain\n02\ttrain\n03\tvalid\n04\ttest\n",
    "a column a part": ",train,val,test\n0,01,03,04\n1,02,,\n",
    "yes and no": ",train,val,test\n01,True,False,False\n02,True,,\n03,False,True,False\n04,False,False,True\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_tables(form: str, tmp_path: Path) -> None:
    (tmp_path / "splits.csv").write_text(FORMS[form])
    (read,) = read_parts(tmp_path / "splits.csv", PATIENTS, "id")
    assert read.parts == ONE
    assert read.sizes() == {"train": 2, "validation": 1, "test": 1}


def test_each_fold_tests_once_and_each_column_is_a_split(tmp_path: Path) -> None:
    (tmp_path / "splits.csv").write_text("id,fold,site\n01,0,1\n02,1,1\n03,0,2\n04,2,1\n")
    read = read_parts(tmp_path / "splits.csv", PATIENTS, "id")
    assert [split.name for split in read] == ["fold 0", "fold 1", "fold 2"]
    assert read[0].parts == {"train": ("02", "04"), "validation": (), "test": ("01", "03")}
    (tmp_path / "splits.csv").write_text("id,fold_0,fold_1\n01,train,test\n02,test,train\n03,train,\n04,val,train\n")
    read = read_parts(tmp_path / "splits.csv", PATIENTS, "id")
    assert [split.name for split in read] == ["fold_0", "fold_1"]
    assert read[1].parts == {"train": ("02", "04"), "validation": (), "test": ("01",)}


def test_a_patient_on_two_sides_stays_on_both(tmp_path: Path) -> None:
    (tmp_path / "splits.csv").write_text("id,slide,split\n01,a,train\n01,b,test\n")
    (read,) = read_parts(tmp_path / "splits.csv", PATIENTS, "id")
    assert read.parts == {"train": ("01",), "validation": (), "test": ("01",)}


@pytest.mark.parametrize("shape", ["one", "list", "named"])
def test_forms_of_json(shape: str, tmp_path: Path) -> None:
    one = {"train": ["01", "02"], "val": ["03"], "test": ["04"]}
    content = {"one": one, "list": [one, one], "named": {"fold_0": one}}[shape]
    (tmp_path / "splits.json").write_text(json.dumps(content))
    read = read_parts(tmp_path / "splits.json", PATIENTS, "id")
    assert [split.parts for split in read] == [ONE] * (2 if shape == "list" else 1)
    assert read[0].name == {"one": "splits.json", "list": "split 0", "named": "fold_0"}[shape]


def test_a_file_of_ours(tmp_path: Path) -> None:
    save_splits([Split([0, 1], [2], [3])], PATIENTS, tmp_path / "splits.json")
    (read,) = read_parts(tmp_path / "splits.json", PATIENTS, "id")
    assert read.parts == ONE
    with pytest.raises(InputError, match="made for another list of patients"):
        read_parts(tmp_path / "splits.json", PATIENTS[::-1], "id")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.csv", "id,age\n01,5\n02,6\n", "holds no splits: expected a row a patient"),
        ("s.csv", "id,split\n", "holds no splits"),
        ("s.csv", "who,split\nx,train\ny,test\n", "no column of patient ids: expected a column 'id'"),
        ("s.csv", "id,split\n01,train\n02,later\n", "holds no splits"),
        ("s.csv", "id,split,split\n01,train,train\n", "columns of the same name"),
        ("s.json", "[[1, 2]]", "holds no splits"),
        ("s.json", '{"train": "01"}', "holds no splits"),
        ("s.json", "{", "is not JSON"),
    ],
)
def test_what_is_no_split_is_refused(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_parts(tmp_path / name, PATIENTS, "id")
    with pytest.raises(InputError, match="no file of splits"):
        read_parts(tmp_path / "nowhere.csv", PATIENTS, "id")
