"""Splits on disk: JSON, bound by a hash to the list of patients that they were made for."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from mmlego.data.splits.splits import Split, check_split
from mmlego.errors import InputError, VersionError
from mmlego.files import write_atomically
from mmlego.json_files import read_json

FORMAT = "mmlego-splits"
VERSION = 1


def hash_patients(patients: Sequence[str]) -> str:
    """Return the SHA-256 of a list of patients, in order.

    Parameters
    ----------
    patients
        The patient of each row.

    Examples
    --------
    >>> hash_patients(["a", "b"])[:12], hash_patients(["b", "a"])[:12]
    ('0473ef2dc0d3', '02d8bc3008a9')
    """
    text = json.dumps([str(patient) for patient in patients], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def save_splits(splits: Sequence[Split], patients: Sequence[str], path: str | os.PathLike[str]) -> Path:
    """Write splits as JSON: row numbers, and the hash of the list of patients. No patient id is written.

    The file is written beside its place and then moved there, so that it is never seen half written.

    Parameters
    ----------
    splits
        The splits; each is checked for leakage first.
    patients
        The patient of each row.
    path
        Where to.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    InputError
        If a split leaks.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = save_splits([Split([0], [1], [2])], ["a", "b", "c"], Path(folder) / "splits.json")
    ...     load_splits(path, ["a", "b", "c"]) == [Split([0], [1], [2])]
    True
    """
    for split in splits:
        check_split(split, patients)
    parts = [{name: rows.tolist() for name, rows in split.parts().items()} for split in splits]
    content = {
        "format": FORMAT,
        "version": VERSION,
        "rows": len(patients),
        "patients_sha256": hash_patients(patients),
        "splits_sha256": _hash_parts(parts),
        "splits": parts,
    }
    target = Path(path)
    write_atomically(target, json.dumps(content))
    return target


def load_splits(path: str | os.PathLike[str], patients: Sequence[str]) -> list[Split]:
    """Read splits back, and refuse those that were made for another list of patients.

    Parameters
    ----------
    path
        A file that :func:`save_splits` wrote.
    patients
        The patient of each row, in the order in which the splits were made.

    Returns
    -------
    list of Split
        The splits.

    Raises
    ------
    InputError
        If the file is missing, damaged, changed or not one of ours, the patients are others, or a split leaks.
    VersionError
        If a newer version wrote it.

    Examples
    --------
    >>> load_splits("nowhere.json", ["a"])
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: cannot read the splits nowhere.json (No such file or directory)
    """
    source = Path(path)
    try:
        content = read_json(source)
    except OSError as error:
        raise InputError(f"cannot read the splits {source} ({error.strerror})") from error
    except ValueError as error:
        remedy = "It is damaged: make the splits again."
        raise InputError(f"{source} is not JSON ({error})", remedy=remedy) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{source} holds no splits", expected=f"a file with format {FORMAT!r}")
    version = content.get("version")
    if isinstance(version, int) and version > VERSION:
        remedy = "Install a newer mmlego."
        raise VersionError(f"{source} is of a newer format", expected=VERSION, got=version, remedy=remedy)
    if content.get("patients_sha256") != hash_patients(patients):
        raise InputError(
            f"{source} was made for another list of patients",
            expected=f"{content.get('rows')} rows with the hash in the file",
            got=f"{len(patients)} rows with another",
            remedy="Give the patients in the same order, or make the splits again.",
        )
    if "splits_sha256" in content and content["splits_sha256"] != _hash_parts(content.get("splits")):
        raise InputError(
            f"the splits in {source} were changed",
            expected="splits with the hash in the file",
            got="others",
            remedy="Take the file as it was written, or make the splits again.",
        )
    try:
        splits = [Split(part["train"], part["validation"], part["test"]) for part in content["splits"]]
    except (KeyError, TypeError) as error:
        raise InputError(f"{source} is damaged", expected="train, validation and test in each split") from error
    for split in splits:
        check_split(split, patients)
    return splits


def _hash_parts(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
