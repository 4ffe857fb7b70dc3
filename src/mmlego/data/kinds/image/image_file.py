"""A file of an image or a volume, its header read: what is known of it before its pixels are."""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.image.contents import nifti_fingerprint, picture_fingerprint
from mmlego.data.kinds.image.stacks import Grid, Slice
from mmlego.data.reading.fingerprints import file_fingerprint
from mmlego.data.reading.matrices import first_line
from mmlego.errors import InputError, LegoError

EXTRA = "'mmlego[images]'"
Form: TypeAlias = Literal["picture", "dicom", "nifti"]


@dataclass(frozen=True)
class ImageFile:
    """A file of an image, a volume or one slice of it, its header read.

    Parameters
    ----------
    path
        The file.
    form
        How it is written.
    shape
        Its size in the file: height and width, behind the number of frames where there are several; of NIfTI along
        x, y and z.
    start
        Where the pixels begin, in bytes: what stands before, as names, tells nothing of the image.
    series
        Of DICOM, the series that it belongs to.
    number
        Its number in the series.
    bits
        Of how many bits the range of its values is: 8 for values from 0 to 255. 0: its values have units of their own,
        as Hounsfield units, or are those of a volume.
    slices
        Of a volume in DICOM, what the header says of each frame.
    grid
        Of NIfTI, where its voxels lie.
    orientation
        Where its axes are counted to, as the manifest declares it for files that do not say it.
    doubts
        What its header leaves open, or says in two ways, and how it was taken.
    owner
        Of DICOM, the patient whose it says that it is.
    unit
        Of DICOM, the unit of its values, as ``BQML``.
    """

    path: Path
    form: Form
    shape: tuple[int, ...]
    start: int = 0
    series: str | None = None
    number: int | None = None
    bits: int = 0
    slices: tuple[Slice, ...] = ()
    grid: Grid | None = None
    orientation: str | None = None
    doubts: tuple[str, ...] = ()
    owner: str = ""
    unit: str = ""

    def fingerprint(self) -> bytes:
        """Return what tells the pixels of the file from another's.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        try:
            if self.form == "picture":
                return picture_fingerprint(self.path)
            if self.form == "nifti":
                return nifti_fingerprint(self.path)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"cannot read {self.path.name!r} ({first_line(error)})") from error
        return file_fingerprint(self.path, self.start)

    def checked(self) -> Self:
        """Return it without what tells its slices from others: of use until they are known to be one volume."""
        if not any(one.marks for one in self.slices):
            return self
        return replace(self, slices=tuple(replace(one, marks=()) for one in self.slices))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a parser raises or says of a damaged file into an InputError that names the file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If anything is raised inside.

    Examples
    --------
    >>> with reading(Path("scan.png")):
    ...     raise SyntaxError("broken PNG file")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: cannot read 'scan.png' (broken PNG file): expected a whole image
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what parsers say of odd headers is nothing that the user can mend
            yield
    except (LegoError, MemoryError):
        raise
    except Exception as error:  # parsers of images raise whatever they like
        raise InputError(f"cannot read {path.name!r} ({first_line(error)})", expected="a whole image") from error


def check_finite(array: NDArray[Any], file: ImageFile) -> None:
    """Refuse NaN and infinite values.

    Parameters
    ----------
    array
        Values of pixels.
    file
        Whose they are.

    Raises
    ------
    InputError
        If there are any.
    """
    if not np.isfinite(array).all():
        raise InputError(f"{file.path.name!r} holds NaN or infinite values", expected="finite numbers")


def refuse_large(path: Path, shape: tuple[int, ...], most: int) -> None:
    """Refuse a file that says that it is empty, or larger than allowed.

    Parameters
    ----------
    path
        The file.
    shape
        Its size, as it says.
    most
        How many pixels or voxels it may have.

    Raises
    ------
    InputError
        If it is.
    """
    if min(shape) < 1 or math.prod(shape) > most:
        size = " × ".join(map(str, shape))
        raise InputError(
            f"{path.name!r} says that it is too large, or empty",
            expected=f"at most {most} pixels or voxels",
            got=size,
            remedy="If you trust it, declare most: in its section.",
        )
