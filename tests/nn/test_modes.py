"""What predicts, evaluates or looks leaves every module in the mode in which a user had put it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from mmlego import InputError, LegoBlock, LegoFuse, LegoMerge
from mmlego.nn.modes import modes_kept
from tests.bricks import batch, family, plate


def fails(_: nn.Module) -> None:
    raise InputError("what a forward may raise")


def modes(model: nn.Module) -> dict[str, bool]:
    return {name: module.training for name, module in model.named_modules()}


def mixed(model: nn.Module) -> nn.Module:
    """Put a model in training mode, but for every other of its modules."""
    model.train()
    for module in list(model.modules())[1::2]:
        module.training = False
    return model


def test_modes_come_back_even_after_an_error() -> None:
    model = mixed(nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.Sequential(nn.Dropout())))
    before = modes(model)
    with pytest.raises(InputError), modes_kept(model):
        fails(model.eval())
    assert modes(model) == before
    assert set(before.values()) == {True, False}


@pytest.mark.parametrize("make", [LegoMerge, LegoFuse])
def test_predict_leaves_what_was_put_in_eval_mode_by_hand(make: Any) -> None:
    blocks = family(2)
    inputs = batch(blocks, 3)
    for model, given in ((mixed(blocks[0]), inputs["rna"]), (mixed(make(blocks)), inputs)):
        before = modes(model)
        model.predict(given)  # type: ignore[operator]
        assert modes(model) == before
        assert set(before.values()) == {True, False}


def test_a_dry_run_leaves_what_was_put_in_eval_mode_by_hand() -> None:
    encoder = nn.Sequential(nn.Linear(4, 6), nn.Sequential(nn.BatchNorm1d(6).eval(), nn.ReLU()))
    before = modes(encoder)
    LegoBlock(encoder, plate(), "rna", sample=torch.randn(2, 4))
    assert modes(encoder) == before
