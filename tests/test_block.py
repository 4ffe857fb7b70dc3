"""LegoBlock as an object: how it is made, frozen, copied, called."""

from __future__ import annotations

import copy

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from mmlego import Baseplate, BlockOutput, InputError, LegoBlock, LegoError, Ragged, ShapeError, evaluate, fit
from mmlego.encoders import SNN, GRUEncoder, PatchMLP
from mmlego.tasks import Classification
from tests.bricks import Custom, assert_same, gradients, plate, snapshot, table_block


def test_a_block_starts_from_the_values_of_its_plate() -> None:
    on = plate(share_steps=False, steps=3)
    first, second = LegoBlock(SNN(5), on, "rna"), LegoBlock(PatchMLP(4), on, "slide")
    for block in (first, second):
        state = block.state_dict()
        for name, value in on.initial.items():
            assert torch.equal(state[name], value), name
    with torch.no_grad():
        first.latent.add_(1.0)
    assert torch.equal(second.latent, on.initial["latent"])


def test_the_initial_values_leave_out_nothing_but_what_depends_on_the_tokens() -> None:
    block = LegoBlock(SNN(5), plate(), "rna")
    own = {name for name in block.state_dict() if name not in block.plate.initial and not name.startswith("encoder.")}
    parts = ("norm_context.weight", "norm_context.bias", "to_k.weight", "to_v.weight")
    assert own == {f"steps.0.attention.{part}" for part in parts}


def test_what_a_block_answers() -> None:
    block = table_block(plate())
    output = block(torch.randn(4, 5))
    assert isinstance(output, BlockOutput)
    assert output.spectrum.shape == (4, 6, 8)
    assert output.spectrum.dtype == torch.complex64
    assert output.logits.shape == (4, 3)
    assert block.task == Classification(3)
    assert block.modalities == ("rna",)
    assert "modality='rna'" in repr(block)


def test_a_batch_of_one_keeps_its_dimension_and_its_answer() -> None:
    block, x = table_block(plate()), torch.randn(3, 5)
    alone = block(x[:1])
    assert alone.spectrum.shape == (1, 6, 8)
    assert alone.logits.shape == (1, 3)
    torch.testing.assert_close(alone.logits, block(x).logits[:1])


def test_the_encoder_is_called_once_a_forward() -> None:
    encoder = Custom(lambda x: x)
    block = LegoBlock(encoder, plate(steps=4), "x", out_features=5)
    block(torch.randn(2, 3, 5))
    assert encoder.calls == 1


@pytest.mark.parametrize("share_steps", [True, False])
def test_all_parameters_that_count_receive_gradient(share_steps: bool) -> None:
    block = LegoBlock(PatchMLP(4, 6, 6), plate(share_steps=share_steps), "slide")
    block(torch.randn(3, 5, 4)).logits.square().sum().backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    moved = {name for name, grad in gradients(block).items() if grad.abs().max() > 0}
    assert {"latent", "encoder.0.weight", "head.linear.bias", "steps.0.attention.to_k.weight"} <= moved


def test_training_changes_nothing_but_the_parameters_in_use() -> None:
    block = LegoBlock(SNN(5, dropout=0.0), plate(), "rna")
    before = snapshot(block)
    block(torch.randn(3, 5)).logits.sum().backward()
    assert_same(before, snapshot(block))


def test_dropout_of_the_plate_acts_in_training_alone() -> None:
    block, x = LegoBlock(SNN(5, dropout=0.0), plate(dropout=0.5), "rna"), torch.randn(3, 5)
    assert not torch.equal(block(x).logits, block(x).logits)
    block.eval()
    assert torch.equal(block(x).logits, block(x).logits)


def test_predict_is_in_the_units_of_the_task_and_leaves_the_mode() -> None:
    block, x = LegoBlock(SNN(5), plate(), "rna"), torch.randn(3, 5)
    prediction = block.predict(x)
    torch.testing.assert_close(prediction.probabilities.sum(1), torch.ones(3))
    assert not prediction.probabilities.requires_grad
    assert torch.equal(block.predict(x).probabilities, prediction.probabilities)  # no dropout
    assert block.training
    with pytest.raises(LegoError):
        block.predict(torch.full((3, 5), float("nan")))
    assert block.training


# --- the width of the tokens


def test_width_is_declared_by_the_encoder_or_by_the_caller() -> None:
    assert LegoBlock(SNN(5, hidden=(4, 9)), plate(), "rna").token_width == 9
    assert LegoBlock(nn.ReLU(), plate(), "rna", out_features=7).token_width == 7


@pytest.mark.parametrize(
    "sample",
    [
        torch.randn(2, 3, 5),
        (torch.randn(2, 3, 5), torch.tensor([[True, False, True], [True, True, True]])),
        Ragged(torch.randn(4, 5), [1, 3]),
    ],
    ids=["tensor", "with mask", "ragged"],
)
def test_width_is_found_by_a_dry_run(sample: torch.Tensor) -> None:
    encoder = nn.Sequential(nn.Linear(5, 6), nn.Dropout(), nn.Linear(6, 11))
    assert LegoBlock(encoder, plate(), "x", sample=sample).token_width == 11


