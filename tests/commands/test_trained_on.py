"""Whoever predicts for, or scores, patients that somebody trained on is told so: of blocks and what is made of them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from mmlego.commands.memory import told
from mmlego.data import Cohort, load_splits
from mmlego.run_folder import RunFolder
from tests.cohorts import write_cohort, write_quick
from tests.terminal import Said, done, inside

FITTED = ("--no-progress", "-s", "encoder.name=coxnet", "-s", "encoder.options.l1_ratios=[0.0]")
NEURAL = ("-c", "quick.yaml", "--no-progress")


@pytest.fixture(scope="module", params=["fitted", "neural"])
def joint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Two sites with clinical data of patients of their own, a third with pairs; merged, and fused."""
    folder = tmp_path_factory.mktemp(request.param)
    both = ("rna", "clinical")
    for place, (site, modalities) in enumerate({"a": both, "b": ("clinical",), "c": both}.items()):
        write_cohort(folder / site, modalities, first=100 * place, seed=place, name=f"site-{site}")
    write_quick(folder)
    more = FITTED if request.param == "fitted" else NEURAL
    with inside(folder):
        done("train", "-d", "a/cohort.yaml", "-o", "a/run", "--shared-patients", *more)
        done("train", "-d", "b/cohort.yaml", "-o", "b/run", "--plate", "a/run/plate", *more)
        shutil.copytree("b/run/blocks/clinical", "sent/b")  # published: without the run
        done("merge", "a/run", "b/run", "-o", "joint/merge")
        done("merge", "a/run", "sent/b", "-o", "mixed/merge")
        quick = ("-s", "fuse.fit.epochs=1", "-s", "fuse.across=null", "--no-progress")
        done("fuse", "a/run", "b/run", "-d", "c/cohort.yaml", "-o", "tuned/fuse", "--test", "0.3", *quick)
    return request.param, folder


def parts(folder: Path, run: str, site: str) -> dict[str, list[str]]:
    cohort = Cohort.from_manifest(folder / site / "cohort.yaml")
    return load_splits(RunFolder(folder / run).split, cohort.patients)[0].named(cohort.patients)


def predicted(folder: Path, model: str, site: str) -> pd.Series:
    with inside(folder):
        done("predict", model, "-d", f"{site}/cohort.yaml", "-o", "out.csv", "--overwrite")
        return pd.read_csv("out.csv", dtype=str).set_index("patient")["trained_on"]


def scored(folder: Path, model: str, site: str, part: str = "all") -> tuple[Said, dict[str, int]]:
    with inside(folder):
        said = done("evaluate", model, "-d", f"{site}/cohort.yaml", "--part", part, "--out", "scores.json")
        return said, json.loads(Path("scores.json").read_text())["trained_on"][model]


def test_a_merge_of_runs_knows_whom_either_site_trained_on(joint: tuple[str, Path]) -> None:
    kind, folder = joint
    for site in "ab":
        known, named = predicted(folder, "joint/merge", site), parts(folder, f"{site}/run", site)
        if kind == "fitted":  # to validation patients they are fitted as well, and they remember all of them by id
            assert set(known[known == "yes"].index) == {*named["train"], *named["validation"]}
            assert (known[named["test"]] == "no").all()
        else:  # neural blocks remember nobody: the other site may have had anybody of these
            assert set(known[known == "yes"].index) == set(named["train"])
            assert set(known[named["validation"]]) == {"validation"}
            assert set(known[named["test"]]) == {"unknown"}


def test_evaluate_says_so_in_a_line_and_in_json(joint: tuple[str, Path]) -> None:
    kind, folder = joint
    said, counts = scored(folder, "joint/merge", "a")
    named = parts(folder, "a/run", "a")
    train, validation, test = (len(named[part]) for part in ("train", "validation", "test"))
    if kind == "fitted":
        assert counts == {"out of fold": train + validation, "no": test}
        assert f"note: joint/merge: fitted on {train + validation} of 60 patients, and scored by" in said.text
        assert "look better" not in said.err
    else:
        assert counts == {"yes": train, "validation": validation, "unknown": test}
        assert f"joint/merge: trained on {train} of 60 patients, of whom their scores look better" in said.err
        assert f"joint/merge: nobody knows whether trained on {test} of 60 patients" in said.err


