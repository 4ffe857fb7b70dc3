"""Every registered encoder, walked through one list of checks."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mmlego
from mmlego import LegoBlock, LegoMerge, MissingExtraError, Ragged, ShapeError
from mmlego.encoders import build_encoder, encoder_names
from mmlego.nn import Graph, Graphs
from tests.bricks import gradients, plate, trained


@dataclass(frozen=True)
class Subject:
    """How to make an encoder and what to feed it; a new encoder needs one line below."""

    config: dict[str, Any]
    inputs: Callable[[int], Any]


def table(b: int) -> Tensor:
    return torch.randn(b, 5)


def tokens(b: int) -> Tensor:
    return torch.randn(b, 7, 5)


def series(b: int) -> Tensor:
    """Column 0 is the time; a third of the measurements were not made."""
    values = torch.randn(b, 7, 4)
    values[torch.rand(b, 7, 4) < 0.3] = float("nan")
    return torch.cat([torch.rand(b, 7, 1).cumsum(1), values], dim=-1)


def ids(b: int) -> Tensor:
    return torch.randint(1, 9, (b, 7))


def images(b: int) -> Tensor:
    return torch.randn(b, 3, 16, 16)


def graphs(b: int) -> Graphs:
    def graph(n: int) -> Graph:
        edges = torch.randint(n, (2, 2 * n))
        return Graph(torch.randn(n, 5), edges, torch.randn(2 * n, 3))

    return Graphs.from_list([graph(i + 1) for i in range(b)])


TINY = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
BERT = {"model_type": "bert", "vocab_size": 9, "max_position_embeddings": 12, **TINY}
VIT = {"model_type": "vit", "image_size": 16, "patch_size": 8, **TINY}
DENSENET = {"spatial_dims": 2, "in_channels": 3, "out_channels": 6, "block_config": [1, 1]}
SUBJECTS = {
    "snn": Subject({"in_features": 5, "hidden": [8, 6]}, table),
    "column_transformer": Subject({"in_features": 5, "out_features": 6, "layers": 1, "heads": 2}, table),
    "pathways": Subject({"in_features": 5, "sets": [[0, 1, 2], [2, 4], [3]], "out_features": 6, "hidden": 4}, table),
    "patch_mlp": Subject({"in_features": 5, "hidden": 8, "out_features": 6}, tokens),
    "gated_attention_mil": Subject({"in_features": 5, "out_features": 6, "attention_width": 4}, tokens),
    "gru": Subject({"in_features": 5, "out_features": 6}, tokens),
    "gru_d": Subject({"in_features": 5, "out_features": 6, "unit": 2.0}, series),
    "time_transformer": Subject({"in_features": 5, "out_features": 6, "layers": 1, "heads": 2}, series),
    "char_transformer": Subject({"vocabulary": 9, "out_features": 6, "layers": 1, "heads": 2, "stride": 2}, ids),
    "text": Subject({"model": BERT}, ids),
    "small_cnn": Subject({"in_channels": 3, "out_features": 6, "channels": [4, 8]}, images),
    "monai": Subject({"network": "DenseNet", "arguments": DENSENET, "out_features": 6}, images),
    "transformers_vision": Subject({"model": VIT}, images),
    "timm": Subject({"model": "resnet10t", "in_channels": 3}, images),
    "graph": Subject({"in_features": 5, "out_features": 6, "layers": 2, "edge_features": 3}, graphs),
}


def test_every_registered_encoder_is_here() -> None:
    assert sorted(SUBJECTS) == sorted(encoder_names())


def fresh(name: str) -> nn.Module:
    return build_encoder(name, SUBJECTS[name].config)


def block(name: str) -> LegoBlock:
    return trained(LegoBlock(fresh(name), plate(), "x"))


def has_tokens(x: Any) -> bool:
    """Whether the input is a sequence or bag of vectors or ids, that may be masked."""
    return isinstance(x, Tensor) and x.ndim == (3 if x.is_floating_point() else 2)


def parts(answer: Any, count: int) -> list[Tensor]:
    """Return the tokens of each sample, in whichever form an encoder gave them."""
    if isinstance(answer, Ragged):
        bags = answer.unbind()
    elif isinstance(answer, tuple):
        bags = [row[keep] for row, keep in zip(*answer, strict=True)]
    else:
        bags = [row.reshape(-1, row.shape[-1]) for row in answer]
    assert len(bags) == count
    return bags


def joined(answer: Any, count: int) -> Tensor:
    return torch.cat(parts(answer, count))


def contents(x: Any) -> list[Tensor]:
    if isinstance(x, Tensor):
        return [x]
    return [content for content in vars(x).values() if isinstance(content, Tensor)]


def doubled(x: Any) -> Any:
    if isinstance(x, Graphs):
        features = None if x.edge_features is None else x.edge_features.double()
        return Graphs(x.values.double(), x.sizes, x.edges, x.edge_sizes, features)
    return x.double() if x.is_floating_point() else x


# --- the checks


def says_what_it_is(name: str) -> None:
    encoder, x = fresh(name).eval(), SUBJECTS[name].inputs(3)
    assert isinstance(encoder.out_features, int)
    if not (isinstance(x, Tensor) and (x.ndim == 4 or not x.is_floating_point())):
        assert encoder.in_features == (x.values if isinstance(x, Graphs) else x).shape[-1]
    assert isinstance(encoder.ordered, bool)
    assert isinstance(encoder.tokenwise, bool)
    assert {part.shape[1] for part in parts(encoder(x), 3)} == {encoder.out_features}


def comes_back_from_its_config(name: str) -> None:
    encoder, x = fresh(name).eval(), SUBJECTS[name].inputs(3)
    assert encoder.registered_name == name
    assert json.loads(json.dumps(encoder.config)) == encoder.config
    again = build_encoder(name, json.loads(json.dumps(encoder.config))).eval()
    assert again.config == encoder.config
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(joined(again(x), 3), joined(encoder(x), 3))


def comes_back_from_a_checkpoint(name: str) -> None:
    one, x = block(name), SUBJECTS[name].inputs(3)
    with tempfile.TemporaryDirectory() as folder:
        again = mmlego.load(mmlego.save(one, f"{folder}/block"))
    torch.testing.assert_close(again(x).logits, one(x).logits)


def is_deterministic_in_eval_mode_and_can_be_copied(name: str) -> None:
    encoder, x = fresh(name).eval(), SUBJECTS[name].inputs(3)
    assert torch.equal(joined(encoder(x), 3), joined(encoder(x), 3))
    assert torch.equal(joined(copy.deepcopy(encoder)(x), 3), joined(encoder(x), 3))


def keeps_samples_apart(name: str) -> None:
    encoder, x = fresh(name).eval(), SUBJECTS[name].inputs(4)
    for i, part in enumerate(parts(encoder(x), 4)):
        torch.testing.assert_close(joined(encoder(x[[i]]), 1), part)


def has_the_order_that_it_says(name: str) -> None:
    """Reversing the tokens of an unordered encoder reverses or keeps its answer; an ordered one notices."""
    encoder, x = fresh(name).eval(), SUBJECTS[name].inputs(2)
    if not has_tokens(x):
        assert not encoder.ordered
        return
    turned = x.flip(1)
    if SUBJECTS[name].inputs is series:
        turned[..., 0] = x[..., 0]  # what was measured comes in another order, but time goes on
    there, back = encoder(x), encoder(turned)
    back = back.flip(1) if back.ndim == 3 else back
    assert torch.allclose(there, back, atol=1e-5) != encoder.ordered
    if encoder.tokenwise:
        each = torch.cat([encoder(x[:, i : i + 1]) for i in range(x.shape[1])], dim=1)
        torch.testing.assert_close(there, each)


def leaves_its_input_alone(name: str) -> None:
    encoder, x = fresh(name), SUBJECTS[name].inputs(3)
    before = [content.clone() for content in contents(x)]
    encoder(x)
    for content, was in zip(contents(x), before, strict=True):
        torch.testing.assert_close(content, was, rtol=0.0, atol=0.0, equal_nan=True)


def trains_in_every_parameter(name: str) -> None:
    one = LegoBlock(fresh(name), plate(), "x")
    one(SUBJECTS[name].inputs(8)).logits.square().sum().backward()
    for parameter, grad in gradients(one.encoder).items():
        assert torch.isfinite(grad).all(), parameter
    assert gradients(one.encoder).keys() == dict(one.encoder.named_parameters()).keys()


def takes_masks_and_ragged_bags(name: str) -> None:
    one, x = block(name), SUBJECTS[name].inputs(3)
    if not has_tokens(x):
        return
    mask = torch.tensor([[True] * 7, [False, True, True, False, True, False, False], [True] + [False] * 6])
    alone = torch.cat([one(row[keep][None]).logits for row, keep in zip(x, mask, strict=True)])
    junk = torch.where(mask[:, :, None], x, float("inf")) if x.ndim == 3 else torch.where(mask, x, 8)
    torch.testing.assert_close(one(junk, mask).logits, alone)
    ragged = Ragged.from_list([row[keep] for row, keep in zip(x, mask, strict=True)])
    torch.testing.assert_close(one(ragged).logits, alone)


def refuses_another_width(name: str) -> None:
    x = SUBJECTS[name].inputs(2)
    if isinstance(x, Graphs):
        wider: Any = Graphs(torch.cat([x.values, x.values[:, :1]], 1), x.sizes, x.edges, x.edge_sizes, x.edge_features)
    elif not x.is_floating_point():
        with pytest.raises(mmlego.InputError, match=r"not in the vocabulary.*from 0 to 8, got 9"):
            block(name)(x.clamp(min=9))
        return
    elif x.ndim == 4:
        with pytest.raises(ShapeError, match=r"images of the wrong shape|cannot take this input"):
            block(name)(x[:, :2])
        return
    else:
        wider = torch.cat([x, x[..., :1]], dim=-1)
    with pytest.raises(ShapeError, match="'x' has the wrong width: expected 5 features, got 6"):
        block(name)(wider)


def runs_under_autocast(name: str) -> None:
    one, x = block(name), SUBJECTS[name].inputs(3)
    exact = one(x).logits
    with torch.autocast("cpu", torch.bfloat16):
        logits = one(x).logits
    torch.testing.assert_close(logits.float(), exact, rtol=0.1, atol=0.1)


def runs_in_double_precision(name: str) -> None:
    one, x = block(name), SUBJECTS[name].inputs(3)
    exact = copy.deepcopy(one).double()(doubled(x)).logits
    assert exact.dtype == torch.float64
    torch.testing.assert_close(exact.float(), one(x).logits, rtol=1e-3, atol=1e-4)


def merges(name: str) -> None:
    one, x = block(name), SUBJECTS[name].inputs(3)
    other = copy.deepcopy(one)
    other.modality = "y"
    model = LegoMerge([one, other], strength=1.0).eval()  # with more, two who say the same count for more than one
    torch.testing.assert_close(model({"x": x, "y": x}), one(x).logits, rtol=1e-3, atol=1e-4)
    part = model({"x": x, "y": x}, {"x": torch.tensor([True, False, True])})
    torch.testing.assert_close(part, one(x).logits, rtol=1e-3, atol=1e-4)


LAWS = (
    says_what_it_is,
    comes_back_from_its_config,
    comes_back_from_a_checkpoint,
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


@pytest.mark.parametrize("assert_law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", encoder_names())
def test_an_encoder(name: str, assert_law: Callable[[str], None]) -> None:
    try:
        assert_law(name)
    except MissingExtraError as error:
        pytest.skip(str(error))
