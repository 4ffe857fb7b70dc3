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
