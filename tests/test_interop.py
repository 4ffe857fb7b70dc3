"""Agreement with the numbers recorded from the published implementation (v0.1.0).

They lie in ``shared/reference/official_vectors.safetensors`` beside the checkout; its README says how to read them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from mmlego import CheckpointError, LegoBlock, LegoMerge
from mmlego.interop import load_reference_block, reference_merge
from mmlego.merge import merge_heads

CONFIGS = ["vector_d2", "bag7_d2", "bag64_d2", "bag7_d1", "bag7_d3", "bag7_nonorm", "bag7_noimag", "bag7_spatial"]
MERGES = ["harmonic", "mean", "sum", "product"]
WITHIN = {"rtol": 0.0, "atol": 1e-4}


@pytest.fixture(scope="module")
def recorded(shared: Path) -> dict[str, Tensor]:
    with safe_open(shared / "reference" / "official_vectors.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


@pytest.fixture(scope="module")
def configs(shared: Path) -> dict[str, Any]:
    with safe_open(shared / "reference" / "official_vectors.safetensors", "pt") as file:
        found: dict[str, Any] = json.loads(file.metadata()["configs"])
    return found


def state(recorded: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}.state."
    return {key.removeprefix(prefix): value for key, value in recorded.items() if key.startswith(prefix)}


def encoder_of(tensors: dict[str, Tensor]) -> nn.Module:
    """Linear–ReLU–Linear of the widths that the tensors have."""
    first, second = tensors["encoder.0.weight"], tensors["encoder.2.weight"]
    return nn.Sequential(nn.Linear(*first.shape[::-1]), nn.ReLU(), nn.Linear(*second.shape[::-1]))


def spectrum(recorded: dict[str, Tensor], name: str) -> Tensor:
    real = recorded[f"{name}.latent_real"]
    return torch.complex(real, recorded.get(f"{name}.latent_imag", torch.zeros_like(real)))


def options(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "heads": config["heads"],
        "head_width": config["dim_head"],
        "steps": config["depth"],
        "normalise": config.get("normalise", True),
        "domain": "frequency" if config.get("frequency_domain", True) else "spatial",
        "track_imaginary": config.get("track_imaginary", True),
    }


def test_all_configurations_are_here(configs: dict[str, Any]) -> None:
    assert sorted(configs) == sorted(CONFIGS)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_block_reproduces_the_published_one(recorded: dict[str, Tensor], configs: dict[str, Any], name: str) -> None:
    tensors = state(recorded, name)
    block = load_reference_block(tensors, encoder_of(tensors), **options(configs[name]))
    assert not block.training
    with torch.no_grad():
        output = block(recorded[f"{name}.input"])
    torch.testing.assert_close(output.spectrum, spectrum(recorded, name), **WITHIN)
    torch.testing.assert_close(output.logits, recorded[f"{name}.logits"], **WITHIN)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("bag7_d2", {"normalise": False}),
        ("bag7_d2", {"track_imaginary": False}),
        ("bag7_d2", {"domain": "spatial"}),
        ("bag7_nonorm", {"normalise": True}),
        ("bag7_noimag", {"track_imaginary": True}),
        ("bag7_spatial", {"domain": "frequency"}),
    ],
)
def test_the_options_are_told_apart(
    recorded: dict[str, Tensor], configs: dict[str, Any], name: str, wrong: dict[str, Any]
) -> None:
    tensors = state(recorded, name)
    block = load_reference_block(tensors, encoder_of(tensors), **{**options(configs[name]), **wrong})
    assert (block(recorded[f"{name}.input"]).spectrum - spectrum(recorded, name)).abs().max() > 1e-2


def pair(recorded: dict[str, Tensor]) -> list[LegoBlock]:
    blocks = []
    for letter in "ab":
        tensors = state(recorded, f"merge.{letter}")
        blocks.append(load_reference_block(tensors, encoder_of(tensors), modality=letter))
    return blocks


def test_both_blocks_of_the_merges_are_reproduced(recorded: dict[str, Tensor]) -> None:
    for block in pair(recorded):
        name = f"merge.{block.modality}"
        output = block(recorded[f"{name}.input"])
        torch.testing.assert_close(output.spectrum, spectrum(recorded, name), **WITHIN)
        torch.testing.assert_close(output.logits, recorded[f"{name}.logits"], **WITHIN)


@pytest.mark.parametrize("rule", MERGES)
@pytest.mark.parametrize("heads", ["linear", "slerp"])
@pytest.mark.parametrize("alpha", [0.5, 0.8])
def test_a_merge_reproduces_the_published_one(recorded: dict[str, Tensor], rule: str, heads: str, alpha: float) -> None:
    """Spectra always; logits with linear heads (the published slerp mis-scales)."""
    name = f"merge.{rule}.{heads}.alpha{alpha}"
    with torch.no_grad():
        first, second = (block(recorded[f"merge.{block.modality}.input"]).spectrum for block in pair(recorded))
    ours = reference_merge(first, second, rule, alpha)
    torch.testing.assert_close(ours, spectrum(recorded, name), **WITHIN)
    if heads == "slerp":
        return
    both = [dict(block.head.named_parameters()) for block in pair(recorded)]
    head = merge_heads(both, torch.tensor([alpha, 1 - alpha]), heads)
    mean = F.layer_norm(ours.real.mean(1), ours.shape[2:], head["norm.weight"], head["norm.bias"])
    logits = F.linear(mean, head["linear.weight"], head["linear.bias"])
    torch.testing.assert_close(logits, recorded[f"{name}.logits"], **WITHIN)


@pytest.mark.parametrize("rule", MERGES)
def test_lego_merge_of_the_published_blocks(recorded: dict[str, Tensor], rule: str) -> None:
    """The whole model; of the harmonic rule it leaves out the constant ½, which the head's LayerNorm undoes."""
    name = f"merge.{rule}.linear.alpha0.5"
    model = LegoMerge(pair(recorded), rule=rule, phase="mean", heads="linear").eval()
    inputs = {letter: recorded[f"merge.{letter}.input"] for letter in "ab"}
    scale = 0.5 if rule == "harmonic" else 1.0
    torch.testing.assert_close(scale * model.spectrum(inputs), spectrum(recorded, name), **WITHIN)
    torch.testing.assert_close(model(inputs), recorded[f"{name}.logits"], rtol=0.0, atol=1e-3)


