"""``--data-dir``: a manifest in one folder, the files in another; every verb takes it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mmlego.data import Cohort
from mmlego.errors import InputError
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


def test_links_and_several_folders_are_accepted_as_the_error_says(tmp_path: Path) -> None:
    written = write_cohort(tmp_path / "data", outcome=CLASSES)
    manifest = tmp_path / "study" / "cohort.yaml"
    manifest.parent.mkdir()
    written.rename(manifest)
    files = sorted((tmp_path / "data").iterdir())
    (tmp_path / "more").mkdir()
    files[0].rename(tmp_path / "more" / files[0].name)
    (tmp_path / "data" / files[0].name).symlink_to(tmp_path / "more" / files[0].name)
    said = refused("bench", "-d", manifest, "--data-dir", tmp_path / "data", "-o", tmp_path / "b")
    assert "or pass --links (links: true in the manifest)" in said
    options = ("-d", manifest, "-o", tmp_path / "c.csv")
    model = tmp_path / "none"
    for more in (["--data-dir", tmp_path / "data", "--links"],
                 ["--data-dir", tmp_path / "data", "--data-dir", tmp_path / "more"]):  # fmt: skip
        assert "none" in refused("predict", model, *options, *more), "past the files, to the model that is not there"


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


def test_a_cache_that_is_a_link_leads_nothing_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMLEGO_CACHE", raising=False)
    home, other = tmp_path / "study", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    files, _ = simulated(9)
    pack(home / "stays.zip", files)
    (home / ".mmlego-cache").symlink_to(other, target_is_directory=True)
    section = {"kind": "series", "file": "stays.zip", "variables": "HR"}
    for more, allowed in (({}, False), ({"links": True}, True)):
        manifest = {"key": "RecordID", "modalities": {"pulse": section}, **more}
        (home / "cohort.yaml").write_text(yaml.safe_dump(manifest))
        if allowed:
            assert len(Cohort.from_manifest(home / "cohort.yaml")) == 9
            assert list(other.glob("stays-*.safetensors"))
        else:
            with pytest.raises(InputError, match=r"cache '\.mmlego-cache' leaves the manifest's folder.*cache: false"):
                Cohort.from_manifest(home / "cohort.yaml")
            assert not list(other.iterdir())
