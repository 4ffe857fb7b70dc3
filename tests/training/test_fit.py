"""``fit``: one call trains a block, tunes a fuse, evaluates a merge; from every kind of data."""

from __future__ import annotations

import copy
import math
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from mmlego import InputError, LegoBlock, LegoFuse, LegoMerge, MissingExtraError, evaluate, fit, predict
from mmlego.data import PatientData
from mmlego.tasks import Classification, MultiLabel, Regression, Survival, Task
from tests.bricks import assert_same, plate, snapshot
from tests.training.cases import (
    QUICK,
    SCORES,
    bags,
    block,
    encoder_state,
    fuse,
    gapped,
    patients,
    series,
    table,
    two_classes,
)


def test_one_call_trains_a_block_from_a_pair() -> None:
    model, (x, y) = block(), table(80)
    history = fit(model, (x, y), epochs=15, lr=1e-2, batch_size=16, **QUICK)
    assert isinstance(history, pd.DataFrame)
    assert list(history.columns) == ["epoch", "train_loss", "validation_loss", *(f"validation_{s}" for s in SCORES)]
    assert history["epoch"].tolist() == list(range(len(history)))
    assert history["train_loss"].iloc[-1] < 0.6 * history["train_loss"].iloc[0]
    unseen = table(200, seed=9)
    assert evaluate(model, unseen)["auroc"] > 0.95


def test_patient_data_and_a_pair_give_the_same() -> None:
    x, y = table()
    first, second = block(), block()
    named = PatientData({"labs": x}, y, Classification(2))
    pd.testing.assert_frame_equal(
        fit(first, (x, y), epochs=2, **QUICK), fit(second, named, epochs=2, **QUICK), check_exact=True
    )
    assert_same(snapshot(first), snapshot(second))


def test_bags_as_a_list_of_tensors() -> None:
    model = block("slide")
    history = fit(model, bags(), epochs=12, lr=1e-2, batch_size=16, **QUICK)
    assert history["train_loss"].iloc[-1] < 0.6 * history["train_loss"].iloc[0]
    assert evaluate(model, bags(100, seed=5))["auroc"] > 0.95


def test_series_with_masks() -> None:
    model, (x, mask, y) = block("vitals"), series()
    history = fit(model, ((x, mask), y), epochs=12, lr=1e-2, batch_size=16, **QUICK)
    assert history["train_loss"].iloc[-1] < 0.6 * history["train_loss"].iloc[0]
    x, mask, y = series(100, seed=5)
    assert evaluate(model, ((x, mask), y))["auroc"] > 0.95


@pytest.mark.parametrize("mode", ["stack", "weave", "parallel"])
def test_a_fuse_is_tuned_on_data_with_gaps(mode: Any) -> None:
    model = fuse(mode=mode, modality_dropout=0.3)
    history = fit(model, gapped(), epochs=8, lr=1e-2, batch_size=16, **QUICK)
    assert history["train_loss"].iloc[-1] < 0.8 * history["train_loss"].iloc[0]
    assert evaluate(model, gapped(100, seed=4))["auroc"] > 0.9


def test_a_fuse_is_tuned_from_a_pair_of_dict_and_target() -> None:
    data = gapped()
    inputs = {"labs": torch.randn(60, 4), "slide": [torch.randn(2, 3) for _ in range(60)]}
    model = LegoFuse([block("labs", on := two_classes()), block("slide", on)])
    history = fit(model, (inputs, data.target), epochs=1, **QUICK)
    assert len(history) == 1


def test_modalities_that_the_model_does_not_know_are_left_aside() -> None:
    model = block("vitals")
    data = gapped()
    fit(model, data, epochs=1, **QUICK)
    has = int(data.present["vitals"].sum())
    assert has < len(data)
    assert sum(model.card.patients.values()) == has


def test_a_modality_that_no_patient_has_is_skipped() -> None:
    model = fuse()
    before = snapshot(model.block("vitals"))
    history = fit(model, gapped().only(["labs", "slide"]).with_any(), epochs=2, **QUICK)
    assert len(history) == 2
    assert_same(before, snapshot(model.block("vitals")))


