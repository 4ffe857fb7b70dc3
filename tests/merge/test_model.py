"""LegoMerge: the laws of method, §4, on whole models, for every rule and every way to merge heads."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor

from mmlego import LegoBlock, LegoMerge, Ragged
from mmlego.merge import head_rules
from mmlego.tasks import Regression
from tests import strategies
from tests.bricks import (
    assert_same,
    bag_block,
    batch,
    doubled,
    family,
    gradients,
    only,
    plate,
    series_block,
    snapshot,
    table_block,
    trained,
)

WAYS: list[dict[str, Any]] = [
    {"rule": "harmonic", "phase": "circular"},
    {"rule": "harmonic", "phase": "mean"},
    {"rule": "mean"},
    {"rule": "sum"},
    {"rule": "product"},
    {"rule": "residual", "strength": 1.7},
]
AVERAGES = [way for way in WAYS if way["rule"] not in ("sum", "product")]
HEADS = sorted(head_rules())
ways, head_names = st.sampled_from(WAYS), st.sampled_from(HEADS)


def merge(blocks: Sequence[LegoBlock], **options: Any) -> LegoMerge:
    return LegoMerge(blocks, **options).eval()


def exact_merge(blocks: Sequence[LegoBlock], **options: Any) -> LegoMerge:
    """In double precision, for products of spectra lose digits."""
    return LegoMerge(blocks, **options).eval().double()


def flags(blocks: Sequence[LegoBlock], present: Tensor) -> dict[str, Tensor]:
    return {block.modality: row for block, row in zip(blocks, present, strict=True)}


@given(st.sampled_from(AVERAGES), head_names, st.integers(2, 6), st.data())
def test_merging_copies_of_one_block_gives_that_block(way: Any, heads: str, count: int, data: st.DataObject) -> None:
    original = table_block(plate(channels=data.draw(st.sampled_from([6, 7]))))
    copies = [copy.deepcopy(original) for _ in range(count)]
    for i, block in enumerate(copies):
        block.modality = f"copy {i}"
    x = torch.randn(3, 5)
    weights = data.draw(strategies.shares(count)).tolist()
    model = merge(copies, **{**way, "strength": 1.0}, heads=heads, weights=weights)
    inputs = {block.modality: x for block in copies}
    with torch.no_grad():
        expected = original(x)
        torch.testing.assert_close(model.spectrum(inputs), expected.spectrum, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model(inputs), expected.logits, rtol=1e-4, atol=1e-4)


@given(ways, head_names, st.integers(2, 6), st.data())
def test_order_of_blocks_does_not_matter(way: Any, heads: str, count: int, data: st.DataObject) -> None:
    blocks = family(count)
    weights = dict(zip([b.modality for b in blocks], data.draw(strategies.shares(count)).tolist(), strict=True))
    inputs, order = doubled(batch(blocks, 3)), data.draw(st.permutations(range(count)))
    first = exact_merge(blocks, **way, heads=heads, weights=weights)
    second = exact_merge([blocks[i] for i in order], **way, heads=heads, weights=weights)
    assert second.modalities == tuple(blocks[i].modality for i in order)
    present = flags(blocks, data.draw(strategies.presence(count, 3)))
    with torch.no_grad():
        for there in (None, present):
            torch.testing.assert_close(second(inputs, there), first(inputs, there), rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(
                second.spectrum(inputs, there), first.spectrum(inputs, there), rtol=1e-5, atol=1e-5
            )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("b", [1, 3])
def test_one_block_alone_is_its_own_answer_exactly(way: Any, heads: str, b: int) -> None:
    for block in family(3, plate(channels=7)):
        inputs = batch([block], b)
        expected = block(inputs[block.modality])
        model = merge([block], **way, heads=heads)
        assert torch.equal(model(inputs), expected.logits)
        assert torch.equal(model.spectrum(inputs), expected.spectrum)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_modality_alone_present_is_its_own_answer_exactly(way: Any, heads: str, which: int) -> None:
    blocks = family(3)
    model, inputs, block = merge(blocks, **way, heads=heads), batch(blocks, 3), blocks[which]
    expected = block(inputs[block.modality])
    nobody, everybody = torch.zeros(3, dtype=torch.bool), torch.ones(3, dtype=torch.bool)
    for x, present in (
        (only(inputs, [0, 1, 2], [block.modality]), None),
        ({name: value if name == block.modality else None for name, value in inputs.items()}, None),
        (inputs, {name: everybody if name == block.modality else nobody for name in inputs}),
    ):
        assert torch.equal(model(x, present), expected.logits)
        assert torch.equal(model.spectrum(x, present), expected.spectrum)


@settings(max_examples=40)
@given(ways, head_names, st.integers(1, 6), st.integers(1, 4), st.data())
def test_missing_modalities_equal_a_merge_built_without_them(
    way: Any, heads: str, count: int, b: int, data: st.DataObject
) -> None:
    """Each sample of a batch with gaps, whatever stands in the gaps, against a model of what that sample has."""
    blocks = family(count)
    weights = data.draw(strategies.shares(count)).tolist()
    model = exact_merge(blocks, **way, heads=heads, weights=weights)
    present, inputs = data.draw(strategies.presence(count, b)), doubled(batch(blocks, b))
    with_junk = {
        name: torch.where(row.reshape(-1, *[1] * (x.ndim - 1)), x, math.nan) if isinstance(x, Tensor) else x
        for (name, x), row in zip(inputs.items(), present, strict=True)
    }
    with torch.no_grad():
        logits = model(with_junk, flags(blocks, present))
        spectrum = model.spectrum(with_junk, flags(blocks, present))
        for i in range(b):
            here = [k for k in range(count) if present[k, i]]
            without = exact_merge([blocks[k] for k in here], **way, heads=heads, weights=[weights[k] for k in here])
            alone = only(inputs, [i], without.modalities)
            torch.testing.assert_close(logits[i : i + 1], without(alone), rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(spectrum[i : i + 1], without.spectrum(alone), rtol=1e-5, atol=1e-5)


@given(ways, head_names, st.integers(1, 6), st.data())
def test_gradients_flow_to_every_block_that_is_present(way: Any, heads: str, count: int, data: st.DataObject) -> None:
    blocks = family(count)
    model, inputs = merge(blocks, **way, heads=heads), batch(blocks, 3)
    before, kept = snapshot(model), {name: copy.deepcopy(x) for name, x in inputs.items()}
    present = data.draw(strategies.presence(count, 3))
    model(inputs, flags(blocks, present)).square().sum().backward()
    for name, grad in gradients(model).items():
        assert torch.isfinite(grad).all(), name
    for block, row in zip(blocks, present, strict=True):
        moved = [grad.abs().max() > 0 for grad in gradients(model.block(block.modality)).values()]
        assert any(moved) == bool(row.any())
    assert_same(before, snapshot(model))
    for name, x in inputs.items():
        same = [torch.equal(a, b) for a, b in zip(values(x), values(kept[name]), strict=True)]
        assert all(same)


def values(x: Tensor | Ragged) -> list[Tensor]:
    return [x.values, x.lengths] if isinstance(x, Ragged) else [x]


def test_every_modality_reaches_the_answer() -> None:
    blocks = family(4)
    inputs, other = batch(blocks, 3, seed=0), batch(blocks, 3, seed=9)
    for way in WAYS:
        model = merge(blocks, **way)
        for name in inputs:
            assert (model({**inputs, name: other[name]}) - model(inputs)).abs().max() > 1e-6, (way, name)


def test_building_a_merge_leaves_the_blocks_as_they_were_and_owes_them_nothing() -> None:
    blocks = family(3)
    before = [snapshot(block) for block in blocks]
    model, inputs = LegoMerge(blocks), batch(blocks, 3)
    answer = model.eval()(inputs)
    model.train()(inputs).sum().backward()
    for block, was in zip(blocks, before, strict=True):
        assert_same(was, snapshot(block))
        assert gradients(block) == {}
        with torch.no_grad():
            for parameter in block.parameters():
                parameter.zero_()
    assert torch.equal(model.eval()(inputs), answer)


# --- the merged head


def test_the_head_follows_the_blocks_whenever_they_change() -> None:
    blocks, others = family(3), [trained(block) for block in family(3)]
    inputs = batch(blocks, 2)
    part = {name: x for name, x in inputs.items() if name != "slide"}
    model, expected = merge(blocks), merge(others)
    with torch.no_grad():
        first = model(inputs), model(part)
        model.load_state_dict(expected.state_dict())
        for ours, theirs, was in zip(
            (model(inputs), model(part)), (expected(inputs), expected(part)), first, strict=True
        ):
            torch.testing.assert_close(ours, theirs)
            assert not torch.allclose(ours, was)
        model.block("rna").head.linear.bias.add_(1.0)
        assert (model(inputs) - expected(inputs)).abs().max() > 0.1
        assert (model(part) - expected(part)).abs().max() > 0.1


def test_training_the_heads_changes_the_answer() -> None:
    blocks = family(2)
    model, inputs = merge(blocks), batch(blocks, 4)
    target = torch.tensor([0, 1, 2, 0])
    optimiser = torch.optim.Adam([p for b in model.blocks.values() for p in b.head.parameters()], lr=0.1)  # type: ignore[operator, union-attr]
    losses = []
    for _ in range(20):
        optimiser.zero_grad()
        loss = model.task.loss(model(inputs), target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    with torch.no_grad():
        assert model.task.loss(model(inputs), target).item() < losses[0]


def test_each_pattern_of_presence_has_its_head_merged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = family(3)
    model, inputs = merge(blocks), batch(blocks, 4)
    present = {"rna": torch.tensor([True, False, True, True]), "slide": torch.tensor([True, True, False, True])}
    with torch.no_grad():
        expected = model(inputs, present)
        monkeypatch.setattr(model, "merge_heads", None)  # calling it again would fail
        assert torch.equal(model(inputs, present), expected)


def test_kept_heads_can_be_trained_through_after_inference_mode() -> None:
    """Heads are frozen, the rest is not: the kept tensors take part in a graph."""
    blocks = family(3)
    model, part = merge(blocks), batch(blocks[:2], 2)
    for block in model.blocks.values():
        block.head.requires_grad_(False)  # type: ignore[operator, union-attr]
    with torch.inference_mode():
        expected = model(part)
    logits = model(part)
    torch.testing.assert_close(logits, expected)
    logits.sum().backward()
    assert model.block("rna").latent.grad is not None


@pytest.mark.parametrize("heads", HEADS)
def test_one_output_has_finite_gradients(heads: str) -> None:
    """The bias of a head that is one number wide has no direction for slerp to turn."""
    blocks = family(3, plate(Regression()))
    model = merge(blocks, heads=heads)
    model(batch(blocks, 2)).sum().backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(model).values())


# --- as a module


def test_predict_is_in_the_units_of_the_task_and_leaves_the_mode() -> None:
    blocks = family(2)
    model, inputs = LegoMerge(blocks), batch(blocks, 3)
    present = {"rna": torch.tensor([True, False, True])}
    prediction = model.predict(inputs, present)
    assert model.training
    torch.testing.assert_close(prediction.probabilities, model.eval()(inputs, present).softmax(1))


def test_a_batch_of_one_keeps_its_dimension() -> None:
    blocks = family(3)
    assert merge(blocks)(batch(blocks, 1)).shape == (1, 3)
    assert merge(blocks).spectrum(batch(blocks, 1)).shape == (1, 6, 8)


def test_a_state_comes_back_without_pickle() -> None:
    model, other = merge(family(3)), merge([trained(block) for block in family(3)], weights=[3, 2, 1])
    inputs = batch(family(3), 2)
    other.load_state_dict(load(save(model.state_dict())))
    assert torch.equal(other(inputs), model(inputs))


def test_a_copy_is_independent() -> None:
    model, inputs = merge(family(3)), batch(family(3), 2)
    with torch.no_grad():
        answer = model(inputs)
        twin = copy.deepcopy(model)
        for parameter in twin.parameters():
            parameter.add_(1.0)
        assert torch.equal(model(inputs), answer)
        assert not torch.allclose(twin(inputs), answer)


@pytest.mark.parametrize("way", WAYS)
def test_double_precision(way: Any) -> None:
    blocks = [block.double() for block in family(1)]
    blocks += [series_block(blocks[0].plate).double()]
    inputs = {"rna": torch.randn(2, 5, dtype=torch.float64), "vitals": torch.randn(2, 4, 3, dtype=torch.float64)}
    model = merge(blocks, **way).double()
    exact = model(inputs)
    assert exact.dtype == torch.float64
    single = copy.deepcopy(model).float()({name: x.float() for name, x in inputs.items()})
    torch.testing.assert_close(exact.float(), single, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("way", WAYS)
def test_bfloat16_autocast_stays_finite_and_close(way: Any) -> None:
    blocks = family(3)
    model, inputs = merge(blocks, **way), batch(blocks, 4)
    present = {"rna": torch.tensor([True, False, True, True])}
    exact = model(inputs, present)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(inputs, present)
        assert model.spectrum(inputs, present).dtype == torch.complex64
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(logits.float(), exact, rtol=0.1, atol=0.1)
    logits.float().sum().backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(model).values())


# PyTorch's own GRU assigns its weights anew while it is exported.
GRU_IN_EXPORT = pytest.mark.filterwarnings("ignore:The tensor attributes .*gru._flat_weights")


@GRU_IN_EXPORT
@pytest.mark.parametrize("way", WAYS)
def test_an_exported_merge_answers_as_the_eager_one(way: Any) -> None:
    on = plate(channels=7)
    model = merge([table_block(on), bag_block(on, ordered=True), series_block(on)], **way)
    inputs = {"rna": torch.randn(3, 5), "slide": torch.randn(3, 7, 4), "vitals": torch.randn(3, 6, 3)}
    program = torch.export.export(model, (inputs,))
    other = {name: torch.randn_like(x) for name, x in inputs.items()}
    for given_inputs in (inputs, other):
        torch.testing.assert_close(program.module()(given_inputs), model(given_inputs))


def test_an_exported_merge_takes_batches_of_any_size() -> None:
    on = plate(channels=7)
    model = merge([table_block(on), bag_block(on, ordered=True)])
    inputs = {"rna": torch.randn(3, 5), "slide": torch.randn(3, 7, 4)}
    free = {name: {0: torch.export.Dim.DYNAMIC} for name in inputs}
    program = torch.export.export(model, (inputs,), dynamic_shapes=(free,)).module()
    for b in (2, 3, 11):
        other = {"rna": torch.randn(b, 5), "slide": torch.randn(b, 7, 4)}
        torch.testing.assert_close(program(other), model(other))


@GRU_IN_EXPORT
def test_an_exported_merge_has_the_head_of_the_state_that_was_loaded() -> None:
    on = plate()
    model = merge([table_block(on), series_block(on)])
    other = merge([table_block(on, seed=7), series_block(on)])
    model.load_state_dict(other.state_dict())
    inputs = {"rna": torch.randn(3, 5), "vitals": torch.randn(3, 6, 3)}
    torch.testing.assert_close(torch.export.export(model, (inputs,)).module()(inputs), other(inputs))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: torch sees no CUDA device")
@pytest.mark.parametrize("way", WAYS)
def test_cpu_and_gpu_agree(way: Any) -> None:
    blocks = family(3)
    model, inputs = merge(blocks, **way), batch(blocks, 4)
    present = {"rna": torch.tensor([True, False, True, True])}
    expected = model(inputs, present)
    model.cuda()
    on_gpu = {name: x.to("cuda") for name, x in inputs.items()}
    for there in (present, {"rna": present["rna"].cuda()}):
        torch.testing.assert_close(model(on_gpu, there).cpu(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("heads", HEADS)
def test_the_head_follows_the_weights_when_they_change(heads: str) -> None:
    model = merge(family(2), rule="mean", heads=heads, weights=[0.5, 0.5])
    whole = (True, True)
    with torch.no_grad():
        model.kept_head(whole)
        model.weights.copy_(torch.tensor([0.9, 0.1]))
        kept, right = model.kept_head(whole), model.merge_heads(whole)
    assert_same(kept, right)
