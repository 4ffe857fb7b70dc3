"""``mmlego explain``: what moved the predictions of a model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmlego.commands.apply import Part
from mmlego.commands.arguments import Aliases, AsJson, Data, DataDir, Links, MissingColumns, aliases_of
from mmlego.commands.runs import load_model
from mmlego.commands.show import answer, console, plain_warnings, say, short
from mmlego.errors import InputError, LegoWarning
from mmlego.run_folder import runs_of
from mmlego.wording import counted
from mmlego.wording import listed as listed_names

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data import Cohort
    from mmlego.explaining import Explanation
    from mmlego.tasks import Task
    from mmlego.training.evaluate import Model


LISTED, SHOWN = 200, 20  # features a patient in tables, and on the screen and in pictures


def explain(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A checkpoint, as RUN/merge or RUN/blocks/rna.")],
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where tables and pictures go.")],
    data_dir: DataDir = None,
    links: Links = False,
    part: Annotated[
        Part, typer.Option(metavar="PART", help="all, or of the run's split: train, validation, test.")
    ] = Part.all,
    patients: Annotated[
        list[str] | None, typer.Option("--patients", metavar="A,B", help="Whom to explain (repeat for more).")
    ] = None,
    modality: Annotated[
        list[str] | None, typer.Option("--modality", metavar="NAME", help="Within which to look (repeat); else all.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", metavar="NAME", help="Which class, label or target; see docs/explain.md.")
    ] = None,
    top: Annotated[
        str | None,
        typer.Option(
            "--top", metavar="N|all", help="Features of a patient that are listed; else 200, and 20 are shown."
        ),
    ] = None,
    patch_size: Annotated[
        float | None, typer.Option("--patch-size", metavar="PIXELS", help="Of patches, in pixels of their coordinates.")
    ] = None,
    missing_columns: MissingColumns = 0.05,
    alias: Aliases = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", metavar="", help="Replace an earlier explanation there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what moved the predictions of a model: which modalities, and what in them.

    All patients of the cohort are those beside whose average some modalities are explained; choose with --patients or
    --part who is.
    """
    from mmlego.data import Cohort
    from mmlego.explaining.explain import explain as explained
    from mmlego.explaining.features import patients_of
    from mmlego.explaining.writing import is_explanation, write_explanation
    from mmlego.files import folder_atomically
    from mmlego.job.predicting import completed, wanted_of

    listed, shown = _tops(top)
    if patch_size is not None and not patch_size > 0:
        raise InputError("--patch-size is no size", expected="pixels > 0", got=patch_size)
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not (overwrite and is_explanation(out)):
        what = "holds more than an explanation" if overwrite else "is there already"
        remedy = "Choose another place with --out" + ("." if overwrite else ", or pass --overwrite.")
        raise InputError(f"{short(out)} {what}", remedy=remedy)
    with plain_warnings():
        loaded = load_model(model)
        reading = wanted_of([loaded], aliases=aliases_of(alias), everybody=part is Part.all)
        cohort = completed(
            loaded,
            Cohort.from_manifest(data, folder=data_dir, links=links, wanted=reading),
            missing_columns=missing_columns,
        )
        asked = _asked(patients)
        wanted = asked or _of_part(cohort, model, part)
        having = set(patients_of(loaded, cohort).patients)
        if not asked:
            lost = [patient for patient in wanted if patient not in having]
            wanted = [patient for patient in wanted if patient in having]
            if lost:
                text = f"{counted(len(lost), 'patient')} without a modality of the model, not explained."
                warnings.warn(text, LegoWarning, stacklevel=2)
        found = explained(loaded, cohort, patients=wanted, modalities=modality, output=output, top=listed)
        score = _score(loaded, cohort, wanted) if not asked else None
        with folder_atomically(out, overwrite=overwrite, ours=is_explanation, what="an explanation") as fresh:
            write_explanation(found, fresh, score=score, top=shown, size=patch_size)
    _show(found, score, shown)
    _tell_others(loaded.task, output, found, listed)
    say(f"{counted(len(wanted), 'patient')} explained in {short(out)}.")
    files = sorted(path for path in out.rglob("*") if path.is_file())
    answer({"folder": out, "patients": wanted, "files": files}, wanted=as_json)


def _tops(top: str | None) -> tuple[int | None, int]:
    """Return how many features of a patient are listed, None for all, and how many are shown."""
    if top is None or top == "all":
        return (LISTED if top is None else None), SHOWN
    if not top.isascii() or not top.isdigit() or int(top) < 1:
        raise InputError("--top is no number of features", expected="a number ≥ 1, or all", got=repr(top))
    return int(top), int(top)


