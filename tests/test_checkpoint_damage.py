"""Checkpoints that cannot be read, and places that must not be written: one clear error each."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import mmlego
from mmlego import (
    CheckpointError,
    InputError,
    LegoBlock,
    LegoError,
    LegoFuse,
    LegoMerge,
    VersionError,
    load,
    save,
)
from mmlego.checkpoint_config import read_config
from mmlego.data import TablePreprocessor
from mmlego.encoders import SNN
from tests.bricks import assert_same, family, plate, snapshot, table_block
from tests.test_fitted import brick, patients

NAMES = {"README.md", "config.json", "model.safetensors"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(table_block(plate()), tmp_path / "block", data="first")


def rewrite(folder: Path, config: dict[str, Any]) -> None:
    """Write a configuration with the hash that ``docs/checkpoint.md`` asks for."""
    content = {key: value for key, value in config.items() if key != "sha256"}
    text = json.dumps(content, sort_keys=True, separators=(", ", ": "), ensure_ascii=True)
    config = {**content, "sha256": hashlib.sha256(text.encode("ascii")).hexdigest()}
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")


def config_of(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def test_the_folder_is_what_the_specification_says(folder: Path) -> None:
    config = config_of(folder)
    assert {file.name for file in folder.iterdir()} == NAMES
    assert list(config) == ["format", "mmlego", "torch", "kind", "plates", "blocks", "weights", "sha256"]
    assert (config["format"], config["mmlego"], config["kind"]) == (1, mmlego.__version__, "block")
    weights = (folder / "model.safetensors").read_bytes()
    assert config["weights"] == {"file": "model.safetensors", "sha256": hashlib.sha256(weights).hexdigest()}
    tensors = load_file(folder / "model.safetensors")
    (described,) = config["plates"]
    block = load(folder)
    names = {f"plate.{described['fingerprint']}.{name}" for name in block.plate.initial}
    assert set(tensors) == names | {f"model.{name}" for name in block.state_dict()}
    rewrite(folder, config)
    assert config_of(folder) == config, "the hash that was written is the specified one"


def test_the_fingerprint_is_what_the_specification_says(folder: Path) -> None:
    (described,) = config_of(folder)["plates"]
    fields = {key: value for key, value in described["config"].items() if key != "seed"}
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode())
    prefix = f"plate.{described['fingerprint']}."
    tensors = load_file(folder / "model.safetensors")
    for name in sorted(name.removeprefix(prefix) for name in tensors if name.startswith(prefix)):
        value = tensors[prefix + name]
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.numpy().astype("<f4").tobytes())
    assert digest.hexdigest() == described["fingerprint"] == load(folder).plate.fingerprint


def test_a_configuration_may_be_laid_out_anew(folder: Path) -> None:
    config = config_of(folder)
    text = json.dumps(dict(reversed(config.items())), ensure_ascii=True, separators=(",", ":"))
    (folder / "config.json").write_text(text)
    assert load(folder).modality == "rna"


@pytest.mark.parametrize("place", ["start", "header", "middle", "end"])
def test_one_changed_byte_of_the_weights_is_noticed(folder: Path, place: str) -> None:
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    at = {"start": 0, "header": 20, "middle": len(content) // 2, "end": len(content) - 1}[place]
    content[at] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged: .*got a truncated or changed file"):
        load(folder)


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_truncated_weights(folder: Path, length: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged: .*Copy it again from where it was made"):
        load(folder)


def test_weights_of_another_model(folder: Path, tmp_path: Path) -> None:
    other = save(table_block(plate(), seed=5), tmp_path / "other")
    (folder / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="content that matches the hash in its configuration"):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"expected a f.* {name}, got none"):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_in_place_of_a_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(CheckpointError, match=name):
        load(folder)


def test_the_card_may_be_missing_or_edited(folder: Path) -> None:
    (folder / "README.md").write_text("# Mine")
    assert load(folder).modality == "rna"
    (folder / "README.md").unlink()
    assert load(folder).modality == "rna"


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("{}")
    for path in (tmp_path / "nothing", tmp_path / "file", tmp_path):
        with pytest.raises(CheckpointError, match=r"is no checkpoint: expected a folder with config.json"):
            load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"format": "1"}',
        b'{"format": true}',
        b'{"format": 0}',
        b'{"model_type": "bert"}',
    ],
)
def test_a_configuration_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"config.json is damaged: expected (JSON|an object with a format number)"
    ):
        load(folder)


def test_a_tampered_configuration(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    for old, new in (('"steps": 2', '"steps": 3'), ('"data": "first"', '"data": "other"'), ('"sha256"', '"sha255"')):
        assert old in text
        (folder / "config.json").write_text(text.replace(old, new))
        with pytest.raises(CheckpointError, match=r"expected content that matches its own hash, got a changed file"):
            read_config(folder)
        with pytest.raises(CheckpointError, match=r"expected content that matches its own hash"):
            load(folder)


def test_a_newer_format(folder: Path) -> None:
    config = config_of(folder) | {"format": 4, "mmlego": "9.1"}
    (folder / "config.json").write_text(json.dumps({"format": 4, "mmlego": "9.1", "all": "different"}))
    message = r"written by a newer mmlego \(9.1\): expected format 3 or older, got 4. Install a newer mmlego"
    with pytest.raises(VersionError, match=message):
        load(folder)
    rewrite(folder, config)
    with pytest.raises(VersionError, match=message):
        read_config(folder)


def test_preprocessing_of_a_newer_format(tmp_path: Path) -> None:
    import pandas as pd

    block = table_block(plate())
    block.preprocessing = TablePreprocessor.fit(pd.DataFrame({name: [1.0, 2.0] for name in "abcde"}))
    folder = save(block, tmp_path / "block")
    config = config_of(folder)
    config["blocks"][0]["preprocessing"]["version"] = 99
    rewrite(folder, config)
    with pytest.raises(VersionError, match="preprocessing of a table of a newer format"):
        load(folder)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths_of(inner, (*path, key))


def changed(config: dict[str, Any], path: tuple[Any, ...], *new: Any) -> dict[str, Any]:
    """Return a copy in which something is replaced, or taken out."""
    config = copy.deepcopy(config)
    place: Any = config
    for key in path[:-1]:
        place = place[key]
    if new:
        place[path[-1]] = new[0]
    else:
        del place[path[-1]]
    return config


@pytest.mark.parametrize("kind", ["baseplate", "block", "merge", "fuse"])
def test_whatever_is_wrong_in_a_configuration_is_one_error_of_ours(tmp_path: Path, kind: str) -> None:
    """With the right hash, as only somebody who means it can write it; some changes still make a model."""
    models = {"baseplate": plate, "block": lambda: family(1)[0], "merge": lambda: LegoMerge(family(2))}
    model: Any = models.get(kind, lambda: LegoFuse(family(2), modality_dropout=0.1))()
    folder = save(model, tmp_path / kind)
    config = config_of(folder)
    refused = 0
    for path in paths_of(config):
        for new in ((), (None,), ("odd",), (-7,)):
            rewrite(folder, changed(config, path, *new))
            try:
                load(folder)
            except LegoError:
                refused += 1
    assert refused > 50


def test_a_file_of_safetensors_that_is_none(folder: Path) -> None:
    config = config_of(folder)
    for content in (b"", b"\x80\x04K\x01.", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "):
        (folder / "model.safetensors").write_bytes(content)
        config["weights"]["sha256"] = hashlib.sha256(content).hexdigest()
        rewrite(folder, config)
        with pytest.raises(CheckpointError, match="is damaged: expected "):
            load(folder)


@pytest.mark.parametrize("prefix", ["plate.", "model."])
def test_a_tensor_that_is_missing_added_or_of_another_shape(folder: Path, prefix: str) -> None:
    config, whole = config_of(folder), load_file(folder / "model.safetensors")
    name = next(name for name in whole if name.startswith(prefix) and name.endswith("latent"))
    changes = (
        {key: value for key, value in whole.items() if key != name},
        {**whole, f"{name}.more": torch.zeros(1)},
        {**whole, name: torch.zeros(3)},
        {**whole, "other.latent": torch.zeros(3)},
    )
    for tensors in changes:
        save_file(tensors, folder / "model.safetensors")
        config["weights"]["sha256"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        rewrite(folder, config)
        with pytest.raises(CheckpointError, match=r"is damaged: expected .*(latent|baseplate)"):
            load(folder)


def test_a_baseplate_whose_values_do_not_match_its_fingerprint(folder: Path) -> None:
    config, tensors = config_of(folder), load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.startswith("plate.") and name.endswith("latent"))
    tensors[name] += 1
    save_file(tensors, folder / "model.safetensors")
    config["weights"]["sha256"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    rewrite(folder, config)
    with pytest.raises(CheckpointError, match=r"is damaged: expected a baseplate [0-9a-f]{12}, got [0-9a-f]{12}"):
        load(folder)


def test_nothing_is_unpickled_when_a_model_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [save(model, tmp_path / f"{i}") for i, model in enumerate((plate(), *family(3), LegoFuse(family(3))))]

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("something was unpickled")

    for owner, name in ((pickle, "Unpickler"), (pickle, "load"), (pickle, "loads"), (torch, "load")):
        monkeypatch.setattr(owner, name, never)
    for folder in folders:
        load(folder)


def test_a_pickle_in_place_of_the_weights_is_not_run(folder: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "sprung"),)

    (folder / "model.safetensors").write_bytes(pickle.dumps(Trap()))
    config = config_of(folder)
    config["weights"]["sha256"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    rewrite(folder, config)
    with pytest.raises(CheckpointError, match="expected safetensors"):
        load(folder)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("step", ["save_file", "render_card", "write_atomically", "config_hash"])
@pytest.mark.parametrize("standing", [True, False])
def test_a_crash_while_saving_leaves_the_old_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, standing: bool
) -> None:
    place, model = tmp_path / "deep" / "block", table_block(plate())
    if standing:
        save(model, place, data="first")
        before = {file.name: file.read_bytes() for file in place.iterdir()}

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(f"mmlego.checkpoint.{step}", fail)
    with pytest.raises(OSError, match="the disk is full"):
        save(table_block(plate(), seed=3), place, overwrite=True)
    monkeypatch.undo()
    assert [file.name for file in (tmp_path / "deep").iterdir()] == (["block"] if standing else [])
    if standing:
        assert {file.name: file.read_bytes() for file in place.iterdir()} == before
        assert_same(snapshot(load(place)), snapshot(model))


def test_overwriting_has_to_be_asked_for(folder: Path) -> None:
    other = table_block(plate(), seed=9)
    with pytest.raises(
        InputError, match=r"block exists: expected a new or empty folder, got a folder with files.*overw"
    ):
        save(other, folder)
    assert load(folder).card.data == "first"
    assert save(other, folder, overwrite=True) == folder
    assert_same(snapshot(load(folder)), snapshot(other))
    assert {file.name for file in folder.iterdir()} == NAMES
    assert {path.name for path in folder.parent.iterdir()} == {"block"}


@pytest.mark.parametrize("kind", ["another program's", "ours and a file more", "a file", "a damaged one"])
def test_what_is_not_ours_is_never_overwritten(folder: Path, kind: str) -> None:
    if kind == "another program's":
        for file in folder.iterdir():
            file.write_text('{"model_type": "bert"}')
    elif kind == "ours and a file more":
        (folder / "notes.txt").write_text("mine")
    elif kind == "a damaged one":
        (folder / "config.json").write_text("{")
    place = folder / "README.md" if kind == "a file" else folder
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(InputError, match="exists: expected a new or empty folder, or a checkpoint and nothing else"):
        save(table_block(plate()), place, overwrite=True)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_card_that_is_no_json_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    block = LegoBlock(SNN(5), plate(), "x")
    for odd in ({"when": Path("now")}, {"weights": torch.ones(2)}, {"rate": float("inf")}, {("a", "b"): 1}):
        block.card.recipe = odd
        with pytest.raises(InputError, match="the model cannot be described: expected finite numbers, texts"):
            save(block, tmp_path / "block")
    assert list(tmp_path.iterdir()) == []


def test_keys_that_json_turns_into_texts(tmp_path: Path) -> None:
    block = table_block(plate())
    block.card.recipe = {i: i for i in range(12)}  # sorted as numbers they stand in another order than as texts
    found = load(save(block, tmp_path / "block"))
    assert found.card.recipe == {str(i): i for i in range(12)}


def test_state_that_is_no_tensor_is_refused(tmp_path: Path) -> None:
    class Stateful(nn.Linear):
        def get_extra_state(self) -> dict[str, int]:
            return {"calls": 3}

    with pytest.raises(InputError, match=r"model.encoder._extra_state cannot be saved: expected a tensor"):
        save(LegoBlock(Stateful(5, 4), plate(), "x"), tmp_path / "block")
    assert list(tmp_path.iterdir()) == []


def fitted_place(tmp_path: Path) -> Path:
    return save(brick("classes"), tmp_path / "fitted")


@pytest.mark.parametrize(
    ("where", "odd", "told"),
    [
        (("rows", "form"), "zz", "how a modality becomes rows: expected one of flat, pooled"),
        (("rows", "width"), "a", "width of what becomes rows: expected an int ≥ 1, got 'a'"),
        (("rows", "width"), 0, "width of what becomes rows"),
        (("rows", "width"), 3, "expected rows of 4 columns, got 3 from"),
        (("rows", "form"), "pooled", "expected rows of 4 columns, got 17 from"),
        (("rows", "ordered"), "no", "ordered and gaps of what becomes rows"),
        (("rows", "terms"), [1], "rows.terms: Input should be"),
        (("learner", "name"), "forest", "wrong arguments for learner 'forest'"),
        (("scores",), 7, "damaged"),
    ],
)
def test_a_fitted_brick_that_could_not_answer_is_not_loaded(
    where: tuple[str, ...], odd: object, told: str, tmp_path: Path
) -> None:
    place = fitted_place(tmp_path)
    config = config_of(place)
    part = config["blocks"][0]
    for name in where[:-1]:
        part = part[name]
    part[where[-1]] = odd
    rewrite(place, config)
    with pytest.raises(CheckpointError, match=told):
        load(place)


@pytest.mark.parametrize("odd", [{"link": "zz"}, {"in_features": 3}])
def test_trees_that_could_not_answer_are_not_loaded(odd: dict[str, object], tmp_path: Path) -> None:
    x, y = patients("classes")
    made = LegoBlock.of("forest", brick("classes").plate, "labs", (x, y), options={"trees": 3})
    place = save(made, tmp_path / "forest")
    config = config_of(place)
    config["blocks"][0]["learner"]["config"] |= odd
    rewrite(place, config)
    with pytest.raises(CheckpointError):
        load(place)


@pytest.mark.parametrize("name", ["x" * 5000, "a/" * 2000, "a\0b"])
def test_a_name_that_the_system_refuses_is_no_checkpoint(name: str) -> None:
    with pytest.raises(CheckpointError, match=r"is no checkpoint: expected a folder with config.json, got none$"):
        load(name)
