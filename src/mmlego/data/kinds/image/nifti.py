"""NIfTI files: the header read and checked, with where the voxels lie, in millimetres.

Two transforms may stand in a header, the sform and the qform. As nibabel does, the sform is taken where it is there;
readers that take the other may see left and right exchanged, so it is said where the two do not turn alike.
"""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np

from mmlego.data.kinds.image.image_file import EXTRA, ImageFile, refuse_large
from mmlego.data.kinds.image.stacks import Floats, Grid, affine_of
from mmlego.errors import InputError
from mmlego.extras import import_extra

ENDINGS = (".nii", ".nii.gz")
MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}
NO_UNIT = "without a unit of voxel sizes, taken as millimetres"
LEANING = 0.1  # cosine between axes: registration to an atlas shears a little, a tilted gantry much


def open_nifti(path: Path, most: int, orientation: str | None = None) -> ImageFile:
    """Read the header of a NIfTI file, and look whether the file is whole.

    Parameters
    ----------
    path
        The file.
    most
        How many voxels it may have.
    orientation
        Where its axes are counted to, if it does not say it itself.

    Raises
    ------
    InputError
        If it is no volume of numbers, too large, truncated, damaged, or lies nowhere.
    MissingExtraError
        If nibabel is not installed.
    """
    nibabel: Any = import_extra("nibabel", f"reading {path.name!r}", EXTRA)
    image = nibabel.load(path)
    header = image.header
    shape = tuple(int(n) for n in header.get_data_shape())
    refuse_large(path, shape, most)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3:
        raise InputError(
            f"{path.name!r} is no volume",
            expected="three axes",
            got=" × ".join(map(str, shape)),
            remedy="Save each volume of a series over time as a modality of its own.",
        )
    kind = header.get_data_dtype()
    if kind.kind == "c":
        raise InputError(f"{path.name!r} holds complex numbers", expected="real ones, as their magnitude", got=kind)
    if kind.kind not in "iuf":
        raise InputError(f"{path.name!r} holds no numbers", expected="a grey volume", got=kind)
    needed = int(image.dataobj.offset) + math.prod(shape) * kind.itemsize
    if not _holds(path, needed):
        raise InputError(f"{path.name!r} is truncated", expected=f"{needed} bytes, unpacked")
    grid, doubts = _grid(image, path.name, orientation)
    return ImageFile(path, "nifti", shape, grid=grid, orientation=orientation, doubts=doubts)


def _grid(image: Any, name: str, orientation: str | None) -> tuple[Grid, tuple[str, ...]]:
    """Return where the voxels lie, and what the header leaves open."""
    header, doubts = image.header, []
    unit = header.get_xyzt_units()[0]
    millimetres = MILLIMETRES[unit]
    if unit == "unknown":
        doubts.append(NO_UNIT)
    sizes = [float(size) * millimetres for size in header.get_zooms()[:3]]
    sform, qform = header.get_sform(coded=True)[0], header.get_qform(coded=True)[0]
    if sform is None and qform is None:  # nibabel then turns left and right, other readers do not
        known = min(sizes) > 0
        affine = affine_of(orientation or "RAS", sizes if known else (1, 1, 1))
        return Grid(affine, oriented=orientation is not None, scaled=known), tuple(doubts)
    affine = np.array(image.affine, dtype=float)
    affine[:3] *= millimetres
    _check_affine(affine, name)
    if sform is not None and qform is not None and _letters(sform) != _letters(qform):
        doubts.append("whose sform and qform turn it in two ways, the sform is taken")
    if not np.allclose(np.linalg.norm(affine[:3, :3], axis=0), sizes, rtol=0.01):
        doubts.append("whose affine and pixdim say two sizes of its voxels, the affine is taken")
    return Grid(affine), tuple(doubts)


def _check_affine(affine: Floats, name: str) -> None:
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or lengths.min() <= 0:
        raise InputError(f"{name!r} lies nowhere", expected="an affine with three axes", got=affine[:3].tolist())
    cosines = (affine[:3, :3] / lengths).T @ (affine[:3, :3] / lengths)
    leaning = float(np.abs(cosines - np.eye(3)).max())
    if leaning > LEANING:
        raise InputError(
            f"{name!r} is sheared",
            expected="axes at right angles",
            got=f"{math.degrees(math.acos(min(1.0, leaning))):.1f} degrees between two",
            remedy="Resample it on a straight grid.",
        )


def _letters(affine: Floats) -> tuple[Any, ...]:
    nibabel: Any = import_extra("nibabel", "reading NIfTI", EXTRA)
    return tuple(nibabel.aff2axcodes(affine))


def _holds(path: Path, needed: int) -> bool:
    """Return whether a file, unpacked, has so many bytes."""
    if path.suffix.lower() != ".gz":
        return path.stat().st_size >= needed
    with path.open("rb") as packed:
        packed.seek(-4, 2)
        if int.from_bytes(packed.read(4), "little") == needed % 2**32:  # as it was packed by most programs
            return True
    with gzip.open(path) as stream:
        found = 0
        while found < needed and (chunk := stream.read(2**20)):
            found += len(chunk)
    return found >= needed
