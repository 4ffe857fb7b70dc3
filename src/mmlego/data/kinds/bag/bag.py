"""Kind ``bag``: patch features of slides, one file a slide, read when a batch needs them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmlego.data.kinds.bag.arrays import BagArray
from mmlego.data.kinds.bag.files import BagFile, Numbers
from mmlego.data.kinds.bag.kept import KeptPatches

COLUMN = "bag"  # the one column of a frame of bags
SAMPLE = 4096


@dataclass(frozen=True)
class Bag:
    """All patches of one patient, of one slide or several: what a cell of a bag's frame holds.

    Parameters
    ----------
    files
        The file of each slide, or its features in memory.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("a.pt", "b.pt"):
    ...         torch.save(torch.ones(5, 3), Path(folder) / name)
    ...     bag = Bag(tuple(BagFile.open(Path(folder) / name) for name in ("a.pt", "b.pt")))
    ...     bag.tokens, bag.features(np.array([0, 9])).shape, bag.slides().tolist()
    (10, torch.Size([2, 3]), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    """

    files: tuple[BagFile | BagArray | KeptPatches, ...]

    @property
    def tokens(self) -> int:
        """How many patches there are."""
        return sum(file.tokens for file in self.files)

    @property
    def width(self) -> int:
        """How many features each patch has."""
        return self.files[0].width

    def made(self) -> dict[str, tuple[str, ...]]:
        """Return how the features of its slides were made, as their files say it: ``{"extractor": ("uni",)}``."""
        said: dict[str, dict[str, None]] = {}
        for file in self.files:
            for name, value in file.made:
                said.setdefault(name, {})[value] = None
        return {name: tuple(values) for name, values in said.items()}

    def features(self, rows: Numbers | None = None) -> Tensor:
        """Return features ``(n, f)``, float32, of some patches (their numbers ascending) or of all."""
        out = np.empty((self.tokens if rows is None else len(rows), self.width), dtype=np.float32)
        start = done = 0
        for file in self.files:
            mine = None if rows is None else rows[(rows >= start) & (rows < start + file.tokens)] - start
            count = file.tokens if mine is None else len(mine)
            if count:
                file.read_into(out[done : done + count], mine)
            start, done = start + file.tokens, done + count
        return torch.from_numpy(out)

    def coords(self) -> NDArray[np.float64] | None:
        """Return where each patch lies on its slide, ``(n, 2)``, for heatmaps; None if a file does not say."""
        places = [file.coords() for file in self.files]
        given = [place for place in places if place is not None]
        return np.concatenate(given) if len(given) == len(places) else None

    def slides(self) -> NDArray[np.int64]:
        """Return the number of the slide of each patch, ``(n,)``."""
        return np.repeat(np.arange(len(self.files)), [file.tokens for file in self.files])

    def fingerprint(self) -> bytes:
        """Return what tells these files from others."""
        return hashlib.sha256(b"".join(file.fingerprint() for file in self.files)).digest()

    def __str__(self) -> str:
        return f"Bag({self.tokens} patches of {self.width} features, {self.fingerprint().hex()[:16]})"


def made_in(bags: Iterable[Bag]) -> dict[str, Counter[str]]:
    """Return in which ways features of bags were made, each with how many of them say so.

    Parameters
    ----------
    bags
        Those of all patients.
    """
    found: dict[str, Counter[str]] = {}
    for bag in bags:
        for name, values in bag.made().items():
            found.setdefault(name, Counter()).update(values)
    return found


@dataclass(frozen=True)
class SampledBag:
    """A bag of which training sees a sample.

    Parameters
    ----------
    bag
        The bag.
    sample
        How many patches training sees at most; None for all.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     torch.save(torch.ones(5, 3), Path(folder) / "a.pt")
    ...     item = SampledBag(Bag((BagFile.open(Path(folder) / "a.pt"),)), sample=2)
    ...     item.load().shape, item.load(np.random.default_rng(0)).shape
    (torch.Size([5, 3]), torch.Size([2, 3]))
    """

    bag: Bag
    sample: int | None

    def load(self, rng: np.random.Generator | None = None) -> Tensor:
        """Return all patches; given random numbers, a sample of them."""
        total = self.bag.tokens
        if rng is None or self.sample is None or self.sample >= total:
            return self.bag.features()
        # Distinct numbers in ascending order: files are read from front to back.
        return self.bag.features(np.sort(rng.choice(total, self.sample, replace=False, shuffle=False)))

    def parts(self, rows: int) -> Iterator[Tensor]:
        """Yield all patches, so many at a time."""
        for start in range(0, self.bag.tokens, rows):
            yield self.bag.features(np.arange(start, min(start + rows, self.bag.tokens)))

    def size(self) -> int:
        """Return how many numbers all patches have."""
        return self.bag.tokens * self.bag.width

    def fingerprint(self) -> bytes:
        """Return what tells the bag from another."""
        return self.bag.fingerprint()

    @property
    def varies(self) -> bool:
        """Whether training sees a sample."""
        return self.sample is not None and self.sample < self.bag.tokens
