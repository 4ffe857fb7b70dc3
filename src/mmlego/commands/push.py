"""``mmlego push``: a checkpoint on the Hugging Face Hub."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from mmlego.anonymity import MIN_PATIENTS
from mmlego.commands.arguments import AsJson
from mmlego.commands.show import answer, plain_warnings, say
from mmlego.errors import LegoWarning
from mmlego.wording import counted, listed


def push(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A checkpoint, as RUN/blocks/rna or RUN/merge.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository; it is made if it is not there.")],
    licence: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the weights, as cc-by-4.0; without one nothing is sent.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", metavar="", help="The repository is for its owner alone.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="NAME", help="A branch that is there; else the main one.")
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", metavar="", help="Replace a model of other blocks, or of another baseplate, too."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send a checkpoint to the Hugging Face Hub: its configuration, card and weights, and nothing else.

    Say who you are with the environment variable HF_TOKEN, or hf auth login. mmlego inspect --privacy says beforehand
    what of it came from patients.
    """
    from mmlego.disclosure import flagged, kept_of
    from mmlego.hub import push as pushed

    with plain_warnings():
        few = [kept for kept in kept_of(path) if flagged(kept)]
        if few:
            what = listed(dict.fromkeys(kept.what for kept in few))
            told = f"It holds {counted(len(few), 'value')} of fewer than {MIN_PATIENTS} patients: {what}. "
            warnings.warn(f"{told}mmlego inspect --privacy {path} lists them.", LegoWarning, stacklevel=1)
        commit = pushed(path, repo, licence=licence, private=private, revision=revision, overwrite=overwrite)
    say(f"Sent. mmlego.load({repo!r}, revision={commit!r}) loads it.")
    answer({"repo": repo, "revision": commit}, wanted=as_json)
