"""Which manifest a run was trained on: the way there from its folder, so that both may be moved together."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from mmlego.files import write_atomically
from mmlego.json_files import read_json
from mmlego.run_folder import RunFolder


def keep_manifest(run: RunFolder, manifest: Path, folders: Sequence[Path] | None) -> None:
    """Note in a run folder which manifest it was trained on, by the way that leads there from the folder.

    Parameters
    ----------
    run
        The folder.
    manifest
        The manifest.
    folders
        Where its files lie; None: beside it.
    """
    start = run.place.resolve()
    try:
        places = [os.path.relpath(place.resolve(), start) for place in (manifest, *(folders or ()))]
    except ValueError:
        return  # on another drive of Windows: no way leads there
    content = {"manifest": Path(places[0]).as_posix(), "folders": [Path(place).as_posix() for place in places[1:]]}
    write_atomically(run.trained_on, json.dumps(content) + "\n")


def known_manifest(run: RunFolder) -> tuple[Path, tuple[Path, ...]] | None:
    """Return the manifest that a run was trained on, and where its files lie; None if it is not known or gone."""
    try:
        content = read_json(run.trained_on)
        manifest = (run.place / content["manifest"]).resolve()
        folders = tuple((run.place / place).resolve() for place in content["folders"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (manifest, folders) if manifest.is_file() else None
