"""``mmlego check``: all that is wrong with a manifest, its files and splits of its patients, without training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmlego.commands.arguments import AsJson, DataDir, Links, SameFeatures
from mmlego.commands.show import answer, in_options, say
from mmlego.wording import told_together

if TYPE_CHECKING:
    from mmlego.data import Report


def check(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="The cohort's manifest, YAML.")],
    splits: Annotated[
        list[Path] | None,
        typer.Option("--splits", metavar="FILE", help="Splits of its patients, CSV or JSON (repeat for more)."),
    ] = None,
    data_dir: DataDir = None,
    links: Links = False,
    duplicates: SameFeatures = "error",
    as_json: AsJson = False,
) -> None:
    """Say all that is wrong with a cohort at once, leakage included, without training.

    The exit code is 1 where something is wrong. What is merely doubtful is told, too.
    """
    from mmlego.data import check_manifest

    report = check_manifest(manifest, splits=splits or [], folder=data_dir, links=links, same=duplicates)
    if not as_json:
        _show(report)
    answer(_plain(report), wanted=as_json)
    if not report.ok:
        raise typer.Exit(1)


def _show(report: Report) -> None:
    sections = [] if report.cohort is None else ["outcome", *report.cohort.sources]
    doubtful, wrong = (told_together(lines, sections) for lines in (report.doubtful, report.wrong))
    if report.cohort is not None:
        doubts = {f"note: {text}" for text in doubtful}  # which are told below
        say(*(line for line in report.cohort.summary().split("\n") if line not in doubts))
        for modality, columns in report.taken.items():
            if list(columns) == ["*"]:
                continue  # the summary said it
            say("", f"{modality}: what each column was taken for")
            say(*(f"  {name}: {text}" for name, text in columns.items()))
    for name, sizes in report.splits.items():
        say(f"split {name}: " + ", ".join(f"{part} {size}" for part, size in sizes.items()))
    if report.cohort is not None:
        say("")
    lines = [*(f"doubtful: {text}" for text in doubtful), *(f"wrong: {text}" for text in wrong)]
    say(*map(in_options, lines))
    count = len(wrong)
    say("Nothing is wrong." if report.ok else f"{count} thing{'s are' if count > 1 else ' is'} wrong.")


def _plain(report: Report) -> dict[str, object]:
    cohort = report.cohort
    modalities = {} if cohort is None else {
        name: {
            "kind": cohort.sources[name].kind,
            "patients": len(frame),
            "columns": cohort.sources[name].width(frame),
            "taken": report.taken.get(name, {}),
        }
        for name, frame in cohort.frames.items()
    }  # fmt: skip
    return {
        "ok": report.ok,
        "wrong": report.wrong,
        "doubtful": report.doubtful,
        "patients": 0 if cohort is None else len(cohort),
        "modalities": modalities,
        "dropped": [] if cohort is None else [str(note) for note in cohort.dropped],
        "splits": report.splits,
    }
