from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from mmlego.data.cohort.manifest import parse_outcome
from mmlego.errors import InputError, LegoWarning, MismatchError
from mmlego.tasks import Classification, MultiLabel, Regression, Survival

NAN = float("nan")


def frame(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns, index=list("abcdefgh")[: len(next(iter(columns.values())))])


def survival(event_when: object = 1, **more: object) -> object:
    return parse_outcome({"task": "survival", "time": "t", "event": "e", "event_when": event_when, **more})


@pytest.mark.parametrize(
    ("codes", "event_when", "expected"),
    [
        ([1, 0, 1], 1, [1, 0, 1]),
        ([1, 0, 1], 0, [0, 1, 0]),
        ([1.0, 0.0, 1.0], 1, [1, 0, 1]),
        (["1", "0", "1"], 1, [1, 0, 1]),
        ([True, False, True], 1, [1, 0, 1]),
        ([True, False, True], False, [0, 1, 0]),
        (["dead", "alive", "dead"], "dead", [1, 0, 1]),
        (["died", "alive", "relapsed"], ["died", "relapsed"], [1, 0, 1]),
        ([1, 1, 1], 1, [1, 1, 1]),
    ],
)
def test_the_polarity_of_events(codes: list[object], event_when: object, expected: list[int]) -> None:
    outcome, notes = survival(event_when).known(frame(t=[3.0, 1.0, 2.0], e=codes))
    assert outcome["event"].tolist() == expected
    assert outcome["time"].tolist() == [3, 1, 2]
    assert notes == []


def test_survival_by_hand() -> None:
    spec = survival(bins=3)
    outcome, notes = spec.known(frame(t=[1, 2, 3, 4, 9, NAN, 7], e=[1, 1, 1, 1, 0, 1, None]))
    assert outcome.index.tolist() == list("abcde")
    assert [str(note) for note in notes] == ["outcome: 2 patients whose outcome is missing (f, g)"]
    task = spec.fit_task(outcome)
    assert task == Survival([2.5, 4], typical_time=3)  # the median of the event times, and where a fifth is left
    assert spec.target(outcome, task).tolist() == [[1, 1], [1, 2], [1, 3], [1, 4], [0, 9]]
    assert spec.strata(outcome).tolist() == [1, 1, 1, 1, 0]
    assert spec.describe(outcome) == "survival: 4 events, 1 censored, time up to 9"


def test_cuts_of_the_section() -> None:
    spec = survival(cuts=[2, 4])
    outcome, _ = spec.known(frame(t=[1, 2, 3, 4, 9], e=[1, 1, 1, 1, 0]))
    assert spec.fit_task(outcome) == Survival([2, 4])
    with pytest.raises(InputError, match=r"followed as far as 4: expected cuts up to 3, got 2, 4\. Leave"):
        spec.fit_task(outcome[:3])
    with pytest.raises(InputError, match=r"bins: and cuts: both say how time is divided"):
        survival(cuts=[2, 4], bins=3)
    with pytest.raises(InputError, match="cuts do not divide time into bins"):
        survival(cuts=[4, 2])


def test_several_codes_for_censored_are_told() -> None:
    with pytest.warns(LegoWarning, match="Column 'e' has several values that are no event.*censored: 0, 2"):
        survival().known(frame(t=[1, 2, 3], e=[0, 1, 2]))


def test_classification_by_hand() -> None:
    spec = parse_outcome({"task": "classification", "label": "y"})
    outcome, notes = spec.known(frame(y=[10, 2, 2, None]))
    assert [str(note) for note in notes] == ["outcome: 1 patient whose outcome is missing (d)"]
    task = spec.fit_task(outcome[:2])
    assert task == Classification(["2", "10"])  # in the order of numbers, not of text
    assert spec.target(outcome, task).tolist() == [1, 0, 0]
    assert spec.target(outcome, Classification(["10", "2", "5"])).tolist() == [0, 1, 1]
    assert spec.strata(outcome).tolist() == [1, 0, 0]
    assert spec.describe(outcome) == "classification: y is 2 in 2, 10 in 1"


def test_classes_of_the_whole_cohort_go_with_a_part() -> None:
    spec = parse_outcome({"task": "classification", "label": "y", "classes": ["no", "maybe", "yes"]})
    outcome, _ = spec.known(frame(y=["yes", "no", "no"]))
    assert spec.fit_task(outcome[1:]) == Classification(["no", "maybe", "yes"])


def test_multilabel_by_hand() -> None:
    spec = parse_outcome({"task": "multilabel", "labels": "tox_*"})
    raw = frame(tox_a=[1, 0, NAN, NAN], tox_b=[0, NAN, 1, NAN], age=[1, 2, 3, 4])
    assert spec.columns(list(raw.columns)) == ["tox_a", "tox_b"]
    outcome, notes = spec.known(raw[["tox_a", "tox_b"]])
    assert notes[0].patients == ("d",)  # some labels may be missing, all may not
    task = spec.fit_task(outcome)
    assert task == MultiLabel(["tox_a", "tox_b"])
    target = spec.target(outcome, task)
    torch.testing.assert_close(target, torch.tensor([[1, 0], [0, NAN], [NAN, 1]]), equal_nan=True)
    assert spec.describe(outcome) == "multilabel: tox_a 1 of 2, tox_b 1 of 2"


