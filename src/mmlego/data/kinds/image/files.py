"""Files of images and volumes: the header read and checked, the rest only looked through for its end.

A file says how large it is before it is decoded: what claims to be larger than allowed is refused unread, so that a
small file cannot fill the memory.
"""

from __future__ import annotations

import gzip
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

from mmlego.data.reading.fingerprints import file_fingerprint
from mmlego.data.reading.matrices import first_line
from mmlego.errors import InputError, LegoError
from mmlego.extras import import_extra

EXTRA = "'mmlego[images]'"
Form: TypeAlias = Literal["picture", "dicom", "nifti"]

_PNG, _JPEG, _DICM = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"DICM"
_NIFTI = (".nii", ".nii.gz")
_DEFLATED = "1.2.840.10008.1.2.1.99"
_END_OF_SEQUENCE = b"\xfe\xff\xdd\xe0"
_TAIL = 4096


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
    """

    path: Path
    form: Form
    shape: tuple[int, ...]
    start: int = 0
    series: str | None = None
    number: int | None = None

    def fingerprint(self) -> bytes:
        """Return what tells the pixels of the file from another's."""
        return file_fingerprint(self.path, self.start)


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
            return _open_dicom(path, file, most)
    raise InputError(
        f"file {path.name!r} is of a kind that is not read", expected="PNG, JPEG or DICOM", got=path.suffix
    )


def open_volume(path: Path, most: int) -> ImageFile:
    """Read the header of a NIfTI or DICOM file, and look whether the file is whole.

    Parameters
    ----------
    path
        The file.
    most
        How many voxels it may have.

    Raises
    ------
    InputError
        If it is of another kind, too large, truncated or damaged.
    MissingExtraError
        If nibabel or pydicom is not installed.
    """
    if path.name.lower().endswith(_NIFTI):
        with reading(path):
            return _open_nifti(path, most)
    with reading(path), path.open("rb") as file:
        if file.read(132)[128:] == _DICM:
            return _open_dicom(path, file, most)
    raise _unknown(path, "NIfTI or DICOM")


def _unknown(path: Path, expected: str) -> InputError:
    got = path.suffix or "a name without an ending"
    return InputError(f"file {path.name!r} is of a kind that is not read", expected=expected, got=got)


def _refuse_large(path: Path, shape: tuple[int, ...], most: int) -> None:
    if min(shape) < 1 or math.prod(shape) > most:
        size = " × ".join(map(str, shape))
        raise InputError(
            f"{path.name!r} says that it is too large, or empty",
            expected=f"at most {most} pixels or voxels",
            got=size,
            remedy="If you trust it, declare most: in its section.",
        )


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
            _refuse_large(path, (height, width), most)
            if image.format == "PNG":
                image.verify()  # the checksum of each chunk, to the last
            else:
                image.draft(None, (1, 1))  # an eighth of the size: fast, and yet all of the file is read
                image.load()
    return ImageFile(path, "picture", (height, width))


def _open_dicom(path: Path, file: BinaryIO, most: int) -> ImageFile:
    pydicom = import_extra("pydicom", f"reading {path.name!r}", EXTRA)
    meta = pydicom.filereader.read_file_meta_info(path)
    syntax = str(meta.get("TransferSyntaxUID", ""))
    if syntax == _DEFLATED:  # it would be inflated whole, before anything says how large it is
        raise InputError(f"{path.name!r} is deflated", expected="a DICOM file whose header is not compressed")
    file.seek(0)
    found = pydicom.dcmread(file, stop_before_pixels=True)
    start, size = file.tell(), path.stat().st_size
    frames, samples = int(found.get("NumberOfFrames", 1) or 1), int(found.get("SamplesPerPixel", 1))
    shape = (int(found.get("Rows", 0)), int(found.get("Columns", 0)))
    if 0 in shape or start >= size:
        raise InputError(f"{path.name!r} holds no pixels", expected="a DICOM image")
    _refuse_large(path, (frames, *shape), most)
    if meta.TransferSyntaxUID.is_compressed:
        file.seek(max(start, size - _TAIL))
        whole = _END_OF_SEQUENCE in file.read()
    else:
        whole = size - start >= frames * math.prod(shape) * samples * int(found.BitsAllocated) / 8
    if not whole:
        raise InputError(f"{path.name!r} is truncated", expected="all of its pixels")
    number = found.get("InstanceNumber")
    return ImageFile(
        path,
        "dicom",
        shape if frames == 1 else (frames, *shape),
        start,
        str(found.get("SeriesInstanceUID", "")),
        None if number is None else int(number),
    )


def _open_nifti(path: Path, most: int) -> ImageFile:
    nibabel: Any = import_extra("nibabel", f"reading {path.name!r}", EXTRA)
    image = nibabel.load(path)
    header = image.header
    shape = tuple(int(n) for n in header.get_data_shape())
    _refuse_large(path, shape, most)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3:
        raise InputError(
            f"{path.name!r} is no volume",
            expected="three axes",
            got=" × ".join(map(str, shape)),
            remedy="Save each volume of a series over time as a modality of its own.",
        )
    needed = int(image.dataobj.offset) + math.prod(shape) * header.get_data_dtype().itemsize
    if not _holds(path, needed):
        raise InputError(f"{path.name!r} is truncated", expected=f"{needed} bytes, unpacked")
    return ImageFile(path, "nifti", shape)


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
