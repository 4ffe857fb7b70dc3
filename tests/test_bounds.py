"""Bounds of numbers: declared once, in the settings, and kept wherever such a number comes from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel, Field, ValidationError

from mmlego import Baseplate, InputError
from mmlego.bounds import bounds_of, within
from mmlego.settings import FitSettings, PlateSettings, Settings
from mmlego.tasks import Classification


class Some(BaseModel):
    share: float = Field(default=0.5, ge=0, lt=1)
    count: int | None = Field(default=1, ge=1, le=9)
    free: float | None = None
    name: str = "a"


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("share", 0, 0.0),
        ("share", np.float32(0.5), 0.5),
        ("share", torch.tensor([0.25]), 0.25),
        ("count", None, None),
        ("count", np.int64(9), 9),
        ("free", -1e300, -1e300),
    ],
)
def test_what_lies_within(name: str, value: Any, kept: float | None) -> None:
    found = within(Some, name, value, "x")
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("share", None, "x: expected a number ≥ 0, got None"),
        ("share", -0.1, "x: expected a number ≥ 0, got -0.1"),
        ("share", 1.0, "x: expected a number ≥ 0, below 1, got 1.0"),
        ("share", math.nan, "x: expected a number ≥ 0, got nan"),
        ("share", "0.5", "x: expected a number ≥ 0, got '0.5'"),
        ("count", 10, "x: expected an int ≥ 1, at most 9, got 10"),
        ("count", True, "x: expected an int ≥ 1, at most 9, got True"),
        ("count", 2.0, "x: expected an int ≥ 1, at most 9, got 2.0"),
        ("free", math.nan, "x: expected a number, got nan"),
        ("name", 1, "name of Some"),
    ],
)
def test_what_does_not(name: str, value: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        within(Some, name, value, "x")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", [name for name in FitSettings.model_fields if bounds_of(FitSettings, name)])
@pytest.mark.parametrize("value", [-1, 0, 0.5, 1, 1e30, 1.1e30, 1e38, math.inf, math.nan])
def test_fit_and_settings_accept_the_same(name: str, value: float) -> None:
    def settings() -> bool:
        try:
            FitSettings.model_validate({name: value}, strict=True)
        except ValidationError:
            return False
        return True

    def fit() -> bool:
        try:
            within(FitSettings, name, value, name)
        except InputError:
            return False
        return True

    assert settings() == fit()


@pytest.mark.parametrize("name", [name for name in PlateSettings.model_fields if bounds_of(PlateSettings, name)])
@pytest.mark.parametrize("value", [-1, 0, 0.5, 1, 2, 2**63, math.inf, math.nan])
def test_a_baseplate_accepts_what_its_settings_do(name: str, value: float) -> None:
    def accepted(make: Callable[[], object]) -> bool:
        try:
            make()
        except (ValidationError, InputError):
            return False
        return True

    if value == 2**63 and name != "seed":
        value = 3  # a plate of that size would not fit
    whole = {"channels": 2, "width": 2, "steps": 1, "heads": 1, "head_width": 2, name: value}
    made = accepted(lambda: Baseplate(Classification(2), **whole))
    assert made == accepted(lambda: PlateSettings.model_validate({name: value}, strict=True))


def test_a_seed_has_63_bits() -> None:
    assert within(Settings, "seed", 2**63 - 1, "seed") == 2**63 - 1
    with pytest.raises(InputError, match="expected an int ≥ 0, below 2⁶³"):
        within(Settings, "seed", 2**63, "seed")
    with pytest.raises(ValidationError):
        Settings(seed=2**63)
