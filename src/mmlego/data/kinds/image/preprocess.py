"""Kinds ``image`` and ``volume``, their preprocessing: fitted on training patients, read when a batch needs them."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveFloat, model_validator
from torch import Tensor

from mmlego.anonymity import MIN_PATIENTS, Kept, in_steps
from mmlego.data.kinds.file_sources import files_of
from mmlego.data.kinds.fitted import Odd, Preprocessing
from mmlego.data.kinds.image.depth import one_depth
from mmlego.data.kinds.image.image_file import ImageFile
from mmlego.data.kinds.image.plan import ImagePlan
from mmlego.data.memory.lazy import LazyColumn
from mmlego.errors import InputError, LegoWarning, within
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

COLUMN = "image"  # the one column of a frame of images or volumes
FITTED_ON = 256  # means and deviations of pixels are known well from so many images


@dataclass(frozen=True)
class Picture:
    """An image or a volume of one patient: what a cell of their frame holds.

    Parameters
    ----------
    files
        Its file; of a DICOM series the file of each slice.
    """

    files: tuple[ImageFile, ...]

    def fingerprint(self) -> bytes:
        """Return what tells its pixels from others."""
        return hashlib.sha256(b"".join(file.fingerprint() for file in self.files)).digest()

    def __str__(self) -> str:
        return f"Picture({self.files[0].form}, {self.fingerprint().hex()[:16]})"


@dataclass(frozen=True)
class PreparedPicture:
    """An image or a volume as a network sees it.

    Parameters
    ----------
    picture
        Its files.
    fitted
        What is done to it.
    """

    picture: Picture
    fitted: ImagePreprocessor

    def load(self, rng: np.random.Generator | None = None) -> Tensor:
        """Return it, float32 ``(ch, h, w)`` or ``(1, d, h, w)``; given random numbers, changed by them."""
        plain = self.fitted.plan.load(self.picture.files)
        shape = (-1, *[1] * self.fitted.plan.dims)
        mean, deviation = (torch.tensor(part).reshape(shape) for part in (self.fitted.mean, self.fitted.deviation))
        pixels = (plain - mean) / deviation
        return pixels if rng is None else self.fitted.plan.changed(pixels, rng)

    def size(self) -> int:
        """Return how many numbers it has."""
        return self.fitted.plan.channels * int(np.prod(self.fitted.plan.size))

    def fingerprint(self) -> bytes:
        """Return what tells it from others, also from the same file seen in another way."""
        seen = json.dumps(self.fitted.config(), sort_keys=True).encode()
        return hashlib.sha256(self.picture.fingerprint() + seen).digest()

    @property
    def varies(self) -> bool:
        """Whether it is augmented while training."""
        return self.fitted.plan.augment is not None


class ImageState(BaseModel):
    """What :class:`ImagePreprocessor` saves; refuses anything that does not fit.

    Examples
    --------
    >>> ImageState(plan=ImagePlan(size=(8, 8)), mean=[0.5], deviation=[0.2]).version
    3
    """

    model_config = ConfigDict(extra="forbid")

    name: Literal["image"] = "image"
    version: Literal[1, 2, 3, 4] = 3  # 1: without bits, 2: without patients, 4: with a unit
    plan: ImagePlan
    bits: int | None = Field(default=None, ge=0, le=64)
    patients: int | None = Field(default=None, ge=0)
    unit: str = ""
    mean: list[FiniteFloat] = Field(min_length=1, max_length=3)
    deviation: list[PositiveFloat] = Field(min_length=1, max_length=3)

    @model_validator(mode="after")
    def _check_channels(self) -> Self:
        if not len(self.mean) == len(self.deviation) == self.plan.channels:
            raise ValueError("means and deviations of another number of colours")
        return self


@dataclass(frozen=True)
class ImagePreprocessor(Preprocessing):
    """Files of images ``(ch, h, w)`` or volumes ``(1, d, h, w)``, of one size, standardised: ``(x − mean) / sd``.

    They stay in their files until a batch needs them; the change at random is made while training alone, by seed, epoch
    and patient.

    Parameters
    ----------
    plan
        What is done to each image before.
    mean, deviation
        Of each colour, over all pixels of the training patients' images.
    bits
        Of how many bits their values are; 0: they have units of their own; None: not known, or it does not matter.
    patients
        Of how many patients mean and deviation are: rounded down to a multiple of five; None: not counted.
    unit
        Of their values, as all of them say it; nothing where they do not, or differ.

    Examples
    --------
    >>> ImagePreprocessor(ImagePlan(size=(64, 64)), (0.5,), (0.25,)).encoder()
    ('small_cnn', {'in_channels': 1, 'dims': 2})
    """

    name: ClassVar[str] = "image"
    saved_as: ClassVar[type[BaseModel]] = ImageState
    called: ClassVar[str] = "images"

    plan: ImagePlan
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    bits: int | None = None
    patients: int | None = None
    unit: str = ""

    @classmethod
    def fit(cls, frame: pd.DataFrame, plan: ImagePlan) -> Self:
        """Learn mean and deviation of each colour from the images of training patients, 256 of them at most.

        Parameters
        ----------
        frame
            Pictures by patient.
        plan
            What is done to each image before.

        Raises
        ------
        InputError
            If an image cannot be read, all are of one and the same value, or their values are of different bits.

        Warns
        -----
        LegoWarning
            If some are of one value throughout.
        """
        bits = one_depth(_depths(frame), plan)
        pictures = list(_pictures(frame).items())
        chosen = np.unique(np.linspace(0, len(pictures) - 1, min(len(pictures), FITTED_ON)).round().astype(int))
        moments = torch.zeros(2, plan.channels, dtype=torch.float64)
        blank = []
        for place in chosen:
            patient, picture = pictures[place]
            with within(f"patient {patient}"):
                pixels = plan.load(picture.files).flatten(1).double()  # (ch, pixels)
            blank += [patient] if bool((pixels.amin(1) == pixels.amax(1)).all()) else []
            moments += torch.stack([pixels.mean(1), pixels.square().mean(1)]) / len(chosen)
        among = in_steps(len(chosen), MIN_PATIENTS) or len(chosen)
        mean, square = moments
        variance = square - mean.square()
        if bool((variance <= 1e-12 * square.clamp_min(1e-30)).any()):
            raise InputError(
                "the images of the training patients are all of one value",
                expected="pixels that differ",
                got=", ".join(f"{value:g}" for value in mean.tolist()),
                remedy="Look at window: if it is given, all values may lie outside.",
            )
        if blank:
            text = f"{counted(len(blank), plan.noun)} of one value throughout, for training to learn nothing from"
            warnings.warn(f"{text}: {listed(blank)}.", LegoWarning, stacklevel=2)
        units = {picture.files[0].unit for _, picture in pictures}
        unit = units.pop() if len(units) == 1 else ""
        return cls(plan, tuple(mean.float().tolist()), tuple(variance.sqrt().float().tolist()), bits, among, unit)

    def transform(self, frame: pd.DataFrame) -> LazyColumn:
        """Return the images, which are read when a batch needs them.

        Parameters
        ----------
        frame
            Pictures by patient.

        Raises
        ------
        InputError
            If they are not images, or volumes, or their values are of other bits than those of training.
        """
        one_depth(_depths(frame), self.plan, self.bits)
        items = {str(patient): PreparedPicture(picture, self) for patient, picture in _pictures(frame).items()}
        return LazyColumn(items, self._nobody(), ragged=False)

    def odd(self, frame: pd.DataFrame) -> tuple[Odd, Odd]:
        """Return by patient that the image is of one value throughout, or its values in another unit than in training.

        Parameters
        ----------
        frame
            Pictures by patient, which are read.
        """
        found: Odd = {}
        for patient, picture in _pictures(frame).items():
            unit = picture.files[0].unit
            if self.unit and unit and unit != self.unit:
                found.setdefault(str(patient), []).append(f"unit = {unit}, not {self.unit}")
            pixels = self.plan.load(picture.files).flatten(1)
            if bool((pixels.amin(1) == pixels.amax(1)).all()):
                found.setdefault(str(patient), []).append(f"{self.plan.noun} of one value throughout")
        return found, {}

    def blank(self) -> LazyColumn:
        """Return the images of nobody."""
        return LazyColumn([], self._nobody(), ragged=False)

    def _nobody(self) -> Tensor:
        return torch.zeros(0, self.plan.channels, *self.plan.size)

    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return the encoder of images or volumes."""
        return "small_cnn", {"in_channels": self.plan.channels, "dims": self.plan.dims}

    def config(self) -> dict[str, object]:
        """Return all that was learnt, as values that JSON can hold."""
        state = ImageState(
            version=4 if self.unit else 3,
            plan=self.plan,
            mean=list(self.mean),
            deviation=list(self.deviation),
            bits=self.bits,
            patients=self.patients,
            unit=self.unit,
        )
        return state.model_dump(
            mode="json", exclude=None if self.unit else {"unit"}
        )  # old versions need not know of it

    def kept(self) -> list[Kept]:
        """Return mean and deviation of the pixels of each colour: of all training patients, 256 of them at most."""
        return [
            Kept(f"colour {place}", "mean, deviation of pixels", f"{mean:g}, {deviation:g}", self.patients)
            for place, (mean, deviation) in enumerate(zip(self.mean, self.deviation, strict=True))
        ]

    @classmethod
    def _restored(cls, state: ImageState) -> Self:
        return cls(state.plan, tuple(state.mean), tuple(state.deviation), state.bits, state.patients, state.unit)


def _pictures(frame: pd.DataFrame) -> Mapping[str, Picture]:
    if COLUMN not in frame.columns:
        got = ", ".join(map(str, frame.columns[:3]))
        raise InputError("a modality that holds no images", expected="kind: image or volume in the manifest", got=got)
    return files_of(frame, COLUMN)


def _depths(frame: pd.DataFrame) -> dict[str, int]:
    return {patient: picture.files[0].bits for patient, picture in _pictures(frame).items()}
