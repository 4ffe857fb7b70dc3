"""One step and one epoch, compared with the same done by hand."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor, nn

from mmlego import InputError, LegoBlock, LegoFuse, evaluate, fit
from mmlego.data import PatientData
from mmlego.data.memory.lazy import LazyColumn
from mmlego.nn.ragged import Ragged
from mmlego.tasks import Classification, Survival
from mmlego.training.module import EpochBatches, seed_all
from mmlego.training.on_lightning import _strategy
from tests.bricks import Custom, assert_same, plate, snapshot
from tests.training.cases import QUICK, bags, block, fuse, gapped, patients, table, two_classes

ONE_STEP: dict[str, Any] = {"validation": None, "epochs": 1, "batch_size": 100, **QUICK}


def step_by_hand(model: LegoBlock, x: Tensor, y: Tensor, weights: Tensor, lr: float, clip: float | None) -> float:
    """One step of AdamW in which vectors and the latent are not decayed; returns the loss before it."""
    loss = (F.cross_entropy(model.train()(x).logits, y, reduction="none") * weights).mean()
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, [p for _, p in named], allow_unused=True)
    norm = torch.stack([g.square().sum() for g in gradients if g is not None]).sum().sqrt()
    scale = min(1.0, clip / float(norm)) if clip is not None else 1.0
    with torch.no_grad():
        for (name, p), g in zip(named, gradients, strict=True):
            if g is not None:
                if p.ndim > 1 and not name.endswith("latent"):
                    p.mul_(1 - lr * 0.01)
                p.sub_(lr * (g * scale).sign() * ((g * scale).abs() / ((g * scale).abs() + 1e-8)))
    return loss.item()


@pytest.mark.parametrize("clip", [None, 1.0, 1e-3])
def test_one_step_is_that_of_adamw(clip: float | None) -> None:
    x, y = table(20)
    model, twin = block(), block()
    history = fit(model, (x, y), gradient_clip=clip, lr=1e-2, **ONE_STEP)
    loss = step_by_hand(twin, x, y, torch.ones(20), 1e-2, clip)
    assert history["train_loss"][0] == pytest.approx(loss, rel=1e-6)
    for (name, value), by_hand in zip(model.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(value, by_hand, rtol=1e-4, atol=2e-6, msg=lambda text, name=name: f"{name}: {text}")


def test_the_gradient_is_clipped_to_the_norm_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    clip = torch.nn.utils.clip_grad_norm_

    def spy(parameters: Any, max_norm: float, *args: Any, **options: Any) -> Tensor:
        norms.append(max_norm)
        return clip(parameters, max_norm, *args, **options)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", spy)
    fit(block(), table(20), gradient_clip=0.25, **ONE_STEP)
    assert norms == [0.25]
    fit(block(), table(20), gradient_clip=None, **ONE_STEP)
    assert norms == [0.25]


def test_class_weights_as_numbers_weigh_the_loss() -> None:
    x, _ = table(20)
    y = (torch.arange(20) < 5).long()
    model, twin = block(), block()
    history = fit(model, (x, y), class_weights=[1.0, 4.0], lr=1e-2, gradient_clip=None, **ONE_STEP)
    # (15 × 1 + 5 × 4) / 20 = 1.75 is the mean weight, and is divided out.
    weights = torch.where(y == 1, 4 / 1.75, 1 / 1.75)
    assert weights.mean() == pytest.approx(1.0)
    loss = step_by_hand(twin, x, y, weights, 1e-2, None)
    assert history["train_loss"][0] == pytest.approx(loss, rel=1e-6)
    for value, by_hand in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(value, by_hand, rtol=1e-4, atol=2e-6)


def test_balanced_class_weights_count_all_classes_alike() -> None:
    x, _ = table(20)
    y = (torch.arange(20) < 5).long()
    model = block()
    losses = F.cross_entropy(block()(x).logits, y, reduction="none").detach()
    history = fit(model, (x, y), class_weights="balanced", **ONE_STEP)
    by_hand = (losses[y == 0].mean() + losses[y == 1].mean()) / 2
    assert history["train_loss"][0] == pytest.approx(float(by_hand), rel=1e-5)


def test_balanced_weights_of_survival_go_by_event() -> None:
    task = Survival([1.0, 2.0])
    x, _ = table(20)
    target = torch.stack([(torch.arange(20) < 5).float(), torch.rand(20) * 3 + 0.1], 1)
    losses = task.sample_loss(block(on=plate(task))(x).logits, target).detach()
    history = fit(block(on=plate(task)), (x, target), class_weights="balanced", **ONE_STEP)
    by_hand = (losses[:5].mean() + losses[5:].mean()) / 2
    assert history["train_loss"][0] == pytest.approx(float(by_hand), rel=1e-5)


def test_weights_that_the_data_brings_are_used() -> None:
    x, y = table(20)
    weights = torch.rand(20)
    losses = F.cross_entropy(block()(x).logits, y, reduction="none").detach()
    data = PatientData({"labs": x}, y, Classification(2), weights=weights)
    history = fit(block(), data, **ONE_STEP)
    assert history["train_loss"][0] == pytest.approx(float((losses * weights).mean()), rel=1e-5)


def test_the_training_loss_is_the_mean_over_patients_not_over_batches() -> None:
    x, y = table(23)
    frozen = block(on=plate(Classification(2), dropout=0.0))
    history = fit(frozen, (x, y), validation=None, epochs=1, batch_size=10, lr=1e-12, weight_decay=0.0, **QUICK)
    assert history["train_loss"][0] == pytest.approx(evaluate(frozen, (x, y))["loss"], rel=1e-6)


def test_each_epoch_has_an_order_of_its_own_and_every_patient_once() -> None:
    seen: list[list[float]] = []
    encoder = Custom(lambda x: (seen.append(x[:, 0].tolist()), x)[1], out_features=4)
    x, y = torch.arange(40.0).reshape(10, 4), torch.arange(10) % 2
    fit(LegoBlock(encoder, two_classes(), "labs"), (x, y), validation=None, epochs=3, batch_size=4, **QUICK)
    epochs = [[row for batch in seen[i : i + 3] for row in batch] for i in (0, 3, 6)]
    assert [sorted(epoch) for epoch in epochs] == [x[:, 0].tolist()] * 3
    assert len({tuple(epoch) for epoch in epochs}) == 3


class Slide:
    """A bag of ten patches in a file, of which three are seen while training."""

    def __init__(self, number: int) -> None:
        self.number = number

    def load(self, rng: np.random.Generator | None = None) -> Tensor:
        patches = torch.arange(10) if rng is None else torch.from_numpy(rng.permutation(10)[:3])
        return torch.stack([torch.full(patches.shape, self.number), patches, patches], 1).float()

    def size(self) -> int:
        return 30

    def fingerprint(self) -> bytes:
        return str(self.number).encode()


def test_what_is_sampled_of_a_bag_is_drawn_anew_each_epoch_and_not_at_all_in_validation() -> None:
    def patches(seed: int) -> list[dict[int, list[int]]]:
        """For each batch, the patches that were seen of each patient."""
        seen: list[dict[int, list[int]]] = []

        def look(x: Tensor) -> Tensor:
            rows = x[0].long().tolist()
            seen.append({number: [p for n, p, _ in rows if n == number] for number in {row[0] for row in rows}})
            return x

        encoder = Custom(look, out_features=3, tokenwise=True)
        slides = LazyColumn([Slide(i) for i in range(6)], torch.zeros(0, 3), ragged=True)
        data = PatientData({"slide": slides}, torch.arange(6) % 2, Classification(2), [str(i) for i in range(6)])
        valid = PatientData({"slide": slides}, data.target, data.task, [f"v{i}" for i in range(6)])
        fit(LegoBlock(encoder, two_classes(), "slide"), data, validation=valid, epochs=2, seed=seed, **QUICK)
        return seen

    first, shown, second, *others = patches(1)
    assert all(len(set(seen)) == 3 for seen in (*first.values(), *second.values()))
    assert first != second
    assert all(view == {i: list(range(10)) for i in range(6)} for view in (shown, *others))
    assert patches(1)[::2] == [first, second, *others[1::2]]
    assert patches(2)[0] != first


def test_a_fitted_brick_knows_a_patient_of_whom_some_patches_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is learnt on top of it sees no answer in sample, whatever chance leaves of the features."""
    ids, y = [str(i) for i in range(24)], torch.arange(24) % 2
    whole = Ragged.from_list([Slide(i).load(None) for i in range(24)])
    slide = LegoBlock.of("logistic", two_classes(), "slide", data=(whole, y), patients=ids)
    column = LazyColumn([Slide(i) for i in range(24)], torch.zeros(0, 3), ragged=True)
    labs = torch.randn(24, 4, generator=torch.Generator().manual_seed(0))
    data = PatientData({"slide": column, "labs": labs}, y, Classification(2), ids)

    def answer(*_: object) -> Tensor:
        raise AssertionError("asked about a patient whom it was fitted on")

    with monkeypatch.context() as patched:
        patched.setattr(type(slide), "_answer", answer)
        fit(LegoFuse([slide, block("labs")]), data, validation=None, epochs=2, **QUICK)