def test_a_dry_run_leaves_no_trace() -> None:
    encoder = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout())
    before = snapshot(encoder)
    LegoBlock(encoder, plate(), "x", sample=torch.randn(4, 5))
    assert_same(before, snapshot(encoder))
    assert encoder.training


def test_a_dry_run_leaves_the_random_numbers_as_they_were() -> None:
    noisy, sample = Custom(lambda x: x + torch.randn_like(x)), torch.randn(4, 5)
    torch.manual_seed(3)
    found = LegoBlock(noisy, plate(), "x", sample=sample)
    torch.manual_seed(3)
    assert_same(snapshot(found), snapshot(LegoBlock(noisy, plate(), "x", out_features=5)))


def test_a_dry_run_settles_lazy_layers() -> None:
    block = LegoBlock(
        nn.Sequential(nn.LazyLinear(6), nn.ReLU(), nn.LazyLinear(7)), plate(), "x", sample=torch.randn(2, 5)
    )
    assert block.token_width == 7
    assert block(torch.randn(3, 5)).logits.shape == (3, 3)
    assert all(not isinstance(p, nn.UninitializedParameter) for p in block.parameters())


def test_a_width_that_is_not_known_is_asked_for() -> None:
    with pytest.raises(InputError, match=r"width of the tokens of modality 'x' is not known.*sample="):
        LegoBlock(nn.ReLU(), plate(), "x")


def test_a_width_that_is_wrong_is_refused() -> None:
    with pytest.raises(ShapeError, match="disagrees with the encoder: expected 6, got 7"):
        LegoBlock(nn.Linear(5, 6), plate(), "x", out_features=7, sample=torch.randn(2, 5))
    with pytest.raises(ShapeError, match="another width than declared: expected 7, got 5"):
        LegoBlock(nn.ReLU(), plate(), "x", out_features=7)(torch.randn(2, 3, 5))


# --- what the encoder says of its tokens


def test_order_is_what_the_encoder_says_unless_the_caller_does() -> None:
    assert LegoBlock(GRUEncoder(3), plate(), "x").ordered
    assert not LegoBlock(PatchMLP(3), plate(), "x").ordered
    assert not LegoBlock(nn.Linear(3, 4), plate(), "x").ordered
    assert LegoBlock(PatchMLP(3), plate(), "x", ordered=True).ordered
    assert not LegoBlock(GRUEncoder(3), plate(), "x", ordered=False).ordered


def test_a_foreign_encoder_can_be_said_to_work_token_by_token() -> None:
    """Then a ragged batch is encoded in one call."""
    for tokenwise, calls in ((True, 1), (None, 3)):
        encoder = Custom(lambda x: 2 * x)
        block = LegoBlock(encoder, plate(), "x", out_features=5, tokenwise=tokenwise)
        block(Ragged(torch.randn(6, 5), [1, 2, 3]))
        assert encoder.calls == calls


# --- frozen encoders


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))


@pytest.mark.parametrize("how", ["by argument", "already frozen", "later"])
def test_a_frozen_encoder_stays_frozen_and_in_eval_mode(how: str) -> None:
    encoder = normed()
    if how == "already frozen":
        encoder.requires_grad_(False)
    block = LegoBlock(encoder, plate(), "x", out_features=6, freeze_encoder=True if how == "by argument" else None)
    if how == "later":
        assert not block.encoder_frozen
        assert block.freeze_encoder() is block
    before = snapshot(block.encoder)
    optimiser = torch.optim.SGD(block.parameters(), lr=0.1)
    for _ in range(2):
        block.train()
        assert block.training
        assert not any(module.training for module in block.encoder.modules())
        block(torch.randn(4, 5)).logits.sum().backward()
        optimiser.step()
    assert all(p.grad is None for p in block.encoder.parameters())
    assert_same(before, snapshot(block.encoder))  # the running statistics of the BatchNorm above all
    assert not torch.equal(block.latent, block.plate.initial["latent"])


def test_an_encoder_that_is_not_frozen_trains() -> None:
    block = LegoBlock(normed(), plate(), "x", out_features=6)
    before = snapshot(block.encoder)
    block.train()
    block(torch.randn(4, 5))
    assert not torch.equal(before["1.running_mean"], snapshot(block.encoder)["1.running_mean"])
    assert not LegoBlock(nn.ReLU(), plate(), "x", out_features=6).encoder_frozen  # no parameters, nothing to freeze


def test_a_frozen_encoder_can_be_freed_by_argument() -> None:
    encoder = normed().requires_grad_(False)
    assert not LegoBlock(encoder, plate(), "x", out_features=6, freeze_encoder=False).encoder_frozen


# --- copies, dtypes


