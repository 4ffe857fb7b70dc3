"""SNN."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmlego.encoders import SNN


def test_layers_in_order() -> None:
    encoder = SNN(10, hidden=(8, 6), dropout=0.5, input_dropout=0.1)
    kinds = [type(layer) for layer in encoder]
    assert kinds == [nn.Dropout, *[nn.Linear, nn.SELU, nn.AlphaDropout] * 2]
    assert (encoder.in_features, encoder.out_features) == (10, 6)
    assert encoder(torch.zeros(3, 10)).shape == (3, 6)
    assert encoder[3].p == 0.5
    assert SNN(10, hidden=[]).out_features == 10


def test_an_untrained_net_keeps_mean_and_variance() -> None:
    """The defining property: standardised input stays standardised through many layers."""
    encoder = SNN(256, hidden=(256,) * 6).eval()
    y = encoder(torch.randn(2000, 256))
    assert y.mean().abs() < 0.1
    assert y.std().item() == pytest.approx(1.0, abs=0.15)


def test_dropout_acts_in_training_alone() -> None:
    encoder, x = SNN(10), torch.randn(3, 10)
    assert not torch.equal(encoder(x), encoder(x))
    encoder.eval()
    assert torch.equal(encoder(x), encoder(x))
