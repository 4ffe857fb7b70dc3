"""Training without Lightning is training on it, to the last digit; each goes on where the other was interrupted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from lightning.pytorch.strategies import SingleDeviceStrategy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from mmlego import LegoBlock, fit
from mmlego.data import PatientData
from mmlego.tasks import Classification
from mmlego.training import alone
from mmlego.training.callbacks import KeepBest
from mmlego.training.module import Training
from tests.bricks import assert_same, snapshot
from tests.training.cases import QUICK, bags, block, fuse, gapped, patients, table


def on_lightning() -> dict[str, Any]:
    """Return what makes ``fit`` take Lightning for one process on the CPU."""
    return {"accelerator": "cpu", "strategy": SingleDeviceStrategy(torch.device("cpu"))}


def early() -> PatientData:
    """Return classes drawn at random: training stops early."""
    y = torch.randint(2, (60,), generator=torch.Generator().manual_seed(5))
    return PatientData({"labs": table(60)[0]}, y, Classification(2))


# Model, data, options.
CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "a block": (block, patients, {"epochs": 4}),
    "with dropout and classes weighed": (
        lambda: block(dropout=0.4),
        patients,
        {"epochs": 4, "class_weights": "balanced", "monitor": "auroc"},
    ),
    "bags": (lambda: block("slide"), bags, {"epochs": 3}),
    "an encoder that rests": (lambda: block().freeze_encoder(), patients, {"epochs": 3, "gradient_clip": 1e-3}),
    "a fuse with gaps": (
        lambda: fuse(mode="weave", modality_dropout=0.4),
        gapped,
        {"epochs": 3, "gradient_clip": None},
    ),
    "a fuse that answers before it is tuned": (lambda: fuse(mode="parallel"), gapped, {"epochs": 3}),
    "stopped early": (block, early, {"epochs": 40, "patience": 2, "lr": 0.05}),
    "no validation": (block, patients, {"epochs": 3, "validation": None}),
}


@pytest.mark.parametrize("case", CASES)
def test_equal_to_lightning_in_every_digit(case: str) -> None:
    make, data, options = CASES[case]
    options = {"batch_size": 16, "lr": 1e-2, **QUICK, **options}
    ours, theirs = make(), make()
    state = torch.random.get_rng_state()
    found = fit(ours, data(), **options)
    assert torch.equal(torch.random.get_rng_state(), state)
    expected = fit(theirs, data(), **options, **on_lightning())
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert_same(snapshot(ours), snapshot(theirs))
    assert ours.card == theirs.card
    assert [m.training for m in ours.modules()] == [m.training for m in theirs.modules()]
    assert any(not torch.equal(a, b) for a, b in zip(snapshot(ours).values(), snapshot(make()).values(), strict=True))


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_the_logs_are_lightnings(tmp_path: Path) -> None:
    options = {"epochs": 3, "batch_size": 16, "progress": False}
    fit(block(), patients(), out=tmp_path / "a", **options)
    fit(block(), patients(), out=tmp_path / "b", **options, **on_lightning())
    ours, theirs = scalars(tmp_path / "a"), scalars(tmp_path / "b")
    theirs["epoch"] = sorted(set(theirs["epoch"]))  # once with the validation, once with the training
    assert ours == theirs


class Killed(BaseException):
    """Nobody expects it."""


@pytest.mark.parametrize("first", ["alone", "on Lightning"])
@pytest.mark.parametrize("when", [1, 3])
def test_each_goes_on_where_the_other_was_interrupted(tmp_path: Path, first: str, when: int) -> None:
    options: dict[str, Any] = {"epochs": 5, "batch_size": 16, "lr": 1e-2, "progress": False, "out": tmp_path}
    ways = [{}, on_lightning()] if first == "alone" else [on_lightning(), {}]
    ends: list[int] = []

    def end(self: KeepBest, trainer: Any, training: Any) -> None:
        if len(ends) == when:
            raise Killed
        ends.append(trainer.current_epoch)

    with pytest.MonkeyPatch.context() as patch:
        own = KeepBest.on_train_epoch_end
        patch.setattr(KeepBest, "on_train_epoch_end", lambda *args: (end(*args), own(*args))[1])
        with pytest.raises(Killed):
            fit(fuse(modality_dropout=0.4), gapped(), **options, **ways[0])
    trained: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        step = Training.training_step

        def spy(self: Any, batch: Any, index: int) -> Tensor:
            trained.append((self.current_epoch, index))
            return step(self, batch, index)

        patch.setattr(Training, "training_step", spy)
        model = fuse(modality_dropout=0.4)
        history = fit(model, gapped(), **options, **ways[1])
    assert trained == [(epoch, index) for epoch in range(when, 5) for index in range(3)]
    unbroken = fuse(modality_dropout=0.4)
    expected = fit(unbroken, gapped(), **options | {"out": None})
    pd.testing.assert_frame_equal(history, expected, check_exact=True)
    assert_same(snapshot(model), snapshot(unbroken))
    # Two files of one second are read in the order of their names, in which a tenth comes before a ninth.
    steps = sorted(step for step, _ in scalars(tmp_path)["train_loss"])
    assert steps == [2, 5, 8, 11, 14]


@pytest.mark.parametrize(
    "told",
    [
        {"accelerator": "gpu"},
        {"devices": 2},
        {"devices": "1"},
        {"devices": True},
        {"devices": [0]},
        {"strategy": "ddp"},
        {"precision": "bf16-mixed"},
        {"precision": "64-true"},
    ],
)
def test_all_else_is_for_lightning(told: dict[str, Any]) -> None:
    plain = {"accelerator": "auto", "devices": 1, "strategy": "auto", "precision": "32-true"}
    assert not alone.suits(**plain | told)


def test_where_there_is_a_gpu_it_is_for_lightning_unless_the_cpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"devices": 1, "strategy": "auto", "precision": "32-true"}
    for there in (False, True):
        monkeypatch.setattr(torch.accelerator, "is_available", lambda there=there: there)
        assert alone.suits("auto", **plain) is not there
        assert alone.suits("cpu", **plain)


def test_training_under_no_grad() -> None:
    with torch.no_grad():
        model = block()
        fit(model, patients(), epochs=1, **QUICK)
    assert type(model) is LegoBlock
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), block().parameters(), strict=True))


def test_a_fit_on_the_cpu_imports_no_lightning() -> None:
    code = """
import sys, torch
from mmlego import Baseplate, LegoBlock, fit
from mmlego.encoders import SNN
from mmlego.tasks import Classification
x = torch.randn(40, 5)
block = LegoBlock(SNN(5), Baseplate(Classification(2), channels=4, width=8), "labs")
fit(block, (x, (x[:, 0] > 0).long()), epochs=1, progress=False, accelerator="cpu")
print(sorted({"lightning", "tensorboard"} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