def test_modality_dropout_is_at_work_while_training() -> None:
    first, second = fuse(), fuse(modality_dropout=0.6)
    assert_same(snapshot(first), snapshot(second))
    fit(first, gapped(), epochs=1, **QUICK)
    fit(second, gapped(), epochs=1, **QUICK)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_merge_is_evaluated_without_changing_a_weight() -> None:
    model = LegoMerge([block("labs", on := two_classes()), block("slide", on)])
    before = snapshot(model)
    history = fit(model, gapped(), validation=None, **QUICK)
    assert len(history) == 1
    assert_same(before, snapshot(model))
    scores = evaluate(model, gapped(), batch_size=32)
    assert history.loc[0, "validation_auroc"] == scores["auroc"]
    assert model.card.validation == {name: value for name, value in scores.items() if name != "loss"}
    part = fit(model, gapped(), validation=0.25, **QUICK)
    assert model.card.patients == {"validation": 13}
    assert part.loc[0, "validation_loss"] != history.loc[0, "validation_loss"]


def _targets(task: Task, score: Tensor) -> Tensor:
    if isinstance(task, Survival):
        return torch.stack([(torch.arange(len(score)) % 3 > 0).float(), (2 - score).exp()], 1)
    if isinstance(task, MultiLabel):
        y = torch.stack([(score > 0).float(), (score < 0.3).float()], 1)
        return y.masked_fill(torch.arange(len(score))[:, None] % 5 == 0, math.nan)
    return 10 + 3 * score if isinstance(task, Regression) else (score > 0).long()


@pytest.mark.parametrize(
    "task",
    [Survival([3.0, 6.0, 12.0]), MultiLabel(2), Regression(mean=10.0, scale=3.0), Classification(3)],
    ids=lambda task: task.name,
)
def test_every_task_is_learned(task: Task) -> None:
    x, _ = table(80)
    model = block(on=plate(task))
    history = fit(model, (x, _targets(task, x[:, 0])), epochs=15, lr=1e-2, batch_size=16, **QUICK)
    assert history["train_loss"].iloc[-1] < 0.85 * history["train_loss"].iloc[0]
    x, _ = table(150, seed=8)
    assert evaluate(model, (x, _targets(Classification(2) if task.name == "classification" else task, x[:, 0])))[
        task.primary_metric
    ] > (0.8 if task.chance == 0.5 else 0.4)


def test_the_same_seed_gives_the_same_numbers_with_dropout() -> None:
    models = [block("labs", dropout=0.4, on=two_classes(dropout=0.3)) for _ in range(3)]
    histories = [fit(m, patients(), epochs=3, seed=s, **QUICK) for m, s in zip(models, (5, 5, 6), strict=True)]
    pd.testing.assert_frame_equal(histories[0], histories[1], check_exact=True)
    assert_same(snapshot(models[0]), snapshot(models[1]))
    assert histories[0]["train_loss"].tolist() != histories[2]["train_loss"].tolist()


def test_the_seed_alone_decides_whatever_was_drawn_before() -> None:
    first, second = fuse(modality_dropout=0.5), fuse(modality_dropout=0.5)
    history = fit(first, gapped(), epochs=2, **QUICK)
    torch.manual_seed(99)
    random.random()
    pd.testing.assert_frame_equal(history, fit(second, gapped(), epochs=2, **QUICK), check_exact=True)
    assert_same(snapshot(first), snapshot(second))


def test_the_random_state_of_the_user_is_left_as_it_was() -> None:
    model, data = block(dropout=0.5), patients()
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = torch.rand(3), random.random(), np.random.rand(3)  # noqa: NPY002
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    fit(model, data, epochs=2, **QUICK)
    evaluate(model, data)
    predict(model, data)
    with pytest.raises(InputError, match="diverged"):
        fit(model, data, epochs=2, lr=1e30, gradient_clip=None, **QUICK)
    assert torch.equal(torch.rand(3), expected[0])
    assert random.random() == expected[1]
    assert np.array_equal(np.random.rand(3), expected[2])  # noqa: NPY002


