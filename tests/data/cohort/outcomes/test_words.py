"""Outcomes as words of files: what is written is what is read, and no word is taken for another in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.data.cohort.outcomes.words import meet
from mmlego.errors import InputError, LegoWarning

Read = Callable[..., Cohort]


@pytest.fixture(params=["csv", "parquet"])
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Read:
    """Read a cohort of patients p0, p1, ... from files, the outcome section as YAML."""

    def read_cohort(section: str, top: str = "key: id", **columns: list[object]) -> Cohort:
        count = len(next(iter(columns.values())))
        table = pd.DataFrame({"id": [f"p{i}" for i in range(count)], **columns})
        if request.param == "csv":
            table.to_csv(tmp_path / "o.csv", index=False)
        else:
            table.to_parquet(tmp_path / "o.parquet")
        pd.DataFrame({"id": table["id"], "x": range(count)}).to_csv(tmp_path / "x.csv", index=False)
        text = f"{top}\noutcome: {{file: o.{request.param}, {section}}}\n"
        (tmp_path / "c.yaml").write_text(f"{text}modalities: {{x: {{kind: table, file: x.csv}}}}\n")
        return Cohort.from_manifest(tmp_path / "c.yaml")

    return read_cohort


def classes(cohort: Cohort) -> tuple[list[str], list[int]]:
    task = cohort.outcome_spec.fit_task(cohort.outcome)
    return list(task.classes), cohort.outcome_spec.target(cohort.outcome, task).tolist()


@pytest.mark.parametrize(
    ("section", "words", "expected"),
    [
        ("label: y", ["01", "02", "01"], (["01", "02"], [0, 1, 0])),
        ("label: y, classes: [02, 01]", ["01", "02", "01"], (["02", "01"], [1, 0, 1])),
        ("label: y", ["1e2", "100", "1e2"], (["100", "1e2"], [1, 0, 1])),
        ("label: y, classes: [None, NA]", ["None", "NA", "NA"], (["None", "NA"], [0, 1, 1])),
        ("label: y, classes: [null, nan]", ["null", "nan", "nan"], (["null", "nan"], [0, 1, 1])),
        ("label: y, classes: [no, yes]", ["yes", "no", "no"], (["no", "yes"], [1, 0, 0])),
        ("label: y, classes: [no, yes]", ["Yes", "NO", "no"], (["no", "yes"], [1, 0, 0])),
        ("label: y, classes: [no, yes]", ["TRUE", "FALSE", "FALSE"], (["no", "yes"], [1, 0, 0])),
        ("label: y, classes: [false, true]", ["TRUE", "FALSE", "FALSE"], (["false", "true"], [1, 0, 0])),
        ("label: y, classes: ['FALSE', 'TRUE']", ["TRUE", "FALSE", "FALSE"], (["FALSE", "TRUE"], [1, 0, 0])),
        ("label: y, classes: [no, yes]", [1, 0, 0], (["no", "yes"], [1, 0, 0])),
        ("label: y, classes: [no, yes]", [True, False, False], (["no", "yes"], [1, 0, 0])),
        ("label: y, classes: [off, on]", ["on", "off", "off"], (["off", "on"], [1, 0, 0])),
        ("label: y, classes: [0, 1]", [1.0, 0.0, 0.0], (["0", "1"], [1, 0, 0])),
        ("label: y", [1.0, 0.0, 10.0], (["0", "1", "10"], [1, 0, 2])),
        ("label: y", ["1:DECEASED", "0:LIVING", "0:LIVING"], (["0:LIVING", "1:DECEASED"], [1, 0, 0])),
    ],
)
def test_classes_are_those_of_the_file(
    section: str, words: list[object], expected: tuple[list[str], list[int]], read: Read
) -> None:
    assert classes(read(f"task: classification, {section}", y=words)) == expected


@pytest.mark.parametrize(
    ("when", "words", "expected"),
    [
        ("yes", ["yes", "no", "yes"], [1, 0, 1]),
        ("yes", ["TRUE", "FALSE", "TRUE"], [1, 0, 1]),
        ("no", ["TRUE", "FALSE", "TRUE"], [0, 1, 0]),
        ("true", ["True", "False", "True"], [1, 0, 1]),
        ("yes", [1, 0, 1], [1, 0, 1]),
        ("1", ["Y", "N", "Y"], [1, 0, 1]),
        ("1", [1.0, 0.0, 1.0], [1, 0, 1]),
        ("1", [True, False, True], [1, 0, 1]),
        ("0", [True, False, True], [0, 1, 0]),
        ("dead", ["Dead", "Alive", "DEAD"], [1, 0, 1]),
        ('"1:DECEASED"', ["1:DECEASED", "0:LIVING", "1:DECEASED"], [1, 0, 1]),
        ("1:DECEASED", ["1:DECEASED", "0:LIVING", "1:DECEASED"], [1, 0, 1]),
        ("DECEASED", ["1:DECEASED", "0:LIVING", "1:DECEASED"], [1, 0, 1]),
        ("1", ["1:DECEASED", "0:LIVING", "1:DECEASED"], [1, 0, 1]),
        ("01", ["01", "02", "01"], [1, 0, 1]),
        ("[relapse, death], censored_when: None", ["death", "None", "relapse"], [1, 0, 1]),
    ],
)
def test_events_meet_however_they_are_spelled(when: str, words: list[object], expected: list[int], read: Read) -> None:
    cohort = read(f"task: survival, time: t, event: e, event_when: {when}", t=[1, 2, 3], e=words)
    assert cohort.outcome["event"].tolist() == expected
    assert [note for note in cohort.dropped if note.where == "outcome"] == []


SURVIVAL = "task: survival, time: t, event: e, event_when"
REFUSED = {
    "two spellings of one event": (f"{SURVIVAL}: 1", ["1", "yes", "0"], "not said whether.*expected '1', got 'yes'"),
    "the event in another word": (f"{SURVIVAL}: yes", ["dead", "alive", "dead"], "expected yes among.*got alive, dead"),
    "neither event nor censored": (
        f"{SURVIVAL}: dead, censored_when: alive",
        ["dead", "lost", "alive"],
        "expected 'dead', 'alive', got 'lost'. Name them in event_when: or in censored_when:",
    ),
    "none that may be no event": (
        f"{SURVIVAL}: death",
        ["death", "None", "death"],
        r"'None'.*missing: \['None'\].*cen",
    ),
    "in both": (f"{SURVIVAL}: 1, censored_when: [1, 0]", [1, 0, 1], "'1' stands in event_when and in censored_when"),
    "a class that may be missing": (
        "task: classification, label: e",
        ["None", "Mild", "Severe"],
        r"column 'e' holds 'None'.*missing: \['None'\].*classes: \[..., 'None'\]",
    ),
    "NA that may be missing": ("task: classification, label: e", ["NA", "a", "b"], "holds 'NA'"),
    "classes alike": (
        "task: classification, label: e",
        ["Male", "male", "female"],
        "classes of 'e' that differ in form only.*'Male', 'male'",
    ),
    "classes of which YAML makes numbers": (
        "task: classification, label: e, classes: [1, 2]",
        ["01", "02", "01"],
        r"expected '1', '2', got '01', '02'.*in quotes.*classes: \['01', '02'\]",
    ),
    "a class that could be two": (
        "task: classification, label: e, classes: [a, A]",
        ["a", "A", " a"],
        None,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_words_that_could_be_taken_wrongly_are_refused(case: str, read: Read) -> None:
    section, words, message = REFUSED[case]
    if message is None:
        assert classes(read(section, t=[1, 2, 3], e=words))[1] == [0, 1, 0]
        return
    with pytest.raises(InputError, match=message):
        read(section, t=[1, 2, 3], e=words)


def test_a_word_that_could_be_two_declared_ones() -> None:
    with pytest.raises(InputError, match=r"'DEAD' of column 'e' could be several.*'dead', 'Dead'"):
        meet(["DEAD"], ["dead", "Dead"], "e")


@pytest.mark.parametrize("word", ["[Not Available]", "'--", "NA", "not reported", "Unknown"])
def test_an_event_that_is_not_known_is_not_censored(word: str, read: Read) -> None:
    cohort = read(f"{SURVIVAL}: dead", t=[1, 2, 3], e=["dead", "alive", word])
    assert cohort.patients == ("p0", "p1")
    notes = [str(note) for note in cohort.dropped if note.where == "outcome"]
    assert notes[0] == f"outcome: 1 cell of 'e' read as missing: {word!r} 1"
    assert notes[1] == "outcome: 1 patient whose outcome is missing (p2)"


def test_several_words_for_censored_are_told(read: Read) -> None:
    with pytest.warns(LegoWarning, match=r"all taken as censored: alive, lost"):
        read(f"{SURVIVAL}: dead", t=[1, 2, 3], e=["dead", "alive", "lost"])
    cohort = read(f"{SURVIVAL}: dead, censored_when: [alive, lost]", t=[1, 2, 3], e=["dead", "alive", "lost"])
    assert cohort.outcome["event"].tolist() == [1, 0, 0]


def test_words_that_the_manifest_calls_missing(read: Read) -> None:
    cohort = read("task: classification, label: y, missing: [-9, None]", y=["a", "b", "-9", "None"])
    assert (cohort.patients, classes(cohort)) == (("p0", "p1"), (["a", "b"], [0, 1]))
    cohort = read("task: regression, target: y, missing: -9", y=[1.5, -9.0, 2.0])
    assert cohort.outcome["y"].to_dict() == {"p0": 1.5, "p2": 2.0}


def test_labels_in_words(read: Read) -> None:
    cohort = read("task: multilabel, labels: 'tox_*'", tox_a=["yes", "no", "NA"], tox_b=["TRUE", None, "FALSE"])
    assert cohort.outcome["tox_a"].tolist()[:2] == [1, 0]
    assert cohort.outcome["tox_a"].isna().tolist() == [False, False, True]
    assert cohort.outcome["tox_b"].to_dict()["p2"] == 0
    with pytest.raises(InputError, match=r"label of 'tox_a' that is neither 0 nor 1, no nor yes: 'maybe'"):
        read("task: multilabel, labels: 'tox_*'", tox_a=["yes", "maybe"])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["35", "> 89"], "'> 89' 1. Mend it, or name the words.*missing:"),
        (["1,5", "2,5"], r"'1,5' 1, '2,5' 1. If the comma.*decimal: \",\""),
        (["1.5", "1_000"], "'1_000' 1"),
        (["1.5", "2020-01-03"], "'2020-01-03' 1. Of dates, task: survival takes two columns, as start:"),
        (["1.5", "0x10"], "'0x10' 1"),
    ],
)
@pytest.mark.parametrize("section", ["task: regression, target: t", f"{SURVIVAL}: 1"])
def test_cells_that_are_no_numbers_are_named(section: str, cells: list[str], message: str, read: Read) -> None:
    with pytest.raises(InputError, match=f"outcome column 't' holds .* no number.*{message}"):
        read(section, t=cells, e=[1, 0])


@pytest.mark.parametrize("word", ["NA", "[Not Available]", "'--", "None", ".", "not reported"])
def test_numbers_that_are_missing_are_named(word: str, read: Read) -> None:
    cohort = read("task: regression, target: t", t=["1.5", word, "3"])
    assert cohort.outcome["t"].to_dict() == {"p0": 1.5, "p2": 3.0}
    assert f"outcome: 1 cell of 't' read as missing: {word!r} 1" in [str(note) for note in cohort.dropped]


def test_decimal_commas_where_they_are_declared(read: Read) -> None:
    cohort = read("task: regression, target: t, decimal: ','", t=["1,5", "20", "-0,25"])
    assert cohort.outcome["t"].tolist() == [1.5, 20, -0.25]


@pytest.mark.parametrize("section", ["task: regression, target: t", f"{SURVIVAL}: 1"])
def test_commas_may_part_thousands(section: str, read: Read) -> None:
    cells = ["1,100", "900", "1,250"]
    said = r"""decimal: "," if '1,100' is 1\.100, or decimal: "\." if it is 1100\."""
    with pytest.raises(InputError, match=said):
        read(section, t=cells, e=[1, 0, 0])
    column = "t" if "target" in section else "time"
    for sign, numbers in (("','", [1.1, 900, 1.25]), ("'.'", [1100, 900, 1250])):
        assert read(f"{section}, decimal: {sign}", t=cells, e=[1, 0, 0]).outcome[column].tolist() == numbers
    with pytest.raises(InputError, match=r"""If '1,100\.5' is 1100\.5, declare decimal: "\." in the outcome section"""):
        read(section, t=["1,100.5", "900"], e=[1, 0])
    assert read(f"{section}, decimal: '.'", t=["1,100.5", "900"], e=[1, 0]).outcome[column].tolist() == [1100.5, 900]


def test_times_of_zero_are_named_and_negative_ones_refused(read: Read) -> None:
    cohort = read(f"{SURVIVAL}: 1", t=[0, 2, 3], e=[1, 0, 1])
    said = "survival: 2 events, 1 censored, time up to 3, of 0 in 1 patient (p0)"
    assert cohort.outcome_spec.describe(cohort.outcome) == said
    with pytest.raises(InputError, match=r"1 patient with a negative survival time \(p1\)"):
        read(f"{SURVIVAL}: 1", t=[0, -2, 3], e=[1, 0, 1])


def test_several_rows_of_a_patient_are_chosen_from(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("id,y\na,1\na,2\nb,3\n")
    (tmp_path / "x.csv").write_text("id,x\na,1\nb,2\n")

    def read_y(rows: str) -> dict[str, float]:
        text = "modalities: {x: {kind: table, file: x.csv}}\nkey: id\n"
        (tmp_path / "c.yaml").write_text(text + f"outcome: {{task: regression, target: y, file: o.csv{rows}}}")
        return Cohort.from_manifest(tmp_path / "c.yaml").outcome["y"].to_dict()

    with pytest.raises(InputError, match=r"Declare what to do, as rows: first or rows: last"):
        read_y("")
    assert read_y(", rows: first") == {"a": 1, "b": 3}
    assert read_y(", rows: last") == {"a": 2, "b": 3}


def test_text_that_yaml_reads_as_something_else_is_explained(read: Read) -> None:
    with pytest.raises(InputError, match=r"outcome: 'label' is wrong.*got True.*put it in quotes"):
        read("task: classification, label: yes", y=["a", "b"])
    with pytest.raises(InputError, match=r"'key' is wrong.*got 7.*put it in quotes"):
        read("task: classification, label: y", top="key: 7", y=["a", "b"])


def test_a_column_that_tells_patients_apart_holds_no_classes(read: Read) -> None:
    with pytest.raises(InputError, match=r"'y' has 10 values in 10 patients.*label:, or name the classes"):
        read("task: classification, label: y", y=[f"case {i}" for i in range(10)])
    with pytest.raises(InputError, match=r"If it is measured, declare task: regression, target: y; else name"):
        read("task: classification, label: y", y=[i + 0.5 for i in range(10)])
    assert len(read("task: regression, target: y", y=[i + 0.5 for i in range(10)])) == 10
    few = read("task: classification, label: y", y=[f"type {i % 10}" for i in range(20)])
    assert few.outcome["label"].nunique() == 10  # half as many as patients: they repeat
