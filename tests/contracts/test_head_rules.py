"""Every rule that merges heads, walked through one list of checks."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mmlego import LegoFuse, LegoMerge
from mmlego.merge import head_rules, merge_heads
from tests.bricks import batch, family, gradients

SHAPES = [(3, 5), (1, 5), (4, 2), (5,), (1,), (3, 1)]  # rows and width of a matrix, or the length of a vector


def heads(m: int, shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Tensor:
    """Heads that come from one start, as those of one plate do."""
    generator = torch.Generator().manual_seed(m)
    start = torch.randn(shape, dtype=dtype, generator=generator)
    return start + 0.3 * torch.randn(m, *shape, dtype=dtype, generator=generator)


def shares(m: int, dtype: torch.dtype = torch.float64) -> Tensor:
    weights = torch.arange(1.0, m + 1, dtype=dtype)
    return weights / weights.sum()


# --- the checks


def keeps_shape_and_dtype(rule: str) -> None:
    for m, shape, dtype in itertools.product(range(1, 7), SHAPES, (torch.float32, torch.float64)):
        ours = head_rules()[rule](heads(m, shape, dtype), shares(m, dtype))
        assert ours.shape == shape
        assert ours.dtype == dtype
        assert torch.isfinite(ours).all()


def keeps_copies(rule: str) -> None:
    for m, shape in itertools.product(range(1, 7), SHAPES):
        one = heads(1, shape)
        ours = head_rules()[rule](one.expand(m, *shape), shares(m))
        torch.testing.assert_close(ours, one[0])


def does_not_mind_the_order(rule: str) -> None:
    for shape in SHAPES:
        many, w = heads(4, shape), shares(4)
        expected = head_rules()[rule](many, w)
        for order in itertools.permutations(range(4)):
            index = torch.tensor(order)
            torch.testing.assert_close(head_rules()[rule](many[index], w[index]), expected, rtol=1e-5, atol=1e-7)


def takes_one_alone_as_it_is(rule: str) -> None:
    named = [{"weight": head} for head in heads(3, (3, 5))]
    for i in range(3):
        w = torch.zeros(3)
        w[i] = 1
        assert merge_heads(named, w, rule)["weight"] is named[i]["weight"]


def takes_a_weight_of_zero_as_never_there(rule: str) -> None:
    many = heads(3, (3, 5))
    w = torch.tensor([0.4, 0.0, 0.6], dtype=torch.float64)
    ours = head_rules()[rule](many, w)
    torch.testing.assert_close(ours, head_rules()[rule](many[[0, 2]], w[[0, 2]]), rtol=1e-5, atol=1e-7)


def uses_every_head(rule: str) -> None:
    many, w = heads(4, (3, 5)), shares(4)
    before = head_rules()[rule](many, w)
    for which in range(4):
        other = many.clone()
        other[which] += 0.05 * torch.randn(3, 5, dtype=torch.float64)
        assert (head_rules()[rule](other, w) - before).abs().max() > 1e-5


def gives_finite_gradients(rule: str) -> None:
    for m, shape in itertools.product((2, 3, 5), SHAPES):
        for many in (
            heads(m, shape),
            torch.zeros(m, *shape, dtype=torch.float64),
            heads(1, shape).repeat_interleave(m, 0),
        ):
            leaf = many.clone().requires_grad_()
            head_rules()[rule](leaf, shares(m)).sum().backward()
            assert leaf.grad is not None
            assert torch.isfinite(leaf.grad).all()


def leaves_its_inputs_alone(rule: str) -> None:
    many, w = heads(4, (3, 5)), shares(4)
    kept = many.clone(), w.clone()
    head_rules()[rule](many, w)
    assert torch.equal(many, kept[0])
    assert torch.equal(w, kept[1])


def serves_in_models(rule: str) -> None:
    blocks = family(4)
    inputs, present = batch(blocks, 4), {"rna": torch.tensor([True, False, True, True])}
    for model in (LegoMerge(blocks, heads=rule), LegoFuse(blocks, heads=rule)):
        logits = model(inputs, present)
        assert torch.isfinite(logits).all()
        logits.square().sum().backward()
        assert all(torch.isfinite(grad).all() for grad in gradients(model).values())


LAWS = (
    keeps_shape_and_dtype,
    keeps_copies,
    does_not_mind_the_order,
    takes_one_alone_as_it_is,
    takes_a_weight_of_zero_as_never_there,
    uses_every_head,
    gives_finite_gradients,
    leaves_its_inputs_alone,
    serves_in_models,
)


@pytest.mark.parametrize("assert_law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("rule", sorted(head_rules()))
def test_a_head_rule(rule: str, assert_law: Callable[[str], None]) -> None:
    assert_law(rule)
