"""Slices of DICOM put in the order of the body: one regular stack of one volume, or refused with the reason.

The formats only list slices. Whether they are one volume (no slice missing or twice, no second echo, b-value, phase or
orientation among them, at even steps along their normal) is left to who reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmlego.errors import InputError
from mmlego.wording import counted, listed

Floats: TypeAlias = NDArray[np.float64]

# What one volume has one of; in words of DICOM, which are those of its viewers.
ONE_EACH = (
    "Modality",
    "FrameOfReferenceUID",
    "ImageType",
    "FrameType",
    "StackID",
    "EchoTime",
    "EffectiveEchoTime",
    "DiffusionBValue",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "ConvolutionKernel",
    "Units",
)
# What tells slices of one place apart, and may well differ from place to place.
TELLING = (
    "FlipAngle",
    "InversionTime",
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "TemporalPositionTimeOffset",
    "ReferencedSegmentNumber",
    "AcquisitionNumber",
    "AcquisitionTime",
    "SOPInstanceUID",
)
TURNED = 1e-3  # cosines of one orientation differ by so much at most: a sixteenth of a degree
OFF_GRID = 0.1  # of a step: positions are rounded, to a tenth of a millimetre at worst
TILT = 0.01  # of a step: how much the next slice may lie beside the last
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM counts to the left and to the back
AXES = {"L": (0, -1), "R": (0, 1), "P": (1, -1), "A": (1, 1), "I": (2, -1), "S": (2, 1)}


@dataclass(frozen=True)
class Slice:
    """What a DICOM header says of one slice.

    Parameters
    ----------
    place
        Where its first pixel lies, in mm to the left, to the back and to the head; None if it is not said.
    axes
        Directions in which columns and rows are counted, six cosines.
    spacing
        Millimetres between rows and between columns.
    between
        Millimetres to the next slice, or of thickness: what is known of a slice alone.
    marks
        What tells it from others, as ``("EchoTime", "4.6")``.
    """

    place: tuple[float, ...] | None = None
    axes: tuple[float, ...] | None = None
    spacing: tuple[float, ...] | None = None
    between: float | None = None
    marks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Grid:
    """Where the voxels of a volume lie.

    Parameters
    ----------
    affine
        Of voxel numbers ``(x, y, z)`` to mm to the right, to the front and to the head, ``(4, 4)``.
    order
        Of DICOM, its slices from first to last.
    oriented
        Whether the file, or who declares it, says how its axes lie.
    scaled
        Whether the file says how large a voxel is.
    """

    affine: Floats
    order: tuple[int, ...] = ()
    oriented: bool = True
    scaled: bool = True


def grid_of(slices: Sequence[Slice], name: str, orientation: str | None = None) -> Grid:
    """Return the order of slices along their normal, and where they lie.

    Slices of which none says its place stay in the order given.

    Parameters
    ----------
    slices
        Those of one patient.
    name
        Of their file or folder, for messages.
    orientation
        Where columns, rows and slices are counted to, for those that do not say it.

    Raises
    ------
    InputError
        If they are no regular stack of one volume.

    Examples
    --------
    >>> axial = [Slice((0, 0, z), (1, 0, 0, 0, 1, 0), (1, 1)) for z in (4, 0, 2)]
    >>> grid_of(axial, "ct").order
    (1, 2, 0)
    >>> grid_of([*axial, Slice((0, 0, 8), (1, 0, 0, 0, 1, 0), (1, 1))], "ct")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: 'ct' is no regular stack of one volume: expected slices at even steps, got a gap: slices
    are missing between 4 and 8 mm, where others are 2 mm apart
    """
    without = [one for one in slices if one.place is None or one.axes is None]
    if without and len(without) < len(slices):
        raise _irregular(name, "a place for each slice", f"{len(without)} of {len(slices)} without")
    spacing = _spacing(slices, name)
    if without:
        _check_marks(slices, name)
        return _as_listed(slices, spacing, orientation)
    rows, columns = _axes(slices, name)
    normal = np.cross(rows, columns)
    places = np.array([one.place for one in slices], dtype=float)
    along = places @ normal
    order = np.argsort(along, kind="stable")
    _check_repeats(slices, along, order, name)
    _check_marks(slices, name)
    step, known = _step(places[order], along[order], normal, slices[0].between, name)
    affine = np.eye(4)
    between_rows, between_columns = spacing or (1.0, 1.0)
    affine[:3, 0], affine[:3, 1] = rows * between_columns, columns * between_rows
    affine[:3, 2], affine[:3, 3] = step, places[order[0]]
    return Grid(TO_RAS @ affine, tuple(order.tolist()), scaled=known and spacing is not None)


def affine_of(orientation: str, sizes: Sequence[float]) -> Floats:
    """Return the affine of a volume whose axes are declared, ``(4, 4)``.

    Parameters
    ----------
    orientation
        Where each axis is counted to, as ``LPS``: left, posterior, superior.
    sizes
        Millimetres a voxel along each.

    Examples
    --------
    >>> affine_of("LPS", (1, 2, 3)).diagonal().tolist()
    [-1.0, -2.0, 3.0, 1.0]
    """
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (letter, size) in enumerate(zip(orientation, sizes, strict=True)):
        to, sign = AXES[letter]
        affine[to, axis] = sign * size
    return affine


def is_orientation(letters: str) -> bool:
    """Return whether three letters name one direction of each pair: left or right, front or back, head or feet.

    Parameters
    ----------
    letters
        As ``LPS``.

    Examples
    --------
    >>> is_orientation("LPS"), is_orientation("LRS")
    (True, False)
    """
    return len(letters) == 3 and {AXES.get(letter, (None, 0))[0] for letter in letters} == {0, 1, 2}


def _irregular(name: str, expected: str, got: str) -> InputError:
    return InputError(f"{name!r} is no regular stack of one volume", expected=expected, got=got)


def _as_listed(slices: Sequence[Slice], spacing: tuple[float, float] | None, orientation: str | None) -> Grid:
    between = slices[0].between
    rows, columns = spacing or (1.0, 1.0)
    affine = affine_of(orientation or "RAS", (columns, rows, between or 1.0))
    known = spacing is not None and between is not None
    return Grid(affine, tuple(range(len(slices))), oriented=orientation is not None, scaled=known)


def _spacing(slices: Sequence[Slice], name: str) -> tuple[float, float] | None:
    found = [one.spacing for one in slices]
    if all(spacing is None for spacing in found):
        return None
    first = found[0]
    if first is None or any(spacing is None or not np.allclose(spacing, first, rtol=1e-3) for spacing in found):
        sizes = dict.fromkeys("none" if one is None else " × ".join(f"{size:g}" for size in one) for one in found)
        raise _irregular(name, "pixels of one size", f"PixelSpacing {listed(list(sizes))}")
    if min(first) <= 0:
        raise _irregular(name, "pixels of some size", f"PixelSpacing {' × '.join(f'{size:g}' for size in first)}")
    return first[0], first[1]


def _axes(slices: Sequence[Slice], name: str) -> tuple[Floats, Floats]:
    axes = np.array([one.axes for one in slices], dtype=float)
    if np.abs(axes - axes[0]).max() > TURNED:
        several = max(2, len(np.unique(np.round(axes, 2), axis=0)))
        got = f"{several} orientations, as in a localizer or in several series put together"
        raise _irregular(name, "slices that are parallel", got)
    rows, columns = axes[0].reshape(2, 3)
    square = abs(float(rows @ columns))
    lengths = float(np.linalg.norm(rows)), float(np.linalg.norm(columns))
    if square > TILT or max(abs(length - 1) for length in lengths) > TILT:
        got = ", ".join(f"{cosine:g}" for cosine in axes[0])
        raise _irregular(name, "ImageOrientationPatient: two directions at right angles", got)
    return rows / lengths[0], columns / lengths[1]


def _check_repeats(slices: Sequence[Slice], along: Floats, order: NDArray[np.intp], name: str) -> None:
    """Refuse slices that lie where another one lies, and tell what they differ in."""
    steps = np.diff(along[order])
    apart = steps[steps > 1e-3]
    nearest = 0.01 * float(np.median(apart)) if len(apart) else 1e-3
    twice = int((steps <= nearest).sum())
    if not twice:
        return
    reason = "nothing in their headers tells them apart"
    pairs = [(order[i], order[i + 1]) for i in np.flatnonzero(steps <= nearest)]
    marks = [dict(one.marks) for one in slices]
    if len({of.get("SOPInstanceUID", i) for i, of in enumerate(marks)}) < len(slices):
        reason = "copies of one file"
    else:
        for mark in (*ONE_EACH, *TELLING[:-1]):
            if any(marks[a].get(mark) != marks[b].get(mark) for a, b in pairs):
                reason = f"they differ in {mark}: {listed(dict.fromkeys(of.get(mark, 'none') for of in marks))}"
                break
    where = f"{counted(twice, 'slice')} of {len(slices)} where another one lies"
    raise _irregular(name, "one slice at each place", f"{where}, as of several volumes ({reason})")


def _check_marks(slices: Sequence[Slice], name: str) -> None:
    marks = [dict(one.marks) for one in slices]
    for mark in ONE_EACH:
        values = dict.fromkeys(of.get(mark, "none") for of in marks)
        if len(values) > 1:
            raise _irregular(name, f"one {mark}", listed(values))


def _step(places: Floats, along: Floats, normal: Floats, alone: float | None, name: str) -> tuple[Floats, bool]:
    """Return the step from slice to slice ``(3,)``, and whether it is known."""
    if len(places) == 1:
        return normal * (alone or 1.0), alone is not None
    step = (places[-1] - places[0]) / (len(places) - 1)
    length = float(np.linalg.norm(step))
    steps = np.diff(along)
    grid = along[0] + np.arange(len(along)) * (along[-1] - along[0]) / (len(along) - 1)
    if np.abs(along - grid).max() > OFF_GRID * length:
        raise _irregular(name, "slices at even steps", _uneven(along, steps))
    beside = step - normal * float(step @ normal)
    if float(np.linalg.norm(beside)) > TILT * length:
        degrees = float(np.degrees(np.arcsin(min(1.0, float(np.linalg.norm(beside)) / length))))
        got = f"a stack that leans by {degrees:.1f} degrees, as of a tilted gantry"
        raise _irregular(name, "slices one above the other", got)
    drift = places - places[0] - np.arange(len(places))[:, None] * step
    if float(np.linalg.norm(drift, axis=1).max()) > 2 * OFF_GRID * length:
        raise _irregular(name, "slices one above the other", "slices that are shifted sideways")
    return step, True


def _uneven(along: Floats, steps: Floats) -> str:
    """Return in words what is wrong with steps: slices that are missing, or steps of several lengths."""
    usual = float(np.median(steps))
    times = steps / usual
    if np.abs(times - np.round(times)).max() <= OFF_GRID and times.min() > 0.5:
        wide = [pair for pair, step in zip(pairwise(along.tolist()), times, strict=True) if step > 1.5]
        gaps = [f"{a:g} and {b:g} mm" for a, b in wide]
        return f"a gap: slices are missing between {listed(gaps, 2)}, where others are {usual:g} mm apart"
    return f"uneven steps, from {steps.min():g} to {steps.max():g} mm"
