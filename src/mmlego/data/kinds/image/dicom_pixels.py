"""The pixels of DICOM in their own units, frame by frame, small values dark."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.image.dicom import GREY
from mmlego.data.kinds.image.image_file import EXTRA, ImageFile, check_finite
from mmlego.data.kinds.image.meanings import first_of, part_of
from mmlego.data.kinds.image.padding import padding_of
from mmlego.errors import InputError
from mmlego.extras import import_extra


def dicom_frames(file: ImageFile) -> NDArray[np.float32]:
    """Return the frames of a DICOM file ``(n, h, w)``, of colours ``(n, h, w, 3)``, in the order of the file.

    Each frame is scaled by its own slope and intercept, a grid of doses by its scale. Where small values are bright
    (MONOCHROME1) the stored values are turned around first, those of signed pixels about −½. Padding is NaN.

    Parameters
    ----------
    file
        The file.

    Raises
    ------
    InputError
        If a value that was measured is not finite, or an element says that it is larger than the memory.
    MissingExtraError
        If pydicom is not installed.
    """
    pydicom = import_extra("pydicom", f"reading {file.path.name!r}", EXTRA)
    pixels = import_extra("pydicom.pixels", f"reading {file.path.name!r}", EXTRA)
    try:
        found = pydicom.dcmread(file.path)
    except MemoryError as error:  # an element behind the pixels, or they, say that they are of gigabytes
        name = repr(file.path.name)
        raise InputError(f"{name} is damaged", expected="elements no larger than the file") from error
    array: NDArray[Any] = pixels.pixel_array(found)  # red, green and blue whatever the colours are stored as
    tone = str(found.get("PhotometricInterpretation", "MONOCHROME2"))
    if tone not in GREY:
        return np.asarray(array.reshape(-1, *file.shape[-2:], 3), dtype=np.float32)
    array = array.reshape(-1, *file.shape[-2:])
    padded = padding_of(array, found, file.path.name)
    scaled = _in_units(array, found, pixels)
    check_finite(scaled if padded is None else scaled[~padded], file)
    if padded is not None:
        scaled[padded] = np.nan
    return scaled


def _in_units(array: NDArray[Any], found: Any, pixels: Any) -> NDArray[np.float32]:
    """Return stored values in their own units, small values dark."""
    tone = str(found.get("PhotometricInterpretation", "MONOCHROME2"))
    if "ModalityLUTSequence" in found:
        looked_up = np.array(pixels.apply_modality_lut(array, found), dtype=np.float32)
        most = 2 ** int(found.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
        return looked_up if tone == "MONOCHROME2" else most - looked_up
    if tone == "MONOCHROME1":
        array = _turned(array, found)
    scaled = np.empty(array.shape, dtype=np.float32)
    for index, (slope, intercept) in enumerate(_scales(found, len(array))):
        scaled[index] = array[index].astype(np.float64) * slope + intercept
    return scaled


def _turned(array: NDArray[Any], found: Any) -> NDArray[Any]:
    """Return stored values turned around within the range of their bits."""
    if array.dtype.kind == "f":  # numbers of no range
        return -array
    least_and_most = -1 if int(found.get("PixelRepresentation", 0)) == 1 else 2 ** int(found.BitsStored) - 1
    turned: NDArray[Any] = least_and_most - array.astype(np.int64)
    return turned


def _scales(found: Any, frames: int) -> list[tuple[float, float]]:
    """Return slope and intercept of each frame."""
    dose = found.get("DoseGridScaling")
    if dose is not None:
        return [(float(dose), 0.0)] * frames
    shared = first_of(found.get("SharedFunctionalGroupsSequence"))
    groups = found.get("PerFrameFunctionalGroupsSequence") or [None] * frames
    return [_scale(part_of("PixelValueTransformationSequence", group, shared) or found) for group in groups]


def _scale(part: Any) -> tuple[float, float]:
    slope, intercept = part.get("RescaleSlope"), part.get("RescaleIntercept")
    return 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)
