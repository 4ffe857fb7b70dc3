"""What the verbs print: tables, a progress bar over stages, warnings as one line each."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmlego.errors import LegoWarning

Advance = Any


def console() -> Any:
    """Return the console for results."""
    from rich.console import Console

    return Console()


@contextmanager
def stages(total: int, title: str) -> Iterator[Advance]:
    """Show a progress bar over stages; yield a function that is told after each stage what was done."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[stage]}"),
    )
    with Progress(*columns) as bar:
        task = bar.add_task(title, total=total, stage="")
        yield lambda stage: bar.update(task, advance=1, stage=stage)


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
            Console(stderr=True).print(Text("warning: ", style="bold yellow") + Text(str(message)))

    with warnings.catch_warnings():
        warnings.simplefilter("always", LegoWarning)
        warnings.showwarning = show
        yield


def metrics_table(title: str, scores: dict[str, dict[str, float]]) -> Any:
    """Return a table: a row a model, a column a metric."""
    from rich.table import Table

    names = list(dict.fromkeys(metric for row in scores.values() for metric in row))
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("model")
    for name in names:
        table.add_column(name, justify="right")
    for model, row in scores.items():
        table.add_row(model, *("" if name not in row else f"{row[name]:.4f}" for name in names))
    return table


def short(path: Path) -> str:
    """Return a path as the user would type it: relative to where they are, if it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
