"""``mmlego train``: a block for each modality, in a run folder, which ``run_folder.py`` describes."""

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
    NoProgress,
    Overrides,
    SameFeatures,
    Shared,
    Threads,
    Watched,
    WorkerCount,
)
from mmlego.commands.progress import training
from mmlego.commands.runs import read_cohort
from mmlego.commands.show import answer, console, metrics_table, plain_warnings, say, short
from mmlego.run_folder import RunFolder
from mmlego.wording import listed

SCORED = "Patients trained and validated on, and scores on the latter"


def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="The run folder.")],
    data_dir: DataDir = None,
    links: Links = False,
    modality: Annotated[
        list[str] | None,
        typer.Option(
            "--modality", "-m", metavar="NAME", help="Train this one's block (repeat for more; default: all)."
        ),
    ] = None,
    plate: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="A baseplate from another site; default: a new one, in RUN/plate."),
    ] = None,
    test: HeldBack = 0.2,
    validation: Watched = 0.2,
    shared_patients: Shared = False,
    duplicates: SameFeatures = "error",
    workers: WorkerCount = None,
    address: Address = None,
    threads: Threads = None,
    config: Config = None,
    overrides: Overrides = None,
    no_progress: NoProgress = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", metavar="", help="Train anew what is there; the split and the baseplate stay."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a block for each modality, apart, on one baseplate.

    Each block is trained on patients of its own unless --shared-patients is given. Run it again after an interruption
    to go on where it stopped; patients once held back in a run folder stay held back.
    """
    from mmlego.cells import Workers, in_manifest
    from mmlego.held_out import of_few
    from mmlego.job import train_blocks
    from mmlego.job.trained_on import keep_manifest
    from mmlego.settings import read_settings

    shown = not no_progress and not as_json
    at = None if workers is None and address is None else Workers(workers, address, threads)
    show = console()
    with plain_warnings():
        settings = read_settings(config, overrides or [])
        cohort = read_cohort(data, data_dir, "training", links=links, shown=shown)
        show.print(cohort.summary(), soft_wrap=True)
        with training(len(modality or cohort.modalities), "blocks", shown=shown, apart=at is not None) as (bars, watch):
            made = train_blocks(
                cohort,
                settings,
                modalities=modality,
                test=test,
                validation=validation,
                disjoint=not shared_patients,
                plate=plate,
                duplicates=duplicates,
                out=out,
                resume=not overwrite,
                progress=bars,
                advance=watch,
                workers=at,
                place=in_manifest(data, data_dir, links=links),
                watch=watch,
            )
        keep_manifest(RunFolder(out), data, data_dir)
    scores = {name: block.card.patients | block.card.validation for name, block in made.blocks.items()}
    show.print(metrics_table(SCORED, "block", scores, show.width))
    if few := of_few({name: block.card for name, block in made.blocks.items()}):
        say(few)
    fitted = [name for name, block in made.blocks.items() if block.card.recipe.get("scores") == "out of fold"]
    if fitted:
        say(f"Fitted to all of these patients and scored out of fold: {listed(fitted)}.")
    run = RunFolder(out)
    say(f"Blocks in {short(run.blocks)}, their baseplate in {short(run.plate)}.")
    cards = {
        name: {"path": run.block(name), "patients": block.card.patients, "validation": block.card.validation}
        for name, block in made.blocks.items()
    }
    answer({"run": out, "plate": run.plate, "blocks": cards}, wanted=as_json)
