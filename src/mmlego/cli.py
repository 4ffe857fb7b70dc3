"""The command line: a thin shell over the library. ``mmlego --help`` lists the verbs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from mmlego.commands import apply, check, demo, example, experiments, explain, init, make, plate, report
from mmlego.commands.show import in_options
from mmlego.errors import LegoError
from mmlego.version import __version__

app = typer.Typer(
    name="mmlego",
    help="Turn unimodal encoders into one multimodal model: train blocks apart, merge without training, fuse briefly.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"mmlego {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, metavar="", help="Print the version and stop."),
    ] = False,
) -> None:
    """Turn unimodal encoders into one multimodal model."""


_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Start here": (demo.demo, example.example, init.init, check.check),
    "Make models": (plate.plate, make.train, make.merge, make.fuse),
    "Use models": (apply.predict, apply.evaluate, explain.explain, apply.inspect),
    "Measure": (experiments.bench, report.report),
}
for panel, verbs in _PANELS.items():
    for verb in verbs:
        app.command(rich_help_panel=panel)(verb)


_INTERRUPTED = 130


def main() -> None:
    """Run the command line; an error of ours, or of the file system, is one line, not a traceback."""
    try:
        app()
    except (LegoError, OSError) as error:
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True).print(Text("error: ", style="bold red") + Text(_said(error)), soft_wrap=True)
        sys.exit(1)
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:  # Typer has made it of a KeyboardInterrupt
            typer.echo("interrupted; train, fuse, bench and demo go on when run again", err=True)
        raise


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror is not None:
        return f"{error.strerror}: {error.filename2 or error.filename}"
    return in_options(str(error))
