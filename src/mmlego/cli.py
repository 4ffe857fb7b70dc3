"""The command line: a thin shell over the library. ``mmlego --help`` lists the verbs."""

from __future__ import annotations

import errno
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from mmlego.commands import (
    apply,
    check,
    demo,
    example,
    experiments,
    explain,
    init,
    inspecting,
    make,
    plate,
    push,
    recipes,
    report,
    train,
    tune,
)
from mmlego.commands.arguments import OnceToFile
from mmlego.commands.show import aside, in_options
from mmlego.errors import InputError, LegoError
from mmlego.plugins import import_own
from mmlego.printable import escaped
from mmlego.version import __version__

app = typer.Typer(
    name="mmlego",
    help="Turn unimodal encoders into one multimodal model: train blocks apart, merge without training, fuse briefly.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# whether errors come with the place where they arose, and whether a scheduler or the like has ended us
_heard = {"debug": False, "ended": False}


def _version(value: bool) -> None:
    if value:
        typer.echo(f"mmlego {__version__}")
        raise typer.Exit


def _traced(value: bool) -> bool:
    _heard["debug"] = value
    return value


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, metavar="", help="Print the version and stop."),
    ] = False,
    modules: Annotated[
        list[str] | None,
        typer.Option(
            "--import",
            metavar="MODULE",
            help="Import a module of yours first, which registers encoders (repeat).",
        ),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", metavar="", callback=_traced, help="Show where in the code an error arose.")
    ] = False,
) -> None:
    """Turn unimodal encoders into one multimodal model."""
    aside(False)
    for module in modules or ():
        _import(module)


_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Start here": (demo.demo, example.example, init.init, check.check, recipes.schema),
    "Make models": (plate.plate, tune.tune, train.train, make.merge, make.fuse, recipes.run),
    "Use models": (apply.predict, apply.evaluate, explain.explain, inspecting.inspect, push.push),
    "Measure": (experiments.bench, report.report),
}
_ONCE_TO_FILE = (apply.predict, apply.evaluate, inspecting.inspect)
for panel, verbs in _PANELS.items():
    for verb in verbs:
        app.command(rich_help_panel=panel, cls=OnceToFile if verb in _ONCE_TO_FILE else None)(verb)


_WRONG, _FAULT, _INTERRUPTED, _TERMINATED = 1, 3, 130, 143  # exit codes; wrong usage is 2
_GO_ON = "train, tune, fuse, run, bench and demo go on when run again"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main() -> None:
    """Run the command line; an error is one line, with a traceback only under ``--debug``.

    Exits with 1 for what the user can mend, 2 for wrong usage, 3 for a fault of mmlego itself, 130 when interrupted,
    143 when terminated, as by the time limit of a scheduler.
    """
    try:
        with _terminable():
            app()
    except (LegoError, OSError) as error:
        if _heard["debug"]:
            raise
        _print(_said(error))
        sys.exit(_WRONG)
    except Exception as error:
        if _heard["debug"]:
            raise
        _print(
            f"a fault of mmlego itself ({type(error).__name__}: {error}). mmlego --debug VERB … shows where it arose."
        )
        sys.exit(_FAULT)
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:  # Typer has made it of a KeyboardInterrupt
            typer.echo(f"{'terminated' if _heard['ended'] else 'interrupted'}; {_GO_ON}", err=True)
            if _heard["ended"]:
                sys.exit(_TERMINATED)
        raise


@contextmanager
def _terminable() -> Iterator[None]:
    """Take the first SIGTERM, of a scheduler's time limit or ``docker stop``, as Ctrl-C: what is open is tidied up."""
    _heard["ended"] = False
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        if not _heard["ended"]:
            _heard["ended"] = True
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _import(module: str) -> None:
    """Import a module of the user's, which may lie in the folder of now; only what is named is ever imported."""
    if module.endswith(".py") or not all(part.isidentifier() for part in module.split(".")):
        name = Path(module).stem
        raise InputError(
            f"--import {module}",
            expected="the name of a module, as it stands after import in Python",
            got="the name of a file or folder" if name.isidentifier() else "no such name",
            remedy=f"Go to its folder and pass --import {name}." if name.isidentifier() else None,
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        import_own(module)
    except ImportError as error:
        raise InputError(
            f"--import {module}: {error}", expected="a module that is installed, or lies in this folder", got=module
        ) from error
    except Exception as error:  # whatever a module of the user's does
        raise InputError(
            f"--import {module}", expected="a module that runs", got=f"{type(error).__name__}: {error}"
        ) from error


def _print(text: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(Text("error: ", style="bold red") + Text(escaped(text)), soft_wrap=True)


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror is not None:
        place = error.filename2 or error.filename
        told = error.strerror if place is None else f"{error.strerror}: {place}"
        return f"{told}. Make room: {_GO_ON}." if error.errno in _NO_ROOM else told
    return in_options(str(error))