class Watching(nn.Linear):
    """Notes in which mode it is called."""

    def __init__(self) -> None:
        super().__init__(4, 5)
        self.modes: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.modes.append(self.training)
        return super().forward(x)


def test_a_model_in_eval_mode_is_trained_in_training_mode_and_comes_back_as_it_was() -> None:
    model = LegoFuse([LegoBlock(Watching(), two_classes(), "labs").eval()])  # as `load` gives blocks
    assert model.training
    fit(model, patients(), epochs=1, validation=None, **QUICK)
    modes = model.block("labs").encoder.modes
    assert modes
    assert all(modes)
    assert model.training
    assert not model.block("labs").training
    modes.clear()
    fit(model, patients(), epochs=1, **QUICK)
    # The model as it is, two batches, and the validation of the epoch and of the card.
    assert modes == [False] + [True] * 2 + [False] * 2


def test_tuning_that_does_harm_leaves_the_fuse_as_it_was() -> None:
    x, y = table(80)
    blocks = [block("labs")]
    fit(blocks[0], (x, y), epochs=10, lr=1e-2, **QUICK)
    for mode in ("parallel", "stack"):
        model = LegoFuse(blocks, mode=mode)
        before, known = snapshot(model), evaluate(model, (x, y))["loss"]
        # Tuned on the opposite of what is true, and watched on the truth.
        history = fit(model, (x, 1 - y), validation=(x, y), epochs=2, lr=1e-2, progress=False)
        assert history["validation_loss"].min() > known
        assert_same(before, snapshot(model))
        assert model.card.validation["log_loss"] == pytest.approx(known, rel=1e-4)


def test_a_frozen_encoder_stays_as_it_is_and_in_eval_mode() -> None:
    encoder = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5))
    model = LegoBlock(encoder, two_classes(), "labs", out_features=5, freeze_encoder=True)
    before = encoder_state(model)
    fit(model, patients(), epochs=2, **QUICK)
    assert_same(before, encoder_state(model))
    assert not encoder.training


@pytest.mark.parametrize("freeze", ["encoders", "blocks"])
def test_what_a_fuse_freezes_is_not_tuned(freeze: Any) -> None:
    model = fuse(freeze=freeze)
    before = snapshot(model)
    fit(model, gapped(), epochs=2, **QUICK)
    after = snapshot(model)
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert any(name.startswith("head.") for name in moved)
    assert not any(".encoder." in name for name in moved)
    assert any(name.startswith("blocks.") for name in moved) == (freeze == "encoders")


def test_the_last_batch_with_a_single_patient_and_batch_norm() -> None:
    encoder = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU())
    model = LegoBlock(encoder, two_classes(), "labs", out_features=5)
    x, y = table(33)
    history = fit(model, (x, y), batch_size=16, epochs=2, validation=None, **QUICK)
    assert np.isfinite(history["train_loss"]).all()


def test_a_batch_size_beyond_the_data() -> None:
    x, y = table(10)
    history = fit(block(), (x, y), batch_size=1000, epochs=2, validation=None, **QUICK)
    assert len(history) == 2
    expected = Classification(2).loss(block()(x).logits, y)  # one step, and its loss is that before the step
    assert history["train_loss"][0] == pytest.approx(expected.item(), rel=1e-5)


def test_batches_of_one() -> None:
    x, y = table(5)
    assert len(fit(block(), (x, y), batch_size=1, epochs=1, validation=None, **QUICK)) == 1


def test_without_validation_the_last_epoch_stays() -> None:
    model, (x, y) = block(), table()
    history = fit(model, (x, y), validation=None, epochs=4, patience=1, **QUICK)
    assert list(history.columns) == ["epoch", "train_loss"]
    assert len(history) == 4
    assert model.card.validation == {}
    assert model.card.patients == {"training": 60}


