"""What stays shut while something is built from a file: the network, other programs, modules that the file names."""

from __future__ import annotations

import functools
import os
import re
import site
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from mmlego.errors import CheckpointError
from mmlego.printable import escaped

# Of the standard library's events of audit, those by which a constructor could reach out of the process.
_REFUSED = {
    **dict.fromkeys(
        ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"), "the network"
    ),
    **dict.fromkeys(("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"), "another program"),
    "pickle.find_class": "unpickling",
}
# Where transformers puts code that it has fetched.
_FETCHED = "transformers_modules"
# Packages that encoders and learners of mmlego are made of: a word like their name in a configuration shuts none.
_OWN = frozenset(
    "mmlego torch torchvision torch_geometric transformers tokenizers timm monai rdkit numpy scipy pandas "
    "sklearn sksurv skops lightgbm xgboost catboost".split()
)
# Writes the code of a convolution into a temporary file, the first time that one of its class is made.
_WRITES = ("torch_geometric.template",)
_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass
class _Shut:
    """What is shut now, and what was refused."""

    named: frozenset[str]  # modules that the file might name
    beside: Path | None  # where the code that builds lies
    own: frozenset[str]  # its own package, and what the user trusts
    refused: list[str] = field(default_factory=list)


_NOW: ContextVar[_Shut | None] = ContextVar("_NOW", default=None)
_WATCHING = threading.Lock()
_watched = {"audit": 0, "now": 0}
_START = threading.Thread.start


@contextmanager
def closed(what: str, config: object, make: object = None, *, trusted: Iterable[str] = ()) -> Iterator[None]:
    """Keep the network, other programs, unpickling and modules named by a file shut for as long as something is built.

    Modules are imported as long as no text of the file names them and they are installed, are of the standard library,
    or lie beside the code that builds; what is imported already stays so. New threads are refused, for nothing would
    be shut in them.

    Parameters
    ----------
    what
        What is built, for the message.
    config
        What the file says of it.
    make
        The class that builds.
    trusted
        Dotted names whose modules the user admits.

    Raises
    ------
    CheckpointError
        If something was asked for that is shut, even if whoever asked went on without.

    Examples
    --------
    >>> import socket
    >>> with closed("an example", {}):
    ...     socket.create_connection(("127.0.0.1", 9))
    Traceback (most recent call last):
    ...
    mmlego.errors.CheckpointError: an example asked for the network (...) while it was built from a file. ...
    """
    module = sys.modules.get(getattr(make, "__module__", "") or "")
    own = {(module.__name__ if module else "mmlego").split(".")[0], *(name.split(".")[0] for name in trusted)}
    shut = _Shut(_words(config), _folder_of(module), frozenset(own))
    with _watch():
        token = _NOW.set(shut)
        try:
            yield
        except Exception as error:
            if shut.refused:
                raise _asked(what, shut.refused) from error
            raise
        finally:
            _NOW.reset(token)
    if shut.refused:
        raise _asked(what, shut.refused)


def _asked(what: str, refused: Sequence[str]) -> CheckpointError:
    return CheckpointError(
        f"{what} asked for {refused[0]} while it was built from a file",
        remedy="Nothing of a file is fetched, run or unpickled. Build the encoder yourself, and pass it to load.",
    )


@contextmanager
def _watch() -> Iterator[None]:
    """See what is asked for; in threads in which nothing is shut all passes."""
    with _WATCHING:
        _installed()
        if not _watched["audit"]:
            sys.addaudithook(_heard)
            _watched["audit"] = 1
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
        _watched["now"] += 1
        threading.Thread.start = _start  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        with _WATCHING:
            _watched["now"] -= 1
            if not _watched["now"]:
                threading.Thread.start = _START  # type: ignore[method-assign]


def _start(thread: threading.Thread) -> None:
    if _NOW.get() is not None:
        raise RuntimeError("no thread is started while something is built from a file")
    _START(thread)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    shut = _NOW.get()
    if shut is None:
        return
    what = _REFUSED.get(event)
    if what is not None:
        told = escaped(", ".join(str(one) for one in arguments[-2:]))[:100]
        shut.refused.append(f"{what} ({event}: {told})")
        raise PermissionError(f"{what} is shut while something is built from a file")
    if event == "exec" and arguments and isinstance(arguments[0], CodeType):
        code = arguments[0]
        foreign = os.path.isabs(code.co_filename) and not _importable(Path(code.co_filename))
        if code.co_name == "<module>" and foreign and not _is_generated():
            shut.refused.append(f"code of a file ({escaped(Path(code.co_filename).name)})")
            raise PermissionError("no file is run while something is built from a file")


def _is_generated() -> bool:
    """Return whether code is run that a package writes for a layer of its own, out of a template of its own."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") in _WRITES:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


class _Finder:
    """Stands before all finders of modules; refuses, or has nothing to say."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ModuleNotFoundError for a module that is shut; else None."""
        shut = _NOW.get()
        if shut is None or path is not None:  # of a package that is open its parts are, too
            return None
        top = name.split(".")[0]
        if not _admitted(top, shut) and PathFinder.find_spec(top) is not None:
            raise ModuleNotFoundError(f"{name} is not imported while something is built from a file", name=name)
        return None


_FINDER: Any = _Finder()


def _admitted(top: str, shut: _Shut) -> bool:
    if top == _FETCHED:
        return False
    if top in shut.own or top in _OWN:
        return True
    if top in shut.named:
        return False
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return True
    places = [*_installed(), *([str(shut.beside)] if shut.beside else [])]
    return PathFinder.find_spec(top, places) is not None


@functools.cache
def _installed() -> list[str]:
    own = site.getusersitepackages() if site.ENABLE_USER_SITE else None
    found = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages(), own]
    return list(dict.fromkeys(place for place in found if place))


def _importable(file: Path) -> bool:
    """Return whether a file of code lies where modules are looked for, so that a finder has been asked about it."""
    return any(file.is_relative_to(Path(place).absolute()) for place in sys.path)


def _folder_of(module: ModuleType | None) -> Path | None:
    file = getattr(module, "__file__", None)
    if module is None or file is None:
        return None
    return Path(file).absolute().parents[module.__name__.count(".") + (Path(file).name == "__init__.py")]


def _words(config: object) -> frozenset[str]:
    """Return every word in the texts of a configuration."""
    found: set[str] = set()
    left = [config]
    while left:
        value = left.pop()
        if isinstance(value, str):
            found.update(_NAME.findall(value))
        elif isinstance(value, Mapping):
            left += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            left += value
    return frozenset(found)
