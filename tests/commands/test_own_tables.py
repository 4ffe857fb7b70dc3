"""No result replaces what a cohort is read from, nor what no verb has written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from mmlego import InputError
from mmlego.commands.tables import check_json, refuse_data
from tests.cohorts import write_cohort
from tests.terminal import refused


def test_files_that_a_manifest_names_are_refused(tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path / "home", ("rna",), n=6)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "slides").mkdir(parents=True)
    content = yaml.safe_load(manifest.read_text())
    content["modalities"]["slide"] = {"kind": "bag", "pattern": "slides/{key}.csv"}
    manifest.write_text(yaml.safe_dump(content))
    for place in (elsewhere / "slides" / "007.csv", elsewhere / "rna.csv", elsewhere / "mine.csv"):
        place.write_text("x")
    (tmp_path / "link.csv").symlink_to(tmp_path / "home" / "outcome.csv")
    own = [manifest, tmp_path / "home" / "outcome.csv", tmp_path / "home" / "rna.csv", tmp_path / "link.csv"]
    for place in [*own, elsewhere / "slides" / "007.csv", elsewhere / "rna.csv"]:
        with pytest.raises(InputError, match=r"belongs to the cohort: expected a place for the result"):
            refuse_data(place, manifest, [elsewhere])
    for place in (elsewhere / "mine.csv", tmp_path / "new.csv", elsewhere):
        refuse_data(place, manifest, [elsewhere])
    refuse_data(elsewhere / "rna.csv", manifest, None)  # which is not read then


def test_the_verbs_keep_to_it(tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path, ("rna",), n=6)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    told = refused("predict", "nowhere", "-d", manifest, "-o", tmp_path / "outcome.csv", "--overwrite")
    assert "outcome.csv belongs to the cohort" in told
    for name in ("outcome.csv", "cohort.yaml"):
        for verb in (
            ("evaluate", "nowhere", "-d", manifest),
            ("inspect", "nowhere"),
            ("inspect", "nowhere", "--privacy"),
        ):
            told = refused(*verb, "--out", tmp_path / name)
            assert f"{name} is there already, and no answer of mmlego" in told
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("content", "ours"),
    [
        (json.dumps({"scores": {}}), True),
        ("[]", True),
        (json.dumps({"format": 3, "kind": "merge"}), False),
        ("id,age\n1,2\n", False),
        ("7", False),
        ("\\xff", False),
    ],
)
def test_an_answer_in_json_replaces_an_earlier_one_alone(tmp_path: Path, content: str, ours: bool) -> None:
    file = tmp_path / "a.json"
    check_json(file)
    check_json(None)
    file.write_text(content)
    if ours:
        check_json(file)
        with pytest.raises(InputError, match=r"a file in JSON, as answer\.json, got .*answer\.csv"):
            check_json(tmp_path / "answer.csv")
    else:
        with pytest.raises(InputError, match=r"no answer of mmlego.*another place with --out"):
            check_json(file)
