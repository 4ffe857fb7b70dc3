"""The recipe as it is kept beside what it made: whole, with paths from there and the hashes of its blocks."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import yaml

from mmlego.checkpoint_config import CONFIG
from mmlego.errors import InputError
from mmlego.files import write_atomically
from mmlego.hub import CARD, FILES, fetch
from mmlego.recipes.recipe import BlockSection, Recipe

RECIPE = "recipe.yaml"
MADE = ("merge", "fuse", "runs")
_PATHS = ("data", "path", "plate")  # keys whose values are paths


def block_hash(place: Path) -> str:
    """Return the SHA-256 of a saved block: of its files' names and contents, but for the card, which says the same.

    What else lies in the folder is not of the block: of a repository of the Hub another program may have fetched more.

    Parameters
    ----------
    place
        The folder.
    """
    whole = hashlib.sha256()
    for path in (path for name in sorted({*FILES} - {CARD}) if (path := place / name).is_file()):
        content = path.read_bytes()
        whole.update(f"{path.relative_to(place).as_posix()}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()


def claim(recipe: Recipe, base: Path, folder: Path, *, overwrite: bool) -> None:
    """Write the recipe into its folder, with hashes; refuse a folder that holds something else."""
    content = recipe.model_dump(mode="json", exclude_none=True)
    if recipe.fuse is not None:  # what is none by choice, as across, is another thing by default
        content["fuse"] = recipe.fuse.model_dump(mode="json")
    for name, part in recipe.blocks.items():
        if part.train is not None:  # of settings what was said: the plate may say the rest
            said = part.train.settings.model_dump(mode="json", exclude_unset=True)
            content["blocks"][name]["train"]["settings"] = said
    for name, part in recipe.blocks.items():
        if part.hub is not None and part.revision is not None:
            content["blocks"][name]["sha256"] = _checked(part, fetch(part.hub, part.revision)[0], name)
        elif part.path is not None:
            content["blocks"][name]["sha256"] = _checked(part, base / part.path, name)
    written = yaml.safe_dump(_moved(content, base, folder), sort_keys=False, allow_unicode=True)
    place = folder / RECIPE
    if place.is_file():
        made = any((folder / name).is_dir() for name in MADE)
        other = made and place.read_text(encoding="utf-8") != written
    else:
        other = folder.is_dir() and any(folder.iterdir())
    if other and not overwrite:
        raise InputError(
            f"{folder} exists",
            expected="a new or empty folder, or one that this recipe has made",
            got="what another recipe, or other blocks, have made" if place.is_file() else "a folder with files",
            remedy="Choose another place with out=PATH, or replace it with overwrite=True.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(place, written)


def absent(place: Path, name: str) -> InputError:
    """Return the error that there is no block where a recipe names one."""
    return InputError(f"block {name}: {place} is not there", expected="the folder of a block", got=f"no {CONFIG}")


def _checked(part: BlockSection, place: Path, name: str) -> str:
    if not os.path.isfile(place / CONFIG):  # a name that the system refuses is none
        raise absent(place, name)
    found = block_hash(place)
    if part.sha256 not in (None, found):
        raise InputError(f"block {name}: {place} is another block", expected=f"sha256 {part.sha256}", got=found)
    return found


def _moved(content: Any, base: Path, folder: Path) -> Any:
    """Return a recipe whose paths count from another folder."""
    if isinstance(content, list):
        return [_moved(part, base, folder) for part in content]
    if not isinstance(content, dict):
        return content
    moved = {}
    for key, value in content.items():
        if key in _PATHS and isinstance(value, str):
            value = _way(base / value, folder)
        elif key == "data_dir":
            value = [_way(base / one, folder) for one in value]
        elif key != "settings":
            value = _moved(value, base, folder)
        moved[key] = value
    return moved


def _way(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
