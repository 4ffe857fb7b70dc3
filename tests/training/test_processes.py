"""Training in processes of its own: killed and taken up again; two that do the work of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from tests.bricks import assert_same, snapshot
from tests.training import interrupted, two_processes

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LOCAL_", "MASTER_"))}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def epochs_in(folder: Path) -> int:
    file = folder / "history.csv"
    return len(file.read_text().splitlines()) - 1 if file.is_file() else 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_is_killed_with_kill_9_ends_as_the_unbroken_one(tmp_path: Path) -> None:
    running = {kind: start("interrupted.py", kind, tmp_path / kind) for kind in ("block", "fuse")}
    try:
        while running:
            for kind, process in list(running.items()):
                assert process.poll() is None, process.communicate()[0]
                if epochs_in(tmp_path / kind) >= 3:
                    process.kill()
                    process.communicate()
                    assert process.returncode == -9
                    del running[kind]
            time.sleep(0.01)
    finally:
        for process in running.values():
            process.kill()
            process.communicate()
    for kind in ("block", "fuse"):
        folder = tmp_path / kind
        assert not json.loads((folder / "run.json").read_text()).get("finished")
        assert 3 <= epochs_in(folder) < 12
        model, history = interrupted.run(kind, str(folder))
        expected, whole = interrupted.run(kind)
        pd.testing.assert_frame_equal(history, whole, check_exact=True)
        assert_same(snapshot(model), snapshot(expected))
        assert model.card == expected.card


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("strategy", "kind", "kept"), [("ddp_spawn", "fuse", True), ("ddp", "block", False)])
def test_two_processes_do_the_work_of_one(tmp_path: Path, strategy: str, kind: str, kept: bool) -> None:
    """Gradients are averaged over the global batch, so results differ by rounding alone."""
    out = tmp_path / "out"
    process = start("two_processes.py", strategy, kind, tmp_path, *([out] if kept else []))
    said, _ = process.communicate(timeout=800)
    assert process.returncode == 0, said
    model, expected = two_processes.run(kind)
    # Lightning's own launcher runs the whole script in each process; spawned ones end with the training.
    for rank in (0, 1) if strategy == "ddp" else (0,):
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / f"{rank}.csv"), expected, rtol=1e-3, atol=1e-5)
        weights = load_file(tmp_path / f"{rank}.safetensors")
        assert weights.keys() == snapshot(model).keys()
        for name, value in snapshot(model).items():
            torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=1e-4)
    if kept:
        assert json.loads((out / "run.json").read_text())["finished"]
        assert not (out / "last.ckpt").exists()
        assert (out / "tensorboard").is_dir()
