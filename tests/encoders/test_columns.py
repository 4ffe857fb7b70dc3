"""ColumnTransformer."""

from __future__ import annotations

import math

import pytest
import torch

from mmlego import InputError, LegoBlock
from mmlego.encoders import ColumnTransformer
from tests.bricks import plate, stirred


def encoder(columns: int = 3, layers: int = 0) -> ColumnTransformer:
    return stirred(ColumnTransformer(columns, 8, layers=layers, heads=2)).eval()  # type: ignore[return-value]


def test_a_token_is_its_columns_own_line() -> None:
    """Gorishniy et al. 2021, section 3.3, column by column; here without Transformer layers."""
    ours, x = encoder(), torch.tensor([[0.5, -2.0, math.nan]])
    tokens = ours(x)
    for j in range(2):
        line = x[0, j] * ours.weight[j] + ours.bias[j]
        torch.testing.assert_close(tokens[0, j], ours.transformer.norm(line))
    torch.testing.assert_close(tokens[0, 2], ours.transformer.norm(ours.missing[2]))


def test_missing_is_not_the_same_as_zero() -> None:
    ours = encoder(layers=1)
    missing = torch.tensor([[0.5, math.nan, math.nan]])
    assert (ours(missing) - ours(missing.nan_to_num(0.0))).abs().max() > 1e-3


def test_no_gradient_is_nan_where_a_value_is_missing() -> None:
    ours = ColumnTransformer(2, 8, heads=2)
    tokens = ours(torch.tensor([[1.0, math.nan], [math.nan, math.nan]]))
    (tokens * torch.randn(tokens.shape)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in ours.parameters() if p.grad is not None)
    assert ours.missing.grad is not None
    assert ours.missing.grad.abs().sum() > 0


def test_columns_look_at_each_other() -> None:
    ours, x = encoder(layers=1), torch.randn(1, 3)
    other = x.clone()
    other[0, 2] += 1.0
    assert (ours(x)[0, 0] - ours(other)[0, 0]).abs().max() > 1e-4


def test_a_block_takes_gaps_but_no_infinity() -> None:
    block = LegoBlock(ColumnTransformer(2, 8, heads=2), plate(), "labs")
    assert torch.isfinite(block(torch.tensor([[1.0, math.nan]])).logits).all()
    with pytest.raises(InputError, match="not finite"):
        block(torch.tensor([[1.0, math.inf]]))
