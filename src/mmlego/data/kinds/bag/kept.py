"""Patches of a slide that count: not those that a mask leaves out, nor, on demand, such as are blank."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.bag.arrays import BagArray
from mmlego.data.kinds.bag.files import ROWS, BagFile, Floats, Numbers, blank_rows
from mmlego.errors import InputError
from mmlego.wording import listed

NOT = "not "  # before the name of a mask that is true of padding
MASKS = (
    "mask", "masks", "valid", "is_valid", "valid_mask", "valid_patches", "patch_mask", "tissue_mask", "attention_mask",
    "padding_mask", "pad_mask", "key_padding_mask", "is_padding", "padding", "augmented",
)  # fmt: skip
Mask = str | Literal[False] | None


@dataclass(frozen=True, eq=False)
class KeptPatches:
    """A slide some of whose patches count, with the interface of its file.

    Parameters
    ----------
    file
        All patches.
    kept
        The numbers of those that count, ascending.

    Examples
    --------
    >>> slide = BagArray.of(np.arange(12.0).reshape(4, 3), "slide")
    >>> kept = KeptPatches(slide, np.array([1, 3]))
    >>> out = np.empty((1, 3), dtype=np.float32)
    >>> kept.read_into(out, np.array([1]))
    >>> kept.tokens, kept.width, out.tolist()
    (2, 3, [[9.0, 10.0, 11.0]])
    """

    file: BagFile | BagArray
    kept: Numbers

    @property
    def path(self) -> Path:
        """The file, or where there is none an empty path."""
        return self.file.path if isinstance(self.file, BagFile) else Path()

    @property
    def made(self) -> tuple[tuple[str, str], ...]:
        """How its features were made, as the file says it."""
        return self.file.made

    @property
    def tokens(self) -> int:
        """How many patches count."""
        return len(self.kept)

    @property
    def width(self) -> int:
        """How many features each has."""
        return self.file.width

    def read_into(self, out: Floats, rows: Numbers | None = None) -> None:
        """Write features of some patches, or of all that count, into an array ``(n, f)``."""
        self.file.read_into(out, self.kept if rows is None else self.kept[rows])

    def coords(self) -> NDArray[np.float64] | None:
        """Return where each patch that counts lies; None if it is not said."""
        places = self.file.coords()
        return None if places is None else places[self.kept]

    def fingerprint(self) -> bytes:
        """Return what tells these patches from others."""
        return hashlib.sha256(self.file.fingerprint() + self.kept.tobytes()).digest()

    def look_through(self) -> int:
        """Read all features of patches that count, some thousand at a time; return how many are blank."""
        blank = 0
        for start in range(0, self.tokens, ROWS):
            rows = np.arange(start, min(start + ROWS, self.tokens))
            block = np.empty((len(rows), self.width), dtype=np.float32)
            self.read_into(block, rows)
            blank += int(blank_rows(block).sum())
        return blank


def counting(file: BagFile, mask: Mask, *, blank: bool) -> BagFile | KeptPatches:
    """Return a slide without the patches that its mask leaves out, and without those that are blank.

    Parameters
    ----------
    file
        The slide.
    mask
        The name of the mask in the file, which is true of patches that count, or behind ``not`` of padding; False: none
        is heeded; None: one that leaves something out is refused.
    blank
        Whether blank patches count, too.

    Raises
    ------
    InputError
        If the mask is not there or no mask of these patches, there is one and nothing says what it means, or no patch
        is left.
    """
    kept = _masked(file, mask)
    if not blank:
        kept = kept & ~np.concatenate([blank_rows(block) for block in file.blocks()])
    if not kept.any():
        what = "blank or left out by its mask" if mask else "blank"
        raise InputError(f"{file.path.name!r} is an empty bag", expected="a patch that counts", got=f"all {what}")
    return file if kept.all() else KeptPatches(file, np.flatnonzero(kept))


def _masked(file: BagFile, mask: Mask) -> NDArray[np.bool_]:
    """Return which patches count by the mask, ``(n,)``."""
    everything = np.ones(file.tokens, dtype=bool)
    if mask is False:
        return everything
    if mask is None:
        beside = file.beside(MASKS)
        telling = [name for name, values in beside.items() if len(values) == file.tokens and len(np.unique(values)) > 1]
        if not telling or file.tokens == 1:
            return everything
        raise InputError(
            f"{file.path.name!r} holds a mask beside its features",
            expected="to be told which patches count",
            got=listed(telling),
            remedy=f"Declare mask: {telling[0]} if those count of which it is true, mask: {NOT}{telling[0]} if those "
            "do not, or mask: false for all.",
        )
    name = mask.removeprefix(NOT)
    found = file.beside([name]).get(name.rpartition("/")[2])
    if found is None or len(found) != file.tokens or not np.isin(found, (0, 1)).all():
        got = "none of that name" if found is None else f"{len(found)} values"
        raise InputError(
            f"{file.path.name!r} has no mask {name!r} of its patches", expected=f"{file.tokens} of 0 and 1", got=got
        )
    counts = found.astype(bool)
    return ~counts if mask.startswith(NOT) else counts


def left_out(parts: Iterable[object]) -> tuple[int, int]:
    """Return how many patches of slides do not count, and how many there are.

    Parameters
    ----------
    parts
        The slides.

    Examples
    --------
    >>> left_out([KeptPatches(BagArray.of(np.ones((4, 3)), "slide"), np.array([1, 3]))])
    (2, 4)
    """
    kept = [part for part in parts if isinstance(part, KeptPatches)]
    whole = sum(part.file.tokens for part in kept)
    return whole - sum(part.tokens for part in kept), whole
