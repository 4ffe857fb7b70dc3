"""The Hub: what is sent and fetched, against a small server on this machine that speaks its API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import mmlego
from mmlego import CheckpointError, InputError, LegoBlock, LegoMerge, LegoWarning
from mmlego.hub import FILES, push
from mmlego.recipes import block_hash, keeping
from mmlego.tasks import Survival
from tests.bricks import plate, table_block
from tests.hub_server import Hub, serving, take_for_hub
from tests.terminal import done, inside, refused

constants = pytest.importorskip("huggingface_hub.constants", reason="needs mmlego[hub]")
from huggingface_hub.utils import are_progress_bars_disabled  # noqa: E402  (after the skip)


def header(card: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return found


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A server of the test, which the Hub's library takes for the Hub; an empty cache."""
    with serving("hf_mine") as one:
        take_for_hub(one, tmp_path / "cache", monkeypatch)
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
    assert header(card) == {"library_name": "mmlego", "license": "cc-by-4.0", "tags": ["mmlego", "classification"]}
    assert 'mmlego.load("a/rna", revision="main")' in card
    again = mmlego.load("a/rna", revision=commit)
    assert (again.card.parents, again.card.licence) == ([f"a/rna@{commit}"], "cc-by-4.0")
    x = torch.randn(3, block.encoder.in_features)
    torch.testing.assert_close(again(x).logits, block.eval()(x).logits)
    mmlego.save(again, tmp_path / "kept")
    assert mmlego.load(tmp_path / "kept").card.parents == [f"a/rna@{commit}"]


