"""Columns that scores are told by, as the tables of a manifest hold them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmlego.data import Cohort
from mmlego.data.cohort.manifest_files import Wanted
from mmlego.errors import InputError, LegoWarning
from mmlego.reporting.subgroups import subgroups
from mmlego.reporting.subject import Subject

MANIFEST = """
key: id
outcome: {task: classification, file: o.csv, label: died}
modalities:
  rna: {kind: omics, file: rna.csv}
  clinical: {kind: table, file: t.csv, columns: [age]MORE}
"""


def subject(folder: Path, cells: list[str], *, by: str, more: str = "") -> Subject:
    ids = [f"p{n}" for n in range(len(cells))]
    (folder / "t.csv").write_text(
        "\n".join([f"id,age,{by}", *(f"{i},{40 + n},{c}" for n, (i, c) in enumerate(zip(ids, cells, strict=True)))])
    )
    (folder / "rna.csv").write_text("\n".join(["id,TP53", *(f"{i},{n}" for n, i in enumerate(ids))]))
    (folder / "o.csv").write_text("\n".join(["id,died", *(f"{i},{'yn'[n % 2]}" for n, i in enumerate(ids))]))
    manifest = folder / "c.yaml"
    manifest.write_text(MANIFEST.replace("MORE", more))
    cohort = Cohort.from_manifest(manifest, wanted=Wanted())
    return Subject({}, {}, cohort, {}, tuple(cohort.patients), manifest)


@pytest.mark.parametrize(
    "cells",
    [["yes", "no", "no", ""], ["TRUE", "FALSE", "FALSE", ""], ["T", "F", "F", "NA"], ["yes", "FALSE", "no", ""]],
)
def test_yes_and_no_are_two_groups_however_they_are_written(cells: list[str], tmp_path: Path) -> None:
    found = subgroups(subject(tmp_path, cells, by="smoker"), "smoker")
    assert found == {"no": ["p1", "p2"], "yes": ["p0"], "not known": ["p3"]}


def test_a_column_of_numbers_with_other_words_is_refused_as_everywhere(tmp_path: Path) -> None:
    cells = [*map(str, range(50, 66)), "> 89"]
    with pytest.raises(InputError, match=r"column of numbers holds other words \(psa: '> 89' 1×\)"):
        subgroups(subject(tmp_path, cells, by="psa"), "psa")


def test_what_the_section_says_of_the_column_counts(tmp_path: Path) -> None:
    cells = [*map(str, range(50, 66)), "> 89"]
    made = subject(tmp_path, cells, by="psa", more=", missing: ['> 89']")
    assert {name: len(ids) for name, ids in subgroups(made, "psa").items()} == {
        "above 57.5": 8,
        "up to 57.5": 8,
        "not known": 1,
    }


def test_a_column_that_no_table_has(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table of the cohort has a column 'sx'"):
        subgroups(subject(tmp_path, ["f", "m"], by="sex"), "sx")


def test_one_group_in_two_writings_is_told(tmp_path: Path) -> None:
    made = subject(tmp_path, ["A", "a", "B", "A"], by="arm")
    with pytest.warns(LegoWarning, match="Column 'arm': 'A' and 'a' differ in form alone, each a group of its own"):
        found = subgroups(made, "arm")
    assert found == {"A": ["p0", "p3"], "B": ["p2"], "a": ["p1"]}
