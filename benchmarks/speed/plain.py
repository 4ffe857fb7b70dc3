"""The rival: the method rendered plainly, step by step as its equations stand, with nothing saved.

In every step the encoder is called anew, tokens and latent go through full complex transforms, every token gets its
key and its value, and the attention matrices are written out. Each step has modules of its own. Bags of unequal
length are taken one by one. It answers what a LegoBlock with the same weights answers.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlego import LegoBlock, Ragged


class PlainStep(nn.Module):
    """One step: encoder → transform of the tokens → cross-attention → gated feed-forward.

    Parameters
    ----------
    block
        The block whose weights are copied.
    index
        Which of its steps.
    """

    def __init__(self, block: LegoBlock, index: int) -> None:
        super().__init__()
        plate = block.plate
        source: Any = copy.deepcopy(block.steps[0 if plate.share_steps else index])
        self.encoder = copy.deepcopy(block.encoder)
        self.ordered, self.heads, self.activation = block.ordered, plate.heads, plate.activation
        self.scale = 1.0 / (plate.head_width**0.5 * plate.temperature)
        self.norm, self.norm_context = source.attention.norm, source.attention.norm_context
        self.to_q, self.to_k, self.to_v = source.attention.to_q, source.attention.to_k, source.attention.to_v
        self.to_out = source.attention.to_out
        self.norm_hidden = source.feedforward.norm
        self.up, self.down = source.feedforward.up, source.feedforward.down

    def forward(self, latent: Tensor, x: Tensor) -> Tensor:
        """Return the spectrum ``(b, c, d)`` after this step, from the latent ``(b, c, d)`` before it."""
        tokens = self.encoder(x)
        if tokens.ndim == 2:
            tokens = tokens.unsqueeze(1)  # (b, 1, e)
        if self.ordered:
            tokens = torch.fft.fft(
                tokens.float(), dim=1
            ).real  # under autocast they are narrower than a transform takes
        latent = latent / torch.linalg.vector_norm(latent, dim=1, keepdim=True).clamp_min(1e-12)
        spectrum = torch.fft.fft(latent, dim=1)
        real, imag = spectrum.real, spectrum.imag
        real = real + self.attention(self.norm(real), self.norm_context(tokens))
        value, gate = self.up(self.norm_hidden(real)).chunk(2, dim=-1)
        real = real + self.down(value * F.selu(gate))
        return torch.complex(real, imag)

    def attention(self, latent: Tensor, tokens: Tensor) -> Tensor:
        """Return the attention of the latent ``(b, c, d)`` over the tokens ``(b, n, e)``."""
        queries, keys, values = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (b, h, c|n, w)
            for part in (self.to_q(latent), self.to_k(tokens), self.to_v(tokens))
        )
        scores = torch.matmul(queries, keys.transpose(-1, -2)) * self.scale  # (b, h, c, n)
        mixed = torch.matmul(scores.softmax(dim=-1), values)
        update: Tensor = self.to_out(mixed.transpose(1, 2).flatten(2))
        return F.leaky_relu(update) if self.activation == "leaky_relu" else update


class PlainBlock(nn.Module):
    """The plain rendering of a LegoBlock, with copies of its weights.

    Parameters
    ----------
    block
        A block in the frequency domain, with complex state and normalised latent (the published settings).
    """

    def __init__(self, block: LegoBlock) -> None:
        super().__init__()
        self.latent = nn.Parameter(block.latent.detach().clone())
        self.steps = nn.ModuleList(PlainStep(block, s) for s in range(block.plate.steps))
        self.head = copy.deepcopy(block.head)

    def forward(self, x: Tensor | Ragged) -> tuple[Tensor, Tensor]:
        """Return the spectrum ``(b, c, d)`` and the logits ``(b, k)``."""
        if isinstance(x, Ragged):
            answers = [self(bag.unsqueeze(0)) for bag in x.unbind()]
            spectra, logits = zip(*answers, strict=True)
            return torch.cat(spectra), torch.cat(logits)
        latent = self.latent.expand(x.shape[0], -1, -1)
        spectrum = latent
        for s, step in enumerate(self.steps):
            spectrum = step(latent, x)
            if s + 1 < len(self.steps):
                latent = torch.fft.ifft(spectrum, dim=1)
        return spectrum, self.head(spectrum.real.mean(1))


def summed_gradients(plain: PlainBlock, block: LegoBlock) -> dict[str, Tensor]:
    """Return the rival's gradients under the block's names, summed over the steps that the block shares."""
    shared = block.plate.share_steps
    gradients: dict[str, Tensor] = {}
    for name, parameter in plain.named_parameters():
        if parameter.grad is None:
            continue
        mine = _own_name(name, shared=shared)
        gradients[mine] = gradients[mine] + parameter.grad if mine in gradients else parameter.grad.clone()
    return gradients


def _own_name(name: str, *, shared: bool) -> str:
    if not name.startswith("steps."):
        return name
    _, index, part, *rest = name.split(".")
    if part == "encoder":
        return ".".join(["encoder", *rest])
    part = {"norm_hidden": "feedforward.norm", "up": "feedforward.up", "down": "feedforward.down"}.get(
        part, f"attention.{part}"
    )
    return ".".join(["steps", "0" if shared else index, part, *rest])
