"""One contract for every executor: the same files come out, whatever goes wrong on the way."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mmlego import InputError, LegoWarning
from mmlego.cells import Cell, CellFault, CellFolder, CellsFailed, Workers, run_cells, running
from mmlego.cells.on_ray import OnRay, _carry_out, _raylet_unheard
from mmlego.cells.serial import Serial
from mmlego.cells.work import Work
from tests.cells import jobs
from tests.cells.jobs import Told, cell


@pytest.fixture(params=["serial", "ray"])
def workers(request: pytest.FixtureRequest) -> Workers:
    if request.param == "ray":
        request.getfixturevalue("ray")
    return Workers(1 if request.param == "serial" else 2)


def test_every_cell_leaves_its_result(workers: Workers, tmp_path: Path) -> None:
    cells, told = [cell(number) for number in range(5)], Told()
    folder = run_cells(cells, jobs.square, tmp_path / "cells", workers=workers, watch=told)
    assert [folder.read(one) for one in cells] == [{"square": n * n, "third": n / 3} for n in range(5)]
    assert {path.name for path in folder.place.iterdir()} == {f"{one.key}.json" for one in cells}
    for path in folder.place.iterdir():
        json.loads(path.read_text())  # nothing is pickled
    assert told.begun == [(5, 0, "one after another" if workers.count == 1 else "on 2 workers")]
    assert sorted(told.ended) == [f"number {number}: None" for number in range(5)]


def test_what_is_done_is_not_run_again(workers: Workers, tmp_path: Path) -> None:
    cells = [cell(number, tmp_path) for number in range(4)]
    folder = tmp_path / "cells"
    run_cells(cells[1:3], jobs.square, folder, workers=Workers(1))
    told = Told()
    run_cells([*cells, cells[0]], jobs.square, folder, workers=workers, watch=told)  # one is asked for twice
    run_cells(cells, jobs.square, folder, workers=workers)
    assert sorted(path.name.partition("-")[0] for path in tmp_path.glob("*-*")) == ["0", "1", "2", "3"]
    assert sorted(told.ended) == ["number 0: None", "number 3: None"]


def test_what_fails_stops_no_other(workers: Workers, tmp_path: Path) -> None:
    cells, told = [cell(number, tmp_path) for number in range(6)], Told()
    with pytest.warns(LegoWarning, match="4 is near the bound"), pytest.raises(CellFault) as raised:
        run_cells(cells, jobs.square_with_troubles, tmp_path / "cells", workers=workers, watch=told)
    folder = CellFolder(tmp_path / "cells")
    assert [one.scenario["number"] for one in folder.missing(cells)] == [1, 2, 3]
    assert [folder.read(one) for one in (cells[0], *cells[4:])] == [{"square": n * n} for n in (0, 4, 5)]
    failures = {n: json.loads(folder.failure(cells[n]).read_text())["error"] for n in (1, 2, 3)}
    assert {n: error["type"] for n, error in failures.items()} == {1: "InputError", 2: "SystemExit", 3: "KeyError"}
    assert failures[1]["message"] == "1 is too small. Take more."
    assert all("square_with_troubles" in error["traceback"] for error in failures.values())
    for part in ("3 of 6 cells failed", "number 1: 1 is too small", "number 2: SystemExit: 0", "KeyError: 'three'"):
        assert part in str(raised.value)
    # Each was tried once.
    assert sorted(path.name.partition("-")[0] for path in tmp_path.glob("*-*")) == list("012345")
    assert sum("None" not in line for line in told.ended) == 3


def test_what_the_user_can_mend_is_no_fault(workers: Workers, tmp_path: Path) -> None:
    with pytest.raises(
        CellsFailed, match=r"1 of 2 cells failed: number 1: 1 is too small. Take more. All others are done, and"
    ):
        run_cells([cell(0), cell(1)], jobs.square_with_troubles, tmp_path, workers=workers)


def test_equal_failures_are_told_once(tmp_path: Path) -> None:
    cells = [cell(1, tmp_path, again=again) for again in range(3)]
    with pytest.raises(CellsFailed, match=r"3 of 3 cells failed: number 1 \(and 2 more\): 1 is too small"):
        run_cells(cells, jobs.square_with_troubles, tmp_path / "cells")


def test_another_version_is_refused_in_the_worker(workers: Workers, tmp_path: Path) -> None:
    old = Cell("test", "", "", {}, {}, {}, {"number": 3, "place": None}, 0, {"mmlego": "0.0.1"}, label="old")
    new = cell(5)
    with pytest.raises(CellsFailed, match=r"old: the worker has other versions: expected mmlego 0.0.1, got mmlego"):
        run_cells([old, new], jobs.square, tmp_path, workers=workers)
    assert CellFolder(tmp_path).read(new)["square"] == 25


def test_an_interruption_leaves_what_is_done(tmp_path: Path) -> None:
    def interrupted(one: Cell) -> dict[str, Any]:
        if jobs.of(one) == 2:
            raise KeyboardInterrupt
        return jobs.square(one)

    cells = [cell(number) for number in range(4)]
    with pytest.raises(KeyboardInterrupt):
        run_cells(cells, interrupted, tmp_path)
    assert [one.scenario["number"] for one in CellFolder(tmp_path).missing(cells)] == [2, 3]
    assert not list(tmp_path.glob("*.failed.json"))


def test_a_worker_that_is_killed_costs_one_cell(ray: Any, tmp_path: Path) -> None:
    cells = [cell(number, tmp_path) for number in range(5)]
    message = r"1 of 5 cells failed: number 2: its worker died or could not begin \(WorkerCrashedError"
    with pytest.raises(CellsFailed, match=message):
        run_cells(cells, jobs.square_or_die, tmp_path / "cells", workers=Workers(2))
    folder = CellFolder(tmp_path / "cells")
    assert folder.missing(cells) == [cells[2]]
    assert json.loads(folder.failure(cells[2]).read_text())["error"]["type"] == "WorkerCrashedError"
    assert len(list(tmp_path.glob("2-*"))) == 1  # it was not tried again
    run_cells(cells, jobs.square, tmp_path / "cells", workers=Workers(1))
    assert not folder.failure(cells[2]).exists()


def test_each_cell_has_its_threads(ray: Any, tmp_path: Path) -> None:
    one, two = cell(1), cell(2)
    folder = run_cells([one, two], jobs.threads, tmp_path, workers=Workers(2))
    assert [(folder.read(own)["torch"], folder.read(own)["variable"]) for own in (one, two)] == [(1, "1"), (1, "1")]


def test_a_worker_that_is_used_again_does_not_keep_the_threads_of_its_first_cell(tmp_path: Path) -> None:
    before, handler = torch.get_num_threads(), signal.getsignal(signal.SIGINT)
    found = []
    try:
        for number in (2, 1, 3):
            own = cell(number)
            assert _carry_out(Work(jobs.threads, tmp_path), own, number, ()).error is None
            found.append(CellFolder(tmp_path).read(own)["torch"])
    finally:
        torch.set_num_threads(before)
        signal.signal(signal.SIGINT, handler)
    assert found == [2, 1, 3]


@pytest.mark.parametrize(("said", "expected"), [("4", 4), ("2,1", 2), ("", 1), ("0", 1), ("many", 1), (None, 1)])
def test_the_environment_says_how_many_threads(
    said: str | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert OnRay(2).threads == expected
    assert OnRay(2, threads=5).threads == 5


def test_lines_of_rays_own_threads_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    with _raylet_unheard():
        for name in ("ray_listen_error_messages", "mine"):
            one = threading.Thread(target=lambda: print(f"said by {threading.current_thread().name}"), name=name)
            one.start()
            one.join()
        assert sys.stdout.isatty() is False
    assert capsys.readouterr().out == "said by mine\n"


def test_a_worker_that_lacks_a_module_of_the_users_says_so(
    ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmlego.cells.on_ray.imported", lambda: ("a_module_of_nobody",))
    message = (
        r"2 of 2 cells failed: number 0 \(and 1 more\): .*ModuleNotFoundError: No module named 'a_module_of_nobody'"
    )
    with pytest.raises(CellsFailed, match=message):
        run_cells([cell(0), cell(1)], jobs.square, tmp_path, workers=Workers(2))


def test_a_cohort_in_memory_is_not_shared(ray: Any, tmp_path: Path) -> None:
    mine = Cell("test", "mine", "ab", {}, {}, {}, {"number": 1, "place": None}, 0, {})
    other = Cell("test", "mine", "ab", {}, {}, {}, {"number": 2, "place": None}, 0, {})
    with pytest.raises(InputError, match="mine is in the memory of one process, which workers do not share"):
        run_cells([mine, other], jobs.square, tmp_path, workers=Workers(2))


@pytest.mark.parametrize(
    ("asked", "left", "there", "expected"),
    [
        (Workers(None), 3, True, "on 3 workers"),  # more than two cells, and Ray is there
        (Workers(None), 9, True, "on 4 workers"),  # as many as there are cores
        (Workers(None), 2, True, "one after another"),
        (Workers(None), 9, False, "one after another"),
        (Workers(1), 9, True, "one after another"),
        (Workers(2), 2, True, "on 2 workers"),  # who asks is given
        (Workers(8), 1, True, "one after another"),
        (Workers(3), 9, False, "on 3 workers"),  # and is told what to install
        (Workers(None, "10.0.0.1:6379"), 1, True, "on workers at 10.0.0.1:6379"),
        (Workers(5, "10.0.0.1:6379"), 9, True, "on 5 workers at 10.0.0.1:6379"),
    ],
)
def test_who_runs_the_cells(
    asked: Workers, left: int, there: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "find_spec", lambda _: object() if there else None)
    monkeypatch.setattr(running, "_cores", lambda: 4)
    monkeypatch.setattr(running, "FEW", 2)
    found = running.executor_for(asked, left)
    assert found.how == expected
    assert isinstance(found, Serial if expected == "one after another" else OnRay)


def test_with_nothing_left_ray_never_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [cell(number) for number in range(3)]
    done = run_cells(cells, jobs.square, tmp_path)
    before = [done.result(one).stat().st_mtime_ns for one in cells]

    def started(*_: Any) -> None:
        pytest.fail("Ray was asked for")

    monkeypatch.setattr("mmlego.cells.on_ray.import_extra", started)
    for workers in (Workers(2), Workers(None), Workers(2, "10.0.0.1:6379")):
        again = run_cells(cells, jobs.square, tmp_path, workers=workers)
        assert [again.result(one).stat().st_mtime_ns for one in cells] == before


def test_without_ray_more_workers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"more than one worker needs ray.*pip install 'mmlego\[ray\]'"):
        run_cells([cell(0), cell(1)], jobs.square, tmp_path, workers=Workers(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Workers(0), "the number of workers: expected at least 1, got 0"),
        (lambda: Workers(2, threads=0), "the number of threads: expected at least 1, got 0"),
        (lambda: Workers(2, "auto"), "the address of a cluster: expected HOST:PORT.*got 'auto'"),
    ],
)
def test_wrong_numbers_of_workers(make: Callable[[], Workers], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_the_number_of_cores_is_that_of_this_process() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert running._cores() == len(os.sched_getaffinity(0))
