"""Single numbers, as users give them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mmlego.scalars import as_number, as_numbers, is_number


@pytest.mark.parametrize(
    "value",
    [2, 2.0, np.float32(2), np.int64(2), np.array(2), np.array([2.0]), torch.tensor(2), torch.ones(1) * 2, Fraction(2)],
)
def test_numbers_of_any_package(value: Any) -> None:
    found = as_number(value)
    assert type(found) is float
    assert found == 2.0


@pytest.mark.parametrize(
    "value",
    [None, True, np.bool_(True), torch.tensor(True), "2", b"2", 2j, [2], np.ones(2), torch.ones(0), np.array("2")],
)
def test_anything_else_is_not_a_number(value: Any) -> None:
    assert math.isnan(as_number(value))


@pytest.mark.parametrize(("value", "infinite"), [(10**400, math.inf), (-(10**400), -math.inf), (math.inf, math.inf)])
def test_what_is_too_large_is_infinite(value: Any, infinite: float) -> None:
    assert as_number(value) == infinite
    assert as_number(10**5000) == math.inf  # too long to be written out


@pytest.mark.parametrize("value", [math.nan, np.float32("nan"), np.array(math.nan), torch.tensor(math.nan)])
def test_nan_is_a_number_none_the_less(value: Any) -> None:
    assert is_number(value)
    assert math.isnan(as_number(value))


@pytest.mark.parametrize("value", [np.ma.masked, np.timedelta64(1, "D"), torch.ones((), device="meta"), np.bool_(True)])
def test_what_only_looks_like_a_number(value: Any) -> None:
    assert not is_number(value)
    assert math.isnan(as_number(value))


@pytest.mark.parametrize("row", [(1, 2.0), [1, 2], np.array([1, 2]), torch.tensor([1.0, 2.0]), (n for n in (1, 2))])
def test_rows_of_numbers(row: Any) -> None:
    assert as_numbers(row) == [1.0, 2.0]


@pytest.mark.parametrize(
    "row",
    ["12", b"12", {1.0, 2.0}, {0: 1.0}, pd.Series([1.0, 2.0]), np.array(1.0), torch.tensor(1.0), np.ones((1, 2)), 1],
)
def test_what_has_names_or_no_order_is_no_row(row: Any) -> None:
    assert as_numbers(row) is None
