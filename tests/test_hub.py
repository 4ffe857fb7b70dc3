"""The Hub: what is sent and fetched, against a small server on this machine that speaks its API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import mmlego
from mmlego import CheckpointError, InputError, LegoBlock, LegoMerge
from mmlego.hub import FILES, push
from tests.bricks import plate, table_block
from tests.hub_server import Hub, serving
from tests.terminal import done, inside, refused

constants = pytest.importorskip("huggingface_hub.constants", reason="needs mmlego[hub]")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A server of the test, which the Hub's library takes for the Hub; an empty cache."""
    with serving("hf_mine") as one:
        monkeypatch.setattr(constants, "ENDPOINT", one.url)
        template = one.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
            monkeypatch.setattr(constants, name, str(tmp_path / "cache"), raising=False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        monkeypatch.setenv("HF_TOKEN", "hf_mine")
        yield one


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    return lambda: monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def sent(folder: Path, *more: str) -> str:
    """Send the block and return its commit."""
    with inside(folder):
        said = done("push", "rna", "a/rna", "--licence", "cc-by-4.0", *more, "--json")
    return str(json.loads(said.out)["revision"])


def saved(folder: Path, name: str = "rna") -> LegoBlock:
    block = table_block(plate(), name)
    mmlego.save(block, folder / name)
    (folder / name / "notes.txt").write_text("Anna Meier, born 1950")
    return block


def test_a_block_goes_there_and_back(hub: Hub, tmp_path: Path) -> None:
    block = saved(tmp_path)
    commit = sent(tmp_path, "--private")
    assert set(hub.repos["a/rna"][commit]) == set(FILES)  # and no notes
    assert hub.private["a/rna"] is True
    card = hub.repos["a/rna"][commit]["README.md"].decode()
    assert card.startswith('---\nlibrary_name: mmlego\nlicense: "cc-by-4.0"\n')
    again = mmlego.load("a/rna", revision=commit)
    assert (again.card.parents, again.card.licence) == ([f"a/rna@{commit}"], "cc-by-4.0")
    x = torch.randn(3, block.encoder.in_features)
    torch.testing.assert_close(again(x).logits, block.eval()(x).logits)
    mmlego.save(again, tmp_path / "kept")
    assert mmlego.load(tmp_path / "kept").card.parents == [f"a/rna@{commit}"]


def test_in_a_process_of_its_own_named_by_the_environment(hub: Hub, tmp_path: Path) -> None:
    saved(tmp_path)
    commit = sent(tmp_path)
    more = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    code = f"import mmlego; print(mmlego.load('a/rna', revision={commit!r}).modality)"
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, timeout=300, check=False)
    assert told.stdout == "rna\n", told.stderr


def test_a_commit_that_was_fetched_needs_no_network(hub: Hub, offline: Callable[[], None], tmp_path: Path) -> None:
    saved(tmp_path)
    commit = sent(tmp_path)
    mmlego.load("a/rna", revision=commit)
    asked = len(hub.asked)
    offline()
    assert mmlego.load("a/rna", revision=commit).modality == "rna"
    assert len(hub.asked) == asked
    with pytest.raises(InputError, match="a/rna at main2 cannot be fetched"):
        mmlego.load("a/rna", revision="main2")


def test_a_recipe_over_the_hub(hub: Hub, offline: Callable[[], None], tmp_path: Path) -> None:
    """A branch is pinned to its commit, which the model's card names as a parent."""
    first = saved(tmp_path)
    mmlego.save(LegoBlock(table_block(first.plate, "labs").encoder, first.plate, "labs"), tmp_path / "labs")
    commit = sent(tmp_path)
    recipe = "blocks:\n  rna: {hub: a/rna, revision: main}\n  labs: labs\nweights: uniform\n"
    (tmp_path / "recipe.yaml").write_text(recipe)
    with inside(tmp_path):
        done("run", "recipe.yaml", "-o", "model")
        assert f"revision: {commit}" in Path("model", "recipe.yaml").read_text()
        merge = mmlego.load("model/merge")
        offline()
        done("run", "model/recipe.yaml", "-o", "again")
    assert isinstance(merge, LegoMerge)
    assert merge.card.parents[0].endswith(f"a/rna@{commit}")
    assert "a/rna" not in merge.card.parents[1]


def test_what_the_hub_refuses_is_one_line(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path)
    with pytest.raises(InputError, match="a/none at main cannot be fetched"):
        mmlego.load("a/none", revision="main")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert refused("push", tmp_path / "rna", "a/rna", "--licence", "mit").startswith(
        "the hub does not take a/rna: got "
    )
    hub.tokens.add("hf_wrong")
    told = refused("push", tmp_path / "rna", "a/rna", "--licence", "mit", "--revision", "nowhere")
    assert told.startswith("the hub does not take a/rna: got ")


def test_nobody_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path)
    with serving() as gone:
        monkeypatch.setattr(constants, "ENDPOINT", gone.url)
    assert refused("push", tmp_path / "rna", "a/rna", "--licence", "mit").startswith(
        "the hub does not take a/rna: got "
    )


def test_what_was_changed_on_the_way_is_refused(hub: Hub, tmp_path: Path) -> None:
    saved(tmp_path)
    commit = sent(tmp_path)
    weights = bytearray(hub.repos["a/rna"][commit]["model.safetensors"])
    weights[-1] ^= 1
    hub.repos["a/rna"][commit]["model.safetensors"] = bytes(weights)
    with pytest.raises(CheckpointError):
        mmlego.load("a/rna", revision=commit)


def test_nothing_is_sent_without_a_licence_or_a_name(hub: Hub, tmp_path: Path) -> None:
    saved(tmp_path)
    with pytest.raises(InputError, match="rna has no licence"):
        push(tmp_path / "rna", "a/rna")
    for name in ("rna", "a/b/c", "", "a/ b"):
        with pytest.raises(InputError, match="the name of a repository: expected owner/name"):
            push(tmp_path / "rna", name, licence="mit")
    assert hub.asked == []


def test_nothing_is_fetched_unless_it_is_said(hub: Hub) -> None:
    with pytest.raises(CheckpointError):
        mmlego.load("a/rna")
    assert hub.asked == []
