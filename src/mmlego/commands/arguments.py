"""Options that several verbs share; each has a short name for its value, so that help fits 80 columns.

The name is empty where an option takes none: without it, help would show a type, as if a value were to follow.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer
from typer.core import TyperCommand

from mmlego.commands.show import aside
from mmlego.errors import InputError
from mmlego.sections import Repeated, Section, Shares

N = TypeVar("N", int, float)

Data = Annotated[
    Path, typer.Option("--data", "-d", metavar="FILE", help="The cohort's manifest, YAML (docs/manifest.md).")
]
DataDir = Annotated[
    list[Path] | None,
    typer.Option(
        "--data-dir", metavar="FOLDER", help="Where the manifest's files lie, if not beside it (repeat for more)."
    ),
]
Links = Annotated[bool, typer.Option("--links", metavar="", help="Let links lead out of the folders of the files.")]
Config = Annotated[Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings, YAML.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="A setting, e.g. -s fit.epochs=30 (repeat for more)."),
]
Shared = Annotated[
    bool,
    typer.Option("--shared-patients", metavar="", help="Train all blocks on the same patients, not on disjoint parts."),
]
SameFeatures = Annotated[
    Literal["error", "together", "allow"],
    typer.Option(
        "--duplicates", metavar="RULE", help="Equal features under two ids: error, together (one side) or allow."
    ),
]
NoProgress = Annotated[bool, typer.Option("--no-progress", metavar="", help="Show no progress bar.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", metavar="", help="Replace an earlier model there.")]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", metavar="", help="Do without modalities whose training has failed.")
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json", metavar="", callback=aside, help="Print what was made as JSON; all else goes to the standard error."
    ),
]
AnswerFile = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="Write what --json prints here, as scores.json."),
]
WorkerCount = Annotated[
    int | None,
    typer.Option("--workers", "-w", min=1, metavar="N", help="So many runs at a time, on Ray (mmlego[ray])."),
]
Address = Annotated[
    str | None, typer.Option("--address", metavar="HOST:PORT", help="Run on a Ray cluster that is there.")
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", min=1, metavar="N", help="Of each run on a worker; default OMP_NUM_THREADS or 1."),
]
MissingColumns = Annotated[
    float,
    typer.Option(
        "--missing-columns", metavar="SHARE", min=0.0, max=1.0, help="Share of a modality's columns that may be absent."
    ),
]
Aliases = Annotated[
    list[str] | None,
    typer.Option("--alias", metavar="FILE=TRAINING", help="A column of the files, and its name in training (repeat)."),
]


class OnceToFile(TyperCommand):
    """A verb whose ``--json`` took a file in earlier versions: who still names one is told what to write instead."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse ``--json FILE`` and ``--json=FILE``, where the file would be taken for a model."""
        named = [word.partition("=")[2] for word in args if word.startswith("--json=")]
        named += [word for flag, word in pairwise(args) if flag == "--json" and word.endswith(".json")]
        if named:
            told = "--json takes no file: it prints one JSON to the standard output."
            ctx.fail(f"{told} Pass --out {named[0]} for a file.")
        return super().parse_args(ctx, args)


def share(name: str, section: type[Section] = Shares) -> Callable[[float], float]:
    """Return a check of a share of the patients, by the bounds that it has in Python, before any file is read.

    Parameters
    ----------
    name
        ``test`` or ``validation``.
    section
        Where its bounds stand.
    """
    return _within(section, name, f"the share of {name} patients")


def count(name: str) -> Callable[[int], int]:
    """Return a check of a number of an experiment, as :func:`share` does.

    Parameters
    ----------
    name
        ``folds`` or ``repeats``.
    """
    return _within(Repeated, name, f"the number of {name}")


def _within(section: type[Section], name: str, what: str) -> Callable[[N], N]:
    def check(value: N) -> N:
        from mmlego.bounds import within  # with torch's numbers

        within(section, name, value, what)
        return value

    return check


def aliases_of(given: list[str] | None) -> dict[str, str]:
    """Return names in training by names in the files, of ``FILE=TRAINING``.

    Parameters
    ----------
    given
        What was passed.

    Raises
    ------
    InputError
        If one is of another form.
    """
    found = {}
    for text in given or []:
        old, sign, new = text.rpartition("=")
        if not (sign and old and new):
            raise InputError("an alias is not of that form", expected="FILE=TRAINING, two names of columns", got=text)
        found[old] = new
    return found


HeldBack = Annotated[
    float, typer.Option(metavar="SHARE", callback=share("test"), help="Share of patients held back, in a new run.")
]
Watched = Annotated[
    float,
    typer.Option(
        metavar="SHARE", callback=share("validation"), help="Share that early stopping watches, in a new run."
    ),
]
