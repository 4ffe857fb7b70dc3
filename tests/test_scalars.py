"""Single numbers, as users give them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from mmlego.scalars import as_number


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