def test_regression_by_hand() -> None:
    spec = parse_outcome({"task": "regression", "target": ["y", "z"]})
    assert spec.columns(["z", "x", "y"]) == ["y", "z"]
    outcome, notes = spec.known(frame(y=[1, 3, NAN], z=[2, 2.5, 1]))
    assert notes[0].patients == ("c",)
    task = spec.fit_task(outcome)
    assert task == Regression(["y", "z"], mean=[2, 2.25], scale=[1, 0.25])
    assert spec.target(outcome, task).tolist() == [[1, 2], [3, 2.5]]
    assert spec.target(outcome, Regression(["z"])).tolist() == [[2], [2.5]]
    assert spec.describe(outcome) == "regression: y 2 ± 1, z 2.25 ± 0.25"


CLASS = {"task": "classification", "label": "y"}
BAD = {
    "negative time": (survival(), frame(t=[1, -2], e=[0, 1]), r"1 patient with a negative survival time \(b\)"),
    "infinite time": (survival(), frame(t=[1, np.inf], e=[0, 1]), r"an infinite value in outcome column 't' \(b\)"),
    "time as text": (
        survival(),
        frame(t=["1", "long"], e=[0, 1]),
        "column 't' holds 1 cell that is no number: got 'long' 1",
    ),
    "time as dates": (survival(), frame(t=pd.to_datetime(["2020-01-01"] * 2), e=[0, 1]), "'t' holds dates"),
    "no event": (survival("dead"), frame(t=[1, 2], e=["x", "y"]), "expected dead among the values, got x, y"),
    "nobody": (survival(), frame(t=[NAN, 2], e=[1, None]), "no patient has an outcome: expected values in t, e"),
    "one class": (parse_outcome(CLASS), frame(y=["a", "a"]), "holds one class only: got a. Name the classes"),
    "another class": (
        parse_outcome({**CLASS, "classes": ["a", "b"]}),
        frame(y=["a", "c"]),
        "unknown classes in 'y': expected 'a', 'b', got 'c'.*in quotes.*classes: \\['a', 'c'\\]",
    ),
    "label 2": (
        parse_outcome({"task": "multilabel", "labels": ["y"]}),
        frame(y=[0, 2]),
        r"1 patient with a label of 'y' that is neither 0 nor 1, no nor yes: '2' \(b\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_outcomes(case: str) -> None:
    spec, raw, message = BAD[case]
    with pytest.raises(InputError, match=message):
        spec.known(raw)


@pytest.mark.parametrize("key", ["time", "event", "label"])
def test_one_column_is_named_and_not_what_fits_a_glob(key: str) -> None:
    section = CLASS if key == "label" else {"task": "survival", "time": "t1", "event": "e", "event_when": 1}
    spec = parse_outcome({**section, key: "t*"})
    with pytest.raises(InputError, match=r"outcome: no column matches 't\*'"):
        spec.columns(["t1", "t2", "e", "y"])
    assert parse_outcome({**section, key: "t*"}).columns(["t*", "t1", "e"])[-1 if key == "event" else 0] == "t*"


def test_a_task_of_another_kind_is_refused() -> None:
    outcome, _ = parse_outcome(CLASS).known(frame(y=["a", "b"]))
    with pytest.raises(MismatchError, match="expected Classification, got Survival"):
        parse_outcome(CLASS).target(outcome, Survival([1.0]))
    with pytest.raises(MismatchError, match="classes that the task lacks: expected a, c, got b"):
        parse_outcome(CLASS).target(outcome, Classification(["a", "c"]))
    numbers, _ = parse_outcome({"task": "regression", "target": "y"}).known(frame(y=[1, 2]))
    with pytest.raises(MismatchError, match="lacks targets of the task: z: expected z, got y"):
        parse_outcome({"task": "regression", "target": "y"}).target(numbers, Regression(["z"]))


@pytest.mark.parametrize(
    "words", [["TRUE", "FALSE"], ["True", "False"], ["t", "f"], ["Y", "N"], ["1", "0"], ["Yes", "No"]]
)
def test_classes_of_yes_and_no_meet_those_of_a_model_however_they_are_written(words: list[str]) -> None:
    outcome, _ = parse_outcome(CLASS).known(frame(y=words))
    for classes in (["no", "yes"], ["FALSE", "TRUE"]):
        assert parse_outcome(CLASS).target(outcome, Classification(classes)).tolist() == [1, 0]
    with pytest.raises(MismatchError, match="classes that the task lacks"):
        parse_outcome(CLASS).target(outcome, Classification(["alive", "dead"]))


def test_classes_that_say_yes_in_two_ways_are_refused() -> None:
    with pytest.raises(InputError, match=r"differ in form only: all say yes or no.*got 'TRUE', 'no', 'yes'"):
        parse_outcome(CLASS).known(frame(y=["yes", "no", "TRUE"]))
