"""``mmlego predict``, ``evaluate`` and ``inspect``: models in use."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmlego.commands.arguments import Data
from mmlego.commands.make import read_split
from mmlego.commands.show import console, metrics_table, plain_warnings, short

if TYPE_CHECKING:
    from mmlego.data import Cohort


class Part(StrEnum):
    """Which patients."""

    auto = "auto"
    all = "all"
    train = "train"
    validation = "validation"
    test = "test"


PartOption = Annotated[
    Part, typer.Option(help="Which patients; auto: the held-back ones if the run has a split.json, else all.")
]
Models = Annotated[list[Path], typer.Argument(help="Checkpoints, or a run folder.")]


def predict(
    model: Annotated[Path, typer.Argument(help="A checkpoint.")],
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", help="The CSV file to write.")],
    part: Annotated[Part, typer.Option(help="Which patients, by the run's split.json.")] = Part.all,
) -> None:
    """Predict for the patients of a cohort, in the task's units, whatever modalities each of them has."""
    from mmlego.bench.job import data_of
    from mmlego.checkpoint import load
    from mmlego.data import Cohort
    from mmlego.files import write_atomically
    from mmlego.training import predict as predict_all

    with plain_warnings():
        cohort = Cohort.from_manifest(data)
        loaded = load(model)
        patients = data_of(loaded, cohort, _patients(cohort, [model], part)[0])
        frame = predict_all(loaded, patients).frame(patients.patients)
        first = _head(frame)
        for name, here in patients.present.items():
            frame[f"has_{name}"] = here.numpy()
        write_atomically(out, frame.to_csv())
    show = console()
    show.print(first)
    show.print(f"{len(frame)} patients in {short(out)}.", highlight=False)


def evaluate(
    models: Models,
    data: Data,
    part: PartOption = Part.auto,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the numbers here, too.")] = None,
) -> None:
    """Score models on a cohort with known outcome; of a run folder: its blocks, merge and fuse."""
    from mmlego.bench.job import data_of
    from mmlego.checkpoint import load
    from mmlego.data import Cohort
    from mmlego.files import write_atomically
    from mmlego.training import evaluate as evaluate_all

    with plain_warnings():
        cohort = Cohort.from_manifest(data)
        ids, said = _patients(cohort, models, part)
        scores = {}
        for place in _expand(models):
            loaded = load(place)
            scores[short(place)] = evaluate_all(loaded, data_of(loaded, cohort, ids))
        if json_file is not None:
            plain = {m: {k: None if v != v else v for k, v in row.items()} for m, row in scores.items()}
            write_atomically(json_file, json.dumps({"part": said, "scores": plain}, indent=2) + "\n")
    console().print(metrics_table(f"{cohort.name}, {said}: {len(ids)} patients", scores))


def inspect(
    places: Annotated[list[Path], typer.Argument(help="Checkpoints, or run folders.")],
) -> None:
    """Say what checkpoints hold, and whether they fit together; weights are not read."""
    from rich.table import Table

    from mmlego.checkpoint import read_config

    configs = {short(place): read_config(place) for place in _expand(places, everything=True)}
    show = console()
    for place, config in configs.items():
        table = Table(box=None, show_header=False, title=place, title_justify="left", title_style="bold")
        for name, value in _described(config).items():
            table.add_row(f"  {name}", value)
        show.print(table, highlight=False)
    blocks = {place: config for place, config in configs.items() if config["kind"] == "block"}
    prints = {plate["fingerprint"] for config in blocks.values() for plate in config["plates"]}
    if len(blocks) > 1:
        show.print(
            "These blocks stand on one baseplate: they merge."
            if len(prints) == 1
            else f"These blocks stand on {len(prints)} baseplates: they do not merge.",
            highlight=False,
        )


def _head(frame: Any) -> Any:
    """Return the first lines of a frame as a table."""
    from rich.table import Table

    table = Table()
    for name in (frame.index.name or "patient", *frame.columns):
        table.add_column(str(name), justify="right", overflow="fold")
    for patient, values in frame.head(5).iterrows():
        table.add_row(str(patient), *(_brief(value) for value in values.tolist()))
    return table


def _described(config: dict[str, Any]) -> dict[str, str]:
    plate = config["plates"][0]["config"]
    task = plate["task"]
    blocks = config.get("blocks", [])
    card = config.get("card") or (blocks[0]["card"] if blocks else {})
    scores = ", ".join(f"{name} {value:.3f}" for name, value in card.get("validation", {}).items())
    encoders = [f"{b['modality']} ({b['encoder'].get('name') or b['encoder'].get('foreign')})" for b in blocks]
    lines = {
        "kind": config["kind"],
        "task": ", ".join(f"{key} {_brief(value)}" if key != "name" else str(value) for key, value in task.items()),
        "modalities": ", ".join(encoders),
        "latent": f"{plate['channels']} × {plate['width']}, {plate['steps']} steps",
        "baseplate": ", ".join(p["fingerprint"][:12] for p in config["plates"]),
        "validation": scores,
        "data": card.get("data", ""),
        "written by": f"mmlego {config['mmlego']}",
    }
    return {name: value for name, value in lines.items() if value}


def _brief(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_brief(item) for item in value) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _expand(places: list[Path], *, everything: bool = False) -> list[Path]:
    """Return the checkpoints of run folders, and checkpoints as they are."""
    found: list[Path] = []
    for place in places:
        if (place / "config.json").is_file() or not (place / "blocks").is_dir():
            found.append(place)
            continue
        found += [place / "plate"] if everything and (place / "plate").is_dir() else []
        found += sorted(path for path in (place / "blocks").iterdir() if path.is_dir())
        found += [place / name for name in ("merge", "fuse") if (place / name).is_dir()]
    return found


def _patients(cohort: Cohort, models: list[Path], part: Part) -> tuple[list[str], str]:
    """Return the patients of a part, and how to call them; the split lies in the run folder of the models."""
    from mmlego.errors import InputError

    above = [folder for place in models for folder in (place, place.parent, place.parent.parent)]
    run = next((folder for folder in above if (folder / "split.json").is_file()), None)
    if part is Part.all or (part is Part.auto and run is None):
        return list(cohort.patients), "all patients"
    if run is None:
        raise InputError(f"no split.json beside {models[0]}", expected="a model of mmlego train", got=f"--part {part}")
    split = read_split(run, cohort)
    wanted = Part.test if part is Part.auto else part
    rows = split.parts()[wanted.value].tolist()
    if not rows:
        raise InputError(f"the {wanted.value} part of {run / 'split.json'} is empty", remedy="Pass --part all.")
    return [cohort.patients[row] for row in rows], f"{wanted.value} part"
