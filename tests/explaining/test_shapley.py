"""Shapley values: hand-computed, against the definition by orders, and their laws."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego import ShapeError
from mmlego.explaining import shapley_values


@st.composite
def games(draw: st.DrawFn, most: int = 5) -> torch.Tensor:
    players = draw(st.integers(1, most))
    numbers = st.floats(-100, 100, allow_nan=False, width=32)
    return torch.tensor(draw(st.lists(numbers, min_size=1 << players, max_size=1 << players)), dtype=torch.float64)


def by_orders(worth: torch.Tensor) -> torch.Tensor:
    """Return the mean gain of each player over all orders in which they come."""
    players = len(worth).bit_length() - 1
    orders = list(permutations(range(players)))
    total = torch.zeros(players, dtype=torch.float64)
    for order in orders:
        here = 0
        for player in order:
            total[player] += worth[here | 1 << player] - worth[here]
            here |= 1 << player
    return total / len(orders)


def test_the_game_of_gloves() -> None:
    """One left glove, two right ones, a pair is worth 1: 2/3, 1/6, 1/6 (a textbook's example)."""
    worth = torch.tensor([0, 0, 0, 1, 0, 1, 0, 1.0])
    assert torch.allclose(shapley_values(worth), torch.tensor([4, 1, 1]).double() / 6)


@given(games())
def test_they_are_the_mean_over_all_orders_and_add_up(worth: torch.Tensor) -> None:
    values = shapley_values(worth)
    assert torch.allclose(values, by_orders(worth), atol=1e-9)
    assert float(values.sum()) == pytest.approx(float(worth[-1] - worth[0]), abs=1e-9)


@given(games(4), st.data())
def test_who_adds_nothing_gets_nothing(worth: torch.Tensor, data: st.DataObject) -> None:
    player = data.draw(st.integers(0, len(worth).bit_length() - 2))
    place = torch.arange(len(worth))
    worth = worth[place & ~(1 << player)]
    assert float(shapley_values(worth)[player]) == 0.0


@given(games(4), st.data())
def test_who_adds_alike_gets_alike(worth: torch.Tensor, data: st.DataObject) -> None:
    players = len(worth).bit_length() - 1
    i, j = data.draw(st.integers(0, players - 1)), data.draw(st.integers(0, players - 1))
    place = torch.arange(len(worth))
    swapped = place & ~(1 << i) & ~(1 << j) | (place >> i & 1) << j | (place >> j & 1) << i
    values = shapley_values(worth + worth[swapped])
    assert float(values[i]) == pytest.approx(float(values[j]), abs=1e-9)


@given(games(3), games(3))
def test_games_that_add_have_values_that_add(one: torch.Tensor, other: torch.Tensor) -> None:
    size = min(len(one), len(other))
    one, other = one[:size], other[:size]
    assert torch.allclose(shapley_values(one + other), shapley_values(one) + shapley_values(other), atol=1e-9)


def test_many_games_at_once() -> None:
    worth = torch.randn(3, 2, 8, dtype=torch.float64)
    each = torch.stack([torch.stack([by_orders(game) for game in row]) for row in worth])
    assert torch.allclose(shapley_values(worth), each)


@pytest.mark.parametrize("shape", [(3,), (0,), (), (4, 6)])
def test_worths_that_are_no_game_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="worths of subsets"):
        shapley_values(torch.zeros(shape))
