"""Blocks that workers train are those that are trained one after another; what is there is not trained again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import mmlego
from mmlego import InputError
from mmlego.cells import CellFolder, CellsFailed, Workers, in_manifest
from mmlego.data import Cohort
from mmlego.job import data_of, main, side_by_side, train_blocks
from mmlego.run_folder import RunFolder
from mmlego.training.evaluate import all_logits
from tests.cells.conftest import ray
from tests.cells.jobs import Told
from tests.cohorts import QUICK, write_cohort

__all__ = ["ray"]

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics on a handful of patients
SETTINGS = QUICK | {"encoders": {"rna": {"name": "coxnet"}, "clinical": {"name": "neural"}}}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort"), ("rna", "clinical"))


@pytest.fixture(scope="module")
def cohort(manifest: Path) -> Cohort:
    return Cohort.from_manifest(manifest)


@pytest.fixture(scope="module")
def alone(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> mmlego.Blocks:
    return train_blocks(cohort, SETTINGS, out=tmp_path_factory.mktemp("alone") / "run", progress=False)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of whoever asks for workers are run in this process."""
    monkeypatch.setattr("mmlego.cells.running.find_spec", lambda _: None)


def assert_alike(made: mmlego.Blocks, alone: mmlego.Blocks, cohort: Cohort) -> None:
    assert (made.train, made.validation, made.test, made.parts) == (
        alone.train,
        alone.validation,
        alone.test,
        alone.parts,
    )
    assert made.settings == alone.settings
    assert list(made.blocks) == list(alone.blocks)
    for name, block in made.blocks.items():
        data = data_of(block, cohort, made.test)
        assert torch.equal(all_logits(block, data, 64), all_logits(alone.blocks[name], data, 64))
        assert block.card.patients == alone.blocks[name].card.patients
        assert block.card.validation == alone.blocks[name].card.validation


def test_cells_are_the_blocks(here: None, cohort: Cohort, alone: mmlego.Blocks, tmp_path: Path) -> None:
    told = Told()
    made = train_blocks(cohort, SETTINGS, out=tmp_path, progress=False, workers=Workers(None), watch=told)
    assert_alike(made, alone, cohort)
    assert told.ended == ["block rna: None", "block clinical: None"]
    assert {path.name for path in RunFolder(tmp_path).saved_blocks()} == {"rna", "clinical"}


def test_what_is_there_is_not_trained_again(
    here: None, cohort: Cohort, alone: mmlego.Blocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    build = side_by_side.train_block

    def counted(cohort: Cohort, name: str, *rest: Any, **options: Any) -> Any:
        trained.append(name)
        return build(cohort, name, *rest, **options)

    monkeypatch.setattr(side_by_side, "train_block", counted)

    def again(**more: Any) -> mmlego.Blocks:
        trained.clear()
        return train_blocks(cohort, SETTINGS, out=tmp_path, progress=False, workers=Workers(None), **more)

    again(modalities=["rna"])
    assert trained == ["rna"]
    again()
    assert trained == ["clinical"]
    again()
    assert trained == []
    config = RunFolder(tmp_path).block("rna") / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text())))  # the same in other words is not what was left there
    assert_alike(again(), alone, cohort)
    assert trained == ["rna"]
    again(resume=False)
    assert trained == ["rna", "clinical"]


def test_a_block_that_fails_stops_no_other(
    here: None, cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = side_by_side.train_block

    def failing(cohort: Cohort, name: str, *rest: Any, **options: Any) -> Any:
        if name == "rna":
            raise InputError("no gene varies")
        return build(cohort, name, *rest, **options)

    monkeypatch.setattr(side_by_side, "train_block", failing)
    with pytest.raises(CellsFailed, match="1 of 2 cells failed: block rna: no gene varies"):
        train_blocks(cohort, SETTINGS, out=tmp_path, progress=False, workers=Workers(None))
    run = RunFolder(tmp_path)
    assert (run.lacking(), [path.name for path in run.saved_blocks()]) == (["rna"], ["clinical"])
    assert len(CellFolder(run.cells).cells()) == 1


def test_workers_need_a_folder(cohort: Cohort) -> None:
    with pytest.raises(InputError, match=r"workers leave blocks in a folder: expected out="):
        train_blocks(cohort, SETTINGS, workers=Workers(2), progress=False)


def test_one_worker_is_nobody_else(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "fit_side_by_side", lambda *_, **__: pytest.fail("not here"))
    short = {"encoder": {"name": "coxnet"}}
    made = train_blocks(cohort, short, modalities=["rna"], workers=Workers(1), progress=False)
    assert list(made.blocks) == ["rna"]


def test_workers_of_ray_leave_the_same(
    ray: Any, manifest: Path, alone: mmlego.Blocks, cohort: Cohort, tmp_path: Path
) -> None:
    place = in_manifest(manifest)
    made = train_blocks(cohort, SETTINGS, out=tmp_path, progress=False, workers=Workers(2), place=place)
    assert_alike(made, alone, cohort)
