"""What is saved comes back bit by bit, whole or not at all, and without pickles."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from mmlego import (
    Baseplate,
    Card,
    InputError,
    LegoBlock,
    LegoFuse,
    LegoMerge,
    LegoWarning,
    load,
    merge_rules,
    save,
)
from mmlego.checkpoint_config import read_config
from mmlego.data import TablePreprocessor
from mmlego.encoders import SNN
from mmlego.merge.heads import head_rules
from mmlego.tasks import Classification, MultiLabel, Regression, Survival, Task
from tests.bricks import assert_same, batch, family, plate, snapshot, stirred, table_block, trained


def round_trip(model: Any, folder: Path, **options: Any) -> Any:
    return load(save(model, folder / "model"), **options)


def assert_same_block(found: LegoBlock, expected: LegoBlock) -> None:
    assert_same(snapshot(found), snapshot(expected))
    assert found.plate.fingerprint == expected.plate.fingerprint
    for name in ("modality", "ordered", "token_width", "encoder_frozen", "card", "preprocessing"):
        assert getattr(found, name) == getattr(expected, name), name
    assert repr(found) == repr(expected)


PLATES: dict[str, dict[str, Any]] = {
    "small": {},
    "odd, unshared steps": {"channels": 5, "steps": 3, "share_steps": False, "dropout": 0.2},
    "spatial": {"domain": "spatial", "normalise": False, "activation": "leaky_relu"},
    "real state": {"state": "real", "temperature": 0.7, "expansion": 3, "seed": 9},
}
TASKS: dict[str, Task] = {
    "survival": Survival([1.5, 3.25, 1e9]),
    "classes": Classification(["gesund", "krank", "tot ✝"]),
    "labels": MultiLabel(["a", "b"]),
    "numbers": Regression(["il6", "crp"], mean=[0.1, 1 / 3], scale=[1e-7, 3.0]),
}


@pytest.mark.parametrize("options", PLATES.values(), ids=PLATES)
@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_baseplate_comes_back(tmp_path: Path, task: Task, options: dict[str, Any]) -> None:
    on = plate(task, **options)
    found = round_trip(on, tmp_path)
    assert isinstance(found, Baseplate)
    assert found.fingerprint == on.fingerprint
    assert found.config() == on.config()
    assert found.task == task
    assert_same(found.initial, on.initial)


@pytest.mark.parametrize("options", PLATES.values(), ids=PLATES)
def test_blocks_come_back_bit_by_bit(tmp_path: Path, options: dict[str, Any]) -> None:
    for block in family(3, plate(**options)):
        block.card = Card(data="Cohort Ä", licence="CC0", validation={"auroc": 1 / 3}, patients={"training": 3})
        found = round_trip(block, tmp_path / block.modality)
        assert type(found) is LegoBlock
        assert not found.training
        assert_same_block(found, block)
        inputs = batch([block], 4)[block.modality]
        for mine, theirs in zip(found(inputs), block(inputs), strict=True):
            assert torch.equal(mine, theirs)


MERGES: dict[str, dict[str, Any]] = {
    **{f"rule {rule}": {"rule": rule} for rule in merge_rules()},
    **{f"heads {heads}": {"heads": heads} for heads in head_rules()},
    "paper": {"phase": "mean"},
    "numbers": {"weights": [0.1, 0.2, 0.7], "rule": "mean"},
    "names": {"weights": {"rna": 1, "slide": 3, "vitals": 0}},
    "strong": {"rule": "residual", "strength": 1.7},
}


@pytest.mark.parametrize("options", MERGES.values(), ids=MERGES)
def test_a_merge_comes_back(tmp_path: Path, options: dict[str, Any]) -> None:
    blocks = family(3)
    model = LegoMerge(blocks, **options)
    model.card.data = "three sites"
    found = round_trip(model, tmp_path)
    assert type(found) is LegoMerge
    assert found.modalities == model.modalities
    assert found.card == model.card
    assert_same(snapshot(found), snapshot(model))
    for name in ("rule", "phase", "heads", "strength", "allow_mismatch"):
        assert getattr(found, name) == getattr(model, name)
    for name in model.modalities:
        assert_same_block(found.block(name), model.block(name))
    inputs = batch(blocks, 4)
    present = {"slide": torch.tensor([True, False, False, True]), "rna": torch.tensor([True, True, False, True])}
    with torch.no_grad():
        assert torch.equal(found(inputs), model.eval()(inputs))
        assert torch.equal(found.spectrum(inputs, present), model.spectrum(inputs, present))
        assert torch.equal(found(inputs, present), model(inputs, present))


FUSES: dict[str, dict[str, Any]] = {
    "stack": {"order": ["vitals", "rna", "slide"], "freeze": "encoders"},
    "weave": {"mode": "weave", "modality_dropout": 0.3},
    "parallel": {"mode": "parallel", "rule": "residual", "heads": "linear", "weights": [1, 2, 3]},
    "frozen": {"freeze": "blocks"},
}


@pytest.mark.parametrize("options", FUSES.values(), ids=FUSES)
def test_a_fuse_comes_back(tmp_path: Path, options: dict[str, Any]) -> None:
    blocks = family(3)
    model = trained(LegoFuse(blocks, **options))  # type: ignore[arg-type]
    found = round_trip(model, tmp_path)
    assert type(found) is LegoFuse
    assert_same(snapshot(found), snapshot(model))
    for name in ("mode", "order", "freeze", "modality_dropout", "modalities", "card"):
        assert getattr(found, name) == getattr(model, name)
    free = [{n for n, p in m.named_parameters() if p.requires_grad} for m in (found, model)]
    assert free[0] == free[1]
    inputs = batch(blocks, 4)
    with torch.no_grad():
        assert torch.equal(found(inputs), model(inputs))
        present = {"rna": torch.tensor([False, True, True, True])}
        assert torch.equal(found(inputs, present), model(inputs, present))


def test_saving_again_what_was_loaded_gives_the_same_files(tmp_path: Path) -> None:
    for i, model in enumerate((plate(), family(2)[1], LegoMerge(family(2)), LegoFuse(family(2)))):
        first = save(model, tmp_path / f"{i}")
        second = save(load(first), tmp_path / f"{i} again")
        for file in first.iterdir():
            assert file.read_bytes() == (second / file.name).read_bytes(), file.name


def test_preprocessing_is_kept(tmp_path: Path) -> None:
    frame = pd.DataFrame({"age": [40.0, None, 61.5], "crp": [0.1, 1 / 3, 2e-9], "sex": ["f", "m", "f"]})
    table = TablePreprocessor.fit(frame)
    block = LegoBlock(SNN(table.out_features), plate(), "clinical")
    block.preprocessing = table
    found = round_trip(block, tmp_path)
    assert found.preprocessing == table
    assert torch.equal(found.preprocessing.transform(frame), table.transform(frame))
    merged = round_trip(LegoMerge([block]), tmp_path / "merged")
    assert merged.block("clinical").preprocessing == table


def test_preprocessing_that_cannot_describe_itself(tmp_path: Path) -> None:
    block = table_block(plate())
    block.preprocessing = str.strip
    with pytest.raises(
        InputError, match=r"the preprocessing of 'rna' cannot be saved: expected an object with config\(\)"
    ):
        save(block, tmp_path / "block")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["block", "merge", "fuse"])
def test_double_precision_is_kept(tmp_path: Path, kind: str) -> None:
    blocks = family(2)
    model: Any = {"block": blocks[0], "merge": LegoMerge(blocks), "fuse": LegoFuse(blocks)}[kind].double().eval()
    stirred(model, 1e-9)  # not to be told in single precision
    found = round_trip(model, tmp_path)
    assert_same(snapshot(found), snapshot(model))
    assert {name: v.dtype for name, v in found.named_buffers()} == {name: v.dtype for name, v in model.named_buffers()}
    x = torch.randn(3, 5, dtype=torch.float64)
    if kind == "block":
        assert torch.equal(found(x).spectrum, model(x).spectrum)
    else:
        inputs = {"rna": x, "slide": torch.randn(3, 6, 4, dtype=torch.float64)}
        assert torch.equal(found(inputs), model(inputs))


def test_loading_leaves_the_random_state_alone(tmp_path: Path) -> None:
    folder = save(LegoFuse(family(3)), tmp_path / "fuse")
    state, python, numpy = torch.get_rng_state(), random.getstate(), np.random.get_state()[1]  # noqa: NPY002
    load(folder)
    assert torch.equal(torch.get_rng_state(), state)
    assert random.getstate() == python
    assert np.array_equal(np.random.get_state()[1], numpy)  # type: ignore[index]  # noqa: NPY002


def test_saving_leaves_the_model_alone(tmp_path: Path) -> None:
    model = LegoFuse(family(3)).train()
    before, modes = snapshot(model), [m.training for m in model.modules()]
    save(model, tmp_path / "fuse")
    assert_same(snapshot(model), before)
    assert [m.training for m in model.modules()] == modes


def test_blocks_of_a_loaded_and_of_a_fresh_plate_merge(tmp_path: Path) -> None:
    made = plate(seed=4)
    sent = round_trip(made, tmp_path / "plate")
    here, there = table_block(plate(seed=4), "rna"), table_block(sent, "labs")
    back = round_trip(there, tmp_path / "block")
    merged = LegoMerge([here, back])
    assert merged({"rna": torch.randn(2, 5), "labs": torch.randn(2, 5)}).shape == (2, 3)
    fused = LegoFuse([round_trip(here, tmp_path / "here"), back])
    assert fused.plate.fingerprint == made.fingerprint


def test_blocks_start_alike_on_a_plate_that_was_sent(tmp_path: Path) -> None:
    made = plate()
    torch.manual_seed(3)
    here = LegoBlock(SNN(5), made, "x")
    torch.manual_seed(3)
    there = LegoBlock(SNN(5), round_trip(made, tmp_path), "x")
    assert_same(snapshot(here), snapshot(there))


@pytest.mark.parametrize("make", [LegoMerge, LegoFuse])
@pytest.mark.parametrize("weights", [[0.1, 0.2, 0.7], [1, 2, 4], [0.0, 1e-8, 1.0], "uniform"], ids=str)
def test_weights_come_back_bit_by_bit_however_often(make: Any, weights: Any, tmp_path: Path) -> None:
    """They are given as Python's floats, kept as float32 and written as decimals: rounded once, at the first step."""
    made = make(family(3), weights=weights).eval()
    once = round_trip(made, tmp_path / "once")
    twice = round_trip(once, tmp_path / "twice")
    assert torch.equal(once.weights, made.weights)
    assert torch.equal(twice.weights, made.weights)
    written = [read_config(tmp_path / name / "model")["options"]["weights"] for name in ("once", "twice")]
    assert written == [made.weights.tolist()] * 2
    if not isinstance(weights, str):
        assert written[0] == pytest.approx([weight / sum(weights) for weight in weights], rel=1e-7)


