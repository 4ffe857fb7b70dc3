"""Every registered encoder, walked through one list of checks."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mmlego import LegoBlock, LegoMerge, Ragged, ShapeError
from mmlego.encoders import build_encoder, encoder_names
from tests.bricks import gradients, plate, trained


@dataclass(frozen=True)
class Subject:
    """How to make an encoder and what to feed it; a new encoder needs one line below."""

    config: dict[str, Any]
    inputs: Callable[[int], Tensor]


def table(b: int) -> Tensor:
    return torch.randn(b, 5)


def tokens(b: int) -> Tensor:
    return torch.randn(b, 7, 5)


SUBJECTS = {
    "snn": Subject({"in_features": 5, "hidden": [8, 6]}, table),
    "patch_mlp": Subject({"in_features": 5, "hidden": 8, "out_features": 6}, tokens),
    "gated_attention_mil": Subject({"in_features": 5, "out_features": 6, "attention_width": 4}, tokens),
    "gru": Subject({"in_features": 5, "out_features": 6}, tokens),
}


def test_every_registered_encoder_is_here() -> None:
    assert sorted(SUBJECTS) == sorted(encoder_names())


def fresh(name: str) -> nn.Module:
    return build_encoder(name, SUBJECTS[name].config)


def block(name: str) -> LegoBlock:
    return trained(LegoBlock(fresh(name), plate(), "x"))


def bags(x: Tensor) -> bool:
    return x.ndim == 3


# --- the checks


def says_what_it_is(name: str) -> None:
    encoder, x = fresh(name).eval(), SUBJECTS[name].inputs(3)
    assert isinstance(encoder.out_features, int)
    assert encoder.in_features == x.shape[-1]
    assert isinstance(encoder.ordered, bool)
    assert isinstance(encoder.tokenwise, bool)
    answer = encoder(x)
    assert answer.shape in {(3, encoder.out_features), (3, x.shape[1], encoder.out_features)}


def comes_back_from_its_config(name: str) -> None:
    encoder, x = fresh(name).eval(), SUBJECTS[name].inputs(3)
    assert encoder.registered_name == name
    again = build_encoder(name, json.loads(json.dumps(encoder.config))).eval()
    assert again.config == encoder.config
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(x), encoder(x))


def is_deterministic_in_eval_mode_and_can_be_copied(name: str) -> None:
    encoder, x = fresh(name).eval(), SUBJECTS[name].inputs(3)
    assert torch.equal(encoder(x), encoder(x))
    assert torch.equal(copy.deepcopy(encoder)(x), encoder(x))


def keeps_samples_apart(name: str) -> None:
    encoder, x = fresh(name).eval(), SUBJECTS[name].inputs(4)
    whole = encoder(x)
    for i in range(4):
        torch.testing.assert_close(encoder(x[i : i + 1]), whole[i : i + 1])


def has_the_order_that_it_says(name: str) -> None:
    """Reversing the tokens of an unordered encoder reverses or keeps its answer; an ordered one notices."""
    encoder, x = fresh(name).eval(), SUBJECTS[name].inputs(2)
    if not bags(x):
        assert not encoder.ordered
        return
    there, back = encoder(x), encoder(x.flip(1))
    back = back.flip(1) if back.ndim == 3 else back
    assert torch.allclose(there, back, atol=1e-5) != encoder.ordered
    if encoder.tokenwise:
        each = torch.cat([encoder(x[:, i : i + 1]) for i in range(x.shape[1])], dim=1)
        torch.testing.assert_close(there, each)


def leaves_its_input_alone(name: str) -> None:
    encoder, x = fresh(name), SUBJECTS[name].inputs(3)
    before = x.clone()
    encoder(x)
    assert torch.equal(x, before)


def trains_in_every_parameter(name: str) -> None:
    one = LegoBlock(fresh(name), plate(), "x")
    one(SUBJECTS[name].inputs(8)).logits.square().sum().backward()
    for parameter, grad in gradients(one.encoder).items():
        assert torch.isfinite(grad).all(), parameter
    assert gradients(one.encoder).keys() == dict(one.encoder.named_parameters()).keys()


def takes_masks_and_ragged_bags(name: str) -> None:
    one, x = block(name), SUBJECTS[name].inputs(3)
    if not bags(x):
        return
    mask = torch.tensor([[True] * 7, [False, True, True, False, True, False, False], [True] + [False] * 6])
    alone = torch.cat([one(row[keep][None]).logits for row, keep in zip(x, mask, strict=True)])
    junk = torch.where(mask[:, :, None], x, float("inf"))
    torch.testing.assert_close(one(junk, mask).logits, alone)
    ragged = Ragged.from_list([row[keep] for row, keep in zip(x, mask, strict=True)])
    torch.testing.assert_close(one(ragged).logits, alone)


def refuses_another_width(name: str) -> None:
    x = SUBJECTS[name].inputs(2)
    with pytest.raises(ShapeError, match="'x' has the wrong width: expected 5 features, got 6"):
        block(name)(torch.cat([x, x[..., :1]], dim=-1))


def runs_under_autocast(name: str) -> None:
    one, x = block(name), SUBJECTS[name].inputs(3)
    exact = one(x).logits
    with torch.autocast("cpu", torch.bfloat16):
        logits = one(x).logits
    torch.testing.assert_close(logits.float(), exact, rtol=0.1, atol=0.1)


def runs_in_double_precision(name: str) -> None:
    one, x = block(name), SUBJECTS[name].inputs(3)
    exact = copy.deepcopy(one).double()(x.double()).logits
    assert exact.dtype == torch.float64
    torch.testing.assert_close(exact.float(), one(x).logits, rtol=1e-3, atol=1e-4)


def merges(name: str) -> None:
    one, x = block(name), SUBJECTS[name].inputs(3)
    other = copy.deepcopy(one)
    other.modality = "y"
    model = LegoMerge([one, other]).eval()
    torch.testing.assert_close(model({"x": x, "y": x}), one(x).logits, rtol=1e-3, atol=1e-4)
    part = model({"x": x, "y": x}, {"x": torch.tensor([True, False, True])})
    torch.testing.assert_close(part, one(x).logits, rtol=1e-3, atol=1e-4)


CHECKS = (
    says_what_it_is,
    comes_back_from_its_config,
    is_deterministic_in_eval_mode_and_can_be_copied,
    keeps_samples_apart,
    has_the_order_that_it_says,
    leaves_its_input_alone,
    trains_in_every_parameter,
    takes_masks_and_ragged_bags,
    refuses_another_width,
    runs_under_autocast,
    runs_in_double_precision,
    merges,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", encoder_names())
def test_an_encoder(name: str, check: Callable[[str], None]) -> None:
    check(name)
