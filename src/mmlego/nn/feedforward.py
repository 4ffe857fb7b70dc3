"""The gated feed-forward of latent rows, whose hidden layer is never there as a whole."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mmlego.nn.by_hand import by_hand

_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805  # of SELU (Klambauer et al. 2017)
ROWS = 256  # rows of the feed-forward's hidden layer that are made at a time: they fit a core's cache


class _Gated(torch.autograd.Function):
    """``W₂ (value · SELU(gate))`` of rows ``(n, d)``; of the hidden layer all but the gates' input stays in cache."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, down_bias: Tensor, keep: bool
    ) -> tuple[Tensor, Tensor]:
        result = down_bias.expand(x.shape[0], -1).clone()
        hidden = x.new_empty(x.shape[0] if keep else 0, up.shape[0])
        for i, place in enumerate(result.split(ROWS)):
            some = slice(i * ROWS, (i + 1) * ROWS)
            both = F.linear(x[some], up, up_bias)
            if keep:
                hidden[some].copy_(both)
            value, gate = both.chunk(2, dim=-1)
            place.addmm_(value.mul_(F.selu_(gate)), down.mT)
        return result, hidden

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, up, _, down, _, _ = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, up, down, output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 6
        x, up, down, hidden = ctx.saved_tensors
        to_x, to_up, to_down = torch.empty_like(x), torch.zeros_like(up), torch.zeros_like(down)
        to_up_bias = up.new_zeros(up.shape[0])
        parts = zip(*(part.split(ROWS) for part in (x, hidden, grad, to_x)), strict=True)
        for rows, before, g, place in parts:
            value, gate = before.chunk(2, dim=-1)
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
            rows: Tensor = _Gated.apply(x.flatten(0, -2), *weights, torch.is_grad_enabled())[0]  # type: ignore[no-untyped-call]
            update: Tensor = rows.unflatten(0, x.shape[:-1])
            return update
        value, gate = self.up(x).chunk(2, dim=-1)
        out: Tensor = self.down(value * F.selu(gate))
        return out
