"""One read-out for all blocks: merging in its coordinates loses nothing, and absent evidence is neutral."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmlego import LegoFuse, LegoMerge, LegoWarning, Ragged
from mmlego.errors import InputError
from mmlego.merge.weights import present_weights
from mmlego.readout import read_out, to_common
from mmlego.tasks import Classification, MultiLabel, Regression, Survival, Task
from tests import strategies
from tests.bricks import batch, doubled, family, gradients, plate, snapshot, table_block

TASKS: list[Task] = [Classification(3), MultiLabel(["a", "b"]), Survival([1.0, 2.0]), Regression()]
tasks = st.sampled_from(TASKS)


def with_priors(blocks: list[Any]) -> list[Any]:
    for i, block in enumerate(blocks):
        block.card.prior = torch.linspace(-1, 1 + i, block.task.outputs).tolist()
    return blocks


def logits_of(blocks: list[Any], inputs: Any) -> Tensor:
    return torch.stack([block.double()(inputs[block.modality]).logits for block in blocks])  # (m, b, k)


def flags(blocks: list[Any], present: Tensor) -> dict[str, Tensor]:
    return {block.modality: row for block, row in zip(blocks, present, strict=True)}


@given(tasks, st.integers(2, 5), st.sampled_from([6, 7]), st.data())
def test_the_mean_of_spectra_is_the_mean_of_logits(task: Task, count: int, channels: int, data: st.DataObject) -> None:
    blocks = with_priors(family(count, plate(task, channels=channels)))
    weights, present = data.draw(strategies.shares(count)), data.draw(strategies.presence(count, 4))
    inputs, shares = doubled(batch(blocks, 4)), present_weights(weights, present)
    with torch.no_grad():
        each = logits_of([copy.deepcopy(block) for block in blocks], inputs)
        expected = (shares[:, :, None] * each).sum(0)
        for way in ({"rule": "mean"}, {"rule": "residual", "strength": 1.0}):
            model = LegoMerge(blocks, **way, weights=weights.tolist()).eval().double()
            torch.testing.assert_close(model(inputs, flags(blocks, present)), expected, rtol=1e-5, atol=1e-6)
            # ... and the logits are read off the merged spectrum.
            mean = model.spectrum(inputs, flags(blocks, present)).real.mean(1)
            read = mean @ model.readout.T + shares.T.to(mean) @ model.priors
            torch.testing.assert_close(read, expected, rtol=1e-5, atol=1e-6)


@given(st.integers(2, 5), st.data())
def test_evidence_adds_up_by_the_root_of_the_modalities_that_are_there(count: int, data: st.DataObject) -> None:
    blocks = with_priors(family(count))
    weights, present = data.draw(strategies.shares(count)), data.draw(strategies.presence(count, 4))
    inputs, shares = doubled(batch(blocks, 4)), present_weights(weights, present)
    priors = torch.tensor([block.card.prior for block in blocks], dtype=torch.float64)
    with torch.no_grad():
        each = logits_of([copy.deepcopy(block) for block in blocks], inputs) - priors[:, None]
        said = (shares[:, :, None] * each).sum(0) / shares.square().sum(0).sqrt()[:, None]
        expected = said + shares.T @ priors
        model = LegoMerge(blocks, weights=weights.tolist()).eval().double()
        torch.testing.assert_close(model(inputs, flags(blocks, present)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_one_modality_alone_is_that_blocks_own_answer(task: Task) -> None:
    blocks = with_priors(family(3, plate(task)))
    model, inputs = LegoMerge(blocks).eval(), batch(blocks, 3)
    for block in blocks:
        alone = {block.modality: inputs[block.modality]}
        torch.testing.assert_close(model(alone), block(alone[block.modality]).logits, rtol=1e-4, atol=1e-5)


@given(st.integers(2, 5), st.data())
def test_a_missing_modality_equals_a_merge_without_that_block(count: int, data: st.DataObject) -> None:
    blocks = with_priors(family(count))
    weights = data.draw(strategies.shares(count)).tolist()
    present = data.draw(strategies.presence(count, 1))[:, 0].tolist()
    here = [i for i, there in enumerate(present) if there]
    inputs = doubled(batch(blocks, 3))
    part = {blocks[i].modality: inputs[blocks[i].modality] for i in here}
    whole = LegoMerge(blocks, weights=weights).eval().double()
    without = LegoMerge([blocks[i] for i in here], weights=[weights[i] for i in here]).eval().double()
    with torch.no_grad():
        torch.testing.assert_close(whole(part), without(part), rtol=1e-5, atol=1e-6)


def test_copies_of_one_block_give_that_block_at_strength_one() -> None:
    original = with_priors([table_block(plate())])[0]
    copies = [copy.deepcopy(original) for _ in range(3)]
    for i, block in enumerate(copies):
        block.modality = f"copy {i}"
    x = torch.randn(3, 5)
    model = LegoMerge(copies, strength=1.0).eval()
    torch.testing.assert_close(model(dict.fromkeys(model.modalities, x)), original(x).logits, rtol=1e-4, atol=1e-5)


def test_a_block_with_nothing_to_say_is_neutral() -> None:
    blocks = with_priors(family(2))
    for block in blocks:
        block.card.prior = [0.5, 0.0, -0.5]
    with torch.no_grad():
        blocks[1].head.linear.weight.zero_()
        blocks[1].head.linear.bias.copy_(torch.tensor([0.5, 0.0, -0.5]))
    model, inputs = LegoMerge(blocks, strength=2.0).eval(), batch(blocks, 3)
    # Half the weight and twice the strength: what the other says, as if it were alone.
    torch.testing.assert_close(model(inputs), blocks[0](inputs[blocks[0].modality]).logits, rtol=1e-4, atol=1e-5)


def test_the_joint_leaves_all_but_the_read_out_alone() -> None:
    block = table_block(plate())
    inputs = torch.randn(4, 5)
    spectrum = block.run(block.tokens(inputs))
    read, head = read_out(block.plate), dict(block.head.named_parameters())
    rows, mean = spectrum.rows(), spectrum.mean()
    turned = to_common(rows, mean, head, read, torch.zeros(3))
    mute = {**head, "linear.weight": read, "linear.bias": torch.zeros(3)}
    plain = to_common(rows, mean, mute, read, torch.zeros(3))
    away = torch.eye(read.shape[1]) - read.T @ read
    torch.testing.assert_close(turned.real @ away, plain.real @ away)
    torch.testing.assert_close(turned.imag @ away, plain.imag @ away)


def test_gradients_flow_and_nothing_is_changed() -> None:
    blocks = with_priors(family(3))
    model, inputs = LegoMerge(blocks), batch(blocks, 3)
    before = snapshot(model)
    model(inputs).square().sum().backward()
    assert all(name in gradients(model) for name, _ in model.named_parameters() if ".head." in name)
    after = snapshot(model)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_tuned_in_parallel_it_starts_as_the_merge_for_every_pattern() -> None:
    blocks = with_priors(family(3))
    merge, fuse = LegoMerge(blocks).eval(), LegoFuse(blocks, mode="parallel").eval()
    inputs = batch(blocks, 4)
    present = flags(blocks, torch.tensor([[1, 1, 0, 0], [1, 0, 1, 1], [1, 1, 1, 0]]).bool())
    for there in (None, present):
        torch.testing.assert_close(fuse(inputs, there), merge(inputs, there))
    fuse.train()(inputs, present).square().sum().backward()
    moved = gradients(fuse)
    assert {"head.weight", "head.bias"} <= moved.keys()
    assert all(f"blocks.{block.modality}.head.linear.weight" in moved for block in blocks)


def test_blocks_that_do_not_say_their_prior_have_that_of_their_head() -> None:
    blocks = family(3)
    blocks[0].card.prior, blocks[1].card.prior = [1, 0, 0], ["no", "number", "at all"]
    priors = LegoMerge(blocks).priors
    torch.testing.assert_close(priors[0], torch.tensor([1.0, 0.0, 0.0]))
    for i in (1, 2):
        head = blocks[i].head
        torch.testing.assert_close(priors[i], head(torch.full((1, 8), 0.7))[0].detach())


def test_more_outputs_than_columns_fall_back_to_merged_heads() -> None:
    blocks = family(2, plate(Classification(9)))
    with pytest.warns(LegoWarning, match="no room for a common read-out of 9 outputs") as caught:
        model = LegoMerge(blocks)
    assert model.heads == "slerp"
    assert caught[0].filename == __file__
    assert model(batch(blocks, 2)).shape == (2, 9)


def test_the_preset_of_the_paper() -> None:
    blocks = with_priors(family(3))
    for block in blocks:
        block.card.validation["auroc"] = 0.9
    paper = LegoMerge(blocks, preset="paper")
    assert (paper.rule, paper.phase, paper.heads, paper.strength) == ("harmonic", "mean", "slerp", 1.0)
    assert paper.weights.tolist() == pytest.approx([1 / 3] * 3)
    with pytest.raises(InputError, match="preset of a LegoMerge: expected 'paper' or None, got 'papers'"):
        LegoMerge(blocks, preset="papers")  # type: ignore[arg-type]


def test_ragged_bags_merge_in_common_coordinates() -> None:
    blocks = with_priors(family(2))
    bags = [torch.randn(n, 4) for n in (3, 8)]
    model = LegoMerge(blocks, strength=1.0).eval()
    inputs = {"rna": torch.randn(2, 5), "slide": Ragged.from_list(bags)}
    expected = (blocks[0](inputs["rna"]).logits + blocks[1](inputs["slide"]).logits) / 2
    torch.testing.assert_close(model(inputs), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_evidence_is_strengthened_where_it_adds_up_alone(task: Task) -> None:
    blocks = with_priors(family(3, plate(task)))
    inputs = doubled(batch(blocks, 4))
    with torch.no_grad():
        found, plain = (
            LegoMerge(blocks, weights="uniform", strength=strength).eval().double()(inputs)
            for strength in ("auto", 1.0)
        )
    assert torch.equal(found, plain) == (task.name in ("survival", "regression"))


def test_the_read_out_points_where_the_start_does() -> None:
    """A decomposition leaves the sign of each row open, and machines choose differently."""
    for seed in range(4):
        on = plate(Classification(3), seed=seed)
        along = (read_out(on) @ on.initial["head.linear.weight"].T).diagonal()
        assert (along > 0).all()


def test_what_a_block_says_whoever_comes_has_no_phase() -> None:
    """The constant of the joint is real: a spectrum without imaginary part has none in common coordinates either."""
    block = table_block(plate(Classification(3)))
    head = {name: value.detach() + 0.3 for name, value in block.head.named_parameters()}
    d = block.plate.width
    rows = torch.complex(torch.randn(2, 4, d), torch.zeros(2, 4, d))
    common = to_common(rows, torch.randn(2, d), head, read_out(block.plate), torch.tensor([0.1, 0.2, -0.3]))
    assert torch.equal(common.imag, torch.zeros(2, 4, d))
    assert common.real.mean((0, 1)).abs().max() > 0.1
