"""Blocks side by side: each is a cell, trained by a worker that leaves it in the run folder."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmlego.baseplate import Baseplate
from mmlego.brick import Brick
from mmlego.cells import Cell, CellFolder, Watch, Workers, cohort_of, keep_cohort, run_cells, versions
from mmlego.checkpoint import load, save
from mmlego.data import Cohort
from mmlego.errors import InputError
from mmlego.fingerprint import hash_cohort
from mmlego.job.begin import load_plate
from mmlego.job.blocks import Part
from mmlego.job.one_block import train_block
from mmlego.run_folder import RunFolder
from mmlego.settings import Settings


def fit_side_by_side(
    cohort: Cohort,
    plate: Baseplate,
    parts: Mapping[str, Part],
    settings: Settings,
    *,
    seed: int,
    run: RunFolder,
    workers: Workers,
    resume: bool = True,
    place: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
) -> dict[str, Brick]:
    """Train a block a modality, several at a time; each comes out as from :func:`mmlego.job.fit_blocks`.

    Parameters
    ----------
    cohort, plate, parts, settings, seed
        As ``fit_blocks`` takes them; the baseplate is the one in the run folder.
    run
        Where blocks and the state of each fit go.
    workers
        How many at a time, and where.
    resume
        Whether blocks that are there, as these workers left them, are taken as done.
    place
        Where the cohort lies, for workers of other processes.
    watch
        Told how the blocks come along.

    Returns
    -------
    dict of str to Brick
        By modality, in the cohort's order, read from the run folder.

    Raises
    ------
    CellsFailed, CellFault
        If some could not be trained, after all others are done.
    """
    cells = {
        name: _cell(cohort, plate, name, parts[name], settings, seed + i, place)
        for i, name in enumerate(cohort.modalities)
        if name in parts
    }
    folder = CellFolder(run.cells)
    for name, cell in cells.items():
        known = folder.result(cell)
        if known.is_file() and not (resume and folder.read(cell).get("files") == _sums(run.block(name))):
            known.unlink()
    train = functools.partial(run_block, run=str(run.place.absolute()), resume=resume)
    run_cells(list(cells.values()), train, run.cells, workers=workers, watch=watch)
    found: dict[str, Brick] = {}
    for name in cells:
        block = load(run.block(name))
        if not isinstance(block, Brick):
            raise InputError(f"{run.block(name)} holds no block", expected="a block", got=type(block).__name__)
        found[name] = block
    return found


def run_block(cell: Cell, *, run: str, resume: bool) -> dict[str, Any]:
    """Train a block and leave it in the run folder.

    Parameters
    ----------
    cell
        Of :func:`fit_side_by_side`.
    run
        The run folder.
    resume
        As ``fit`` takes it.
    """
    folder = RunFolder(Path(run))
    cohort, settings = cohort_of(cell), Settings.model_validate(cell.settings)
    name = cell.scenario["modality"]
    train, validation = ([cohort.patients[row] for row in cell.split[part]] for part in ("train", "validation"))
    plate = load_plate(folder.plate)
    options: dict[str, Any] = {"seed": cell.seed, "out": folder.fit(name), "resume": resume}
    block = train_block(cohort, name, plate, train, validation, settings, **options)
    save(block, folder.block(name), overwrite=True)
    return {"files": _sums(folder.block(name))}


def _cell(
    cohort: Cohort,
    plate: Baseplate,
    name: str,
    part: Part,
    settings: Settings,
    seed: int,
    place: Mapping[str, Any] | None,
) -> Cell:
    sha256 = hash_cohort(cohort)
    keep_cohort(cohort, sha256)
    rows = {patient: row for row, patient in enumerate(cohort.patients)}
    return Cell(
        job="block",
        cohort=cohort.name,
        cohort_sha256=sha256,
        split={
            side: [rows[patient] for patient in ids] for side, ids in zip(("train", "validation"), part, strict=True)
        },
        method={"plate": plate.fingerprint},
        settings=settings.model_dump(mode="json"),
        scenario={"modality": name},
        seed=seed,
        versions=versions(),
        label=f"block {name}",
        place=place,
    )


def _sums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a block; of a block that is not there, none."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
