"""Cross-attention of a latent over tokens, and the gated feed-forward: the fast path of a block.

All of it is exact. The plain form, with every transform, every token's key and value and every row of the latent
computed, stands beside it in the tests (``tests/plain.py``) and both must agree. What is saved:

- Re F of real tokens is mirror-symmetric: N tokens are ⌊N/2⌋+1 distinct ones that count twice (a bias of log 2).
- The statistics of the tokens' LayerNorm are the same at every step: normalised once. Its bias adds the same to
  every score of a query, which a softmax does not see.
- Keys and values need not exist per token: W_k folds into the query, W_v behind the attention. Where the tokens
  are few, or the heads narrow, keys and values are cheaper, and then they are shared by the steps.
- A single token has softmax 1: no queries, keys or scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mmlego.nn.ragged import Ragged
from mmlego.nn.spectral import at_least_float32, distinct, masked_real_transform, multiplicity, real_transform

LONG = 256  # padded sequences up to this length are treated at once, longer ones bag by bag


@dataclass(frozen=True)
class Tokens:
    """Tokens made ready for every step of a block: transformed, then normalised over their width.

    Parameters
    ----------
    values
        Normalised tokens: ``(b, n, e)``, or ``(Σn, e)`` where ``sizes`` is given.
    bias
        Added to the scores: log of how often a token counts, −∞ for padding; ``(b, n)``, ``(1, n)``, or ``(Σn,)``
        where ``sizes`` is given; ``None`` where all count once.
    sizes
        Length of each bag if the tokens are packed end to end.
    """

    values: Tensor
    bias: Tensor | None = None
    sizes: Sequence[int] | None = None

    @property
    def batch(self) -> int:
        """The number of samples."""
        return len(self.sizes) if self.sizes is not None else self.values.shape[0]

    @property
    def single(self) -> bool:
        """Whether each sample is one token."""
        return self.sizes is None and self.values.shape[1] == 1


class _Normalise(torch.autograd.Function):
    """LayerNorm without gain and bias that keeps its result for the backward, not its input."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        result, _, scale = torch.native_layer_norm(x, x.shape[-1:], None, None, eps)
        return result, scale

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*output)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None]:
        result, scale = ctx.saved_tensors
        # The kernel's formula with x̂ for x (mean 0, scale 1) lacks only the factor 1/σ.
        inner = torch.ops.aten.native_layer_norm_backward(
            grad.contiguous(),
            result,
            list(result.shape[-1:]),
            torch.zeros_like(scale),
            torch.ones_like(scale),
            None,
            None,
            [True, False, False],
        )[0]
        return inner.mul_(scale), None


