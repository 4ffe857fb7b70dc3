"""``mmlego inspect``: what checkpoints hold, and whether they merge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import mmlego
from mmlego import LegoBlock
from mmlego.encoders import SNN
from tests.bricks import plate
from tests.cohorts import write_cohort
from tests.terminal import done, inside, refused
from tests.test_checkpoint_damage import config_of, rewrite

Train = Callable[..., Path]


@pytest.mark.parametrize("width", [80, 120])
def test_a_run_folder(finished: Path, width: int) -> None:
    with inside(finished.parent):
        said = done("inspect", "run", width=width)
    assert max(len(line.rstrip()) for line in said.out.splitlines()) <= width
    titles = [line.rstrip() for line in said.out.splitlines() if line.startswith("run/")]
    assert titles == [
        f"run/{name}" for name in ("plate", "blocks/rna", "blocks/clinical", "blocks/labs", "merge", "fuse")
    ]
    assert said.text.endswith("These blocks stand on one baseplate: they merge.")
    block = mmlego.load(finished / "blocks" / "rna")
    for fact in (
        "kind block",
        f"task survival, cuts [{block.task.cuts[0]:.4g}, {block.task.cuts[1]:.4g}]",
        "modalities rna (snn)",
        "latent 4 × 8, 2 steps",
        f"baseplate {block.plate.fingerprint[:12]}",
        f"patients {block.card.patients['training']} training, {block.card.patients['validation']} validation",
        f"validation c_index {block.card.validation['c_index']:.3f}",
        "data trial, modality rna",
        f"written by mmlego {mmlego.__version__}",
    ):
        assert fact in said.text, fact


def test_weights_of_a_merge_are_shown_with_their_reason(finished: Path) -> None:
    merge = mmlego.load(finished / "merge")
    assert isinstance(merge, mmlego.LegoMerge)
    shares = ", ".join(f"{name} {w:.2f}" for name, w in zip(merge.modalities, merge.weights.tolist(), strict=True))
    said = " ".join(done("inspect", finished / "merge", width=200).text.split())
    assert f"weights {shares} ({merge.card.recipe['weights']})" in said
    assert "weights" not in done("inspect", finished / "blocks" / "rna").text


def test_classes_are_shown(tmp_path: Path) -> None:
    from mmlego.tasks import Classification

    mmlego.save(plate(Classification(["[low]", "high"])), tmp_path / "plate")
    assert "task classification, classes [[low], high]" in done("inspect", tmp_path / "plate").text


def test_one_block_says_nothing_of_merging(finished: Path) -> None:
    assert "merge" not in done("inspect", finished / "blocks" / "rna").text


def test_two_of_one_modality(finished: Path) -> None:
    said = done("inspect", finished, finished / "blocks" / "rna", finished / "merge")
    assert said.text.endswith("they merge.")  # named twice, it is one block
    again = finished.parent / "run" / ".." / "run" / "blocks" / "rna"
    with inside(finished.parent):
        assert done("inspect", "run/blocks/rna", again).text.count("kind block") == 1


def test_blocks_that_do_not_fit(finished: Path, train: Train, tmp_path: Path) -> None:
    other = train(tmp_path / "other", "-m", "clinical", "-s", "plate.steps=3", "-s", "plate.width=16")
    said = done("inspect", finished / "blocks" / "rna", other / "blocks" / "clinical")
    assert said.text.endswith("These blocks stand on different baseplates (width: 8 ≠ 16; steps: 2 ≠ 3): no merge.")
    seeded = train(tmp_path / "seeded", "-m", "clinical", "-s", "plate.seed=3")
    said = done("inspect", finished / "blocks" / "rna", seeded)
    assert said.text.endswith("These blocks stand on different baseplates (initial values): no merge.")
    data = write_cohort(tmp_path / "b", ("clinical",), first=100, seed=1)
    bins = train(tmp_path / "bins", data=data)
    said = done("inspect", finished / "blocks" / "rna", bins)
    assert "These blocks stand on different baseplates (task.cuts: (" in said.text


def test_two_sites_with_one_modality_merge_as_one(finished: Path, train: Train, tmp_path: Path) -> None:
    data = write_cohort(tmp_path / "b", ("rna",), first=100, seed=1)
    other = train(tmp_path / "other", "--plate", finished / "plate", data=data)
    said = done("inspect", finished / "blocks" / "rna", other)
    assert said.text.endswith("These blocks stand on one baseplate: they merge; those of rna count as one modality.")


def test_foreign_encoders_are_named(tmp_path: Path) -> None:
    block = LegoBlock(torch.nn.Linear(3, 4), plate(), "rna", out_features=4)
    mmlego.save(block, tmp_path / "block")
    assert "modalities rna (Linear)" in done("inspect", tmp_path / "block").text


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    assert refused("inspect", tmp_path / "none").endswith(
        "is no checkpoint: expected a folder with config.json, got none"
    )
    (tmp_path / "config.json").write_text("{")
    assert "is damaged: expected JSON" in refused("inspect", tmp_path)


def test_what_load_would_build_is_listed(tmp_path: Path) -> None:
    block = LegoBlock(SNN(5, hidden=[7]), plate(), "rna")
    mmlego.save(block, tmp_path / "block")
    said = done("inspect", tmp_path / "block", "--out", tmp_path / "told.json", width=300).text
    assert "rna encoder: encoders.tables.SNN(in_features=5, hidden=[7], dropout=0.25, input_dropout=0.0)" in said
    own = sum(value.numel() for value in block.encoder.state_dict().values())
    assert f", {own} parameters" in said
    assert "baseplate task: tasks.classification.Classification(classes=" in said
    (told,) = json.loads((tmp_path / "told.json").read_text()).values()
    (_, encoder) = told["builds"]
    assert encoder == {
        "place": "rna",
        "what": "encoder",
        "name": "snn",
        "made_by": "mmlego.encoders.tables.SNN",
        "of": "mmlego",
        "arguments": {"in_features": 5, "hidden": [7], "dropout": 0.25, "input_dropout": 0.0},
        "numbers": own,
        "refused": "",
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"hidden": [10**12]}, "less than or equal to 16777216"),
        ({"hidden": [2**24, 2**24]}, "it is too large"),
        ({"hidden": [8]}, r"would be built, in the file is"),
        ({"hidden": "7"}, "hidden of encoder 'snn'"),
        ({"path": "/"}, "wrong arguments for encoder 'snn'"),
    ],
    ids=str,
)
def test_what_load_would_refuse_is_told_and_is_an_error(arguments: dict[str, Any], told: str, tmp_path: Path) -> None:
    folder = mmlego.save(LegoBlock(SNN(5, hidden=[7]), plate(), "rna"), tmp_path / "block")
    config = config_of(folder)
    config["blocks"][0]["encoder"]["config"].update(arguments)
    rewrite(folder, config)
    said = refused("inspect", folder)
    assert "load refuses" in said
    assert told in said
    with pytest.raises(mmlego.CheckpointError):
        mmlego.load(folder)


def test_nothing_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = mmlego.save(LegoBlock(SNN(5, hidden=[7]), plate(), "rna"), tmp_path / "block")
    made: list[torch.device] = []
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", lambda self: made.append(self.weight.device))
    done("inspect", folder)
    assert {device.type for device in made} == {"meta"}


def test_control_characters_are_printed_as_escapes(tmp_path: Path) -> None:
    folder = mmlego.save(LegoBlock(SNN(5), plate(), "rna"), tmp_path / "block", data="mine \x1b[2J\x9b\u202e\x07")
    said = done("inspect", folder, width=200)
    assert r"mine \u001b[2J\u009b\u202e\u0007" in said.out
    assert not set(said.out) & set("\x1b\x9b\u202e\x07")
    config = config_of(folder)
    config["blocks"][0]["encoder"]["name"] = "\x1b[31mred"
    rewrite(folder, config)
    error = refused("inspect", folder)
    assert "red" in error
    assert "\x1b[31m" not in error
    assert "\x1b" not in (folder / "README.md").read_text(encoding="utf-8")