rows, sizes, worlds = st.integers(1, 60), st.integers(1, 20), st.integers(1, 4)


@given(rows, sizes, worlds, st.integers(0, 99), st.integers(0, 5))
def test_the_processes_share_out_every_batch(rows: int, size: int, world: int, seed: int, epoch: int) -> None:
    shares = [EpochBatches(rows, size, seed, rank, world, epoch) for rank in range(world)]
    dealt = [list(share) for share in shares]
    assert {len(share) for share in dealt} == {len(shares[0])}
    assert sorted(row for share in dealt for batch in share for row in batch) == list(range(rows))
    totals = [sum(map(len, batches)) for batches in zip(*dealt, strict=True)]
    assert max(totals) - min(totals) <= 1
    assert max(totals) <= size or min(totals) < 4 * world
    for batches in zip(*dealt, strict=True):
        assert max(map(len, batches)) - min(map(len, batches)) <= 1
    if rows >= 2 * world and size >= 2 * world:
        assert min(len(batch) for share in dealt for batch in share) >= 2


@given(rows, st.integers(1, 5), worlds, st.integers(0, 99))
def test_the_batches_do_not_depend_on_the_number_of_processes(rows: int, each: int, world: int, seed: int) -> None:
    """Four patients a process and step are enough for that."""
    size = 4 * world * each
    shares = [list(EpochBatches(rows, size, seed, rank, world)) for rank in range(world)]
    together = [sorted(row for part in parts for row in part) for parts in zip(*shares, strict=True)]
    assert together == [sorted(batch) for batch in EpochBatches(rows, size, seed)]


