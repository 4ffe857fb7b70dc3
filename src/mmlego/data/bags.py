"""Kind ``bag``: patch features of slides, one file a slide, read when a batch needs them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mmlego.data.bag_files import BagFile, Numbers
from mmlego.data.file_sources import FileSource, files_of
from mmlego.data.fitted import Preprocessing
from mmlego.data.lazy import LazyColumn
from mmlego.data.wording import counted, listed
from mmlego.errors import InputError, ShapeError

if TYPE_CHECKING:
    import pandas as pd

COLUMN = "bag"  # the one column of a frame of bags
SAMPLE = 4096


@dataclass(frozen=True)
class Bag:
    """All patches of one patient, of one slide or several: what a cell of a bag's frame holds.

    Parameters
    ----------
    files
        The file of each slide.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("a.pt", "b.pt"):
    ...         torch.save(torch.ones(5, 3), Path(folder) / name)
    ...     bag = Bag(tuple(BagFile.open(Path(folder) / name) for name in ("a.pt", "b.pt")))
    ...     bag.tokens, bag.features(np.array([0, 9])).shape, bag.slides().tolist()
    (10, torch.Size([2, 3]), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    """

    files: tuple[BagFile, ...]

    @property
    def tokens(self) -> int:
        """How many patches there are."""
        return sum(file.tokens for file in self.files)

    @property
    def width(self) -> int:
        """How many features each patch has."""
        return self.files[0].width

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

    def size(self) -> int:
        """Return how many numbers all patches have."""
        return self.bag.tokens * self.bag.width

    def fingerprint(self) -> bytes:
        """Return what tells the bag from another."""
        return self.bag.fingerprint()


class BagState(BaseModel):
    """What :class:`BagPreprocessor` saves; refuses anything that does not fit.

    Examples
    --------
    >>> BagState(width=1024, sample=4096).version
    1
    """

    model_config = ConfigDict(extra="forbid")

    name: Literal["bag"] = "bag"
    version: Literal[1] = 1
    width: int = Field(ge=1)
    sample: int | None = Field(default=None, ge=1)


@dataclass(frozen=True)
class BagPreprocessor(Preprocessing):
    """Files of patch features → bags ``(n, f)``, which stay in their files until a batch needs them.

    Parameters
    ----------
    width
        How many features each patch has.
    sample
        How many patches of a bag training sees, anew each epoch; None for all. Evaluation and prediction see all.

    Examples
    --------
    >>> BagPreprocessor(1024, sample=4096).encoder()
    ('patch_mlp', {'in_features': 1024})
    """

    name: ClassVar[str] = "bag"
    ragged: ClassVar[bool] = True
    saved_as: ClassVar[type[BaseModel]] = BagState
    called: ClassVar[str] = "bags"

    width: int
    sample: int | None = SAMPLE

    @classmethod
    def fit(cls, frame: pd.DataFrame, *, sample: int | None = SAMPLE) -> Self:
        """Learn how wide the features of the training patients are.

        Parameters
        ----------
        frame
            Bags by patient.
        sample
            How many patches of a bag training sees.

        Raises
        ------
        ShapeError
            If bags differ in width.
        """
        bags = files_of(frame, COLUMN)
        fitted = cls(next(iter(bags.values())).width, sample)
        fitted._check(bags)
        return fitted

    def transform(self, frame: pd.DataFrame) -> LazyColumn:
        """Return the bags, which are loaded when a batch needs them.

        Raises
        ------
        ShapeError
            If a bag is of another width than those in training.
        """
        bags = files_of(frame, COLUMN)
        self._check(bags)
        items = [SampledBag(bag, self.sample) for bag in bags.values()]
        return LazyColumn(items, torch.zeros(0, self.width), ragged=True)

    def blank(self) -> LazyColumn:
        """Return the bags of nobody."""
        return LazyColumn([], torch.zeros(0, self.width), ragged=True)

    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return the encoder of single patches: the block's own attention pools them."""
        return "patch_mlp", {"in_features": self.width}

    def config(self) -> dict[str, object]:
        """Return all that was learnt, as values that JSON can hold."""
        return BagState(width=self.width, sample=self.sample).model_dump()

    @classmethod
    def _restored(cls, state: BagState) -> Self:
        return cls(state.width, state.sample)

    def _check(self, bags: Mapping[str, Bag]) -> None:
        odd = [f"{patient} {bag.width}" for patient, bag in bags.items() if bag.width != self.width]
        if odd:
            raise ShapeError(
                f"patch features of another width for {counted(len(odd), 'patient')}",
                expected=self.width,
                got=listed(odd),
                remedy="Extract the features of all slides with one and the same model.",
            )


class BagSource(FileSource):
    """A modality of kind ``bag``: patch features in ``.h5`` or ``.pt``, one file a slide.

    Parameters
    ----------
    rows
        Several slides a patient: ``error``, ``first``, or ``concat`` for one bag of all.
    features
        The name of the features in the files; ``features`` or ``feats`` if not given.
    sample
        How many patches of a patient training sees, anew each epoch; ``null`` for all.

    Examples
    --------
    >>> BagSource(pattern="slides/{key}_*.h5", rows="concat").sample
    4096
    """

    cells: ClassVar[str] = COLUMN

    kind: Literal["bag"] = "bag"
    rows: Literal["error", "first", "concat"] = "error"
    features: str | None = None
    sample: int | None = Field(default=SAMPLE, ge=1)

    def open(self, path: Path) -> BagFile:
        """Return a file, its header read and checked."""
        return BagFile.open(path, self.features)

    def together(self, parts: Sequence[BagFile]) -> Bag:
        """Return the slides of one patient as one bag."""
        widths = {part.width for part in parts}
        if len(widths) > 1:
            names = listed(f"{part.path.name} {part.width}" for part in parts)
            raise InputError("slides of one patient differ in width", expected="one width", got=names)
        return Bag(tuple(parts))

    def width(self, frame: pd.DataFrame) -> int:
        """Return how many features a patch has."""
        return max((bag.width for bag in files_of(frame, COLUMN).values()), default=0)

    def fit(self, frame: pd.DataFrame) -> BagPreprocessor:
        """Return preprocessing fitted on the bags of training patients."""
        return BagPreprocessor.fit(frame, sample=self.sample)
