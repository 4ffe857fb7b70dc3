"""What tells the pixels of one file from another's, whatever is written around them: dates, names, comments.

A copy that was packed again holds another time, one that went through a viewer other metadata; it is the same image.
Nothing is unpacked but the beginning of NIfTI: PNG and gzip keep checksums of what they pack.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import BinaryIO

from mmlego.data.reading.fingerprints import file_fingerprint

_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")  # chunks of PNG without which it would be another picture
_BEGIN = 2**20
_FIRST = 64


def picture_fingerprint(path: Path) -> bytes:
    """Return a hash of the pixels of a picture as they are packed.

    Parameters
    ----------
    path
        The file.
    """
    with path.open("rb") as file:
        head = file.read(8)
        if head == b"\x89PNG\r\n\x1a\n":
            return _of_png(file)
        start = _behind_metadata(file) if head[:2] == b"\xff\xd8" else 0
    return file_fingerprint(path, start)


def nifti_fingerprint(path: Path) -> bytes:
    """Return a hash of a NIfTI file; where it is packed, of its beginning unpacked and of the checksum of all.

    Parameters
    ----------
    path
        The file.
    """
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return file_fingerprint(path)
        file.seek(-8, 2)
        digest = hashlib.sha256(file.read())  # CRC-32, and the size modulo 2³²
    with gzip.open(path) as unpacked:
        digest.update(unpacked.read(_BEGIN))
    return digest.digest()


def _of_png(file: BinaryIO) -> bytes:
    """Return a hash of the chunks that make the picture: length, first bytes and checksum of each."""
    digest = hashlib.sha256()
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind in _PIXELS:
            digest.update(head + file.read(min(length, _FIRST)))
            file.seek(max(0, length - _FIRST), 1)
            digest.update(file.read(4))
        else:
            file.seek(length + 4, 1)
    return digest.digest()


def _behind_metadata(file: BinaryIO) -> int:
    """Return where a JPEG goes on behind its application segments and comments."""
    at = 2
    while True:
        file.seek(at)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or not (0xE0 <= head[1] <= 0xEF or head[1] == 0xFE):
            return at
        at += 2 + int.from_bytes(head[2:], "big")
