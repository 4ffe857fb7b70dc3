"""Files of images and volumes: the header read and checked, the rest only looked through for its end.

A file says how large it is before it is decoded: what claims to be larger than allowed is refused unread, so that a
small file cannot fill the memory.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

from mmlego.data.kinds.image.dicom import open_dicom
from mmlego.data.kinds.image.image_file import EXTRA, ImageFile, reading, refuse_large
from mmlego.data.kinds.image.nifti import ENDINGS, open_nifti
from mmlego.errors import InputError
from mmlego.extras import import_extra

_PNG, _JPEG, _DICM = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"DICM"


def open_image(path: Path, most: int) -> ImageFile:
    """Read the header of a PNG, JPEG or DICOM file, and look whether the file is whole.

    Parameters
    ----------
    path
        The file.
    most
        How many pixels it may have.

    Raises
    ------
    InputError
        If it is of another kind, too large, truncated or damaged.
    MissingExtraError
        If Pillow or pydicom is not installed.
    """
    with reading(path), path.open("rb") as file:
        head = file.read(132)
        if head.startswith(_PNG) or head.startswith(_JPEG):
            return _open_picture(path, most)
        if head[128:132] == _DICM:
            return open_dicom(path, file, most, volume=False)
    raise _unknown(path, "PNG, JPEG or DICOM")


def open_volume(path: Path, most: int, orientation: str | None = None) -> ImageFile:
    """Read the header of a NIfTI or DICOM file, and look whether the file is whole.

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
        If it is of another kind, too large, truncated or damaged.
    MissingExtraError
        If nibabel or pydicom is not installed.
    """
    if path.name.lower().endswith(ENDINGS):
        with reading(path):
            return open_nifti(path, most, orientation)
    with reading(path), path.open("rb") as file:
        if file.read(132)[128:] == _DICM:
            return replace(open_dicom(path, file, most, volume=True), orientation=orientation)
    raise _unknown(path, "NIfTI or DICOM")


def _unknown(path: Path, expected: str) -> InputError:
    got = path.suffix or "a name without an ending"
    return InputError(f"file {path.name!r} is of a kind that is not read", expected=expected, got=got)


def _open_picture(path: Path, most: int) -> ImageFile:
    package = import_extra("PIL.Image", f"reading {path.name!r}", EXTRA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", package.DecompressionBombWarning)  # most is checked in its place
        try:
            image = package.open(path, formats=("PNG", "JPEG"))
        except package.DecompressionBombError as error:
            raise InputError(
                f"{path.name!r} may be a decompression bomb ({error})", expected=f"at most {most} pixels"
            ) from error
        with image:
            width, height = image.size
            refuse_large(path, (height, width), most)
            bits = 16 if image.mode[0] in "IF" else 8  # what has less, or has colours, Pillow makes 8 bits of
            if image.format == "PNG":
                image.verify()  # the checksum of each chunk, to the last
            else:
                image.draft(None, (1, 1))  # an eighth of the size: fast, and yet all of the file is read
                image.load()
    return ImageFile(path, "picture", (height, width), bits=bits)
