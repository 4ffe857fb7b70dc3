"""``mmlego inspect --privacy``: what checkpoints hold of patients, and whether they can tell who trained them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmlego.anonymity import MIN_PATIENTS
from mmlego.commands.runs import checkpoints_of, load_model, read_cohort
from mmlego.commands.show import console, short
from mmlego.errors import InputError
from mmlego.run_folder import RunFolder, runs_of
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    from mmlego.anonymity import Kept
    from mmlego.job.membership import Membership

SHOWN = 2  # places of a kind of value, the others are in --json


def show_privacy(
    places: Sequence[Path], data: Path | None, folders: list[Path] | None, *, links: bool, out: Path | None
) -> dict[str, Any]:
    """Print what checkpoints hold of patients, flag what stands for too few; with data ask who trained them. Return it.

    Parameters
    ----------
    places
        Checkpoints, or run folders.
    data, folders, links
        The manifest of the run, and where its files lie; None: nobody is asked who trained them.
    out
        Where to write all of it; None: nowhere.
    """
    from mmlego.disclosure import flagged, kept_of
    from mmlego.files import write_atomically

    found = checkpoints_of(places, plates=True)
    kept = {short(place): kept_of(place) for place in found}
    told = {} if data is None else _memberships(found, data, folders, links=links)
    content = {
        place: {
            "values": [asdict(one) | {"flagged": flagged(one)} for one in values],
            "membership": asdict(told[place]) if place in told else None,
        }
        for place, values in kept.items()
    }
    if out is not None:
        write_atomically(out, json.dumps(content, indent=2) + "\n")
    show = console()
    for place, values in kept.items():
        show.print(_table(place, values))
        few = [one for one in values if flagged(one)]
        if few:
            show.print(f"For fewer than {MIN_PATIENTS} patients: {listed((_line(one) for one in few), 8)}.")
        else:
            show.print(f"Nothing that was counted stands for fewer than {MIN_PATIENTS} patients.")
        if place in told:
            show.print(_said(told[place]))
        show.print("")
    notes = dict.fromkeys(f"{one.what}: {one.note}." for values in kept.values() for one in values if one.note)
    for note in notes:
        show.print(note)
    for run in runs_of(found):
        if run.private.is_dir():
            show.print(f"{short(run.private)} stays at home: it names patients.")
        elif run.split.is_file():
            show.print(f"{short(run.split)} and {short(run.place / 'fits')} stay at home: they name patients.")
    return content


def _memberships(
    found: Sequence[Path], data: Path, folders: list[Path] | None, *, links: bool
) -> dict[str, Membership]:
    from mmlego.checkpoint_config import read_config
    from mmlego.job.membership import membership
    from mmlego.job.sources import split_of
    from mmlego.settings import read_settings

    cohort = read_cohort(data, folders, "telling who trained a model", links=links)
    runs = runs_of(found)
    split = split_of(runs, cohort)
    if split is None:
        raise InputError(
            "it is not known who trained these models",
            expected="models in a run of mmlego train on this very cohort, whose split is there",
            got=listed(map(short, found)),
            remedy="Leave --data out, or name the run folder and its manifest.",
        )
    who = split.named(cohort.patients)
    home: RunFolder = runs[0]
    seed = read_settings(home.settings).seed if home.settings.is_file() else 0
    models = {short(place): load_model(place) for place in found if read_config(place)["kind"] != "baseplate"}
    return {
        place: membership(model, cohort, who["train"], who["validation"], who["test"], seed=seed)
        for place, model in models.items()
    }


def _said(found: Membership) -> str:
    return (
        f"Can it tell who trained it? {found.verdict()} Of {counted(found.trained, 'patient')} that it was trained on "
        f"({found.whom}) and {found.others} held back, the one trained on has the smaller loss with probability "
        f"{found.auroc:.2f} [{found.low:.2f}, {found.high:.2f}] (0.5: chance)."
    )


def _line(one: Kept) -> str:
    return f"{one.where} ({one.what} {one.value}: {one.patients})"


def _table(place: str, values: Sequence[Kept]) -> Any:
    """Return a row for each kind of value: how many there are, the fewest patients one stands for, and some of them."""
    from rich import box
    from rich.table import Table

    table = Table(title=place, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False)
    table.pad_edge = False
    table.add_column("what came from patients", overflow="fold")
    table.add_column("values", justify="right")
    table.add_column("patients, at least", justify="right")
    table.add_column("such as", overflow="fold")
    groups: dict[str, list[Kept]] = {}
    for one in values:
        groups.setdefault(one.what, []).append(one)
    for what, those in groups.items():
        counts = [one.patients for one in those if one.patients is not None]
        fewest = str(min(counts)) if counts else "not counted"
        if counts and len(counts) < len(those):
            fewest += ", some not counted"
        some = listed(dict.fromkeys(f"{one.where.rsplit('.', 1)[-1]} {one.value}" for one in those), SHOWN)
        table.add_row(what, str(len(those)), fewest, some)
    return table
