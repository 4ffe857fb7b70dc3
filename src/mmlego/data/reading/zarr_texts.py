"""Texts in folders of zarr: how many a chunk says that it holds is looked at before room is made for so many."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mmlego.errors import InputError
from mmlego.extras import import_extra

VLEN = "vlen-"
LENGTH = 4  # bytes that say how long a text is, and how many there are
_DAMAGE = (OSError, ValueError, TypeError, LookupError, RuntimeError, AttributeError, ImportError, SystemError)


def check_texts(folder: Path, metadata: dict[str, Any], what: str) -> None:
    """Refuse chunks that say that they hold more texts than their bytes can be.

    numcodecs makes room for the number that stands first in a chunk, before it reads a text: one damaged byte takes
    all memory.

    Parameters
    ----------
    folder
        Of an array.
    metadata
        What its ``.zarray`` or ``zarr.json`` says.
    what
        Of messages.

    Raises
    ------
    InputError
        If there is such a chunk.
    """
    packed = _packed(metadata)
    if packed is None:
        return
    for place, _, files in os.walk(folder):
        for name in files:
            if name.startswith(".") or name == "zarr.json":
                continue
            try:
                texts = _unpacked(Path(place, name).read_bytes(), packed)
            except _DAMAGE:  # zarr tells it, when it reads the chunk
                continue
            count = int.from_bytes(texts[:LENGTH], "little")
            if count * LENGTH > len(texts):
                raise InputError(
                    f"{what} is damaged: a chunk says that it holds {count} texts",
                    expected=f"at most {len(texts) // LENGTH} in {len(texts)} bytes",
                )


def _packed(metadata: dict[str, Any]) -> list[str] | None:
    """Return by which codecs chunks of texts are packed, as they are unpacked; None where there are no texts."""
    named = [metadata.get(part) for part in ("filters", "compressor", "codecs")]
    parts = [part for some in named for part in (some if isinstance(some, list) else [some]) if isinstance(part, dict)]
    names = [str(part.get("id", part.get("name"))).removeprefix("numcodecs.") for part in parts]
    return names[:0:-1] if names and names[0].startswith(VLEN) else None


def _unpacked(content: bytes, packed: list[str]) -> bytes:
    numcodecs = import_extra("numcodecs", "reading zarr", "'mmlego[zarr]'")
    for name in packed:
        # how strongly it is packed makes no difference here
        content = content[:-4] if name == "crc32c" else bytes(numcodecs.get_codec({"id": name}).decode(content))
    return content
