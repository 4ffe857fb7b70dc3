"""``config.json`` of a checkpoint: what the model is, read and checked without its weights, and without torch."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmlego.checkpoint_schema import fault_of
from mmlego.errors import CheckpointError, VersionError
from mmlego.json_files import read_json
from mmlego.wording import brief, listed

# 1 where all bricks are LegoBlocks, as before there were others; 3 where blocks of several sites read one modality
FORMAT = 3
CONFIG = "config.json"
_REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def read_config(path: str | Path) -> dict[str, Any]:
    """Return the checked configuration of a checkpoint, without reading its weights.

    Raises
    ------
    CheckpointError
        If it is missing, not JSON, was changed, or is not as the format is specified.
    VersionError
        If it is of a newer format.
    """
    path = Path(path)
    file = path / CONFIG
    if not os.path.isfile(file):  # a name that the system refuses is none
        raise CheckpointError(
            f"{path} is no checkpoint",
            expected=f"a folder with {CONFIG}",
            got="none",
            remedy=_within(path) or _of_the_hub(path),
        )
    try:
        config = read_json(file)
    except ValueError as error:
        raise broken(file, "JSON", f"{error}") from error
    if not isinstance(config, dict) or type(config.get("format")) is not int or config["format"] < 1:
        raise broken(file, "an object with a format number", "something else")
    if config["format"] > FORMAT:
        raise VersionError(
            f"{path} was written by a newer mmlego ({config.get('mmlego')!s:.40})",
            expected=f"format {FORMAT} or older",
            got=brief(config["format"]),
            remedy="Install a newer mmlego.",
        )
    if config.get("sha256") != config_hash(config):
        raise broken(file, "content that matches its own hash", "a changed file")
    if config.get("kind") not in ("baseplate", "block", "merge", "fuse"):
        raise broken(file, "a baseplate, block, merge or fuse", brief(config.get("kind")))
    fault = fault_of(config)
    if fault:
        raise broken(file, f"format {config['format']} as it is specified", fault)
    return config


def config_hash(config: Mapping[str, Any]) -> str:
    """Return the hash of a configuration, which stands in it."""
    content = {key: value for key, value in config.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def broken(place: Path, expected: str, got: str) -> CheckpointError:
    """Return the error of a file that is not as it was written."""
    return CheckpointError(
        f"{place} is damaged", expected=expected, got=got, remedy="Copy it again from where it was made."
    )


def perhaps_on_hub(path: Path) -> bool:
    """Return whether a name that is not here may be one of the Hub: ``owner/name``, and no folder ``owner`` here.

    Parameters
    ----------
    path
        As it was written, with or without ``@revision``.

    Examples
    --------
    >>> [perhaps_on_hub(Path(name)) for name in ("hospital-a/rna", "hospital-a/rna@main", "rna", "../rna", "a/b/c")]
    [True, True, False, False, False]
    """
    repo = path.as_posix().partition("@")[0]
    return _REPO.fullmatch(repo) is not None and not os.path.exists(path) and not os.path.isdir(path.parent)


def _within(path: Path) -> str | None:
    """Return which checkpoints lie in a folder that is none, as in that of a run."""
    if not os.path.isdir(path):  # a name that the system refuses is none
        return None
    found = [place.parent for name in ("*", "blocks/*") for place in path.glob(f"{name}/{CONFIG}")]
    return f"Name one that lies in it: {listed(sorted(map(str, found)))}." if found else None


def _of_the_hub(path: Path) -> str | None:
    """Return what to do where a name may be one of the Hub, which nothing asks unless it is said."""
    if not perhaps_on_hub(path):
        return None
    repo, _, revision = path.as_posix().partition("@")
    commit = revision or "COMMIT"
    there = f"If it is on the Hub: mmlego.load({repo!r}, revision={commit!r}) in Python"
    return f"{there}; for a verb, hf download {repo} --revision {commit} --local-dir FOLDER, and name FOLDER."
