"""The pixels of images and volumes, upright and in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from mmlego.data.kinds.image.dicom_pixels import dicom_frames
from mmlego.data.kinds.image.image_file import EXTRA, ImageFile, check_finite, reading
from mmlego.data.kinds.image.padding import without_padding
from mmlego.data.kinds.image.pictures import FORMATS
from mmlego.data.kinds.image.pixels import seen_of
from mmlego.data.kinds.image.stacks import Grid, grid_of
from mmlego.data.kinds.seen import Seen
from mmlego.extras import import_extra

Colour = Literal["grey", "rgb"]


def read_image(file: ImageFile, colour: Colour) -> torch.Tensor:
    """Return an image, float32 ``(ch, h, w)``, upright.

    Grey images become RGB by repetition, coloured ones grey by luminance. DICOM comes in its own units (slope and
    intercept applied); where small values are bright, it is inverted. Padding is as dark as its darkest pixel.

    Parameters
    ----------
    file
        A picture or a DICOM file.
    colour
        ``"grey"`` for one channel, ``"rgb"`` for three.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    with reading(file.path):
        array = _picture(file, colour) if file.form == "picture" else _unpadded(file)
        pixels = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
        pixels = pixels[None] if pixels.ndim == 2 else pixels.movedim(-1, 0)  # (ch, h, w)
        check_finite(array, file)
    if colour == "grey" and len(pixels) > 1:
        weights = torch.tensor([0.299, 0.587, 0.114])  # of red, green and blue in luminance, ITU-R BT.601
        pixels = torch.einsum("chw,c->hw", pixels[:3], weights)[None]
    pixels = pixels.expand(3, -1, -1).contiguous() if colour == "rgb" and len(pixels) == 1 else pixels
    return pixels


def read_volume(files: Sequence[ImageFile]) -> Any:
    """Return a volume as a MetaTensor ``(1, x, y, z)`` with its place in space (right, anterior, superior).

    Parameters
    ----------
    files
        One NIfTI file, one DICOM file of several frames, or the slices of a DICOM series.

    Raises
    ------
    InputError
        If a file cannot be read, or the slices are no regular stack of one volume.
    """
    data = import_extra("monai.data", "reading a volume", EXTRA)
    grid = place_of(files)
    array = _nifti(files[0]) if files[0].form == "nifti" else _stack(files, grid)
    return data.MetaTensor(torch.from_numpy(array)[None], affine=torch.as_tensor(grid.affine, dtype=torch.float64))


def look_through(files: Sequence[ImageFile]) -> Seen:
    """Read all pixels of an image or a volume, slice by slice.

    Parameters
    ----------
    files
        Those of one patient, or some of its slices.

    Returns
    -------
    Seen
        How many slices are of one value throughout, but those at either end of NIfTI, where nothing was scanned; and
        what values there are.

    Raises
    ------
    InputError
        If a file cannot be read to its end, or holds NaN or infinite values.
    """
    blank: list[bool] = []
    values: list[Seen] = []
    for file in files:
        if file.form == "nifti":
            array = _nifti(file)
            blank += (array.min(axis=(0, 1)) == array.max(axis=(0, 1))).tolist()
            values.append(seen_of(array, file.bits))
        elif file.form == "picture":
            pixels = read_image(file, "rgb")
            blank.append(_is_flat(pixels.flatten(1).numpy()))
            values.append(seen_of(pixels.numpy(), file.bits))
        else:
            with reading(file.path):
                frames = dicom_frames(file)
                blank += [_is_flat(frame.reshape(-1, frame[0, 0].size).T) for frame in frames]
                values.append(seen_of(frames[~np.isnan(frames)], file.bits))
    within = blank
    if not all(blank) and files[0].form == "nifti":
        within = blank[blank.index(False) : len(blank) - blank[::-1].index(False)]
    low, high = min(one.low for one in values), max(one.high for one in values)
    return Seen(sum(within), len(blank), low, high, all(one.labels for one in values))


def _is_flat(channels: NDArray[Any]) -> bool:
    """Return whether all that was measured of each channel ``(ch, n)`` is of one value."""
    known = (channel[~np.isnan(channel)] for channel in channels)
    return all(not len(values) or values.min() == values.max() for values in known)


def place_of(files: Sequence[ImageFile]) -> Grid:
    """Return where the voxels of a volume lie, and the order of its slices.

    Parameters
    ----------
    files
        Those of one patient.

    Raises
    ------
    InputError
        If the slices are no regular stack of one volume.
    """
    first = files[0]
    if first.grid is not None:
        return first.grid
    name = first.path.name if len(files) == 1 else first.path.parent.name
    return grid_of([one for file in files for one in file.slices], name, first.orientation)


def _nifti(file: ImageFile) -> NDArray[np.float32]:
    nibabel = import_extra("nibabel", f"reading {file.path.name!r}", EXTRA)
    with reading(file.path):
        array = np.asarray(nibabel.load(file.path).dataobj).reshape(file.shape, order="A").astype(np.float32)
    check_finite(array, file)
    return array


def _stack(files: Sequence[ImageFile], grid: Grid) -> NDArray[np.float32]:
    """Return the slices of a volume ``(x, y, z)`` in the order in which they lie."""
    planes = np.empty((len(grid.order), *files[0].shape[-2:]), dtype=np.float32)
    ranks = iter(np.argsort(grid.order).tolist())
    for file in files:
        with reading(file.path):
            for _, frame in zip(file.slices, dicom_frames(file), strict=True):
                planes[next(ranks)] = frame
    name = files[0].path.name if len(files) == 1 else files[0].path.parent.name
    return without_padding(planes, name).transpose(2, 1, 0)


def _unpadded(file: ImageFile) -> NDArray[np.float32]:
    return without_padding(dicom_frames(file)[0], file.path.name)


def _picture(file: ImageFile, colour: Colour) -> NDArray[Any]:
    readers = import_extra("monai.data.image_reader", f"reading {file.path.name!r}", EXTRA)
    operations = import_extra("PIL.ImageOps", f"reading {file.path.name!r}", EXTRA)

    def upright(image: Any) -> Any:
        image = operations.exif_transpose(image)
        if image.mode[0] in "IF":  # more than 256 greys, which a conversion would cut
            return image
        return image.convert("L" if colour == "grey" else "RGB")

    reader = readers.PILReader(upright, reverse_indexing=False, formats=FORMATS)
    with file.path.open("rb") as stream:  # closed even if reading fails
        array: NDArray[Any] = reader.get_data(reader.read([stream]))[0]
    return array
