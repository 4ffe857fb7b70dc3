"""Folders of zarr, looked through before they are opened: nothing in them is unpickled, and no other folder is read."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mmlego.data.reading.files import FREE_BYTES, RATIO
from mmlego.data.reading.zarr_texts import check_texts
from mmlego.errors import InputError, LegoError
from mmlego.extras import import_extra
from mmlego.json_files import parse_json
from mmlego.wording import listed

# What turns bytes into numbers and text, and does nothing else: ``pickle`` is a codec too, and would run what it reads.
CODECS = frozenset(
    "blosc zstd gzip zlib lz4 bz2 lzma vlen-utf8 vlen-bytes vlen-array bytes endian shuffle delta fixedscaleoffset "
    "bitround quantize packbits astype transpose crc32 crc32c adler32 fletcher32 sharding_indexed json2".split()
)

# What a damaged folder makes zarr, and who reads its arrays, stumble over.
DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
    ArithmeticError,
    SystemError,
)


@contextmanager
def open_zarr(path: Path) -> Iterator[Any]:
    """Open a zarr folder, of version 2 or 3 of the format, and yield its group.

    Of SpatialData only ``tables`` is looked through, for its pictures are not read.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    InputError
        If it is no zarr folder, leads out of itself, would grow too large, or is stored in a way that is not known.
    MissingExtraError
        If zarr is not installed.
    """
    zarr = import_extra("zarr", f"reading {path.name!r}", "'mmlego[zarr]'")
    if not path.is_dir():
        raise InputError(f"{path.name!r} is no zarr folder", remedy="Unpack it, and name the folder.")
    tables = path / "tables"
    _look_through(tables if tables.is_dir() else path, path)
    try:
        # what was consolidated may say otherwise than the files that were looked through
        group = zarr.open_group(str(path), mode="r", use_consolidated=False)
        try:
            yield group
        finally:
            group.store.close()
    except LegoError:
        raise
    except MemoryError as error:
        expected = "a folder that this machine can hold"
        raise InputError(f"{path.name!r} asks for more memory than there is", expected=expected) from error
    except DAMAGE as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"cannot read {path.name!r} ({why})", expected="a whole zarr folder") from error


def _look_through(folder: Path, whole: Path) -> None:
    """Refuse links that lead out, codecs that are not known, and arrays that grow past the allowance."""
    stored = total = 0
    home = whole.resolve()
    for place, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            entry = os.path.join(place, name)  # as text: a slide is thousands of files
            if os.path.islink(entry) and not _leads_into(Path(entry), home):
                shown = Path(entry).relative_to(whole).as_posix()
                raise InputError(f"{shown!r} in {whole.name!r} lies elsewhere", remedy="Put all in one folder.")
        stored += sum(_size(os.path.join(place, name)) for name in files)
        for name in {".zarray", "zarr.json"}.intersection(files):
            metadata, shown = _metadata(Path(place, name), whole), Path(place).relative_to(whole).as_posix()
            total += _bytes_of(metadata, shown, whole)
            check_texts(Path(place), metadata, f"{shown!r} in {whole.name!r}")
    allowed = max(FREE_BYTES, RATIO * stored)
    if total > allowed:
        raise InputError(
            f"{whole.name!r} grows too large when unpacked",
            expected=f"at most {allowed} bytes from {stored}",
            got=total,
            remedy="If you trust it, write it anew with weaker compression.",
        )


def _size(file: str) -> int:
    """Return how many bytes a file has; 0 of what is none."""
    try:
        told = os.stat(file)
    except OSError:
        return 0
    return told.st_size if stat.S_ISREG(told.st_mode) else 0


def _leads_into(link: Path, home: Path) -> bool:
    try:
        return link.resolve().is_relative_to(home)
    except (OSError, RuntimeError):  # a loop of links
        return False


def _metadata(path: Path, whole: Path) -> dict[str, Any]:
    try:
        found = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path.relative_to(whole).as_posix()!r} in {whole.name!r} ({error})") from error
    return found if isinstance(found, dict) else {}


def _bytes_of(metadata: dict[str, Any], name: str, whole: Path) -> int:
    """Return how many bytes an array takes when it is unpacked; 0 for a group."""
    if "shape" not in metadata:
        return 0
    odd = sorted(_codecs([metadata.get(part) for part in ("filters", "compressor", "codecs")]) - CODECS)
    if odd:
        raise InputError(
            f"{name!r} in {whole.name!r} is stored in a way that is not read",
            expected="numbers and text",
            got=listed(odd),
            remedy="Write it anew with a current version of its package.",
        )
    kind = metadata.get("dtype", metadata.get("data_type"))
    try:
        size = np.dtype(str(kind)).itemsize
    except TypeError:
        size = 8  # text of any length
    return math.prod(int(length) for length in metadata["shape"]) * max(size, 1)


def _codecs(part: Any) -> set[str]:
    """Return the names of all codecs in a piece of metadata, those within others too."""
    if isinstance(part, list):
        return set().union(*map(_codecs, part))
    if not isinstance(part, dict):
        return set()
    own = {str(part[word]).removeprefix("numcodecs.") for word in ("id", "name") if word in part}
    inner = part.get("configuration")
    return own | (_codecs([inner.get("codecs"), inner.get("index_codecs")]) if isinstance(inner, dict) else set())
