from __future__ import annotations

import torch

from mmlego.data import Batch
from mmlego.nn.ragged import Ragged


def make() -> Batch:
    return Batch(
        inputs={
            "table": torch.ones(2, 3),
            "series": (torch.ones(2, 4, 3), torch.ones(2, 4, dtype=torch.bool)),
            "bag": Ragged(torch.ones(5, 2), [2, 3]),
            "gone": None,
        },
        present={"table": torch.ones(2, dtype=torch.bool)},
        target=torch.zeros(2),
        patients=["a", "b"],
        weights=torch.ones(2),
    )


def test_moving_keeps_the_form_of_every_input() -> None:
    batch = make()
    moved = batch.to("meta")
    assert len(moved) == 2
    assert moved.inputs["table"].device.type == "meta"
    assert [part.device.type for part in moved.inputs["series"]] == ["meta", "meta"]
    assert moved.inputs["bag"].device.type == "meta"
    assert moved.inputs["bag"].sizes == [2, 3]
    assert moved.inputs["gone"] is None
    assert {moved.present["table"].device.type, moved.target.device.type, moved.weights.device.type} == {"meta"}
    assert batch.inputs["table"].device.type == "cpu"


def test_without_target_and_weights() -> None:
    moved = Batch({"table": torch.ones(1, 3)}, {}, None, ["a"]).to("cpu", non_blocking=True)
    assert moved.target is None
    assert moved.weights is None


def test_pinning_asks_every_tensor(monkeypatch) -> None:
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    make().pin_memory()
    assert len(pinned) == 7
