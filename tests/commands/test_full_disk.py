"""A disk that fills up, and a folder that cannot be written: one line, nothing lost, and the same result later."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import yaml

from mmlego import load
from tests.bricks import assert_same, snapshot
from tests.cohorts import CLASSES, QUICK, write_cohort
from tests.terminal import done, inside, mmlego

TRAIN = ("train", "-d", "cohort.yaml", "-c", "s.yaml", "--shared-patients", "--no-progress", "-m", "rna", "-o")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_cohort(tmp_path, n=24, outcome=CLASSES)
    settings = {**QUICK, "encoder": {"name": "snn", "options": {"hidden": [4]}}, "fit": {"epochs": 2}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


def filled(monkeypatch: pytest.MonkeyPatch, after: int) -> list[int]:
    """Let so many files reach the disk, and no other."""
    left, ordinary = [after], os.fsync

    def sync(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        ordinary(handle)

    monkeypatch.setattr("mmlego.files.os.fsync", sync)
    return left


def test_a_disk_that_fills_up(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with inside(site):
        with monkeypatch.context() as patch:
            left = filled(patch, 1000)
            done(*TRAIN, "whole")
            writes = 1000 - left[0]
        assert writes > 12
        for after in (0, writes // 3, 2 * writes // 3, writes - 1):
            run = f"run{after}"
            with monkeypatch.context() as patch:
                filled(patch, after)
                said = mmlego(*TRAIN, run)
            assert said.code == 1
            assert said.error.startswith("error: No space left on device: ")
            assert said.error.endswith("Make room: train, tune, fuse, run, bench and demo go on when run again.")
            assert not [path for path in site.rglob(".*") if path.name != ".gitignore"]  # nothing half-written
            done(*TRAIN, run)
            assert_same(snapshot(load(Path(run, "blocks", "rna"))), snapshot(load(Path("whole", "blocks", "rna"))))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written(site: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with inside(site):
        said = mmlego(*TRAIN, "run")
    assert (said.code, said.error) == (1, f"error: {os.strerror(number)}: run")
