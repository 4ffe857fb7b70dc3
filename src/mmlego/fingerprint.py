"""What a run was of, as hashes of cohort, split, settings and method: two runs that agree in all four are the same run.

Nothing but these decides whether something is gone on with, taken as done, or refused; and an error or a warning says
which of them differ. All hashing is here: ``fit``, which is given data and knows no cohort, describes its run with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor

from mmlego.data import Cohort, PatientData, Split, hash_patients
from mmlego.data.cohort.scaffolds import declared_groups

if TYPE_CHECKING:
    import pandas as pd

PART = 4096  # columns that are hashed at a time
VERSION = 1  # of the way of hashing: what was hashed otherwise agrees with nothing


@dataclass(frozen=True)
class Fingerprint:
    """The four hashes of a run.

    Parameters
    ----------
    cohort
        Of all values, how they were read, and the outcome.
    split
        Of the list of patients, and who trains, validates and is held back.
    settings
        Of all settings in force.
    method
        Of what is done with these: the name of the job and what else makes another result, such as versions.

    Examples
    --------
    >>> first, other = Fingerprint("a", "b", "c", "d"), Fingerprint("a", "b", "x", "d")
    >>> first.differences(other.config()), first.stamp == other.stamp
    (['settings'], False)
    """

    cohort: str
    split: str
    settings: str
    method: str

    @property
    def stamp(self) -> str:
        """A short name of all four, for a file."""
        return hash_plain(self.config())[:16]

    def config(self) -> dict[str, Any]:
        """Return the hashes by name, with the version of hashing."""
        return {"version": VERSION, **asdict(self)}

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Return in which of the four another one differs, or that it was hashed by another version.

        Parameters
        ----------
        other
            What :meth:`config` returned, maybe in another version of mmlego.
        """
        if other.get("version") != VERSION:
            return ["version of mmlego"]
        return [name for name, value in asdict(self).items() if other.get(name) != value]


def fingerprint(cohort: Cohort, split: Split, settings: BaseModel | Mapping[str, Any], method: Any) -> Fingerprint:
    """Return the fingerprint of a run.

    Parameters
    ----------
    cohort
        The patients.
    split
        Who trains, validates and is held back.
    settings
        Those in force.
    method
        JSON-able values: what is done, and with what.
    """
    chosen = settings.model_dump(mode="json") if isinstance(settings, BaseModel) else settings
    return Fingerprint(hash_cohort(cohort), hash_split(split, cohort), hash_plain(chosen), hash_plain(method))


def hash_plain(value: Any) -> str:
    """Return the SHA-256 of JSON-able values, whatever the order of keys.

    Parameters
    ----------
    value
        The values.

    Examples
    --------
    >>> hash_plain({"a": 1, "b": 2}) == hash_plain({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def hash_split(split: Split, cohort: Cohort) -> str:
    """Return the SHA-256 of a split of a cohort's patients."""
    return hash_plain([hash_patients(cohort.patients), *(rows.tolist() for rows in split.parts().values())])


def hash_cohort(cohort: Cohort) -> str:
    """Return the SHA-256 of a cohort: of its tables and outcome, of how they were read, and of who belongs together.

    Cells that hold more than a number or a text, as files and graphs, count by what they say tells them apart
    (``fingerprint()``), and by what their kind says does (``Source.fingerprints``). What the manifest says counts, too:
    of the same files it may make other features.

    Parameters
    ----------
    cohort
        The cohort.

    Examples
    --------
    >>> import pandas as pd
    >>> made = [Cohort.from_frames({"rna": pd.DataFrame({"x": [1.0, y]}, index=["a", "b"])}) for y in (2.0, 3.0)]
    >>> hash_cohort(made[0]) == hash_cohort(made[1])
    False
    """
    said = {
        "patients": hash_patients(cohort.patients),
        "sources": {name: source.model_dump(mode="json") for name, source in cohort.sources.items()},
        "outcome": None if cohort.outcome_spec is None else cohort.outcome_spec.model_dump(mode="json"),
        "groups": declared_groups(cohort),
    }
    digest = hashlib.sha256(hash_plain(said).encode())
    for name, frame in cohort.frames.items():
        source = cohort.sources.get(name)
        telling = None if source is None or not _of_objects(frame) else source.fingerprints(frame)
        _update_frame(digest, frame, telling)
    if cohort.outcome is not None:
        _update_frame(digest, cohort.outcome, None)
    return digest.hexdigest()


def hash_data(parts: Iterable[PatientData | None]) -> str:
    """Return the SHA-256 of patients, targets and all features of data in memory."""
    digest = hashlib.sha256()
    for part in parts:
        for piece in () if part is None else part.contents():
            _update(digest, piece)
    return digest.hexdigest()


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of tensors with their names."""
    digest = hashlib.sha256()
    for name, value in tensors.items():
        digest.update(name.encode())
        _update(digest, value)
    return digest.hexdigest()


def _of_objects(frame: pd.DataFrame) -> bool:
    return any(isinstance(kind, np.dtype) and kind.kind == "O" for kind in frame.dtypes)


def _update_frame(digest: Any, frame: pd.DataFrame, telling: list[bytes | None] | None) -> None:
    """Add a table: what the kind tells its rows apart by, where it does, and what the cells hold."""
    from pandas.util import hash_array, hash_pandas_object

    digest.update(json.dumps([list(map(str, frame.columns)), [str(patient) for patient in frame.index]]).encode())
    for mark in telling or ():
        digest.update(b"none" if mark is None else mark)
    kinds = list(frame.dtypes)
    for start, stop in _alike(kinds):
        if isinstance(kinds[start], np.dtype) and kinds[start].kind in "iufb":
            # as column by column, which for half a million columns takes a minute
            block = frame.iloc[:, start:stop].to_numpy()  # (n, f)
            digest.update(hash_array(block.T.ravel()).tobytes())
            continue
        for place in range(start, stop):
            column = frame.iloc[:, place]
            if column.dtype == object:
                for cell in column:
                    _update(digest, _cell(cell))
            else:
                digest.update(hash_pandas_object(column, index=False).to_numpy().tobytes())


def _alike(kinds: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """Yield where columns of one type stand beside each other, so many at a time."""
    start = 0
    for place in range(1, len(kinds) + 1):
        if place == len(kinds) or kinds[place] != kinds[start] or place - start == PART:
            yield start, place
            start = place


def _cell(cell: object) -> Tensor | bytes:
    own = getattr(cell, "fingerprint", None)
    found = own() if callable(own) else None
    if isinstance(found, bytes):
        return found
    if isinstance(cell, Tensor):
        return cell
    if isinstance(cell, np.ndarray) and cell.dtype != object:
        return f"{cell.dtype}{cell.shape}".encode() + cell.tobytes()
    silent = type(cell).__repr__ is object.__repr__ and type(cell).__str__ is object.__str__
    # An address in memory is another one in the next process: what the kind says has to do.
    return f"{type(cell).__name__} {'' if silent else cell}".encode()


def _update(digest: Any, piece: Tensor | bytes) -> None:
    if isinstance(piece, bytes):
        digest.update(f"bytes{len(piece)}".encode() + piece)
        return
    digest.update(f"{piece.dtype}{tuple(piece.shape)}".encode())
    # A copy: a single element of a strided tensor counts as contiguous, and still cannot be viewed as bytes.
    flat = torch.empty(piece.numel(), dtype=piece.dtype).copy_(piece.detach().flatten())
    digest.update(flat.view(torch.uint8).numpy())
