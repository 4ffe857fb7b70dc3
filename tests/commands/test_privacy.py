from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.terminal import done, refused

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics on a handful of patients


def test_what_a_run_holds_is_listed_and_flagged(finished: Path, tmp_path: Path) -> None:
    said = done("inspect", "--privacy", finished, "--out", tmp_path / "kept.json")
    assert "For fewer than 5 patients: plates[0].task.cuts[1] (the last cut of time" in said.text
    assert "private stays at home: it names patients" in said.text
    assert "weights: fitted to patients: nothing bounds what one of them moves" in said.text
    assert all(len(line) <= 80 for line in said.out.splitlines())
    content = json.loads((tmp_path / "kept.json").read_text())
    assert [Path(place).name for place in content] == ["plate", "rna", "clinical", "labs", "merge", "fuse"]
    clinical = next(found["values"] for place, found in content.items() if place.endswith("clinical"))
    sexes = [one for one in clinical if one["what"] == "a category"]
    assert sorted(one["value"] for one in sexes) == ["f", "m"]
    assert all(found["membership"] is None for found in content.values())


def test_who_trained_a_model_is_asked_of_its_run(site: Path, finished: Path, tmp_path: Path) -> None:
    said = done("inspect", "--privacy", finished / "merge", "-d", site / "cohort.yaml", "--out", tmp_path / "kept.json")
    assert "Can it tell who trained it?" in said.text
    (found,) = json.loads((tmp_path / "kept.json").read_text()).values()
    assert 0 <= found["membership"]["low"] <= found["membership"]["auroc"] <= found["membership"]["high"] <= 1
    assert found["membership"]["others"] == 12


def test_what_cannot_be_asked(site: Path, finished: Path, tmp_path: Path) -> None:
    assert "--data is for inspect --privacy" in refused("inspect", finished, "-d", site / "cohort.yaml")
    (tmp_path / "merge").mkdir()
    for file in (finished / "merge").iterdir():
        (tmp_path / "merge" / file.name).write_bytes(file.read_bytes())
    message = refused("inspect", "--privacy", tmp_path / "merge", "-d", site / "cohort.yaml")
    assert "it is not known who trained these models" in message
