"""The cohort of a cell: the one in this process where there is one, else read from where the cell says it lies."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from mmlego.cells.cell import Cell
from mmlego.data import Cohort
from mmlego.datasets import load_dataset
from mmlego.errors import InputError
from mmlego.fingerprint import hash_cohort

_HERE: WeakValueDictionary[str, Cohort] = WeakValueDictionary()  # by hash, as long as somebody else holds it


def in_manifest(path: Path, folders: Sequence[Path] | None = None, *, links: bool = False) -> dict[str, Any]:
    """Return the place of a cohort that a manifest describes, for other processes and machines of the same disk.

    Parameters
    ----------
    path
        The manifest.
    folders, links
        As ``Cohort.from_manifest`` takes them.
    """
    where = None if folders is None else [str(folder.absolute()) for folder in folders]
    return {"manifest": str(path.absolute()), "folders": where, "links": links}


def in_dataset(name: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the place of a cohort that is known by name.

    Parameters
    ----------
    name, options
        As ``load_dataset`` takes them; JSON-able.
    """
    return {"dataset": name, "options": dict(options or {})}


def keep_cohort(cohort: Cohort, sha256: str) -> None:
    """Let the cells of this process find a cohort that is there already.

    Parameters
    ----------
    cohort
        The patients.
    sha256
        What ``hash_cohort`` says of it.
    """
    _HERE[sha256] = cohort


def cohort_of(cell: Cell) -> Cohort:
    """Return the cohort of a cell; a process reads it once.

    Parameters
    ----------
    cell
        The cell.

    Raises
    ------
    InputError
        If nobody knows where it lies, or its files have changed since.
    """
    here = _HERE.get(cell.cohort_sha256)
    if here is not None:
        return here
    if cell.place is None:
        raise placeless(cell)
    cohort, found = _read(json.dumps(cell.place, sort_keys=True))
    if found != cell.cohort_sha256:
        raise InputError(
            f"{cell.cohort} is not what it was",
            expected=f"files with the hash {cell.cohort_sha256[:16]}",
            got=found[:16],
            remedy="Its files have changed: begin again.",
        )
    return cohort


def placeless(cell: Cell) -> InputError:
    """Return the error of a cell whose cohort no other process finds."""
    return InputError(
        f"{cell.cohort} is in the memory of one process, which workers do not share",
        expected="a cohort of a manifest, or one that is known by name",
        got="tables in memory",
        remedy="Pass place=in_manifest(PATH), or workers=Workers(1).",
    )


@functools.cache  # cells of several cohorts may come in turn
def _read(place: str) -> tuple[Cohort, str]:
    said = json.loads(place)
    if "dataset" in said:
        cohort = load_dataset(said["dataset"], said["options"])
    else:
        cohort = Cohort.from_manifest(said["manifest"], folder=said["folders"], links=said["links"])
    return cohort, hash_cohort(cohort)
