"""Transformer layers against those of torch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmlego import InputError
from mmlego.nn.transformer import Transformer, TransformerLayer


def of_torch(ours: TransformerLayer, width: int, heads: int, hidden: int) -> nn.TransformerEncoderLayer:
    """Return torch's pre-norm layer with the same weights."""
    theirs = nn.TransformerEncoderLayer(width, heads, hidden, 0.0, "gelu", batch_first=True, norm_first=True)
    pairs = {
        "norm1": ours.norm_attention,
        "norm2": ours.norm_feedforward,
        "self_attn.out_proj": ours.to_out,
        "linear1": ours.feedforward[0],
        "linear2": ours.feedforward[2],
    }
    state = {f"{name}.{kind}": getattr(module, kind) for name, module in pairs.items() for kind in ("weight", "bias")}
    state |= {f"self_attn.in_proj_{kind}": getattr(ours.to_qkv, kind) for kind in ("weight", "bias")}
    theirs.load_state_dict(state)
    return theirs


def test_a_layer_is_that_of_torch() -> None:
    ours, x = TransformerLayer(8, 2, 16), torch.randn(3, 5, 8)
    theirs = of_torch(ours, 8, 2, 16)
    mask = torch.tensor([[True] * 5, [True, False, True, True, False], [True] + [False] * 4])
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours(x, mask)[mask], theirs(x, src_key_padding_mask=~mask)[mask])


def test_masked_tokens_are_not_looked_at() -> None:
    model, x = Transformer(8, layers=2, heads=2).eval(), torch.randn(2, 5, 8)
    mask = torch.tensor([[True, True, False, True, False], [True] * 5])
    there = model(x, mask)
    torch.testing.assert_close(there[0, mask[0]], model(x[:1, mask[0]])[0])
    torch.testing.assert_close(there[1], model(x)[1])


def test_tokens_have_no_order() -> None:
    model, x, order = Transformer(8, layers=2, heads=2).eval(), torch.randn(2, 5, 8), torch.randperm(5)
    torch.testing.assert_close(model(x[:, order]), model(x)[:, order])


def test_dropout_acts_in_training_alone() -> None:
    model, x = Transformer(8, layers=1, heads=2, dropout=0.5), torch.randn(2, 5, 8)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


@pytest.mark.parametrize("heads", [0, 3])
def test_heads_divide_the_width(heads: int) -> None:
    with pytest.raises(InputError, match=f"do not divide its width.*got {heads}"):
        TransformerLayer(8, heads, 16)
