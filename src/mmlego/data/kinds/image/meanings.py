"""What the values of a DICOM file mean, as its header says it: their unit, and what is not applied to them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mmlego.data.kinds.image.image_file import ImageFile
from mmlego.data.kinds.image.padding import names_padding
from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.wording import counted

PADDED = "whose header names a value of padding, which counts as the darkest that was measured"
MAPPED = "whose header maps stored values to others (RealWorldValueMapping), which is not applied"
SHOWN = "whose header says how it is to be shown (VOI LUT, window), which is not applied"
STORED = "of CT without RescaleIntercept: its values are those stored, which may be no Hounsfield units"
RAW = "for processing, not for presentation (PresentationIntentType)"
OF_VALUES = (PADDED, MAPPED, SHOWN, STORED, RAW)
_UNSPECIFIED = "US"
_SCALE, _MAPPING = "PixelValueTransformationSequence", "RealWorldValueMappingSequence"
_OWN_UNITS = {"CT", "PT", "MR", "NM", "RTDOSE"}  # shown through a window that is no part of the values


def unit_of(found: Any, *groups: Any) -> str:
    """Return the unit of values; nothing where it is not told, or of other scanners than CT as US, unspecified.

    Values of CT are Hounsfield units unless it is said otherwise (PS3.3 C.8.2.1.1.2).

    Parameters
    ----------
    found
        The header.
    groups
        Of a frame, its functional groups, and those of all frames.
    """
    groups = groups or _frames(found)[0]
    scale = part_of(_SCALE, *groups) or found
    said = [str(part.get(name) or "").strip() for part, name in _units(found, scale)]
    is_ct = found.get("Modality") == "CT"
    mapping = part_of(_MAPPING, *groups, found)
    if mapping is not None and _same(mapping, scale):
        said.append(str((first_of(mapping.get("MeasurementUnitsCodeSequence")) or {}).get("CodeValue") or ""))
    unit = next((unit for unit in said if unit and (is_ct or unit != _UNSPECIFIED)), "")
    return "HU" if is_ct and unit in ("", "[hnsf'U]") and _has_scale(found, scale) else unit


def doubts_of(found: Any, *, volume: bool) -> tuple[str, ...]:
    """Return what its header says of values and is not applied, or leaves open.

    Parameters
    ----------
    found
        The header.
    volume
        Whether it is a volume or a slice of one.
    """
    frames = _frames(found)
    scales = [part_of(_SCALE, *groups) or found for groups in frames]
    maps = [part_of(_MAPPING, *groups, found) for groups in frames]
    modality = found.get("Modality")
    pairs = zip(maps, scales, strict=True)
    told = {
        PADDED: names_padding(found),
        MAPPED: any(mapping is not None and not _same(mapping, scale) for mapping, scale in pairs),
        SHOWN: not volume and modality not in _OWN_UNITS and ("VOILUTSequence" in found or "WindowCenter" in found),
        STORED: modality == "CT" and not all(_has_scale(found, scale) for scale in scales),
        RAW: not volume and str(found.get("PresentationIntentType") or "").strip() == "FOR PROCESSING",
    }
    return tuple(text for text, holds in told.items() if holds)


def meaning_notes(files: Mapping[str, Sequence[ImageFile]], modality: str, what: str) -> list[Dropped]:
    """Return notes of what headers say of values and is not applied, or leave open, and of whose files they are.

    Parameters
    ----------
    files
        Those of each patient.
    modality
        Its name.
    what
        What each patient has, as ``image``.

    Examples
    --------
    >>> from pathlib import Path
    >>> scans = {who: [ImageFile(Path("1.dcm"), "dicom", (8, 8), doubts=(STORED,))] for who in "ab"}
    >>> [str(note)[:51] for note in meaning_notes(scans, "ct", "volume")]
    ['ct: 2 volumes of CT without RescaleIntercept: its v']
    """
    notes: list[Dropped] = []
    for text in OF_VALUES:
        whose = tuple(who for who, own in files.items() if any(text in file.doubts for file in own))
        usual = text in (PADDED, SHOWN) or (text == RAW and len(whose) == len(files))
        if whose:
            kind = Noted if usual else Doubtful
            notes.append(kind(modality, f"{counted(len(whose), what)} {text}", () if usual else whose))
    return notes


def first_of(sequence: Any) -> Any:
    """Return the first item of a sequence of DICOM; None if it is empty or not there."""
    return sequence[0] if sequence else None


def part_of(name: str, *groups: Any) -> Any:
    """Return a part of the description of frames, from the first group that has it; None if none has."""
    return next((first_of(group.get(name)) for group in groups if group is not None and group.get(name)), None)


def _frames(found: Any) -> list[tuple[Any, ...]]:
    """Return the functional groups of each frame, and those of all; of a file without them none."""
    shared = first_of(found.get("SharedFunctionalGroupsSequence"))
    return [(group, shared) for group in found.get("PerFrameFunctionalGroupsSequence") or [None]]


def _same(mapping: Any, scale: Any) -> bool:
    """Return whether a mapping to the real world is the scale that is applied."""
    pairs = (("RealWorldValueSlope", "RescaleSlope", 1.0), ("RealWorldValueIntercept", "RescaleIntercept", 0.0))
    return all(
        math.isclose(_number(mapping, one, math.nan), _number(scale, other, usual)) for one, other, usual in pairs
    )


def _units(found: Any, scale: Any) -> list[tuple[Any, str]]:
    return [(found, "Units"), (found, "DoseUnits"), (scale, "RescaleType")]


def _number(part: Any, element: str, otherwise: float) -> float:
    value = part.get(element)
    return otherwise if value in (None, "") else float(value)


def _has_scale(found: Any, scale: Any) -> bool:
    return scale.get("RescaleIntercept") is not None or "ModalityLUTSequence" in found
