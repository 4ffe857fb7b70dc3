"""The gated feed-forward of latent rows, whose hidden layer is never there as a whole."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mmlego.nn.by_hand import by_hand, needs_gradient

_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805  # of SELU (Klambauer et al. 2017)
ROWS = 256  # rows of the feed-forward's hidden layer that a core makes at a time: they fit its cache


class _Gated(torch.autograd.Function):
    """``W₂ (value · SELU(gate))`` of rows ``(n, d)``; of the hidden layer all but the gates' input stays in cache."""

    @staticmethod
    def forward(
        x: Tensor, up: Tensor, up_bias: Tensor, down: Tensor, down_bias: Tensor, keep: bool
    ) -> tuple[Tensor, ...]:
        result, pieces = torch.empty_like(x), x.split(_rows())
        hidden = x.new_empty(0 if keep else pieces[0].shape[0], up.shape[0])
        kept = []
        for rows, place in zip(pieces, result.split(_rows()), strict=True):
            hidden = F.linear(rows, up, up_bias) if keep else torch.addmm(up_bias, rows, up.mT, out=hidden[: len(rows)])
            kept += _open(hidden, down, down_bias, place, keep=keep)
        return result, *kept

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
        parts = zip(kept, *(part.split(kept[0].shape[0]) for part in (x, grad, to_x)), strict=True)
        for hidden, rows, g, place in parts:
            to_hidden = _to_hidden(hidden, g, down, to_down)
            to_up.addmm_(to_hidden.mT, rows)
            to_up_bias.add_(to_hidden.sum(0))
            place.addmm_(to_hidden, up, beta=0)
        return to_x, to_up, to_up_bias, to_down, grad.sum(0), None


class _GatedSums(torch.autograd.Function):
    """The same of rows ``(b · r, d)`` whose hidden layer is ``(shared_r + own_b) · scale_br + offset``."""

    @staticmethod
    def forward(
        shared: Tensor, own: Tensor, scale: Tensor, offset: Tensor, down: Tensor, down_bias: Tensor, keep: bool
    ) -> tuple[Tensor, ...]:
        result = shared.new_empty(scale.numel(), down.shape[0])
        pieces = _samples(own, scale)
        hidden = shared.new_empty(pieces[0][1].shape + shared.shape[-1:])
        kept = []
        for (some, by), place in zip(pieces, result.split(hidden.shape[:2].numel()), strict=True):
            sums = torch.add(some[:, None], shared, out=None if keep else hidden[: len(some)])
            torch.addcmul(offset, sums, by[..., None], out=sums)
            kept += _open(sums.flatten(0, 1), down, down_bias, place, keep=keep)
        return result, *kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        shared, own, scale, offset, down, _, _ = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(shared, own, scale, offset, down, *output[1:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 7
        shared, own, scale, offset, down, *kept = ctx.saved_tensors
        to_shared, to_own, to_scale, to_offset, to_down = (
            grad.new_zeros(x.shape) for x in (shared, own, scale, offset, down)
        )
        parts = zip(kept, grad.split(kept[0].shape[0]), _samples(own, scale), _samples(to_own, to_scale), strict=True)
        for hidden, g, (some, by), (to_some, to_by) in parts:
            to_hidden = _to_hidden(hidden, g, down, to_down).view(*by.shape, -1)
            to_by.copy_((to_hidden * (some[:, None] + shared)).sum(-1))
            to_offset.add_(to_hidden.sum((0, 1)))
            to_hidden.mul_(by[..., None])
            to_shared.add_(to_hidden.sum(0))
            to_some.copy_(to_hidden.sum(1))
        return to_shared, to_own, to_scale, to_offset, to_down, grad.sum(0), None


def _rows() -> int:
    return ROWS * torch.get_num_threads()


def _open(hidden: Tensor, down: Tensor, down_bias: Tensor, place: Tensor, *, keep: bool) -> list[Tensor]:
    """Put ``W₂ (value · SELU(gate))`` in its place; return the hidden layer if it is kept, else it is used up."""
    value, gate = hidden.chunk(2, dim=-1)
    product = value * F.selu(gate) if keep else value.mul_(F.selu_(gate))
    torch.addmm(down_bias, product, down.mT, out=place)
    return [hidden] if keep else []


def _samples(own: Tensor, scale: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return as many samples at a time as have about as many rows."""
    some = max(1, _rows() // scale.shape[1])
    return list(zip(own.split(some), scale.split(some), strict=True))


def _to_hidden(hidden: Tensor, grad: Tensor, down: Tensor, to_down: Tensor) -> Tensor:
    """Return the gradient of the hidden layer, and add to that of ``down``."""
    value, gate = hidden.chunk(2, dim=-1)
    opened = F.selu(gate)
    to_down.addmm_(grad.mT, value * opened)
    back = grad @ down
    to_gate = torch.ops.aten.elu_backward(back * value, _ALPHA, _SCALE, 1.0, True, opened)
    result: Tensor = torch.cat([back.mul_(opened), to_gate], -1)
    return result


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

    def forward(self, latent: Tensor, parts: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Return the update of latent rows.

        Parameters
        ----------
        latent
            ``(b, r, d)``.
        parts
            If the latent is the sum of rows ``(1, r, d)`` that all samples share and one row ``(b, 1, d)`` a sample,
            these two: the first product then is that of ``r + b`` rows in place of ``r · b``.

        Returns
        -------
        Tensor
            ``(b, r, d)``.
        """
        if parts is not None and by_hand(latent):
            return self._of_sums(*parts)
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

    def _of_sums(self, shared: Tensor, own: Tensor) -> Tensor:
        """Return the update of ``shared (1, r, d) + own (b, 1, d)``: a LayerNorm is linear but for one number a row."""
        shared, own = shared[0], own[:, 0]
        shared = shared - shared.mean(-1, keepdim=True)  # (r, d)
        own = own - own.mean(-1, keepdim=True)  # (b, d)
        squares = own.square().sum(-1, keepdim=True) + shared.square().sum(-1)  # (b, r)
        variance = torch.addmm(squares, own, shared.mT, alpha=2.0).clamp_min(0.0) / shared.shape[-1]
        scale = (variance + self.norm.eps).rsqrt()
        up = self.up.weight * self.norm.weight
        hidden = (F.linear(shared, up), F.linear(own, up))
        offset = F.linear(self.norm.bias, self.up.weight, self.up.bias)
        weights = (*hidden, scale, offset, self.down.weight, self.down.bias)
        keep = needs_gradient(*weights)
        rows: Tensor = _GatedSums.apply(*weights, keep)[0]  # type: ignore[no-untyped-call]
        update: Tensor = rows.unflatten(0, scale.shape)
        return update
