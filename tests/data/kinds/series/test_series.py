from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from mmlego.data import preprocessing_from_config
from mmlego.data.kinds.series.preprocess import SeriesPreprocessor
from mmlego.data.kinds.series.stays import Stays
from mmlego.errors import CheckpointError, InputError, LegoWarning, VersionError
from tests.stays import frame_of

NAN = math.nan
TRAIN = frame_of(
    ("a", 0.2, "HR", 80),
    ("a", 0.9, "HR", 100),
    ("a", 2.5, "Temp", 37),
    ("b", 0.0, "HR", 110),
    ("b", 5.0, "Temp", 39),
)


def fit(frame: pd.DataFrame = TRAIN, **settings: object) -> SeriesPreprocessor:
    return SeriesPreprocessor.fit(frame, **({"quantiles": (0, 1)} | settings))


def column(steps: torch.Tensor, place: int = 1) -> list[float | None]:
    return [None if math.isnan(x) else round(x, 4) for x in steps[:, place].tolist()]


def test_steps_by_hand() -> None:
    series = fit(horizon=6, bin_hours=2)
    assert series.features == ("time", "HR", "Temp")
    steps = series.transform(TRAIN)
    assert steps.shape == (2, 3, 3)
    assert steps.dtype == torch.float32
    assert steps[:, :, 0].tolist() == [[0.0, 2.0, 4.0]] * 2
    # cells: HR 90 and 110, Temp 37 and 39; mean 100 ± 10 and 38 ± 1
    assert column(steps[0]) == [-1.0, None, None]
    assert column(steps[1]) == [1.0, None, None]
    assert column(steps[0], 2) == [None, -1.0, None]
    assert column(steps[1], 2) == [None, None, 1.0]


def test_without_a_horizon_each_stay_goes_to_its_end() -> None:
    steps = fit().transform(TRAIN)
    assert [part.shape for part in steps] == [(3, 3), (6, 3)]
    assert steps[1][:, 0].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert isinstance(fit().transform(TRAIN[:1]), list)  # all have equally many; of other patients that may not be so


def test_cells_of_training_patients_have_mean_zero_and_deviation_one() -> None:
    rng = np.random.default_rng(0)
    rows = [(str(i % 50), float(t), "HR", float(rng.lognormal(4))) for i, t in enumerate(rng.uniform(0, 20, 500))]
    for settings in ({}, {"log": ["HR"]}, {"rules": "max"}, {"quantiles": (0.05, 0.95)}):
        steps = fit(frame_of(*rows), **settings).transform(frame_of(*rows))
        values = torch.cat(list(steps))[:, 1]
        values = values[~values.isnan()].double()
        assert values.mean().abs() < 1e-6
        assert (values.std(correction=0) - 1).abs() < 1e-6


@pytest.mark.parametrize(
    ("rule", "cell"),
    [("mean", 90), ("first", 80), ("last", 100), ("min", 80), ("max", 100), ("sum", 180), ("count", 2)],
)
def test_rules(rule: str, cell: float) -> None:
    series = fit(rules=rule, horizon=6)
    hr = series.columns[0]
    assert series.transform(TRAIN)[0, 0, 1] * hr.scale + hr.centre == pytest.approx(cell)


def test_rules_by_name_and_several_columns_of_a_variable() -> None:
    series = fit(rules={"*": "last", "HR": ["min", "max", "min"]}, horizon=6)
    assert series.features == ("time", "HR min", "HR max", "Temp")
    assert [c.rule for c in series.columns] == ["min", "max", "last"]
    assert series.variables == ("HR", "Temp")
    assert series.out_features == 4
    steps = series.transform(TRAIN)
    assert column(steps[0], 1)[0] == pytest.approx((80 - 95) / 15, abs=1e-4)
    assert column(steps[0], 2)[0] == pytest.approx((100 - 105) / 5, abs=1e-4)


def test_rules_that_no_pattern_gives_are_means() -> None:
    assert [c.rule for c in fit(rules={"T*": "max"}).columns] == ["mean", "max"]


