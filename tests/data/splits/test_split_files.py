from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlego.data import Split, hash_patients, load_splits, save_splits, split_patients
from mmlego.errors import InputError, VersionError

PATIENTS = [f"patient {i % 12}" for i in range(20)]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    splits = split_patients(PATIENTS, folds=3, repeats=2, seed=7)
    path = save_splits(splits, PATIENTS, tmp_path / "new" / "splits.json")
    assert load_splits(path, PATIENTS) == splits
    assert save_splits(splits[:1], PATIENTS, path) == path  # written again over the old one
    assert load_splits(path, PATIENTS) == splits[:1]
    assert [file.name for file in path.parent.iterdir()] == ["splits.json"]
    assert "patient 1" not in path.read_text()  # ids stay where they are


@settings(deadline=None)
@given(st.lists(st.text(max_size=3), max_size=5), st.lists(st.text(max_size=3), max_size=5))
def test_the_hash_tells_lists_apart(left: list[str], right: list[str]) -> None:
    assert (hash_patients(left) == hash_patients(right)) == (left == right)


def test_a_leaking_split_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"leakage.*patient 1"):
        save_splits([Split([1], [], [13])], PATIENTS, tmp_path / "splits.json")
    assert not list(tmp_path.iterdir())


def changed(**changes: object) -> str:
    content = {
        "format": "mmlego-splits",
        "version": 1,
        "rows": 20,
        "patients_sha256": hash_patients(PATIENTS),
        "splits": [{"train": [0], "validation": [1], "test": [2]}],
    }
    content.update(changes)
    return json.dumps(content)


BAD = {
    "truncated": (changed()[:-9], InputError, "not JSON.*damaged"),
    "something else": ("[]", InputError, "holds no splits"),
    "another format": (changed(format="x"), InputError, "format 'mmlego-splits'"),
    "newer": (changed(version=2), VersionError, "newer format"),
    "other patients": (changed(patients_sha256="0"), InputError, "made for another list of patients"),
    "no test": (changed(splits=[{"train": [0], "validation": [1]}]), InputError, "damaged"),
    "no list": (changed(splits=3), InputError, "damaged"),
    "text in it": (changed(splits=[{"train": ["a"], "validation": [], "test": []}]), InputError, "not a list of rows"),
    "leak": (changed(splits=[{"train": [0], "validation": [], "test": [12]}]), InputError, "leakage"),
    "row too far": (changed(splits=[{"train": [20], "validation": [], "test": []}]), InputError, "do not exist"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(case: str, tmp_path: Path) -> None:
    content, error, message = BAD[case]
    path = tmp_path / "splits.json"
    path.write_text(content)
    with pytest.raises(error, match=message):
        load_splits(path, PATIENTS)


def test_splits_that_were_changed_are_refused(tmp_path: Path) -> None:
    patients = [f"p{i}" for i in range(6)]
    path = save_splits([Split([0, 1, 2], [3], [4, 5])], patients, tmp_path / "splits.json")
    content = json.loads(path.read_text())
    content["splits"][0]["train"].append(content["splits"][0]["test"].pop())
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"the splits in .*splits.json were changed"):
        load_splits(path, patients)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the splits .*none\.json"):
        load_splits(tmp_path / "none.json", PATIENTS)
