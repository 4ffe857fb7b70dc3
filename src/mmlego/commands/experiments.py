"""``mmlego bench``: repeated splits by patient."""

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
    Links,
    Overrides,
    SameFeatures,
    Shared,
    Threads,
    WorkerCount,
    count,
    share,
)
from mmlego.commands.progress import along, phase
from mmlego.commands.show import answer, console, plain_warnings, say, say_written, short
from mmlego.errors import InputError
from mmlego.run_folder import RunFolder
from mmlego.sections import Repeated


def bench(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where results go; run again to go on.")],
    data_dir: DataDir = None,
    links: Links = False,
    folds: Annotated[int, typer.Option(callback=count("folds"), metavar="N", help="Folds, by patient.")] = 5,
    repeats: Annotated[int, typer.Option(callback=count("repeats"), metavar="N", help="How often to repeat them.")] = 3,
    validation: Annotated[
        float,
        typer.Option(
            metavar="SHARE", callback=share("validation", Repeated), help="Share that early stopping watches."
        ),
    ] = 0.2,
    shared_patients: Shared = False,
    duplicates: SameFeatures = "error",
    rivals: Annotated[
        bool,
        typer.Option("--rivals", metavar="", help="Measure dull and end-to-end models, too (mmlego[rivals])."),
    ] = False,
    workers: WorkerCount = None,
    address: Address = None,
    threads: Threads = None,
    split: Annotated[
        int | None,
        typer.Option("--split", min=1, metavar="K", help="Run this split alone, as a job of an array does."),
    ] = None,
    config: Config = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Measure blocks, their logit ensemble, LegoMerge and LegoFuse over repeated splits by patient.

    Splits run one after another; with --workers, or where Ray is there and more than two are left, side by side. What
    is done is not run again; what fails stops no other.
    """
    from mmlego.bench import Experiment, run_experiment, run_split
    from mmlego.bench.experiment import count_cells
    from mmlego.bench.report import causes_table, table, write_report
    from mmlego.cells import Workers, in_manifest
    from mmlego.data import Cohort
    from mmlego.settings import read_settings

    if split is not None and (workers is not None or address is not None):
        raise InputError("--split runs one split in this process", expected="--split alone", got="workers")
    at = Workers(workers, address, threads)
    show = console()
    with plain_warnings():
        settings = read_settings(config, overrides or [])
        with phase(f"reading {short(data)}"):
            cohort = Cohort.from_manifest(data, folder=data_dir, links=links)
        show.print(cohort.summary(), soft_wrap=True)
        experiment = Experiment(
            folds=folds,
            repeats=repeats,
            validation=validation,
            disjoint=not shared_patients,
            duplicates=duplicates,
            rivals=rivals,
            settings=settings,
        )
        cells = count_cells(experiment)
        if split is not None:
            with along(cells // (folds * repeats), cohort.name) as watch:
                left = run_split(cohort, experiment, out, split, watch=watch)
            rest = f"{left} of {folds * repeats} splits are to do" if left else "all splits are done"
            say(f"Split {split} is done; {rest}. Without --split the table is written.")
            answer({"split": split, "missing": left}, wanted=as_json)
            return
        place = in_manifest(data, data_dir, links=links)
        with along(cells, cohort.name) as watch:
            results = run_experiment(cohort, experiment, out, workers=at, place=place, watch=watch)
        files = write_report(results, out)
    show.print(table(results))
    if (causes := causes_table(results)) is not None:
        show.print("")
        show.print(causes)
    say_written([*files, RunFolder(out).results])
    answer({"results": RunFolder(out).results, "files": files}, wanted=as_json)
