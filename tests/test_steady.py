"""A checkpoint that is replaced while it is read is one or the other, whole; one that is damaged is so at once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mmlego.checkpoint
from mmlego import CheckpointError, LegoBlock, load, save
from tests.bricks import assert_same, plate, snapshot, table_block


@pytest.fixture
def blocks() -> tuple[LegoBlock, LegoBlock]:
    first, second = table_block(plate(), seed=1), table_block(plate(), seed=2)
    first.card.data, second.card.data = "first", "second"
    return first, second


@pytest.mark.parametrize("when", ["_read_tensors", "load_file", "_load_weights"])
def test_what_is_replaced_while_it_is_read(
    when: str, blocks: tuple[LegoBlock, LegoBlock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(blocks[0], tmp_path / "block")
    original: Callable[..., Any] = getattr(mmlego.checkpoint, when)
    asked: list[int] = []

    def replaced_first(*args: Any, **named: Any) -> Any:
        asked.append(1)
        if len(asked) == 1:
            save(blocks[1], folder, overwrite=True)
        return original(*args, **named)

    monkeypatch.setattr(mmlego.checkpoint, when, replaced_first)
    found = load(folder)
    assert found.card.data == "second"
    assert_same(snapshot(found), snapshot(blocks[1]))
    assert len(asked) == 2


def test_a_folder_that_is_away_for_a_moment(
    blocks: tuple[LegoBlock, LegoBlock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(blocks[0], tmp_path / "[block]")
    fresh = tmp_path / ".[block].new-0123"
    shutil.move(folder, fresh)
    monkeypatch.setattr(time, "sleep", lambda _: shutil.move(fresh, folder) if fresh.exists() else None)
    assert load(folder).card.data == "first"


def test_what_is_damaged_is_told_at_once(
    blocks: tuple[LegoBlock, LegoBlock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(blocks[0], tmp_path / "block")
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    (folder / "model.safetensors").write_bytes(b"x")
    for place in (folder, tmp_path / "none"):
        with pytest.raises(CheckpointError):
            load(place)
    assert waited == []


def test_what_changes_each_time(
    blocks: tuple[LegoBlock, LegoBlock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(blocks[0], tmp_path / "block")
    original = mmlego.checkpoint._read_tensors
    monkeypatch.setattr(time, "sleep", lambda _: None)

    def replaced(*args: Any) -> Any:
        save(blocks[1], folder, overwrite=True)
        return original(*args)

    monkeypatch.setattr(mmlego.checkpoint, "_read_tensors", replaced)
    with pytest.raises(CheckpointError, match=r"changes each time it is read.*Try again later"):
        load(folder)
