"""``mmlego run`` and ``schema``: one model as a recipe says, the same as by the verbs it stands for."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
import yaml

import mmlego
from mmlego.data import Cohort
from mmlego.job import data_of
from mmlego.recipes import block_hash, read_recipe
from mmlego.training.evaluate import all_logits
from tests.commands.conftest import MODALITIES
from tests.terminal import done, inside, refused

COX = {"encoder": {"name": "coxnet"}}


def write(folder: Path, content: dict[str, object]) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def same(first: object, second: object, site: Path) -> None:
    """Assert that two models answer the same."""
    cohort = Cohort.from_manifest(site / "cohort.yaml")
    one, other = (all_logits(model, data_of(model, cohort), 64) for model in (first, second))  # type: ignore[arg-type]
    torch.testing.assert_close(one, other)


def blocks_of(run: Path, folder: Path) -> dict[str, object]:
    return {name: os.path.relpath(run / "blocks" / name, folder) for name in MODALITIES}


def test_trained_blocks_are_merged_as_merge_does(finished: Path, site: Path, tmp_path: Path) -> None:
    recipe = write(tmp_path, {"blocks": blocks_of(finished, tmp_path)})
    said = done("run", recipe, "-o", tmp_path / "model")
    assert "Merged rna " in said.text
    same(mmlego.load(tmp_path / "model" / "merge"), mmlego.load(finished / "merge"), site)


def test_weights_rule_and_names_are_heeded(finished: Path, tmp_path: Path) -> None:
    blocks = blocks_of(finished, tmp_path)
    blocks["labs@a"] = blocks.pop("labs")
    recipe = write(tmp_path, {"blocks": blocks, "rule": "mean", "weights": {"rna": 2, "clinical": 1, "labs@a": 1}})
    found = json.loads(done("run", recipe, "-o", tmp_path / "model", "--json").out)
    assert found["merge"]["weights"] == {"rna": 0.5, "clinical": 0.25, "labs@a": 0.25}
    assert found["fuse"] is None
    assert mmlego.load(tmp_path / "model" / "merge").rule == "mean"


def test_calibration_and_fuse_are_those_of_the_verbs(finished: Path, site: Path, tmp_path: Path) -> None:
    fuse = yaml.safe_load((site / "quick.yaml").read_text())["fuse"]
    manifest = os.path.relpath(site / "cohort.yaml", tmp_path)
    content = {
        "blocks": blocks_of(finished, tmp_path),
        "held_out": {"data": manifest},
        "calibrate": True,
        "fuse": {"data": manifest, **fuse},
    }
    made = json.loads(done("run", write(tmp_path, content), "-o", tmp_path / "model", "--json").out)
    done("merge", finished, "-o", tmp_path / "calibrated", "--calibrate", site / "cohort.yaml")
    same(mmlego.load(tmp_path / "model" / "merge"), mmlego.load(tmp_path / "calibrated"), site)
    kept = mmlego.load(tmp_path / "calibrated").card.recipe["calibration"]
    assert made["merge"]["calibration"] == pytest.approx(kept["scale"])
    same(mmlego.load(tmp_path / "model" / "fuse"), mmlego.load(finished / "fuse"), site)


def test_patients_whom_nobody_trained_on(finished: Path, site: Path, tmp_path: Path) -> None:
    """Blocks that come without their run may have been trained on anybody, unless the recipe says otherwise."""
    for name in MODALITIES:
        shutil.copytree(finished / "blocks" / name, tmp_path / name)
    content = {"blocks": {name: name for name in MODALITIES}, "held_out": {"data": str(site / "cohort.yaml")}}
    recipe = write(tmp_path, content)
    assert "nobody to compare with" in refused("run", recipe, "-o", tmp_path / "model")
    recipe = write(tmp_path, {**content, "held_out": {"data": str(site / "cohort.yaml"), "unseen": True}})
    done("run", recipe, "-o", tmp_path / "model")  # nothing had been made
    assert mmlego.load(tmp_path / "model" / "merge").card.held_out


def test_a_block_is_trained_as_train_does(site: Path, tmp_path: Path) -> None:
    trained = {"train": {"data": str(site / "cohort.yaml"), "settings": COX}}
    content = {"blocks": {"rna": trained, "clinical@here": trained}}
    with inside(tmp_path):
        said = done("run", write(tmp_path, content), "-o", "model", "--no-progress")
        again = done("run", "recipe.yaml", "-o", "model", "--no-progress")
    assert "clinical@here: model/runs/clinical@here/blocks/clinical" in said.text
    assert said.text == again.text
    options = ("-s", "encoder.name=coxnet", "--no-progress")
    done("train", "-d", site / "cohort.yaml", "-o", tmp_path / "run", *options)
    same(
        mmlego.load(tmp_path / "model" / "runs" / "rna" / "blocks" / "rna"),
        mmlego.load(tmp_path / "run" / "blocks" / "rna"),
        site,
    )
    assert mmlego.load(tmp_path / "model" / "merge").modalities == ("rna", "clinical@here")


def test_the_folder_holds_the_recipe_whole_and_can_make_it_again(finished: Path, site: Path, tmp_path: Path) -> None:
    done("run", write(tmp_path, {"blocks": blocks_of(finished, tmp_path)}), "-o", tmp_path / "deep" / "model")
    kept = tmp_path / "deep" / "model" / "recipe.yaml"
    recipe = read_recipe(kept)
    assert recipe.blocks["rna"].sha256 == block_hash(finished / "blocks" / "rna")
    done("run", kept, "-o", tmp_path / "again")
    same(mmlego.load(tmp_path / "again" / "merge"), mmlego.load(tmp_path / "deep" / "model" / "merge"), site)


def test_a_recipe_with_a_plate_of_its_own_makes_itself_again(site: Path, tmp_path: Path) -> None:
    """Of settings it keeps what was said: the plate says the rest."""
    with inside(tmp_path):
        done("plate", "--task", "survival", "--cuts", "10,20,40", "-o", "plate", "-s", "plate.channels=4")
        trained = {"train": {"data": str(site / "cohort.yaml"), "settings": COX}}
        write(tmp_path, {"blocks": {"clinical": trained}, "plate": "plate"})
        done("run", "recipe.yaml", "-o", "one", "--no-progress")
        done("run", "one/recipe.yaml", "-o", "two", "--no-progress")
    one, two = (mmlego.load(tmp_path / name / "merge") for name in ("one", "two"))
    assert one.plate.channels == two.plate.channels == 4
    same(one, two, site)


def test_unseen_is_not_believed_against_a_run(finished: Path, site: Path, tmp_path: Path) -> None:
    """Nor against a block that this very recipe trains on these patients."""
    held = {"data": str(site / "cohort.yaml"), "unseen": True}
    recipe = write(tmp_path, {"blocks": blocks_of(finished, tmp_path), "held_out": held, "weights": "stacked"})
    told = refused("run", recipe, "-o", tmp_path / "model")
    assert "held_out says unseen: true, and blocks were trained or validated on its patients" in told
    assert "of 60" in told
    trained = {"train": {"data": str(site / "cohort.yaml"), "settings": COX}}
    recipe = write(tmp_path, {"blocks": {"clinical": trained}, "held_out": held, "calibrate": True})
    assert "held_out says unseen: true" in refused("run", recipe, "-o", tmp_path / "other", "--no-progress")


def test_manifests_are_read_before_anything_is_trained(site: Path, tmp_path: Path) -> None:
    trained = {"train": {"data": str(site / "cohort.yaml"), "settings": COX}}
    content = {"blocks": {"clinical": trained}, "held_out": {"data": "no.yaml"}, "fuse": {"data": "none.yaml"}}
    told = refused("run", write(tmp_path, content), "-o", tmp_path / "model")
    assert told.startswith("2 things are wrong: held_out: cannot read the manifest")
    assert "fuse: cannot read the manifest" in told
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", ["none", "x" * 5000, "a\0b"])
def test_all_that_is_not_there_is_told_at_once(tmp_path: Path, name: str) -> None:
    content = {"blocks": {"rna": "no", "labs": name}, "fuse": {"data": "no.yaml"}}
    told = refused("run", write(tmp_path, content), "-o", tmp_path / "model")
    assert told.startswith("3 things are wrong: block rna: ")
    assert "block labs: " in told
    assert "fuse: cannot read the manifest" in told


def test_what_is_none_by_choice_is_kept(finished: Path, site: Path, tmp_path: Path) -> None:
    """By default something crosses modalities, and gradients are clipped: a kept recipe says that here they do not."""
    fuse = {"data": str(site / "cohort.yaml"), "across": None, "fit": {"epochs": 1, "gradient_clip": None}}
    recipe = write(tmp_path, {"blocks": blocks_of(finished, tmp_path), "fuse": fuse})
    done("run", recipe, "-o", tmp_path / "model", "--no-progress")
    kept = read_recipe(tmp_path / "model" / "recipe.yaml")
    assert kept.fuse is not None
    assert (kept.fuse.across, kept.fuse.fit.gradient_clip) == (None, None)
    done("run", tmp_path / "model" / "recipe.yaml", "-o", tmp_path / "again", "--no-progress")
    one, two = (mmlego.load(tmp_path / name / "fuse") for name in ("model", "again"))
    assert one.across is two.across is None
    same(one, two, site)


def test_a_block_without_its_run_is_told_when_it_is_fused(finished: Path, site: Path, tmp_path: Path) -> None:
    for name in ("rna", "labs"):
        shutil.copytree(finished / "blocks" / name, tmp_path / name)
    fuse = {"data": str(site / "cohort.yaml"), "across": None, "fit": {"epochs": 1}}
    recipe = write(tmp_path, {"blocks": {"rna": "rna", "labs": "labs"}, "fuse": fuse})
    said = done("run", recipe, "-o", tmp_path / "model", "--no-progress")
    assert "warning: rna, labs come without a run on" in said.error
    said = done("fuse", tmp_path / "rna", tmp_path / "labs", "-d", site / "cohort.yaml", "-o", tmp_path / "fuse",
                "-s", "fuse.fit.epochs=1", "-s", "fuse.across=null", "--no-progress")  # fmt: skip
    assert "warning: rna, labs come without a run on" in said.error


def test_the_card_may_be_written_anew(run: Path, tmp_path: Path) -> None:
    before = block_hash(run / "blocks" / "rna")
    (run / "blocks" / "rna" / "README.md").write_text("mended")
    assert block_hash(run / "blocks" / "rna") == before


def test_another_block_is_refused(run: Path, tmp_path: Path) -> None:
    block = {"path": "run/blocks/rna", "sha256": block_hash(run / "blocks" / "rna")}
    recipe = write(tmp_path, {"blocks": {"rna": block}})
    done("run", recipe, "-o", tmp_path / "model")
    config = run / "blocks" / "rna" / "config.json"
    config.write_text(config.read_text() + "\n")
    assert "rna is another block: expected sha256" in refused("run", recipe, "-o", tmp_path / "model")


def test_what_another_recipe_has_made_is_kept(finished: Path, tmp_path: Path) -> None:
    blocks = blocks_of(finished, tmp_path)
    done("run", write(tmp_path, {"blocks": blocks}), "-o", tmp_path / "model")
    other = write(tmp_path, {"blocks": blocks, "rule": "mean"})
    told = refused("run", other, "-o", tmp_path / "model")
    assert "got what another recipe, or other blocks, have made" in told
    assert "--out, or replace it with --overwrite." in told
    assert mmlego.load(tmp_path / "model" / "merge").rule == "residual"
    shutil.copytree(finished / "fuse", tmp_path / "model" / "fuse")
    done("run", other, "-o", tmp_path / "model", "--overwrite")
    assert not (tmp_path / "model" / "fuse").exists()
    assert mmlego.load(tmp_path / "model" / "merge").rule == "mean"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    assert "got a folder with files" in refused("run", other, "-o", tmp_path / "mine")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"blocks": {"rna": "nowhere"}}, "block rna: nowhere is not there"),
        ({"blocks": {"rna": "."}, "rul": 1}, "recipe.yaml, line 3: unknown key 'rul'. Did you mean 'rule'?"),
        ({"blocks": {"x": {"train": {"data": "none.yaml"}}}}, "cannot read the manifest"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: dict[str, object], told: str) -> None:
    write(tmp_path, content)
    with inside(tmp_path):
        assert told in refused("run", "recipe.yaml", "-o", "model")


def test_a_plate_is_no_block(finished: Path, tmp_path: Path) -> None:
    recipe = write(tmp_path, {"blocks": {"rna": os.path.relpath(finished / "plate", tmp_path)}})
    assert "holds no block: expected a block, got Baseplate" in refused("run", recipe, "-o", tmp_path / "model")


@pytest.mark.parametrize("which", ["recipe", "cohort", "settings"])
def test_schemas(which: str, tmp_path: Path) -> None:
    shown = done("schema", which).out
    done("schema", which, "-o", tmp_path / "schema.json")
    assert json.loads(shown) == json.loads((tmp_path / "schema.json").read_text())
    assert json.loads(shown)["type"] == "object"
