"""The one layout of a run folder, which old runs have too, and how it is found from a checkpoint in it."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from mmlego import LegoMerge, save
from mmlego.errors import InputError
from mmlego.run_folder import RunFolder, makers_of, runs_of
from tests.bricks import plate, table_block

UMASK = os.umask(0)
os.umask(UMASK)


def test_everything_has_its_place(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    places = {
        "plate": run.plate,
        "blocks/rna": run.block("rna"),
        "merge": run.merge,
        "fuse": run.fuse,
        "private/split.json": run.split,
        "settings.yaml": run.settings,
        "modalities.json": run.modalities,
        "private/run.json": run.run,
        "private/fits/rna": run.fit("rna"),
        "private/results.json": run.results,
        "private/cells": run.cells,
    }
    assert places == {name: tmp_path / name for name in places}
    assert list(tmp_path.iterdir()) == []  # asking makes nothing


def test_a_run_that_was_begun_before_keeps_its_places(tmp_path: Path) -> None:
    (tmp_path / "fits").mkdir()
    (tmp_path / "split.json").write_text("{}")
    run = RunFolder(tmp_path)
    assert (run.split, run.fit("rna")) == (tmp_path / "split.json", tmp_path / "fits" / "rna")
    assert run.trained_on == tmp_path / "private" / "trained_on.json"
    assert runs_of([tmp_path / "blocks" / "rna"]) == [run]


def test_what_is_private_opens_to_its_owner_alone(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.begin(["rna"])
    assert stat.S_IMODE(run.private.stat().st_mode) == 0o700
    assert stat.S_IMODE(run.place.stat().st_mode) == 0o777 & ~UMASK


def test_models_are_those_that_are_whole(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert not run.has_blocks()
    for place in (run.plate, run.block("rna"), run.block("age"), run.blocks / ".rna-begun", run.fuse):
        place.mkdir(parents=True)
    assert run.has_blocks()
    assert run.models() == [run.block("age"), run.block("rna"), run.fuse]
    assert run.models(plate=True)[0] == run.plate


def test_blocks_stand_in_the_order_of_the_cohort(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for name in ("rna", "age", "new", "methylation"):
        run.block(name).mkdir(parents=True)
    assert [path.name for path in run.saved_blocks()] == ["age", "methylation", "new", "rna"]  # an old run: by name
    run.modalities.write_text('["rna", "methylation", "gone", "age"]')
    assert [path.name for path in run.saved_blocks()] == ["rna", "methylation", "age", "new"]


@pytest.mark.parametrize("text", ["{", "{}", "[1]"])
def test_a_damaged_order_is_told_and_its_remedy_works(tmp_path: Path, text: str) -> None:
    run = RunFolder(tmp_path)
    run.block("rna").mkdir(parents=True)
    run.modalities.write_text(text)
    with pytest.raises(InputError, match=r"modalities.json is no list of modalities: .* Delete it: blocks are then"):
        run.saved_blocks()
    run.modalities.unlink()
    assert run.saved_blocks() == [run.block("rna")]


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "x" * 300, "a\0b", ""])
def test_an_order_of_what_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    run = RunFolder(tmp_path)
    run.block("rna").mkdir(parents=True)
    run.modalities.write_text(json.dumps(["rna", name]))
    with pytest.raises(InputError, match=r"modalities\.json is no list of modalities"):
        run.lacking()


def test_a_block_that_was_to_be_trained_anew_is_lacking_until_it_is(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.modalities.write_text('["rna", "labs"]')
    run.begin(["rna", "labs"])
    run.block("rna").mkdir(parents=True)
    assert run.lacking() == ["labs"]
    run.block("labs").mkdir()
    assert run.lacking() == []
    run.begin(["rna"])  # gone on with: the block is that of this run
    assert run.lacking() == []
    run.begin(["rna"], anew=True)
    assert run.lacking() == ["rna"]
    run.end("rna")
    assert run.lacking() == []


def test_runs_are_found_from_what_lies_in_them(tmp_path: Path) -> None:
    one, other = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "other")
    for run in (one, other):
        run.block("rna").mkdir(parents=True)
        run.merge.mkdir()
    one.begin(["rna"])
    one.split.write_text("{}")
    assert runs_of([one.block("rna"), one.merge, one.place, other.merge]) == [RunFolder(one.place.resolve())]


def test_of_what_was_sent_into_a_run_it_is_not_the_maker(tmp_path: Path) -> None:
    run = RunFolder(tmp_path.resolve())
    run.split.parent.mkdir()
    run.split.write_text("{}")
    for name in ("clinical", "fuse"):
        (tmp_path / name).mkdir()
    run.begin(["fuse"])
    assert makers_of([tmp_path / "clinical"]) == []  # the split is that of the fuse
    assert makers_of([tmp_path / "fuse"]) == makers_of([tmp_path]) == [run]
    run.begin(["rna"])
    for name in ("rna", "labs"):
        run.block(name).mkdir(parents=True)
    assert makers_of([run.block("labs")]) == []
    assert makers_of([run.block("rna"), run.merge]) == [run]


def test_what_was_copied_over_a_model_of_the_run_is_not_of_the_run(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.begin(["rna"])
    run.split.write_text("{}")
    at = plate()
    blocks = [table_block(at), table_block(at, "labs")]
    for block in blocks:
        save(block, run.block(block.modality))
    save(LegoMerge(blocks), run.merge)
    save(LegoMerge(blocks, weights=[0.5, 0.5], strength=1.0), tmp_path / "theirs")
    places = [run.block("rna"), run.block("labs"), run.merge]
    assert all(run.made(place) for place in [*places, run.place])
    assert makers_of(places) == [RunFolder(run.place.resolve())]
    assert not run.made(tmp_path / "theirs")
    shutil.rmtree(run.merge)
    shutil.copytree(tmp_path / "theirs", run.merge)
    shutil.copytree(tmp_path / "theirs", run.place / "other")
    shutil.copytree(run.block("labs"), run.block("labs@b"))
    assert [run.made(place) for place in (*places, run.place / "other", run.block("labs@b"))] == [
        True,
        True,
        *[False] * 3,
    ]
    assert makers_of([run.merge]) == []
    assert runs_of([run.merge]) == [RunFolder(run.place.resolve())]
    save(LegoMerge(blocks), run.merge, overwrite=True)
    assert run.made(run.merge)


@pytest.mark.parametrize("text", [None, "{", "[]", '"x"'])
def test_without_notes_the_place_tells(tmp_path: Path, text: str | None) -> None:
    run = RunFolder(tmp_path)
    run.begin(["rna"])
    for place in (run.block("rna"), run.merge, tmp_path / "elsewhere" / "merge"):
        place.mkdir(parents=True)
    if text is not None:
        (run.private / "made.json").write_text(text)
    assert run.made(run.merge)
    assert run.made(run.block("rna"))
    assert not run.made(tmp_path / "elsewhere" / "merge")
