"""``mmlego demo``: the main job on real data, from training to pictures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mmlego.commands.arguments import AsJson, Overrides, Shared, count
from mmlego.commands.progress import along
from mmlego.commands.show import answer, console, plain_warnings, say_written
from mmlego.run_folder import RunFolder

PAIRED = 0.1  # of the patients have everything, for models that are trained end to end


class DemoTask(StrEnum):
    """What the demo predicts."""

    survival = "survival"
    classification = "classification"


def demo(
    data: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="gse7390: breast cancer, genes and clinical (ships in a package); tcga: a file."
        ),
    ] = "gse7390",
    path: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The TCGA file, CSV or zipped CSV (with --data tcga).")
    ] = None,
    task: Annotated[
        DemoTask,
        typer.Option(
            metavar="NAME", help="survival; or classification: event within 5 years (gse7390) or 24 months (tcga)."
        ),
    ] = DemoTask.survival,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where table, pictures and models go.")
    ] = Path("runs/demo"),
    folds: Annotated[
        int, typer.Option(callback=count("folds"), metavar="N", help="Folds of the cross-validation, by patient.")
    ] = 5,
    repeats: Annotated[int, typer.Option(callback=count("repeats"), metavar="N", help="How often to repeat it.")] = 3,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of splits, weights and training.")] = 0,
    shared_patients: Shared = False,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Run the main job on real data: blocks trained on different patients, merged, fused, and measured.

    Prints the score of each block, of their logit ensemble, of LegoMerge and of LegoFuse on held-out patients, and what
    training end to end reaches if one patient in ten has everything; writes a table, a picture and the trained models.
    """
    from mmlego.bench import Experiment, run_experiment
    from mmlego.bench.experiment import count_cells
    from mmlego.bench.final import train_final
    from mmlego.bench.report import table, write_report
    from mmlego.datasets import load_dataset
    from mmlego.errors import InputError
    from mmlego.settings import read_settings

    if (data == "tcga") != (path is not None):
        raise InputError("--path goes with --data tcga", expected="both or neither", got=f"--data {data}")
    show = console()
    with plain_warnings():
        cohort = load_dataset(data, {"task": task.value} | ({} if path is None else {"path": path}))
        show.print(cohort.summary(), soft_wrap=True)
        settings = read_settings(overrides=[f"seed={seed}", *(overrides or [])])
        experiment = Experiment(
            folds=folds, repeats=repeats, disjoint=not shared_patients, paired=PAIRED, settings=settings
        )
        stages = len(cohort.modalities) + 2  # of the final models: a block a modality, merge, fuse
        with along(count_cells(experiment) + stages, cohort.name) as watch:
            results = run_experiment(cohort, experiment, out, watch=watch)
            final = out / "models"
            models = train_final(cohort, experiment, final, advance=lambda stage: watch(f"final models: {stage}"))
        files = write_report(results, out)
    show.print(table(results))
    say_written([*files, RunFolder(out).results, *models])
    answer({"results": RunFolder(out).results, "files": files, "models": models}, wanted=as_json)
