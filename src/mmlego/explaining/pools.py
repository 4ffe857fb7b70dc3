"""What the attention of a neural block pools from the tokens of a patient, in place of the tokens themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmlego.block import LegoBlock
from mmlego.nn.attention import CrossAttention, Tokens


@dataclass(frozen=True)
class Call:
    """One call of an attention.

    Attributes
    ----------
    attention
        Which.
    latent
        ``(1, r, d)``, that looked.
    tokens
        What it looked at, those of one patient.
    """

    attention: CrossAttention
    latent: Tensor
    tokens: Tokens

    @torch.no_grad()
    def looks(self) -> tuple[Tensor, Tensor]:
        """Return how much each row of the latent looks at each token, ``(h, r, n)``; and the tokens, ``(n, e)``."""
        own = self.attention
        values = self.tokens.values.flatten(0, -2)
        queries = own.queries(self.latent)[0]  # (h, r, w)
        to_k = (own.to_k.weight * own.norm_context.weight).unflatten(0, (own.heads, own.head_width))
        scores = torch.einsum("hrw,hwe->hre", queries, to_k).flatten(0, 1) @ values.mT  # (h·r, n)
        if self.tokens.bias is not None:
            scores = scores + self.tokens.bias.flatten()
        return scores.softmax(-1).unflatten(0, queries.shape[:2]), values

    @torch.no_grad()
    def to_values(self) -> Tensor:
        """Return what takes tokens to the values of each head, ``(h, w, e)``."""
        own = self.attention
        made: Tensor = (own.to_v.weight * own.norm_context.weight).unflatten(0, (own.heads, own.head_width))
        return made


class Pools:
    r"""What each attention of a block pools, ``m_s = Σ_n a_{sn} V T_n``, and which patch brought what of it.

    All that a block knows of a bag are these few vectors, however many patches there are. Beside a bag of nothing but
    mean patches ``T'`` each is moved by ``Σ_n a_{sn} V (T_n − T')``: a sum over patches, without remainder. On the way
    from there to the patient lie what bags of both kinds of patches would give.

    Parameters
    ----------
    calls
        Of the attentions of one block, in the order in which they were made for the patient.
    base
        The mean patch as the block sees it, ``(e,)``, normalised as its tokens.
    """

    def __init__(self, calls: list[Call], base: Tensor) -> None:
        self.calls, self.base = calls, base
        self.looked = [call.looks() for call in calls]

    @torch.no_grad()
    def ends(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return of each call what is pooled of mean patches, and what of the patient's, ``(h, r, w)`` each."""
        starts, ends = [], []
        for call, (looks, values) in zip(self.calls, self.looked, strict=True):
            to_v = call.to_values()
            ends.append(torch.einsum("hre,hwe->hrw", looks @ values, to_v))
            starts.append(torch.einsum("e,hwe->hw", self.base, to_v)[:, None].expand_as(ends[-1]).contiguous())
        return starts, ends

    @torch.no_grad()
    def of_tokens(self, slopes: list[Tensor]) -> Tensor:
        """Return the share of each token, float64 ``(n,)``, of what moves by so much for each pooled number.

        Parameters
        ----------
        slopes
            Of each call, ``(h, r, w)``.
        """
        total: Tensor | None = None
        for call, (looks, values), slope in zip(self.calls, self.looked, slopes, strict=True):
            worth = torch.einsum("hrw,hwe->hre", slope.to(values), call.to_values()).flatten(0, 1)  # (h·r, e)
            each = torch.addmm(-(worth @ self.base)[:, None], worth, values.mT)  # (h·r, n)
            part = (each * looks.flatten(0, 1)).sum(0).double()
            total = part if total is None else total + part
        if total is None:
            raise ValueError("no attention was called")
        return total


class _Given(nn.Module):
    """In place of an attention: what follows on what it is said to have pooled.

    Parameters
    ----------
    attention
        The one that stands here else.
    held
        By call what is pooled, ``(h, r, w)`` or several of it, ``(c, h, r, w)``, read anew each time.
    """

    def __init__(self, attention: CrossAttention, held: list[Tensor]) -> None:
        super().__init__()
        self.attention, self.held, self.place = attention, held, [0]

    def forward(self, latent: Tensor, tokens: Tokens, memory: dict[str, Tensor] | None = None) -> Tensor:
        """Return the update of the latent."""
        pooled = self.held[self.place[0] % len(self.held)]
        self.place[0] += 1
        return self.attention.answer(pooled if pooled.ndim == 4 else pooled[None])


@contextmanager
def calls_of(block: LegoBlock) -> Iterator[list[Call]]:
    """Yield the calls of a block's attentions, once it has been asked about one patient.

    Parameters
    ----------
    block
        Whose.
    """
    calls: list[Call] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, Tokens]) -> None:
        if isinstance(module, CrossAttention):
            calls.append(Call(module, inputs[0].detach(), inputs[1]))

    handles = [step.attention.register_forward_pre_hook(keep) for step in _steps(block)]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def in_place_of_pools(block: LegoBlock, held: list[Tensor]) -> Iterator[None]:
    """Let a block take what its attentions pool from a list, which may change, for as long as this lasts.

    Parameters
    ----------
    block
        Whose.
    held
        By call, ``(h, r, w)``.
    """
    steps = _steps(block)
    own = [step.attention for step in steps]
    place = [0]
    try:
        for step in steps:
            step.attention = _Given(step.attention, held)
            step.attention.place = place  # steps that do not share weights share the order
        yield
    finally:
        for step, attention in zip(steps, own, strict=True):
            step.attention = attention


def _steps(block: LegoBlock) -> list[Any]:
    return list(block.steps)
