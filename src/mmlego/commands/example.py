"""``mmlego example``: the files of a small cohort, to try everything else on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmlego.commands.arguments import AsJson
from mmlego.commands.show import answer, console, plain_warnings, say, short


def example(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="gse7390: breast cancer, genes and clinical; synthetic: a table, series and bags, known signal.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the files go.")],
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of what is drawn (synthetic).")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write the files of a small cohort with its manifest, to try everything else on."""
    from mmlego.data import Cohort
    from mmlego.datasets import write_dataset

    with plain_warnings():
        manifest = write_dataset(name, out, seed)
        console().print(Cohort.from_manifest(manifest).summary(), soft_wrap=True)
    say(f"The manifest is {short(manifest)}.")
    answer({"manifest": manifest}, wanted=as_json)
