"""The method written plainly, sample by sample: the reference for the fast path of the library.

Every transform is a full complex FFT, every token has its key and value, every row of the latent is
computed and attention matrices are written out. Nothing here is shared with ``mmlego.nn`` but the weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmlego import LegoBlock


def plain_step(block: LegoBlock, tokens: Tensor, spectrum: Tensor, s: int) -> Tensor:
    """One step on one sample: tokens (n, e) after the encoder and the transform, spectrum (c, d) complex."""
    plate, step = block.plate, block.steps[0 if block.plate.share_steps else s]
    attention, feedforward = step.attention, step.feedforward
    real, imag = spectrum.real, spectrum.imag
    h, w = plate.heads, plate.head_width
    context = F.layer_norm(tokens, tokens.shape[-1:], attention.norm_context.weight, attention.norm_context.bias)
    q = attention.to_q(attention.norm(real)).view(-1, h, w)
    k = attention.to_k(context).view(-1, h, w)
    v = attention.to_v(context).view(-1, h, w)
    scores = torch.einsum("chw,nhw->hcn", q, k) / w**0.5 / plate.temperature
    mixed = torch.einsum("hcn,nhw->chw", scores.softmax(-1), v).flatten(1)
    update = attention.to_out(mixed)
    if plate.activation == "leaky_relu":
        update = F.leaky_relu(update, 0.01)
    real = real + update
    value, gate = feedforward.up(feedforward.norm(real)).chunk(2, -1)
    real = real + feedforward.down(value * F.selu(gate))
    return torch.complex(real, imag)


def plain_forward(
    block: LegoBlock, x: Tensor, start: Tensor | None = None, encoder: torch.nn.Module | None = None
) -> tuple[Tensor, Tensor]:
    """One sample x without batch dimension, of its true length → spectrum (c, d) and logits (k)."""
    plate = block.plate
    encoder = block.encoder if encoder is None else encoder
    spatial = plate.domain == "spatial"
    transform = (lambda z: z) if spatial else (lambda z: torch.fft.fft(z, dim=0))
    inverse = (lambda z: z) if spatial else (lambda z: torch.fft.ifft(z, dim=0))
    latent = block.latent.to(torch.complex64 if block.latent.dtype == torch.float32 else torch.complex128)
    if start is not None:
        # A start comes out of another block: an inverse transform lies between, as between two steps.
        latent = inverse(start.real + 0j if plate.state == "untracked" else start)
        if plate.state == "real":
            latent = latent.real + 0j
    for s in range(plate.steps):
        tokens = encoder(x[None])  # at every step, as published
        tokens = (tokens[:, None] if tokens.ndim == 2 else tokens)[0]
        if block.ordered and not spatial:
            tokens = torch.fft.fft(tokens, dim=0).real
        if plate.normalise:
            latent = latent / latent.abs().square().sum(0).sqrt().clamp_min(1e-12)
        spectrum = plain_step(block, tokens, transform(latent), s)
        if s + 1 < plate.steps:
            kept = spectrum.real + 0j if plate.state == "untracked" else spectrum
            latent = inverse(kept)
            if plate.state == "real":
                latent = latent.real + 0j
    return spectrum, block.head(spectrum.real.mean(0))
