"""``mmlego report``: one page on a run, a model or an experiment."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mmlego.commands.arguments import Aliases, AsJson, DataDir, Links, MissingColumns, aliases_of
from mmlego.commands.show import answer, console, plain_warnings, say_written
from mmlego.run_folder import RunFolder


class Whom(StrEnum):
    """On whom performance is measured."""

    auto = "auto"
    all = "all"


def report(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|MODEL|BENCH", help="A run folder, a checkpoint, or results of mmlego bench.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The page, as report.html.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", "-d", metavar="FILE", help="The manifest; default: that which the run was trained on."),
    ] = None,
    data_dir: DataDir = None,
    links: Links = False,
    bench: Annotated[
        Path | None, typer.Option(metavar="BENCH", help="Results of mmlego bench to tell beside a run or a model.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Scores by this column of the cohort's tables, as a site.")
    ] = None,
    part: Annotated[
        Whom, typer.Option(metavar="PART", help="auto (held back by the run), or all: models of other patients.")
    ] = Whom.auto,
    patients: Annotated[
        str | None, typer.Option(metavar="IDS", help="Sections on these patients, as a,b; nobody else is named.")
    ] = None,
    features: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Tell which features moved N patients held out (40; 10 if slow; 0: none)."
        ),
    ] = None,
    missing_columns: MissingColumns = 0.05,
    alias: Aliases = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", metavar="", help="Replace an earlier report and its pictures there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a page on a run, a model or an experiment: who was in, how well, was merging worth it.

    It needs nothing else, no network and no script; its pictures lie beside it, too (PNG, SVG, PDF). Performance is
    that on patients held out. Nothing is trained.
    """
    from mmlego.bench import read_results
    from mmlego.bench.report import table
    from mmlego.reporting import make_report

    with plain_warnings():
        files = make_report(
            source,
            out,
            data=data,
            folders=data_dir,
            links=links,
            bench=bench,
            part=part.value,
            by=by,
            patients=[one.strip() for one in (patients or "").split(",") if one.strip()],
            features=features,
            missing_columns=missing_columns,
            aliases=aliases_of(alias),
            overwrite=overwrite,
        )
    measured = bench or (source if source.is_file() or RunFolder(source).results.is_file() else None)
    if measured is not None:
        console().print(table(read_results(measured)))
    say_written(files)
    answer({"files": files}, wanted=as_json)
