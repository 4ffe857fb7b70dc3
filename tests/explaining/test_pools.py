"""What attention pools: the block's own answers at both ends, shares by captum and plain attention, laws."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mmlego import Baseplate, LegoBlock, Ragged
from mmlego.encoders import PatchMLP
from mmlego.explaining.path import integrated
from mmlego.explaining.pools import Pools, calls_of, in_place_of_pools
from mmlego.tasks import Classification
from tests.bricks import trained


def block_of(*, steps: int = 2, share: bool = True) -> LegoBlock:
    plate = Baseplate(Classification(["no", "yes"]), channels=6, width=12, heads=2, steps=steps, share_steps=share)
    return trained(LegoBlock(PatchMLP(4, 8, 8), plate, "slide")).eval()


def bag(n: int, seed: int = 0) -> Tensor:
    return torch.randn(1, n, 4, generator=torch.Generator().manual_seed(seed))


def pools_of(block: LegoBlock, x: Tensor, base: Tensor) -> Pools:
    with torch.no_grad(), calls_of(block) as calls:
        block.logits(x)
    with torch.no_grad():
        return Pools(calls, block.tokens(base[None, None]).values.flatten())


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("n", [1, 5, 300])  # one is a token alone, 300 are packed
def test_both_ends_are_the_blocks_own_answers(n: int, share: bool) -> None:
    block, x, base = block_of(share=share), bag(n), torch.tensor([0.1, -0.2, 0.3, 0.0])
    pools = pools_of(block, x, base)
    starts, ends = pools.ends()
    for pooled, meant in ((starts, base.expand(1, 7, 4)), (ends, x)):
        with torch.no_grad(), in_place_of_pools(block, pooled):
            answer = block.logits(base[None, None])
        assert torch.allclose(answer, block.logits(meant), atol=1e-5)


def odds(block: LegoBlock, pooled: list[Tensor]) -> Tensor:
    with in_place_of_pools(block, pooled):
        logits = block.logits(torch.zeros(1, 1, 4))
    return logits[0, 1] - logits[0, 0]


def test_shares_are_those_of_captum_dealt_out_by_plain_attention() -> None:
    captum = pytest.importorskip("captum.attr")
    block, x, base = block_of(), bag(6), torch.zeros(4)
    pools = pools_of(block, x, base)
    starts, ends = pools.ends()
    found = pools.of_tokens(integrated(lambda point: odds(block, point), starts, ends).slopes)

    def answers(*pooled: Tensor) -> Tensor:
        rows = zip(*pooled, strict=True)
        return torch.stack([odds(block, list(row)) for row in rows])

    both = (tuple(end[None] for end in ends), tuple(start[None] for start in starts))
    moved = captum.IntegratedGradients(answers).attribute(both[0], both[1], n_steps=128)
    attention: Any = block.steps[0].attention
    wanted = torch.zeros(6)
    with torch.no_grad():
        tokens, mean = (attention.norm_context(block.encoder(part)) for part in (x, base[None, None]))
        split = lambda part: part.unflatten(-1, (2, -1)).transpose(-3, -2)[0]  # noqa: E731
        keys, values, usual = split(attention.to_k(tokens)), split(attention.to_v(tokens)), split(attention.to_v(mean))
        for call, start, end, share in zip(pools.calls, starts, ends, moved, strict=True):
            queries = split(attention.to_q(attention.norm(call.latent)))
            looks = (queries @ keys.mT * attention.scale).softmax(-1)  # (h, r, n)
            slope = share[0] / (end - start)
            wanted += torch.einsum("hrn,hnw,hrw->n", looks, values - usual, slope)
    assert torch.allclose(found.float(), wanted, atol=2e-3)


@pytest.mark.parametrize("share", [True, False])
def test_shares_sum_to_what_the_answer_moved_and_follow_their_patches(share: bool) -> None:
    block, x, base = block_of(share=share), bag(9, 3), torch.zeros(4)
    turned = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    found = []
    for patches in (x, x[:, turned]):
        pools = pools_of(block, patches, base)
        starts, ends = pools.ends()
        shares = integrated(lambda point: odds(block, point), starts, ends)
        found.append(pools.of_tokens(shares.slopes))
        assert float(found[-1].sum()) == pytest.approx(shares.end - shares.start, abs=0.01 * abs(shares.end) + 1e-4)
    assert torch.allclose(found[0][turned], found[1], atol=1e-4)


def test_a_mean_patch_has_no_share_and_attentions_are_back_in_their_place() -> None:
    block, x = block_of(), bag(5)
    own = block.steps[0].attention
    pools = pools_of(block, x, x[0, 2])
    starts, ends = pools.ends()
    shares = integrated(lambda point: odds(block, point), starts, ends)
    each = pools.of_tokens(shares.slopes)
    assert float(each[2].abs()) < 1e-5 < float(each.abs().max())
    assert block.steps[0].attention is own
    assert not own._forward_pre_hooks


def test_packed_bags_of_one_patient_are_looked_at_as_others_are() -> None:
    block, x = block_of(), bag(5)
    dense = pools_of(block, x, torch.zeros(4)).ends()[1]
    with torch.no_grad(), calls_of(block) as calls:
        block.logits(Ragged.from_list([x[0]]))
    packed = Pools(calls, torch.zeros(8)).ends()[1]
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(dense, packed, strict=True))