def test_evidence_of_loaded_blocks_still_weighs(tmp_path: Path) -> None:
    blocks = family(2)
    for block, score in zip(blocks, (0.54, 0.86), strict=True):
        block.card.validation, block.card.errors = {"auroc": score}, {"auroc": 0.0}
    loaded = [round_trip(block, tmp_path / block.modality) for block in blocks]
    model = LegoMerge(loaded, weights="evidence")
    assert model.weights.tolist() == pytest.approx([0.25, 0.75])
    loaded[0].card.validation = {}
    found = round_trip(model, tmp_path / "merge")
    assert torch.equal(found.weights, model.weights)


def test_a_merge_of_two_plates_says_so_again(tmp_path: Path) -> None:
    blocks = [table_block(plate(), "rna"), table_block(plate(seed=5), "labs")]
    with pytest.warns(LegoWarning, match="different baseplates"):
        model = LegoMerge(blocks, allow_mismatch=True).eval()
    folder = save(model, tmp_path / "merge")
    with pytest.warns(LegoWarning, match="different baseplates"):
        found = load(folder)
    assert_same(snapshot(found), snapshot(model))
    assert found.block("labs").plate.fingerprint == blocks[1].plate.fingerprint


def test_what_is_none_of_ours_is_not_saved(tmp_path: Path) -> None:
    class Special(LegoBlock):
        """Would come back as a LegoBlock."""

    for model in (nn.Linear(2, 2), Special(SNN(5), plate(), "x"), "model"):
        with pytest.raises(InputError, match="only our own models are saved: expected LegoBlock, LegoMerge"):
            save(model, tmp_path / "model")  # type: ignore[arg-type]


def test_a_baseplate_has_no_data_and_no_encoders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a Baseplate has no training data"):
        save(plate(), tmp_path / "plate", data="Cohort A")
    folder = save(plate(), tmp_path / "plate")
    with pytest.raises(InputError, match=r"encoders of load|unknown modalities"):
        load(folder, encoders={"rna": SNN(5)})
    with pytest.raises(InputError, match="encoders of load"):
        load(folder, encoders=SNN(5))


def test_a_description_of_the_data_is_kept_in_the_card(tmp_path: Path) -> None:
    block = table_block(plate())
    folder = save(block, tmp_path / "block", data="Cohort A, 2010–2015")
    assert block.card.data == load(folder).card.data == "Cohort A, 2010–2015"
    again = copy.deepcopy(block)
    assert load(save(again, tmp_path / "again")).card.data == "Cohort A, 2010–2015"
