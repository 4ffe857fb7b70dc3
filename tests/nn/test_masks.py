"""Masks: real tokens first."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego.nn.masks import real_first
from tests import strategies


@given(st.data())
def test_real_tokens_come_first_and_keep_their_order(data: st.DataObject) -> None:
    b, n = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 6))
    mask = data.draw(strategies.masks(b, n))
    for x in (torch.arange(b * n).reshape(b, n), torch.randn(b, n, 2), torch.randn(b, n, 2, 3)):
        moved, kept = real_first(x, mask)
        assert moved.shape == x.shape
        for i in range(b):
            count = int(mask[i].sum())
            assert kept[i].tolist() == [True] * count + [False] * (n - count)
            assert torch.equal(moved[i, :count], x[i, mask[i]])
            assert torch.equal(moved[i, count:], x[i, ~mask[i]])
