"""``mmlego merge``: the model it saves, the weights it shows, and what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import mmlego
from mmlego import LegoMerge, LegoWarning
from mmlego.data import Cohort, load_splits
from mmlego.job import data_of
from mmlego.merge.weights import believed_gain
from mmlego.run_folder import RunFolder
from mmlego.settings import read_settings
from mmlego.training.evaluate import all_logits
from tests import terminal
from tests.cohorts import write_cohort
from tests.commands.conftest import MODALITIES
from tests.terminal import done, inside, refused

Train = Callable[..., Path]


def test_a_run_folder_is_merged_in_its_own_place(finished: Path, site: Path) -> None:
    merged = mmlego.load(finished / "merge")
    assert merged.modalities == MODALITIES  # as in the cohort, not by name
    assert (merged.rule, merged.phase, merged.heads) == ("residual", "circular", "common")
    cohort = Cohort.from_manifest(site / "cohort.yaml")
    blocks = [mmlego.load(finished / "blocks" / name) for name in merged.modalities]
    by_hand = LegoMerge(blocks)
    data = data_of(merged, cohort)
    torch.testing.assert_close(all_logits(merged, data, 64), all_logits(by_hand, data, 64))


@pytest.mark.parametrize(
    ("weights", "shown"),
    [
        ("uniform", "rna 0.33, clinical 0.33, labs 0.33"),
        ("labs=1,clinical=1,rna=2", "rna 0.50, clinical 0.25, labs 0.25"),
        (" clinical = 0, labs = 0, rna = 1", "rna 1.00, clinical 0.00, labs 0.00"),
    ],
)
def test_weights(finished: Path, tmp_path: Path, weights: str, shown: str) -> None:
    said = done("merge", finished, "-o", tmp_path / "merge", "--weights", weights)
    assert said.text.startswith(f"Merged {shown}. Saved in ")


def test_the_order_is_the_one_of_train(site: Path, finished: Path, tmp_path: Path) -> None:
    cohort = Cohort.from_manifest(site / "cohort.yaml")
    whole = mmlego.train(cohort, read_settings(site / "quick.yaml", []), out=tmp_path / "run", progress=False)
    done("merge", tmp_path / "run", "-o", tmp_path / "again")
    again = mmlego.load(tmp_path / "again")
    assert whole.merge.modalities == again.modalities == cohort.modalities
    torch.testing.assert_close(again.weights, whole.merge.weights)
    data = data_of(again, cohort)
    assert torch.equal(all_logits(again, data, 64), all_logits(whole.merge, data, 64))  # bit by bit, as sums go


def test_weights_by_evidence_are_those_of_the_cards(finished: Path, tmp_path: Path) -> None:
    done("merge", finished, "-o", tmp_path / "merge", "--weights", "evidence")
    names = MODALITIES
    cards = [mmlego.load(finished / "blocks" / name).card for name in names]
    scores, errors = ([getattr(card, what)["c_index"] for card in cards] for what in ("validation", "errors"))
    gains = torch.tensor([believed_gain(x - 0.5, error) for x, error in zip(scores, errors, strict=True)]).sqrt()
    torch.testing.assert_close(mmlego.load(tmp_path / "merge").weights, gains / gains.sum())


def test_strength(finished: Path, tmp_path: Path) -> None:
    done("merge", finished, "-o", tmp_path / "merge", "--strength", "1.5")
    assert mmlego.load(tmp_path / "merge").strength == 1.5
    assert mmlego.load(finished / "merge").strength == "auto"


def test_the_preset_of_the_paper(finished: Path, tmp_path: Path) -> None:
    done("merge", finished, "-o", tmp_path / "merge", "--preset", "paper")
    merged = mmlego.load(tmp_path / "merge")
    assert (merged.rule, merged.phase, merged.heads) == ("harmonic", "mean", "slerp")


def test_rule_phase_and_heads(finished: Path, tmp_path: Path) -> None:
    done("merge", finished, "-o", tmp_path / "merge", "--rule", "mean", "--phase", "mean", "--heads", "linear")
    merged = mmlego.load(tmp_path / "merge")
    assert (merged.rule, merged.phase, merged.heads) == ("mean", "mean", "linear")


def test_checkpoints_are_merged_in_the_order_given(finished: Path, tmp_path: Path) -> None:
    done("merge", finished / "blocks" / "rna", finished / "blocks" / "clinical", "-o", tmp_path / "merge")
    assert mmlego.load(tmp_path / "merge").modalities == ("rna", "clinical")


def test_what_an_interrupted_save_left_is_no_block(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "blocks" / "rna", run / "blocks" / ".rna.new-1")
    done("merge", run, "-o", tmp_path / "merge")
    assert len(mmlego.load(tmp_path / "merge").modalities) == 3


def test_places_are_shown_as_they_are_typed(run: Path) -> None:
    with inside(run.parent):
        said = done("merge", "run", "--overwrite")
        assert said.text.endswith("Saved in run/merge.")


def test_an_earlier_model_is_kept_unless_overwritten(run: Path) -> None:
    before = (run / "merge" / "config.json").read_bytes()
    message = refused("merge", run, "--rule", "mean")
    assert message.endswith("Choose another place with --out, or pass --overwrite.")
    assert (run / "merge" / "config.json").read_bytes() == before
    done("merge", run, "--rule", "mean", "--overwrite")
    assert mmlego.load(run / "merge").rule == "mean"


def test_nothing_but_a_checkpoint_is_overwritten(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    refused("merge", run, "-o", tmp_path / "mine", "--overwrite")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    refused("merge", run, "-o", tmp_path / "mine" / "thesis.txt", "--overwrite")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--rule", "median"],
            "unknown merge rule: expected one of harmonic, mean, product, residual, sum, got 'median'",
        ),
        (["--strength", "much"], "strength: expected a number between 0 and 1e+06, or 'auto', got 'much'"),
        (["--preset", "papers"], "preset of a LegoMerge: expected 'paper' or None, got 'papers'"),
        (["--phase", "odd"], "phase: expected 'mean' or 'circular', got 'odd'"),
        (["--heads", "median"], "unknown rule for heads: expected one of common, linear, ot, slerp, got 'median'"),
        (["--weights", "many"], "weights: expected 'auto', 'uniform', 'evidence', or one number a block, got 'many'"),
        (["--weights", "rna=x"], "--weights: expected auto, uniform, evidence, stacked, or name=number,name=number"),
        (["--weights", "rna=1=2"], "--weights: expected auto, uniform, evidence, stacked, or name=number,name=number"),
        (["--weights", "rna=1,"], "--weights: expected auto, uniform, evidence, stacked, or name=number,name=number"),
        (["--weights", "rna=-1,clinical=1,labs=1"], "weights: expected one number ≥ 0 for each of"),
        (["--weights", "rna=1"], "weights: expected one number ≥ 0 for each of"),
        (
            ["--weights", "dna=1"],
            "weights name unknown modalities: expected of ['rna', 'clinical', 'labs']",
        ),
    ],
)
def test_wrong_options(finished: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    assert refused("merge", finished, "-o", tmp_path / "merge", *arguments).startswith(message)
    assert not (tmp_path / "merge").exists()


def test_a_block_counts_once(finished: Path, tmp_path: Path) -> None:
    message = refused("merge", finished / "blocks" / "rna", finished / "blocks" / "rna", "-o", tmp_path / "merge")
    assert message == f"{finished}/blocks/rna is given twice: expected each block once. Leave it out once."


def test_only_blocks_are_merged(finished: Path, tmp_path: Path) -> None:
    message = refused("merge", finished / "merge", "-o", tmp_path / "merge")
    assert message.endswith("merge holds no block: expected a block, got LegoMerge")


def test_places_that_are_missing(finished: Path, tmp_path: Path) -> None:
    message = refused("merge", finished, tmp_path / "nowhere", "-o", tmp_path / "merge")
    assert message.endswith("nowhere not found: expected run folders, or checkpoints of blocks")
    message = refused("merge", finished / "blocks" / "rna")
    assert message == "no place to save: expected --out FOLDER, as the blocks are not one run's, got none"
    (tmp_path / "empty").mkdir()
    assert "is no checkpoint" in refused("merge", tmp_path / "empty", "-o", tmp_path / "merge")


def test_blocks_of_two_plates_are_refused_with_what_differs(finished: Path, train: Train, tmp_path: Path) -> None:
    data = write_cohort(tmp_path / "b", ("clinical",), first=100, seed=1)
    other = train(tmp_path / "other", "-s", "plate.steps=3", data=data)
    sources = (finished / "blocks" / "rna", other)
    message = refused("merge", *sources, "-o", tmp_path / "merge")
    assert message.startswith("'rna' and 'clinical' stand on different baseplates: expected one Baseplate")
    assert "task.cuts: (" in message
    assert "steps: 2 ≠ 3" in message
    assert "Train all blocks from one shared Baseplate." in message  # other time bins: nothing can make them fit


def test_a_mismatch_can_be_allowed_where_shapes_agree(finished: Path, train: Train, tmp_path: Path) -> None:
    # The same patients give the same time bins; another seed gives other initial values.
    other = train(tmp_path / "other", "-m", "clinical", "-s", "plate.seed=1")
    sources = (finished / "blocks" / "rna", other)
    message = refused("merge", *sources, "-o", tmp_path / "merge")
    assert "initial values of" in message
    assert message.endswith("or pass --allow-mismatch; only the common read-out bears it.")
    said = done("merge", *sources, "-o", tmp_path / "merge", "--allow-mismatch")
    assert said.error.startswith("warning: 'rna' and 'clinical' stand on different baseplates")
    with pytest.warns(LegoWarning, match="only heads=.common. bears it"):
        assert mmlego.load(tmp_path / "merge").modalities == ("rna", "clinical")


def test_a_merge_is_calibrated_on_the_validation_part_alone(finished: Path, site: Path, tmp_path: Path) -> None:
    said = done("merge", finished, "-o", tmp_path / "merge", "--calibrate", site / "cohort.yaml")
    cohort = Cohort.from_manifest(site / "cohort.yaml")
    parts = load_splits(finished / "private/split.json", cohort.patients)[0].named(cohort.patients)
    by_hand = mmlego.load(finished / "merge")
    scale = mmlego.calibrate(by_hand, data_of(by_hand, cohort, parts["validation"]))
    assert f", calibrated by a factor of {scale:.2f}. Saved in" in said.text
    merged = mmlego.load(tmp_path / "merge")
    assert merged.card.recipe["calibration"] == by_hand.card.recipe["calibration"]
    data = data_of(merged, cohort)
    torch.testing.assert_close(all_logits(merged, data, 64), all_logits(by_hand, data, 64))
    assert not torch.equal(all_logits(mmlego.load(finished / "merge"), data, 64), all_logits(merged, data, 64))


def test_nobody_to_calibrate_on(finished: Path, site: Path, tmp_path: Path) -> None:
    other = write_cohort(tmp_path / "other", ("rna", "clinical", "labs"), first=500, seed=3)
    said = refused("merge", finished, "-o", tmp_path / "merge", "--calibrate", other)
    assert "nobody to calibrate on" in said
    assert not (tmp_path / "merge").exists()
    said = refused(
        "merge", finished, "-o", tmp_path / "merge", "--preset", "paper", "--calibrate", site / "cohort.yaml"
    )
    assert "calibrate needs one read-out" in said


def test_blocks_of_a_run_on_other_patients_may_have_seen_those_to_calibrate_on(
    finished: Path, site: Path, train: Train, tmp_path: Path
) -> None:
    fewer = write_cohort(tmp_path / "fewer", ("rna",), n=50)
    run = train(tmp_path / "run", "-m", "rna", "--plate", finished / "plate", "-s", "plate={}", data=fewer)
    sources = [finished / "blocks" / "clinical", run / "blocks" / "rna"]
    said = refused("merge", *sources, "-o", tmp_path / "merge", "--calibrate", site / "cohort.yaml")
    assert f"{sources[1]} come from no run on the patients of trial" in said
    assert "mmlego.calibrate takes any patients whom no block was trained on" in said
    copied = shutil.copytree(finished / "blocks" / "rna", tmp_path / "elsewhere" / "rna")  # without its run
    sources[1] = copied
    said = refused("merge", *sources, "-o", tmp_path / "merge", "--calibrate", site / "cohort.yaml")
    assert f"{copied} come from no run on the patients of trial" in said


def test_stacked_weights_are_learnt_from_patients_who_have_several_modalities(tmp_path: Path) -> None:
    """By a job and by the verb alike; a fuse starts from them; without patients there are none."""
    rng = np.random.default_rng(0)
    ids = [f"p{i:03d}" for i in range(150)]
    died = np.arange(150) % 2
    for name, strength in (("rna", 2.0), ("labs", 0.5)):
        values = strength * died + rng.normal(size=150)
        pd.DataFrame({"patient": ids, f"{name}_score": values}).to_csv(tmp_path / f"{name}.csv", index=False)
    pd.DataFrame({"patient": ids, "died": died}).to_csv(tmp_path / "outcome.csv", index=False)
    manifest = tmp_path / "cohort.yaml"
    manifest.write_text(
        "key: patient\nmodalities: {rna: {kind: table, file: rna.csv}, labs: {kind: table, file: labs.csv}}\n"
        "outcome: {task: classification, file: outcome.csv, label: died}\n"
    )
    settings = {"encoder": {"name": "logistic"}, "merge": {"weights": "stacked"}, "fuse": {"across": None}}
    cohort = Cohort.from_manifest(manifest)
    made = mmlego.train(cohort, settings, out=tmp_path / "run", progress=False, disjoint=False)
    assert made.merge.weights[0] > made.merge.weights[1]
    assert made.merge.card.recipe["weights"] == "stacked on 120 patients with several modalities"
    assert made.fuse is not None
    torch.testing.assert_close(made.fuse.weights, made.merge.weights)
    done("merge", tmp_path / "run", "-o", tmp_path / "again", "--weights", "stacked", "--data", manifest)
    again = mmlego.load(tmp_path / "again")
    torch.testing.assert_close(again.weights, made.merge.weights)
    assert again.card.recipe["weights"] == made.merge.card.recipe["weights"]
    heads = ("--heads", "common", "--rule", "mean")
    said = refused("merge", tmp_path / "run", "-o", tmp_path / "x", "--weights", "stacked", "--data", manifest, *heads)
    assert said.startswith("--weights stacked needs evidence that adds")
    assert said.endswith("Leave --heads, --rule and --preset out, or choose other --weights.")
    said = refused("merge", tmp_path / "run", "-o", tmp_path / "other", "--weights", "stacked")
    assert "expected --data MANIFEST, patients to learn them from" in said


def test_a_run_is_merged_as_its_settings_say(site: Path, train: Train, tmp_path: Path) -> None:
    run = train(tmp_path / "run", "-s", "merge.rule=mean", "-s", "merge.weights={rna: 2, clinical: 1, labs: 1}")
    said = done("merge", run)
    assert said.text.startswith("Merged rna 0.50, clinical 0.25, labs 0.25.")
    assert mmlego.load(run / "merge").rule == "mean"
    done("merge", run, "-o", tmp_path / "given", "--rule", "sum", "--weights", "uniform")  # what is given goes first
    given = mmlego.load(tmp_path / "given")
    assert (given.rule, given.weights.tolist()) == ("sum", pytest.approx([1 / 3] * 3))
    done("merge", run, "-o", tmp_path / "paper", "--preset", "paper")
    assert mmlego.load(tmp_path / "paper").weights.tolist() == pytest.approx([1 / 3] * 3)
    done("merge", run / "blocks" / "rna", run / "blocks" / "labs", "-o", tmp_path / "some")  # blocks have no settings
    assert mmlego.load(tmp_path / "some").rule == "residual"
    (run / "settings.yaml").write_text("merge: {weights: stacked}")
    message = refused("merge", run, "-o", tmp_path / "none")
    assert message.startswith("weights stacked, as the settings of the run say: expected --data MANIFEST")


@pytest.mark.parametrize("verb", ["merge", "fuse"])
def test_a_modality_whose_training_has_failed_is_missed(finished: Path, site: Path, tmp_path: Path, verb: str) -> None:
    """One that was to be trained and has no block is no silent loss; one that nobody asked for is none."""
    shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "blocks" / "labs")
    asked = (tmp_path / "run", *(("-d", site / "cohort.yaml", "--epochs", 1) if verb == "fuse" else ()))
    said = refused(verb, *asked, "-o", tmp_path / "run" / "x")
    assert "has no block of labs, whose training was begun: expected the blocks of all modalities" in said
    assert said.endswith(
        "Run mmlego train again, which goes on where it stopped, or pass --allow-missing to do without."
    )
    told = done(verb, *asked, "-o", tmp_path / "run" / "x", "--allow-missing")
    assert "labs, whose training was begun: the model does without" in " ".join(told.err.split())
    assert mmlego.load(tmp_path / "run" / "x").modalities == ("rna", "clinical")
    shutil.rmtree(tmp_path / "run" / "private/fits" / "labs")  # as where it was never asked for
    assert "does without" not in done(verb, *asked, "-o", tmp_path / "run" / "y").err


def test_a_training_anew_that_was_stopped_leaves_no_mixture(
    finished: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, tmp_path / "run")
    blocks: list[Any] = []

    def stop_at_the_second(self: RunFolder, name: str) -> None:
        blocks.append(name)
        if len(blocks) > 1:
            raise KeyboardInterrupt
        end(self, name)

    end = RunFolder.end
    asked = ("train", "-d", site / "cohort.yaml", "-o", tmp_path / "run", "-s", "encoder.name=coxnet", "--no-progress")
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "end", stop_at_the_second)
        assert terminal.mmlego(*asked, "-m", "rna", "-m", "labs", "--overwrite").code == 130
    said = refused("merge", tmp_path / "run", "-o", tmp_path / "x")
    assert f"has no new block of {blocks[1]}, whose training was begun" in said
    done("merge", tmp_path / "run", "-o", tmp_path / "x", "--allow-missing")
    assert blocks[1] not in mmlego.load(tmp_path / "x").modalities


def test_training_marks_what_it_was_asked_for_before_it_begins(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmlego.job import blocks

    cohort = Cohort.from_manifest(site / "cohort.yaml")
    as_ever = blocks.train_block

    def broken(cohort: Cohort, name: str, *rest: object, **named: object) -> object:
        if name == "labs":
            raise OSError("the disk is full")
        return as_ever(cohort, name, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(blocks, "train_block", broken)
    cox = {"encoder": {"name": "coxnet"}}
    with pytest.raises(OSError, match="full"):
        mmlego.train_blocks(cohort, cox, modalities=["rna", "labs"], out=tmp_path / "run", progress=False)
    assert RunFolder(tmp_path / "run").lacking() == ["labs"]
    assert "no block of labs" in refused("merge", tmp_path / "run")


def test_a_run_that_has_no_block_yet_is_told(tmp_path: Path) -> None:
    (tmp_path / "run" / "private").mkdir(parents=True)
    (tmp_path / "run" / "private" / "split.json").write_text("{}")
    for more in ((), ("-o", tmp_path / "x"), ("--allow-missing",)):
        assert "run has no block yet: expected a run that has trained one. Run" in refused(
            "merge", tmp_path / "run", *more
        )
