"""NIfTI: where voxels lie is what nibabel says, in millimetres."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmlego.data import Cohort
from mmlego.data.kinds.image.files import open_volume
from mmlego.data.kinds.image.plan import ImagePlan
from mmlego.data.kinds.image.reading import read_volume
from mmlego.data.reading.remarks import Doubtful, Noted
from mmlego.errors import InputError

nibabel = pytest.importorskip("nibabel", reason="needs mmlego[images]")
pytest.importorskip("monai", reason="needs mmlego[images]")
MOST = 10**6
ARRAY = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
LEFT = np.diag([-1.1, 1.1, 1.1, 1.0])


def write(
    path: Path,
    sform: np.ndarray | None = None,
    qform: np.ndarray | None = None,
    unit: str = "mm",
    pixdim: float | None = None,
) -> Path:
    image = nibabel.Nifti1Image(ARRAY, None)
    image.header.set_xyzt_units(unit)
    if pixdim is not None:
        image.header["pixdim"][1:4] = pixdim
    image.set_qform(qform, 0 if qform is None else 1)
    image.set_sform(sform, 0 if sform is None else 4)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)
    return path


def loaded(path: Path, **plan: Any) -> np.ndarray:
    found: np.ndarray = ImagePlan(size=(4, 3, 2), **plan).load([open_volume(path, MOST)])[0].numpy()
    return found


def standard(path: Path) -> np.ndarray:
    """Return what nibabel makes of a file: axes to the right, front and head; slices first."""
    found: np.ndarray = nibabel.as_closest_canonical(nibabel.load(path)).get_fdata().transpose(2, 1, 0)
    return found


FORMS = {
    "sform alone": (LEFT, None),
    "qform alone": (None, LEFT),
    "sform beside another qform": (LEFT, np.eye(4)),
    "qform to the left": (np.eye(4), LEFT),
    "turned": (np.array([[0, 0, -2, 9], [3, 0, 0, 8], [0, -1, 0, 7], [0, 0, 0, 1.0]]), np.eye(4)),
}


@pytest.mark.parametrize("case", FORMS)
def test_the_affine_is_that_of_nibabel(case: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", *FORMS[case])
    found = read_volume([open_volume(path, MOST)])
    np.testing.assert_allclose(found.affine.numpy(), nibabel.load(path).affine)
    np.testing.assert_array_equal(found[0].numpy(), ARRAY)
    if case != "turned":
        np.testing.assert_array_equal(loaded(path), standard(path))


def test_an_affine_beside_another_pixdim(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", sform=np.diag([-1.0, 1.0, 1.0, 1.0]), pixdim=3.0)
    np.testing.assert_array_equal(loaded(path), standard(path))
    file = open_volume(path, MOST)
    assert file.doubts == ("whose affine and pixdim say two sizes of its voxels, the affine is taken",)


def test_units_become_millimetres(tmp_path: Path) -> None:
    for unit, size in (("micron", 1500.0), ("meter", 0.0015), ("mm", 1.5), ("unknown", 1.5)):
        affine = np.diag([size, size, size, 1.0])
        affine[:3, 3] = 10 * size
        found = read_volume([open_volume(write(tmp_path / f"{unit}.nii", affine, unit=unit), MOST)])
        np.testing.assert_allclose(
            found.affine.numpy(), [[1.5, 0, 0, 15], [0, 1.5, 0, 15], [0, 0, 1.5, 15], [0, 0, 0, 1]]
        )


def cohort(folder: Path, more: str = "") -> Cohort:
    section = f'{{kind: volume, pattern: "{{key}}.nii", size: [4, 3, 2]{more}}}'
    (folder / "cohort.yaml").write_text(f"key: id\nmodalities:\n  scan: {section}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


def test_how_it_lies_is_said_or_declared(tmp_path: Path) -> None:
    write(tmp_path / "p0.nii", LEFT)
    write(tmp_path / "p1.nii", pixdim=2.0)
    with pytest.raises(InputError, match=r"scan: patient p1: 'p1\.nii' does not say how it lies.* orientation: RAS"):
        cohort(tmp_path)
    assert cohort(tmp_path, ", on_error: skip").patients == ("p0",)
    for letters, expected in (("RAS", ARRAY), ("LAS", ARRAY[::-1]), ("LPS", ARRAY[::-1, ::-1])):
        read = cohort(tmp_path, f", orientation: {letters}")
        assert read.patients == ("p0", "p1")
        files = [read.frames["scan"]["image"][patient].files for patient in ("p0", "p1")]
        plan = ImagePlan(size=(4, 3, 2))
        np.testing.assert_array_equal(plan.load(files[1])[0].numpy(), expected.transpose(2, 1, 0))
        np.testing.assert_array_equal(plan.load(files[0])[0].numpy(), ARRAY[::-1].transpose(2, 1, 0))  # as it says
    with pytest.raises(InputError, match="orientation is one letter each of L or R, P or A, I or S"):
        cohort(tmp_path, ", orientation: LRS")


def test_what_a_header_leaves_open_is_told(tmp_path: Path) -> None:
    write(tmp_path / "p0.nii", np.eye(4), LEFT, unit="unknown")
    write(tmp_path / "p1.nii", np.eye(4))
    turned = "scan: 1 volume whose sform and qform turn it in two ways, the sform is taken (p0)"
    assert turned in map(str, cohort(tmp_path).dropped)
    assert not any("unit" in str(note) for note in cohort(tmp_path).dropped)
    resampled = [str(note) for note in cohort(tmp_path, ", spacing: [1, 1, 1]").dropped]
    assert "scan: 1 volume without a unit of voxel sizes, taken as millimetres (p0)" in resampled


def test_no_place_at_all(tmp_path: Path) -> None:
    tilted = np.eye(4)
    tilted[1, 2] = 0.3
    with pytest.raises(InputError, match=r"'a\.nii' is sheared: expected axes at right angles, got 73.3 degrees"):
        open_volume(write(tmp_path / "a.nii", tilted), MOST)
    with pytest.raises(InputError, match=r"'b\.nii' lies nowhere"):
        open_volume(write(tmp_path / "b.nii", np.diag([1.0, 1.0, 0.0, 1.0])), MOST)


def test_voxels_are_counted_before_memory_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "p0.nii", np.diag([900.0, 900.0, 900.0, 1.0]))
    write(tmp_path / "p1.nii", np.eye(4))
    small = ", spacing: [0.5, 0.5, 0.5]"
    message = (
        r"scan: patient p0: 'p0\.nii' would be too large once resampled: .* got 1801 × 3601 × 5401, of voxels of 900"
    )
    with pytest.raises(InputError, match=message + r".*Declare a coarser spacing:"):
        cohort(tmp_path, small)
    assert cohort(tmp_path, small + ", on_error: skip").patients == ("p1",)
    with pytest.raises(InputError, match="would be too large once resampled"):
        loaded(tmp_path / "p0.nii", spacing=(0.5, 0.5, 0.5))
    with pytest.raises(ValueError, match="size is of more than"):
        ImagePlan(size=(2000, 2000, 2000))


@pytest.mark.parametrize(
    ("other", "kind", "told"),
    [
        (np.diag([5.0, 5.0, 5.0, 1.0]), Doubtful, "volumes of several sizes (p0: 2 × 3 × 4 mm, p1: 10 × 15 × 20 mm)"),
        (np.diag([1.0, 1.0, 1.8, 1.0]), Noted, "voxels of several sizes (p0: 1 × 1 × 1 mm, p1: 1 × 1 × 1.8 mm)"),
        (np.diag([-1.2, 1.2, 1.2, 1.0]), None, ""),
    ],
)
def test_volumes_of_other_sizes_are_told_where_they_are_stretched(
    other: np.ndarray, kind: type | None, told: str, tmp_path: Path
) -> None:
    write(tmp_path / "p0.nii", np.eye(4))
    write(tmp_path / "p1.nii", other)
    notes = [note for note in cohort(tmp_path).dropped if "several sizes" in str(note)]
    assert [type(note) for note in notes] == ([] if kind is None else [kind])
    assert all(f"{told} are stretched to one: spacing:" in str(note) for note in notes)
    assert not any("several sizes" in str(note) for note in cohort(tmp_path, ", spacing: [1, 1, 1]").dropped)
