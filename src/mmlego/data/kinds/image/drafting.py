"""What a first manifest says of images and volumes: a size, from the headers of the files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mmlego.data.kinds.image.files import open_image, open_volume
from mmlego.data.kinds.image.image_file import ImageFile
from mmlego.errors import LegoError

SMALLEST, SIDE, DEPTH = 32, 224, 64  # pixels or voxels along an axis
VOLUME_SIDE = 96


def draft_image(files: Sequence[Path], most: int) -> list[str]:
    """Return the lines of a section of images.

    Parameters
    ----------
    files
        One of each of some patients.
    most
        How many pixels a file may have.
    """
    found = _opened(files, lambda path: open_image(path, most))
    shapes = [file.shape[-2:] for file in found]
    if not shapes:
        return ["# size: [224, 224]  # fill in: rows and columns of pixels; no file can be read to tell them"]
    size = _scaled(shapes, SIDE)
    lines = [f"size: {size}  # doubtful: rows and columns of pixels, to which all are stretched; {_told(shapes)}"]
    depths = {file.bits for file in found} - {0}
    if len(depths) > 1:
        lines.append(f"bits: {max(depths)}  # doubtful: files have {' and '.join(map(str, sorted(depths)))} bits")
    return [*lines, "# colour: rgb  # if colours count; grey if not given"]


def draft_volume(patients: Sequence[Sequence[Path]], most: int) -> list[str]:
    """Return the lines of a section of volumes.

    Parameters
    ----------
    patients
        The files of some patients: a volume, or its slices.
    most
        How many voxels a file may have.
    """
    shapes = []
    for files in patients:
        for file in _opened(files[:1], lambda path: open_volume(path, most)):
            shape = file.shape[::-1] if file.form == "nifti" else file.shape  # x, y, z
            shapes.append((len(files), *shape) if len(shape) == 2 else shape[-3:])
    if not shapes:
        return ["# size: [64, 96, 96]  # fill in: slices, rows and columns of voxels; no file can be read to tell them"]
    depth = round(float(np.clip(np.median([shape[0] for shape in shapes]), SMALLEST, DEPTH)))
    size = [depth, *_scaled([shape[1:] for shape in shapes], VOLUME_SIDE)]
    doubt = f"doubtful: slices, rows and columns of voxels, to which all are stretched; {_told(shapes)}"
    return [f"size: {size}  # {doubt}", "# spacing: [1, 1, 1]  # millimetres a voxel, in place of stretching"]


def _opened(files: Sequence[Path], read: Callable[[Path], ImageFile]) -> list[ImageFile]:
    """Return the files that can be read; what is wrong with the others, the check says."""
    found = []
    for path in files:
        try:
            found.append(read(path))
        except LegoError:
            continue
    return found


def _scaled(shapes: Sequence[Sequence[int]], most: int) -> list[int]:
    """Return the median of rows and columns, made smaller together where one is above the most, none very small."""
    middle = np.median(np.array(shapes, dtype=float), axis=0)
    middle *= min(1.0, most / middle.max())
    return [max(SMALLEST, round(float(length))) for length in middle]


def _told(shapes: Sequence[Sequence[int]]) -> str:
    """Return how large the files are, as ``files have 40×60 to 45×60``."""
    ordered = sorted({tuple(int(length) for length in shape) for shape in shapes}, key=lambda one: (np.prod(one), one))
    first, last = ("×".join(map(str, ordered[place])) for place in (0, -1))
    return f"files have {first}" + (f" to {last}" if last != first else "")
