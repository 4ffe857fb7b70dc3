"""The gated feed-forward of latent rows, whose hidden layer is never there as a whole."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mmlego.nn.by_hand import by_hand, needs_gradient

_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805  # of SELU (Klambauer et al. 2017)
ROWS = 256  # rows of the feed-forward's hidden layer that are made at a time: they fit a core's cache


class _Gated(torch.autograd.Function):
    """``W₂ (value · SELU(gate))`` of rows ``(n, d)``; of the hidden layer all but the gates' input stays in cache."""

    @staticmethod
    def forward(
        x: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, down_bias: Tensor, keep: bool
    ) -> tuple[Tensor, ...]:
        parts, kept = [], []
        for rows in x.split(ROWS):
            hidden = F.linear(rows, up, up_bias)
            value, gate = hidden.chunk(2, dim=-1)
            if keep:
                kept.append(hidden)
                product = value * F.selu(gate)
            else:
                product = value.mul_(F.selu_(gate))
            parts.append(F.linear(product, down, down_bias))
        return torch.cat(parts), *kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, up, _, down, _, _ = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, up, down, *output[1:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 6
        x, up, down, *kept = ctx.saved_tensors
        # Made from ``grad``, these have its dimension of samples under vmap.
        to_x, to_up, to_down = grad.new_empty(x.shape), grad.new_zeros(up.shape), grad.new_zeros(down.shape)
        to_up_bias = grad.new_zeros(up.shape[0])
        parts = zip(kept, *(part.split(ROWS) for part in (x, grad, to_x)), strict=True)
        for hidden, rows, g, place in parts:
            value, gate = hidden.chunk(2, dim=-1)
            opened = F.selu(gate)
            to_down.addmm_(g.mT, value * opened)
            back = g @ down
            to_gate = torch.ops.aten.elu_backward(back * value, _ALPHA, _SCALE, 1.0, True, opened)
            to_hidden = torch.cat([back.mul_(opened), to_gate], -1)
            to_up.addmm_(to_hidden.mT, rows)
            to_up_bias.add_(to_hidden.sum(0))
            place.addmm_(to_hidden, up, beta=0)
        return to_x, to_up, to_up_bias, to_down, grad.sum(0), None


class GatedFeedForward(nn.Module):
    """Feed-forward of latent rows, without the residual: ``W₂ (value · SELU(gate))`` of the normalised rows.

    Parameters
    ----------
    width
        ``d``, the width of the latent.
    expansion
        The hidden width is ``expansion · d`` for the value and as much for the gate.

    Examples
    --------
    >>> GatedFeedForward(8)(torch.zeros(2, 5, 8)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, width: int, expansion: int = 4) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * expansion * width)
        self.down = nn.Linear(expansion * width, width)

    def forward(self, latent: Tensor) -> Tensor:
        """Return the update of latent rows ``(b, r, d)``."""
        x = self.norm(latent)
        if by_hand(x):
            weights = (self.up.weight, self.up.bias, self.down.weight, self.down.bias)
            keep = needs_gradient(x, *weights)
            rows: Tensor = _Gated.apply(x.flatten(0, -2), *weights, keep)[0]  # type: ignore[no-untyped-call]
            update: Tensor = rows.unflatten(0, x.shape[:-1])
            return update
        value, gate = self.up(x).chunk(2, dim=-1)
        out: Tensor = self.down(value * F.selu(gate))
        return out
