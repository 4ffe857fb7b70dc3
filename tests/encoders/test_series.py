"""GRUEncoder: missing measurements and masked steps."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego import InputError, LegoBlock
from mmlego.encoders import GRUEncoder
from tests import strategies
from tests.bricks import plate


def test_a_token_a_step_and_no_look_ahead() -> None:
    encoder, x = GRUEncoder(3, 5, layers=2, dropout=0.5).eval(), torch.randn(2, 6, 3)
    tokens = encoder(x)
    assert tokens.shape == (2, 6, 5)
    torch.testing.assert_close(encoder(x[:, :4]), tokens[:, :4])


def test_missing_is_not_the_same_as_zero() -> None:
    encoder = GRUEncoder(2, 4).eval()
    missing = torch.tensor([[[1.0, math.nan], [math.nan, 2.0]]])
    tokens = encoder(missing)
    assert torch.isfinite(tokens).all()
    assert (tokens - encoder(missing.nan_to_num(0.0))).abs().max() > 1e-4


def test_no_gradient_is_nan_where_a_measurement_is_missing() -> None:
    encoder, x = GRUEncoder(2, 4), torch.tensor([[[1.0, math.nan], [math.nan, 2.0]]])
    encoder(x).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


@given(st.data())
def test_masked_steps_do_not_touch_the_state(data: st.DataObject) -> None:
    b, n = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 6))
    mask = data.draw(strategies.masks(b, n))
    x = torch.randn(b, n, 2, generator=strategies.generator(data.draw(strategies.seeds)))
    encoder = GRUEncoder(2, 4).eval()
    tokens, kept = encoder(x, mask)
    assert torch.equal(kept.sum(1), mask.sum(1))
    for i in range(b):
        torch.testing.assert_close(tokens[i, kept[i]], encoder(x[i : i + 1, mask[i]])[0])


def test_a_block_takes_gaps_but_no_infinity() -> None:
    block = LegoBlock(GRUEncoder(2, 4), plate(), "vitals")
    x = torch.full((1, 3, 2), math.nan)  # nothing measured at all is an answer too
    assert torch.isfinite(block(x).logits).all()
    x[0, 1, 1] = math.inf
    with pytest.raises(InputError, match=r"not finite.*1 NaN or infinite, the first at \[0, 1, 1\]"):
        block(x)