def normalise(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Return tokens ``(…, e)`` with mean 0 and variance 1 over their width, in at least float32."""
    result: Tensor = _Normalise.apply(at_least_float32(x), eps)[0]  # type: ignore[no-untyped-call]
    return result


def prepare_tokens(
    tokens: Tensor | Ragged,
    mask: Tensor | None = None,
    *,
    transform: bool = False,
    last: nn.Linear | None = None,
) -> Tokens:
    """Transform tokens over their true length if asked, then normalise them.

    Parameters
    ----------
    tokens
        ``(b, n, e)``, or a Ragged of ``(Σn, e)``.
    mask
        True where a token is real, ``(b, n)``; at least one a sample.
    transform
        Whether to take Re F along the tokens (ordered tokens in the frequency domain).
    last
        A final Linear of the encoder, not yet applied, that is applied after the transform, where only half
        the tokens are left: a transform along the tokens and a Linear across their width commute, the bias
        of the Linear reaching the zeroth row alone, ``n`` times.

    Returns
    -------
    Tokens
        Ready for ``CrossAttention``.
    """
    if isinstance(tokens, Tensor) and mask is not None and tokens.shape[1] > LONG:
        tokens, mask = Ragged(tokens[mask], mask.sum(1)), None
    if isinstance(tokens, Ragged):
        return _prepare_ragged(tokens, transform, last)
    transform = transform and tokens.shape[1] > 1
    bias: Tensor | None = None
    if not transform:
        values = tokens if last is None else last(tokens)
        if mask is not None:
            bias = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, -math.inf)
            values = torch.where(mask[:, :, None], values, 0.0)
        return Tokens(normalise(values), bias)
    n = tokens.shape[1]
    if mask is not None:
        values, bias = masked_real_transform(tokens, mask)
        count: Tensor | int = mask.sum(1)[:, None, None]
    else:
        values = real_transform(tokens)
        bias = multiplicity(n, values).log()[None]
        count = n
    if last is not None:
        zeroth = torch.zeros_like(values[:1, :, :1])
        zeroth[:, 0] = 1.0
        values = _linear_of_transformed(values, zeroth * count, last)
    return Tokens(normalise(values), bias)


def _prepare_ragged(tokens: Ragged, transform: bool, last: nn.Linear | None) -> Tokens:
    """Transform every bag at its true length: a plain loop, the rest on all tokens at once."""
    if not transform:
        values = tokens.values if last is None else last(tokens.values)
        return Tokens(normalise(values), None, tokens.sizes)
    sizes = [distinct(n) for n in tokens.sizes]
    values = torch.cat([real_transform(bag) for bag in tokens.unbind()])
    bias = torch.cat([multiplicity(n, values) for n in tokens.sizes]).log()
    if last is not None:
        zeroth = values.new_zeros(values.shape[0], 1)
        starts = torch.tensor([0, *sizes[:-1]]).cumsum(0).to(values.device)
        zeroth[starts, 0] = tokens.lengths.to(values.dtype)
        values = _linear_of_transformed(values, zeroth, last)
    return Tokens(normalise(values), bias, sizes)


def _linear_of_transformed(values: Tensor, zeroth: Tensor, last: nn.Linear) -> Tensor:
    """Apply a Linear to transformed tokens; ``zeroth`` is the length of the bag at its row 0, else 0."""
    result = F.linear(values, last.weight)
    if last.bias is None:
        return result
    return result + zeroth * last.bias


class CrossAttention(nn.Module):
    r"""Cross-attention from latent rows to tokens, both layer-normalised, without the residual.

    ``softmax(Q Kᵀ / (√w τ)) V W_o + b_o`` with ``Q = LN(Z) W_q``, ``K = LN(T) W_k``, ``V = LN(T) W_v``, per head of
    width ``w`` (Vaswani et al. 2017; Perceiver, Jaegle et al. 2021), and an optional LeakyReLU behind it.

    Parameters
    ----------
    width
        ``d``, the width of the latent.
    token_width
        ``e``, the width of the tokens.
    heads, head_width
        Number of heads and width of each.
    temperature
        ``τ``, divides the scores.
    activation
        ``"identity"`` or ``"leaky_relu"`` (slope 0.01), after the output projection.
    steps
        By how many steps this module is used; it decides which exact form is cheaper.
    """

    def __init__(
        self,
        width: int,
        token_width: int,
        heads: int,
        head_width: int,
        temperature: float = 1.0,
        activation: str = "identity",
        steps: int = 1,
    ) -> None:
        super().__init__()
        self.heads, self.head_width, self.steps = heads, head_width, steps
        self.scale = 1.0 / (math.sqrt(head_width) * temperature)
        self.activation = activation
        inner = heads * head_width
        self.norm = nn.LayerNorm(width)
        self.norm_context = nn.LayerNorm(token_width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_k = nn.Linear(token_width, inner, bias=False)
        self.to_v = nn.Linear(token_width, inner, bias=False)
        self.to_out = nn.Linear(inner, width)

    def forward(self, latent: Tensor, tokens: Tokens, memory: dict[str, Tensor] | None = None) -> Tensor:
        """Return the update of the latent.

        Parameters
        ----------
        latent
            Latent rows ``(b, r, d)``, or ``(1, r, d)`` if shared by all samples.
        tokens
            What ``prepare_tokens`` made.
        memory
            Keys and values kept between the steps that share this module.

        Returns
        -------
        Tensor
            ``(b, r, d)``; ``(b, 1, d)`` if each sample is a single token, for then all rows get the same.
        """
        if tokens.single:
            mixed = self.to_v(self._affine(tokens.values))  # (b, 1, h·w)
        elif self._keys_are_cheaper(latent.shape[1], tokens):
            mixed = self._with_keys(latent, tokens, {} if memory is None else memory)
        else:
            mixed = self._folded(latent, tokens)
        out: Tensor = self.to_out(mixed)
        return F.leaky_relu(out, 0.01) if self.activation == "leaky_relu" else out

    def _affine(self, values: Tensor) -> Tensor:
        return values * self.norm_context.weight + self.norm_context.bias

    def _keys_are_cheaper(self, rows: int, tokens: Tokens) -> bool:
        """Compare multiplications per head: keys are made once for all steps, folding costs each step."""
        w, e = self.head_width, tokens.values.shape[-1]
        total = tokens.values.numel() // e
        with_keys = total * w * (e + self.steps * rows)
        folded = self.steps * rows * e * (tokens.batch * w + total)
        return with_keys < folded

    def _with_keys(self, latent: Tensor, tokens: Tokens, memory: dict[str, Tensor]) -> Tensor:
        if not memory:
            values = self._affine(tokens.values)
            memory["keys"], memory["values"] = self._split(self.to_k(values)), self._split(self.to_v(values))
        keys, values = memory["keys"], memory["values"]  # (b, h, n, w) or (h, Σn, w)
        queries = self._split(self.to_q(self.norm(latent)))  # (b|1, h, r, w)
        if tokens.sizes is None:
            bias = None if tokens.bias is None else tokens.bias[:, None, None, :].to(keys.dtype)
            queries = queries.expand(tokens.batch, -1, -1, -1)
            return _join(F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias, scale=self.scale))
        bags = zip(
            keys.split(tokens.sizes, dim=1),
            values.split(tokens.sizes, dim=1),
            [None] * tokens.batch if tokens.bias is None else tokens.bias.split(tokens.sizes),
            queries.expand(tokens.batch, -1, -1, -1),
            strict=True,
        )
        mixed = [
            F.scaled_dot_product_attention(
                q, k, v, attn_mask=None if bias is None else bias[None, None].to(k.dtype), scale=self.scale
            )
            for k, v, bias, q in bags
        ]
        return _join(torch.stack(mixed))

    def _folded(self, latent: Tensor, tokens: Tokens) -> Tensor:
        h, w = self.heads, self.head_width
        gain = self.norm_context.weight
        to_k = (self.to_k.weight * (gain * self.scale)).unflatten(0, (h, w))  # (h, w, e)
        to_v = (self.to_v.weight * gain).unflatten(0, (h, w))  # (h, w, e)
        queries = self.to_q(self.norm(latent)).unflatten(-1, (h, w))  # (b|1, r, h, w)
        folded = torch.einsum("brhw,hwe->bhre", queries, to_k).flatten(1, 2)  # (b|1, h·r, e)
        folded = folded.expand(tokens.batch, -1, -1)
        if tokens.sizes is None:
            seen = _attend(folded, tokens.values, tokens.bias)
        else:
            biases = [None] * tokens.batch if tokens.bias is None else tokens.bias.split(tokens.sizes)
            bags = zip(folded, tokens.values.split(tokens.sizes), biases, strict=True)
            seen = torch.cat([_attend(q[None], x[None], None if bias is None else bias[None]) for q, x, bias in bags])
        seen = seen.unflatten(1, (h, -1))  # (b, h, r, e)
        mixed = torch.einsum("bhre,hwe->brhw", seen, to_v).flatten(2)  # (b, r, h·w)
        return mixed + F.linear(self.norm_context.bias, self.to_v.weight)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, self.head_width)).transpose(-3, -2)


def _join(x: Tensor) -> Tensor:
    return x.transpose(-3, -2).flatten(-2)


def _attend(queries: Tensor, tokens: Tensor, bias: Tensor | None) -> Tensor:
    """Attention whose keys and values are the tokens themselves: ``(b, q, e), (b, n, e) → (b, q, e)``."""
    if bias is None:
        scores = torch.bmm(queries, tokens.mT)
    else:
        start = bias[:, None, :].to(queries.dtype).expand(queries.shape[0], queries.shape[1], -1)
        scores = torch.baddbmm(start, queries, tokens.mT)
    return torch.bmm(scores.softmax(-1), tokens)


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
        value, gate = self.up(self.norm(latent)).chunk(2, dim=-1)
        out: Tensor = self.down(value * F.selu(gate))
        return out
