"""AdamW, digit by digit that of torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmlego.training.adamw import AdamW


def weights(seed: int) -> list[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    shapes: list[tuple[tuple[int, ...], torch.dtype]] = [
        ((5, 3), torch.float32),
        ((7,), torch.float32),
        ((2, 3), torch.complex64),
        ((), torch.float64),
    ]
    return [torch.nn.Parameter(torch.randn(shape, dtype=dtype, generator=draw)) for shape, dtype in shapes]


def groups(some: list[Tensor], decay: float) -> list[dict[str, Any]]:
    return [{"params": some[:2], "weight_decay": decay}, {"params": some[2:], "weight_decay": 0.0}]


def step(some: list[Tensor], optimizer: Any, draw: torch.Generator, given_to: list[bool]) -> None:
    optimizer.zero_grad()
    for p, has in zip(some, given_to, strict=True):
        gradient = torch.randn(p.shape, dtype=p.dtype, generator=draw)
        if has:
            p.grad = gradient
    optimizer.step()


@given(st.integers(0, 99), st.sampled_from([1e-4, 0.1, 3.0]), st.sampled_from([0.0, 0.01, 0.5]), st.data())
def test_weights_and_state_are_those_of_torch(seed: int, lr: float, decay: float, data: st.DataObject) -> None:
    """Whatever has a gradient in a step, and wherever one takes up the state of the other."""
    ours, theirs = weights(seed), weights(seed)
    mine: Any = AdamW(groups(ours, decay), lr)
    torchs: Any = torch.optim.AdamW(groups(theirs, decay), lr=lr)
    draws = [torch.Generator().manual_seed(seed) for _ in range(2)]
    for who in data.draw(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=6)):
        for some, optimizer, draw in zip((ours, theirs), (mine, torchs), draws, strict=True):
            step(some, optimizer, draw, who)
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
        found, expected = mine.state_dict(), torchs.state_dict()
        assert found["param_groups"] == expected["param_groups"]
        assert found["state"].keys() == expected["state"].keys()
        for number, of in expected["state"].items():
            assert all(torch.equal(found["state"][number][name], value) for name, value in of.items())
        if data.draw(st.booleans()):
            mine, torchs = AdamW(groups(ours, decay), lr), torch.optim.AdamW(groups(theirs, decay), lr=lr)
            mine.load_state_dict(expected)
            torchs.load_state_dict(found)


def test_sparse_gradients_are_refused_as_by_torch() -> None:
    for make in (AdamW, torch.optim.AdamW):
        table = torch.nn.Embedding(4, 2, sparse=True)
        optimizer = make([{"params": [table.weight], "weight_decay": 0.0}], lr=0.1)
        table(torch.tensor([1])).sum().backward()
        with pytest.raises(RuntimeError, match="sparse"):
            optimizer.step()
