"""A word of a manifest that nothing meets beside one that something does is told; one that is misspelt is refused."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from mmlego.data import Cohort, Report, check_manifest
from mmlego.errors import InputError
from mmlego.settings import read_settings

PEOPLE = "id,age,stage,site,ok\n" + "".join(
    f"p{n},{age},{stage},{site},{ok}\n"
    for n, (age, stage, site, ok) in enumerate(
        [(50, "I", "A", "0.0"), (60, "n.k.", "B", "0.0"), (70, "II", "A", "1.0"), (80, "I", "C", "0.0")] * 2
    )
)
OUTCOME = "id,died,months\n" + "".join(f"p{n},{word},{n + 1}\n" for n, word in enumerate(["dead", "alive"] * 4))
MAF = "Tumor_Sample_Barcode\tHugo_Symbol\tVariant_Classification\tFILTER\n" + "".join(
    f"p{n}\tTP53\t{kind}\tPASS\n" for n, kind in enumerate(["Missense_Mutation", "Silent"] * 4)
)


def checked(write, section: str, outcome: str = "task: classification, label: died") -> Report:
    for name, text in (("people.csv", PEOPLE), ("outcome.csv", OUTCOME), ("all.maf", MAF)):
        write(name, text)
    head = f"key: id\noutcome: {{file: outcome.csv, {outcome}}}\n"
    return check_manifest(write("cohort.yaml", f"{head}modalities:\n  m: {{{section}}}\n"))


TABLE = "kind: table, file: people.csv, columns: [age, stage]"
MUTATIONS = "kind: omics, file: all.maf, format: maf, sequenced: listed"
TOLD = {
    f"{TABLE}, where: {{site: [A, Typo]}}": "where: no row of 'site' is 'Typo'; mend it if it is misspelt",
    f"{TABLE}, missing: [n.k]": "missing: no column holds 'n.k' (did you mean 'n.k.'?)",
    f"{TABLE}, missing: {{stage: [n.k]}}": "missing: no cell of 'stage' holds 'n.k' (did you mean 'n.k.'?)",
    f"{MUTATIONS}, variants: [Missense_Mutation, RNA]": "variants: no mutation is 'RNA'",
    f"{MUTATIONS}, where: {{FILTER: [PASS, wga]}}": "where: no row of 'FILTER' is 'wga'",
}
REFUSED = {
    f"{TABLE}, where: {{site: [A, b]}}": "no row of 'site' is 'b' (did you mean 'B'?). Write it as the file has it",
    f"{MUTATIONS}, variants: [Missense_Mutation, silent]": "variants: no mutation is 'silent' (did you mean 'Silent'?)",
    f"{TABLE}, where: {{site: []}}": "'where' is wrong (an empty list): got []. Name at least one",
    f"{TABLE}, where: {{site: [[A]]}}": "'where' is wrong (Input should be a valid boolean, or a valid integer, or",
    "kind: table, file: people.csv, columns: []": "columns: is an empty list, which chooses nothing",
}


@pytest.mark.parametrize("section", TOLD)
def test_a_word_that_nothing_meets_is_doubted(section: str, write) -> None:
    report = checked(write, section)
    assert report.ok
    assert [line for line in report.doubtful if TOLD[section] in line] != []
    assert any(TOLD[section] in str(note) for note in report.cohort.dropped)  # which training tells, too


@pytest.mark.parametrize("section", REFUSED)
def test_a_word_that_is_misspelt_is_refused_once(section: str, write) -> None:
    wrong = checked(write, section).wrong
    assert [line for line in wrong if REFUSED[section] in line] == wrong[:1]


SURVIVAL = "task: survival, time: months, unit: months, event: died"


@pytest.mark.parametrize(
    ("outcome", "told", "refused"),
    [
        ("task: classification, label: died, classes: [alive, dead, lost]", "no cell of 'died' is 'lost'", False),
        ("task: classification, label: died, missing: [alife]", "'alife' (did you mean 'alive'?)", True),
        (f"{SURVIVAL}, event_when: [dead, deceased]", "no cell of 'died' is 'deceased'", False),
        (f"{SURVIVAL}, event_when: [dead, alife]", "'alife' (did you mean 'alive'?)", True),
        (f"{SURVIVAL}, causes: {{one: [dead, allive], other: [x]}}", "'allive' (did you mean 'alive'?)", True),
    ],
)
def test_words_of_the_outcome(outcome: str, told: str, refused: bool, write) -> None:
    report = checked(write, TABLE, outcome)
    assert any(told in line for line in (report.wrong if refused else report.doubtful))
    assert report.ok is not refused


def test_a_number_or_a_truth_value_of_where_meets_other_forms_of_it(write) -> None:
    assert checked(write, f"{TABLE}, where: {{ok: 0}}").cohort.patients == ("p0", "p1", "p3", "p4", "p5", "p7")
    frame = pd.DataFrame({"age": [1.0, 2.0, 3.0], "ok": [True, False, True]}, index=list("abc"))
    kinds = {"m": {"kind": "table", "columns": ["age"], "where": {"ok": ["true"]}}}
    assert Cohort.from_frames({"m": frame}, kinds=kinds).patients == ("a", "c")


def test_codes_of_a_variable_that_is_not_there(write) -> None:
    rows = "".join(f"p{n},0,HR,{60 + n}\n" for n in range(8))
    write("vitals.csv", f"id,time,variable,value\n{rows}")
    wrong = checked(write, "kind: series, file: vitals.csv, unit: hours, codes: {HRR: {high: 1}}").wrong
    assert wrong == ["m: codes: no variable matches 'HRR'. Did you mean 'HR'?"]


@pytest.mark.parametrize("text", ["", "\n", "# modalities: none yet\n", "---\n", "null"])
def test_an_empty_manifest_is_wrong(text: str, write) -> None:
    path = write("empty.yaml", text)
    assert check_manifest(path).wrong[0].startswith("the manifest empty.yaml is empty: expected key: and modalities:")
    with pytest.raises(InputError, match=r"the manifest empty\.yaml is empty"):
        Cohort.from_manifest(path)


def test_settings_of_nothing_are_refused_and_of_comments_alone_are_the_defaults(write) -> None:
    with pytest.raises(InputError, match=re.escape("the settings none.yaml are empty")):
        read_settings(write("none.yaml", " \n"))
    assert read_settings(write("some.yaml", "# fit: {epochs: 3}\n")) == read_settings()
