"""Who was in: the flow and table 1, counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mmlego.data import Cohort, Split
from mmlego.reporting.people import flow, outcome_groups, table_one
from mmlego.reporting.subgroups import subgroups
from mmlego.reporting.subject import Subject
from mmlego.tasks import Classification, Regression

IDS = [f"p{place}" for place in range(12)]


def cohort() -> Cohort:
    rna = pd.DataFrame({"TP53": np.arange(12.0)}, index=IDS)
    clinical = pd.DataFrame({"age": [50.0, 60, 70, np.nan, 80, 40], "sex": list("fmfmff")}, index=IDS[4:10])
    died = pd.DataFrame({"died": ["yes", "no"] * 5}, index=IDS[:10])  # of the last two nobody knows
    return Cohort.from_frames(
        {"rna": rna, "clinical": clinical}, outcome=died, task={"task": "classification", "label": "died"}
    )


def subject(split: Split | None = None) -> Subject:
    made = cohort()
    who = {} if split is None else split.named(made.patients)
    held = tuple(made.patients) if split is None else tuple(who["test"])
    return Subject({}, {}, made, who, held)


def test_the_way_of_the_patients() -> None:
    split = Split(train=[0, 1, 2, 3, 4], validation=[5, 6], test=[7, 8, 9])
    found = flow(subject(split), cohort(), Classification(["no", "yes"]))
    assert found.steps[0][0].startswith("12 patients with an id")
    assert found.steps[0][1] == ("2 left out: without outcome (rna)",)
    assert found.steps[1][0] == "10 patients with an outcome and at least one modality, 5 with died = yes"
    assert found.ends == (
        ("Training", "5 patients, 3 with died = yes"),
        ("Validation", "2 patients, 1 with died = yes"),
        ("Held out", "3 patients, 1 with died = yes"),
    )
    assert "p1" not in str(found)


def test_table_one_by_hand() -> None:
    table = table_one(cohort(), Classification(["no", "yes"]))
    assert table is not None
    assert table.head == ("", "all (n = 10)", "no (n = 5)", "yes (n = 5)")
    rows = {row[0]: row[1:] for row in table.rows}
    # Patients 4, 6, 8 died at 50, 70, 80; 5 and 9 at 60 and 40 did not; the age of 7 is not known.
    assert rows["age (clinical)"] == ("60 (50 to 70)", "50 (45 to 55)", "70 (60 to 75)")
    assert rows["age: missing"] == ("5 (50 %)", "3 (60 %)", "2 (40 %)")
    assert rows["sex (clinical): f"] == ("4 (67 %)", "1 (33 %)", "3 (100 %)")
    assert rows["TP53 (rna)"][0] == "4.5 (2.25 to 6.75)"


def test_numbers_are_grouped_in_thirds() -> None:
    values = pd.DataFrame({"il6": np.arange(9.0)}, index=IDS[:9])
    made = Cohort.from_frames(
        {"rna": values.rename(columns={"il6": "TP53"})}, outcome=values, task={"task": "regression", "target": "il6"}
    )
    groups = outcome_groups(made, Regression(["il6"]))
    assert [len(ids) for _, ids in groups] == [3, 3, 3]


def test_subgroups_of_words_and_of_numbers() -> None:
    found = subgroups(subject(), "sex")
    assert {name: len(ids) for name, ids in found.items()} == {"f": 4, "m": 2, "not known": 4}
    found = subgroups(subject(), "TP53")
    assert {name: len(ids) for name, ids in found.items()} == {"up to 4.5": 5, "above 4.5": 5}