def _tell_others(task: Task, output: str | None, found: Explanation, listed: int | None) -> None:
    """Say what else could be explained, and what is not listed."""
    from mmlego.tasks import CompetingRisks

    if isinstance(task, CompetingRisks) and output is None:
        say(f"Explained is of each patient the likeliest cause; --output explains one of {listed_names(task.causes)}.")
    for name, features in found.features.items():
        if features.most:
            places = " (pictures have all)" if features.patches else ""
            text = f"{name}: features.csv lists the {listed} largest of up to {features.most:,} features a patient and"
            say(f"{text} the sum of the others{places}; --top all lists all.")


def _asked(patients: list[str] | None) -> list[str]:
    return [name.strip() for text in patients or [] for name in text.split(",") if name.strip()]


def _of_part(cohort: Cohort, model: Path, part: Part) -> list[str]:
    """Return the patients of a part of the run's split."""
    if part in (Part.all, Part.auto):
        return list(cohort.patients)
    runs = runs_of([model])
    from mmlego.job.sources import split_of

    split = split_of(runs, cohort) if runs else None
    if split is None:
        raise InputError(
            f"no split of these patients beside {short(model)}",
            expected="a model of mmlego train, and its cohort",
            got=f"--part {part}",
            remedy="Pass --part all, or --patients.",
        )
    rows = split.parts()[part.value].tolist()
    if not rows:
        raise InputError(f"the {part} part of {short(runs[0].split)} is empty", remedy="Pass --part all.")
    return [cohort.patients[row] for row in rows]


def _score(model: Model, cohort: Cohort, patients: list[str]) -> pd.Series | None:
    """Return what modalities add to the score, where there is an outcome and it tells."""
    from mmlego.explaining import score_values
    from mmlego.job import data_of
    from mmlego.sites import by_modality

    if cohort.outcome is None or len(by_modality(model.modalities)) < 2:
        return None
    known = cohort.outcome.index[cohort.outcome.notna().all(axis=1)]
    scored = [patient for patient in patients if patient in set(known)]
    try:
        return score_values(model, data_of(model, cohort, scored)) if scored else None
    except InputError as error:
        warnings.warn(f"What modalities add to the score is not told: {error}", LegoWarning, stacklevel=2)
        return None


def _show(found: Explanation, score: pd.Series | None, top: int) -> None:
    from rich.table import Table

    from mmlego.explaining.writing import summary_of

    told = found.modalities
    outputs = sorted(set(told.outputs))
    what = f" {outputs[0]}" if len(outputs) == 1 and "risk" not in outputs else ""
    table = Table(title=f"What modalities moved ({told.scale}{what})", title_justify="left", box=None)
    for name in ("modality", "mean size", "mean", *(["of the score"] if score is not None else [])):
        table.add_column(name, justify="left" if name == "modality" else "right")
    for name in told.mean_size.index.astype(str):
        cells = [name, f"{told.mean_size[name]:.3g}", f"{told.per_patient[name].mean():.3g}"]
        table.add_row(*cells, *([f"{score[name]:.3f}"] if score is not None else []))
    console().print(table)
    if score is not None:
        told_of = score.attrs
        say(f"{told_of['metric']} {told_of['score']:.3f} with all of them, {told_of['chance']:g} by chance.")
    _show_features(summary_of(found), top)
    for name, features in found.features.items():
        moved = (features.sums["prediction"] - features.sums["base"]).abs().mean()
        text = f"{name}: attributions lack at most {features.sums['error'].abs().max():.2g} of what they should sum to"
        say(f"{text} ({moved:.2g} on average).")
        if not features.sums["exact"].all():
            say(f"{name}: a model that can only be asked shares out by 32 orders of its columns: estimates.")


def _show_features(summary: Any, top: int) -> None:
    from rich.table import Table

    if not len(summary):
        return
    largest = summary.sort_values("mean_size", ascending=False, kind="stable").head(top)
    table = Table(title=f"Within modalities, {len(largest)} of {len(summary)} features", title_justify="left", box=None)
    for name in ("modality", "feature", "mean size", "mean"):
        table.add_column(name, justify="right" if name.startswith("mean") else "left", overflow="fold")
    for row in largest.itertuples():
        table.add_row(row.modality, row.feature, f"{row.mean_size:.3g}", f"{row.mean:.3g}")
    console().print(table)