def test_no_bars_in_logs(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", None)  # whoever has said nothing of them
    saved(tmp_path)
    commit = sent(tmp_path)
    mmlego.load("a/rna", revision=commit)
    assert "Fetching" not in capfd.readouterr().err
    assert not are_progress_bars_disabled()  # elsewhere in the program they are as they were


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
    with pytest.raises(InputError, match=r"a/rna at main cannot be fetched.*Only a commit that was fetched before"):
        mmlego.load("a/rna", revision="main")  # it may have moved: what the cache had last is not taken for it


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
    assert told.startswith("a/rna is not there: expected a repository with this branch")
    assert hub.repos == {}  # and none was made
    sent(tmp_path)
    told = refused("push", tmp_path / "rna", "a/rna", "--licence", "mit", "--revision", "nowhere")
    assert told.endswith("Name a commit, branch or tag that is there.")
    with pytest.raises(InputError, match=r"a/rna at nowhere cannot be fetched.*Name a commit"):
        mmlego.load("a/rna", revision="nowhere")


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


@pytest.mark.parametrize(("name", "said"), [("x/rna", "COMMIT"), ("x/rna@main", "main")])
def test_nothing_is_fetched_unless_it_is_said(hub: Hub, name: str, said: str) -> None:
    told = rf"got none\. If it is on the Hub: mmlego.load\('x/rna', revision='{said}'\) in Python; for a verb, "
    with pytest.raises(CheckpointError, match=rf"{told}hf download x/rna --revision {said} --local-dir FOLDER, and na"):
        mmlego.load(name)
    assert hub.asked == []


def test_a_newcomer_is_told_what_to_pass(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "run" / "blocks")
    with inside(tmp_path):
        told = refused("push", "run", "a/rna", "--licence", "mit")
        assert told.endswith("expected a folder with config.json, got none. Name one that lies in it: run/blocks/rna.")
        assert refused("push", "run/blocks/rna", "a/rna").endswith("got none. Pass --licence cc-by-4.0 or another.")
        monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
        told = refused("push", "run/blocks/rna", "a/rna", "--licence", "mit")
        assert told.endswith("Say who you are: a token that may write there, in HF_TOKEN or by hf auth login.")
    assert hub.repos == {}


def test_a_name_that_is_rather_a_path_has_no_hint(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a" / "there").mkdir(parents=True)
    for name in ("a/rna", "a/there", "rna", "../b/rna", "b/blocks/rna"):
        with pytest.raises(CheckpointError) as caught:
            mmlego.load(name)
        assert str(caught.value) == f"{name} is no checkpoint: expected a folder with config.json, got none"
    with pytest.raises(InputError, match=r"expected owner/name, got './a'. Leave revision= out to load a folder"):
        mmlego.load("./a", revision="main")
    assert hub.asked == []


def test_a_revision_says_that_the_hub_is_meant_beside_a_folder_of_the_name(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path)
    commit = sent(tmp_path)
    mmlego.save(table_block(plate(), "labs"), tmp_path / "a" / "rna")
    monkeypatch.chdir(tmp_path)
    assert mmlego.load("a/rna").modality == "labs"
    assert mmlego.load("a/rna", revision=commit).modality == "rna"


def test_another_model_of_ours_is_replaced_only_if_it_is_said(hub: Hub, tmp_path: Path) -> None:
    at = plate()
    mmlego.save(table_block(at), tmp_path / "rna")
    sent(tmp_path)
    mmlego.save(table_block(at, seed=2), tmp_path / "rna", overwrite=True)
    commit = sent(tmp_path)  # a version of the same
    others = {
        "labs": table_block(at, "labs"),
        "elsewhere": table_block(plate(seed=5)),
        "merge": LegoMerge([table_block(at), table_block(at, "labs")]),
        "plate": at,
    }
    got = {
        "labs": "a block of 'labs' at the baseplate ",
        "elsewhere": "a block of 'rna' at the baseplate ",
        "merge": "a merge of 'labs', 'rna' at the baseplate ",
        "plate": "a baseplate ",
    }
    for name, model in others.items():
        mmlego.save(model, tmp_path / name)
        told = refused("push", tmp_path / name, "a/rna", "--licence", "mit")
        assert told.startswith(f"a/rna holds another model of mmlego: expected a version of what is sent, {got[name]}")
        assert f"got a block of 'rna' at the baseplate {at.fingerprint[:12]}. Choose another" in told
        assert hub.branches["a/rna", "main"] == commit
    done("push", tmp_path / "merge", "a/rna", "--licence", "mit", "--overwrite")
    assert isinstance(mmlego.load("a/rna", revision="main"), LegoMerge)
    push(tmp_path / "labs", "a/rna", licence="mit", overwrite=True)
    assert mmlego.load("a/rna", revision="main").modality == "labs"


def test_a_repository_that_is_public_is_not_taken_for_a_private_one(hub: Hub, tmp_path: Path) -> None:
    saved(tmp_path)
    commit = sent(tmp_path)
    told = refused("push", tmp_path / "rna", "a/rna", "--licence", "mit", "--private")
    assert told.startswith("a/rna is there, and public: expected a private repository")
    assert hub.branches["a/rna", "main"] == commit
    hub.private["a/rna"] = True
    sent(tmp_path, "--private")


@pytest.mark.parametrize("config", [None, b'{"model_type": "bert"}', b"[]", b"\xff"])
def test_the_model_of_another_library_is_not_overwritten(hub: Hub, tmp_path: Path, config: bytes | None) -> None:
    saved(tmp_path)
    files = {"model.safetensors": b"0"} | ({} if config is None else {"config.json": config})
    hub.repos["a/rna"], hub.branches["a/rna", "main"] = {"1" * 40: files}, "1" * 40
    told = refused("push", tmp_path / "rna", "a/rna", "--licence", "mit")
    assert told.startswith("a/rna holds another model: expected an empty repository")
    assert hub.branches["a/rna", "main"] == "1" * 40
    with pytest.raises(InputError if config is None else CheckpointError):
        mmlego.load("a/rna", revision="main")


def test_a_notice_in_the_repository_is_no_hindrance(hub: Hub, tmp_path: Path) -> None:
    saved(tmp_path)
    files = {"README.md": b"# soon", "LICENSE": b"MIT"}
    hub.repos["a/rna"], hub.branches["a/rna", "main"] = {"1" * 40: files}, "1" * 40
    with pytest.raises(InputError, match=r"a/rna at main holds no checkpoint of mmlego: got no config.json and no "):
        mmlego.load("a/rna", revision="main")
    commit = sent(tmp_path)
    mmlego.load("a/rna", revision=commit)
    cached = next((tmp_path / "cache").rglob(commit))
    assert {file.name for file in cached.iterdir()} == set(FILES)  # of four files in the repository


def test_what_is_damaged_at_home_is_not_sent(hub: Hub, tmp_path: Path) -> None:
    saved(tmp_path)
    weights = tmp_path / "rna" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "is damaged" in refused("push", tmp_path / "rna", "a/rna", "--licence", "mit")
    with pytest.raises(CheckpointError, match="is damaged"):
        push(tmp_path / "rna", "a/rna", licence="mit")
    weights.unlink()
    with pytest.raises(CheckpointError, match="is not whole"):
        push(tmp_path / "rna", "a/rna", licence="mit")
    assert "is damaged" in refused("inspect", tmp_path / "rna", "--privacy")
    assert hub.asked == []


@pytest.mark.parametrize("revision", ["../../x", "a b", "", "/etc", "main\n", "a//b"])
def test_a_revision_is_a_name_of_git(hub: Hub, revision: str) -> None:
    with pytest.raises(InputError, match="a revision of a repository"):
        mmlego.load("a/rna", revision=revision)
    assert hub.asked == []


def test_an_answer_of_another_commit_is_refused(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    saved(tmp_path)
    commit = sent(tmp_path)
    other = tmp_path / ("2" * 40)
    (tmp_path / "rna").rename(other)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(other))
    with pytest.raises(InputError, match=f"a/rna at {commit} is not what came: expected commit {commit}, got 2222"):
        mmlego.load("a/rna", revision=commit)


def test_blocks_of_the_hub_are_merged_by_their_names(hub: Hub, tmp_path: Path) -> None:
    first = saved(tmp_path)
    commit = sent(tmp_path)
    mmlego.save(LegoBlock(table_block(first.plate, "labs").encoder, first.plate, "labs"), tmp_path / "labs")
    with inside(tmp_path):
        done("merge", "a/rna@main", "labs", "-o", "one", "--weights", "uniform")
        assert mmlego.load("one").card.parents[0].endswith(f"a/rna@{commit}")
        hub.repos["b/rna"], hub.branches["b/rna", "main"] = hub.repos["a/rna"], hub.branches["a/rna", "main"]
        said = done("merge", "a/rna@main", f"b/rna@{commit}", "-o", "two", "--name", "a/rna@main=rna@x")
        assert "rna@x (a/rna@main), rna@b (b/rna@" in said.text
        asked = len(hub.asked)
        assert refused("merge", "labs/rna@main", "-o", "three").startswith("labs/rna@main not found: expected run fold")
        assert len(hub.asked) == asked  # a slip in a path asks nobody
        assert refused("merge", "a/none@main", "-o", "three").startswith("a/none at main cannot be fetched: got ")
        done("push", "two", "a/both", "--licence", "mit")
    card = header(hub.repos["a/both"][hub.branches["a/both", "main"]]["README.md"].decode())
    assert (card["base_model"], card["base_model_relation"]) == (["a/rna", "b/rna"], "merge")


def test_a_branch_that_moves_while_a_recipe_runs(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = saved(tmp_path)
    commit = sent(tmp_path)
    (tmp_path / "recipe.yaml").write_text("blocks:\n  rna: {hub: a/rna, revision: main}\n")
    original = keeping.block_hash

    def moved(place: Path) -> str:
        hub.branches["a/rna", "main"] = "0" * 40
        return original(place)

    monkeypatch.setattr(keeping, "block_hash", moved)
    with inside(tmp_path):
        done("run", "recipe.yaml", "-o", "model")
    assert mmlego.load(tmp_path / "model" / "merge").card.parents[0].endswith(f"a/rna@{commit}")
    assert first.modality == "rna"


def test_what_else_lies_in_a_folder_is_not_of_the_block(tmp_path: Path) -> None:
    saved(tmp_path)
    found = block_hash(tmp_path / "rna")
    (tmp_path / "rna" / "notes.txt").unlink()
    assert block_hash(tmp_path / "rna") == found
    config = tmp_path / "rna" / "config.json"
    config.write_text(config.read_text() + " ")
    assert block_hash(tmp_path / "rna") != found


def test_licences(hub: Hub, tmp_path: Path) -> None:
    on = plate()
    blocks = [table_block(on, "rna"), table_block(on, "labs")]
    blocks[0].card.licence = "cc-by-nc-4.0"
    mmlego.save(LegoMerge(blocks), tmp_path / "merge")
    with pytest.warns(LegoWarning, match=r"Blocks in it are under cc-by-nc-4.0, it is sent under mit: nobody has"):
        push(tmp_path / "merge", "a/merge", licence="mit")
    mmlego.save(blocks[1], tmp_path / "labs")
    with pytest.warns(LegoWarning, match=r"knows no licence 'cc-by-4': its card says other, cc-by-4. .*cc-by-4.0"):
        commit = push(tmp_path / "labs", "a/labs", licence="cc-by-4")
    assert header(hub.repos["a/labs"][commit]["README.md"].decode())["license_name"] == "cc-by-4"
    commit = push(tmp_path / "labs", "a/labs", licence="https://hospital.example/terms")
    told = header(hub.repos["a/labs"][commit]["README.md"].decode())
    assert (told["license"], told["license_link"]) == ("other", "https://hospital.example/terms")


def test_what_stands_for_few_patients_is_told_before_it_is_sent(hub: Hub, tmp_path: Path) -> None:
    mmlego.save(table_block(plate(Survival([12.0, 24.0], typical_time=18))), tmp_path / "rna")
    said = done("push", tmp_path / "rna", "a/rna", "--licence", "mit")
    assert "It holds 1 value of fewer than 5 patients: the last cut of time. mmlego inspect --privacy" in said.error


def test_an_upload_that_breaks_off_leaves_nothing(hub: Hub, tmp_path: Path) -> None:
    saved(tmp_path)
    hub.breaking = 1
    assert refused("push", tmp_path / "rna", "a/rna", "--licence", "mit").startswith(
        "the hub does not take a/rna: got "
    )
    assert list(hub.repos["a/rna"].values()) == [{}]
    with pytest.raises(InputError, match="a/rna at main holds no checkpoint of mmlego"):
        mmlego.load("a/rna", revision="main")
    first = sent(tmp_path)
    hub.breaking = 1
    assert refused("push", tmp_path / "rna", "a/rna", "--licence", "apache-2.0").startswith("the hub does not take")
    assert hub.branches["a/rna", "main"] == first  # whole, and as it was


def test_a_private_repository_asks_who_you_are(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path)
    commit = sent(tmp_path, "--private")
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    for revision in ("main", commit):
        with pytest.raises(
            InputError, match=f"a/rna at {revision} cannot be fetched.*needs HF_TOKEN, or hf auth login"
        ):
            mmlego.load("a/rna", revision=revision)
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    assert mmlego.load("a/rna", revision="main").modality == "rna"
