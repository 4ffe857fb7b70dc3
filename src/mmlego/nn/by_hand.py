"""When the hand-written backwards are used."""

from __future__ import annotations

import torch
from torch import Tensor


def by_hand(x: Tensor) -> bool:
    """Return whether the hand-written backwards are for this tensor: on a CPU, in full precision."""
    return (
        not torch.compiler.is_compiling()
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
    )