def test_validation_data_of_other_patients() -> None:
    valid = patients(20, seed=3, prefix="v")
    model = block()
    history = fit(model, patients(), validation=valid, epochs=2, **QUICK)
    scores = evaluate(model, valid)
    assert history["validation_loss"].min() == pytest.approx(scores["loss"], abs=1e-7)
    assert model.card.patients == {"training": 60, "validation": 20}


def test_validation_as_a_pair() -> None:
    assert len(fit(block(), table(), validation=table(20, seed=3), epochs=1, **QUICK)) == 1


def test_validation_as_a_share_takes_whole_patients() -> None:
    x, y = table(40)
    data = PatientData({"labs": x}, y, Classification(2), [f"p{i // 2}" for i in range(40)], repeats="allow")
    model = block()
    fit(model, data, validation=0.5, epochs=1, **QUICK)
    assert model.card.patients == {"training": 10, "validation": 10}


def test_the_card_tells_the_recipe_and_the_validation_scores() -> None:
    model = block()
    fit(model, patients(), epochs=2, lr=3e-3, class_weights="balanced", seed=4, **QUICK)
    assert model.card.recipe["method"] == "fit"
    told = {name: model.card.recipe[name] for name in ("epochs", "lr", "class_weights", "seed", "precision")}
    assert told == {"epochs": 2, "lr": 3e-3, "class_weights": "balanced", "seed": 4, "precision": "32-true"}
    assert set(model.card.validation) == set(SCORES)


def test_scores_that_are_not_defined_do_not_enter_the_card() -> None:
    x, _ = table(20)
    with pytest.warns(UserWarning, match="one class only"):
        fit(model := block(), table(), validation=(x, torch.zeros(20)), epochs=1, **QUICK)
    assert "auroc" not in model.card.validation
    assert "accuracy" in model.card.validation


def test_survival_scores_of_the_card_know_the_training_part() -> None:
    task = Survival([3.0, 6.0, 12.0])
    x, _ = table(80)
    model = block(on=plate(task))
    history = fit(model, (x, _targets(task, x[:, 0])), epochs=1, **QUICK)
    assert "ibs" in model.card.validation
    assert "validation_c_index" in history


def test_numpy_settings_are_taken() -> None:
    history = fit(block(), patients(), epochs=np.int64(1), lr=np.float32(1e-3), class_weights=np.ones(2), **QUICK)
    assert len(history) == 1
    assert len(fit(block(), patients(), epochs=1, lr=torch.tensor(1e-3), **QUICK)) == 1


def test_without_lightning_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmlego.training.loop.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install lightning"):
        fit(block(), patients(), precision="bf16-mixed", **QUICK)


class Filter(nn.Module):
    """A filter of whatever type on the spectrum of six numbers."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 8)
        self.register_buffer("filter", torch.ones(3, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        told = torch.view_as_real(self.filter) if self.filter.is_complex() else self.filter
        answer: Tensor = self.linear(x) * told.sum().float()
        return answer


def test_what_cannot_be_written_is_said_before_training() -> None:
    """safetensors 0.8 has no complex128: a KeyError after all epochs, and the history was lost."""
    made = LegoBlock(Filter(torch.complex128), two_classes(), "labs", out_features=8)
    before = snapshot(made)
    message = (
        r"encoder\.filter cannot be saved: expected a type of safetensors, got torch\.complex128\. Make it complex64"
    )
    with pytest.raises(InputError, match=message):
        fit(made, table(40), epochs=2, **QUICK)
    assert_same(snapshot(made), before)
    for dtype in (torch.complex64, torch.float64, torch.bfloat16):
        fit(LegoBlock(Filter(dtype), two_classes(), "labs", out_features=8), table(40), epochs=1, **QUICK)


def test_fits_in_threads_are_those_of_one_after_the_other() -> None:
    """Threads share the random streams, of which dropout and others draw: they take turns."""
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5))
    start = LegoBlock(net, two_classes(), "labs", out_features=8)

    def run(seed: int) -> list[float]:
        return list(fit(copy.deepcopy(start), table(40), epochs=3, seed=seed, **QUICK)["validation_loss"])

    alone = [run(seed) for seed in range(3)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(run, range(3))) == alone
