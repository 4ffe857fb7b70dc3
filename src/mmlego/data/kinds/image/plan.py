"""What is done to images and volumes before a network sees them, by the transforms of MONAI."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from mmlego.data.kinds.image.image_file import EXTRA, ImageFile
from mmlego.data.kinds.image.reading import Colour, place_of, read_image, read_volume
from mmlego.data.kinds.image.stacks import Grid
from mmlego.errors import InputError
from mmlego.extras import import_extra

Axis = Literal["d", "h", "w"]
MOST_RESAMPLED = 2**28  # voxels: 1 GiB in single precision


class Augment(BaseModel):
    """How images are changed at random while training, anew each epoch.

    Parameters
    ----------
    flip
        Axes along which half of the images are mirrored, of ``d``, ``h`` and ``w``.
    rotate
        The most degrees by which they are turned, about each axis of a volume.
    noise
        The largest standard deviation of noise, in units of the standardised image.

    Examples
    --------
    >>> Augment(flip=["w"], rotate=10).noise
    0.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    flip: tuple[Axis, ...] = ()
    rotate: float = Field(default=0.0, ge=0, le=180)
    noise: float = Field(default=0.0, ge=0, allow_inf_nan=False)


class ImagePlan(BaseModel):
    """What is done to each image, but for the standardisation, which is fitted.

    Parameters
    ----------
    size
        Height and width in pixels; of volumes depth (to the head), height and width in voxels.
    colour
        ``grey`` or ``rgb``; volumes are grey.
    spacing
        Of volumes, millimetres a voxel along the axes of ``size``: they are resampled, and cut or padded about their
        middle to ``size``; None: they are stretched to it, as images are.
    window
        Values in the units of the file (Hounsfield units) that become 0 and 1; those outside become the nearer end.
    percentiles
        Percentiles of each image itself that become 0 and 1, for scans without units, as those of MRI.
    bits
        Of images, how many bits the range of their values becomes, each scaled by its own: 8 makes 0 to 255 of all,
        also of those of 16 bits; None: they stay as they are.
    augment
        How images are changed while training; None: not.

    Examples
    --------
    >>> ImagePlan(size=(64, 96, 96), window=(-1000.0, 400.0)).channels
    1
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: tuple[int, ...] = Field(min_length=2, max_length=3)
    colour: Colour = "grey"
    spacing: tuple[float, float, float] | None = None
    window: tuple[float, float] | None = None
    percentiles: tuple[float, float] | None = None
    bits: int | None = Field(default=None, ge=1, le=32)
    augment: Augment | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if min(self.size) < 1:
            raise ValueError("size is not positive")
        if math.prod(self.size) > MOST_RESAMPLED:
            raise ValueError(f"size is of more than {MOST_RESAMPLED} pixels or voxels")
        if self.window is not None and self.percentiles is not None:
            raise ValueError("window and percentiles exclude one another")
        for low, high in (pair for pair in (self.window, self.percentiles) if pair is not None):
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError("a window or percentiles need a lower and a higher number")
        if self.percentiles is not None and not (0 <= self.percentiles[0] and self.percentiles[1] <= 100):
            raise ValueError("percentiles go from 0 to 100")
        if self.spacing is not None and (self.dims == 2 or not all(0 < step < math.inf for step in self.spacing)):
            raise ValueError("spacing is that of volumes, and positive")
        if self.dims == 3 and (self.colour == "rgb" or self.bits is not None):
            raise ValueError("volumes are grey, and have no bits")
        if self.augment is not None and self.dims == 2 and "d" in self.augment.flip:
            raise ValueError("images have no axis d to flip")
        return self

    @property
    def dims(self) -> Literal[2, 3]:
        """2 for images, 3 for volumes."""
        return 2 if len(self.size) == 2 else 3

    @property
    def noun(self) -> str:
        """What each is called."""
        return "image" if self.dims == 2 else "volume"

    @property
    def channels(self) -> int:
        """How many colours there are."""
        return 3 if self.colour == "rgb" else 1

    def load(self, files: Sequence[ImageFile]) -> Tensor:
        """Return an image, float32 ``(ch, h, w)``, or a volume ``(1, d, h, w)``, of the size wanted, not standardised.

        Parameters
        ----------
        files
            Those of one patient.

        Raises
        ------
        InputError
            If a file cannot be read.
        """
        transforms = import_extra("monai.transforms", "kinds image and volume", EXTRA)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an image of one value has no percentiles: it becomes zeros
            pixels = self._scaled(files[0]) if self.dims == 2 else self._placed(transforms, files)
            pixels = self._fitted_to_size(transforms, pixels)
            if self.window is not None:
                pixels = transforms.ScaleIntensityRange(*self.window, 0.0, 1.0, clip=True)(pixels)
            if self.percentiles is not None:
                pixels = transforms.ScaleIntensityRangePercentiles(*self.percentiles, 0.0, 1.0, clip=True)(pixels)
        return _plain(pixels)

    def check(self, files: Sequence[ImageFile]) -> Grid:
        """Look whether a volume can be resampled as wanted, and return where it lies.

        Parameters
        ----------
        files
            Those of one patient.

        Raises
        ------
        InputError
            If its slices are no regular stack of one volume; if it does not say how large its voxels are, or it would
            become too large.
        """
        grid, name = place_of(files), files[0].path.name
        if self.spacing is None:
            return grid
        if not grid.scaled:
            raise InputError(
                f"{name!r} does not say how large its voxels are",
                expected="millimetres along three axes, as spacing needs them",
                remedy="Leave spacing: out: volumes are then stretched to size.",
            )
        steps = np.linalg.norm(grid.affine[:3, :3], axis=0)
        along = np.abs(grid.affine[:3, :3]).argmax(axis=0)  # which of right, front and head each axis is nearest to
        wanted = np.array(self.spacing[::-1])[along]
        shape = np.maximum(1.0, np.round((np.array(shape_of(files)) - 1) * steps / wanted + 1))
        if float(np.prod(shape)) > MOST_RESAMPLED:
            raise InputError(
                f"{name!r} would be too large once resampled",
                expected=f"at most {MOST_RESAMPLED} voxels",
                got=" × ".join(f"{n:.0f}" for n in shape) + f", of voxels of {' × '.join(f'{n:g}' for n in steps)} mm",
                remedy="Declare a coarser spacing:.",
            )
        return grid

    def _scaled(self, file: ImageFile) -> Tensor:
        """Return an image ``(ch, h, w)`` in the range wanted."""
        pixels = read_image(file, self.colour)
        if self.bits is None or file.bits in (0, self.bits):
            return pixels
        return pixels * float((2**self.bits - 1) / (2**file.bits - 1))

    def _placed(self, transforms: Any, files: Sequence[ImageFile]) -> Any:
        """Return a volume ``(1, d, h, w)`` whose axes go to the head, to the front and to the right."""
        self.check(files)
        volume = transforms.Orientation(axcodes="RAS")(read_volume(files))
        if self.spacing is not None:
            volume = transforms.Spacing(pixdim=self.spacing[::-1], mode="bilinear", padding_mode="border")(volume)
        return _plain(volume).permute(0, 3, 2, 1)

    def _fitted_to_size(self, transforms: Any, pixels: Tensor) -> Tensor:
        if self.spacing is not None:
            # What lies beyond the scan is as its darkest part: air.
            return _plain(transforms.ResizeWithPadOrCrop(self.size, constant_values=float(pixels.min()))(pixels))
        smaller = all(n <= have for n, have in zip(self.size, pixels.shape[1:], strict=True))
        mode = "area" if smaller else "bilinear" if self.dims == 2 else "trilinear"  # the mean of what becomes one
        return _plain(transforms.Resize(self.size, mode=mode)(pixels))

    def changed(self, pixels: Tensor, rng: np.random.Generator) -> Tensor:
        """Return an image changed at random.

        Parameters
        ----------
        pixels
            A standardised image ``(ch, h, w)`` or volume ``(1, d, h, w)``.
        rng
            Random numbers.
        """
        if self.augment is None:
            return pixels
        transforms = import_extra("monai.transforms", "augmentation", EXTRA)
        steps = []
        for axis in self.augment.flip:
            steps.append(transforms.RandFlip(prob=0.5, spatial_axis=("d", "h", "w").index(axis) - 3 + self.dims))
        if self.augment.rotate > 0:
            most = math.radians(self.augment.rotate)
            turns = {"range_x": most} if self.dims == 2 else {"range_x": most, "range_y": most, "range_z": most}
            steps.append(transforms.RandRotate(prob=1.0, padding_mode="border", **turns))
        if self.augment.noise > 0:
            steps.append(transforms.RandGaussianNoise(prob=1.0, std=self.augment.noise))
        if not steps:
            return pixels
        whole = transforms.Compose(steps)
        whole.set_random_state(seed=int(rng.integers(2**32)))
        return _plain(whole(pixels))


def shape_of(files: Sequence[ImageFile]) -> tuple[int, ...]:
    """Return the size of a volume along ``(x, y, z)``."""
    first = files[0]
    if first.form == "nifti":
        return first.shape
    return (*first.shape[:-3:-1], sum(len(file.slices) for file in files))


def _plain(pixels: Any) -> Tensor:
    """Return a bare tensor of what MONAI gives with its place in space."""
    tensor: Tensor = pixels.as_tensor() if hasattr(pixels, "as_tensor") else pixels
    return tensor.to(torch.float32).contiguous()
