"""Compressed pixels of DICOM: whether they can be unpacked here, and how large they say that they are themselves."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from mmlego.errors import InputError
from mmlego.extras import import_extra

HEAD = 2**16  # bytes of the first frame in which its header is looked for
_EXPLICIT_HEADER = 12  # of the element of pixels: tag, VR, two bytes, length
_ITEM = b"\xfe\xff\x00\xe0"
_JPEG, _JPEG_2000, _BOX = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  "
_FRAME_HEADERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_EXTENDED = "1.2.840.10008.1.2.4.51"
_FAMILY = "1.2.840.10008.1.2.4."  # of JPEG: the number behind it is below 90, of JPEG 2000 above
_PACKAGE = re.compile(r"([\w-]+)>=")


def check_decoder(syntax: Any, bits: int, name: str) -> None:
    """Look whether pixels of a transfer syntax can be unpacked.

    Parameters
    ----------
    syntax
        The transfer syntax, as pydicom gives it.
    bits
        How many are stored a pixel.
    name
        Of the file.

    Raises
    ------
    InputError
        If no package is known that unpacks them, or the one that does is not installed; the message names it.
    """
    pixels = import_extra("pydicom.pixels", f"reading {name!r}", "'mmlego[images]'")
    try:
        decoder = pixels.get_decoder(syntax)
    except NotImplementedError as error:
        what = f"{name!r} is compressed in a way that is not read ({syntax.name})"
        raise InputError(what, expected="JPEG, JPEG-LS, JPEG 2000 or RLE") from error
    able = set(decoder.available_plugins)
    missing = list(decoder.missing_dependencies)
    if syntax == _EXTENDED and bits > 8:  # of these plugins one alone unpacks more than eight bits
        able, missing = able & {"pylibjpeg"}, [part for part in missing if part.startswith("pylibjpeg")]
    if not able:
        packages = dict.fromkeys(_PACKAGE.findall(" ".join(missing)))
        packages.pop("numpy", None)
        install = ["python-gdcm"] if "gdcm" in packages else list(packages)
        raise InputError(
            f"{name!r} is compressed as {syntax.name}, which no installed package unpacks",
            expected=", or ".join(part.split(" - requires ")[-1] for part in missing),
            remedy=f"pip install {' '.join(install)}",
        )


def check_size(file: BinaryIO, start: int, size: tuple[int, int], syntax: str, name: str) -> None:
    """Look whether the first frame of compressed pixels is of the size that the header says.

    Parameters
    ----------
    file
        The file.
    start
        Where the element of the pixels begins.
    size
        Rows and columns, as the header says them.
    syntax
        The transfer syntax.
    name
        Of the file.

    Raises
    ------
    InputError
        If it is no frame, or of another size.
    """
    head = _first_frame(file, start)
    found: tuple[int, int] | None = None
    if syntax.startswith(_FAMILY):
        is_jpeg = int(syntax.removeprefix(_FAMILY)) < 90
        found = _jpeg_size(head) if is_jpeg else _jpeg_2000_size(head)
    if not head or (found is not None and found != size):
        got = " × ".join(map(str, found)) if found and any(found) else "something else"
        raise InputError(f"the pixels of {name!r} are damaged", expected=f"a frame of {size[0]} × {size[1]}", got=got)


def _first_frame(file: BinaryIO, start: int) -> bytes:
    """Return the first bytes of the first frame, behind the table of where each one begins."""
    file.seek(start + _EXPLICIT_HEADER)
    file.seek(_item(file), 1)
    return file.read(min(_item(file), HEAD))


def _item(file: BinaryIO) -> int:
    """Return the length of the item that begins here; 0 if none does."""
    header = file.read(8)
    return int.from_bytes(header[4:], "little") if header[:4] == _ITEM else 0


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    """Return height and width of JPEG and JPEG-LS; None if they stand further on, ``(0, 0)`` if it is no JPEG."""
    if not head.startswith(_JPEG):
        return 0, 0
    for marker, at in _segments(head):
        if marker in _FRAME_HEADERS:
            if at + 7 > len(head):
                return None
            height, width = struct.unpack(">HH", head[at + 3 : at + 7])
            return height, width
        if marker == -1:
            return 0, 0
    return None


def _segments(head: bytes) -> Iterator[tuple[int, int]]:
    """Yield the segments of JPEG, each with the place of its length; −1 where there should be one and is none."""
    at = 2
    while at + 4 <= len(head):
        if head[at] != 0xFF:
            yield -1, at
            return
        if head[at + 1] == 0xFF:  # filling
            at += 1
            continue
        yield head[at + 1], at + 2
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")


def _jpeg_2000_size(head: bytes) -> tuple[int, int] | None:
    """Return height and width of JPEG 2000; None if they stand further on, ``(0, 0)`` if it is none."""
    at = head.find(_JPEG_2000)
    if at < 0:
        return None if head.startswith(_BOX) else (0, 0)
    if at + 24 > len(head):
        return None
    width, height, left, top = struct.unpack(">IIII", head[at + 8 : at + 24])
    return height - top, width - left
