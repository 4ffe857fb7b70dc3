"""A cache of stays that were read once, keyed by the content of the files: a changed file is another key."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from mmlego.data.kinds.series.stays import Stays
from mmlego.errors import LegoWarning, noted
from mmlego.files import make_folder, write_atomically
from mmlego.json_files import parse_json

VARIABLE = "MMLEGO_CACHE"  # the environment variable that names a folder for all caches
FOLDER = ".mmlego-cache"  # beside the manifest, otherwise
READER = 4  # raised whenever the same bytes would be read otherwise than before

_ARRAYS = {"sizes": np.int64, "variable": np.int32, "time": np.float64, "value": np.float32}
_TEXTS = ("patients", "names", "skipped")


def cache_folder(beside: Path, declared: Path | None = None) -> Path:
    """Return the folder of the cache: what is declared, or else what the environment says, or else beside the files.

    Parameters
    ----------
    beside
        The folder of the manifest.
    declared
        What the manifest names.

    Examples
    --------
    >>> cache_folder(Path("study"), Path("study/cache")).name
    'cache'
    """
    if declared is not None:
        return declared
    named = os.environ.get(VARIABLE)
    return Path(named) if named else beside / FOLDER


def through_cache(folder: Path | None, digest: str, how: Mapping[str, object], read: Callable[[], Stays]) -> Stays:
    """Return stays from the cache, or read them and keep them there for the next time.

    A file of the cache that is damaged is read anew; a folder that cannot be written to is done without. Files are for
    their owner alone, and so is a folder that is made for them.

    Parameters
    ----------
    folder
        The folder; None reads without a cache.
    digest
        A hash of the bytes of the files.
    how
        All settings on which reading depends, as values that JSON can hold.
    read
        Reads the files.

    Returns
    -------
    Stays
        The stays.

    Warns
    -----
    LegoWarning
        If the cache cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> stays = Stays(("7",), [1], ("HR",), np.int32([0]), np.array([0.5]), np.float32([80]))
    >>> with TemporaryDirectory() as folder:
    ...     _ = through_cache(Path(folder), "ab12", {"layout": "long"}, lambda: stays)
    ...     through_cache(Path(folder), "ab12", {"layout": "long"}, lambda: 1 / 0).value.tolist()
    [80.0]
    """
    if folder is None:
        return read()
    key = json.dumps({"digest": digest, "reader": READER, **how}, sort_keys=True)
    file = folder / f"stays-{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
    kept = _load(file, key)
    if kept is not None:
        return kept
    before = noted()
    stays = read()
    if noted() > before:
        return stays  # without what could not be read: whoever reads them for use is to be told again
    try:
        _save(file, key, stays)
    except OSError as error:
        text = f"The cache {folder} cannot be written ({error.strerror}): the files are read anew each time. "
        warnings.warn(f"{text}Name a folder with cache: or {VARIABLE}.", LegoWarning, stacklevel=2)
    return stays


def _save(file: Path, key: str, stays: Stays) -> None:
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(getattr(stays, name), dtype=kind) for name, kind in _ARRAYS.items()}
    texts = {name: json.dumps(getattr(stays, name)) for name in _TEXTS}
    _make(file.parent)
    write_atomically(file, save(arrays, metadata={"key": key, **texts}), mode=0o600)
    with contextlib.suppress(FileExistsError), (file.parent / ".gitignore").open("x", encoding="utf-8") as note:
        note.write("# Read anew whenever it is missing: nothing here need be kept.\n*\n")


def _make(folder: Path) -> None:
    """Make the folder of the cache for its owner alone: it holds what was measured of patients."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
    elif folder.name == FOLDER:
        with contextlib.suppress(OSError):  # of somebody else
            folder.chmod(0o700)  # of an earlier version


def _load(file: Path, key: str) -> Stays | None:
    """Return what a file of the cache holds; None if it is not there, or not whole."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as content:
            said = content.metadata() or {}
            arrays = {name: content.get_tensor(name) for name in _ARRAYS}
        patients, names, skipped = (tuple(str(text) for text in parse_json(said[name])) for name in _TEXTS)
        sizes, variable, time, value = (arrays[name].astype(kind, copy=False) for name, kind in _ARRAYS.items())
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    whole = said.get("key") == key and len(sizes) == len(patients) and bool((sizes >= 0).all())
    lengths = {int(sizes.sum()), len(variable), len(time), len(value)}
    if not whole or len(lengths) > 1 or (len(variable) and not 0 <= variable.min() <= variable.max() < len(names)):
        return None
    return Stays(patients, sizes.tolist(), names, variable, time, value, skipped)
