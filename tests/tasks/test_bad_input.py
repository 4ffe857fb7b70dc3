"""A table of bad input: each gets one clear error that says what, expected, got and the remedy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from mmlego.errors import InputError, LegoError
from mmlego.tasks import Classification, MultiLabel, Regression, Survival
from mmlego.tasks.checks import as_floats, as_names, as_numbers

NAN = math.nan
SURVIVAL = Survival([1.0, 2.0])

TABLE: list[tuple[str, Callable[[], object], str]] = [
    # ---- survival: targets
    ("negative time", lambda: Survival.target([1, 0], [1.0, -2.0]), r"time is negative: .* got -2 at row 1"),
    ("missing time", lambda: Survival.target([1, 0], [NAN, 2.0]), r"time is not finite: .* got nan at row 0"),
    ("no time", lambda: Survival.target([1, 0], [None, 2.0]), r"time is not finite: .* got nan at row 0"),
    ("infinite time", lambda: Survival.target([1], [math.inf]), r"time is not finite: .* got inf"),
    ("time beyond float32", lambda: Survival.target([1], [1e300]), r"time is not finite: expected .* float32"),
    ("event of 2", lambda: Survival.target([1, 2], [1.0, 2.0]), r"event is neither 0 nor 1: .* got 2 at row 1"),
    ("event missing", lambda: Survival.target([NAN], [1.0]), r"event is neither 0 nor 1: .* got nan at row 0"),
    ("event of ½", lambda: Survival.target([0.5], [1.0]), r"event is neither 0 nor 1"),
    ("event as text", lambda: Survival.target(["dead"], [1.0]), r"event is not numeric: .* Map text"),
    ("time as text", lambda: Survival.target([1], ["long"]), r"time is not numeric"),
    ("time as duration", lambda: Survival.target([1], np.array([5], "m8[D]")), r"time is not numeric"),
    ("complex time", lambda: Survival.target([1], torch.tensor([1j])), r"time is not numeric"),
    ("different lengths", lambda: Survival.target([1, 0], [1.0]), r"event and time do not belong together"),
    ("columns", lambda: Survival.target([[1]], [[1.0]]), r"event and time do not belong together"),
    ("events alone", lambda: Survival.target([1, 0]), r"events without times: .* Survival.target\(event, time\)"),
    (
        "structured, wrong fields",
        lambda: Survival.target(np.array([(1.0, 2.0)], dtype=[("a", "<f8"), ("b", "<f8")])),
        r"events without times: .* got the fields \('a', 'b'\)",
    ),
    ("target of one column", lambda: SURVIVAL.check_target([[1.0]]), r"not one of survival: .* got \(1, 1\)"),
    ("flat target", lambda: SURVIVAL.check_target([1.0, 2.0]), r"not one of survival"),
    ("bad event in target", lambda: SURVIVAL.check_target([[3.0, 1.0]]), r"event is neither 0 nor 1"),
    ("bad time in loss", lambda: SURVIVAL.loss(torch.zeros(1, 3), torch.tensor([[1.0, -1.0]])), r"negative"),
    # ---- survival: cuts and curves
    ("no cuts", lambda: Survival([]), r"cuts do not divide time into bins: .* Survival.from_data"),
    ("cuts not sorted", lambda: Survival([2.0, 1.0]), r"cuts do not divide time"),
    ("cut twice", lambda: Survival([1.0, 1.0]), r"cuts do not divide time"),
    ("cuts equal in float32", lambda: Survival([1.0, 1.0 + 1e-12]), r"cuts do not divide time"),
    ("cut at zero", lambda: Survival([0.0, 1.0]), r"cuts do not divide time"),
    ("cut beyond float32", lambda: Survival([1e300]), r"cuts do not divide time"),
    ("infinite cut", lambda: Survival([1.0, math.inf]), r"cuts is not finite"),
    ("cuts as text", lambda: Survival(["early"]), r"cuts is not numeric"),  # type: ignore[list-item]
    ("one bin", lambda: Survival.from_data([1], [1.0], bins=1), r"bins is not a number of bins: .* got 1"),
    ("bins as float", lambda: Survival.from_data([1], [1.0], bins=2.5), r"bins is not a number"),  # type: ignore[arg-type]
    ("bins as bool", lambda: Survival.from_data([1], [1.0], bins=True), r"bins is not a number"),
    ("no patients", lambda: Survival.from_data([], []), r"no patients"),
    (
        "negative time of a curve",
        lambda: SURVIVAL.predict(torch.zeros(1, 3)).survival_at([-1.0]),
        r"times hold a negative one: expected times ≥ 0, got -1",
    ),
    (
        "NaN time of a curve",
        lambda: SURVIVAL.predict(torch.zeros(1, 3)).survival_at([NAN]),
        r"times is not finite",
    ),
    # ---- classification
    ("label too large", lambda: Classification(2).check_target([0, 2]), r"not a class: .* 0 to 1, got 2 at row 1"),
    ("label negative", lambda: Classification(2).check_target([-1]), r"got -1 at row 0"),
    ("label of ½", lambda: Classification(2).check_target([0.5]), r"got 0.5 at row 0"),
    ("label missing", lambda: Classification(2).check_target([0.0, NAN]), r"got nan at row 1"),
    ("label as text", lambda: Classification(["a", "b"]).check_target(["a"]), r"target is not numeric"),
    ("one-hot", lambda: Classification(2).check_target([[0, 1]]), r"not one of classification: .* argmax"),
    ("label in loss", lambda: Classification(2).loss(torch.zeros(1, 2), torch.tensor([5])), r"got 5 at row 0"),
    ("one class", lambda: Classification(1), r"classes is too short: expected an int ≥ 2"),
    ("no classes", lambda: Classification([]), r"classes is too short"),
    ("classes as text", lambda: Classification("ab"), r"classes is neither a number nor a list of names"),
    ("classes as float", lambda: Classification(2.0), r"classes is neither a number"),  # type: ignore[arg-type]
    ("classes as bool", lambda: Classification(True), r"classes is neither a number"),
    ("class twice", lambda: Classification(["a", "a"]), r"classes holds the same name twice"),
    ("class without name", lambda: Classification(["a", ""]), r"classes holds something that is not a name"),
    ("class of number", lambda: Classification(["a", 1]), r"classes holds something that is not"),  # type: ignore[list-item]
    # ---- multi-label
    ("label of 2", lambda: MultiLabel(["a", "b"]).check_target([[0, 2]]), r"neither 0 nor 1: .* got 2 at row 0 of 'b'"),
    ("label infinite", lambda: MultiLabel(1).check_target([[math.inf]]), r"got inf at row 0 of 'label_0'"),
    ("column too many", lambda: MultiLabel(1).check_target([[0, 1]]), r"not one of these labels: expected \(n, 1\)"),
    ("flat labels", lambda: MultiLabel(1).check_target([0, 1]), r"not one of these labels"),
    ("no labels", lambda: MultiLabel(0), r"labels is too short"),
    # ---- regression
    ("number missing", lambda: Regression(["x"]).check_target([1.0, NAN]), r"not finite: .* got nan at row 1 of 'x'"),
    ("number infinite", lambda: Regression().check_target([[math.inf]]), r"got inf at row 0 of 'target_0'"),
    ("number beyond float32", lambda: Regression().check_target([1e300]), r"finite numbers in float32, got 1e\+300"),
    ("flat for two", lambda: Regression(2).check_target([1.0]), r"not one of these numbers: expected \(n, 2\)"),
    ("zero scale", lambda: Regression(scale=0.0), r"scale is not positive: .* got \(0.0,\)"),
    ("NaN mean", lambda: Regression(mean=NAN), r"mean is not finite"),
    ("three means for two", lambda: Regression(2, mean=[1.0, 2.0, 3.0]), r"mean does not fit the targets"),
    ("mean as text", lambda: Regression(mean="large"), r"mean is not numeric"),  # type: ignore[arg-type]
    ("from no data", lambda: Regression.from_data([]), r"no data to take mean and scale from"),
    ("from missing data", lambda: Regression.from_data([1.0, NAN]), r"target is not finite"),
    ("ragged", lambda: Regression.from_data([[1.0], [1.0, 2.0]]), r"target is not numeric: .* rows of equal length"),
    # ---- anything
    ("no logits", lambda: Regression().loss(None, torch.zeros(1)), r"logits have the wrong shape"),  # type: ignore[arg-type]
    ("target as mapping", lambda: Regression().check_target({"y": 1}), r"target is not numeric"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_bad_input(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert isinstance(caught.value, LegoError)
    assert isinstance(caught.value, ValueError)
    assert "expected" in str(caught.value)
    assert "got" in str(caught.value)


def test_what_can_be_read_as_numbers() -> None:
    assert as_numbers(np.array([1, None], dtype=object), "x").isnan().tolist() == [False, True]
    assert as_numbers(np.array([1, 2], dtype=np.uint16), "x").dtype == torch.int64
    assert as_numbers(np.array([1.5], dtype=np.longdouble), "x").dtype == torch.float64
    tensor = torch.ones(2, requires_grad=True)
    assert as_numbers(tensor, "x") is tensor


def test_names_and_floats() -> None:
    assert as_names(("a",), "labels", "label_", 1) == ("a",)
    assert as_floats(3, "mean") == (3.0,)
    assert as_floats(np.array([1.0, 2.0]), "mean") == (1.0, 2.0)
