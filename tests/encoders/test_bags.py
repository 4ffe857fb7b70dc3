"""PatchMLP and GatedAttentionMIL."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given

from mmlego import Ragged
from mmlego.encoders import GatedAttentionMIL, PatchMLP
from tests import strategies


def test_patches_are_encoded_one_by_one() -> None:
    encoder, x = PatchMLP(4, 6, 5, dropout=0.5).eval(), torch.randn(2, 3, 4)
    whole = encoder(x)
    for i in range(3):
        torch.testing.assert_close(encoder(x[:, i]), whole[:, i])
    assert (encoder.in_features, encoder.out_features) == (4, 5)
    assert sum(isinstance(layer, torch.nn.Dropout) for layer in encoder) == 1
    assert not any(isinstance(layer, torch.nn.Dropout) for layer in PatchMLP(4))


def written_out(encoder: GatedAttentionMIL, bag: torch.Tensor) -> torch.Tensor:
    """Ilse et al. 2018, equation 9, patch by patch."""
    patches = [encoder.project(patch) for patch in bag]
    scores = [encoder.score(torch.tanh(encoder.content(h)) * torch.sigmoid(encoder.gate(h))) for h in patches]
    top = [score.exp() for score in scores]
    return sum(a * h for a, h in zip(top, patches, strict=True)) / sum(top)  # type: ignore[return-value]


@given(strategies.lengths(), strategies.seeds)
def test_attention_is_over_the_patches_of_one_bag(sizes: list[int], seed: int) -> None:
    encoder = GatedAttentionMIL(4, 6, attention_width=3).eval().double()
    generator = strategies.generator(seed)
    bags = [torch.randn(n, 4, dtype=torch.float64, generator=generator) for n in sizes]
    expected = torch.stack([written_out(encoder, bag) for bag in bags])
    torch.testing.assert_close(encoder(Ragged.from_list(bags)), expected)
    mask = torch.arange(max(sizes))[None] < torch.tensor(sizes)[:, None]
    padded = torch.zeros(len(bags), max(sizes), 4, dtype=torch.float64)
    padded[mask] = torch.cat(bags)
    torch.testing.assert_close(encoder(padded, mask), expected)


@pytest.mark.parametrize("scale", [1e3, 1e5])
def test_large_features_do_not_overflow_the_attention(scale: float) -> None:
    token = GatedAttentionMIL(4, 6)(scale * torch.randn(2, 5, 4))
    assert torch.isfinite(token).all()


def test_attention_of_one_patch_is_that_patch() -> None:
    encoder, x = GatedAttentionMIL(4, 6).eval(), torch.randn(2, 1, 4)
    torch.testing.assert_close(encoder(x), encoder.project(x[:, 0]))


def test_under_autocast_the_softmax_stays_in_float32() -> None:
    encoder, x = GatedAttentionMIL(4, 6).eval(), torch.randn(2, 300, 4)
    with torch.autocast("cpu", torch.bfloat16):
        token, ragged = encoder(x), encoder(Ragged(x.flatten(0, 1), [300, 300]))
    torch.testing.assert_close(token.float(), encoder(x), rtol=0.05, atol=0.02)
    torch.testing.assert_close(ragged.float(), encoder(x), rtol=0.05, atol=0.02)
    assert not math.isnan(token.sum().item())
