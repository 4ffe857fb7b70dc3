"""DICOM files: the header read and checked, frame by frame; the pixels are not."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mmlego.data.kinds.image.codestream import check_decoder, check_size
from mmlego.data.kinds.image.image_file import EXTRA, ImageFile, refuse_large
from mmlego.data.kinds.image.meanings import doubts_of, first_of, part_of, unit_of
from mmlego.data.kinds.image.stacks import ONE_EACH, TELLING, Slice
from mmlego.errors import InputError
from mmlego.extras import import_extra

DEFLATED = "1.2.840.10008.1.2.1.99"
END_OF_SEQUENCE = b"\xfe\xff\xdd\xe0"
TAIL = 4096
UNITS = {"CT", "PT", "MR", "NM", "RTDOSE"}  # whose values do not hang on how many bits are stored
GREY = {"MONOCHROME1", "MONOCHROME2"}
# Where functional groups tell frames apart: sequence and element.
_FRAME_MARKS = (
    ("MRImageFrameTypeSequence", "FrameType"),
    ("CTImageFrameTypeSequence", "FrameType"),
    ("PETFrameTypeSequence", "FrameType"),
    ("MREchoSequence", "EffectiveEchoTime"),
    ("MRDiffusionSequence", "DiffusionBValue"),
    ("FrameContentSequence", "StackID"),
    ("FrameContentSequence", "TemporalPositionIndex"),
    ("TemporalPositionSequence", "TemporalPositionTimeOffset"),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    ("SegmentIdentificationSequence", "ReferencedSegmentNumber"),
)
_SLICE_VECTOR = 0x00540080
_OFFSET_VECTOR = 0x3004000C


def open_dicom(path: Path, file: BinaryIO, most: int, *, volume: bool) -> ImageFile:
    """Read the header of a DICOM file, look whether its pixels are whole and can be unpacked.

    Parameters
    ----------
    path
        The file.
    file
        The same, open.
    most
        How many pixels it may have.
    volume
        Whether it is a volume, or a slice of one: grey, and with a place in space.

    Raises
    ------
    InputError
        If it is too large, truncated, damaged, or of a kind that is not read.
    MissingExtraError
        If pydicom is not installed.
    """
    pydicom = import_extra("pydicom", f"reading {path.name!r}", EXTRA)
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
    except MemoryError as error:  # an element says that it is of gigabytes
        raise InputError(f"{path.name!r} is damaged", expected="elements no larger than the file") from error
    syntax = str(meta.get("TransferSyntaxUID", ""))
    if syntax == DEFLATED:  # it would be inflated whole, before anything says how large it is
        raise InputError(f"{path.name!r} is deflated", expected="a DICOM file whose header is not compressed")
    file.seek(0)
    try:
        found = pydicom.dcmread(file, stop_before_pixels=True)
    except MemoryError as error:
        raise InputError(f"{path.name!r} is damaged", expected="elements no larger than the file") from error
    start, size = file.tell(), path.stat().st_size
    frames, shape = int(found.get("NumberOfFrames", 1) or 1), (int(found.get("Rows", 0)), int(found.get("Columns", 0)))
    if 0 in shape or start >= size:
        raise InputError(f"{path.name!r} holds no pixels", expected="a DICOM image")
    refuse_large(path, (frames, *shape), most)
    if meta.TransferSyntaxUID.is_compressed:
        check_decoder(meta.TransferSyntaxUID, int(found.get("BitsStored", 8)), path.name)
        file.seek(max(start, size - TAIL))
        whole = END_OF_SEQUENCE in file.read()
    else:
        whole = size - start >= _bytes(found, frames, shape)
    if not whole:
        raise InputError(f"{path.name!r} is truncated", expected="all of its pixels")
    if meta.TransferSyntaxUID.is_compressed:
        check_size(file, start, shape, syntax, path.name)
    _check_colour(found, path.name, volume=volume)
    number = found.get("InstanceNumber")
    return ImageFile(
        path,
        "dicom",
        shape if frames == 1 else (frames, *shape),
        start,
        str(found.get("SeriesInstanceUID", "")),
        None if number is None else int(number),
        bits=_bits(found),
        slices=_slices(found, frames, path.name) if volume else (),
        doubts=doubts_of(found, volume=volume),
        owner=str(found.get("PatientID") or "").strip(),
        unit=unit_of(found),
    )


def _bytes(found: Any, frames: int, shape: tuple[int, int]) -> float:
    """Return how many bytes pixels take that are not compressed."""
    samples, bits = int(found.get("SamplesPerPixel", 1)), int(found.BitsAllocated)
    if found.get("PhotometricInterpretation") == "YBR_FULL_422":
        samples = 2  # two pixels share their colour
    return frames * math.prod(shape) * samples * bits / 8


def _check_colour(found: Any, name: str, *, volume: bool) -> None:
    tone = str(found.get("PhotometricInterpretation", "MONOCHROME2"))
    if tone == "PALETTE COLOR":
        raise InputError(f"{name!r} is drawn with a palette", expected="greys, or red, green and blue")
    if volume and (tone not in GREY or int(found.get("SamplesPerPixel", 1)) != 1):
        raise InputError(f"{name!r} is coloured", expected="a grey volume", got=tone)
    if volume and "MOSAIC" in found.get("ImageType", ()):
        raise InputError(
            f"{name!r} is a mosaic, a volume laid out in one plane", expected="a file a slice, or frames of one file"
        )


def _bits(found: Any) -> int:
    """Return of how many bits the range of its values is; 0 where they have units of their own."""
    scaled = float(found.get("RescaleSlope", 1) or 1) != 1 or float(found.get("RescaleIntercept", 0) or 0) != 0
    if scaled or found.get("Modality") in UNITS or "ModalityLUTSequence" in found:
        return 0
    return int(found.get("BitsStored", 0) or 0)


def _slices(found: Any, frames: int, name: str) -> tuple[Slice, ...]:
    """Return what the header says of each frame."""
    groups = found.get("PerFrameFunctionalGroupsSequence")
    if groups:
        if len(groups) != frames:
            raise InputError(f"{name!r} describes {len(groups)} of its frames", expected=frames)
        shared = first_of(found.get("SharedFunctionalGroupsSequence"))
        return tuple(_enhanced(found, group, shared, name) for group in groups)
    if frames == 1:
        return (_classic(found, name),)
    return _stepped(found, frames, name)


def _classic(found: Any, name: str) -> Slice:
    return Slice(
        _numbers(found, "ImagePositionPatient", 3, name),
        _numbers(found, "ImageOrientationPatient", 6, name),
        _numbers(found, "PixelSpacing", 2, name),
        _between(found),
        (*_marks((found, mark) for mark in (*ONE_EACH, *TELLING)), ("Units", unit_of(found))),
    )


def _enhanced(found: Any, group: Any, shared: Any, name: str) -> Slice:
    plane = part_of("PlanePositionSequence", group, shared) or part_of("PlanePositionVolumeSequence", group, shared)
    turned = part_of("PlaneOrientationSequence", group, shared)
    measures = part_of("PixelMeasuresSequence", group, shared) or found
    marks = [(part_of(sequence, group, shared), mark) for sequence, mark in _FRAME_MARKS]
    return Slice(
        _numbers(plane or found, "ImagePositionPatient", 3, name),
        _numbers(turned or found, "ImageOrientationPatient", 6, name),
        _numbers(measures, "PixelSpacing", 2, name),
        _between(measures),
        (*_marks(pair for pair in marks if pair[0] is not None), ("Units", unit_of(found, group, shared))),
    )


def _stepped(found: Any, frames: int, name: str) -> tuple[Slice, ...]:
    """Return the frames of a file that says where the first lies, and how far it is to each other."""
    first, offsets = _classic(_detector(found), name), _offsets(found, frames, name)
    spacing = _numbers(found, "PixelSpacing", 2, name)
    if first.place is None or first.axes is None or offsets is None:
        return (Slice(spacing=spacing, between=_between(found)),) * frames
    normal = np.cross(*np.array(first.axes).reshape(2, 3))
    places = np.array(first.place) + np.outer(offsets, normal)
    return tuple(Slice(tuple(place), first.axes, spacing, first.between) for place in places.tolist())


def _detector(found: Any) -> Any:
    """Return the part that holds the place of the first frame: of nuclear medicine, the first detector."""
    return found if "ImagePositionPatient" in found else first_of(found.get("DetectorInformationSequence")) or found


def _offsets(found: Any, frames: int, name: str) -> Sequence[float] | None:
    """Return how far along the normal each frame lies from the first; None if it is not said."""
    pointer = found.get("FrameIncrementPointer")
    pointers = [] if pointer is None else [int(tag) for tag in _list(pointer)]
    planes = found.get("GridFrameOffsetVector")
    if planes is not None and pointers in ([], [_OFFSET_VECTOR]):
        offsets = _numbers(found, "GridFrameOffsetVector", frames, name) or ()
        return _from_first(found, offsets, name)
    step = found.get("SpacingBetweenSlices")
    if step is None or pointers not in ([], [_SLICE_VECTOR]):  # frames over time, energies, detectors
        return None
    vector = _numbers(found, "SliceVector", frames, name) or range(1, frames + 1)
    return [float(step) * (number - vector[0]) for number in vector]


def _from_first(found: Any, offsets: Sequence[float], name: str) -> Sequence[float]:
    """Return the planes of a dose grid counted from the first: they may be given as places along the body."""
    place = _numbers(found, "ImagePositionPatient", 3, name)
    axes = _numbers(found, "ImageOrientationPatient", 6, name)
    if place is None or axes is None or offsets[0] == 0:
        return offsets
    if math.isclose(offsets[0], place[2], abs_tol=1e-3):
        sign = float(np.cross(*np.array(axes).reshape(2, 3))[2])
        if math.isclose(abs(sign), 1, abs_tol=1e-3):
            return [(offset - offsets[0]) / sign for offset in offsets]
    raise InputError(
        f"the planes of {name!r} have no place",
        expected="GridFrameOffsetVector from 0, or from the third number of ImagePositionPatient",
        got=f"{offsets[0]:g}",
    )


def _numbers(part: Any, element: str, count: int, name: str) -> tuple[float, ...] | None:
    value = part.get(element)
    if value is None or value == "":
        return None
    values = tuple(float(number) for number in _list(value))
    if len(values) != count or not all(math.isfinite(number) for number in values):
        raise InputError(f"{element} of {name!r} is damaged", expected=f"{count} numbers", got=value)
    return values


def _between(part: Any) -> float | None:
    for element in ("SpacingBetweenSlices", "SliceThickness"):
        value = part.get(element)
        if value is not None and abs(float(value)) > 0:
            return abs(float(value))
    return None


def _marks(pairs: Iterable[tuple[Any, str]]) -> tuple[tuple[str, str], ...]:
    found = [(mark, part.get(mark)) for part, mark in pairs]
    said = [(mark, value) for mark, value in found if value is not None and value != ""]
    return tuple(
        (mark, sys.intern("\\".join(map(str, _list(value))))) for mark, value in said
    )  # the same in each slice


def _list(value: Any) -> list[Any]:
    """Return the values of an element, which pydicom gives bare where it is one."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
