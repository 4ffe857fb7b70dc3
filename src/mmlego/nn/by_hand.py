"""When the hand-written backwards are used."""

from __future__ import annotations

import torch
from torch import Tensor


def by_hand(x: Tensor) -> bool:
    """Return whether the hand-written backwards are for this tensor: on a CPU, in full precision.

    They write in place, which neither an export nor the transforms of ``torch.func`` can follow.
    """
    return (
        not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
    )


def needs_gradient(*tensors: Tensor | None) -> bool:
    """Return whether a backward will be asked for, so that what it needs must be kept."""
    return torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors)
