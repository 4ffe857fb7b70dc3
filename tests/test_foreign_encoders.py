"""Modules that know nothing of mmlego, as blocks: trained, masked, merged and fused like any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mmlego import LegoBlock, LegoFuse, LegoMerge, Ragged
from mmlego.encoders import SNN
from tests.bricks import gradients, plate, trained


class SmallCNN(nn.Module):
    """Images ``(b, 1, 8, 8)`` → one token a cell of the last feature map, ``(b, 4, 6)``."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 6, 3, stride=2, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten(2).mT


class Strided(nn.Module):
    """Halves the number of tokens, and says which of them are real."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 5)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        tokens = self.layer(x[:, ::2])
        return tokens if mask is None else (tokens, mask[:, ::2])


def transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def bags(b: int) -> Tensor:
    return torch.randn(b, 6, 4)


def lazy() -> nn.Module:
    return nn.Sequential(nn.LazyLinear(6), nn.ReLU(), nn.LazyLinear(5))


# By name: encoder, input of b samples, width of the tokens, whether they are ordered.
FOREIGN: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Tensor], int, bool]] = {
    "CNN on images": (SmallCNN, lambda b: torch.randn(b, 1, 8, 8), 6, False),
    "transformer": (transformer, bags, 4, True),
    "Sequential": (lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5)), bags, 5, True),
    "Sequential on tables": (lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU()), lambda b: torch.randn(b, 4), 6, False),
    "lazy": (lazy, bags, 5, False),
    "own mask": (Strided, bags, 5, True),
    "no parameters": (nn.Identity, bags, 4, True),
    "words": (lambda: nn.Embedding(9, 5), lambda b: torch.randint(9, (b, 7)), 5, True),
}


def make(kind: str, on: Any = None, modality: str = "foreign") -> tuple[LegoBlock, Callable[[int], Tensor]]:
    encoder, inputs, width, ordered = FOREIGN[kind]
    block = LegoBlock(encoder(), plate() if on is None else on, modality, sample=inputs(2), ordered=ordered)
    assert block.token_width == width
    return block, inputs


@pytest.mark.parametrize("kind", FOREIGN)
def test_any_module_trains_as_a_block(kind: str) -> None:
    block, inputs = make(kind)
    x, target = inputs(6), torch.tensor([0, 1, 2, 0, 1, 2])
    optimiser = torch.optim.Adam(block.parameters(), lr=0.02)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = block.task.loss(block(x).logits, target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(torch.isfinite(grad).all() for grad in gradients(block).values())
    assert any(name.startswith("encoder.") for name in gradients(block)) or kind == "no parameters"


@pytest.mark.parametrize("kind", FOREIGN)
def test_any_module_merges_and_fuses(kind: str) -> None:
    on = plate()
    foreign, inputs = make(kind, on)
    blocks = [trained(foreign), trained(LegoBlock(SNN(3), on, "rna"))]
    batch = {"foreign": inputs(4), "rna": torch.randn(4, 3)}
    present = {"foreign": torch.tensor([True, False, True, True]), "rna": torch.tensor([True, True, False, True])}
    for model in (LegoMerge(blocks), *(LegoFuse(blocks, mode=mode) for mode in ("stack", "weave", "parallel"))):
        model.eval()
        logits = model(batch, present)
        alone = model({"foreign": batch["foreign"][2:3]})
        torch.testing.assert_close(logits[2:3], alone)
        assert torch.isfinite(logits).all()


@pytest.mark.parametrize("kind", ["transformer", "Sequential", "lazy", "own mask", "no parameters", "words"])
def test_padding_and_ragged_bags_equal_single_samples(kind: str) -> None:
    block, inputs = make(kind)
    trained(block)
    sizes = [2, 5, 6] if kind != "words" else [2, 5, 7]
    x = inputs(3)
    mask = torch.arange(max(sizes))[None] < torch.tensor(sizes)[:, None]
    ragged = Ragged.from_list([row[keep] for row, keep in zip(x, mask, strict=True)])
    alone = torch.cat([block(x[i : i + 1, :n]).logits for i, n in enumerate(sizes)])
    torch.testing.assert_close(block(x, mask).logits, alone)
    torch.testing.assert_close(block(ragged).logits, alone)


def test_a_frozen_foreign_encoder_keeps_its_statistics() -> None:
    block, inputs = make("CNN on images")
    block.freeze_encoder()
    norm = block.encoder.layers[1]  # type: ignore[index, union-attr]
    before = norm.running_mean.clone()  # type: ignore[union-attr, operator]
    fuse = LegoFuse([block])
    for model, call in ((block, lambda x: block(x).logits), (fuse, lambda x: fuse({"foreign": x}))):
        model.train()
        call(inputs(5)).sum().backward()
        found = (model if isinstance(model, LegoBlock) else model.block("foreign")).encoder.layers[1]  # type: ignore[index, union-attr]
        assert not found.training
        assert torch.equal(found.running_mean, before)
        assert found.weight.grad is None
