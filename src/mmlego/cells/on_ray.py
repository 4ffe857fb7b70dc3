"""Cells on Ray: on workers of this machine, or of a cluster that is there."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from mmlego.cells.cell import Cell
from mmlego.cells.cohorts import placeless
from mmlego.cells.folder import CellFolder
from mmlego.cells.work import Ended, Work
from mmlego.errors import LegoWarning
from mmlego.extras import import_extra
from mmlego.plugins import imported

STORE = 200_000_000  # bytes of Ray's object store: nothing large goes through it
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_ROOM = 30  # characters of a temporary folder: what Ray puts below it must stay below the 107 of a socket's name


class OnRay:
    """Runs cells on Ray, which starts when the first cell is to be run and ends after the last.

    A worker that dies, or a task that ends its process, costs the cell that it was at and no other.

    Parameters
    ----------
    count
        How many cells at a time; None: as many as the cluster has room for.
    address
        Of a cluster; None: workers of this machine.
    threads
        Of each cell; None: what ``OMP_NUM_THREADS`` says, else 1.
    """

    def __init__(self, count: int | None, address: str | None = None, *, threads: int | None = None) -> None:
        self.count, self.address, self.threads = count, address, threads or _threads()
        number = "workers" if count is None else f"{count} workers"
        self.how = f"on {number}" + ("" if address is None else f" at {address}")

    def run(self, work: Work, cells: Sequence[Cell]) -> Iterator[Ended]:
        """Yield how each cell ended, as they end.

        Parameters
        ----------
        work, cells
            What is done, and with what.
        """
        ray = import_extra("ray", "more than one worker", "'mmlego[ray]'")
        for cell in cells:
            if cell.cohort and cell.place is None:
                raise placeless(cell)
        with _started(ray, self.count, self.address):
            here = self.address is None
            task = ray.remote(
                num_cpus=1 if here else self.threads,
                max_retries=0,
                runtime_env={"env_vars": dict.fromkeys(_THREADS, str(self.threads)) | _GPU},
            )(_carry_out)
            coming = iter(cells)
            waiting: dict[Any, tuple[Cell, float]] = {}
            try:
                while True:
                    room = len(cells) if self.count is None else self.count - len(waiting)
                    for cell in islice(coming, room):
                        waiting[task.remote(work, cell, self.threads, imported())] = cell, time.perf_counter()
                    if not waiting:
                        return
                    done, _ = ray.wait(list(waiting), num_returns=1, timeout=1.0)
                    for reference in done:
                        yield _ended(ray, reference, work, *waiting.pop(reference))
            finally:
                for reference in waiting:
                    ray.cancel(reference, force=True)


# Workers see the GPUs that the driver sees, as cells in this process do.
_GPU = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


def _carry_out(work: Work, cell: Cell, threads: int, modules: Sequence[str]) -> Ended:
    """Run a cell in a worker, with as many threads as this cell has, and bring home what it warned of."""
    import torch

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells all processes; the driver ends this one
    torch.set_num_threads(threads)  # a worker that is used again keeps the variables of its first task
    here = str(Path.cwd())
    if modules and here not in sys.path:
        sys.path.append(here)
    for module in modules:
        importlib.import_module(module)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", LegoWarning)
        ended = work(cell)
    told = dict.fromkeys(str(one.message) for one in seen if issubclass(one.category, LegoWarning))
    return replace(ended, warned=tuple(told))


def _ended(ray: Any, reference: Any, work: Work, cell: Cell, started: float) -> Ended:
    """Return how a cell ended in a worker; of one that died with it, too."""
    folder = CellFolder(work.folder)
    try:
        ended: Ended = ray.get(reference)
    except ray.exceptions.TaskCancelledError as error:  # nobody but an interruption does that
        raise KeyboardInterrupt from error
    except ray.exceptions.RayError as error:
        told = str(error).strip()
        # Of a traceback the last line says most, of Ray's own errors the first.
        line = (told.splitlines() or ["nothing more is known"])[
            -1 if isinstance(error, ray.exceptions.RayTaskError) else 0
        ]
        folder.write_failure(cell, type(error).__name__, line, told)
        said = f"its worker died or could not begin ({type(error).__name__}: {line})"
        return Ended(cell, time.perf_counter() - started, said)
    for text in ended.warned:
        warnings.warn(text, LegoWarning, stacklevel=5)
    if ended.error is None and not folder.result(cell).is_file():
        told = f"its worker wrote {folder.result(cell).name} where this machine does not see it"
        remedy = "the folder of results has to lie on a disk that all machines share"
        return replace(ended, error=f"{told}: {remedy}")
    return replace(ended, cell=cell)


def _threads() -> int:
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(said) if said.isdecimal() and int(said) > 0 else 1


@contextmanager
def _started(ray: Any, count: int | None, address: str | None) -> Iterator[None]:
    """Let Ray run meanwhile, unless it runs already: on this machine, or at an address; it sends nothing anywhere."""
    if ray.is_initialized():
        yield
        return
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    scratch = Path(tempfile.mkdtemp(prefix="mmlego-ray-", dir=_short_folder()))
    own: dict[str, Any] = {
        "num_cpus": count,
        "object_store_memory": STORE,
        "include_dashboard": False,
        "_temp_dir": str(scratch),
    }
    before = signal.getsignal(signal.SIGTERM)
    with _raylet_unheard():
        try:
            ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level="error",
                **(own if address is None else {}),
            )
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before)  # Ray's own would end the process with another code
            yield
        finally:
            ray.shutdown()
            shutil.rmtree(scratch, ignore_errors=True)


def _short_folder() -> str | None:
    """Return a folder for temporary files with a short name, None for the usual one."""
    return "/tmp" if len(tempfile.gettempdir()) > _ROOM and Path("/tmp").is_dir() else None


class _Unheard:
    """A stream that leaves out what Ray's own threads print: their lines would stand amid tables and JSON."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what others than Ray's threads say."""
        return len(text) if threading.current_thread().name.startswith("ray_") else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _raylet_unheard() -> Iterator[None]:
    """Leave out the lines of Ray's own threads meanwhile; what happened to a cell is told in its place."""
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Unheard(out), _Unheard(err)
    try:
        yield
    finally:
        with suppress(ValueError):  # a stream that somebody has closed meanwhile
            sys.stdout.flush()
        sys.stdout, sys.stderr = out, err
