"""Drivers that are killed or interrupted, and two raylets: each driver is a process of its own, as a user's is."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from mmlego.cells import CellFolder, run_cells
from tests.cells import jobs
from tests.cells.conftest import PATHS, RAY
from tests.cohorts import write_cohort

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (pip install 'mmlego[ray]')")
on_ray = (needs_ray, pytest.mark.slow)


@contextlib.contextmanager
def started(home: Path, *command: object) -> Iterator[subprocess.Popen[str]]:
    """Start Python in a group of its own, as a terminal does; nothing of it is left behind."""
    home.mkdir(exist_ok=True)
    environment = {**os.environ, **RAY, "HOME": str(home), "PYTHONPATH": PATHS}
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(true: Callable[[], bool], process: subprocess.Popen[str] | None = None, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        if process is not None and process.poll() is not None:
            pytest.fail("".join(process.communicate()))
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def below(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=on_ray)])
def test_a_driver_that_is_killed_is_gone_on_with(workers: int, tmp_path: Path) -> None:
    cells = [jobs.cell(number, tmp_path) for number in range(4)]
    folder = CellFolder(tmp_path / "cells")
    with started(tmp_path / "home", "-m", "tests.cells.driver", workers, tmp_path) as driver:
        until(lambda: folder.result(cells[0]).is_file() and any(tmp_path.glob("1-*")), driver)
        children = below(driver)
        driver.kill()
        driver.wait()
        until(lambda: not any(child.is_running() for child in children))  # no raylet, no worker stays
    assert folder.missing(cells) == cells[1:]
    (tmp_path / "go").touch()
    run_cells(cells, jobs.wait_for_go, folder.place)
    assert [folder.read(one)["square"] for one in cells] == [0, 1, 4, 9]
    assert len(list(tmp_path.glob("0-*"))) == 1


@needs_ray
@pytest.mark.slow
def test_two_machines_share_the_cells(tmp_path: Path) -> None:
    with started(tmp_path / "home", "-m", "tests.cells.driver", "cluster", tmp_path) as driver:
        out, err = driver.communicate(timeout=240)
    assert driver.returncode == 0, out + err
    found = [json.loads(path.read_text())["result"]["node"] for path in (tmp_path / "cells").glob("*.json")]
    assert len(found) == len(set(found)) == 2


@needs_ray
@pytest.mark.slow
def test_ctrl_c_ends_it_all_and_it_goes_on(tmp_path: Path) -> None:
    data = write_cohort(tmp_path / "cohort", ("rna", "clinical"))
    out = tmp_path / "out"
    command = ["-m", "mmlego", "bench", "-d", data, "-o", out, "--folds", 2, "--repeats", 20, "--workers", 2]
    command += ["-s", "encoder.name=coxnet", "-s", "fuse.fit.epochs=1"]
    with started(tmp_path / "home", *command) as driver:
        until(lambda: any(out.glob("private/cells/*.json")), driver)
        children = below(driver)
        os.killpg(driver.pid, signal.SIGINT)
        said, err = driver.communicate(timeout=60)
        until(lambda: not any(child.is_running() for child in children), seconds=30)
    assert driver.returncode == 130, said + err
    assert "interrupted; train, tune, fuse, run, bench and demo go on when run again" in err
    assert "Traceback" not in err
    assert "(raylet)" not in said + err
    done = [path.name for path in out.glob("private/cells/*.json")]
    assert 0 < len(done) < 40
    assert [name for name in done if "failed" in name] == []
