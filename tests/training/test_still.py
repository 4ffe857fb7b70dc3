"""What is frozen is not in the state of a run, which resumes to the same end without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from mmlego import Baseplate, CheckpointError, InputError, LegoBlock, fit
from mmlego.run_folder import LAST
from mmlego.tasks import Classification
from mmlego.training.module import Training
from mmlego.training.resume import SafeCheckpointIO
from mmlego.training.still import Still
from tests.bricks import assert_same, snapshot
from tests.training.cases import patients
from tests.training.test_alone import Killed, on_lightning

OPTIONS: dict[str, Any] = {"epochs": 4, "batch_size": 16, "lr": 1e-2, "progress": False}


class Restless(nn.Module):
    """An encoder with a weight that it counts in."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.count = nn.Linear(4, 6), nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.count.add_(1)
        return self.linear(x)


def made(seed: int = 0) -> LegoBlock:
    torch.manual_seed(seed)
    encoder = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))
    plate = Baseplate(Classification(2), channels=4, width=8)
    return LegoBlock(encoder, plate, "labs", out_features=6, freeze_encoder=True)


def killed(out: Path, epochs: int = 2, **options: Any) -> dict[str, Any]:
    """Train until an epoch begins; return the state of the run."""
    with pytest.MonkeyPatch.context() as patch:
        start = Training.on_train_epoch_start

        def fatal(self: Training) -> None:
            if self.current_epoch == epochs:
                raise Killed
            start(self)

        patch.setattr(Training, "on_train_epoch_start", fatal)
        with pytest.raises(Killed):
            fit(made(), patients(), out=out, **OPTIONS | options)
    return SafeCheckpointIO().load_checkpoint(out / LAST)


WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "alone": ({}, {}),
    "alone, then on Lightning": ({}, on_lightning()),
    "on Lightning, then alone": (on_lightning(), {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_goes_on_without_what_is_frozen(tmp_path: Path, way: str) -> None:
    first, then = WAYS[way]
    state = killed(tmp_path, **first)
    names = {f"encoder.{name}" for name, _ in made().encoder.named_parameters()}
    assert set(state["still"]["names"]) == names
    for kept in (state["callbacks"]["KeepBest"]["weights"], state["state_dict"]):
        here = {name.removeprefix("model.") for name in kept}
        assert here == set(made().state_dict()) - names  # running statistics are there: they are no parameters
    model, unbroken = made(), made()
    history = fit(model, patients(), out=tmp_path, **OPTIONS, **then)
    pd.testing.assert_frame_equal(history, fit(unbroken, patients(), **OPTIONS), check_exact=True)
    assert_same(snapshot(model), snapshot(unbroken))
    assert list(model.state_dict()) == list(unbroken.state_dict())


def test_a_state_that_was_written_whole_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Still, "leave_out", lambda *_: None)
        assert "still" not in killed(tmp_path)
    model, unbroken = made(), made()
    fit(model, patients(), out=tmp_path, **OPTIONS)
    fit(unbroken, patients(), **OPTIONS)
    assert_same(snapshot(model), snapshot(unbroken))


def test_other_frozen_weights_are_refused(tmp_path: Path) -> None:
    killed(tmp_path)
    with pytest.raises(InputError, match="another run: expected the same start"):
        fit(made(seed=1), patients(), out=tmp_path, **OPTIONS)


@pytest.mark.parametrize("change", ["another value", "one less", "one free"])
def test_a_state_of_other_frozen_weights_is_refused(change: str) -> None:
    block, other = made(), made()
    still = Still(block)
    still.look()
    state: dict[str, Any] = {"state_dict": {f"model.{name}": value for name, value in block.state_dict().items()}}
    still.leave_out(state)
    if change == "another value":
        other.encoder[0].weight.data[0, 0] += 1e-6
    elif change == "one less":
        state["still"]["names"].pop()
    else:
        other.encoder[0].weight.requires_grad_()
    with pytest.raises(CheckpointError, match=r"cannot be resumed: expected the frozen weights.*resume=False"):
        Still(other).put_back(state)


def test_what_an_encoder_writes_to_stays_in_the_state() -> None:
    torch.manual_seed(0)
    block = LegoBlock(Restless(), Baseplate(Classification(2), channels=4, width=8), "labs", out_features=6)
    block.freeze_encoder()
    still = Still(block)
    still.look()
    block(torch.zeros(2, 4))
    state: dict[str, Any] = {"state_dict": {f"model.{name}": value for name, value in block.state_dict().items()}}
    still.leave_out(state)
    assert state["still"]["names"] == ["encoder.linear.weight", "encoder.linear.bias"]
    assert float(state["state_dict"]["model.encoder.count"]) == 1.0
    other = Still(block)
    other.put_back(state)
    assert set(state["state_dict"]) == {f"model.{name}" for name in block.state_dict()}
