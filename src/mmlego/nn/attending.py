"""Attention of few queries over many tokens, on bare tensors: at once, bag by bag, fused or by products."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmlego.nn.by_hand import by_hand, needs_gradient


def softmax_of_scores(queries: Tensor, keys: Tensor, bias: Tensor | None) -> Tensor:
    """Return the softmax of the scores: ``(g, r, w), (g, n, w), (…, n) → (g, r, n)``."""
    if bias is None:
        return torch.bmm(queries, keys.mT).softmax(-1)
    start = bias.to(queries.dtype).expand(queries.shape[0], queries.shape[1], -1)
    return torch.baddbmm(start, queries, keys.mT).softmax(-1)


def attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """Attend, fused where that fills the device: ``(b, h, r, w), (b, h, n, w), (b, h, n, w) → (b, h, r, w)``."""
    if not _leaves_idle(queries):
        mask = None if bias is None else bias.to(keys.dtype)
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=1.0)
    scores = torch.matmul(queries, keys.mT)
    return torch.matmul((scores if bias is None else scores + bias).softmax(-1), values)


def _leaves_idle(queries: Tensor) -> bool:
    """Return whether fused attention would leave most of a GPU idle.

    It deals out queries, some 64 of a head to a multiprocessor, however many keys there are: here the queries are the
    few rows of the latent and the keys many. Products deal out both.
    """
    if not queries.is_cuda:
        return False
    b, h, r, _ = queries.shape
    return b * h * math.ceil(r / 64) < _multiprocessors(queries.device)


@functools.cache
def _multiprocessors(device: torch.device) -> int:
    return int(torch.cuda.get_device_properties(device).multi_processor_count)


def attend_bags(queries: Tensor, keys: Tensor, values: Tensor | None, bias: Tensor | None, sizes: list[int]) -> Tensor:
    """Attend bag by bag: ``(b, g, r, w), (Σn, g·w), (Σn, g·w) → (b, g, r, w)``; no values: the keys."""
    if by_hand(keys):
        keep = needs_gradient(queries, keys, values)
        result: Tensor = _BagAttention.apply(queries, keys, values, bias, sizes, keep)[0]  # type: ignore[no-untyped-call]
        return result
    mixed = [
        attend(q[None], k[None], v[None], None if part is None else part[None, None, None])
        for q, k, v, part in zip(
            queries, *_bags(keys, values, sizes, queries.shape[1]), _biases(bias, sizes), strict=True
        )
    ]
    return torch.cat(mixed)


def _bags(keys: Tensor, values: Tensor | None, sizes: list[int], groups: int) -> tuple[list[Tensor], list[Tensor]]:
    """Return views ``(g, n_i, w)`` of packed keys and values ``(Σn, g·w)``."""
    first, *second = (
        [bag.unflatten(-1, (groups, -1)).transpose(0, 1) for bag in packed.split(sizes)]
        for packed in (keys, values)
        if packed is not None
    )
    return first, second[0] if second else first


def _biases(bias: Tensor | None, sizes: list[int]) -> Sequence[Tensor | None]:
    if bias is None:
        return [None] * len(sizes)
    parts = bias.split(sizes)
    # Fused kernels on a GPU read a bias some numbers at a time: it must not begin in the middle of another's.
    return parts if bias.device.type == "cpu" else [part.clone() for part in parts]


class _BagAttention(torch.autograd.Function):
    """Attention of each bag's queries over its own tokens, with as few and as large products as there can be."""

    @staticmethod
    def forward(
        queries: Tensor, keys: Tensor, values: Tensor | None, bias: Tensor | None, sizes: list[int], keep: bool
    ) -> tuple[Tensor, ...]:
        bags = zip(queries, *_bags(keys, values, sizes, queries.shape[1]), _biases(bias, sizes), strict=True)
        mixed, kept = [], []
        for q, k, v, b in bags:
            p = softmax_of_scores(q, k, b)
            mixed.append(torch.bmm(p, v))
            if keep:
                kept.append(p)
        return torch.stack(mixed), *kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        queries, keys, values, _, ctx.sizes, _ = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(queries, keys, values, *output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 6
        queries, keys, values, mixed, *kept = ctx.saved_tensors
        tokens_too = any(ctx.needs_input_grad[1:3])  # not over a frozen encoder
        to_keys = grad.new_empty(keys.shape) if tokens_too else keys
        to_values = grad.new_empty(values.shape) if tokens_too and values is not None else values
        to_queries = []
        # Σ_n P ∂P, the part of the softmax's derivative that is one number a row.
        shift = (grad * mixed).sum(-1, keepdim=True)  # (b, g, r, 1)
        sizes, groups = ctx.sizes, queries.shape[1]
        bags = zip(
            queries,
            grad,
            shift,
            kept,
            *_bags(keys, values, sizes, groups),
            *_bags(to_keys, to_values, sizes, groups),
            strict=True,
        )
        for q, g, s, p, k, v, to_k, to_v in bags:
            to_scores = torch.bmm(g, v.mT).sub_(s).mul_(p)  # (g, r, n)
            to_queries.append(torch.bmm(to_scores, k))
            if tokens_too:
                to_v.baddbmm_(p.mT, g, beta=0)
                to_k.baddbmm_(to_scores.mT, q, beta=1 if values is None else 0)
        to_tokens = (to_keys, to_values) if tokens_too else (None, None)
        return torch.stack(to_queries), *to_tokens, None, None, None
