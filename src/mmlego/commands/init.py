"""``mmlego init``: a first manifest for files that nobody has described."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmlego.commands.arguments import AsJson
from mmlego.commands.show import answer, in_options, say, short
from mmlego.errors import InputError


def init(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Tables, matrices, archives, folders of files of patients.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The manifest to write, YAML.")],
    key: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The column of patient ids; default: the one that tells rows apart."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", metavar="", help="Replace a manifest there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at files and write a first manifest, with comments on what is doubtful.

    What is predicted is suggested in a comment and never chosen. Then mmlego check says what is wrong.
    """
    from mmlego.data import check_manifest, draft_manifest
    from mmlego.files import write_atomically

    if out.exists() and not overwrite:
        raise InputError(f"there is a manifest {out}", remedy="Pass overwrite=True to replace it.")
    if not out.parent.is_dir():
        raise InputError(f"there is no folder {out.parent}", remedy="Make it, or name another file with --out.")
    text = draft_manifest(files, out.parent, key)
    write_atomically(out, text)
    say(text)
    report = check_manifest(out)
    lines = [*(f"doubtful: {line}" for line in report.doubtful), *(f"to mend: {line}" for line in report.wrong)]
    say(*map(in_options, lines))
    say(f"Written: {short(out)}. Fill in the outcome, then mmlego check {short(out)}")
    answer({"manifest": out, "doubtful": report.doubtful, "to_mend": report.wrong}, wanted=as_json)
