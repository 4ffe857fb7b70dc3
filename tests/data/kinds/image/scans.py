"""Images and volumes as scanners and programs write them, a few pixels each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def pixels(*shape: int, seed: int = 0, most: int = 255) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, most, size=shape).astype(np.uint8 if most < 256 else np.uint16)


def write_picture(path: Path, array: np.ndarray, **how: Any) -> Path:
    """Write a PNG or JPEG, by its ending."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **how)
    return path


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def write_dicom(
    path: Path,
    array: np.ndarray,
    *,
    number: int | None = 1,
    series: str = "1.2.3",
    place: Sequence[float] | None = None,
    axes: Sequence[float] = (1, 0, 0, 0, 1, 0),
    spacing: Sequence[float] = (1.0, 1.0),
    syntax: str = "1.2.840.10008.1.2.1",
    **tags: Any,
) -> Path:
    """Write one image (h, w) or (h, w, 3), or frames (f, h, w)."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID

    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.2")
    meta.MediaStorageSOPInstanceUID = UID("1.2.3.4")
    meta.TransferSyntaxUID = UID(syntax)
    made = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    made.PatientID = "ANON"
    made.SeriesInstanceUID = series
    coloured = array.ndim == 3 and array.shape[-1] == 3
    frames = array.shape[0] if array.ndim == 3 and not coloured else 1
    if frames > 1:
        made.NumberOfFrames = frames
    made.Rows, made.Columns = array.shape[1:] if frames > 1 else array.shape[:2]
    made.SamplesPerPixel = 3 if coloured else 1
    if coloured:
        made.PlanarConfiguration = 0
    made.PhotometricInterpretation = "RGB" if coloured else "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8 * array.dtype.itemsize
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(array.dtype.kind == "i")
    made.PixelSpacing = list(spacing)
    if number is not None:
        made.InstanceNumber = number
    if place is not None:
        made.ImagePositionPatient = list(place)
        made.ImageOrientationPatient = list(axes)
    for name, value in tags.items():
        setattr(made, name, value)
    made.PixelData = array.tobytes()
    made["PixelData"].VR = "OB" if array.dtype.itemsize == 1 else "OW"
    made.save_as(path, enforce_file_format=True)
    return path


def group(**parts: dict[str, object]) -> Any:
    """Return a functional group, of sequences of one item each."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence as Items

    made = Dataset()
    for name, tags in parts.items():
        inner = Dataset()
        for tag, value in tags.items():
            setattr(inner, tag, value)
        setattr(made, name, Items([inner]))
    return made


def write_enhanced(
    path: Path,
    array: np.ndarray,
    places: Sequence[Sequence[float]],
    *,
    axes: Sequence[float] = (1, 0, 0, 0, 1, 0),
    slopes: Sequence[float] = (),
    more: Sequence[dict[str, dict[str, object]]] = (),
    **tags: Any,
) -> Path:
    """Write frames (f, h, w) that each say where they lie, and what a stored value is worth."""
    shared = group(
        PixelMeasuresSequence={"PixelSpacing": [2.0, 3.0], "SliceThickness": 9.0},
        PlaneOrientationSequence={"ImageOrientationPatient": list(axes)},
    )
    frames = []
    for i, place in enumerate(places):
        parts: dict[str, dict[str, object]] = {"PlanePositionSequence": {"ImagePositionPatient": list(place)}}
        if slopes:
            parts["PixelValueTransformationSequence"] = {"RescaleSlope": slopes[i], "RescaleIntercept": -10.0}
        frames.append(group(**parts, **(more[i] if more else {})))
    tags |= {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": frames}
    return write_dicom(path, array, **tags)
