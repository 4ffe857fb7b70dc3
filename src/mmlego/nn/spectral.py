"""Discrete Fourier transforms, and the spectrum of a latent with its mirror rows left out.

This is the only file that calls ``torch.fft``. Transforms run in float32 (float64 for double input),
whatever the autocast dtype.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

Domain = Literal["frequency", "spatial"]
State = Literal["complex", "real", "untracked"]

BLOCK = 256  # rows or columns that are transposed at a time

_TINY = 1e-12  # below this norm a latent column is left as it is: nothing to normalise


def at_least_float32(x: Tensor) -> Tensor:
    """Return ``x`` in float32 if its dtype is narrower, else unchanged."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def distinct(n: int) -> int:
    """Return how many rows of an ``n``-point transform of a real signal are distinct: ``⌊n/2⌋ + 1``."""
    return n // 2 + 1


def multiplicity(n: int, like: Tensor) -> Tensor:
    """Return how often each distinct row stands in the full ``n``-point transform, shape ``(⌊n/2⌋+1,)``.

    Rows ``k`` and ``n − k`` are a mirror pair, so all count twice but row 0 and, for even ``n``, row ``n/2``.

    Examples
    --------
    >>> multiplicity(5, torch.ones(1)).tolist(), multiplicity(4, torch.ones(1)).tolist()
    ([1.0, 2.0, 2.0], [1.0, 2.0, 1.0])
    """
    count = like.new_full((distinct(n),), 2.0)
    count[:1].fill_(1.0)  # to assign a number would make a GPU's host wait
    if n % 2 == 0:
        count[-1:].fill_(1.0)
    return count


class _RealTransform(torch.autograd.Function):
    """Re of the half transform along dim −2; its backward is one inverse real transform."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        half: Tensor = torch.fft.rfft(x, dim=-2).real
        return half

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.n = inputs[0].shape[-2]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        # y_k = Σ_j x_j cos(2πjk/n), so ∂/∂x_j = Σ_k g_k cos(2πjk/n): an unscaled inverse transform
        # of a real half spectrum, in which irfft would count the mirrored rows twice.
        count = multiplicity(ctx.n, grad).unsqueeze(-1)  # (n', 1)
        back: Tensor = torch.fft.irfft((grad / count).to(_complex(grad)), n=ctx.n, dim=-2, norm="forward")
        return back


def _complex(x: Tensor) -> torch.dtype:
    return torch.complex128 if x.dtype == torch.float64 else torch.complex64


def real_transform(x: Tensor) -> Tensor:
    """Return the distinct rows of Re F along the tokens.

    Parameters
    ----------
    x
        Real tokens, shape ``(…, n, e)``.

    Returns
    -------
    Tensor
        ``Re F_n(x)`` for ``k = 0 … ⌊n/2⌋``, shape ``(…, ⌊n/2⌋+1, e)``; row ``n − k`` equals row ``k``.

    Examples
    --------
    >>> real_transform(torch.tensor([[1.0], [2.0], [3.0]])).squeeze(-1)
    tensor([ 6.0000, -1.5000])
    """
    result: Tensor = _RealTransform.apply(at_least_float32(x))  # type: ignore[no-untyped-call]
    return result


class _RealTransformOfBags(torch.autograd.Function):
    """Re of the half transform of each of several bags packed end to end.

    Transforms run along contiguous rows, so bags are transposed there and back: twice as fast as by strides.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, sizes: list[int]) -> Tensor:
        result = x.new_empty(sum(distinct(n) for n in sizes), x.shape[-1])
        for bag, out in zip(x.split(sizes), result.split([distinct(n) for n in sizes]), strict=True):
            for columns, place in zip(bag.split(BLOCK, 1), out.split(BLOCK, 1), strict=True):
                rows = columns.new_empty(columns.mT.shape)
                _copy_turned(columns, rows, along=1)
                place.copy_(torch.fft.rfft(rows).real.mT)
        return result

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, list[int]], output: Tensor) -> None:
        ctx.sizes = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        result = grad.new_empty(sum(ctx.sizes), grad.shape[-1])
        parts = zip(grad.split([distinct(n) for n in ctx.sizes]), result.split(ctx.sizes), strict=True)
        for bag, out in parts:
            count = multiplicity(out.shape[0], grad)
            for columns, place in zip(bag.split(BLOCK, 1), out.split(BLOCK, 1), strict=True):
                rows = columns.new_empty(columns.mT.shape)
                _copy_turned(columns, rows, along=1)
                half = rows.div_(count).to(_complex(grad))
                _copy_turned(torch.fft.irfft(half, n=out.shape[0], norm="forward"), place, along=0)
        return result, None


