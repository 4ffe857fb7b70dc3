"""Writings of one word meet, or are told: by hand, and as laws."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmlego.data import Cohort, TablePreprocessor, check_manifest
from mmlego.data.reading.remarks import Doubtful
from mmlego.data.reading.spellings import alike, doubts_of_names
from mmlego.data.reading.truths import met

IDS = [f"P{i}" for i in range(8)]


def doubts(folder: Path, section: str, more: str = "", **files: str) -> list[str]:
    (folder / "o.csv").write_text("id,y\n" + "".join(f"{p},{'ab'[n % 2]}\n" for n, p in enumerate(IDS)))
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    outcome = "outcome: {task: classification, file: o.csv, label: y}"
    (folder / "c.yaml").write_text(f"key: id\n{outcome}\n{more}modalities:\n  m: {section}\n")
    cohort = Cohort.from_manifest(folder / "c.yaml")
    return [str(note) for note in cohort.dropped if isinstance(note, Doubtful)]


@given(st.lists(st.text("aAbB1.0 ß", max_size=3)))
def test_half_a_million_names_and_a_few_are_compared_alike(words: list[str]) -> None:
    # the short way for plain names finds what comparing each with each finds
    plain = [word for word in dict.fromkeys(words) if word.isidentifier() and word.isascii()]
    pairs = {frozenset((a, b)) for a in plain for b in plain if a != b and a.lower() == b.lower()}
    assert {frozenset((a, b)) for group in alike(plain) for a in group for b in group if a != b} == pairs
    assert all(len(group) > 1 for group in alike(words))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["1", "1.0", "01"], [["1", "1.0"]]),
        (["Grade  2", "grade 2"], [["Grade  2", "grade 2"]]),
        (["\uff21", "A"], [["A", "\uff21"]]),
        (["m", "m\u200b", "f\xad"], [["m", "m\u200b"]]),
        (["TP53", "TP63"], []),
    ],
)
def test_what_differs_in_form_alone(words: list[str], expected: list[list[str]]) -> None:
    assert alike(words) == expected


def test_numbers_of_categories_meet_at_prediction() -> None:
    train = pd.DataFrame({"grade": pd.Categorical(["1", "2", "3", "1"])})
    table = TablePreprocessor.fit(train)
    floats = pd.DataFrame({"grade": pd.Categorical(["1.0", "2.0", "3.0", "1.0"])})
    assert table.transform(floats).tolist() == table.transform(train).tolist()
    assert table.odd(floats)[1] == {}


def test_a_number_that_two_categories_have_meets_neither() -> None:
    assert met(["1.00"], ["1", "1.0"]) == {}


def test_categories_of_a_declared_column_are_told(tmp_path: Path) -> None:
    table = "id,g\n" + "".join(f"{p},{g}\n" for p, g in zip(IDS, ["1", "1.0", "2", "3"] * 2, strict=True))
    (told,) = doubts(tmp_path, "{kind: table, file: t.csv, categories: [g]}", t=table)
    assert told.startswith("m: g has '1' and '1.0', which differ in form alone, each a category")


def test_variables_of_series_are_told(tmp_path: Path) -> None:
    table = "id,time,variable,value\n" + "".join(f"{p},0,HR,{n}\n{p},1,hr,{n}\n" for n, p in enumerate(IDS))
    section = "{kind: series, file: s.csv, cache: false}"
    assert doubts(tmp_path, section, s=table) == [
        "m: 'HR' and 'hr' differ in form alone, each a variable of its own; mend the files if they are one"
    ]
    assert doubts(tmp_path, section.replace("cache", "exclude: [hr], cache"), s=table) == []


def test_columns_and_patients_of_a_table_are_told(tmp_path: Path) -> None:
    table = "id,Age,age\n" + "".join(f"{p},{n},{2 * n}\n" for n, p in enumerate(IDS))
    section = "{kind: table, file: t.csv}"
    (told,) = doubts(tmp_path, section, t=table)
    assert told.startswith("m: 'Age' and 'age' differ in form alone, each a column of its own")
    more = table.replace(",age\n", ",bmi\n") + "p3,7,9\n"
    (told,) = doubts(tmp_path, section, t=more)
    assert told.startswith("m: 'P3' and 'p3' differ in form alone, each a patient of its own")


def test_groups_of_a_split_are_told(tmp_path: Path) -> None:
    table = "id,x\n" + "".join(f"{p},{n}\n" for n, p in enumerate(IDS))
    sites = "id,site\n" + "".join(f"{p},{('Ulm', 'ulm', 'Bonn')[n % 3]}\n" for n, p in enumerate(IDS))
    split = "split: {by: group, file: s.csv, column: site}\n"
    (told,) = doubts(tmp_path, "{kind: table, file: t.csv}", split, t=table, s=sites)
    assert told.startswith("split: 'Ulm' and 'ulm' differ in form alone, each a group of its own")
    assert told in check_manifest(tmp_path / "c.yaml").doubtful


def test_small_letters_of_smiles_are_other_atoms() -> None:
    smiles = ["c1ccccc1", "C1CCCCC1", "CC(=O)O", "CCN", "n1ccccc1", "N1CCCCC1", "C[C@H](N)C(=O)O"]
    assert doubts_of_names(smiles, "drugs", "a patient") == []
    for names in (["CC001", "cc001", "CC002"], ["C1", "c1"], ["Ulm (old)", "ulm (old)"], ["P-1=a", "p-1=a"]):
        assert len(doubts_of_names(names, "drugs", "a patient")) == 1, names
