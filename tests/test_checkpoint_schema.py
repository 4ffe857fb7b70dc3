"""A configuration is what the format says, wherever it is read."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mmlego import CheckpointError, LegoMerge, load, save
from mmlego.card import Card
from mmlego.checkpoint_config import read_config
from mmlego.checkpoint_schema import _Card, fault_of
from tests.bricks import family, plate, table_block
from tests.test_checkpoint_damage import config_of, rewrite
from tests.test_fitted import brick

ODD: tuple[Any, ...] = (None, -1, "x", [[]], {"x": None}, 10**40)


@pytest.fixture(scope="module", params=["block", "fitted", "merge", "plate"])
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    make = {
        "block": lambda: table_block(plate()),
        "fitted": lambda: brick("classes"),
        "merge": lambda: LegoMerge(family(2)),
        "plate": plate,
    }
    return config_of(save(make[request.param](), tmp_path_factory.mktemp("schema") / "model"))


def test_what_is_saved_is_right(config: dict[str, Any]) -> None:
    assert fault_of(config) == ""


def test_a_card_is_described_whole() -> None:
    assert set(_Card.model_fields) == {one.name for one in dataclasses.fields(Card)}


def places(node: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, part in inner for place in [(*way, key), *places(part, (*way, key))]]


def test_whatever_stands_in_a_place_nobody_who_reads_it_is_surprised(config: dict[str, Any], tmp_path: Path) -> None:
    from mmlego.building import parts_of
    from mmlego.commands.inspecting import _described

    make = {"baseplate": plate, "merge": lambda: LegoMerge(family(2))}.get(
        config["kind"], lambda: brick("classes") if "learner" in config["blocks"][0] else table_block(plate())
    )
    folder = save(make(), tmp_path / "model")
    config = config_of(folder)
    refused = 0
    for place in places(config):
        for odd in ODD:
            changed = copy.deepcopy(config)
            node = changed
            for key in place[:-1]:
                node = node[key]
            node[place[-1]] = odd
            if fault_of(changed):
                refused += 1
                continue
            if "card" in place or "recipe" in place or place[0] in ("mmlego", "torch", "options"):
                _described(changed)  # nothing is built of these
            else:
                parts_of(folder, changed)
    assert refused > 100


def test_a_wrong_configuration_is_one_error_of_load_and_of_whoever_reads_it(tmp_path: Path) -> None:
    folder = save(table_block(plate()), tmp_path / "block")
    config = config_of(folder)
    config["blocks"][0]["card"]["patients"] = {"training": "many"}
    rewrite(folder, config)
    for read in (load, read_config):
        with pytest.raises(CheckpointError, match=r"damaged: .*got blocks\.0\.card\.patients\.training: Input should"):
            read(folder)


@pytest.mark.parametrize("field", ["channels", "width", "steps"])
def test_a_baseplate_tells_its_size(field: str, tmp_path: Path) -> None:
    folder = save(plate(), tmp_path / "plate")
    config = config_of(folder)
    del config["plates"][0]["config"][field]
    rewrite(folder, config)
    with pytest.raises(CheckpointError, match=rf"plates\.0\.config: .*a baseplate tells its {field}"):
        load(folder)


def test_nested_without_end(tmp_path: Path) -> None:
    folder = save(table_block(plate()), tmp_path / "block")
    for text in ("[" * 100_000, '{"a":' * 5000, '{"format": 1, "card": ' + "[" * 300 + "]" * 300 + "}"):
        (folder / "config.json").write_text(text)
        with pytest.raises(CheckpointError, match="damaged: expected JSON"):
            load(folder)
    (folder / "config.json").write_text("1" * 10_000)
    with pytest.raises(CheckpointError, match="damaged"):
        load(folder)
