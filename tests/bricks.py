"""Small plates, encoders, blocks and batches that the tests build with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmlego import Baseplate, LegoBlock, Ragged
from mmlego.encoders import SNN, GRUEncoder, PatchMLP
from mmlego.tasks import Classification, Task

NAMES = ("rna", "slide", "vitals", "labs", "image", "notes")


def plate(task: Task | None = None, **options: Any) -> Baseplate:
    """Return a small plate; any option of Baseplate overrides."""
    small: dict[str, Any] = {"channels": 6, "width": 8, "steps": 2, "heads": 2, "head_width": 4}
    return Baseplate(Classification(3) if task is None else task, **{**small, **options})


def stirred(module: nn.Module, scale: float = 0.3, seed: int = 1) -> nn.Module:
    """Move every parameter away from its start, as training would; norms and biases above all."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator).to(parameter))
    return module


def trained(block: LegoBlock, seed: int = 1) -> LegoBlock:
    """Return the block with stirred parameters, in eval mode."""
    stirred(block, seed=seed)
    return block.eval()


class Custom(nn.Module):
    """An encoder made of any function; counts its calls."""

    def __init__(self, function: Callable[..., Any], **attributes: Any) -> None:
        super().__init__()
        self.function, self.calls = function, 0
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return self.function(x)


def table_block(on: Baseplate, modality: str = "rna", width: int = 5, seed: int = 1) -> LegoBlock:
    return trained(LegoBlock(SNN(width, hidden=(7,)), on, modality), seed)


def bag_block(on: Baseplate, modality: str = "slide", width: int = 4, *, ordered: bool = False) -> LegoBlock:
    return trained(LegoBlock(PatchMLP(width, 6, 7), on, modality, ordered=ordered), seed=2)


def series_block(on: Baseplate, modality: str = "vitals", width: int = 3) -> LegoBlock:
    return trained(LegoBlock(GRUEncoder(width, 6), on, modality), seed=3)


def family(count: int, on: Baseplate | None = None) -> list[LegoBlock]:
    """Return blocks of different modalities on one plate, all moved away from their common start."""
    on = plate() if on is None else on
    kinds: list[LegoBlock] = []
    for i, name in enumerate(NAMES[:count]):
        make = (table_block, bag_block, series_block)[i % 3]
        block = make(on, name)
        kinds.append(trained(block, seed=10 + i))
    return kinds


def features(modality: str, b: int, seed: int = 0) -> Tensor | Ragged:
    """Return input that the block of that name in ``family`` takes."""
    generator = torch.Generator().manual_seed(seed + 100 * NAMES.index(modality))
    kind = NAMES.index(modality) % 3
    if kind == 0:
        return torch.randn(b, 5, generator=generator)
    if kind == 1:
        sizes = torch.randint(1, 9, (b,), generator=generator).tolist()
        return Ragged(torch.randn(sum(sizes), 4, generator=generator), sizes)
    return torch.randn(b, 10, 3, generator=generator)


def batch(blocks: Sequence[LegoBlock], b: int, seed: int = 0) -> dict[str, Any]:
    return {block.modality: features(block.modality, b, seed) for block in blocks}


def doubled(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return a batch in double precision."""
    return {
        name: x.with_values(x.values.double()) if isinstance(x, Ragged) else x.double() for name, x in inputs.items()
    }


def only(inputs: dict[str, Any], rows: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    """Return some rows of some modalities of a batch."""
    index = torch.tensor(rows)
    return {name: inputs[name][index] for name in names}


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
