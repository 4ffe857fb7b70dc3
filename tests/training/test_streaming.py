"""Large bags are read and encoded in parts, and answers are those of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mmlego import Baseplate, InputError, LegoBlock, LegoMerge
from mmlego.data import PatientData
from mmlego.data.kinds.bag.arrays import BagArray
from mmlego.data.kinds.bag.bag import Bag, SampledBag
from mmlego.data.memory.lazy import LazyColumn
from mmlego.tasks import Classification
from mmlego.training import streaming
from mmlego.training.evaluate import all_logits

PLATE = Baseplate(Classification(2), channels=4, width=8)
SIZES = (40, 3, 0, 57)  # the first and the last are large, the third patient has none


class Watched(SampledBag):
    """A bag that tells how it was read."""

    reads: ClassVar[list[int | None]] = []

    def load(self, rng: np.random.Generator | None = None) -> Tensor:
        self.reads.append(None)
        return super().load(rng)

    def parts(self, rows: int) -> Iterator[Tensor]:
        for part in super().parts(rows):
            self.reads.append(len(part))
            yield part


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "LARGE", 5 * 30)
    monkeypatch.setattr(streaming, "PART", 5 * 16)
    monkeypatch.setattr(Watched, "reads", [])


def made(sample: int | None = None) -> PatientData:
    draw = torch.Generator().manual_seed(0)
    arrays = [torch.randn(size, 5, generator=draw).numpy() for size in SIZES]
    items = {f"p{i}": Watched(Bag((BagArray(array),)), sample) for i, array in enumerate(arrays) if len(array)}
    present = torch.tensor([size > 0 for size in SIZES])
    data = PatientData(
        {"slides": [torch.zeros(2, 5)] * 4, "labs": torch.randn(4, 3, generator=draw)},
        torch.tensor([0, 1, 0, 1]),
        PLATE.task,
        [f"p{i}" for i in range(4)],
        {"slides": present},
    )
    column = LazyColumn([items.get(f"p{i}") for i in range(4)], torch.zeros(0, 5), ragged=True)
    return data.with_column("slides", column)


def block(encoder: nn.Module, **options: Any) -> LegoBlock:
    torch.manual_seed(1)
    return LegoBlock(encoder, PLATE, "slides", out_features=6, **options)


def encoder() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Dropout(0.5), nn.Linear(7, 6))


def merge(options: dict[str, Any]) -> LegoMerge:
    torch.manual_seed(2)
    return LegoMerge([block(encoder(), **options), LegoBlock(nn.Linear(3, 4), PLATE, "labs")])


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("ordered", [False, True])
def test_answers_are_those_of_the_whole(merged: bool, ordered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"tokenwise": True, "ordered": ordered}
    model = merge(options) if merged else block(encoder(), **options)
    data = made() if merged else made().only(["slides"]).subset([0, 1, 3])
    model.train()
    found = all_logits(model, data, 2)
    assert [read for read in Watched.reads if read is not None] == [16, 16, 8, 16, 16, 16, 9]
    assert model.training
    assert not found.requires_grad
    monkeypatch.setattr(streaming, "LARGE", 2**62)
    Watched.reads.clear()
    whole = all_logits(model, data, 2)
    assert set(Watched.reads) == {None}
    torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-6)


def test_an_encoder_that_looks_at_several_tokens_gets_the_whole() -> None:
    class Centred(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x - x.mean(1, keepdim=True))

    all_logits(block(Centred(5, 6), tokenwise=False), made().only(["slides"]).subset([0, 1, 3]), 4)
    assert set(Watched.reads) == {None}


def test_what_is_wrong_is_told_with_its_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made().only(["slides"]).subset([0, 1, 3])
    whole = {"a": data.column("slides").items[0]}  # type: ignore[attr-defined]
    owned = LazyColumn(whole, torch.zeros(0, 5), ragged=True)

    def broken(self: Bag, rows: Any = None) -> Tensor:
        raise InputError("the file has gone")

    monkeypatch.setattr(Bag, "features", broken)
    with pytest.raises(InputError, match="modality 'slides': patient a: the file has gone"):
        all_logits(block(encoder(), tokenwise=True), data.subset([0]).with_column("slides", owned), 4)


def test_a_part_that_is_not_finite_is_refused() -> None:
    data = made().only(["slides"]).subset([0, 1, 3])
    data.column("slides").items[2].bag.files[0].values[50, 2] = np.nan  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"NaN|finite"):
        all_logits(block(encoder(), tokenwise=True), data, 4)


def test_a_model_of_bags_is_asked_about_patients_of_whom_none_has_any() -> None:
    model, data = merge({"tokenwise": True}).eval(), made().only(["labs"])
    with torch.no_grad():
        expected = model({"labs": data.batch().inputs["labs"]})
    torch.testing.assert_close(all_logits(model, data, 4), expected)
    assert Watched.reads == []
