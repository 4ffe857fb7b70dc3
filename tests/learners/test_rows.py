"""Modalities as rows of numbers: statistics computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from mmlego import InputError, Ragged, ShapeError
from mmlego.learners.rows import Rows

NAN = float("nan")


def test_a_table_stays_as_it_is() -> None:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    rows = Rows.of(x)
    assert (rows.form, rows.columns) == ("flat", 2)
    assert rows(x).tolist() == x.tolist()
    with pytest.raises(ShapeError, match=r"\(b, 2\)"):
        rows(torch.zeros(1, 3))


def test_a_bag_is_its_statistics() -> None:
    bags = Ragged.from_list([torch.tensor([[1.0], [3.0]]), torch.tensor([[5.0]])])
    rows = Rows.of(bags)
    assert rows.columns == 5
    wanted = [[2.0, 1.0, 1.0, 3.0, math.log(3)], [5.0, 0.0, 5.0, 5.0, math.log(2)]]
    assert torch.allclose(rows(bags), torch.tensor(wanted, dtype=torch.float64))


def test_a_series_has_a_first_and_a_last() -> None:
    x = torch.tensor([[[1.0], [9.0], [4.0]]])
    mask = torch.tensor([[True, True, False]])
    rows = Rows.of(x, ordered=True)
    wanted = [5.0, 4.0, 1.0, 9.0, 1.0, 9.0, math.log(3)]
    assert torch.allclose(rows(x, mask)[0], torch.tensor(wanted, dtype=torch.float64))


def test_what_was_not_measured_is_left_out_and_counted() -> None:
    x = torch.tensor([[[NAN, NAN], [2.0, NAN], [6.0, NAN], [NAN, NAN]]])
    rows = Rows.of(x, ordered=True)
    assert rows.gaps
    assert rows.columns == 15
    found = rows(x)[0].reshape(-1)[:14].reshape(7, 2)
    assert found[:, 0].tolist() == pytest.approx([4.0, 2.0, 2.0, 6.0, 2.0, 6.0, math.log(3)])
    assert found[:, 1].tolist() == [0.0] * 7
    whole = torch.tensor([[[2.0, 1.0], [6.0, 3.0]]])
    alike = Rows("pooled", 2, ordered=True)(whole)[0, :12]
    assert torch.allclose(rows(whole)[0, :12], alike)


def test_pixels_are_pooled_by_channel() -> None:
    image = torch.zeros(1, 2, 4, 4)
    image[0, 1] = 3.0
    found = Rows.of(image)(image)[0]
    assert found[:2].tolist() == [0.0, 3.0]
    assert float(found[-1]) == pytest.approx(math.log(17))


def test_codes_are_counted_and_later_ones_unknown() -> None:
    rows = Rows("counts", 3)
    assert rows.columns == 3
    assert rows(torch.tensor([[2, 2, 7]])).exp().round().tolist() == [[1.0, 1.0, 3.0]]
    mask = torch.tensor([[True, False, False]])
    assert rows(torch.tensor([[2, 2, 2]]), mask).exp().round().tolist() == [[1.0, 1.0, 2.0]]
    with pytest.raises(InputError, match="vocabulary"):
        Rows.of(torch.tensor([[10**7]]))


def test_an_empty_bag_and_codes_below_zero_are_refused() -> None:
    bags = Ragged(torch.zeros(1, 2), [1, 0])
    with pytest.raises(InputError, match="an empty bag"):
        Rows("pooled", 2)(bags)
    with pytest.raises(InputError, match=r"with \.float\(\)"):
        Rows.of(torch.tensor([[-1, 2]]))
