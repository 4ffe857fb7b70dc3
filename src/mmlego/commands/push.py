"""``mmlego push``: a checkpoint on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmlego.commands.arguments import AsJson
from mmlego.commands.show import answer, plain_warnings, say


def push(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A checkpoint, as RUN/blocks/rna or RUN/merge.")],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository; it is made if it is not there.")],
    licence: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the weights, as cc-by-4.0; without one nothing is sent.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", metavar="", help="A repository that is made is for its owner alone.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="NAME", help="A branch that is there; else the main one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send a checkpoint to the Hugging Face Hub: its configuration, card and weights, and nothing else.

    Say who you are with the environment variable HF_TOKEN, or hf auth login. mmlego inspect --privacy says beforehand
    what of it came from patients.
    """
    from mmlego.hub import push as pushed

    with plain_warnings():
        commit = pushed(path, repo, licence=licence, private=private, revision=revision)
    say(f"Sent. mmlego.load({repo!r}, revision={commit!r}) loads it.")
    answer({"repo": repo, "revision": commit}, wanted=as_json)
