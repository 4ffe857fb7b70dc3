"""``mmlego plate``: a baseplate without any patient, which sites agree on before they train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmlego.commands.arguments import AsJson, Config, Overrides, Overwrite
from mmlego.commands.show import answer, plain_warnings, say, short
from mmlego.errors import InputError

if TYPE_CHECKING:
    from mmlego.tasks import Task

# By task, what it has to be told, and what it may be.
_TOLD = {
    "survival": (("cuts",), ("unit", "causes")),
    "classification": (("classes",), ()),
    "multilabel": (("labels",), ()),
    "regression": (("targets", "mean", "scale"), ("unit",)),
}


def plate(
    task: Annotated[
        str, typer.Option("--task", metavar="NAME", help="survival, classification, multilabel or regression.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where to save it.")],
    cuts: Annotated[
        str | None,
        typer.Option(metavar="TIMES", help="Of survival: the times between bins, as 12,24,60."),
    ] = None,
    unit: Annotated[
        str | None, typer.Option(metavar="UNIT", help="Of the times (days, weeks, months, years), or of the numbers.")
    ] = None,
    causes: Annotated[str | None, typer.Option(metavar="NAMES", help="Of competing risks: relapse,death.")] = None,
    classes: Annotated[
        str | None, typer.Option(metavar="NAMES", help="As files have them, the positive one last: no,yes.")
    ] = None,
    labels: Annotated[str | None, typer.Option(metavar="NAMES", help="Columns of labels: liver,skin.")] = None,
    targets: Annotated[str | None, typer.Option(metavar="NAMES", help="Columns of numbers: il6,crp.")] = None,
    mean: Annotated[str | None, typer.Option(metavar="NUMBERS", help="Of the targets, about, one each.")] = None,
    scale: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="Standard deviations of the targets, about, one each.")
    ] = None,
    config: Config = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Make a baseplate without any patient: what sites have to agree on before they train.

    It holds the coding of the outcome, the shape of the latent (settings plate.*) and where all blocks start.
    """
    from mmlego.baseplate import Baseplate
    from mmlego.checkpoint import save
    from mmlego.settings import read_settings

    said = {
        "cuts": cuts,
        "unit": unit,
        "causes": causes,
        "classes": classes,
        "labels": labels,
        "targets": targets,
        "mean": mean,
        "scale": scale,
    }
    with plain_warnings():
        made = Baseplate(_task(task, said), **read_settings(config, overrides or []).plate.model_dump())
        save(made, out, overwrite=overwrite)
    say(str(made.task), f"Baseplate {made.fingerprint[:12]} in {short(out)}: send it to all who shall train on it.")
    answer({"path": out, "fingerprint": made.fingerprint}, wanted=as_json)


def _task(name: str, said: dict[str, str | None]) -> Task:
    from mmlego.tasks import Classification, CompetingRisks, MultiLabel, Regression, Survival

    if name not in _TOLD:
        raise InputError("--task", expected=f"one of {', '.join(_TOLD)}", got=repr(name))
    needed, more = _TOLD[name]
    lacking = [f"--{option}" for option in needed if said[option] is None]
    beyond = [f"--{option}" for option, value in said.items() if value is not None and option not in (*needed, *more)]
    if lacking or beyond:
        raise InputError(
            f"options of --task {name}",
            expected=", ".join(f"--{option}" for option in needed)
            + (f", and if wanted {', '.join(f'--{option}' for option in more)}" if more else ""),
            got=", ".join([*(f"no {option}" for option in lacking), *beyond]),
        )
    given: dict[str, Any] = {option: _words(value) for option, value in said.items() if value is not None}
    numbers = {option: _numbers(option, given[option]) for option in ("cuts", "mean", "scale") if option in given}
    if name == "survival" and "causes" in given:
        return CompetingRisks(numbers["cuts"], given["causes"], said["unit"])
    if name == "survival":
        return Survival(numbers["cuts"], said["unit"])
    if name == "classification":
        return Classification(given["classes"])
    if name == "multilabel":
        return MultiLabel(given["labels"])
    units = given.get("unit")
    units = units[0] if units is not None and len(units) == 1 else units
    return Regression(given["targets"], numbers["mean"], numbers["scale"], units)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _numbers(option: str, words: list[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError:
        raise InputError(f"--{option}", expected="numbers with commas between, as 12,24", got=",".join(words)) from None
