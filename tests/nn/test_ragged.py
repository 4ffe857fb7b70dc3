"""Ragged: bags end to end."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego import InputError, Ragged, ShapeError
from tests import strategies


@given(strategies.lengths(), st.data())
def test_bags_come_back_as_they_went_in(sizes: list[int], data: st.DataObject) -> None:
    bags = [torch.full((n, 2), float(i)) for i, n in enumerate(sizes)]
    ragged = Ragged.from_list(bags)
    assert len(ragged) == len(sizes)
    assert ragged.lengths.tolist() == sizes
    for bag, back in zip(bags, ragged.unbind(), strict=True):
        assert torch.equal(bag, back)
    rows = data.draw(st.lists(st.integers(0, len(sizes) - 1), max_size=4))
    picked = ragged[rows]
    assert picked.sizes == [sizes[i] for i in rows]
    assert picked.values[:, 0].tolist() == [float(i) for i in rows for _ in range(sizes[i])]


def test_rows_by_tensor_and_by_boolean_mask() -> None:
    ragged = Ragged(torch.arange(6.0)[:, None], [1, 2, 3])
    assert ragged[torch.tensor([2, 0])].values.squeeze(1).tolist() == [3.0, 4.0, 5.0, 0.0]
    assert ragged[torch.tensor([True, False, True])].sizes == [1, 3]
    assert ragged[torch.tensor([False, False, False])].values.shape == (0, 1)


def test_other_values_over_the_same_lengths() -> None:
    ragged = Ragged(torch.zeros(3, 2), torch.tensor([1, 2]))
    assert ragged.with_values(torch.ones(3, 5)).sizes == [1, 2]
    assert ragged.to("cpu").values.device.type == "cpu"
    assert ragged.device.type == "cpu"
    assert repr(ragged) == "Ragged(2 bags of 1…2 tokens)"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU: torch sees no CUDA device")
def test_pinned_memory() -> None:
    assert Ragged(torch.zeros(3, 2), [1, 2]).pin_memory().values.is_pinned()


def test_an_empty_bag_is_kept_for_the_block_to_refuse() -> None:
    assert Ragged(torch.zeros(2, 3), [2, 0]).sizes == [2, 0]


@pytest.mark.parametrize("lengths", [[1, 1], [4], [3, -1, 1], []])
def test_lengths_must_fit(lengths: list[int]) -> None:
    with pytest.raises(ShapeError, match=r"lengths of a Ragged do not fit.*sum to 3.*got"):
        Ragged(torch.zeros(3, 2), lengths)


def test_scalar_values_are_refused() -> None:
    with pytest.raises(ShapeError, match="lengths of a Ragged"):
        Ragged(torch.tensor(1.0), [1])


def test_bags_of_different_width_are_refused() -> None:
    with pytest.raises(ShapeError, match="different widths"):
        Ragged.from_list([torch.zeros(1, 2), torch.zeros(1, 3)])


@pytest.mark.parametrize(("bags", "message"), [([], "no bags"), ([torch.tensor(1.0)], "bag of a Ragged"), ([3], "int")])
def test_what_is_no_bag_is_refused(bags: list[torch.Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Ragged.from_list(bags)


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        ([3], InputError, "below 3"),
        ([-4], InputError, "below 3"),
        ([True, False], ShapeError, "3 booleans"),
        (1, ShapeError, "list of integers"),
    ],
)
def test_rows_that_are_not_there(rows: list[int], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        Ragged(torch.zeros(3, 2), [1, 1, 1])[rows]
