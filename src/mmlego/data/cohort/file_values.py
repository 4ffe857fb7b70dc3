"""Files of patients read to their end before anything is trained: NaN in one of them would end a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmlego.data.kinds.file_sources import FileSource
from mmlego.data.kinds.seen import Seen
from mmlego.data.reading.progress import shown
from mmlego.errors import LegoError
from mmlego.wording import counted

if TYPE_CHECKING:
    from mmlego.data.cohort.table import CohortTable

MOST_BYTES = 32 * 2**30  # of a modality: a few minutes on a disk; of more, patients spread evenly over the cohort


def unfit_files(cohort: CohortTable, most: int = MOST_BYTES) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Return whose files cannot be used, and why.

    Sections with ``on_error: skip`` have looked at theirs when they were read, and are passed over.

    Parameters
    ----------
    cohort
        The cohort.
    most
        How many bytes of a modality are read; if its files are larger, some patients' are.

    Returns
    -------
    tuple
        By modality and patient what is wrong with a file; and notes of what is blank, and of what was not looked at.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego.data import Cohort
    >>> unfit_files(Cohort.from_frames({"rna": pd.DataFrame({"TP53": [0.1, 0.9]}, index=["a", "b"])}))
    ({}, [])
    """
    found: dict[str, dict[str, str]] = {}
    notes: list[str] = []
    for name, frame in cohort.frames.items():
        source = cohort.sources[name]
        if not isinstance(source, FileSource) or source.on_error == "skip":
            continue
        parts = {str(patient): source.parts(cell) for patient, cell in frame[source.cells].items()}
        parts = {patient: mine for patient, mine in parts.items() if len(mine)}
        some = _spread(parts, most)
        if len(some) < len(parts):
            patients = counted(len(parts) - len(some), "patient")
            notes.append(f"{name}: files of {patients} not read to their end: they have more than {most} bytes")
        seen: dict[str, Seen] = {}
        for patient in shown(some, f"reading {name}"):
            for part in parts[patient]:
                try:
                    look = source.look(part)
                    seen[patient] = seen[patient] + look if patient in seen else look
                except LegoError as error:
                    found.setdefault(name, {}).setdefault(patient, str(error))
        notes += [f"{name}: {told}" for told in source.told_seen(seen)]
    return found, notes


def _spread(parts: Mapping[str, Sequence[Any]], most: int) -> list[str]:
    """Return the patients whose files are read: all, or some that are spread evenly and together not too large."""
    total = sum(_size(part) for mine in parts.values() for part in mine)
    step = -(-total // most) if total > most else 1
    return list(parts)[::step]


def _size(part: Any) -> int:
    """Return how large a file, or the files of a volume, are on disk."""
    if isinstance(part, tuple):
        return sum(map(_size, part))
    path: Path = part.path
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
