from __future__ import annotations

import numpy as np
import pytest
import torch

from mmlego.data import Draw, PatientData
from mmlego.data.memory.lazy import LazyColumn
from mmlego.data.memory.sampler import RowBatches, Shown, ShuffledRows
from mmlego.errors import MismatchError, ShapeError
from mmlego.nn.ragged import Ragged


class Patches:
    """A bag of ``n`` patches, numbered, of which training sees two."""

    def __init__(self, n: int, width: int = 3) -> None:
        self.n, self.width, self.loads = n, width, 0

    def load(self, rng: np.random.Generator | None = None) -> torch.Tensor:
        self.loads += 1
        rows = np.arange(self.n) if rng is None else np.sort(rng.choice(self.n, 2, replace=False))
        return torch.from_numpy(rows)[:, None].expand(-1, self.width).float()

    def size(self) -> int:
        return self.n * self.width

    def fingerprint(self) -> bytes:
        return f"{self.n}".encode()


class Picture(Patches):
    def load(self, rng: np.random.Generator | None = None) -> torch.Tensor:
        return torch.full((1, 4, 4), 1.0 if rng is None else float(rng.random()))


def bags(*sizes: int | None, width: int = 3) -> LazyColumn:
    items = [None if n is None else Patches(n, width) for n in sizes]
    return LazyColumn(items, torch.zeros(0, width), ragged=True)


def data(*sizes: int | None) -> PatientData:
    return PatientData(
        {"slides": bags(*sizes), "age": torch.ones(len(sizes), 1)}, patients=list("abcdefgh")[: len(sizes)]
    )


def seen(batch: object) -> list[list[float]]:
    return [bag[:, 0].tolist() for bag in batch.inputs["slides"].unbind()]


def test_prediction_sees_all_patches_and_training_a_sample() -> None:
    made = data(5, None, 9)
    assert made.present["slides"].tolist() == [True, False, True]
    batch = made.batch()
    assert isinstance(batch.inputs["slides"], Ragged)
    assert batch.inputs["slides"].sizes == [5, 0, 9]
    assert made.batch(draw=Draw(0, 0)).inputs["slides"].sizes == [2, 0, 2]
    assert made.batch([1]).inputs["slides"] is None


def test_the_sample_depends_on_seed_epoch_and_patient_alone() -> None:
    made = data(500, 500, 500)
    first = seen(made.batch([0, 1, 2], Draw(3, 4)))
    assert seen(made.batch([2, 0], Draw(3, 4))) == [first[2], first[0]]
    assert len({tuple(bag) for bag in first}) == 3
    assert seen(made.batch([0], Draw(3, 5))) != [first[0]]
    assert seen(made.batch([0], Draw(4, 4))) != [first[0]]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_draws_anew_each_epoch(workers: int) -> None:
    made = data(500, 500, 500)
    loader = made.loader(2, shuffle=True, seed=1, training=True, num_workers=workers)
    epochs = [{p: bag for batch in loader for p, bag in zip(batch.patients, seen(batch), strict=True)} for _ in "ab"]
    assert epochs[0] != epochs[1]
    for epoch, found in enumerate(epochs):
        assert found == dict(zip("abc", seen(made.batch(draw=Draw(1, epoch))), strict=True))
    assert all(bag.shape[0] == 500 for batch in made.loader(3) for bag in batch.inputs["slides"].unbind())


def test_nothing_is_loaded_before_a_batch_asks() -> None:
    column = bags(5, 6)
    made = PatientData({"slides": column}).subset([1]).only(["slides"]).with_any()
    list(made.contents())
    assert [item.loads for item in column.items] == [0, 0]
    made.batch()
    assert [item.loads for item in column.items] == [0, 1]


def test_pictures_come_as_a_tensor() -> None:
    column = LazyColumn([Picture(16, 1), None], torch.zeros(0, 1, 4, 4), ragged=False)
    whole = column.input()
    assert whole.shape == (2, 1, 4, 4)
    assert whole[0].eq(1).all()
    assert whole[1].eq(0).all()
    assert not column.input(lambda row: np.random.default_rng(row))[0].eq(1).any()


def test_columns_in_files_are_joined_and_spread() -> None:
    left, right = bags(2, None), bags(4)
    both = left.join(right)
    assert both.present.tolist() == [True, False, True]
    assert both.sizes().tolist() == [6, 0, 12]
    assert list(both.contents()) == [b"2", b"none", b"4"]
    spread = right.spread(torch.tensor([False, True, False]))
    assert spread.present.tolist() == [False, True, False]
    assert spread.input().sizes == [0, 4, 0]
    assert spread.blank(2).input() is None
    whole = PatientData.concat([PatientData({"x": right}, patients=["a"]), PatientData({"y": bags(1)}, patients=["b"])])
    assert whole.present["x"].tolist() == [True, False]
    with pytest.raises(ShapeError, match="one modality of two widths"):
        left.join(bags(3, width=4))
    with pytest.raises(MismatchError, match="expected bags in files, got tensors in files"):
        left.join(LazyColumn([], torch.zeros(0, 3), ragged=False))


def test_big_bags_come_a_few_at_a_time() -> None:
    sizes = torch.tensor([4, 4, 20, 1, 1, 1, 1])
    batches = RowBatches(ShuffledRows(7, shuffle=False), sizes, 3, most=9)
    rows = [shown.rows for [shown] in batches]
    assert rows == [[0, 1], [2], [3, 4, 5], [6]]
    assert len(batches) == 4
    dropped = RowBatches(ShuffledRows(7, shuffle=False), sizes, 3, most=9, drop_last=True)
    assert [shown.rows for [shown] in dropped] == [[0, 1], [2], [3, 4, 5]]
    assert len(dropped) == 3


def test_the_length_is_that_of_the_coming_epoch() -> None:
    batches = RowBatches(ShuffledRows(40, seed=2), torch.arange(40), 8, most=100)
    for epoch in range(4):
        expected = len(batches)
        shown = [only for [only] in batches]
        assert len(shown) == expected
        assert {only.epoch for only in shown} == {epoch}
        assert sorted(row for only in shown for row in only.rows) == list(range(40))


def test_the_length_where_all_is_small() -> None:
    for drop in (False, True):
        batches = RowBatches(ShuffledRows(7), torch.ones(7, dtype=torch.int64), 3, drop_last=drop)
        assert len(batches) == len(list(batches)) == (2 if drop else 3)
    assert Shown(0, [1]).rows == [1]
