"""What is too large is refused before it is allocated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mmlego import Baseplate, InputError
from mmlego.budget import TooLargeError, bounded, memory, most_weights
from mmlego.encoders import build_encoder
from mmlego.tasks import Classification

MUCH = 10**6
SMALL = {"weight": (4, 3), "bias": (4,)}


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear(MUCH, MUCH),
        lambda: nn.Embedding(MUCH, MUCH),
        lambda: nn.GRU(3, MUCH),
        lambda: torch.zeros(MUCH, MUCH),
        lambda: torch.randn((MUCH, MUCH)),
        lambda: torch.ones(size=(MUCH, MUCH)),
        lambda: torch.full((MUCH, MUCH), 1.0),
        lambda: torch.arange(MUCH**2),
        lambda: torch.arange(0, MUCH**2, 2),
        lambda: torch.linspace(0, 1, MUCH**2),
        lambda: torch.eye(MUCH),
        lambda: torch.randint(0, 2, (MUCH, MUCH)),
        lambda: torch.randperm(MUCH**2),
        lambda: torch.zeros(1).new_zeros(MUCH, MUCH),
        lambda: torch.zeros(1).new_full((MUCH, MUCH), 1.0),
        lambda: torch.zeros(2).repeat(MUCH**2),
    ],
)
@pytest.mark.parametrize("shapes", [SMALL, None])
def test_no_large_tensor_is_made(make: Callable[[], Tensor], shapes: dict[str, tuple[int, ...]] | None) -> None:
    if shapes is None and MUCH**2 < most_weights():
        pytest.skip("this machine has room for it")
    with (
        pytest.raises(TooLargeError, match=r"a model is too large: expected at most .* numbers"),
        bounded("a model", shapes=shapes),
    ):
        make()


@pytest.mark.parametrize("make", [lambda: nn.Linear(1, 1), lambda: nn.Sequential(nn.ReLU())])
def test_nor_many_small_ones(make: Callable[[], nn.Module]) -> None:
    made = []

    def many() -> None:
        with bounded("a model", shapes=SMALL):
            for _ in range(MUCH):
                make()
                made.append(1)

    with pytest.raises(TooLargeError, match=r"got more than \d+ (tensors|modules)"):
        many()
    assert 0 < len(made) < 20_000


def test_what_fits_is_made_and_counts_for_nobody_else() -> None:
    with bounded("a model", shapes=SMALL), bounded("its encoder"):
        assert nn.Linear(3, 4).weight.shape == (4, 3)
        assert torch.arange(5).tolist() == [0, 1, 2, 3, 4]
        assert torch.zeros(2).repeat(2, 3).shape == (2, 6)
    for _ in range(1100):
        nn.Linear(1, 1)


def test_the_memory_of_a_container_counts(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = memory()
    limit = tmp_path / "memory.max"
    monkeypatch.setattr("mmlego.budget._CGROUP", limit)
    for text, expected in (("1048576\n", 2**20), ("max\n", None), (str(10**18), None)):
        limit.write_text(text)
        assert memory() == expected if expected else memory() >= whole


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("snn", {"in_features": 2**24, "hidden": [2**24]}),
        ("gru", {"in_features": 3, "out_features": 2**24}),
        ("column_transformer", {"in_features": 2**24, "out_features": 2**20}),
    ],
)
def test_an_encoder_that_no_memory_holds(name: str, config: dict[str, Any]) -> None:
    with pytest.raises(TooLargeError, match=f"encoder '{name}' is too large.*Choose smaller sizes"):
        build_encoder(name, config)


def test_a_plate_that_no_memory_holds() -> None:
    with pytest.raises(TooLargeError, match="a Baseplate is too large"):
        Baseplate(Classification(2), channels=2**20, width=2**20)
    with pytest.raises(InputError, match="steps of a Baseplate: expected an int ≥ 1, at most 1000"):
        Baseplate(Classification(2), steps=10**9)
