"""Shapes of the tensors of a checkpoint, out of the header of the file: nothing of their size is read or allocated."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from mmlego.checkpoint_config import broken
from mmlego.json_files import parse_json
from mmlego.wording import brief

WEIGHTS = "model.safetensors"
_LONGEST = 100_000_000  # bytes of a header, as safetensors has it
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}


class Tensors(NamedTuple):
    """Shapes by name, and how many bytes all of them take."""

    shapes: dict[str, tuple[int, ...]]
    size: int

    def within(self, prefix: str) -> dict[str, tuple[int, ...]]:
        """Return the shapes of those whose names begin so, under what is left of their names."""
        return {name.removeprefix(prefix): shape for name, shape in self.shapes.items() if name.startswith(prefix)}


def read_header(folder: Path) -> Tensors:
    """Return the shapes of the tensors of a checkpoint.

    Parameters
    ----------
    folder
        The checkpoint.

    Raises
    ------
    CheckpointError
        If the file is missing, or is not as safetensors has it.
    """
    file = folder / WEIGHTS
    if not file.is_file():
        raise broken(folder, f"a file {WEIGHTS}", "none")
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        whole = file.stat().st_size
        if not 2 <= length <= min(_LONGEST, whole - 8):
            raise broken(file, "safetensors", f"a header of {length} bytes in a file of {whole}")
        text = opened.read(length)
    try:
        header = parse_json(text)
    except ValueError as error:
        raise broken(file, "safetensors", str(error)) from error
    if not isinstance(header, dict):
        raise broken(file, "safetensors", "a header that is no object")
    shapes = {name: _shape(file, name, told) for name, told in header.items() if name != "__metadata__"}
    size = whole - 8 - length
    if sum(math.prod(shape) * _BITS[header[name]["dtype"]] for name, shape in shapes.items()) != 8 * size:
        raise broken(file, f"tensors of {size} bytes", "shapes of another size")
    return Tensors(shapes, size)


def _shape(file: Path, name: str, told: Any) -> tuple[int, ...]:
    shape = told.get("shape") if isinstance(told, dict) else None
    right = isinstance(shape, list) and all(type(n) is int and 0 <= n < 2**63 for n in shape)
    kind = told.get("dtype") if isinstance(told, dict) else None
    if not right or not isinstance(kind, str) or kind not in _BITS:
        raise broken(file, "dtype and shape of each tensor", brief(name))
    return tuple(shape or ())
