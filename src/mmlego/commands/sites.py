"""Names of blocks that are put together: given with ``--name``, or by folders where two sites have one modality."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmlego.errors import InputError
from mmlego.sites import AT

if TYPE_CHECKING:
    from mmlego.brick import Brick

Names = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        metavar="BLOCK=NAME",
        help="Another name for a block, as a/run/blocks/clinical=clinical@a (repeat). Blocks of one modality are "
        "called by their folders unless they have names.",
    ),
]
Found = tuple[Path, "Brick"]


def named(found: Sequence[Found], given: Sequence[str] | None) -> list[Found]:
    """Return blocks, no two of one name; those that several sites have trained of one modality have that of a site.

    Parameters
    ----------
    found
        Blocks, and where they lie.
    given
        As ``--name`` takes them.

    Raises
    ------
    InputError
        If a name is not of that form or names no block, a block is there twice, or folders do not tell blocks apart.
    """
    from mmlego.renaming import rename

    places = [place.resolve() for place, _ in found]
    twice = [place for i, place in enumerate(places) if place in places[:i]]
    if twice:
        shown = next(place for place, _ in found if place.resolve() == twice[0])
        raise InputError(f"{shown} is given twice", expected="each block once", remedy="Leave it out once.")
    asked = dict(_read(text, found) for text in given or ())
    blocks = [
        (place, rename(block, asked[whole]) if whole in asked else block)
        for whole, (place, block) in zip(places, found, strict=True)
    ]
    for modality in dict.fromkeys(block.reads for _, block in blocks):
        mine = [i for i, (_, block) in enumerate(blocks) if block.reads == modality]
        names = [blocks[i][1].modality for i in mine]
        bare = [i for i, name in zip(mine, names, strict=True) if AT not in name or names.count(name) > 1]
        bare = [i for i in bare if places[i] not in asked]
        if len(mine) < 2 or not bare:
            continue
        for i, site in zip(mine, _by_folders([blocks[i][0] for i in mine], modality), strict=True):
            if i in bare:
                blocks[i] = (blocks[i][0], rename(blocks[i][1], f"{modality}{AT}{site}"))
    names = [block.modality for _, block in blocks]
    same = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if same is not None:
        raise InputError(f"two blocks are called {same!r}", expected="another --name for one of them", got=names)
    return blocks


def told(blocks: Sequence[Found]) -> list[str]:
    """Return a line for each modality that several blocks read: which, and where they come from.

    Parameters
    ----------
    blocks
        From :func:`named`.
    """
    from mmlego.commands.show import short
    from mmlego.sites import by_modality

    where = {block.modality: short(place) for place, block in blocks}
    lines = []
    for modality, names in by_modality(where).items():
        if len(names) > 1:
            of = ", ".join(f"{name} ({where[name]})" for name in names)
            lines.append(f"{modality} has {len(names)} blocks, which count as one modality: {of}.")
    return lines


def _read(text: str, found: Sequence[Found]) -> tuple[Path, str]:
    place, sign, name = text.rpartition("=")
    if not (sign and place and name):
        raise InputError("a name is not of that form", expected="BLOCK=NAME, a folder and a name", got=text)
    whole = Path(place).resolve()
    if whole not in [one.resolve() for one, _ in found]:
        known = ", ".join(str(one) for one, _ in found)
        raise InputError(f"--name: {place} is none of the blocks", expected=f"one of {known}", got=place)
    return whole, name


def _by_folders(places: Sequence[Path], modality: str) -> list[str]:
    """Return what tells places apart, from the first folder in which they differ on, as names of sites."""
    ways = [_way(place) for place in places]
    common = 0
    while all(len(way) > common for way in ways) and len({way[common] for way in ways}) == 1:
        common += 1
    rests = [way[common:] for way in ways]
    for length in range(1, max(map(len, rests)) + 1):
        sites = ["-".join(_plain(part) for part in rest[:length]) for rest in rests]
        if all(sites) and len(set(sites)) == len(sites):
            return sites
    options = " ".join(
        f"--name {place}={modality}{AT}{chr(97 + i % 26)}{i // 26 or ''}" for i, place in enumerate(places)
    )
    raise InputError(
        f"{len(places)} blocks of {modality}, and folders do not tell which sites they are of",
        expected="a name for each",
        got=", ".join(map(str, places)),
        remedy=f"Pass e.g. {options}",
    )


def _way(place: Path) -> tuple[str, ...]:
    """Return the folders that lead to a block, without those that every run has."""
    parts = place.resolve().parts
    return parts[:-2] if len(parts) > 2 and parts[-2] == "blocks" else parts[:-1]


def _plain(part: str) -> str:
    """Return the name of a folder as that of a site may be."""
    return re.sub(r"[^\w-]+", "-", part).strip("-")
