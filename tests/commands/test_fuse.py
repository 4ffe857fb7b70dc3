"""``mmlego fuse``: on whom it tunes, what it keeps, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mmlego
from mmlego.data import Cohort, load_splits
from mmlego.job import tuning
from tests.cohorts import write_cohort
from tests.terminal import done, refused

Train = Callable[..., Path]


@pytest.fixture
def tuned(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The patients that ``fit`` was given, training and validation."""
    seen: list[set[str]] = []
    fit = tuning.fit

    def spied(model: Any, data: Any, **options: Any) -> Any:
        valid = options["validation"]
        seen.append({*data.patients} | set(() if valid is None else valid.patients))
        return fit(model, data, **options)

    monkeypatch.setattr(tuning, "fit", spied)
    return seen


def parts(run: Path, data: Path) -> dict[str, set[str]]:
    cohort = Cohort.from_manifest(data)
    named = load_splits(run / "private/split.json", cohort.patients)[0].named(cohort.patients)
    return {name: set(patients) for name, patients in named.items()}


def test_modalities_come_in_the_manifest_s_order(finished: Path) -> None:
    fused = mmlego.load(finished / "fuse")
    assert fused.modalities == fused.order == ("rna", "clinical", "labs")
    assert fused.card.data == "trial"
    assert fused.card.recipe["epochs"] == 1  # of the run's own settings


def test_nobody_who_was_held_back_is_tuned_on(run: Path, site: Path, tuned: list[set[str]]) -> None:
    data = site / "cohort.yaml"
    done("fuse", run, "-d", data, "--no-progress", "--overwrite")
    held = parts(run, data)
    everything = set.intersection(*(set(frame.index) for frame in Cohort.from_manifest(data).frames.values()))
    assert tuned == [everything & (held["train"] | held["validation"])]


def test_the_split_of_the_blocks_goes_with_them(
    finished: Path, site: Path, tmp_path: Path, tuned: list[set[str]]
) -> None:
    data = site / "cohort.yaml"
    sources = [finished / "blocks" / name for name in ("rna", "clinical")]
    done("fuse", *sources, "-d", data, "-o", tmp_path / "joint" / "fuse", "--no-progress")
    assert not tuned[0] & parts(finished, data)["test"]
    assert parts(tmp_path / "joint", data) == parts(finished, data)
    assert (tmp_path / "joint" / "private/fits" / "fuse" / "history.csv").is_file()
    said = done("evaluate", tmp_path / "joint" / "fuse", "-d", data)
    assert "trial, test part: 12 patients" in said.text


def test_a_cohort_that_no_run_has_split_is_split_here(finished: Path, tmp_path: Path, tuned: list[set[str]]) -> None:
    data = write_cohort(tmp_path / "pairs", ("rna", "clinical"), n=40, first=500, seed=5)
    sources = [finished / "blocks" / name for name in ("rna", "clinical")]
    place = tmp_path / "joint" / "fuse"
    done("fuse", *sources, "-d", data, "-o", place, "--no-progress", "--test", "0.25")
    held = parts(tmp_path / "joint", data)
    assert (len(held["test"]), len(held["validation"])) == (10, 8)
    assert not tuned[0] & held["test"]
    done("fuse", *sources, "-d", data, "-o", tmp_path / "other" / "fuse", "--no-progress")
    assert parts(tmp_path / "other", data)["test"] == set()
    message = refused("evaluate", tmp_path / "other" / "fuse", "-d", data)
    assert message.endswith("split.json is empty. Pass --part all.")


def test_a_run_s_own_place_keeps_its_own_cohort(run: Path, tmp_path: Path) -> None:
    data = write_cohort(tmp_path / "pairs", ("rna", "clinical", "labs"), n=40, first=500, seed=5)
    message = refused("fuse", run, "-d", data, "--overwrite")
    assert "split.json was made for other patients" in message
    assert message.endswith("Choose another folder with --out.")


def test_runs_that_split_differently_are_not_fused(run: Path, train: Train, site: Path, tmp_path: Path) -> None:
    other = train(tmp_path / "other", "-m", "clinical", "-s", "seed=1", "--plate", run / "plate")
    sources = (run / "blocks" / "rna", other)
    message = refused("fuse", *sources, "-d", site / "cohort.yaml", "-o", tmp_path / "joint" / "fuse")
    assert "split the patients differently" in message
    assert not (tmp_path / "joint").exists()


