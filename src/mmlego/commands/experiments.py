"""``mmlego bench``: repeated splits by patient."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmlego.commands.arguments import (
    AsJson,
    Config,
    Data,
    DataDir,
    Links,
    Overrides,
    SameFeatures,
    Shared,
    count,
    share,
)
from mmlego.commands.show import answer, console, plain_warnings, say_written, stages
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
    config: Config = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Measure blocks, their logit ensemble, LegoMerge and LegoFuse over repeated splits by patient."""
    from mmlego.bench import Experiment, run_experiment
    from mmlego.bench.experiment import stages as stages_of
    from mmlego.bench.report import causes_table, table, write_report
    from mmlego.data import Cohort
    from mmlego.settings import read_settings

    show = console()
    with plain_warnings():
        settings = read_settings(config, overrides or [])
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
        with stages(folds * repeats * stages_of(cohort, rivals=rivals), cohort.name) as advance:
            results = run_experiment(cohort, experiment, out, advance=advance)
        files = write_report(results, out)
    show.print(table(results))
    if (causes := causes_table(results)) is not None:
        show.print("")
        show.print(causes)
    say_written([*files, RunFolder(out).results])
    answer({"results": RunFolder(out).results, "files": files}, wanted=as_json)