def test_a_fitted_block_is_scored_out_of_fold_in_a_merge_as_in_its_run(joint: tuple[str, Path]) -> None:
    kind, folder = joint
    if kind == "neural":
        pytest.skip("of neural blocks nothing is known out of fold")
    with inside(folder):
        done("merge", "a/run/blocks/rna", "-o", "alone/merge", "--overwrite")
        done("evaluate", "alone/merge", "a/run/blocks/rna", "-d", "a/cohort.yaml", "--part", "all", "--out", "s.json")
        scores = json.loads(Path("s.json").read_text())["scores"]
    assert scores["alone/merge"]["loss"] == pytest.approx(scores["a/run/blocks/rna"]["loss"], rel=1e-5)


def test_of_a_block_that_was_sent_nobody_knows(joint: tuple[str, Path]) -> None:
    kind, folder = joint
    named, known = parts(folder, "a/run", "a"), predicted(folder, "mixed/merge", "a")
    mine = {*named["train"], *named["validation"]} if kind == "fitted" else set(named["train"])
    assert set(known[known == "yes"].index) == mine
    assert set(known[named["test"]]) == {"unknown"}
    said, counts = scored(folder, "mixed/merge", "b")
    assert counts == {"unknown": sum(counts.values())}  # b knows its own patients, its block does not
    assert "mixed/merge: nobody knows whether trained on" in said.err


def test_a_split_beside_it_of_another_model_says_nothing_of_a_merge(joint: tuple[str, Path]) -> None:
    kind, folder = joint
    with inside(folder):
        done("merge", "a/run", "b/run", "-o", "tuned/merge", "--overwrite")
    assert set(predicted(folder, "tuned/merge", "c")) == {"no" if kind == "fitted" else "unknown"}


def test_a_split_beside_it_says_nothing_of_a_block_that_was_sent_there(joint: tuple[str, Path]) -> None:
    _, folder = joint
    with inside(folder):
        for place in ("tuned", "here"):
            shutil.copytree("sent/b", f"{place}/clinical")
            shutil.copytree("joint/merge", f"{place}/joint")
        shutil.copytree("a/run/blocks/rna", "here/rna")
        quick = ("-s", "fuse.fit.epochs=1", "-s", "fuse.across=null", "--no-progress")
        done("fuse", "here/rna", "here/clinical", "-d", "c/cohort.yaml", "-o", "here/fuse", "--test", "0.3", *quick)
    for model in ("tuned/clinical", "tuned/joint", "here/joint"):
        assert set(predicted(folder, model, "c")) == {"unknown"}, model
    assert not any("_low_" in name for name in pd.read_csv(folder / "out.csv"))  # nobody knows who was held out
    known, named = predicted(folder, "here/fuse", "c"), parts(folder, "here", "c")
    assert set(known[named["train"]]) == {"yes"}
    assert set(known[named["test"]]) == {"unknown"}
    shutil.rmtree(folder / "tuned" / "clinical")
    shutil.rmtree(folder / "tuned" / "joint")


def test_a_fuse_knows_whom_it_was_tuned_on(joint: tuple[str, Path]) -> None:
    kind, folder = joint
    known, named = predicted(folder, "tuned/fuse", "c"), parts(folder, "tuned", "c")
    assert set(known[named["train"]]) == {"yes"}
    assert set(known[named["validation"]]) == {"validation"}
    assert set(known[named["test"]]) == {"no" if kind == "fitted" else "unknown"}
    said, counts = scored(folder, "tuned/fuse", "c", "train")
    assert set(counts) == {"yes"}
    assert "tuned/fuse: trained on" in said.err
    said, counts = scored(folder, "tuned/fuse", "c", "test")
    assert ("trained on" in said.err) == (kind == "neural")  # nobody knows it of the blocks


def test_a_block_trained_anew_is_another_one(joint: tuple[str, Path]) -> None:
    kind, folder = joint
    if kind == "neural":
        pytest.skip("of fitted blocks more is known")
    with inside(folder):
        shutil.copytree("a", "again/a")
        done("merge", "again/a/run", "-o", "again/merge")
        assert set(predicted(folder, "again/merge", "a")) == {"yes", "no"}
        options = ("-s", "encoder.name=survival_forest", "--overwrite", "--no-progress")
        done("train", "-d", "again/a/cohort.yaml", "-o", "again/a/run", *options)
    assert set(predicted(folder, "again/merge", "a")) == {"unknown"}


def test_what_is_said_of_several_models_is_said_once() -> None:
    warned, noted = told({"a": {"yes": 2, "no": 1}, "b": {"yes": 2, "validation": 1}, "c": {"no": 3}})
    assert warned == ["a, b: trained on 2 of 3 patients, of whom their scores look better than they are."]
    assert noted == ["b: early stopping or calibration saw 1 of 3 patients."]
    assert told({"a": dict(Counter({"no": 4}))}) == ([], [])