def test_logarithms_of_what_is_skewed() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for i in range(300):
        values = {"lactate": rng.lognormal(0.5, 0.8), "pulse": rng.normal(80, 10), "excess": -rng.exponential()}
        values |= {"shift": rng.exponential() - 1, "flag": 1.0, "rare": float(i == 0)}
        rows += [(str(i), 0.5, name, float(value)) for name, value in values.items()]
    logged = {c.variable: c.log for c in fit(frame_of(*rows), log="auto").columns}
    # of a flag that is almost always 0 the logarithm is no less skewed
    assert logged == {"lactate": True, "pulse": False, "excess": False, "shift": False, "flag": False, "rare": False}


def test_logarithms() -> None:
    series = fit(log=["H*"], horizon=6)
    assert [c.log for c in series.columns] == [True, False]
    cells = np.log1p([90, 110])
    assert series.columns[0].centre == pytest.approx(cells.mean())
    assert series.columns[0].scale == pytest.approx(cells.std())


def test_values_are_clipped_to_what_is_declared_and_to_quantiles() -> None:
    rows = [("a", float(i), "HR", float(i)) for i in range(101)] + [("a", 200.0, "HR", 1e6)]
    assert (fit(frame_of(*rows)).columns[0].low, fit(frame_of(*rows)).columns[0].high) == (0, 1e6)
    clipped = fit(frame_of(*rows), clip={"HR": (20, 90)}).columns[0]
    assert (clipped.low, clipped.high) == (20, 90)
    both = fit(frame_of(*rows), clip={"*": (-5, 1e3)}, quantiles=(0.1, 0.9)).columns[0]
    assert (both.low, both.high) == (pytest.approx(10.1), pytest.approx(90.9))
    series = fit(frame_of(*rows), quantiles=(0.1, 0.9), horizon=1)
    far, edge = (series.transform(frame_of(("x", 0.0, "HR", value)))[0, 0, 1] for value in (1e9, 90.9))
    assert far == edge


def test_what_is_always_the_same_stays() -> None:
    series = fit(frame_of(("a", 0, "Vent", 1), ("b", 0, "Vent", 1), ("b", 1, "HR", 80), ("b", 2, "HR", 81)), horizon=3)
    vent = next(c for c in series.columns if c.variable == "Vent")
    assert (vent.centre, vent.scale) == (1.0, 1.0)
    assert column(series.transform(frame_of(("x", 1, "Vent", 1), ("x", 1, "HR", 80)))[0], 2) == [None, 0.0, None]


def test_a_variable_that_training_patients_lack_is_dropped() -> None:
    frame = frame_of(("a", 0, "HR", 80), ("a", 1, "HR", 81), ("b", 0, "Temp", 37))
    with pytest.warns(LegoWarning, match="1 variable never measured in the training patients dropped: Temp"):
        series = fit(frame[:1])
    assert series.variables == ("HR",)
    assert series.dropped == {"Temp": "never measured"}
    assert series.observed(frame).tolist() == [True, False]


def test_what_is_after_the_horizon_is_not_seen() -> None:
    series = fit(frame_of(("a", 0, "HR", 80), ("a", 1, "HR", 90), ("b", 9, "HR", 1000)), horizon=2)
    assert series.columns[0].high == 90
    assert series.observed(frame_of(("x", 2.0, "HR", 80), ("y", 2.1, "HR", 80))).tolist() == [True, False]


def test_training_patients_alone_decide() -> None:
    whole = frame_of(*[(str(i), 0.5, "HR", float(i)) for i in range(10)])
    series = fit(whole[:5])
    assert series.columns[0].centre == 2.0
    assert series == fit(whole[:5])
    assert series != fit(whole)


def test_variables_in_another_order_or_missing() -> None:
    series = fit(horizon=6)
    assert torch.equal(
        series.transform(Stays.only(_stays(TRAIN), ["Temp", "HR", "Other"]).frame()).nan_to_num(9),
        series.transform(TRAIN).nan_to_num(9),
    )
    bare = _stays(TRAIN).only(["HR"]).frame()
    with pytest.warns(LegoWarning, match="1 variable of training not in the series, taken as not measured: Temp"):
        steps = series.transform(bare)
    assert steps[:, :, 2].isnan().all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert series.observed(bare).tolist() == [True, True]
    with pytest.raises(InputError, match=r"none of the variables .*: expected some of HR, Temp, got Other"):
        series.transform(_stays(TRAIN).only(["Other"]).frame())


