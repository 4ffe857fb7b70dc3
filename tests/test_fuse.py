"""LegoFuse: each mode against the method written plainly, and the laws of method, §5."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor, nn

from mmlego import LegoBlock, LegoFuse, LegoMerge, LegoWarning
from mmlego.encoders import SNN
from mmlego.fuse import Mode
from tests import strategies
from tests.bricks import assert_same, batch, doubled, family, gradients, only, plate, snapshot, trained
from tests.plain import plain_step

MODES = list(get_args(Mode))
IN_SEQUENCE = ["stack", "weave"]
modes = st.sampled_from(MODES)


def flags(blocks: Sequence[LegoBlock], present: Tensor) -> dict[str, Tensor]:
    return {block.modality: row for block, row in zip(blocks, present, strict=True)}


def turns(mode: str, order: Sequence[str], steps: int) -> Iterator[tuple[str, int]]:
    if mode == "stack":
        for name in order:
            for s in range(steps):
                yield name, s
    else:
        for s in range(steps):
            for name in order:
                yield name, s


def plain_fuse(fuse: LegoFuse, inputs: dict[str, Any]) -> Tensor:
    """One sample, without batch dimension: the latent goes from step to step through full complex FFTs."""
    on = fuse.plate
    spatial = on.domain == "spatial"
    latent = None
    order = [name for name in fuse.order if name in inputs]
    for name, s in turns(fuse.mode, order, on.steps):
        block, x = fuse.block(name), inputs[name]
        tokens = block.encoder(x[None])
        tokens = (tokens[:, None] if tokens.ndim == 2 else tokens)[0]
        if block.ordered and not spatial:
            tokens = torch.fft.fft(tokens, dim=0).real
        latent = block.latent + 0j if latent is None else latent
        if on.normalise:
            latent = latent / latent.abs().square().sum(0).sqrt()
        spectrum = plain_step(block, tokens, latent if spatial else torch.fft.fft(latent, dim=0), s)
        kept = spectrum.real + 0j if on.state == "untracked" else spectrum
        latent = kept if spatial else torch.fft.ifft(kept, dim=0)
        if on.state == "real":
            latent = latent.real + 0j
    return spectrum


def one_sample(inputs: dict[str, Any], i: int, names: Sequence[str]) -> dict[str, Any]:
    taken = only(inputs, [i], names)
    return {name: x[0] if isinstance(x, Tensor) else x.values for name, x in taken.items()}


@pytest.mark.parametrize("mode", IN_SEQUENCE)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"channels": 7, "steps": 3},
        {"channels": 7, "steps": 3, "share_steps": False},
        {"state": "real"},
        {"state": "untracked"},
        {"normalise": False},
        {"domain": "spatial"},
        {"domain": "spatial", "state": "real"},
    ],
    ids=str,
)
@given(st.data())
def test_blocks_in_sequence_agree_with_the_plain_form_whoever_is_missing(
    mode: Any, options: dict[str, Any], data: st.DataObject
) -> None:
    count, b = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    blocks = [block.double() for block in family(count, plate(**options))]
    order = data.draw(st.permutations([block.modality for block in blocks]))
    fuse = LegoFuse(blocks, mode=mode, order=order).double().eval()
    inputs, present = doubled(batch(blocks, b)), data.draw(strategies.presence(count, b))
    spectrum, logits = fuse.spectrum(inputs, flags(blocks, present)), fuse(inputs, flags(blocks, present))
    for i in range(b):
        here = [block.modality for k, block in enumerate(blocks) if present[k, i]]
        expected = plain_fuse(fuse, one_sample(inputs, i, here))
        torch.testing.assert_close(spectrum[i], expected, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(logits[i], fuse.head(expected.real.mean(0)), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("mode", IN_SEQUENCE)
def test_gradients_of_blocks_in_sequence_agree_with_the_plain_form(mode: Any) -> None:
    blocks = [block.double() for block in family(3, plate(channels=7, steps=2))]
    fuse = LegoFuse(blocks, mode=mode).double().eval()
    inputs = doubled(batch(blocks, 2))
    present = torch.tensor([[True, False], [True, True], [True, True]])
    fuse(inputs, flags(blocks, present)).square().sum().backward()
    ours = gradients(fuse)
    fuse.zero_grad()
    for i in range(2):
        here = [block.modality for k, block in enumerate(blocks) if present[k, i]]
        fuse.head(plain_fuse(fuse, one_sample(inputs, i, here)).real.mean(0)).square().sum().backward()
    theirs = gradients(fuse)
    for name in ours.keys() | theirs.keys():
        zero = torch.zeros_like(dict(fuse.named_parameters())[name])
        torch.testing.assert_close(ours.get(name, zero), theirs.get(name, zero), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("mode", MODES)
def test_one_block_alone_is_its_own_answer(mode: Any) -> None:
    for block in family(3, plate(channels=7)):
        inputs = batch([block], 3)
        fuse, expected = LegoFuse([block], mode=mode, heads="slerp").eval(), block(inputs[block.modality])
        torch.testing.assert_close(fuse(inputs), expected.logits)
        torch.testing.assert_close(fuse.spectrum(inputs), expected.spectrum)


@given(modes, st.integers(1, 5), st.data())
def test_a_missing_modality_is_skipped(mode: Any, count: int, data: st.DataObject) -> None:
    """As if the model had never had that block; but in sequence, one head reads all that comes."""
    blocks = family(count)
    fuse, inputs = LegoFuse(blocks, mode=mode).eval(), batch(blocks, 3)
    present = data.draw(strategies.presence(count, 1))[:, 0]
    here = [block for block, there in zip(blocks, present.tolist(), strict=True) if there]
    without = LegoFuse(here, mode=mode).eval()
    if mode != "parallel":
        without.head.load_state_dict(fuse.head.state_dict())
    part = {block.modality: inputs[block.modality] for block in here}
    torch.testing.assert_close(fuse(part), without(part))
    everywhere = present[:, None].expand(-1, 3)
    torch.testing.assert_close(fuse(inputs, flags(blocks, everywhere)), without(part))


# --- laws


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("share_steps", [False, True])
def test_every_unfrozen_block_receives_gradient(mode: Any, gaps: bool, share_steps: bool) -> None:
    blocks = family(4, plate(share_steps=share_steps))
    fuse = LegoFuse(blocks, mode=mode)
    present = torch.tensor([[True, False, False], [False, True, False], [True] * 3, [True] * 3]) if gaps else None
    fuse(batch(blocks, 3), None if present is None else flags(blocks, present)).square().sum().backward()
    for block in fuse.blocks.values():
        moved = {name for name, grad in gradients(block).items() if grad.abs().max() > 0}
        steps = {name.split(".")[1] for name in moved if name.startswith("steps.")}
        assert any(name.startswith("encoder.") for name in moved)
        assert steps == ({"0"} if share_steps else {"0", "1"})
    assert all(parameter.grad is not None for parameter in fuse.head.parameters())


@pytest.mark.parametrize("mode", MODES)
def test_forward_changes_nothing_and_can_be_called_twice(mode: Any) -> None:
    blocks = family(3)
    fuse, inputs = LegoFuse(blocks, mode=mode).eval(), batch(blocks, 3)
    before = snapshot(fuse)
    identities = [id(parameter) for parameter in fuse.parameters()]
    first, second = fuse(inputs), fuse(inputs)
    assert torch.equal(first, second)
    (first.sum() + second.sum()).backward()
    assert_same(before, snapshot(fuse))
    assert identities == [id(parameter) for parameter in fuse.parameters()]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("freeze", [None, "encoders", "blocks"])
def test_building_and_tuning_leave_the_source_blocks_as_they_were(mode: Any, freeze: Any) -> None:
    blocks = family(3)
    before = [snapshot(block) for block in blocks]
    wanted = [[p.requires_grad for p in block.parameters()] for block in blocks]
    fuse = LegoFuse(blocks, mode=mode, freeze=freeze).train()
    optimiser = torch.optim.SGD(fuse.parameters(), lr=0.1)
    fuse(batch(blocks, 3)).sum().backward()
    optimiser.step()
    for block, was, grads in zip(blocks, before, wanted, strict=True):
        assert_same(was, snapshot(block))
        assert [p.requires_grad for p in block.parameters()] == grads
        assert not block.training


def test_the_head_starts_from_the_merged_head() -> None:
    blocks = family(3)
    weights = [1.0, 2.0, 3.0]
    expected = LegoMerge(blocks, weights=weights).merge_heads([True] * 3)
    fuse = LegoFuse(blocks, mode="stack", weights=weights)
    for name, value in fuse.head.state_dict().items():
        assert torch.equal(value, expected[name])
    assert all(parameter.requires_grad for parameter in fuse.head.parameters())


# --- order


@pytest.mark.parametrize("mode", IN_SEQUENCE)
def test_order_is_stored_and_counts(mode: Any) -> None:
    blocks = family(3)
    inputs, names = batch(blocks, 2), [block.modality for block in blocks]
    fuse, other = LegoFuse(blocks, mode=mode).eval(), LegoFuse(blocks, mode=mode, order=names[::-1]).eval()
    assert fuse.order == tuple(names)
    assert other.order == tuple(names[::-1])
    assert other.modalities == tuple(names)
    assert (fuse(inputs) - other(inputs)).abs().max() > 1e-3
    torch.testing.assert_close(LegoFuse(blocks[::-1], mode=mode, order=names).eval()(inputs), fuse(inputs))


# --- what is tuned


def normed(on: Any, modality: str) -> LegoBlock:
    encoder = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
    return trained(LegoBlock(encoder, on, modality, out_features=6))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("freeze", ["encoders", "blocks"])
def test_what_is_frozen_stays_as_it_is(mode: Any, freeze: Any) -> None:
    on = plate()
    fuse = LegoFuse([normed(on, "rna"), normed(on, "cnv")], mode=mode, freeze=freeze)
    before = snapshot(fuse)
    optimiser = torch.optim.SGD(fuse.parameters(), lr=0.1)
    for _ in range(2):
        fuse.train()
        fuse({"rna": torch.randn(4, 5), "cnv": torch.randn(4, 5)}).square().sum().backward()
        optimiser.step()
    after = snapshot(fuse)
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert not any(".encoder." in name for name in changed)
    assert any(name.startswith("head.") for name in changed)
    assert any(name.startswith("blocks.") for name in changed) == (freeze == "encoders")
    for block in fuse.blocks.values():
        assert not any(module.training for module in block.encoder.modules())  # type: ignore[operator, union-attr]
        assert block.training == (freeze == "encoders")


def test_nothing_is_frozen_by_default_but_what_was() -> None:
    on = plate()
    frozen = trained(LegoBlock(SNN(5), on, "rna", freeze_encoder=True))
    for mode in get_args(Mode):
        fuse = LegoFuse([frozen, normed(on, "cnv")], mode=mode).train()
        tuned = {name for name, parameter in fuse.named_parameters() if parameter.requires_grad}
        assert not any(name.startswith("blocks.rna.encoder.") for name in tuned)
        assert any(name.startswith("blocks.cnv.encoder.") for name in tuned)
        # In sequence each block's own head is out of use; in parallel it is the joint before the common read-out.
        assert any(name.startswith("blocks.") and ".head." in name for name in tuned) == (mode == "parallel")


@pytest.mark.parametrize("mode", MODES)
def test_a_short_tuning_lowers_the_loss(mode: Any) -> None:
    blocks = family(3)
    fuse, inputs, target = LegoFuse(blocks, mode=mode), batch(blocks, 6), torch.tensor([0, 1, 2, 0, 1, 2])
    optimiser = torch.optim.Adam(fuse.parameters(), lr=0.02)
    losses = []
    for _ in range(20):
        optimiser.zero_grad()
        loss = fuse.task.loss(fuse(inputs), target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


# --- modality dropout


def kept_by(fuse: LegoFuse, inputs: dict[str, Any], present: dict[str, Tensor] | None = None) -> Tensor:
    read = fuse.read(inputs, present)
    b = read.size
    return torch.ones(len(fuse.blocks), b, dtype=torch.bool) if read.present is None else read.present


def test_modality_dropout_leaves_out_as_often_as_told_and_never_all() -> None:
    blocks = family(3)
    fuse, inputs = LegoFuse(blocks, modality_dropout=0.3).train(), batch(blocks, 3000)
    kept = kept_by(fuse, inputs)
    assert kept.any(0).all()
    # With three modalities all are dropped with probability p³; then one is kept all the same.
    expected = 0.7 + 0.3**3 / 3
    assert (kept.float().mean(1) - expected).abs().max() < 0.03


def test_modality_dropout_brings_nothing_back() -> None:
    blocks = family(3)
    fuse, inputs = LegoFuse(blocks, modality_dropout=0.9).train(), batch(blocks, 200)
    present = torch.rand(3, 200) < 0.5
    present[0] |= ~present.any(0)
    kept = kept_by(fuse, inputs, flags(blocks, present))
    assert not (kept & ~present).any()
    assert kept.any(0).all()
    assert kept.sum() < 0.8 * present.sum()


def test_modality_dropout_rests_outside_training() -> None:
    blocks = family(3)
    fuse, inputs = LegoFuse(blocks, modality_dropout=0.9).eval(), batch(blocks, 20)
    assert kept_by(fuse, inputs).all()
    assert torch.equal(fuse(inputs), LegoFuse(blocks).eval()(inputs))
    assert fuse.train().predict(inputs).probabilities.shape == (20, 3)


@pytest.mark.parametrize("mode", MODES)
def test_modality_dropout_trains(mode: Any) -> None:
    blocks = family(3)
    fuse = LegoFuse(blocks, mode=mode, modality_dropout=0.5).train()
    fuse(batch(blocks, 20)).square().sum().backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(fuse).values())


# --- as a module


@pytest.mark.parametrize("mode", MODES)
def test_a_batch_of_one_and_predict(mode: Any) -> None:
    blocks = family(3)
    fuse, inputs = LegoFuse(blocks, mode=mode), batch(blocks, 1)
    assert fuse(inputs).shape == (1, 3)
    assert fuse.spectrum(inputs).shape == (1, 6, 8)
    torch.testing.assert_close(fuse.predict(inputs).probabilities, fuse.eval()(inputs).softmax(1))


@pytest.mark.parametrize("mode", MODES)
def test_a_state_comes_back_without_pickle_and_a_copy_is_independent(mode: Any) -> None:
    blocks, others = family(3), [trained(block, seed=50) for block in family(3)]
    fuse, other, inputs = LegoFuse(blocks, mode=mode).eval(), LegoFuse(others, mode=mode).eval(), batch(blocks, 2)
    assert not torch.allclose(other(inputs), fuse(inputs))
    other.load_state_dict(load(save(fuse.state_dict())))
    assert torch.equal(other(inputs), fuse(inputs))
    answer, twin = fuse(inputs), copy.deepcopy(fuse)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(0.5)
    assert torch.equal(fuse(inputs), answer)


@pytest.mark.parametrize("mode", MODES)
def test_bfloat16_autocast_stays_finite_and_close(mode: Any) -> None:
    blocks = family(3)
    fuse, inputs = LegoFuse(blocks, mode=mode).eval(), batch(blocks, 4)
    present = {"rna": torch.tensor([True, False, True, True])}
    exact = fuse(inputs, present)
    with torch.autocast("cpu", torch.bfloat16):
        logits = fuse(inputs, present)
        assert fuse.spectrum(inputs, present).dtype == torch.complex64
    torch.testing.assert_close(logits.float(), exact, rtol=0.15, atol=0.15)
    logits.float().sum().backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(fuse).values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: torch sees no CUDA device")
@pytest.mark.parametrize("mode", MODES)
def test_cpu_and_gpu_agree(mode: Any) -> None:
    blocks = family(3)
    fuse, inputs = LegoFuse(blocks, mode=mode).eval(), batch(blocks, 4)
    present = {"rna": torch.tensor([True, False, True, True])}
    expected = fuse(inputs, present)
    fuse.cuda()
    with torch.backends.cudnn.flags(allow_tf32=False):  # by default convolutions and GRUs round to ten bits there
        on_gpu = fuse({name: x.to("cuda") for name, x in inputs.items()}, present)
    torch.testing.assert_close(on_gpu.cpu(), expected, rtol=1e-3, atol=1e-3)


def test_blocks_of_unequal_steps_take_turns_until_each_has_taken_its_own() -> None:
    """Weaving goes on for as long as anyone has a step left, and asks nobody for more."""
    blocks = [
        LegoBlock(SNN(3, hidden=(4,)), plate(steps=steps), name) for name, steps in (("a", 1), ("b", 3), ("c", 2))
    ]
    with pytest.warns(LegoWarning):
        fuse = LegoFuse(blocks, mode="weave", rule="mean", heads="slerp", allow_mismatch=True)
    assert list(fuse._schedule()) == [("a", 0), ("b", 0), ("c", 0), ("b", 1), ("c", 1), ("b", 2)]
    with pytest.warns(LegoWarning):
        fuse = LegoFuse(blocks, mode="stack", rule="mean", heads="slerp", allow_mismatch=True)
    assert list(fuse._schedule()) == [("a", 0), ("b", 0), ("b", 1), ("b", 2), ("c", 0), ("c", 1)]
    assert fuse({name: torch.randn(2, 3) for name in "abc"}).shape == (2, fuse.task.outputs)
