"""Around the epochs: the best weights, stopping, the history, logs and the progress bar."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rich.progress
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from mmlego import InputError, LegoBlock, fit
from mmlego.data import PatientData
from mmlego.tasks import Classification, MultiLabel, Regression, Survival
from mmlego.training.loop import LOWER
from mmlego.training.module import Training
from tests.bricks import assert_same, snapshot
from tests.training.cases import QUICK, SCORES, block, fuse, gapped, patients, table

RESTLESS: dict[str, Any] = {"lr": 0.05, "batch_size": 16, "gradient_clip": None, **QUICK}


def noise(n: int = 60) -> PatientData:
    """Classes drawn at random: whatever is learned makes the validation part worse."""
    y = torch.randint(2, (n,), generator=torch.Generator().manual_seed(5))
    return PatientData({"labs": table(n)[0]}, y, Classification(2))


@pytest.fixture
def epochs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Tensor]]:
    """Return copies of the weights after each epoch of the runs that follow."""
    kept: list[dict[str, Tensor]] = []
    end = Training.on_train_epoch_end

    def keep(self: Training) -> None:
        kept.append(snapshot(self.model))
        end(self)

    monkeypatch.setattr(Training, "on_train_epoch_end", keep)
    return kept


@pytest.mark.parametrize("monitor", ["loss", "auroc", "accuracy", "brier"])
def test_the_model_ends_with_the_weights_of_the_best_epoch(epochs: list[dict[str, Tensor]], monitor: str) -> None:
    model = block()
    history = fit(model, noise(), epochs=8, patience=None, monitor=monitor, **RESTLESS)
    scores = history[f"validation_{monitor}"]
    best = int(scores.idxmin() if monitor in ("loss", "brier") else scores.idxmax())  # of equal ones the first
    assert best < 7, "a run whose last epoch is the best would show nothing"
    assert_same(snapshot(model), epochs[best])
    assert any(not torch.equal(value, epochs[-1][name]) for name, value in snapshot(model).items())


def test_the_best_weights_of_a_fuse(epochs: list[dict[str, Tensor]]) -> None:
    model = fuse(modality_dropout=0.3)
    history = fit(model, gapped(), epochs=6, patience=None, **RESTLESS)
    assert_same(snapshot(model), epochs[int(history["validation_loss"].idxmin())])


def test_the_best_weights_are_a_copy(epochs: list[dict[str, Tensor]], tmp_path: Path) -> None:
    model = block()
    fit(model, noise(), epochs=6, patience=None, out=tmp_path, **RESTLESS)
    assert_same(load_file(tmp_path / "best.safetensors"), snapshot(model))
    with torch.no_grad():
        model.latent.zero_()
    assert load_file(tmp_path / "best.safetensors")["latent"].abs().sum() > 0


@pytest.mark.parametrize("patience", [1, 3])
def test_training_stops_after_so_many_epochs_without_improvement(patience: int) -> None:
    history = fit(block(), noise(), epochs=40, patience=patience, **RESTLESS)
    assert len(history) < 40
    best = int(history["validation_loss"].idxmin())
    assert len(history) == best + patience + 1
    ahead = history["validation_loss"].cummin()
    stood = ahead.groupby(ahead).cumcount()
    assert (stood.iloc[:-1] < patience).all()


def test_without_patience_all_epochs_are_run() -> None:
    assert len(fit(block(), noise(), epochs=12, patience=None, **RESTLESS)) == 12


def test_a_score_that_is_never_defined_does_not_go_on_for_ever() -> None:
    x, _ = table(12, seed=7)
    with pytest.warns(UserWarning, match="auroc and auprc are undefined"):
        history = fit(
            block(), table(), validation=(x, torch.ones(12)), monitor="auroc", epochs=9, patience=2, **RESTLESS
        )
    assert len(history) == 3
    assert history["validation_auroc"].isna().all()


def test_of_every_metric_is_known_which_direction_is_better() -> None:
    higher = {
        "auroc",
        "auprc",
        "accuracy",
        "balanced_accuracy",
        "f1_macro",
        "f1",
        "r2",
        "pearson",
        "spearman",
        "c_index",
    }
    targets: dict[Any, Tensor] = {
        Classification(2): torch.arange(10) % 2,
        Classification(3): torch.arange(10) % 3,
        MultiLabel(["a", "b"]): torch.stack([torch.arange(10) % 2, torch.arange(10) // 5], 1).float(),
        Regression(["a", "b"]): torch.randn(10, 2),
        Survival([1.0]): torch.stack([torch.arange(10) % 2, torch.arange(1, 11)], 1).float(),
    }
    for task, target in targets.items():
        metrics = task.metrics(torch.randn(10, task.outputs), target)
        assert task.primary_metric in metrics
        for name in metrics:
            assert (name.split("/")[0] in higher) != (name in LOWER), f"{name} of {task.name}"


def test_the_history_is_written_as_csv(tmp_path: Path) -> None:
    history = fit(block(), patients(), epochs=3, out=tmp_path / "new" / "run", **QUICK)
    written = pd.read_csv(tmp_path / "new" / "run" / "history.csv")
    pd.testing.assert_frame_equal(history, written, rtol=1e-14)
    assert written["epoch"].dtype == np.int64
    columns = ["epoch", "train_loss", "validation_loss", *(f"validation_{name}" for name in SCORES)]
    assert list(written.columns) == columns
    assert sorted(file.name for file in (tmp_path / "new" / "run").iterdir()) == [
        "best.safetensors",
        "history.csv",
        "run.json",
    ]


def test_tensorboard_logs_hold_the_history(tmp_path: Path) -> None:
    history = fit(block(), patients(), epochs=3, out=tmp_path, progress=False, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert set(history.columns) <= tags
    for name in history.columns[1:]:
        values = [event.value for event in events.Scalars(name)]
        assert values == pytest.approx(history[name].tolist(), rel=1e-6), name


def test_nothing_is_left_behind_without_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    fit(block(), patients(), epochs=1, progress=False)
    assert list((tmp_path / "temporary").iterdir()) == []
    assert list((tmp_path / "here").iterdir()) == []


def test_the_bar_shows_what_is_trained_and_the_latest_score(capsys: pytest.CaptureFixture[str]) -> None:
    history = fit(fuse(), gapped(), epochs=2, progress=True, tensorboard=False)
    said = capsys.readouterr().out
    assert "labs + slide + vitals" in said
    assert "2/2" in said
    assert f"validation loss {history['validation_loss'].iloc[-1]:.4f}" in said


def test_the_bar_shows_the_training_loss_without_validation(capsys: pytest.CaptureFixture[str]) -> None:
    history = fit(block(), patients(), validation=None, epochs=2, progress=True, tensorboard=False)
    assert f"train loss {history['train_loss'].iloc[-1]:.4f}" in capsys.readouterr().out


def test_the_bar_ends_where_early_stopping_ends(capsys: pytest.CaptureFixture[str]) -> None:
    options = RESTLESS | {"progress": True}
    history = fit(block(), noise(), epochs=40, patience=1, **options)
    assert f"{len(history)}/{len(history)}" in capsys.readouterr().out


def test_the_bar_lets_go_of_the_screen_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[rich.progress.Progress] = []
    start = rich.progress.Progress.start

    def spy(self: rich.progress.Progress) -> None:
        bars.append(self)
        start(self)

    monkeypatch.setattr(rich.progress.Progress, "start", spy)
    with pytest.raises(InputError, match="diverged"):
        fit(block(), patients(), lr=1e30, gradient_clip=None, epochs=3, progress=True, tensorboard=False)
    assert len(bars) == 1
    assert not bars[0].live.is_started


def test_ctrl_c_is_a_keyboard_interrupt_and_can_be_pressed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def press(self: Training, *_: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it is ignored
    try:
        monkeypatch.setattr(Training, "training_step", press)
        model = block().eval()
        with pytest.raises(KeyboardInterrupt):
            fit(model, patients(), epochs=1, **QUICK)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert not model.training


def test_an_exit_of_the_users_own_stays_an_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(self: Training, *_: Any) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(Training, "training_step", leave)
    with pytest.raises(SystemExit, match="3"):
        fit(block(), patients(), epochs=1, **QUICK)


def test_lightning_says_nothing(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    fit(block(), patients(), epochs=1, **QUICK)
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert caplog.records == []


def test_the_model_keeps_no_trace_of_the_trainer() -> None:
    model = block()
    attributes = {name: set(vars(module)) for name, module in model.named_modules()}
    fit(model, patients(), epochs=1, **QUICK)
    assert {name: set(vars(module)) for name, module in model.named_modules()} == attributes
    assert all(p.grad is None or isinstance(p.grad, Tensor) for p in model.parameters())
    assert type(model) is LegoBlock