def _copy_turned(source: Tensor, place: Tensor, along: int) -> None:
    """Transpose a matrix, a block of its longer side at a time: by whole rows the strides defeat the cache."""
    for part, into in zip(source.split(BLOCK, 1 - along), place.split(BLOCK, along), strict=True):
        into.copy_(part.mT)


def real_transform_of_bags(x: Tensor, sizes: list[int]) -> Tensor:
    """Return the distinct rows of Re F along each of several bags.

    Parameters
    ----------
    x
        Bags packed end to end, shape ``(Σn, e)``.
    sizes
        The length of each bag, ≥ 1.

    Returns
    -------
    Tensor
        The bags' transforms packed end to end, shape ``(Σ(⌊n/2⌋+1), e)``.

    Examples
    --------
    >>> real_transform_of_bags(torch.tensor([[1.0], [2.0], [3.0], [7.0]]), [3, 1]).squeeze(-1)
    tensor([ 6.0000, -1.5000,  7.0000])
    """
    result: Tensor = _RealTransformOfBags.apply(at_least_float32(x), sizes)  # type: ignore[no-untyped-call]
    return result


def masked_real_transform(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return Re F of each sample over its own real tokens, by one small matrix product.

    Costs ``n²`` a sample, so it suits short sequences; long ones go bag by bag.

    Parameters
    ----------
    x
        Tokens, shape ``(b, n, e)``.
    mask
        True where a token is real, shape ``(b, n)``; real tokens need not be the first ones.

    Returns
    -------
    tuple of Tensor
        The distinct rows ``(b, ⌊n/2⌋+1, e)`` and the logarithm of how often each counts, ``(b, ⌊n/2⌋+1)``;
        ``−∞`` for rows beyond a sample's own ``⌊n_i/2⌋``.
    """
    x = at_least_float32(x)
    length = mask.sum(1)[:, None, None]  # (b, 1, 1)
    place = mask.cumsum(1)[:, None, :] - 1  # (b, 1, n): position among the real tokens
    k = torch.arange(distinct(x.shape[1]), device=x.device)[None, :, None]  # (1, n', 1)
    turns = (k * place.clamp_min(0)) % length.clamp_min(1)  # integers: exact whatever n
    cosine = torch.cos(turns.to(x.dtype) * (2.0 * math.pi) / length.clamp_min(1))
    cosine = cosine.masked_fill(~mask[:, None, :], 0.0)
    pair = (k > 0) & (2 * k != length)
    bias = torch.where(pair, math.log(2.0), 0.0).masked_fill(2 * k > length, -math.inf).squeeze(-1)
    values = torch.where(mask[:, :, None], x, 0.0)
    with torch.autocast(x.device.type, enabled=False):
        return cosine @ values, bias.to(x.dtype)


@dataclass(frozen=True)
class Spectrum:
    """A latent's spectrum ``Z = real + i · gain · imag``, of which only the distinct rows are kept.

    The transform of a real latent has row ``c − k`` equal to the conjugate of row ``k``, and the update of a
    block treats rows alike, so the pairs stay pairs: half the rows do all the work. A general complex spectrum
    (``mirrored=False``) keeps all ``c`` rows. The imaginary part is never updated, only rescaled, so it is kept
    once with a running ``gain``.

    Parameters
    ----------
    real
        Real part of the kept rows, shape ``(b, r, d)``; ``b`` may be 1 for a start shared by all samples.
    imag
        Imaginary part before rescaling, shape ``(b, r, d)`` or ``(1, r, d)``.
    gain
        Rescaling of the imaginary part, shape ``(b, 1, d)``.
    channels
        ``c``, the number of rows of the full spectrum.
    mirrored
        Whether rows ``c − k`` are left out.
    """

    real: Tensor
    imag: Tensor
    gain: Tensor
    channels: int
    mirrored: bool

    @classmethod
    def of_latent(cls, latent: Tensor, domain: Domain = "frequency") -> Spectrum:
        """Return the spectrum of a real latent ``(c, d)`` or ``(b, c, d)``; its identity if spatial."""
        latent = at_least_float32(latent if latent.ndim == 3 else latent.unsqueeze(0))
        c = latent.shape[1]
        if domain == "spatial":
            return cls(latent, torch.zeros_like(latent), torch.ones_like(latent[:, :1]), c, False)
        half = torch.fft.rfft(latent, dim=1)
        # Row by row in memory, for all later states take over the layout of this small one.
        return cls(half.real.contiguous(), half.imag.contiguous(), torch.ones_like(latent[:, :1]), c, True)

    @classmethod
    def of_complex(cls, spectrum: Tensor) -> Spectrum:
        """Return a general complex spectrum ``(c, d)`` or ``(b, c, d)``, all rows kept."""
        full = spectrum if spectrum.ndim == 3 else spectrum.unsqueeze(0)
        real = full.real.contiguous() if full.is_complex() else full
        imag = full.imag.contiguous() if full.is_complex() else torch.zeros_like(full)
        return cls(real, imag, torch.ones_like(real[:, :1]), full.shape[1], False)

    def _counts(self) -> Tensor:
        rows = self.real.new_ones(self.channels) if not self.mirrored else multiplicity(self.channels, self.real)
        return rows[:, None]  # (r, 1)

    def normalised(self, domain: Domain = "frequency") -> Spectrum:
        """Divide the latent behind this spectrum by its norm over ``c``.

        ``F(L / ‖L‖) = Z √c / ‖Z‖`` because ``‖F⁻¹Z‖ = ‖Z‖/√c`` (Parseval), so no transform is needed;
        in the spatial domain the factor √c is 1. A column of zeros stays zero.
        """
        counts = self._counts()
        still = (self.imag.square() * counts).sum(1, keepdim=True)  # of the imaginary part only the gain changes
        power = (self.real.square() * counts).sum(1, keepdim=True) + still * self.gain.square()  # (b, 1, d)
        mean = power / self.channels if domain == "frequency" else power
        scale = mean.clamp_min(_TINY**2).rsqrt()
        return replace(self, real=self.real * scale, gain=self.gain * scale)

    def between_steps(self, state: State) -> Spectrum:
        """Apply what the inverse transform between two steps keeps of the latent.

        ``complex`` keeps all; ``real`` the real part, i.e. the symmetric half of a general spectrum (a mirrored
        one is real already); ``untracked`` drops the imaginary part of the spectrum before the inverse.
        """
        if state == "untracked":
            return replace(self, gain=torch.zeros_like(self.gain))
        if state == "real" and not self.mirrored:
            rows = distinct(self.channels)
            other = torch.arange(0, -rows, -1, device=self.real.device) % self.channels
            imag = self.imag * self.gain
            return Spectrum(
                real=(self.real[:, :rows] + self.real[:, other]) / 2,
                imag=(imag[:, :rows] - imag[:, other]) / 2,
                gain=torch.ones_like(self.gain),
                channels=self.channels,
                mirrored=True,
            )
        return self

    def with_real(self, real: Tensor) -> Spectrum:
        """Return the same spectrum with another real part."""
        return replace(self, real=real)

    def mean(self) -> Tensor:
        """Return the mean of the real part over all ``c`` rows, shape ``(b, d)``."""
        return (self.real * (self._counts() / self.channels)).sum(1)

    def rows(self) -> Tensor:
        """Return the kept rows as one complex tensor ``(b, r, d)``."""
        real, imag = torch.broadcast_tensors(self.real, self.imag * self.gain)
        return torch.complex(real, imag)

    def full(self) -> Tensor:
        """Return the whole complex spectrum ``(b, c, d)``."""
        if not self.mirrored:
            return self.rows()
        kept = self.real.shape[1]
        place = torch.arange(self.channels, device=self.real.device)
        source = torch.minimum(place, self.channels - place)  # row k, or its mirror c − k
        sign = torch.where(place < kept, 1.0, -1.0).to(self.imag.dtype)[:, None]
        imag = self.imag.index_select(1, source) * sign * self.gain
        return torch.complex(*torch.broadcast_tensors(self.real.index_select(1, source), imag))

    def select(self, rows: Tensor) -> Spectrum:
        """Return the samples of the given rows (integer index)."""
        return self.map(lambda part: part[rows] if part.shape[0] > 1 else part)

    def expand(self, batch: int) -> Spectrum:
        """Return this spectrum with every part spread over ``batch`` samples."""
        return self.map(lambda part: part.expand(batch, -1, -1))

    def put(self, rows: Tensor, other: Spectrum) -> Spectrum:
        """Return a copy in which the samples of the given rows are those of ``other``."""
        other = other.expand(rows.shape[0])
        return Spectrum(
            real=self.real.index_copy(0, rows, other.real),
            imag=self.imag.index_copy(0, rows, other.imag),
            gain=self.gain.index_copy(0, rows, other.gain),
            channels=self.channels,
            mirrored=self.mirrored,
        )

    def map(self, function: Any) -> Spectrum:
        """Apply one function to each of the three parts."""
        return replace(self, real=function(self.real), imag=function(self.imag), gain=function(self.gain))
