"""Rivals of LegoFuse: models that are trained end to end, on patients who have all modalities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmlego import LegoBlock, LegoFuse
from mmlego.multimodal import Inputs, Presence

HIDDEN = 64


class EndToEnd(LegoFuse):
    """What is trained from scratch: before training it knows nothing, and is no candidate for the best epoch."""

    keep_untuned = False


class Concatenation(EndToEnd):
    """Late fusion: the latents of all modalities side by side, read by a small network; trained end to end.

    Encoders and latents are those of the blocks, so that features, encoders and capacity are the same for all methods.
    A missing modality is zero.

    Parameters
    ----------
    blocks
        Fresh blocks; their heads are not used.
    dropout
        Of the network that reads them.
    """

    def __init__(self, blocks: Sequence[LegoBlock], dropout: float = 0.2) -> None:
        super().__init__(blocks, mode="stack", heads="linear")
        width = self.plate.width * len(blocks)
        self.head = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, HIDDEN),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(HIDDEN, self.task.outputs),
        )

    def forward(self, inputs: Inputs, present: Presence | None = None) -> Tensor:
        """Return logits ``(b, k)``."""
        batch = self.read(inputs, present)
        means: list[Tensor] = []
        for name in self.modalities:
            part, block = batch.parts.get(name), self.block(name)
            if part is None:
                means.append(self.head[0].weight.new_zeros(batch.size, self.plate.width))
                continue
            mean = block.run(block.tokens(part.x, part.mask)).mean()
            if part.rows is not None:
                mean = mean.new_zeros(batch.size, mean.shape[1]).index_copy(0, part.rows, mean)
            means.append(mean)
        logits: Tensor = self.head(torch.cat(means, -1))
        return logits


def rival(name: str, blocks: Sequence[LegoBlock], dropout: float) -> LegoFuse:
    """Return an untrained rival over fresh blocks: ``"concatenation"`` or ``"sequential"``.

    The latter has one latent that attends to the modalities in turn, in several rounds, in the manner of HEALNet; with
    the attention, the encoders and the latent of the blocks.
    """
    makers: dict[str, Any] = {
        "concatenation": lambda: Concatenation(blocks, dropout),
        "sequential": lambda: EndToEnd(blocks, mode="weave", heads="linear", weights="uniform"),
    }
    model: LegoFuse = makers[name]()
    return model
