"""Which slices are one volume, and in which order: against the axes that DICOM defines, PS3.3 C.7.6.2."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mmlego.data.kinds.image.stacks import Slice, affine_of, grid_of, is_orientation
from mmlego.errors import InputError

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)


def axial(*heights: float, beside: Sequence[float] = (), **marks: Sequence[object]) -> list[Slice]:
    """Return axial slices of 2 × 3 mm at some heights."""
    found = []
    for i, z in enumerate(heights):
        own = tuple((name, str(values[i])) for name, values in marks.items())
        found.append(Slice((beside[i] if beside else 0.0, 0.0, z), AXIAL, (2.0, 3.0), 5.0, own))
    return found


def test_in_the_order_of_the_body() -> None:
    grid = grid_of(axial(4.0, 0.0, 2.0), "ct")
    assert grid.order == (1, 2, 0)
    assert grid.oriented
    assert grid.scaled
    expected = [[-3, 0, 0, 0], [0, -2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]]  # columns to the left, rows to the back
    np.testing.assert_allclose(grid.affine, expected)


def test_along_a_normal_that_is_turned() -> None:
    back = [Slice((0.0, 4.0 * i, 0.0), CORONAL, (2.0, 3.0)) for i in (2, 0, 1)]
    grid = grid_of(back, "mr")
    assert grid.order == (1, 2, 0)
    np.testing.assert_allclose(grid.affine, [[-3, 0, 0, 0], [0, 0, -4, 0], [0, -2, 0, 0], [0, 0, 0, 1]])
    turn = np.radians(30)
    normal = np.array([0.0, -np.sin(turn), np.cos(turn)])
    axes = (1.0, 0.0, 0.0, 0.0, float(np.cos(turn)), float(np.sin(turn)))
    oblique = grid_of([Slice(tuple(normal * 2.5 * i), axes, (1.0, 1.0)) for i in range(4)], "mr")
    np.testing.assert_allclose(np.diag([-1, -1, 1]) @ oblique.affine[:3, 2], normal * 2.5)
    np.testing.assert_allclose(np.linalg.det(oblique.affine), 2.5)  # two axes turned: no mirror image


def test_positions_are_rounded() -> None:
    exact = 0.7 * np.arange(40)
    assert grid_of(axial(*np.round(exact, 1)), "ct").order == tuple(range(40))
    rounded = grid_of(axial(*np.round(0.75 * np.arange(41), 1)), "ct")  # 0, 0.8, 1.5, 2.2, 3.0
    np.testing.assert_allclose(rounded.affine[2, 2], 0.75)


def test_one_slice_is_as_thick_as_it_says() -> None:
    alone = grid_of(axial(7.0), "ct")
    np.testing.assert_allclose(alone.affine[:3, 2], [0, 0, 5])
    assert alone.scaled
    assert not grid_of([Slice((0, 0, 0), AXIAL, (1, 1))], "ct").scaled
    assert not grid_of([Slice((0, 0, z), AXIAL) for z in (0, 1)], "ct").scaled


def test_without_places_as_listed() -> None:
    bare = [Slice(spacing=(2.0, 3.0), between=4.0)] * 3
    kept = grid_of(bare, "us")
    assert kept.order == (0, 1, 2)
    assert not kept.oriented
    np.testing.assert_allclose(kept.affine, np.diag([3.0, 2.0, 4.0, 1.0]))
    declared = grid_of(bare, "us", "LPS")
    assert declared.oriented
    np.testing.assert_allclose(declared.affine, np.diag([-3.0, -2.0, 4.0, 1.0]))
    assert not grid_of([Slice()], "us").scaled


BAD = {
    "a gap": (axial(0, 2, 4, 10, 12), "a gap: slices are missing between 4 and 10 mm, where others are 2 mm apart"),
    "two gaps": (axial(0, 1, 2, 4, 5, 6, 8, 9), "between 2 and 4 mm, 6 and 8 mm, where others are 1 mm apart"),
    "thin and thick": (axial(0, 2.5, 5, 10, 15, 20), "a gap|uneven steps"),
    "uneven": (axial(0, 2, 4, 6.9), "slices at even steps, got uneven steps, from 2 to 2.9 mm"),
    "twice": (
        axial(0, 1, 2, 0, 1, 2),
        "3 slices of 6 where another one lies, as of several volumes .nothing in their headers",
    ),
    "b-values": (
        axial(0, 1, 0, 1, DiffusionBValue=[0, 0, 1000, 1000]),
        r"2 slices of 4 where another one lies, as of several volumes \(they differ in DiffusionBValue: 0, 1000\)",
    ),
    "phases": (axial(0, 0, 1, 1, TriggerTime=[10, 400, 11, 401]), "they differ in TriggerTime: 10, 400, 11"),
    "copies": (axial(0, 1, 1, SOPInstanceUID=["1.2", "1.3", "1.3"]), "copies of one file"),
    "echoes, interleaved": (axial(0, 1, 2, 3, EchoTime=[2.3, 4.6] * 2), "expected one EchoTime, got 2.3, 4.6"),
    "magnitude and phase": (axial(0, 1, ImageType=["O\\P\\M", "O\\P\\P"]), "expected one ImageType"),
    "time points": (axial(0, 1, TemporalPositionIdentifier=[1, 2]), "expected one TemporalPositionIdentifier"),
    "frames of reference": (axial(0, 1, FrameOfReferenceUID=["1.2", "1.3"]), "expected one FrameOfReferenceUID"),
    "a tilted gantry": (axial(0, 2, 4, 6, beside=[0, 0.5, 1, 1.5]), "leans by 14.0 degrees, as of a tilted gantry"),
    "one aside": (axial(0, 2, 4, 6, beside=[0, 0, 9, 0]), "slices that are shifted sideways"),
    "a localizer": (
        [*axial(0, 1), Slice((0.0, 0.0, 0.0), CORONAL, (2.0, 3.0))],
        "slices that are parallel, got 2 orientations, as in a localizer",
    ),
    "pixels of two sizes": (
        [*axial(0, 1), Slice((0.0, 0.0, 2.0), AXIAL, (2.0, 3.5))],
        "pixels of one size, got PixelSpacing 2 × 3, 2 × 3.5",
    ),
    "pixels of no size": ([Slice((0.0, 0.0, z), AXIAL, (0.0, 1.0)) for z in (0.0, 1.0)], "pixels of some size"),
    "no place": ([*axial(0, 1), Slice(spacing=(2.0, 3.0))], "a place for each slice, got 1 of 3 without"),
    "no axes": ([Slice((0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 1.0, 0.0, 0.0))], "two directions at right angles, got 1, 0"),
    "echoes without places": (
        [Slice(marks=(("EchoTime", time),)) for time in ("2.3", "4.6")],
        "expected one EchoTime",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_regular_stack_of_one_volume(case: str) -> None:
    slices, message = BAD[case]
    with pytest.raises(InputError, match=f"'p0' is no regular stack of one volume: .*({message})"):
        grid_of(slices, "p0")


def test_declared_axes() -> None:
    assert [is_orientation(letters) for letters in ("RAS", "LPI", "AIL", "RAR", "RA", "ras", "XYZ")] == [True] * 3 + [
        False
    ] * 4
    np.testing.assert_allclose(affine_of("AIL", (1, 2, 3))[:3, :3], [[0, 0, -3], [1, 0, 0], [0, -2, 0]])
