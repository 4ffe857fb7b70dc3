"""Bounds of numbers: declared once, in the settings, and kept wherever such a number comes from."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import BaseModel, Field, ValidationError

from mmlego import Baseplate, InputError, LegoBlock, LegoFuse
from mmlego.bench import Experiment
from mmlego.bounds import bounds_of, within
from mmlego.data import Cohort
from mmlego.encoders import SNN
from mmlego.job.begin import make_split
from mmlego.sections import PlateSettings
from mmlego.settings import FitSettings, FuseSettings, Settings
from mmlego.tasks import Classification
from tests.terminal import refused


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


@pytest.mark.parametrize("value", [-0.1, 0, 0.5, 0.95, 1, math.inf, math.nan, "0.5", True])
def test_a_fuse_accepts_what_its_settings_do(value: Any) -> None:
    plate = Baseplate(Classification(2), channels=4, width=8)
    blocks = [LegoBlock(SNN(2), plate, "a"), LegoBlock(SNN(3), plate, "b")]
    try:
        FuseSettings.model_validate({"modality_dropout": value}, strict=True)
    except ValidationError:
        with pytest.raises(InputError, match=r"modality_dropout of a LegoFuse: expected a number ≥ 0"):
            LegoFuse(blocks, modality_dropout=value)
    else:
        assert LegoFuse(blocks, modality_dropout=value).modality_dropout == value


def test_a_baseplate_says_what_its_settings_want() -> None:
    for name, value, expected in (
        ("steps", 0, "steps of a Baseplate: expected an int ≥ 1, at most 1000, got 0"),
        ("seed", 2**63, "seed of a Baseplate: expected an int ≥ 0, below 2⁶³, got 9223372036854775808"),
        ("temperature", math.inf, "temperature of a Baseplate: expected a number > 0, finite, got inf"),
        ("dropout", 1.0, "dropout of a Baseplate: expected a number ≥ 0, below 1, got 1.0"),
    ):
        with pytest.raises(InputError) as caught:
            Baseplate(Classification(2), **{name: value})
        assert str(caught.value) == expected


def test_numbers_of_numpy_give_the_same_plate_and_1_is_not_made_1_0() -> None:
    plain = {"channels": 4, "width": 8, "temperature": 2.0}
    arrays = {name: np.float64(value) if name == "temperature" else np.int64(value) for name, value in plain.items()}
    mine, other = (Baseplate(Classification(2), **fields) for fields in (plain, arrays))
    assert json.dumps(mine.config()) == json.dumps(other.config())
    assert mine.fingerprint == other.fingerprint
    # Plates saved with a whole number as temperature keep the fingerprint that they were saved with.
    assert json.dumps(Baseplate(Classification(2), channels=4, width=8, temperature=2).config()["temperature"]) == "2"


@pytest.mark.parametrize(("name", "value"), [("test", 1.0), ("validation", 1.5), ("test", -0.1), ("test", math.nan)])
def test_shares_are_refused_alike_by_python_and_on_the_command_line(name: str, value: float, tmp_path: Path) -> None:
    cohort = Cohort.from_frames({"labs": pd.DataFrame({"crp": [1.0, 2.0]}, index=["a", "b"])})
    with pytest.raises(InputError) as caught:
        make_split(cohort, None, **{"test": 0.2, "validation": 0.2, name: value}, seed=0, duplicates="error")
    nowhere = tmp_path / "none.yaml"
    verbs = [("train", "-d", nowhere, "-o", tmp_path / "run")]
    if name == "test":
        verbs.append(("fuse", tmp_path, "-d", nowhere))
    for verb in verbs:  # before any file is looked for
        assert refused(*verb, f"--{name}={value}") == str(caught.value)
    assert str(caught.value).startswith(f"the share of {name} patients: expected a number ≥ 0")
    assert "cannot read the manifest" in refused(*verbs[0], f"--{name}=0.95")


@pytest.mark.parametrize("value", [0, 0.005, 0.95, 1])
def test_an_experiment_takes_what_bench_takes(value: float, tmp_path: Path) -> None:
    words = ("bench", "-d", tmp_path / "none.yaml", "-o", tmp_path / "out", f"--validation={value}")
    if 0 < value < 1:
        assert Experiment(validation=value).validation == value
        assert "cannot read the manifest" in refused(*words)
    else:
        with pytest.raises(ValidationError):
            Experiment(validation=value)
        assert refused(*words).startswith("the share of validation patients: expected a number > 0")


@pytest.mark.parametrize(("name", "least"), [("folds", 2), ("repeats", 1)])
def test_an_experiment_is_repeated_as_bench_and_demo_repeat_it(name: str, least: int, tmp_path: Path) -> None:
    assert getattr(Experiment(**{name: least}), name) == least
    with pytest.raises(ValidationError):
        Experiment(**{name: least - 1})
    for verb in (("bench", "-d", tmp_path / "none.yaml", "-o", tmp_path / "out"), ("demo", "-o", tmp_path / "out")):
        assert refused(*verb, f"--{name}", least - 1).startswith(f"the number of {name}: expected an int ≥ {least}")
    assert "cannot read the manifest" in refused("bench", "-d", tmp_path / "none.yaml", "-o", tmp_path, f"--{name}", 9)


def test_a_seed_has_63_bits() -> None:
    assert within(Settings, "seed", 2**63 - 1, "seed") == 2**63 - 1
    with pytest.raises(InputError, match="expected an int ≥ 0, below 2⁶³"):
        within(Settings, "seed", 2**63, "seed")
    with pytest.raises(ValidationError):
        Settings(seed=2**63)
