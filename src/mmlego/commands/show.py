"""What the verbs print: tables, a progress bar over stages, warnings as one line each."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from mmlego.errors import LegoWarning
from mmlego.printable import escaped

_heard = {"aside": False}  # whether what is said goes beside the answer, for the answer is JSON

# Errors speak Python; what they tell to pass has another name here.
_OPTIONS = {
    "allow_mismatch=True": "--allow-mismatch",
    "overwrite=True": "--overwrite",
    "licence='cc-by-4.0'": "--licence cc-by-4.0",
    "resume=False": "--overwrite",
    "folder=PATH": "--data-dir",
    "out=PATH": "--out",
    "links=True": "--links",
    "aliases={FILE: TRAINING}": "--alias FILE=TRAINING",
    "missing_columns=": "--missing-columns ",
    "modalities=,": "--modality,",
    "weights='uniform'": "--weights uniform",
    "weights='stacked' needs": "--weights stacked needs",
    "Leave heads=, rule= and preset= out, or choose other weights.": (
        "Leave --heads, --rule and --preset out, or choose other --weights."
    ),
    "Lower lr=, or set gradient_clip=.": "Lower it with -s fit.lr=NUMBER, or set -s fit.gradient_clip=NUMBER.",
    "duplicates='together' or duplicates='allow' (--duplicates)": "--duplicates together or --duplicates allow",
}


def aside(value: bool) -> bool:
    """Let what is said from now on go to the standard error, as the answer is JSON; or to the standard output again.

    Parameters
    ----------
    value
        Whether the answer is JSON.
    """
    _heard["aside"] = value
    return value


def answer(content: Mapping[str, Any], *, wanted: bool) -> None:
    """Print what a verb has made as JSON, if that is wanted; paths are as the user would type them.

    Parameters
    ----------
    content
        By name.
    wanted
        Whether ``--json`` was given.
    """
    if wanted:
        typer.echo(escaped(json.dumps(_defined(content), indent=2, ensure_ascii=False)))


def _defined(content: Any) -> Any:
    """Return what JSON can hold: paths as text, a number that is not defined as null."""
    if isinstance(content, Mapping):
        return {str(key): _defined(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_defined(value) for value in content]
    if isinstance(content, Path):
        return short(content)
    return None if isinstance(content, float) and not math.isfinite(content) else content


def console() -> Any:
    """Return the console for results, which prints names as they are: brackets and colons in them mean nothing.

    Nor do control characters: of a name, a card or a configuration they are printed as escapes.
    """
    from rich.console import Console
    from rich.text import Text

    class Plain(Console):
        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(escaped(text), **options)

    return Plain(markup=False, highlight=False, emoji=False, stderr=_heard["aside"])


def in_options(text: str) -> str:
    """Return what an error tells to pass under the names that the command line has for it.

    Parameters
    ----------
    text
        The error.
    """
    for argument, option in _OPTIONS.items():
        text = text.replace(argument, option)
    return text


def say(*lines: str) -> None:
    """Print lines with places in them, which only the terminal may break: they are copied from there."""
    console().print(*lines, sep="\n", soft_wrap=True)


def say_written(files: Iterable[Path]) -> None:
    """Print which files were written."""
    say("Written:", *(f"  {short(file)}" for file in files))


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show each of our warnings once, as a line without file and line number."""
    from rich.console import Console
    from rich.text import Text

    seen: set[str] = set()
    ordinary = warnings.showwarning

    def show(message: Any, category: Any, *rest: Any, **named: Any) -> None:
        if not issubclass(category, LegoWarning):
            ordinary(message, category, *rest, **named)
        elif str(message) not in seen:
            seen.add(str(message))
            Console(stderr=True).print(Text("warning: ", style="bold yellow") + Text(str(message)), soft_wrap=True)

    with warnings.catch_warnings():
        warnings.simplefilter("always", LegoWarning)
        warnings.showwarning = show
        yield


def metrics_table(title: str, first: str, scores: Mapping[str, Mapping[str, float]], width: int) -> Any:
    """Return a table: a row a model under the heading ``first``, a column a metric; counts are whole numbers.

    Metrics that have no room in ``width`` columns go into a second table below.
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table

    names = list(dict.fromkeys(metric for row in scores.values() for metric in row))
    cells = {name: [_cell(row.get(name)) for row in scores.values()] for name in names}
    room = width - max(map(len, [first, *scores]))
    parts: list[list[str]] = [[]]
    left = room
    for name in names:
        need = 3 + max(map(len, [name, *cells[name]]))
        if need > left and parts[-1]:
            parts.append([])
            left = room
        parts[-1].append(name)
        left -= need
    tables: list[Any] = []
    for part in parts:
        table = Table(title=None if tables else title, title_justify="left", title_style="bold")
        table.box, table.show_edge, table.pad_edge = box.SIMPLE_HEAD, False, False  # a frame would cost ten columns
        table.add_column(first, overflow="fold")
        for name in part:
            table.add_column(name, justify="right")
        for i, model in enumerate(scores):
            table.add_row(model, *(cells[name][i] for name in part))
        tables += [table, ""]
    return Group(*tables[:-1])


def _cell(value: float | None) -> str:
    if value is None or value != value:
        return "" if value is None else "not defined"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def short(path: Path) -> str:
    """Return a path as the user would type it: relative to where they are, if it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
