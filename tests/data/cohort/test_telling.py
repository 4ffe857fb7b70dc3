"""Features that are the outcome in other words."""

from __future__ import annotations

import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.data.cohort.telling import telling_columns, telling_gaps

IDS = [f"p{i:02d}" for i in range(16)]
DIED = pd.DataFrame({"died": ["no", "yes"] * 8}, index=IDS)


def made(values: list[object]) -> Cohort:
    words = pd.DataFrame({"word": pd.Series(values, index=IDS).astype("category"), "age": range(16)}, index=IDS)
    return Cohort.from_frames({"t": words}, outcome=DIED, task={"task": "classification", "label": "died"})


@pytest.mark.parametrize("values", [["no"] * 16, ["no", None] * 8, [True] * 16, [None, *["A"] * 15]])
def test_categories_of_one_value_are_looked_at(values: list[object]) -> None:
    assert telling_columns(made(values)) == []


def test_categories_that_are_the_outcome_are_told() -> None:
    assert telling_columns(made(["alive", "dead"] * 8)) == [("t", "word", "died")]
    assert telling_gaps(made(["alive", None] * 8)) == [("t", "word", "died")]


@pytest.mark.parametrize(("no", "yes"), [(0, 1), (2, 1), (0.5, 7)])
def test_numbers_that_stand_for_the_words_of_the_outcome_are_told(no: float, yes: float) -> None:
    numbers = pd.DataFrame({"x": [no, yes] * 8, "gap": [no, None] * 8, "age": range(16)}, index=IDS)
    numbers["near"] = [no, yes] * 7 + [yes, yes]
    cohort = Cohort.from_frames({"t": numbers}, outcome=DIED, task={"task": "classification", "label": "died"})
    assert telling_columns(cohort) == [("t", "x", "died")]


def test_numbers_that_stand_for_three_classes_are_told() -> None:
    stage = pd.DataFrame({"stage": ["I", "II", "III", "I"] * 4}, index=IDS)
    numbers = pd.DataFrame({"x": [5, 1, 3, 5] * 4, "two": [5, 1, 1, 5] * 4}, index=IDS)
    cohort = Cohort.from_frames({"t": numbers}, outcome=stage, task={"task": "classification", "label": "stage"})
    assert telling_columns(cohort) == [("t", "x", "stage")]
