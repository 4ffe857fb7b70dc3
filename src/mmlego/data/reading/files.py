"""Files from disk, with care: inside the manifest's folder, of bounded size, named when unreadable."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

from mmlego.errors import InputError
from mmlego.wording import UTF8, listed


class _Bytes(Protocol):
    def read(self, size: int, /) -> bytes: ...


PACKED = ("", ".gz", ".zip")
# A packed file may grow to FREE_BYTES whatever its size, beyond that RATIO-fold, and never past MOST_BYTES.
FREE_BYTES = 64 * 2**20
RATIO = 200
MOST_BYTES = 4 * 2**30


def read_lines(path: Path) -> list[str]:
    r"""Read a text file, plain, ``.gz`` or ``.zip``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    list of str
        Its lines, without their ends.

    Raises
    ------
    InputError
        If the file is damaged, no text in UTF-8 or UTF-16, or grows too large when unpacked; the message names it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "seqs.fasta"
    ...     _ = path.write_text(">p1\nACGT\n")
    ...     read_lines(path)
    ['>p1', 'ACGT']
    """
    content = packed_bytes(path).getvalue()
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")  # as Windows saves "Unicode"
    try:
        return content.decode("utf-16" if wide else "utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {path.name!r} ({error})", expected="text in UTF-8", remedy=UTF8) from error


def read_bytes(path: Path) -> bytes:
    """Read a whole file, plain, ``.gz`` or ``.zip``, for what says itself how it is encoded.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If the file is damaged or grows too large when unpacked; the message names it.
    """
    return packed_bytes(path).getvalue()


def packed_bytes(path: Path) -> io.BytesIO:
    """Return the content of a file, unpacked if need be.

    Parameters
    ----------
    path
        The file, plain, ``.gz`` or ``.zip``.

    Raises
    ------
    InputError
        If it is damaged, holds several files, or grows past the allowance.
    """
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as stream:
                return unpacked(stream, path)
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
                if len(members) != 1:
                    names = listed(member.filename for member in members)
                    raise InputError(f"archive {path.name!r} is ambiguous", expected="one file in it", got=names)
                with archive.open(members[0]) as member:
                    return unpacked(member, path)
        return io.BytesIO(path.read_bytes())
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise InputError(f"cannot unpack {path.name!r} ({error})", expected="a whole, unencrypted file") from error


def unpacked(stream: _Bytes, path: Path) -> io.BytesIO:
    """Return the whole of a stream that unpacks a file.

    Parameters
    ----------
    stream
        The stream.
    path
        The packed file.

    Raises
    ------
    InputError
        If it grows past the allowance.
    """
    allowed = allowance(path)
    content = io.BytesIO()
    while chunk := stream.read(2**20):
        content.write(chunk)
        if content.tell() > allowed:
            raise too_large(path, allowed)
    content.seek(0)
    return content


def allowance(path: Path) -> int:
    """Return how many bytes a packed file may hold."""
    return min(MOST_BYTES, max(FREE_BYTES, RATIO * path.stat().st_size))


def too_large(path: Path, allowed: int) -> InputError:
    """Return the error that a packed file holds more than it may."""
    return InputError(
        f"file {path.name!r} grows too large when unpacked",
        expected=f"at most {allowed} bytes from {path.stat().st_size}",
        remedy="If you trust it, unpack it yourself and name what was unpacked.",
    )