def _stays(frame: pd.DataFrame) -> Stays:
    cells = frame["stay"].tolist()
    arrays = [np.concatenate([getattr(c, name) for c in cells]) for name in ("variable", "time", "value")]
    return Stays(tuple(frame.index), [len(c.time) for c in cells], cells[0].names, *arrays)


def test_a_saved_one_is_equal_and_JSON() -> None:
    series = fit(rules={"HR": ["mean", "max"]}, log=["Temp"], bin_hours=0.5, horizon=6)
    read = preprocessing_from_config(json.loads(json.dumps(series.config())))
    assert read == series
    assert torch.equal(read.transform(TRAIN).nan_to_num(9), series.transform(TRAIN).nan_to_num(9))
    assert read.encoder() == ("gru_d", {"in_features": 4})
    assert fit(bin_hours=2, horizon=8).encoder() == ("time_transformer", {"in_features": 3})
    assert fit(bin_hours=2, horizon=9).encoder()[0] == fit(bin_hours=2).encoder()[0] == "gru_d"
    assert read.blank().values.shape == (0, 12, 4)
    assert fit().blank().shape == (0, 3)


DAMAGE = {
    "columns": ([], "columns"),
    "bin_hours": (0, "bin_hours"),
    "horizon": (-1, "the whole"),
    "start": ("soon", "start"),
    "extra": (1, "extra"),
}


@pytest.mark.parametrize("key", DAMAGE)
def test_damaged_configs(key: str) -> None:
    value, where = DAMAGE[key]
    with pytest.raises(CheckpointError, match=f"preprocessing of series is damaged at {where}"):
        preprocessing_from_config(fit().config() | {key: value})


@pytest.mark.parametrize(
    "change",
    [{"scale": 0}, {"scale": NAN}, {"low": 1e9}, {"rule": "median"}, {"variable": "Temp"}, {"log": True, "low": -1}],
)
def test_damaged_columns(change: dict[str, object]) -> None:
    config = fit().config()
    config["columns"][0] |= change
    with pytest.raises(CheckpointError, match=r"damaged at (columns|the whole)"):
        preprocessing_from_config(config)


def test_a_newer_format() -> None:
    with pytest.raises(VersionError, match="newer format"):
        preprocessing_from_config(fit().config() | {"version": 3})


BAD = {
    "no measurement": (lambda: fit(TRAIN[:0]), "no training patient has a measurement"),
    "rule for nobody": (lambda: fit(rules={"HRR": "max"}), "rules: no variable matches 'HRR'. Did you mean 'HR'"),
    "log of nobody": (lambda: fit(log=["Tmp"]), "log: no variable matches 'Tmp'. Did you mean 'Temp'"),
    "clip of nobody": (lambda: fit(clip={"X*": (0, 1)}), "clip: no variable matches 'X\\*'. Known: HR, Temp"),
    "log of negative": (
        lambda: fit(frame_of(("a", 0, "BE", -3), ("a", 1, "BE", 2)), log=["BE"]),
        "a logarithm of negative values of 'BE': expected values ≥ 0, got -3. Leave it out of log:, or clip it at 0",
    ),
    "bins of no width": (lambda: fit(bin_hours=0), "bin_hours: expected a number > 0, got 0"),
    "endless horizon": (lambda: fit(horizon=math.inf), "horizon: expected hours > 0, or None, got inf"),
    "quantiles": (lambda: fit(quantiles=(0.9, 0.1)), "quantiles: expected two rising numbers from 0 to 1"),
    "far too long": (
        lambda: fit().transform(frame_of(("a", 0, "HR", 1), ("b", 3.6e6, "HR", 1), ("b", 0, "Temp", 1))),
        "the stay of b is too long: expected at most 100000 bins of 1 h, got 3.6e\\+06 h. Check the unit",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    call, message = BAD[name]
    with pytest.raises(InputError, match=message):
        call()
