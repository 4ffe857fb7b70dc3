"""The pixels of images and volumes, through the readers of MONAI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from mmlego.data.kinds.image.files import EXTRA, ImageFile, reading
from mmlego.errors import InputError
from mmlego.extras import import_extra

Colour = Literal["grey", "rgb"]


def read_image(file: ImageFile, colour: Colour) -> torch.Tensor:
    """Return an image, float32 ``(ch, h, w)``, upright.

    Grey images become RGB by repetition, coloured ones grey by luminance. DICOM comes in its own units (slope and
    intercept applied); where small values are bright, it is inverted.

    Parameters
    ----------
    file
        A PNG, JPEG or DICOM file.
    colour
        ``"grey"`` for one channel, ``"rgb"`` for three.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    with reading(file.path):
        array = _picture(file, colour) if file.form == "picture" else _frame(file)
        pixels = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
        pixels = pixels[None] if pixels.ndim == 2 else pixels.movedim(-1, 0)  # (ch, h, w)
    if colour == "grey" and len(pixels) > 1:
        weights = torch.tensor([0.299, 0.587, 0.114])  # of red, green and blue in luminance, ITU-R BT.601
        pixels = torch.einsum("chw,c->hw", pixels[:3], weights)[None]
    pixels = pixels.expand(3, -1, -1).contiguous() if colour == "rgb" and len(pixels) == 1 else pixels
    return _finite(pixels, file)


def read_volume(files: Sequence[ImageFile]) -> Any:
    """Return a volume as a MetaTensor ``(1, x, y, z)`` with its place in space (right, anterior, superior).

    Parameters
    ----------
    files
        One NIfTI file, one DICOM file of several frames, or the slices of a DICOM series.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    readers = import_extra("monai.data.image_reader", "reading a volume", EXTRA)
    first = files[0]
    with reading(first.path):
        if first.form == "nifti":
            reader = readers.NibabelReader()
            array, meta = reader.get_data(reader.read(first.path))
            affine = meta["affine"]
        elif len(files) == 1 and len(first.shape) == 3:
            array, affine = _frames(first)
        else:
            array, affine = _series(readers.PydicomReader(), files)
        data = import_extra("monai.data", "reading a volume", EXTRA)
        pixels = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
        pixels = pixels.reshape(*pixels.shape[:2], -1)  # one slice alone is a volume too
        return data.MetaTensor(_finite(pixels, first)[None], affine=torch.as_tensor(affine, dtype=torch.float64))


def _finite(pixels: torch.Tensor, file: ImageFile) -> torch.Tensor:
    if not bool(torch.isfinite(pixels).all()):
        raise InputError(f"{file.path.name!r} holds NaN or infinite values", expected="finite numbers")
    return pixels


def _picture(file: ImageFile, colour: Colour) -> NDArray[Any]:
    readers = import_extra("monai.data.image_reader", f"reading {file.path.name!r}", EXTRA)
    operations = import_extra("PIL.ImageOps", f"reading {file.path.name!r}", EXTRA)

    def upright(image: Any) -> Any:
        image = operations.exif_transpose(image)
        if image.mode[0] in "IF":  # more than 256 greys, which a conversion would cut
            return image
        return image.convert("L" if colour == "grey" else "RGB")

    reader = readers.PILReader(upright, reverse_indexing=False, formats=("PNG", "JPEG"))
    with file.path.open("rb") as stream:  # closed even if reading fails
        array: NDArray[Any] = reader.get_data(reader.read([stream]))[0]
    return array


def _frame(file: ImageFile) -> NDArray[Any]:
    """Return one frame of DICOM, ``(h, w)`` or ``(h, w, 3)``, in its own units, small values dark."""
    readers = import_extra("monai.data.image_reader", f"reading {file.path.name!r}", EXTRA)
    reader = readers.PydicomReader(swap_ij=False)
    found = reader.read(file.path)
    if found.get("PhotometricInterpretation") == "PALETTE COLOR":
        raise InputError(f"{file.path.name!r} is drawn with a palette", expected="greys, or red, green and blue")
    array: NDArray[Any] = reader.get_data(found)[0]
    if found.get("PhotometricInterpretation") != "MONOCHROME1":
        return array
    slope, offset = float(found.get("RescaleSlope", 1)), float(found.get("RescaleIntercept", 0))
    return np.float32(slope * (2 ** int(found.BitsStored) - 1) + 2 * offset) - array.astype(np.float32)


def _series(reader: Any, files: Sequence[ImageFile]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the slices of a series ``(x, y, z)`` in the order of their numbers, and where they lie."""
    slices = [reader.read(file.path) for file in files]
    if len(files) > 1:
        reader.has_series, reader.filenames = True, [[str(file.path) for file in files]]
        array, meta = reader.get_data(slices)
    else:
        array, meta = reader.get_data(slices[0])
    return array, meta["affine"]


def _frames(file: ImageFile) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the frames of one file ``(x, y, z)``, and where they lie as far as the file says it."""
    readers = import_extra("monai.data.image_reader", f"reading {file.path.name!r}", EXTRA)
    found = readers.PydicomReader().read(file.path)
    array = found.pixel_array.astype(np.float32)  # (frames, h, w)
    shared = _first(found.get("SharedFunctionalGroupsSequence"))
    single = list(found.get("PerFrameFunctionalGroupsSequence", []))
    tone = _part("PixelValueTransformationSequence", shared, *single[:1]) or found
    array = array * float(tone.get("RescaleSlope", 1)) + float(tone.get("RescaleIntercept", 0))
    measures = _part("PixelMeasuresSequence", shared, *single[:1]) or found
    rows, columns = (float(step) for step in measures.get("PixelSpacing", (1, 1)))
    between = measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 1
    plane = _part("PlaneOrientationSequence", shared, *single[:1]) or found
    axes = np.array(plane.get("ImageOrientationPatient", (1, 0, 0, 0, 1, 0)), dtype=float).reshape(2, 3)
    ends = [_part("PlanePositionSequence", group) for group in (*single[:1], *single[-1:])]
    places = [np.array(end.ImagePositionPatient, dtype=float) for end in ends if end is not None]
    step = np.cross(*axes) * float(between)
    if len(places) == 2 and len(array) > 1 and np.any(places[1] != places[0]):
        step = (places[1] - places[0]) / (len(array) - 1)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = axes[0] * columns, axes[1] * rows, step
    affine[:3, 3] = places[0] if places else 0
    return array.transpose(2, 1, 0), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # DICOM counts to the left and back


def _first(sequence: Any) -> Any:
    return sequence[0] if sequence else None


def _part(name: str, *groups: Any) -> Any:
    """Return a part of the description of frames, from the first group that has it; None if none has."""
    return next((_first(group.get(name)) for group in groups if group is not None and group.get(name)), None)
