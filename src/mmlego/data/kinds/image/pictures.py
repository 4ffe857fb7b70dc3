"""Pictures that are no DICOM: PNG, JPEG, TIFF, BMP, GIF and WebP, as far as Pillow reads them faithfully.

Pillow 13 reads some TIFF otherwise than they are written, and says nothing: signed values of 8 bits and unsigned ones
of 32, 16 bits in which 0 is white, and pictures that were turned and are not compressed. They are refused here.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from mmlego.data.kinds.image.image_file import EXTRA, ImageFile, refuse_large
from mmlego.errors import InputError
from mmlego.extras import import_extra
from mmlego.wording import listed

# How the files begin, and what Pillow calls them.
STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"BM": "BMP",
    b"GIF8": "GIF",
    b"RIFF": "WEBP",
}
FORMATS = tuple(dict.fromkeys(STARTS.values()))
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp")
NAMED = "PNG, JPEG, TIFF, BMP, GIF, WebP or DICOM"
_BITS, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _FORMAT = 258, 262, 274, 277, 339  # tags of TIFF
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
IN_COLOUR = "in colour"
TRANSPARENT = "transparent"
MORE_CHANNELS = "with channels beside red, green and blue, which are not read"
_COLOURED = ("RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")


def format_of(head: bytes) -> str | None:
    """Return which of the formats a file begins as; None if it is another.

    Parameters
    ----------
    head
        Its first bytes.

    Examples
    --------
    >>> format_of(b"GIF89a"), format_of(b"RIFF....WAVE"), format_of(b"RIFF....WEBP")
    ('GIF', None, 'WEBP')
    """
    found = next((name for start, name in STARTS.items() if head.startswith(start)), None)
    return None if found == "WEBP" and head[8:12] != b"WEBP" else found


def open_picture(path: Path, most: int) -> ImageFile:
    """Read the header of a picture, and look whether the file is whole.

    Parameters
    ----------
    path
        The file.
    most
        How many pixels it may have.

    Raises
    ------
    InputError
        If it is too large, damaged, of several pages, or would be read otherwise than it is written.
    MissingExtraError
        If Pillow is not installed.
    """
    package = import_extra("PIL.Image", f"reading {path.name!r}", EXTRA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", package.DecompressionBombWarning)  # most is checked in its place
        try:
            image = package.open(path, formats=FORMATS)
        except package.DecompressionBombError as error:
            raise InputError(
                f"{path.name!r} may be a decompression bomb ({error})", expected=f"at most {most} pixels"
            ) from error
        with image:
            width, height = image.size
            refuse_large(path, (height, width), most)
            pages = 1 if image.format in ("JPEG", "MPO") else int(getattr(image, "n_frames", 1))  # phones add previews
            if pages > 1:
                raise InputError(
                    f"{path.name!r} is no single image",
                    expected="one page",
                    got=f"{pages} pages",
                    remedy="Save the page that counts, as PNG; a stack of slices as NIfTI, of kind: volume.",
                )
            doubts = [IN_COLOUR] if image.mode in _COLOURED else []
            if image.format == "TIFF" and int(image.tag_v2.get(_SAMPLES, 1)) > len(image.getbands()):
                doubts.append(MORE_CHANNELS)
            decode = image.mode in ("P", "PA") or image.has_transparency_data
            bits = _bits_of_tiff(image, path) if image.format == "TIFF" else 16 if image.mode[0] in "IF" else 8
            if image.format == "PNG":
                image.verify()  # the checksum of each chunk, to the last
            else:
                image.draft(None, (1, 1))  # of JPEG an eighth of the size: fast, and yet all of the file is read
                image.load()
        if decode:
            doubts += _decoded_doubts(path)
    return ImageFile(path, "picture", (height, width), bits=bits, doubts=tuple(doubts))


def _decoded_doubts(path: Path) -> list[str]:
    """Return what only its pixels tell of a picture that has been checked: a palette in colour, and transparency."""
    package = import_extra("PIL.Image", f"reading {path.name!r}", EXTRA)
    with path.open("rb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore", package.DecompressionBombWarning)
        with package.open(stream, formats=FORMATS) as image:
            if image.mode[0] == "I":  # greys of 16 bits, one of which is transparent
                return [TRANSPARENT] if (np.asarray(image) == image.info["transparency"]).any() else []
            indexed = image.mode in ("P", "PA")
            *colours, opaque = np.moveaxis(np.asarray(image.convert("RGBA")), -1, 0)
    grey = all((colours[0] == other).all() for other in colours[1:])
    return [IN_COLOUR] * (indexed and not grey) + [TRANSPARENT] * bool((opaque < 255).any())


def _bits_of_tiff(image: Any, path: Path) -> int:
    """Return of how many bits the range of values is, 0 where they have units of their own."""
    tags = image.tag_v2
    bits = tags.get(_BITS, (1,))
    depth = max(bits) if isinstance(bits, tuple) else int(bits)
    kinds = tags.get(_FORMAT, (_UNSIGNED,))
    kind = kinds[0] if isinstance(kinds, tuple) else int(kinds)
    odd = []
    if (kind == _SIGNED and depth == 8) or (kind == _UNSIGNED and depth > 16):
        odd.append(f"{depth} bits, {'signed' if kind == _SIGNED else 'unsigned'}")
    if tags.get(_PHOTOMETRIC) == 0 and depth > 8:
        odd.append(f"{depth} bits in which 0 is white")
    if tags.get(_ORIENTATION, 1) != 1:
        odd.append("a picture that was turned (tag Orientation)")
    channels, known = int(tags.get(_SAMPLES, 1)), len(image.getbands())
    if channels > known and known != 3:  # beside red, green and blue it is rather a mask of what is transparent
        odd.append(f"{channels} channels, of which {known} would be read")
    if odd:
        raise InputError(
            f"{path.name!r} is a TIFF that is not read as it is written",
            expected="upright, black as 0, of 8 or 16 bits or floating point",
            got=listed(odd),
            remedy="Save it so, or as PNG.",
        )
    if image.mode not in ("I", "F", "I;16", "I;16B", "I;16L"):
        return 8  # what has less, or has colours, Pillow makes 8 bits of
    return depth if kind == _UNSIGNED else 0
