"""The one fingerprint: what makes another run, and what does not."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mmlego.data import Cohort, PatientData, Split
from mmlego.fingerprint import Fingerprint, fingerprint, hash_cohort, hash_data, hash_plain
from mmlego.settings import Settings
from mmlego.tasks import Classification
from tests.cohorts import write_cohort


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return Cohort.from_manifest(write_cohort(tmp_path, n=12))


def of(cells: list[Any]) -> str:
    frame = pd.DataFrame({"x": pd.Series(cells, index=["a", "b"], dtype=object)})
    cohort = Cohort.from_frames({"x": pd.DataFrame({"x": [1.0, 2.0]}, index=["a", "b"])})
    return hash_cohort(dataclasses.replace(cohort, frames={"x": frame}))


class Slide:
    """A cell that knows what tells it from others, but whose text says nothing of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def fingerprint(self) -> bytes:
        return self.content

    def __str__(self) -> str:
        return "a slide"


def test_cells_of_all_kinds_count_by_what_they_hold() -> None:
    assert of(["m", "f"]) == of(["m", "f"]) != of(["f", "m"])
    bags = [np.zeros((2, 3)), np.ones((1, 3))]
    assert of(bags) == of(bags) != of([np.zeros((2, 3)), np.full((1, 3), 2.0)])
    assert of([np.zeros((2, 3)), None]) != of([np.zeros((3, 2)), None])
    long = np.arange(5000.0)
    other = long.copy()
    other[2500] = -1  # in the middle, where the text of an array has dots
    assert of([long, None]) != of([other, None])
    assert of([torch.ones(2), None]) != of([torch.zeros(2), None])
    assert of([Slide(b"1"), Slide(b"2")]) == of([Slide(b"1"), Slide(b"2")]) != of([Slide(b"1"), Slide(b"3")])
    assert of(["1", None]) != of([1, None])


class Silent:
    """A cell of a kind from outside that says nothing of itself."""


def test_what_a_kind_tells_its_rows_apart_by_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmlego.data import TableSource

    marks: list[bytes | None] = [b"1", b"2"]
    monkeypatch.setattr(TableSource, "fingerprints", lambda self, frame: marks)
    before = of([Silent(), Silent()])
    assert of([Silent(), Silent()]) == before  # other objects, in other places
    marks = [b"1", b"3"]
    assert of([Silent(), Silent()]) != before


def test_runs_made_before_go_on() -> None:
    data = PatientData(
        {"labs": torch.arange(6.0).reshape(3, 2)}, torch.tensor([0, 1, 0]), Classification(2), list("abc")
    )
    before = "35c69df973567a2d2c11381bb41839bf89c8f124eb7787ff12ba8426748eb98f"  # as mmlego 0.1.0 wrote it to run.json
    assert hash_data((data, None)) == before


def test_files_count_by_what_is_in_them_not_by_where_they_lie(tmp_path: Path) -> None:
    def bags(place: str, value: float) -> str:
        folder = tmp_path / place
        folder.mkdir()
        for name in "ab":
            torch.save(torch.full((4, 3), value), folder / f"{name}.pt")
        (folder / "cohort.yaml").write_text("key: id\nmodalities: {wsi: {kind: bag, pattern: '{key}.pt'}}")
        return hash_cohort(Cohort.from_manifest(folder / "cohort.yaml"))

    assert bags("here", 1.0) == bags("there", 1.0) != bags("changed", 2.0)


def test_what_the_manifest_says_counts(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["a", "a", "b"], "time": [0.0, 9.0, 3.0], "variable": "hr", "value": [1.0, 2.0, 3.0]})
    frame.to_csv(tmp_path / "vitals.csv", index=False)

    def series(hours: int) -> Cohort:
        section = f"{{kind: series, file: vitals.csv, bin_hours: {hours}, horizon: 12}}"
        (tmp_path / "cohort.yaml").write_text(f"key: id\nmodalities: {{vitals: {section}}}")
        return Cohort.from_manifest(tmp_path / "cohort.yaml")

    assert hash_cohort(series(3)) == hash_cohort(series(3)) != hash_cohort(series(6))


def test_each_of_the_four_is_told(cohort: Cohort) -> None:
    split, settings = Split(range(6), range(6, 9), range(9, 12)), Settings()
    mark = fingerprint(cohort, split, settings, "train")
    assert mark == fingerprint(cohort, split, settings, "train")
    assert mark.differences(mark.config()) == []
    outcome = cohort.outcome.assign(time=cohort.outcome["time"] + 1)
    others = {
        "cohort": fingerprint(dataclasses.replace(cohort, outcome=outcome), split, settings, "train"),
        "split": fingerprint(cohort, Split(range(6), range(9, 12), range(6, 9)), settings, "train"),
        "settings": fingerprint(cohort, split, Settings(seed=1), "train"),
        "method": fingerprint(cohort, split, settings, "other"),
    }
    for name, other in others.items():
        assert mark.differences(other.config()) == [name]
        assert mark.stamp != other.stamp
    assert mark.differences({}) == ["version of mmlego"]


def test_the_hash_is_the_same_on_every_machine() -> None:
    assert hash_plain({"b": [1, 2.5], "a": None})[:16] == "e57f5d37865437a8"
    assert (
        Fingerprint("a", "b", "c", "d").stamp
        == hash_plain({"version": 1, "cohort": "a", "split": "b", "settings": "c", "method": "d"})[:16]
    )


def test_columns_in_blocks_count_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    index = list("abcd")
    frame = pd.DataFrame(rng.normal(size=(4, 9)), index=index).astype({3: "float32", 5: "int64", 6: "bool"})
    frame[9], frame[10] = pd.Series(list("wxyz"), index=index), pd.array([1, None, 3, 4], dtype="Int64")
    frame.iloc[1, 1] = np.nan
    cohort = Cohort.from_frames({"x": pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]}, index=index)})
    hashes = []
    for part in (1, 2, 4096):
        monkeypatch.setattr("mmlego.fingerprint.PART", part)
        hashes.append(hash_cohort(dataclasses.replace(cohort, frames={"x": frame})))
    assert len(set(hashes)) == 1
    frame.iloc[2, 4] += 1
    assert hash_cohort(dataclasses.replace(cohort, frames={"x": frame})) != hashes[0]
