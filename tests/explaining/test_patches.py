"""Shares of patches in statistics of their bag: by force over all subsets, by bags that are mixed, and sums."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmlego.explaining.patches import patch_shares

SMALL = st.integers(-20, 20).map(lambda value: value / 4)


def statistics(x: Tensor) -> Tensor:
    x = x.double()
    return torch.cat([x.mean(0), x.std(0, correction=0), x.amin(0), x.amax(0)])


@given(st.lists(st.tuples(SMALL, SMALL), min_size=1, max_size=9), st.integers(0, 10_000))
def test_shares_sum_to_those_of_the_statistics(rows: list[tuple[float, float]], seed: int) -> None:
    make = torch.Generator().manual_seed(seed)
    shares = torch.randn(2, 8, generator=make).double()
    bases = torch.stack([statistics(torch.randn(4, 2, generator=make)) for _ in range(2)])
    found = patch_shares(torch.tensor(rows), shares, bases)
    assert float(found.sum()) == pytest.approx(float(shares.sum()) / 2, abs=1e-6)


@given(st.lists(SMALL, min_size=1, max_size=6), SMALL)
def test_the_largest_and_the_least_by_force(values: list[float], usual: float) -> None:
    """Shapley values of the game in which a patch that is not yet there is one that reaches up to what is usual."""
    n = len(values)

    def worth(chosen: tuple[int, ...]) -> float:
        reached = [values[i] for i in chosen] + ([usual] if len(chosen) < n else [])
        return max(reached)

    wanted = [0.0] * n
    for order in itertools.permutations(range(n)):
        for place, who in enumerate(order):
            wanted[who] += (worth(order[: place + 1]) - worth(order[:place])) / math.factorial(n)
    x, moved = torch.tensor(values)[:, None], max(values) - usual
    largest = patch_shares(x, torch.tensor([[0.0, 0.0, 0.0, 2 * moved]]), torch.tensor([[0.0, 1.0, 0.0, usual]]))
    least = patch_shares(-x, torch.tensor([[0.0, 0.0, -2 * moved, 0.0]]), torch.tensor([[0.0, 1.0, -usual, 0.0]]))
    assert largest.tolist() == pytest.approx([2 * value for value in wanted], abs=1e-5)
    assert least.tolist() == pytest.approx([-2 * value for value in wanted], abs=1e-5)


def test_the_spread_by_bags_that_are_mixed() -> None:
    """At each part of the way one patch more of the patient's in place of the base's, by differences."""
    x = torch.tensor([[3.0], [0.5], [-1.0], [4.0]]).double()
    mean, spread = 1.0, 0.75
    base = torch.tensor([mean - spread, mean + spread]).double()  # two patches with that mean and spread

    def wide(weights: Tensor) -> Tensor:
        both = torch.cat([x[:, 0], base])
        centre = (weights * both).sum() / weights.sum()
        return ((weights * (both - centre) ** 2).sum() / weights.sum()).sqrt()

    wanted, steps, little = torch.zeros(4).double(), 4000, 1e-6
    for step in range(steps):
        t = (step + 0.5) / steps
        weights = torch.cat([torch.full((4,), t / 4), torch.full((2,), (1 - t) / 2)]).double()
        for i in range(4):
            more = weights.clone()
            more[i] += little
            more[4:] -= little / 2
            wanted[i] += (wide(more) - wide(weights)) / little / 4 / steps
    assert float(wanted.sum()) == pytest.approx(float(x.std(correction=0)) - spread, abs=1e-4)
    assert float(wanted.sum()) > 0 > float(wanted.min())
    side = wanted.clamp(min=0)  # of a spread that grew those share who made it grow
    found = patch_shares(x, torch.tensor([[0.0, 2.0, 0.0, 0.0]]), torch.tensor([[mean, spread, 0.0, 0.0]]))
    assert torch.allclose(found, 2 * side / side.sum(), atol=1e-3)


def test_the_mean_by_hand() -> None:
    x = torch.tensor([[1.0, 5.0], [3.0, 1.0], [5.0, 0.0]])
    base = torch.tensor([[2.0, 4.0, 1, 1, 0, 0, 0, 0]])
    found = patch_shares(x, torch.tensor([[4.0, -1.0, 0, 0, 0, 0, 0, 0]]), base)
    assert found.tolist() == pytest.approx(
        [0.0, 1.0 - 3 / 7, 3.0 - 4 / 7]
    )  # 1 and 3 of 4 above 2; 3 and 4 of 7 below 4


def test_a_statistic_that_did_not_move_is_shared_evenly() -> None:
    found = patch_shares(torch.tensor([[1.0], [3.0]]), torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([[2.0, 1, 1, 3]]))
    assert found.tolist() == [0.5, 0.5]


def test_large_numbers_keep_their_digits() -> None:
    far = torch.tensor([[1e6], [1e6 + 2.0]])
    spread = patch_shares(far, torch.tensor([[0.0, 1.0, 0, 0]]), torch.tensor([[1e6 + 1, 0.5, 0, 0]]).double())
    assert spread.tolist() == pytest.approx([0.5, 0.5], abs=1e-6)


def test_many_patches_are_taken_some_at_a_time() -> None:
    x = torch.randn(2500, 3, generator=torch.Generator().manual_seed(0))
    shares, bases = torch.linspace(-1, 1, 12).double()[None], torch.linspace(0.2, 1.3, 12).double()[None]
    whole = patch_shares(x, shares, bases)
    turned = torch.randperm(2500, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(patch_shares(x[turned], shares, bases), whole[turned], atol=1e-6)
