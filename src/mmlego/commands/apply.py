"""``mmlego predict``, ``evaluate`` and ``inspect``: models in use."""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmlego.anonymity import MIN_PATIENTS
from mmlego.commands.arguments import Aliases, AnswerFile, AsJson, Data, DataDir, Links, MissingColumns, aliases_of
from mmlego.commands.runs import checkpoints_of, load_model, read_cohort
from mmlego.commands.show import answer, console, metrics_table, plain_warnings, say, short
from mmlego.errors import InputError, LegoWarning
from mmlego.run_folder import runs_of
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data import Cohort, Split
    from mmlego.training.evaluate import Model


DIGITS = 4  # of predictions in files


class Part(StrEnum):
    """Which patients."""

    auto = "auto"
    all = "all"
    train = "train"
    validation = "validation"
    test = "test"


PartOption = Annotated[
    Part,
    typer.Option(metavar="PART", help="auto (held back by the run, if any, else all), all, train, validation, test."),
]
Models = Annotated[list[Path], typer.Argument(metavar="MODEL", help="Checkpoints, or a run folder.")]


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A checkpoint, as RUN/merge or RUN/blocks/rna.")],
    data: Data,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The file to write: .csv, .json, .parquet or .xlsx.")
    ],
    data_dir: DataDir = None,
    links: Links = False,
    part: Annotated[
        Part, typer.Option(metavar="PART", help="all, or of the run's split: train, validation, test.")
    ] = Part.all,
    times: Annotated[
        str | None, typer.Option(metavar="TIMES", help="When survival is asked for, in the model's unit: 12,24,60.")
    ] = None,
    level: Annotated[
        float, typer.Option(metavar="SHARE", help="Of intervals of classes and numbers: 0.5, 0.8, 0.9 or 0.95.")
    ] = 0.9,
    missing_columns: MissingColumns = 0.05,
    alias: Aliases = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", metavar="", help="Replace an earlier file there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Predict for the patients of a cohort, in the task's units, whatever modalities each of them has.

    Everybody has a row: who cannot be predicted for has a note that says why; odd values are marked, and who was
    trained on. Intervals and percentiles compare with patients who were held out when the model was made.
    """
    from mmlego.commands.tables import brief_table, check_place, plain_rows, refuse_data, write_table
    from mmlego.data import Cohort
    from mmlego.job.predicted_table import remembered
    from mmlego.job.predicting import MARKS, completed, predict_cohort, wanted_of

    check_place(out, overwrite=overwrite)
    refuse_data(out, data, data_dir)
    asked = None if times is None else _times_of(times)
    with plain_warnings():
        loaded = load_model(model)
        # Whoever has features is predicted for; of the parts of a run the patients with an outcome are those it split.
        reading = wanted_of([loaded], aliases=aliases_of(alias), everybody=part is Part.all)
        cohort = Cohort.from_manifest(data, folder=data_dir, links=links, wanted=reading)
        wanted, split = _patients(cohort, [model], part)
        cohort = completed(loaded, cohort, missing_columns=missing_columns)
        known = remembered(
            loaded,
            model,
            cohort,
            lambda how: Cohort.from_manifest(data, folder=data_dir, links=links, wanted=how),
            reading,
            missing_columns=missing_columns,
        )
        chosen = None if split is None else wanted
        frame = predict_cohort(loaded, cohort, chosen, times=asked, level=level, trained_on=known)
        write_table(frame, out, digits=DIGITS)
        lost = frame.index[frame["note"] != ""].tolist()
        if lost:
            why = Counter(frame.loc[lost, "note"]).most_common()
            text = "; ".join(f"{count}: {note}" for note, count in why)
            warnings.warn(
                f"No prediction for {len(lost)} of {len(frame)} patients ({listed(lost)}): {text}.",
                LegoWarning,
                stacklevel=2,
            )
        for name, what in (("outside", "values far from those of training"), ("unknown", "categories unknown to it")):
            odd = int((frame[name] != "").sum())
            if odd:
                warnings.warn(f"{counted(odd, 'patient')} with {what}: column {name}.", LegoWarning, stacklevel=2)
        mine = frame.index[frame["trained_on"] == "yes"]
        if len(mine) and part is not Part.train:
            told = f"The model was trained on {len(mine)} of {len(frame)} patients: what it says of them looks better "
            warnings.warn(f"{told}than it is (column trained_on).", LegoWarning, stacklevel=2)
        if untold := _uncompared(loaded, frame):
            say(f"No intervals: {untold}.")
    answers = list(frame.columns)[: list(frame.columns).index(MARKS[0])]
    show = console()
    show.print(brief_table(frame.loc[frame["note"] == "", answers], show.width))
    for note in cohort.dropped:
        if not note.patients:
            say(f"note: {note}")
    say(f"{len(frame)} patients in {short(out)}.")
    answer({"file": out, "predictions": plain_rows(frame, DIGITS)}, wanted=as_json)


def _uncompared(model: Model, frame: pd.DataFrame) -> str:
    """Return why predictions have no intervals, where they have none."""
    from mmlego.tasks.base import Task as Base

    task, held_out = model.task, model.card.held_out
    if not held_out and type(task).summary is Base.summary:
        return f"of {task.name.replace('_', ' ')} predictions are not compared with held-out patients"
    if not held_out:
        return "the card tells of no held-out patients (mmlego merge --data)"
    ends = {str(name): re.fullmatch(r"(.+)_low_\d+", str(name)) for name in frame}
    told = [name for name, end in ends.items() if end and end[1] in frame and frame[end[1]].notna().any()]
    if told and bool(frame[told].isna().all(axis=None)):
        return f"{counted(held_out['patients'], 'held-out patient')} are too few for them"
    return ""


def evaluate(
    models: Models,
    data: Data,
    data_dir: DataDir = None,
    links: Links = False,
    part: PartOption = Part.auto,
    missing_columns: MissingColumns = 0.05,
    alias: Aliases = None,
    times: Annotated[
        str | None,
        typer.Option(metavar="T,T", help="Of survival: when to compare with Kaplan-Meier, as 12,24,60; default: cuts."),
    ] = None,
    out: AnswerFile = None,
    as_json: AsJson = False,
) -> None:
    """Score models on a cohort with known outcome; of a run folder: its blocks, merge and fuse.

    Each model is scored on those patients who have a modality of it. Censoring is weighed by the training patients. Of
    survival, what is predicted is compared with Kaplan-Meier, of competing risks with Aalen-Johansen.
    """
    from mmlego.commands.horizons import calibration_of, calibration_table, times_of
    from mmlego.commands.memory import told, who_was_in
    from mmlego.commands.tables import check_json, refuse_data
    from mmlego.files import write_atomically
    from mmlego.job import data_of
    from mmlego.job.contradiction import doubt_on
    from mmlego.job.predicting import completed, wanted_of
    from mmlego.job.scoring import score_models
    from mmlego.merge.merging import Merging

    at = times_of(times)
    check_json(out)
    if out is not None:
        refuse_data(out, data, data_dir)
    with plain_warnings():
        loaded = {place: load_model(place) for place in checkpoints_of(models)}
        reading = wanted_of(loaded.values(), aliases=aliases_of(alias), everybody=False)
        cohort = read_cohort(data, data_dir, "scoring", links=links, wanted=reading)
        ids, split = _patients(cohort, models, part)
        trained_on = [] if split is None else [cohort.patients[row] for row in split.train]
        for model in loaded.values():
            cohort = completed(model, cohort, missing_columns=missing_columns)
        for model in loaded.values() if len(loaded) == 1 else ():
            data_of(model, cohort, ids)  # an error where one of several models has a line that says so
        named = {short(place): model for place, model in loaded.items()}
        found = score_models(named, cohort, ids, trained_on)
        scores = {name: {"patients": 0} if one is None else one.row() for name, one in found.items()}
        parts = {
            name: model.block(name)
            for model in loaded.values()
            if isinstance(model, Merging)
            for name, weight in zip(model.modalities, model.weights.tolist(), strict=True)
            if weight > 0
        }
        doubt_on(parts, cohort, ids)
        curves = calibration_of(named, found, at)
        was_in = who_was_in(loaded, cohort, found)
        warned, noted = told(was_in)
        for line in warned:
            warnings.warn(line, LegoWarning, stacklevel=2)
        said = "all patients" if split is None else f"{Part.test if part is Part.auto else part} part"
        few = [len(one.data) for one in found.values() if one is not None and len(one.data) < MIN_PATIENTS]
        if few:
            what = f"Scores of {counted(max(few), 'patient')} tell of each of them, and next to nothing of a model: "
            warnings.warn(f"{what}do not pass them on.", LegoWarning, stacklevel=2)
        made: dict[str, Any] = {"cohort": cohort.name, "part": said, "scores": _plain(scores), "trained_on": was_in}
        if curves:
            made["calibration"] = {name: [_plain(asdict(row)) for row in rows] for name, rows in curves.items()}
        if out is not None:
            write_atomically(out, json.dumps(made, indent=2) + "\n")
    title = f"{cohort.name}, {said}: {len(ids)} patients"
    if len(models) == 1 and list(loaded) != models:  # a run folder: its name once, for lines of 80 columns
        title = f"{short(models[0])} on {title}"
        within = f"{short(models[0])}/"
        scores = {name.removeprefix(within): row for name, row in scores.items()}
        named = {name.removeprefix(within): model for name, model in named.items()}
        curves = {name.removeprefix(within): rows for name, rows in curves.items()}
    show = console()
    show.print(metrics_table(title, "model", scores, show.width))
    if curves:
        show.print("")
        show.print(calibration_table(curves, named))
    for line in noted:
        say(f"note: {line}")
    answer(made, wanted=as_json)


def _plain(value: Any) -> Any:
    """Return what JSON can hold: for what is not defined, nothing."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and value != value else value


