"""One process at a time in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmlego import InputError, fit
from mmlego.run_lock import LOCK, alone_in
from tests.bricks import plate

CHILD = """
import sys, time
from pathlib import Path
from mmlego.run_lock import alone_in
with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    time.sleep(60)
"""


def test_another_process_is_kept_out_and_a_killed_one_is_not_waited_for(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD, tmp_path / "run"], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(InputError, match=r"another process is at work in .*run: expected one at a time. Wait"):
            with alone_in(tmp_path / "run"):
                pytest.fail("two at once")
        other.kill()
        other.wait()
    assert (tmp_path / "run" / LOCK).is_file()  # of whom was killed; the system has let go of it
    with alone_in(tmp_path / "run"):
        pass
    assert list((tmp_path / "run").iterdir()) == []


def test_what_came_to_nothing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no"), alone_in(tmp_path / "run" / "private"):
        raise InputError("no")
    assert list(tmp_path.iterdir()) == []
    with alone_in(tmp_path / "run" / "private"):
        (tmp_path / "run" / "plate").mkdir()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["plate"]


def test_a_lock_whose_file_was_taken_away_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening the file and locking it its owner may end, and another begin with a file of its own."""
    ordinary = os.open
    opened: list[int] = []

    def late(path: Path, *rest: int) -> int:
        opened.append(ordinary(path, *rest))
        if len(opened) == 1:
            path.unlink()
        return opened[-1]

    monkeypatch.setattr("mmlego.run_lock.os.open", late)
    with alone_in(tmp_path):
        assert len(opened) == 2
        with pytest.raises(InputError, match="at work"), alone_in(tmp_path):
            pytest.fail("two at once")


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "SLURM_PROCID"])
def test_processes_that_train_one_model_share_its_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with alone_in(tmp_path):
        monkeypatch.setenv(name, "1")
        with alone_in(tmp_path):
            pass
        monkeypatch.setenv(name, "0")
        with pytest.raises(InputError, match="at work"), alone_in(tmp_path):
            pytest.fail("two at once")


def test_where_there_are_no_locks_nobody_is_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", none)
    entered = 0
    with alone_in(tmp_path), alone_in(tmp_path):
        entered += 1
    assert entered == 1


def test_a_fit_and_a_run_are_alone_in_their_folders(tmp_path: Path) -> None:
    import torch

    from mmlego import LegoBlock
    from mmlego.encoders import SNN
    from tests.cohorts import write_cohort
    from tests.terminal import refused

    manifest = write_cohort(tmp_path, ("rna",), n=20)
    with alone_in(tmp_path / "run" / "private"):
        told = refused("train", "-d", manifest, "-o", tmp_path / "run", "--no-progress")
        assert told.startswith(f"another process is at work in {tmp_path}/run: expected one at a time. Wait until")
    block, data = LegoBlock(SNN(3), plate(), "rna"), (torch.randn(12, 3), torch.arange(12) % 2)
    with alone_in(tmp_path / "fit"), pytest.raises(InputError, match=r"another process is at work in .*fit"):
        fit(block, data, out=tmp_path / "fit", progress=False)
    assert not (tmp_path / "run").exists()
