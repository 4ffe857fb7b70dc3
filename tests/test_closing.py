"""While something is built from a file, nothing is fetched, run, unpickled or imported by a name that stands in it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mmlego.closing import closed
from mmlego.errors import CheckpointError
from mmlego.learners import libraries

LIBRARIES = [one for one in vars(libraries).values() if isinstance(one, type) and "library" in vars(one)]


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


def test_nobody_is_called(listening: socket.socket) -> None:
    told = r"an encoder asked for the network \(socket.connect: .*127.0.0.1"
    with socket.socket() as caller, pytest.raises(CheckpointError, match=told), closed("an encoder", {}):
        caller.connect(listening.getsockname())
    with pytest.raises(TimeoutError):
        listening.accept()
    with socket.create_connection(listening.getsockname()):  # open again
        listening.accept()[0].close()


def test_who_goes_on_without_the_network_is_told_of_it_all_the_same(listening: socket.socket) -> None:
    with pytest.raises(CheckpointError, match="asked for the network"), closed("an encoder", {}):
        with contextlib.suppress(OSError):
            socket.create_connection(listening.getsockname())


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda: socket.getaddrinfo("localhost", 80), "asked for the network"),
        (lambda: subprocess.run([sys.executable, "-V"], check=True), "asked for another program"),
        (lambda: pickle.loads(pickle.dumps(Exception)), "asked for unpickling"),
    ],
)
def test_other_ways_out_are_shut(ask: Callable[[], Any], told: str) -> None:
    with pytest.raises(CheckpointError, match=told), closed("an encoder", {}):
        ask()
    ask()


def test_no_thread_is_started_in_which_nothing_would_be_shut() -> None:
    before = threading.Thread.start
    with closed("an encoder", {}), pytest.raises(RuntimeError, match="no thread is started"):
        threading.Thread(target=print).start()
    assert threading.Thread.start is before
    elsewhere: list[str] = []
    with closed("an encoder", {}):
        assert threading.Thread.start is not before
    thread = threading.Thread(target=elsewhere.append, args=("done",))
    thread.start()
    thread.join()
    assert elsewhere == ["done"]


@pytest.fixture
def harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a module that can be imported, though it is not installed."""
    (tmp_path / "quite_harmless.py").write_text("RUN = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "quite_harmless", raising=False)
    return "quite_harmless"


@pytest.mark.parametrize("how", [importlib.import_module, __import__])
def test_no_module_is_imported_by_name(harmless: str, how: Callable[[str], Any]) -> None:
    for config in ({}, {"layer": f"{harmless}.Layer"}):
        with pytest.raises(ModuleNotFoundError, match="quite_harmless is not imported"), closed("an encoder", config):
            how(harmless)
    assert harmless not in sys.modules
    with closed("an encoder", {}, trusted=[f"{harmless}.Layer"]):
        assert how(harmless).RUN
    del sys.modules[harmless]


def test_a_module_of_the_standard_library_is_imported_unless_the_file_names_it() -> None:
    sys.modules.pop("colorsys", None)
    with pytest.raises(ModuleNotFoundError), closed("an encoder", {"parts": [{"of": "colorsys.rgb_to_hls"}]}):
        importlib.import_module("colorsys")
    with closed("an encoder", {"parts": ["relu"]}):
        importlib.import_module("colorsys")
        assert importlib.util.find_spec("no_such_module") is None


@pytest.mark.parametrize("library", [*sorted(one.library for one in LIBRARIES), "pandas", "skops", "sksurv"])
def test_a_library_of_ours_may_be_what_a_file_names(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of CatBoost says catboost: it is imported for it in a process that has not done so."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    monkeypatch.delitem(sys.modules, library, raising=False)
    with closed("a learner", {"learner": library}):
        assert importlib.util.find_spec(library) is not None


def test_code_of_a_file_is_not_run(tmp_path: Path) -> None:
    place = tmp_path / "code.py"
    place.write_text("raise SystemExit('this was run')\n")
    spec = importlib.util.spec_from_file_location("code_of_a_file", place)
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(CheckpointError, match=r"asked for code of a file \(code.py\)"), closed("an encoder", {}):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_code_that_pytorch_geometric_writes_for_its_layers_is_run() -> None:
    """It does so once for a class of layers, as in a process that makes the first one."""
    layers = pytest.importorskip("torch_geometric.nn", reason="needs mmlego[graphs]")
    new = type("AnotherGINConv", (layers.GINConv,), {})
    with closed("an encoder", {}):
        assert isinstance(new(torch.nn.Linear(3, 8)), layers.GINConv)
