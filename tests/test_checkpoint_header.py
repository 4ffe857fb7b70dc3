"""Shapes out of the header of a file of tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mmlego.checkpoint_header import WEIGHTS, read_header
from mmlego.errors import CheckpointError


def test_shapes_and_size_are_those_of_the_tensors(tmp_path: Path) -> None:
    kinds = (torch.float32, torch.float64, torch.bfloat16, torch.uint8, torch.bool, torch.int64, torch.complex64)
    tensors = {f"model.x{i}": torch.zeros(i, 3, dtype=kind) for i, kind in enumerate(kinds)}
    tensors["plate.y"] = torch.zeros(())
    save_file(tensors, tmp_path / WEIGHTS, metadata={"format": "pt"})
    found = read_header(tmp_path)
    assert found.shapes == {name: tuple(value.shape) for name, value in tensors.items()}
    assert found.size == sum(value.numel() * value.element_size() for value in tensors.values())
    assert found.within("plate.") == {"y": ()}


def written(folder: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (folder / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text + data)
    return folder


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"{", "expected safetensors"),
        (b"[" * 10_000, "nested more than"),
        ([], "a header that is no object"),
        ({"x": []}, "dtype and shape of each tensor, got 'x'"),
        ({"x": {"dtype": "F32", "shape": [-1]}}, "dtype and shape"),
        ({"x": {"dtype": "F32", "shape": [True]}}, "dtype and shape"),
        ({"x": {"dtype": ["F32"], "shape": [1]}}, "dtype and shape"),
        ({"x\x1b": {"dtype": "F31", "shape": [1]}}, r"got 'x\\x1b'"),
        ({"x": {"dtype": "F32", "shape": [10**12]}}, "shapes of another size"),
    ],
    ids=str,
)
def test_what_is_no_header(header: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=told):
        read_header(written(tmp_path, header, b"1234"))


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\xff" * 100, (2**40).to_bytes(8, "little") + b"{}"])
def test_a_header_longer_than_the_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(CheckpointError, match="a header of"):
        read_header(tmp_path)
