"""``--json``: the standard output is one JSON and nothing else, of what a verb has made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mmlego
from tests.terminal import done, inside
from tests.terminal import mmlego as mmlego_

QUIET = ("--no-progress", "-s", "encoder.name=coxnet")


def answer(*arguments: object) -> dict[str, Any]:
    said = done(*arguments, "--json")
    assert said.out.startswith("{")
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_of_train_merge_and_fuse(site: Path, tmp_path: Path) -> None:
    with inside(tmp_path):
        made = answer("train", "-d", site / "cohort.yaml", "-o", "run", *QUIET)
        assert (made["run"], made["plate"]) == ("run", "run/plate")
        assert made["blocks"]["rna"]["path"] == "run/blocks/rna"
        card = mmlego.load("run/blocks/rna").card
        assert made["blocks"]["rna"]["patients"] == card.patients
        assert made["blocks"]["rna"]["validation"] == pytest.approx(card.validation)
        merged = answer("merge", "run")
        assert merged["path"] == "run/merge"
        weights = mmlego.load("run/merge").weights.tolist()
        assert list(merged["weights"].values()) == pytest.approx(weights)
        assert merged["calibration"] is None
        fused = answer("fuse", "run", "-d", site / "cohort.yaml", "-c", site / "quick.yaml", "--no-progress")
        assert fused["patients"] == mmlego.load(fused["path"]).card.patients


def test_of_evaluate_and_inspect_as_in_the_file(finished: Path, site: Path, tmp_path: Path) -> None:
    verbs = (
        ("evaluate", finished, "-d", site / "cohort.yaml"),
        ("inspect", finished / "merge"),
        ("inspect", finished / "merge", "--privacy"),
    )
    for number, verb in enumerate(verbs):
        found = answer(*verb, "--out", tmp_path / f"{number}.json")
        assert found == json.loads((tmp_path / f"{number}.json").read_text())
        assert found.keys() & {"scores", str(finished / "merge")}


@pytest.mark.parametrize("verb", ["predict", "evaluate", "inspect"])
@pytest.mark.parametrize("given", [("--json", "x.json"), ("--json=x.json",)])
def test_who_names_a_file_is_told_the_option_for_it(verb: str, given: tuple[str, ...]) -> None:
    said = mmlego_(verb, *given, "run", width=200)
    assert said.code == 2
    assert (
        "--json takes no file: it prints one JSON to the standard output. Pass --out x.json for a file." in said.error
    )


def test_of_schema(tmp_path: Path) -> None:
    assert answer("schema", "settings")["type"] == "object"
    with inside(tmp_path):
        assert answer("schema", "settings", "-o", "s.json") == {"file": "s.json"}


def test_of_a_plate(tmp_path: Path) -> None:
    with inside(tmp_path):
        made = answer("plate", "--task", "classification", "--classes", "no,yes", "-o", "plate")
        assert made == {"path": "plate", "fingerprint": mmlego.load("plate").fingerprint}


def test_of_init_and_example(tmp_path: Path) -> None:
    with inside(tmp_path):
        assert answer("example", "synthetic", "-o", "there") == {"manifest": "there/cohort.yaml"}
        Path("a.csv").write_text("patient,age\n" + "".join(f"p{i},{50 + i}.5\n" for i in range(30)))
        made = answer("init", "a.csv", "-o", "cohort.yaml")
        assert made["manifest"] == "cohort.yaml"
        assert Path("cohort.yaml").is_file()
        assert answer("check", "cohort.yaml")["ok"] is True


def test_of_what_writes_files(finished: Path, site: Path, tmp_path: Path) -> None:
    with inside(tmp_path):
        found = answer("report", finished, "-d", site / "cohort.yaml", "-o", "page.html", "--features", 0)
        assert "page.html" in found["files"]
        assert all(Path(path).exists() for path in found["files"])
        found = answer("explain", finished / "merge", "-d", site / "cohort.yaml", "-o", "why", "--part", "test")
        assert found["folder"] == "why"
        assert found["patients"]
        assert all(Path(path).is_file() for path in found["files"])


def test_of_an_experiment(site: Path, tmp_path: Path) -> None:
    fast = ("-c", site / "quick.yaml", "--folds", 2, "--repeats", 1)
    with inside(tmp_path):
        found = answer("bench", "-d", site / "cohort.yaml", "-o", "out", *fast)
        assert found["results"] == "out/private/results.json"
        assert all(Path(path).is_file() for path in (found["results"], *found["files"]))


def test_the_next_verb_speaks_to_the_standard_output_again(finished: Path, tmp_path: Path) -> None:
    answer("merge", finished, "-o", tmp_path / "a")
    said = done("merge", finished, "-o", tmp_path / "b")
    assert said.out.startswith("Merged ")
