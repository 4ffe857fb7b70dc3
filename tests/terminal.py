"""The command line as a user meets it: arguments in; exit code, output and errors out."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmlego.cli import main


@dataclass(frozen=True)
class Said:
    """What a command said: output and errors as lines of the terminal, and each with its line breaks taken out."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return " ".join(self.out.split())

    @property
    def error(self) -> str:
        return " ".join(self.err.split())


def mmlego(*arguments: object, width: int = 80) -> Said:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with _argv([str(argument) for argument in arguments], width):
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
                code = 0
            except SystemExit as stop:
                code = int(stop.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


def done(*arguments: object, width: int = 80) -> Said:
    """Run a command that has to succeed."""
    said = mmlego(*arguments, width=width)
    assert said.code == 0, said.err or said.out
    return said


def refused(*arguments: object) -> str:
    """Run a command that has to fail with one line for the user, and return the line."""
    said = mmlego(*arguments)
    assert said.code == 1, said.out
    assert said.error.startswith("error: "), said.error
    assert "Traceback" not in said.err
    return said.error.removeprefix("error: ")


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _argv(arguments: list[str], width: int) -> Iterator[None]:
    before, columns = sys.argv, os.environ.get("COLUMNS")
    sys.argv, os.environ["COLUMNS"] = ["mmlego", *arguments], str(width)
    try:
        yield
    finally:
        sys.argv = before
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns
