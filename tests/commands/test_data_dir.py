"""``--data-dir``: a manifest in one folder, the files in another; every verb takes it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mmlego.data import Cohort
from tests.cohorts import CLASSES, write_cohort, write_quick
from tests.stays import pack, simulated
from tests.terminal import done, refused


def test_every_verb_finds_the_files(tmp_path: Path) -> None:
    written = write_cohort(tmp_path / "data", outcome=CLASSES)
    manifest = tmp_path / "study" / "cohort.yaml"
    manifest.parent.mkdir()
    written.rename(manifest)
    quick, run = write_quick(tmp_path), tmp_path / "run"
    where = ("-d", manifest, "--data-dir", tmp_path / "data")
    said = refused("train", "-d", manifest, "-o", run)
    assert "there is no file 'outcome.csv' beside the manifest" in said
    assert "say so: --data-dir" in said
    done("train", *where, "-o", run, "-c", quick, "--no-progress")
    done("merge", run)
    done("fuse", run, *where, "--no-progress")
    assert "merge" in done("evaluate", run, *where).text
    done("predict", run / "merge", *where, "-o", tmp_path / "predictions.csv")
    assert "LegoMerge" in done("bench", *where, "-c", quick, "--folds", 2, "--repeats", 1, "-o", tmp_path / "b").text
    assert sorted(path.name for path in manifest.parent.iterdir()) == ["cohort.yaml"]


@pytest.mark.parametrize("cache", [True, "kept"])
def test_the_cache_lies_beside_the_manifest(cache: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMLEGO_CACHE", raising=False)
    data, home = tmp_path / "data", tmp_path / "study"
    home.mkdir()
    data.mkdir()
    files, outcome = simulated(9)
    pack(data / "stays.zip", files)
    outcome.to_csv(data / "outcome.csv", index=False)
    manifest = {
        "key": "RecordID",
        "outcome": {"task": "classification", "file": "outcome.csv", "label": "died"},
        "modalities": {"pulse": {"kind": "series", "file": "stays.zip", "variables": "HR", "cache": cache}},
    }
    (home / "cohort.yaml").write_text(yaml.safe_dump(manifest))
    assert len(Cohort.from_manifest(home / "cohort.yaml", folder=data)) == 9
    assert sorted(path.name for path in data.iterdir()) == ["outcome.csv", "stays.zip"]
    assert list((home / (".mmlego-cache" if cache is True else "kept")).glob("stays-*.safetensors"))
