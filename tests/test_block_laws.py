"""The laws of a block (method, §2), above all agreement with the method written plainly in ``tests/plain.py``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mmlego import LegoBlock, Ragged
from mmlego.encoders import SNN, GatedAttentionMIL, GRUEncoder, PatchMLP
from tests import strategies
from tests.bricks import Custom, plate, trained
from tests.plain import plain_forward

LENGTHS = [1, 2, 3, 64, 65, 257, 300, 1001]


def transformer() -> nn.Module:
    """A foreign encoder that takes a padding mask and mixes its tokens."""
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    return nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)


# By name: how to make the encoder, the width of its tokens, whether its tokens have an order.
ENCODERS: dict[str, tuple[Any, int, bool]] = {
    "token by token, ends in a Linear": (lambda: PatchMLP(4, 6, 7), 7, True),
    "token by token, unordered": (lambda: PatchMLP(4, 6, 7), 7, False),
    "foreign Sequential": (lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6)), 6, True),
    "foreign, no mask": (lambda: Custom(lambda x: x - x.mean(1, keepdim=True)), 4, True),
    "own layers, takes a mask": (lambda: GRUEncoder(4, 6), 6, True),
    "foreign, takes a mask": (transformer, 4, True),
    "pooled": (lambda: GatedAttentionMIL(4, 6, 3), 6, False),
}


def block_of(kind: str, **options: Any) -> LegoBlock:
    make, width, ordered = ENCODERS[kind]
    block = LegoBlock(make(), plate(**options), "x", out_features=width, ordered=ordered)
    return trained(block).double()


def bags_of(sizes: Sequence[int], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, 4, dtype=torch.float64, generator=generator) for n in sizes]


def padded(bags: Sequence[Tensor], mask: Tensor, filler: float = 1e3) -> Tensor:
    """Put bags where a mask is True; the filler stands everywhere else."""
    x = torch.full((*mask.shape, bags[0].shape[-1]), filler, dtype=bags[0].dtype)
    for row, keep, bag in zip(x, mask, bags, strict=True):
        row[keep] = bag
    return x


def holed_mask(sizes: Sequence[int], longest: int) -> Tensor:
    mask = torch.zeros(len(sizes), longest, dtype=torch.bool)
    generator = torch.Generator().manual_seed(3)
    for row, n in zip(mask, sizes, strict=True):
        row[torch.randperm(longest, generator=generator)[:n]] = True
    return mask


def assert_plain(block: LegoBlock, output: Any, bags: Sequence[Tensor], start: Tensor | None = None) -> None:
    """Compare outputs and the gradients of every parameter with the method written plainly."""
    starts = [start if start is None or start.ndim == 2 else start[i] for i in range(len(bags))]
    plain = [plain_forward(block, bag, start=one) for bag, one in zip(bags, starts, strict=True)]
    spectrum, logits = (torch.stack(parts) for parts in zip(*plain, strict=True))
    torch.testing.assert_close(output.spectrum, spectrum, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(output.logits, logits, rtol=1e-8, atol=1e-8)
    generator = torch.Generator().manual_seed(5)
    on_spectrum = torch.randn(spectrum.shape, dtype=spectrum.dtype, generator=generator)
    on_logits = torch.randn(logits.shape, dtype=logits.dtype, generator=generator)
    parameters = dict(block.named_parameters())
    found = []
    for z, y in ((output.spectrum, output.logits), (spectrum, logits)):
        loss = (z * on_spectrum).real.sum() + (y * on_logits).sum()
        found.append(torch.autograd.grad(loss, list(parameters.values()), allow_unused=True))
    for name, ours, theirs in zip(parameters, *found, strict=True):
        zero = torch.zeros_like(parameters[name])
        torch.testing.assert_close(
            zero if ours is None else ours,
            zero if theirs is None else theirs,
            rtol=1e-7,
            atol=1e-7,
            msg=lambda text, name=name: f"{name}: {text}",
        )


@pytest.mark.parametrize("domain", ["frequency", "spatial"])
@pytest.mark.parametrize("state", ["complex", "real", "untracked"])
@pytest.mark.parametrize("share_steps", [True, False])
@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("channels", [6, 7])
def test_every_kind_of_plate_agrees_with_the_plain_form(
    domain: str, state: str, share_steps: bool, normalise: bool, channels: int
) -> None:
    options = {"domain": domain, "state": state, "share_steps": share_steps, "normalise": normalise}
    block = block_of("foreign Sequential", channels=channels, steps=3, **options)
    bags = bags_of([5, 5])
    assert_plain(block, block(torch.stack(bags)), bags)


@pytest.mark.parametrize("options", [{"steps": 1}, {"channels": 1}, {"activation": "leaky_relu"}, {"temperature": 0.5}])
def test_other_options_agree_with_the_plain_form(options: dict[str, Any]) -> None:
    block, bags = block_of("token by token, ends in a Linear", **options), bags_of([4, 4])
    assert_plain(block, block(torch.stack(bags)), bags)


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("channels", [6, 7])
def test_every_kind_of_encoder_agrees_with_the_plain_form(kind: str, channels: int) -> None:
    block, bags = block_of(kind, channels=channels), bags_of([5, 5, 5])
    assert_plain(block, block(torch.stack(bags)), bags)


def test_a_table_agrees_with_the_plain_form() -> None:
    block = trained(LegoBlock(SNN(5, hidden=(7,)), plate(channels=7), "rna")).double()
    rows = torch.randn(3, 5, dtype=torch.float64)
    assert_plain(block, block(rows), list(rows))


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("ordered", [True, False])
def test_any_number_of_tokens_agrees_with_the_plain_form(n: int, ordered: bool) -> None:
    block = block_of("token by token, ends in a Linear" if ordered else "token by token, unordered", channels=7)
    bags = bags_of([n, n])
    assert_plain(block, block(torch.stack(bags)), bags)


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("longest", [12, 300])
def test_a_padded_batch_equals_each_sample_alone(kind: str, longest: int) -> None:
    """Masks with holes, short ones and ones so long that bags are treated one by one."""
    sizes = [1, 2, 7, longest]
    block, bags = block_of(kind), bags_of(sizes)
    mask = holed_mask(sizes, longest)
    assert_plain(block, block(padded(bags, mask), mask), bags)


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_ragged_batch_equals_each_sample_alone(kind: str) -> None:
    block, bags = block_of(kind), bags_of([1, 2, 7, 65, 300])
    assert_plain(block, block(Ragged.from_list(bags)), bags)


@pytest.mark.parametrize("domain", ["frequency", "spatial"])
@pytest.mark.parametrize("state", ["complex", "real", "untracked"])
@pytest.mark.parametrize("channels", [6, 7])
@pytest.mark.parametrize("each", [False, True])
def test_a_general_complex_start(domain: str, state: str, channels: int, each: bool) -> None:
    """A start that no real latent has: all its rows count, for one start for all and for one each."""
    block = block_of("token by token, ends in a Linear", channels=channels, domain=domain, state=state)
    bags = bags_of([4, 4])
    start = torch.randn(*([2] if each else []), channels, 8, dtype=torch.complex128)
    assert_plain(block, block(torch.stack(bags), start=start), bags, start)


def test_a_real_start_is_a_spectrum_without_imaginary_part() -> None:
    block, x = block_of("own layers, takes a mask"), torch.stack(bags_of([4, 4]))
    start = torch.randn(6, 8)
    assert torch.equal(block(x, start=start).spectrum, block(x, start=start + 0j).spectrum)


@settings(max_examples=30)
@given(st.data())
def test_what_is_masked_changes_nothing(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(ENCODERS)))
    filler = data.draw(st.sampled_from([0.0, 1e30, math.nan, math.inf]))
    b, n = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 8))
    mask = data.draw(strategies.masks(b, n))
    block, bags = block_of(kind), bags_of(mask.sum(1).tolist(), data.draw(strategies.seeds))
    with torch.no_grad():
        output = block(padded(bags, mask, filler), mask)
        for i, bag in enumerate(bags):
            alone = block(bag[None])
            torch.testing.assert_close(output.spectrum[i], alone.spectrum[0])
            torch.testing.assert_close(output.logits[i], alone.logits[0])


def test_no_gradient_comes_from_what_is_masked() -> None:
    block, mask = block_of("own layers, takes a mask"), holed_mask([2, 5], 7)
    x = padded(bags_of([2, 5]), mask, 3.0).requires_grad_()
    block(x, mask).logits.square().sum().backward()
    assert x.grad is not None
    assert x.grad[~mask].abs().max() == 0
    assert x.grad[mask].abs().sum(1).gt(0).all()


def test_a_mask_without_holes_is_no_mask() -> None:
    for kind in ENCODERS:
        block, x = block_of(kind), torch.stack(bags_of([5, 5]))
        assert torch.equal(block(x, torch.ones(2, 5, dtype=torch.bool)).logits, block(x).logits)


@given(st.data())
def test_an_unordered_block_does_not_depend_on_the_order_of_tokens(data: st.DataObject) -> None:
    block = block_of(data.draw(st.sampled_from(["token by token, unordered", "pooled"])))
    n = data.draw(st.sampled_from([2, 5, 65]))
    (bag,) = bags_of([n], data.draw(strategies.seeds))
    order = torch.tensor(data.draw(st.permutations(range(n))))
    with torch.no_grad():
        torch.testing.assert_close(block(bag[order][None]), block(bag[None]))


def test_an_ordered_block_does_depend_on_it() -> None:
    block, (bag,) = block_of("token by token, ends in a Linear"), bags_of([6])
    swapped = block(bag[[1, 0, 2, 3, 4, 5]][None]).logits
    assert (swapped - block(bag[None]).logits).abs().max() > 1e-3


def test_in_the_spatial_domain_tokens_have_no_order_and_spectra_no_imaginary_part() -> None:
    block, (bag,) = block_of("token by token, ends in a Linear", domain="spatial"), bags_of([6])
    first, second = block(bag[None]), block(bag.flip(0)[None])
    torch.testing.assert_close(first, second)
    assert first.spectrum.imag.abs().max() == 0


def test_real_and_complex_state_agree_from_a_learned_latent_and_differ_from_a_general_start() -> None:
    x = torch.stack(bags_of([4, 4]))
    blocks = [block_of("own layers, takes a mask", state=state, steps=3) for state in ("complex", "real")]
    blocks[1].load_state_dict(blocks[0].state_dict())
    torch.testing.assert_close(blocks[0](x), blocks[1](x))
    start = torch.randn(6, 8, dtype=torch.complex128)
    assert (blocks[0](x, start=start).logits - blocks[1](x, start=start).logits).abs().max() > 1e-3


def test_steps_share_weights_unless_told_otherwise() -> None:
    for steps in (1, 3):
        assert len(block_of("pooled", steps=steps).steps) == 1
        assert len(block_of("pooled", steps=steps, share_steps=False).steps) == steps


@pytest.mark.parametrize("kind", ENCODERS)
def test_samples_of_a_batch_do_not_touch_one_another(kind: str) -> None:
    block, bags = block_of(kind), bags_of([5, 5, 5])
    whole = block(torch.stack(bags))
    for i, bag in enumerate(bags):
        alone = block(bag[None])
        torch.testing.assert_close(whole.spectrum[i], alone.spectrum[0])
        torch.testing.assert_close(whole.logits[i], alone.logits[0])
