"""Checkpoints of a training run as one safetensors file: written atomically, never unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from mmlego.errors import CheckpointError
from mmlego.files import write_atomically
from mmlego.fingerprint import hash_tensors
from mmlego.json_files import parse_json


class SafeCheckpointIO:
    """Write and read states of training as safetensors with the structure as JSON in the header.

    Lightning's own have the same form, so that either goes on where the other was interrupted.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint in one step."""
        tensors: dict[str, Tensor] = {}
        structure = json.dumps(_flatten(checkpoint, tensors))
        told = {"structure": structure, "sha256": _hash(structure, tensors)}
        write_atomically(Path(path), to_bytes(tensors, told))

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint."""
        try:
            with safe_open(path, "pt", device="cpu") as file:
                told = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}
            if told.get("sha256", _hash(told["structure"], tensors)) != _hash(told["structure"], tensors):
                raise ValueError("it was changed since")
            checkpoint = _restore(parse_json(told["structure"]), tensors)
            if not isinstance(checkpoint, dict):
                raise TypeError("no state of training in it")
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{path} cannot be resumed",
                expected="a checkpoint of an interrupted fit",
                got=error,
                remedy="Pass resume=False to start anew.",
            ) from error
        return checkpoint

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint."""
        Path(path).unlink(missing_ok=True)


def _hash(structure: str, tensors: Mapping[str, Tensor]) -> str:
    """Return the hash of a state; states that were written before there was one have none."""
    return hashlib.sha256(
        f"{structure}{hash_tensors({name: tensors[name] for name in sorted(tensors)})}".encode()
    ).hexdigest()


def _flatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Return a JSON-able form of nested containers: every container tagged, tensors put aside by number."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().clone().contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_flatten(k, tensors), _flatten(v, tensors)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_flatten(item, tensors) for item in value]}
    if isinstance(value, list):
        return {"list": [_flatten(item, tensors) for item in value]}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (torch.dtype, torch.device, Path)):
        return str(value)
    raise CheckpointError(
        "the state of training cannot be written",
        expected="tensors, numbers, strings, lists and dicts",
        got=type(value),
    )


def _restore(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_restore(k, tensors): _restore(v, tensors) for k, v in content}
    items = [_restore(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items
