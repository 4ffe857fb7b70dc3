"""Small data with a simple signal, blocks and fuses, for all tests of training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmlego import Baseplate, LegoBlock, LegoFuse
from mmlego.data import PatientData
from mmlego.encoders import SNN, GRUEncoder, PatchMLP
from mmlego.tasks import Classification, Task
from tests.bricks import plate

QUICK: dict[str, Any] = {"progress": False, "tensorboard": False}
SCORES = ["auroc", "auprc", "accuracy", "balanced_accuracy", "f1_macro", "log_loss", "brier", "ece"]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def table(n: int = 60, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features (n, 4) and classes (n,): the sign of the first column."""
    x = torch.randn(n, 4, generator=generator(seed))
    return x, (x[:, 0] > 0).long()


def bags(n: int = 60, seed: int = 0) -> tuple[list[Tensor], Tensor]:
    """Bags of one to six patches of width 3; a class shifts the mean of the first feature."""
    draw = generator(seed)
    y = torch.randint(2, (n,), generator=draw)
    sizes = torch.randint(1, 7, (n,), generator=draw).tolist()
    shift = 2 * torch.eye(3)[0] * (2 * y[:, None] - 1)
    return [torch.randn(size, 3, generator=draw) + s for size, s in zip(sizes, shift, strict=True)], y


def series(n: int = 60, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Series (n, 7, 2), their masks (n, 7) and classes (n,): the sign of a shift of the first variable."""
    draw = generator(seed)
    y = torch.randint(2, (n,), generator=draw)
    lengths = torch.randint(1, 8, (n,), generator=draw)
    mask = torch.arange(7) < lengths[:, None]
    x = torch.randn(n, 7, 2, generator=draw)
    x[..., 0] += 2.0 * (2 * y[:, None] - 1)
    return x.masked_fill(~mask[..., None], 1e6), mask, y


def gapped(n: int = 60, seed: int = 0, task: Task | None = None) -> PatientData:
    """Three kinds of modalities of the same patients, each with gaps; everyone has one at least."""
    draw = generator(seed)
    y = torch.randint(2, (n,), generator=draw)
    shift = (2.0 * y - 1)[:, None]
    there = torch.rand(3, n, generator=draw) > 0.4
    there[0] |= ~there.any(0)
    labs = torch.randn(n, 4, generator=draw) + shift
    slide = [torch.randn(3, 3, generator=draw) + s for s in shift]
    vitals = torch.randn(n, 5, 2, generator=draw) + shift[..., None]
    return PatientData(
        {"labs": labs, "slide": slide, "vitals": (vitals, torch.ones(n, 5, dtype=torch.bool))},
        y,
        Classification(2) if task is None else task,
        [f"p{i:03}" for i in range(n)],
        {name: there[i] for i, name in enumerate(("labs", "slide", "vitals"))},
    )


def patients(n: int = 60, seed: int = 0, prefix: str = "p") -> PatientData:
    """The table as PatientData, with names."""
    x, y = table(n, seed)
    return PatientData({"labs": x}, y, Classification(2), [f"{prefix}{i:03}" for i in range(n)])


def two_classes(**options: Any) -> Baseplate:
    return plate(Classification(2), **options)


def block(name: str = "labs", on: Baseplate | None = None, seed: int = 0, dropout: float = 0.0) -> LegoBlock:
    """Return a fresh block for one of the modalities above."""
    torch.manual_seed(seed)
    encoders = {
        "labs": lambda: SNN(4, hidden=(6,), dropout=dropout),
        "slide": lambda: PatchMLP(3, 6, 6, dropout=dropout),
        "vitals": lambda: GRUEncoder(2, 6, dropout=dropout),
    }
    return LegoBlock(encoders[name](), two_classes() if on is None else on, name)


def fuse(**options: Any) -> LegoFuse:
    on = two_classes()
    return LegoFuse([block(name, on) for name in ("labs", "slide", "vitals")], **options)


def encoder_state(model: LegoBlock) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.encoder.state_dict().items()}
