"""LegoFuse in parallel: the merged model itself, whoever is missing, until it is tuned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmlego import LegoBlock, LegoFuse, LegoMerge
from mmlego.merge import merge_rules
from tests import strategies
from tests.bricks import batch, doubled, family, trained


def flags(blocks: Sequence[LegoBlock], present: Tensor) -> dict[str, Tensor]:
    return {block.modality: row for block, row in zip(blocks, present, strict=True)}


def test_what_is_answered_to_who_knows_nothing_is_in_the_fuse_too() -> None:
    blocks = family(2)
    for block, prior in zip(blocks, ([0.5, 0.0, -0.5], [1.5, 0.0, 0.5]), strict=True):
        block.card.prior = prior
    inputs, here = batch(blocks, 3), {"slide": torch.tensor([True, False, True])}
    fuse, merge = LegoFuse(blocks, weights=[1.0, 3.0]).eval(), LegoMerge(blocks, weights=[1.0, 3.0]).eval()
    assert torch.equal(fuse.prior_of(torch.tensor([[0.25], [0.75]])), torch.tensor([[1.25, 0.0, 0.25]]))
    torch.testing.assert_close(fuse(inputs, here), merge(inputs, here))


@pytest.mark.parametrize("rule", sorted(merge_rules()))
@pytest.mark.parametrize("heads", ["linear", "slerp", "ot"])
def test_parallel_starts_as_the_merge(rule: str, heads: str) -> None:
    blocks = family(3)
    options = {"rule": rule, "heads": heads, "weights": [1.0, 2.0, 3.0]}
    inputs, present = batch(blocks, 4), {"slide": torch.tensor([True, False, True, True])}
    fuse, merge = LegoFuse(blocks, mode="parallel", **options).eval(), LegoMerge(blocks, **options).eval()
    torch.testing.assert_close(fuse(inputs), merge(inputs))
    assert torch.equal(fuse.spectrum(inputs, present), merge.spectrum(inputs, present))
    torch.testing.assert_close(fuse(inputs, present), merge(inputs, present))


MERGED: dict[str, Any] = {"mode": "parallel", "rule": "mean", "heads": "slerp", "weights": "uniform"}


@pytest.mark.parametrize("heads", ["linear", "slerp", "ot"])
@given(st.integers(1, 5), st.integers(1, 4), st.data())
def test_parallel_starts_as_the_merge_whoever_is_missing(heads: str, count: int, b: int, data: st.DataObject) -> None:
    """So an untuned fuse keeps the laws of a merge: one modality alone present is that block's own answer."""
    blocks = [block.double() for block in family(count)]
    present = flags(blocks, data.draw(strategies.presence(count, b)))
    inputs = doubled(batch(blocks, b))
    fuse = LegoFuse(blocks, **{**MERGED, "heads": heads}).double().eval()
    merge = LegoMerge(blocks, rule="mean", heads=heads, weights="uniform").double().eval()
    # The head is built in single precision.
    torch.testing.assert_close(fuse(inputs, present), merge(inputs, present), rtol=1e-6, atol=1e-6)


def test_one_modality_alone_present_in_parallel_is_that_blocks_own_answer_until_it_is_tuned() -> None:
    blocks = family(3)
    fuse, inputs = LegoFuse(blocks, **MERGED).eval(), batch(blocks, 4)
    one_each = torch.eye(4, dtype=torch.bool)[:3]
    one_each[0, 3] = True
    logits = fuse(inputs, flags(blocks, one_each))
    for i, block in enumerate([*blocks, blocks[0]]):
        x = inputs[block.modality][torch.tensor([i])]
        torch.testing.assert_close(logits[i : i + 1], block(x).logits)


def test_in_parallel_tuning_moves_the_head_of_every_pattern_alike() -> None:
    blocks, more = family(3), torch.tensor([1.0, -2.0, 3.0])
    fuse, inputs, present = LegoFuse(blocks, **MERGED).eval(), batch(blocks, 4), {"slide": torch.arange(4) > 1}
    untuned = fuse(inputs, present)
    with torch.no_grad():
        fuse.head.linear.bias.add_(more)
    torch.testing.assert_close(fuse(inputs, present), untuned + more)
    fuse(inputs, {"slide": torch.zeros(4, dtype=torch.bool)}).square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in fuse.head.parameters())
    assert all(parameter.grad is None for block in fuse.blocks.values() for parameter in block.head.parameters())


def test_in_parallel_heads_and_weights_that_were_loaded_count() -> None:
    blocks, others = family(3), [trained(block, seed=50) for block in family(3)]
    inputs, present = batch(blocks, 4), {"slide": torch.tensor([True, False, True, False])}
    fuse, other = LegoFuse(blocks, **MERGED).eval(), LegoFuse(others, **{**MERGED, "weights": [1, 2, 3]}).eval()
    with torch.inference_mode():
        before = fuse(inputs, present).clone()
    fuse.train()(inputs, present).sum().backward()  # with what was kept in inference
    fuse.load_state_dict(other.state_dict())
    assert torch.equal(fuse.eval()(inputs, present), other(inputs, present))
    assert not torch.allclose(fuse(inputs, present), before)


def test_order_means_nothing_in_parallel() -> None:
    blocks = family(3)
    inputs, names = batch(blocks, 2), [block.modality for block in blocks]
    answers = [LegoFuse(blocks, mode="parallel", order=order).eval()(inputs) for order in (names, names[::-1])]
    assert torch.equal(*answers)
