"""The register of cohorts by name: each with what reads it, and with what writes its files where that is possible."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmlego.data import Cohort
from mmlego.errors import InputError, UnknownNameError


@dataclass(frozen=True)
class Dataset:
    """A cohort that is known by name.

    Parameters
    ----------
    name
        Its name.
    about
        What it is, in a few words.
    load
        Returns the cohort.
    write
        Writes its files and a manifest into a folder, by a seed, and returns the manifest; None if it cannot.
    """

    name: str
    about: str
    load: Callable[..., Cohort]
    write: Callable[[Path, int], Path] | None = None


_DATASETS: dict[str, Dataset] = {}


def register_dataset(dataset: Dataset) -> Dataset:
    """Make a cohort known by its name.

    Parameters
    ----------
    dataset
        The cohort.

    Raises
    ------
    InputError
        If the name is taken by another.

    Examples
    --------
    >>> register_dataset(Dataset("gse7390", "mine", lambda: Cohort.from_frames({})))
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: 'gse7390' is taken: expected a new name
    """
    if _DATASETS.get(dataset.name, dataset) != dataset:
        raise InputError(f"{dataset.name!r} is taken", expected="a new name")
    _DATASETS[dataset.name] = dataset
    return dataset


def dataset_names(*, written: bool = False) -> tuple[str, ...]:
    """Return the names of the known cohorts.

    Parameters
    ----------
    written
        Only of those whose files can be written.

    Examples
    --------
    >>> dataset_names(written=True)
    ('gse7390', 'synthetic')
    """
    return tuple(sorted(name for name, dataset in _DATASETS.items() if dataset.write or not written))


def load_dataset(name: str, options: Mapping[str, object] | None = None) -> Cohort:
    """Return a cohort by its name.

    Parameters
    ----------
    name
        One of :func:`dataset_names`.
    options
        As the cohort's own function takes them: ``task`` of ``gse7390``, ``path`` and ``task`` of ``tcga``, ``folder``,
        ``patients`` and ``seed`` of ``synthetic``.

    Raises
    ------
    UnknownNameError
        If there is no such cohort.
    InputError
        If an option is missing or unknown.

    Examples
    --------
    >>> load_dataset("tcga")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: wrong options for dataset 'tcga' (missing a required argument: 'path'): expected ...
    """
    found = _known(name, dataset_names())
    given = dict(options or {})
    signature = inspect.signature(found.load)
    try:
        signature.bind(**given)
    except TypeError as error:
        raise InputError(
            f"wrong options for dataset {name!r} ({error})",
            expected=f"of {', '.join(signature.parameters) or 'none'}",
            got=", ".join(given) or "none",
        ) from error
    return found.load(**given)


def write_dataset(name: str, folder: Path, seed: int = 0) -> Path:
    """Write the files of a cohort, as a user would have them: tables and a manifest.

    Parameters
    ----------
    name
        ``gse7390`` or ``synthetic``.
    folder
        Where to; it may not hold a manifest yet.
    seed
        Of what is drawn.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    UnknownNameError
        If there is no such cohort, or its files cannot be written.
    InputError
        If the folder holds a manifest.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_dataset("synthetic", Path(folder) / "here").name
    'cohort.yaml'
    """
    write = _known(name, dataset_names(written=True)).write
    if (folder / "cohort.yaml").exists():
        raise InputError(f"{folder} holds a manifest", expected="a new folder", remedy="Choose another with out=PATH.")
    if write is None:
        raise UnknownNameError("no files to write", got=repr(name))
    return write(folder, seed)


def _known(name: str, names: tuple[str, ...]) -> Dataset:
    if name not in names:
        raise UnknownNameError("no such dataset", expected=f"one of {', '.join(names)}", got=repr(name))
    return _DATASETS[name]