def test_the_sizes_of_batches() -> None:
    def cut(rows: int, size: int, world: int = 1) -> list[int]:
        return [high - low for low, high in EpochBatches(rows, size, 0, 0, world).bounds]

    assert cut(48, 16) == [16, 16, 16]
    assert cut(33, 16) == [11, 11, 11]
    assert cut(34, 16, world=2) == [11, 11, 12]
    assert cut(3, 2) == [3]
    assert cut(5, 2) == [2, 3]
    assert cut(3, 1) == [1, 1, 1]
    assert cut(10, 1000) == [10]


def test_set_epoch_changes_the_order_and_can_be_taken_back() -> None:
    batches = EpochBatches(30, 8, seed=1)
    first = list(batches)
    batches.set_epoch(1)
    assert list(batches) != first
    batches.set_epoch(0)
    assert list(batches) == first


def test_seeding_by_several_numbers() -> None:
    draws = []
    for numbers in ((0, 1), (1, 0), (0, 1)):
        seed_all(*numbers)
        draws.append(torch.rand(1).item())
    assert draws[0] == draws[2] != draws[1]


def test_bf16_mixed_on_a_cpu() -> None:
    model = block("slide")
    history = fit(model, bags(), epochs=12, lr=1e-2, batch_size=16, precision="bf16-mixed", **QUICK)
    assert history["train_loss"].iloc[-1] < 0.7 * history["train_loss"].iloc[0]
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    plain = fit(block("slide"), bags(), epochs=1, lr=1e-2, batch_size=16, **QUICK)
    assert plain["train_loss"][0] != history["train_loss"][0]
    assert plain["train_loss"][0] == pytest.approx(history["train_loss"][0], rel=0.02)


def test_bf16_mixed_tunes_a_fuse_with_gaps() -> None:
    history = fit(fuse(modality_dropout=0.2), gapped(), epochs=2, precision="bf16-mixed", **QUICK)
    assert history.notna().all(axis=None)


def test_double_precision_while_training_and_single_afterwards() -> None:
    seen: set[torch.dtype] = set()
    encoder = nn.Sequential(Custom(lambda x: (seen.add(x.dtype), x)[1]), nn.Linear(4, 5), nn.BatchNorm1d(5))
    model = LegoBlock(encoder, two_classes(), "labs", out_features=5)
    fit(model, table(), epochs=1, validation=None, precision="64-true", **QUICK)
    assert seen == {torch.float64}
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32, torch.int64}
    assert_same(snapshot(model), snapshot(model.float()))


def test_the_trainer_gets_devices_and_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    make = pl.Trainer.__init__

    def spy(self: Any, **options: Any) -> None:
        given.update(options)
        make(self, **options)

    monkeypatch.setattr(pl.Trainer, "__init__", spy)
    told = {"accelerator": "cpu", "devices": 1, "strategy": "auto", "precision": "bf16-mixed"}
    fit(block(), patients(), epochs=1, **told, **QUICK)
    assert {name: given[name] for name in told} == told


@pytest.mark.parametrize(
    ("strategy", "devices", "expected"),
    [
        ("auto", 1, "auto"),
        ("auto", [2], "auto"),
        ("auto", 2, "ddp_find_unused_parameters_true"),
        ("auto", [0, 1], "ddp_find_unused_parameters_true"),
        ("auto", "auto", "ddp_find_unused_parameters_true"),
        ("ddp_spawn", 2, "ddp_spawn_find_unused_parameters_true"),
        ("fsdp", 2, "fsdp"),
    ],
)
def test_several_processes_may_leave_parameters_unused(strategy: str, devices: Any, expected: str) -> None:
    assert _strategy(strategy, devices) == expected


def test_a_strategy_of_lightnings_own_is_passed_on() -> None:
    strategy = SingleDeviceStrategy(torch.device("cpu"))
    assert _strategy(strategy, 1) is strategy
    assert len(fit(block(), patients(), epochs=1, strategy=strategy, **QUICK)) == 1


def test_a_batch_smaller_than_the_number_of_processes() -> None:
    two = {"accelerator": "cpu", "devices": 2, "strategy": "ddp_spawn"}
    with pytest.raises(InputError, match="at least 2 patients and batch_size ≥ 2, got 48 patients and batch_size 1"):
        fit(block(), patients(), batch_size=1, **two, **QUICK)
    with pytest.raises(InputError, match="got 1 patients and batch_size 32"):
        fit(block(), table(1), validation=None, **two, **QUICK)