def test_options(run: Path, site: Path) -> None:
    done(
        "fuse",
        run,
        "-d",
        site / "cohort.yaml",
        "-o",
        run / "other",
        "--no-progress",
        "--mode",
        "weave",
        "--order",
        "labs,rna,clinical",
        "--freeze",
        "blocks",
        "--modality-dropout",
        "0.3",
        "--epochs",
        "2",
    )
    fused = mmlego.load(run / "other")
    assert (fused.mode, fused.order, fused.freeze) == ("weave", ("labs", "rna", "clinical"), "blocks")
    assert fused.modality_dropout == 0.3
    assert (fused.card.recipe["epochs"], fused.card.recipe["lr"]) == (2, 1e-4)


def test_options_win_over_settings_and_settings_over_the_run_s(run: Path, site: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("fuse: {mode: weave, fit: {epochs: 3, lr: 0.01}}\n")
    done(
        "fuse",
        run,
        "-d",
        site / "cohort.yaml",
        "-o",
        run / "other",
        "--no-progress",
        "-c",
        file,
        "-s",
        "fuse.fit.epochs=2",
        "--mode",
        "parallel",
    )
    fused = mmlego.load(run / "other")
    assert fused.mode == "parallel"
    assert (fused.card.recipe["epochs"], fused.card.recipe["lr"]) == (2, 0.01)


def test_an_earlier_model_is_refused_before_training(run: Path, site: Path, tuned: list[set[str]]) -> None:
    message = refused("fuse", run, "-d", site / "cohort.yaml")
    assert message.endswith("Choose another place with --out, or pass --overwrite.")
    assert tuned == []


def test_overwriting_tunes_anew_with_other_settings(run: Path, site: Path) -> None:
    done("fuse", run, "-d", site / "cohort.yaml", "--epochs", "2", "--no-progress", "--overwrite")
    assert mmlego.load(run / "fuse").card.recipe["epochs"] == 2


def test_modalities_that_the_cohort_lacks(finished: Path, tmp_path: Path) -> None:
    data = write_cohort(tmp_path, ("rna", "clinical"))
    message = refused("fuse", finished, "-d", data, "-o", tmp_path / "joint" / "fuse")
    assert message == (
        "trial lacks modalities of the blocks: expected rna, clinical, labs in the manifest, got rna, clinical. "
        "Merge the blocks instead: mmlego merge."
    )


def test_nobody_has_all_modalities(finished: Path, tmp_path: Path) -> None:
    import pandas as pd

    data = write_cohort(tmp_path, ("rna", "clinical"))
    for name, rows in {"rna": slice(None, 25), "clinical": slice(25, None)}.items():
        frame = pd.read_csv(tmp_path / f"{name}.csv", dtype={"patient_id": str}).sort_values("patient_id")
        frame[rows].to_csv(tmp_path / f"{name}.csv", index=False)
    sources = [finished / "blocks" / name for name in ("rna", "clinical")]
    message = refused("fuse", *sources, "-d", data, "-o", tmp_path / "joint" / "fuse")
    assert message.startswith("no training patient has all modalities: expected patients with rna, clinical, got none.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mode", "pile"], "setting 'fuse.mode': Input should be 'stack', 'weave' or 'parallel': got 'pile'"),
        (["--freeze", "all"], "setting 'fuse.freeze': Input should be 'encoders' or 'blocks': got 'all'"),
        (["--order", "rna,dna"], "order of a LegoFuse: expected each of"),
    ],
)
def test_wrong_options(run: Path, site: Path, arguments: list[str], message: str) -> None:
    data = site / "cohort.yaml"
    assert refused("fuse", run, "-d", data, "-o", run / "other", *arguments).startswith(message)


def test_tuning_needs_an_outcome(run: Path, tmp_path: Path) -> None:
    data = write_cohort(tmp_path, outcome=None)
    assert refused("fuse", run, "-d", data, "--overwrite").startswith("tuning needs an outcome, and trial has none")


def test_the_split_is_a_file_of_row_numbers(finished: Path) -> None:
    text = (finished / "private/split.json").read_text()
    assert json.loads(text)["rows"] == 60
    assert "001" not in text


@pytest.mark.parametrize(
    ("option", "value", "setting"),
    [("--epochs", "0", "fuse.fit.epochs"), ("--modality-dropout", "1", "fuse.modality_dropout")],
)
def test_options_have_the_bounds_of_the_settings(run: Path, site: Path, option: str, value: str, setting: str) -> None:
    error = refused("fuse", run, "-d", site / "cohort.yaml", option, value)
    assert error.startswith(f"setting {setting!r}: "), error
