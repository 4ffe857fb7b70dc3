"""Files of images and volumes: the header read and checked, the rest only looked through for its end.

A file says how large it is before it is decoded: what claims to be larger than allowed is refused unread, so that a
small file cannot fill the memory.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mmlego.data.kinds.image.dicom import open_dicom
from mmlego.data.kinds.image.image_file import ImageFile, reading
from mmlego.data.kinds.image.nifti import ENDINGS, open_nifti
from mmlego.data.kinds.image.pictures import NAMED, format_of, open_picture
from mmlego.errors import InputError

_DICM = b"DICM"
NIFTI = "Save it as NIfTI, as SimpleITK.WriteImage(SimpleITK.ReadImage({name!r}), {new!r}) does of most formats."


def open_image(path: Path, most: int) -> ImageFile:
    """Read the header of a picture or a DICOM file, and look whether the file is whole.

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
        if head[128:132] == _DICM:  # first: a DICOM file of pathology may begin as a TIFF
            return open_dicom(path, file, most, volume=False)
        if format_of(head) is not None:
            return open_picture(path, most)
    if path.name.lower().endswith(ENDINGS):
        raise _unknown(path, NAMED, "Declare kind: volume.")
    raise _unknown(path, NAMED, "Save it as PNG, or as TIFF where it has more than 8 bits.")


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
    remedy = NIFTI.format(name=path.name, new=f"{path.name.split('.')[0]}.nii.gz")
    raise _unknown(path, "NIfTI or DICOM", remedy)


def _unknown(path: Path, expected: str, remedy: str) -> InputError:
    got = path.suffix or "a name without an ending"
    what = f"file {path.name!r} is of a kind that is not read"
    return InputError(what, expected=expected, got=got, remedy=remedy)
