"""``mmlego tune``: what each modality's block is made of, chosen within the training part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmlego.commands.arguments import (
    Address,
    AsJson,
    Config,
    Data,
    DataDir,
    HeldBack,
    Links,
    Overrides,
    SameFeatures,
    Shared,
    Threads,
    Watched,
    WorkerCount,
    count,
)
from mmlego.commands.progress import along
from mmlego.commands.runs import read_cohort
from mmlego.commands.show import answer, console, metrics_table, plain_warnings, say, say_written, short

_MINUTE = 60


def tune(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="The run folder; run again to go on.")],
    data_dir: DataDir = None,
    links: Links = False,
    modality: Annotated[
        list[str] | None,
        typer.Option("--modality", "-m", metavar="NAME", help="Tune this one (repeat for more; default: all)."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Try this encoder or learner (repeat; default: as the settings say)."),
    ] = None,
    space: Annotated[
        Path | None, typer.Option("--space", metavar="FILE", help="What to try, YAML (docs/command-line.md).")
    ] = None,
    trials: Annotated[
        int, typer.Option(min=1, metavar="N", help="Trials of each method that has something to choose.")
    ] = 20,
    budget: Annotated[
        float | None,
        typer.Option(metavar="MINUTES", help="Begin no trial of a method after so many minutes of its trials."),
    ] = None,
    folds: Annotated[
        int, typer.Option(callback=count("folds"), metavar="N", help="Folds within the training part.")
    ] = 3,
    test: HeldBack = 0.2,
    validation: Watched = 0.2,
    shared_patients: Shared = False,
    duplicates: SameFeatures = "error",
    workers: WorkerCount = None,
    address: Address = None,
    threads: Threads = None,
    config: Config = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Choose what each modality's block is made of, by cross-validation within its training patients.

    Patients who validate or are held back have no part in it. It writes RUN/tuned.yaml, which train takes as --config.
    """
    from mmlego.cells import Workers, in_manifest
    from mmlego.search import tune as search
    from mmlego.search.checks import read_space
    from mmlego.search.tune import SETTINGS, TABLE
    from mmlego.settings import read_settings

    at = Workers(workers, address, threads)
    show = console()
    with plain_warnings():
        settings = read_settings(config, overrides or [])
        asked = None if space is None else read_space(space)
        cohort = read_cohort(data, data_dir, "tuning", links=links, shown=not as_json)
        show.print(cohort.summary(), soft_wrap=True)
        with along(0, "tuning") as watch:
            found = search(
                cohort,
                settings,
                out=out,
                modalities=modality,
                methods=method,
                space=asked,
                trials=trials,
                budget=None if budget is None else budget * _MINUTE,
                folds=folds,
                test=test,
                validation=validation,
                disjoint=not shared_patients,
                duplicates=duplicates,
                workers=at,
                place=in_manifest(data, data_dir, links=links),
                watch=watch,
            )
    rows: dict[str, dict[str, float]] = {}
    for (name, kind), some in found.table().groupby(["modality", "method"], sort=False):
        scores = some[found.metric]
        mark = " (chosen)" if some["best"].any() else ""
        rows[f"{name}: {kind}{mark}"] = {
            "trials": len(some),
            "as it was": float(scores.iloc[0]),
            "best": float(scores.max() if found.higher else scores.min()),
            "failed": int(scores.isna().sum()),
        }
    title = f"{found.metric} by {folds} folds within the training patients: the best of many, and so too good"
    show.print(metrics_table(title, "modality: method", rows, show.width))
    settings_file, table = out / SETTINGS, out / TABLE
    say_written([settings_file, table])
    say(f"Train with it: mmlego train -d {short(data)} -o {short(out)} -c {short(settings_file)}")
    best = {
        name: {"method": one.method, found.metric: one.score, "standard_error": one.error, "tried": dict(one.tried)}
        for name, one in found.best.items()
    }
    answer({"settings": settings_file, "trials": table, "metric": found.metric, "best": best}, wanted=as_json)
