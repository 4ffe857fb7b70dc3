from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlego.data import PatientData, ShuffledRows


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 5), st.integers(0, 5))
def test_the_order_depends_on_seed_and_epoch_alone(rows: int, seed: int, epoch: int) -> None:
    counted = ShuffledRows(rows, seed)
    orders = [list(counted) for _ in range(epoch + 1)]
    jumped = ShuffledRows(rows, seed)
    jumped.set_epoch(epoch)
    assert list(jumped) == orders[epoch]
    assert sorted(orders[epoch]) == list(range(rows))
    assert len(jumped) == rows


def test_epochs_and_seeds_differ() -> None:
    rows = ShuffledRows(50, seed=1)
    assert list(rows) != list(rows)
    assert list(ShuffledRows(50, seed=1)) != list(ShuffledRows(50, seed=2))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_leaves_the_global_random_stream_alone(workers: int) -> None:
    data = PatientData({"rna": torch.arange(6.0)[:, None]})
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    seen = [value for batch in data.loader(2, shuffle=True, num_workers=workers) for value in batch.patients]
    assert sorted(seen) == list("012345")
    assert torch.equal(torch.rand(1), expected)