def test_a_copy_shares_nothing_but_the_plate() -> None:
    block, x = table_block(plate()), torch.randn(2, 5)
    twin = copy.deepcopy(block)
    assert twin.plate is block.plate
    assert torch.equal(twin(x).logits, block(x).logits)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1.0)
    twin.card.validation["auroc"] = 0.9
    assert block.card.validation == {}
    assert not torch.equal(twin(x).logits, block(x).logits)
    assert torch.equal(block.plate.initial["latent"], plate().initial["latent"])


def test_a_state_comes_back_without_pickle() -> None:
    block, x = table_block(plate(), seed=1), torch.randn(2, 5)
    other = table_block(plate(), seed=2)
    assert not torch.equal(other(x).logits, block(x).logits)
    other.load_state_dict(load(save(block.state_dict())))
    assert torch.equal(other(x).logits, block(x).logits)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("n", [1, 5, 65])
def test_bfloat16_autocast_stays_finite_and_close(ordered: bool, n: int) -> None:
    block = LegoBlock(PatchMLP(4, 16, 16), plate(width=16), "slide", ordered=ordered)
    x, mask = torch.randn(3, n, 4), torch.ones(3, n, dtype=torch.bool)
    mask[1:, n // 2 + 1 :] = False
    exact = block(x, mask)
    with torch.autocast("cpu", torch.bfloat16):
        spectrum, logits = block(x, mask)
    assert spectrum.dtype == torch.complex64
    assert torch.isfinite(torch.view_as_real(spectrum)).all()
    torch.testing.assert_close(logits.float(), exact.logits, rtol=0.05, atol=0.05)
    logits.float().square().sum().backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(block).values())


def test_a_step_of_sgd_under_autocast_moves_every_weight() -> None:
    block = LegoBlock(SNN(5, dropout=0.0), plate(), "rna")
    with torch.autocast("cpu", torch.bfloat16):
        loss = block.task.loss(block(torch.randn(8, 5)).logits, torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]))
    loss.backward()
    assert loss.dtype == torch.float32
    assert {grad.dtype for grad in gradients(block).values()} == {torch.float32}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: torch sees no CUDA device")
@pytest.mark.parametrize("ordered", [True, False])
def test_cpu_and_gpu_agree(ordered: bool) -> None:
    block = LegoBlock(PatchMLP(4, 16, 16), plate(width=16), "slide", ordered=ordered)
    x, mask = torch.randn(3, 40, 4), torch.rand(3, 40) < 0.7
    bags = Ragged.from_list([bag[keep] for bag, keep in zip(x, mask, strict=True)])
    expected = block(x, mask)
    on_gpu = copy.deepcopy(block).cuda()
    for output in (on_gpu(x.cuda(), mask.cuda()), on_gpu(bags.to("cuda"))):
        torch.testing.assert_close(output.logits.cpu(), expected.logits, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(output.spectrum.cpu(), expected.spectrum, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: torch sees no CUDA device")
def test_ordered_bags_of_odd_lengths_train_on_a_gpu() -> None:
    """Their biases lie end to end: one must not begin where the fused attention cannot read it."""
    block = LegoBlock(nn.Linear(16, 64), Baseplate(Classification(2), channels=8, width=16), "slides", ordered=True)
    bags = Ragged(torch.randn(3 * 1601 + 803, 16), [1601, 803, 1601, 1601])
    expected = block(bags).logits
    block.cuda()
    found = block(bags.to("cuda")).logits
    found.sum().backward()
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_one_score_in_comes_out_and_two_keep_their_scale(width: int) -> None:
    torch.manual_seed(0)
    block = LegoBlock(
        nn.Identity(), Baseplate(Classification(2), channels=4, width=8), "score", out_features=width
    ).eval()
    with torch.no_grad():
        logits = block(torch.linspace(-2, 2, 9)[:, None].expand(-1, width).contiguous()).logits
    steps = logits.diff(dim=0).abs().amax(1)
    assert bool((steps > 1e-4).all())  # each value of the score answers otherwise


def test_a_score_alone_is_learnt() -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 1)
    y = (x[:, 0] > 0.5).long()
    block = LegoBlock(nn.Identity(), Baseplate(Classification(2), channels=4, width=8), "score", out_features=1)
    fit(block, (x, y), validation=None, epochs=60, lr=1e-2, progress=False)
    assert evaluate(block, (x, y))["auroc"] > 0.99


def test_narrow_tokens_are_lifted_as_by_a_linear_layer_of_the_encoder() -> None:
    torch.manual_seed(0)
    block = LegoBlock(
        nn.Identity(), Baseplate(Classification(2), channels=4, width=8), "series", out_features=2, ordered=True
    ).eval()
    other = LegoBlock(
        nn.Sequential(nn.Identity(), nn.Linear(2, 8)), block.plate, "series", ordered=True, out_features=8
    )
    state = block.state_dict()
    other.load_state_dict({name.replace("raised", "encoder.1"): value for name, value in state.items()})
    x = torch.randn(3, 6, 2)
    with torch.no_grad():
        assert torch.allclose(block(x).logits, other.eval()(x).logits, atol=1e-6)