def _times_of(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise InputError("--times", expected="numbers with commas between, as 12,24,60", got=repr(text)) from None


def _patients(cohort: Cohort, models: list[Path], part: Part) -> tuple[list[str], Split | None]:
    """Return the patients of a part, and the split that it is of; None stands for all patients."""
    if part is Part.all:
        return list(cohort.patients), None
    runs = runs_of(models)
    if not runs:
        if part is not Part.auto:
            raise InputError(
                f"no split.json beside {models[0]}", expected="a model of mmlego train", got=f"--part {part}"
            )
        text = "No split.json beside the models: all patients are scored, also those that they were trained on, if any."
        warnings.warn(text, LegoWarning, stacklevel=3)
        return list(cohort.patients), None
    from mmlego.job.sources import split_of

    split = split_of(runs, cohort)
    if split is None:
        raise InputError(
            f"{short(runs[0].split)} was made for other patients",
            expected=f"those of {cohort.name}, as they are now",
            got="another list",
            remedy="Pass --part all if the models were not trained on these patients.",
        )
    wanted = Part.test if part is Part.auto else part
    rows = split.parts()[wanted.value].tolist()
    if not rows:
        raise InputError(f"the {wanted.value} part of {short(runs[0].split)} is empty", remedy="Pass --part all.")
    return [cohort.patients[row] for row in rows], split
