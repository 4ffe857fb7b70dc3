"""``mmlego inspect``: what checkpoints hold, and what would be built of them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmlego.commands.arguments import AnswerFile, AsJson, DataDir, Links
from mmlego.commands.privacy import show_privacy
from mmlego.commands.runs import checkpoints_of
from mmlego.commands.show import answer, console, plain_warnings, short
from mmlego.errors import CheckpointError, InputError
from mmlego.sites import by_modality
from mmlego.wording import brief, in_brief, listed, made_of, shortened

if TYPE_CHECKING:
    from mmlego.building import Part


def inspect(
    places: Annotated[list[Path], typer.Argument(metavar="MODEL", help="Checkpoints, or run folders.")],
    privacy: Annotated[
        bool,
        typer.Option("--privacy", metavar="", help="List what came from patients, and for how many each value stands."),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option("--data", "-d", metavar="MANIFEST", help="With --privacy: can a model tell who trained it?"),
    ] = None,
    data_dir: DataDir = None,
    links: Links = False,
    out: AnswerFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what checkpoints hold, what load would build of them, and whether they fit together; nothing is built.

    Of the file of weights the shapes are read. What load would refuse is told, and is an error.
    """
    from mmlego.commands.tables import check_json

    check_json(out)
    if privacy:
        with plain_warnings():
            told = show_privacy(places, data, data_dir, links=links, out=out)
        answer(told, wanted=as_json)
        return
    if data is not None:
        raise InputError("--data is for inspect --privacy", expected="--privacy with it", got="--data alone")
    from rich.table import Table

    from mmlego.checkpoint_config import CONFIG
    from mmlego.checkpoint_header import WEIGHTS
    from mmlego.files import write_atomically
    from mmlego.steady import steady

    found = checkpoints_of(places, plates=True)
    configs: dict[str, dict[str, Any]] = {}
    parts: dict[str, list[Part]] = {}
    with plain_warnings():
        for folder in found:
            configs[short(folder)], parts[short(folder)] = steady(folder, (CONFIG, WEIGHTS), partial(_read, folder))
    told = {place: {**config, "builds": [part.plain() for part in parts[place]]} for place, config in configs.items()}
    if out is not None:
        write_atomically(out, json.dumps(told, indent=2) + "\n")
    show = console()
    for place, config in configs.items():
        table = Table(box=None, show_header=False, title=place, title_justify="left", title_style="bold")
        for name, value in _described(config).items():
            table.add_row(f"  {name}", value)
        for number, part in enumerate(parts[place]):
            table.add_row("" if number else "  builds", _built(part))
        show.print(table)
    blocks = [config for config in configs.values() if config["kind"] == "block"]
    if len(blocks) > 1:
        show.print(_whether_they_merge(blocks))
    answer(told, wanted=as_json)
    refused = [(place, part) for place, some in parts.items() for part in some if part.refused]
    if refused:
        place, part = refused[0]
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise CheckpointError(f"load refuses {place}: the {part.what} of {part.place}{more}", got=part.refused)


def _read(place: Path) -> tuple[dict[str, Any], list[Part]]:
    from mmlego.building import parts_of
    from mmlego.checkpoint_config import read_config

    config = read_config(place)
    return config, parts_of(place, config)


def _built(part: Part) -> str:
    """Return a line on what would be built: its class, where that comes from, arguments, size."""
    given = ", ".join(f"{name}={brief(value)}" for name, value in part.arguments.items())
    whose = "" if part.of == "mmlego" else f", of {part.of}"
    size = "" if part.numbers is None else f", {part.numbers:,} parameters"
    refused = f"; REFUSED: {part.refused}" if part.refused else ""
    made_by = part.made_by.removeprefix("mmlego.") or part.name
    return f"{part.place} {part.what}: {made_by}({shortened(given, 400)}){whose}{size}{refused}"


def _whether_they_merge(blocks: list[dict[str, Any]]) -> str:
    plates = [block["plates"][0] for block in blocks]
    other = next((plate for plate in plates if plate["fingerprint"] != plates[0]["fingerprint"]), None)
    if other is not None:
        return f"These blocks stand on different baseplates ({'; '.join(_differences(plates[0], other))}): no merge."
    names = [block["blocks"][0]["modality"] for block in blocks]
    several = [name for name, blocks in by_modality(names).items() if len(blocks) > 1 or names.count(name) > 1]
    condition = f"; those of {listed(several)} count as one modality" if several else ""
    return f"These blocks stand on one baseplate: they merge{condition}."


def _differences(first: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return in which fields two baseplates differ, as far as their configurations say."""
    from mmlego.tasks import task_from_config

    mine, theirs = first["config"], other["config"]
    lines = task_from_config(mine["task"]).differences(task_from_config(theirs["task"]))
    fields = [name for name in mine if name not in ("task", "seed") and mine[name] != theirs[name]]
    return [f"task.{line}" for line in lines] + [f"{n}: {mine[n]} ≠ {theirs[n]}" for n in fields] or ["initial values"]


def _described(config: dict[str, Any]) -> dict[str, str]:
    from mmlego.card import card_of, marked

    plate = config["plates"][0]["config"]
    task = plate["task"]
    blocks = config.get("blocks", [])
    card = config.get("card") or (blocks[0]["card"] if blocks else {})
    scores = ", ".join(f"{name} {value:.3f}" for name, value in card.get("validation", {}).items())
    encoders = [f"{block['modality']} ({made_of(block)})" for block in blocks]
    said = [f"{key} {in_brief(value)}" for key, value in task.items() if key != "name" and value is not None]
    lines = {
        "kind": config["kind"],
        "task": ", ".join([task["name"], *said]),
        "modalities": ", ".join(encoders),
        "latent": f"{plate['channels']} × {plate['width']}, {plate['steps']} steps",
        "baseplate": ", ".join(p["fingerprint"][:12] for p in config["plates"]),
        "patients": ", ".join(f"{count} {part}" for part, count in card.get("patients", {}).items()),
        "validation": marked(scores, card_of(config)),
        "weights": _weights_of(config, card),
        "across": str(card.get("recipe", {}).get("across", "")),
        "data": card.get("data", ""),
        "written by": f"mmlego {config['mmlego']}",
    }
    return {name: value for name, value in lines.items() if value}


def _weights_of(config: dict[str, Any], card: dict[str, Any]) -> str:
    """Return what each modality of a merge or fuse counts, and how that came about where its card says so."""
    values = config.get("options", {}).get("weights")
    names = [block["modality"] for block in config.get("blocks", [])]
    if not isinstance(values, list) or len(values) != len(names):
        return ""
    shares = ", ".join(f"{name} {value:.2f}" for name, value in zip(names, values, strict=True))
    why = card.get("recipe", {}).get("weights", "")
    return f"{shares} ({why})" if why else shares