# --- tensors that are no published block; made up here, so that these tests need no file


def made_up(steps: int = 2) -> dict[str, Tensor]:
    c, d, e, k, heads = 4, 6, 5, 3, 2 * 8
    tensors = {
        "latent": torch.randn(c, d),
        "encoder.weight": torch.randn(e, 7),
        "encoder.bias": torch.randn(e),
        "to_logits.1.weight": torch.randn(d),
        "to_logits.1.bias": torch.randn(d),
        "to_logits.2.weight": torch.randn(k, d),
        "to_logits.2.bias": torch.randn(k),
    }
    for s in range(steps):
        tensors |= {
            f"layers.{s}.0.weight": tensors["encoder.weight"],
            f"layers.{s}.1.norm.weight": torch.randn(d),
            f"layers.{s}.1.norm.bias": torch.randn(d),
            f"layers.{s}.1.norm_context.weight": torch.randn(e),
            f"layers.{s}.1.norm_context.bias": torch.randn(e),
            f"layers.{s}.1.fn.to_q.weight": torch.randn(heads, d),
            f"layers.{s}.1.fn.to_kv.weight": torch.randn(2 * heads, e),
            f"layers.{s}.1.fn.to_out.0.weight": torch.randn(d, heads),
            f"layers.{s}.1.fn.to_out.0.bias": torch.randn(d),
            f"layers.{s}.2.norm.weight": torch.randn(d),
            f"layers.{s}.2.norm.bias": torch.randn(d),
            f"layers.{s}.2.fn.net.0.weight": torch.randn(8 * d, d),
            f"layers.{s}.2.fn.net.0.bias": torch.randn(8 * d),
            f"layers.{s}.2.fn.net.2.weight": torch.randn(d, 4 * d),
            f"layers.{s}.2.fn.net.2.bias": torch.randn(d),
        }
    return tensors


def load(tensors: dict[str, Tensor], **changes: Any) -> LegoBlock:
    return load_reference_block(tensors, nn.Linear(7, 5), **{"heads": 2, "head_width": 8, "steps": 2, **changes})


def test_made_up_tensors_make_a_block() -> None:
    assert load(made_up())(torch.randn(2, 9, 7)).logits.shape == (2, 3)


def without(name: str) -> dict[str, Tensor]:
    return {key: value for key, value in made_up().items() if key != name}


@pytest.mark.parametrize(
    ("tensors", "changes", "message"),
    [
        ({}, {}, r"not the tensors of a published block: expected latent"),
        (without("latent"), {}, "not the tensors of a published block"),
        (without("layers.0.1.norm_context.weight"), {}, "not the tensors of a published block"),
        ({**made_up(), "latent": torch.zeros(4)}, {}, "expected a latent"),
        (without("layers.1.2.fn.net.0.bias"), {}, "do not fit the block"),
        (without("encoder.bias"), {}, "do not fit the encoder"),
        (made_up(), {"steps": 3}, "do not fit the block"),
        (made_up(), {"heads": 3}, "do not fit the block"),
        ({**made_up(), "to_logits.2.weight": torch.zeros(4, 6)}, {}, "do not fit the block.*size mismatch"),
        ({**made_up(), "surprise": torch.zeros(1)}, {}, "no published block has.*got surprise"),
    ],
)
def test_tensors_that_are_no_published_block_are_refused(
    tensors: dict[str, Tensor], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        load(tensors, **changes)
