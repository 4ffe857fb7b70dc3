"""The cases: which block on which data, and what ratio is wanted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmlego import Baseplate, LegoBlock, Ragged
from mmlego.encoders import SNN, PatchMLP
from mmlego.tasks import Classification

# One configuration for all cases: the defaults that the authors of the method publish for its attention (HEALNet: a
# latent of 128 × 128, 8 heads of width 64), feed-forward 4×, two steps, temperature 0.5, LeakyReLU.
PUBLISHED: dict[str, Any] = {
    "channels": 128,
    "width": 128,
    "steps": 2,
    "heads": 8,
    "head_width": 64,
    "expansion": 4,
    "temperature": 0.5,
    "activation": "leaky_relu",
}
FEATURES = 1024  # width of a patch's features
HIDDEN = 256  # hidden and outer width of the encoder of bags: Linear(1024, 256)–ReLU–Linear(256, 256)


class Opaque(nn.Module):
    """Hide what an encoder is made of.

    Parameters
    ----------
    inner
        Does the work.
    """

    def __init__(self, inner: nn.Module, out_features: int) -> None:
        super().__init__()
        self.inner, self.out_features = inner, out_features

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens."""
        tokens: Tensor = self.inner(x)
        return tokens


@dataclass(frozen=True)
class Case:
    """One comparison.

    Parameters
    ----------
    name
        What ``--only`` takes.
    title
        What the table says.
    block, data
        Make the block and its input.
    training, inference, memory
        Wanted ratios rival/ours; ``None``: no target, printed for information.
    weight
        Roughly how long one repeat takes, relative to the others; long ones are repeated less.
    """

    name: str
    title: str
    block: Callable[[], LegoBlock]
    data: Callable[[], Tensor | Ragged]
    training: float | None = None
    inference: float | None = None
    memory: float | None = None
    weight: float = 1.0


def plate(**changes: Any) -> Baseplate:
    """Return the Baseplate of the published settings."""
    return Baseplate(Classification(4), **{**PUBLISHED, **changes})


def table_block(modality: str = "rna", on: Baseplate | None = None) -> LegoBlock:
    """Return a block over 2,189 columns through the SNN, without dropout so that outputs can be compared."""
    return LegoBlock(SNN(2189, dropout=0.0), plate() if on is None else on, modality)


def bag_block(*, ordered: bool = True, opaque: bool = False, on: Baseplate | None = None) -> LegoBlock:
    """Return a block over bags of patch features; ordered: transformed along the tokens, as published."""
    encoder: nn.Module = PatchMLP(FEATURES, HIDDEN, HIDDEN)
    if opaque:
        encoder = Opaque(encoder, HIDDEN)
    return LegoBlock(encoder, plate() if on is None else on, "slides", ordered=ordered)


def ragged_bags() -> Ragged:
    """Return 16 bags whose numbers of tokens are log-uniform between 100 and 10,000."""
    generator = torch.Generator().manual_seed(0)
    lengths = [round(math.exp(math.log(100) + u * math.log(100))) for u in torch.rand(16, generator=generator).tolist()]
    return Ragged(torch.randn(sum(lengths), FEATURES), lengths)


def _table() -> Tensor:
    return torch.randn(64, 2189)


def _bags() -> Tensor:
    return torch.randn(2, 4096, FEATURES)


def _default() -> Baseplate:
    return Baseplate(Classification(4))


CASES = [
    Case("table", "table, 64 × 2,189 through the SNN", table_block, _table, 4.0, 4.5, 2.5, 0.3),
    Case("bags", "bags 2 × 4,096 × 1,024, Linear last", bag_block, _bags, 3.3, 3.0, 3.0),
    Case("opaque", "the same, opaque encoder", lambda: bag_block(opaque=True), _bags, 2.2, 2.2, 3.0),
    Case("bag", "one bag of 16,384", bag_block, lambda: torch.randn(1, 16384, FEATURES), 4.0, 4.0, 3.0, 2.0),
    Case("ragged", "ragged, 16 bags of 100…10,000", bag_block, ragged_bags, 2.8, 2.8, None, 4.0),
    Case("unordered", "bags 2 × 4,096, unordered", lambda: bag_block(ordered=False), _bags),
    Case("table-default", "table, default plate", lambda: table_block(on=_default()), _table, weight=0.1),
    Case("bags-default", "bags 2 × 4,096, default plate", lambda: bag_block(on=_default()), _bags),
    Case(
        "unordered-default",
        "bags, unordered, default plate",
        lambda: bag_block(ordered=False, on=_default()),
        _bags,
    ),
]


def case_named(name: str) -> Case:
    """Return one case."""
    return next(case for case in CASES if case.name == name)
