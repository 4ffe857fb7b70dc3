"""Yes and no are one thing however they are written: in training, in prediction, and in what was saved before."""

from __future__ import annotations

import itertools
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mmlego.data import Cohort, Prepared, TablePreprocessor, preprocessing_from_config
from mmlego.data.cohort.manifest_files import Wanted
from mmlego.data.reading.truths import met, truths_of
from mmlego.errors import InputError, LegoWarning

SAID = [True, True, False, True, False, False, True, False, True, True, False, True]
WORDS = {
    "yes": ("yes", "no"),
    "Yes": ("Yes", "No"),
    "TRUE": ("TRUE", "FALSE"),
    "true": ("true", "false"),
    "t": ("t", "f"),
    "Y": ("Y", "N"),
    "ON": ("ON", "OFF"),
    "1": ("1", "0"),
}
SCALED = (np.array(SAID) - np.mean(SAID)) / np.std(SAID)


def written(
    folder: Path, cells: list[str], *, outcome: bool = True, wanted: bool = False, sign: str = ",", **more: str
) -> Cohort:
    folder.mkdir(exist_ok=True)
    rows = [f"p{n}{sign}{cell}{sign}{40 + n}" for n, cell in enumerate(cells)]
    (folder / "t.csv").write_text("\n".join([f"id{sign}smoker{sign}age", *rows]))
    (folder / "o.csv").write_text("\n".join(["id,y", *(f"p{n},{'ab'[n % 2]}" for n in range(len(cells)))]))
    known = "outcome: {task: classification, file: o.csv, label: y}\n" if outcome else ""
    section = "".join(f", {name}: {value}" for name, value in more.items())
    (folder / "c.yaml").write_text(f"key: id\n{known}modalities: {{m: {{kind: table, file: t.csv{section}}}}}\n")
    return Cohort.from_manifest(folder / "c.yaml", wanted=Wanted(everybody=True) if wanted else None)


def features(trained: Prepared, cohort: Cohort) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Prepared(cohort, trained.preprocessing, trained.task).data().batch().inputs["m"]


def in_words(name: str, said: list[bool] = SAID) -> list[str]:
    return [WORDS[name][not value] for value in said]


@pytest.mark.parametrize("trained", WORDS)
def test_every_form_is_predicted_as_every_other(trained: str, tmp_path: Path) -> None:
    cohort = written(tmp_path / "train", in_words(trained))
    if trained != "1":
        taken = cohort.columns().set_index("column")
        assert taken.loc["smoker", ["taken", "values"]].tolist() == ["yes/no", "yes 7, no 5"]
    prepared = cohort.prepare(cohort.patients)
    expected = prepared.data().batch().inputs["m"]
    smoker = list(prepared.preprocessing["m"].features).index("smoker")  # type: ignore[attr-defined]
    np.testing.assert_allclose(expected[:, smoker], SCALED, rtol=1e-5)
    for name, wanted in itertools.product(WORDS, (False, True)):
        new = written(tmp_path / "new", in_words(name), outcome=not wanted, wanted=wanted)
        torch.testing.assert_close(features(prepared, new), expected)


@pytest.mark.parametrize("name", [name for name in WORDS if name != "1"])
@pytest.mark.parametrize("alone", [True, False])
def test_one_answer_alone_is_understood_by_a_model(name: str, alone: bool, tmp_path: Path) -> None:
    cohort = written(tmp_path / "train", in_words("yes"))
    prepared = cohort.prepare(cohort.patients)
    new = written(tmp_path / "new", in_words(name, [alone] * 3), outcome=False, wanted=True)
    value = (alone - np.mean(SAID)) / np.std(SAID)
    assert features(prepared, new)[:, 0].tolist() == pytest.approx([value] * 3)


def state(*known: str) -> TablePreprocessor:
    """Return preprocessing as it was saved when yes and no were categories."""
    config: dict[str, Any] = {"name": "table", "version": 2, "numeric": [], "fill": [], "centre": [], "scale": []}
    config |= {"categories": [["smoker", list(known)]], "dropped": {}, "missing": {}}
    return preprocessing_from_config(json.loads(json.dumps(config)))  # type: ignore[return-value]


@pytest.mark.parametrize("known", [("no", "yes"), ("no", "unknown", "yes"), ("FALSE", "TRUE"), ("N", "Y"), ("F", "T")])
@pytest.mark.parametrize("wanted", [True, False])
def test_models_that_know_yes_and_no_as_categories_answer_as_before(
    known: tuple[str, ...], wanted: bool, tmp_path: Path
) -> None:
    no, yes = known[0], known[-1]
    place = {False: known.index(no), True: known.index(yes)}
    expected = torch.zeros(len(SAID), len(known))
    expected[torch.arange(len(SAID)), torch.tensor([place[value] for value in SAID])] = 1
    for name in WORDS:
        frame = written(tmp_path, in_words(name), outcome=not wanted, wanted=wanted).frames["m"]
        torch.testing.assert_close(state(*known).transform(frame), expected)
        assert state(*known).odd(frame) == ({}, {})


def test_a_third_word_stays_the_category_that_it_was(tmp_path: Path) -> None:
    words = ["yes", "no", "unknown", "yes"]
    for wanted in (True, False):
        frame = written(tmp_path, words, outcome=not wanted, wanted=wanted).frames["m"]
        assert state("no", "unknown", "yes").transform(frame).argmax(1).tolist() == [2, 0, 1, 2]
    frame = written(tmp_path, ["TRUE", "FALSE", "unknown", "TRUE"], outcome=False, wanted=True).frames["m"]
    assert state("no", "unknown", "yes").transform(frame).argmax(1).tolist() == [2, 0, 1, 2]


def test_what_is_no_yes_or_no_is_marked_or_refused(tmp_path: Path) -> None:
    old = state("no", "yes")
    frame = written(tmp_path, ["yes", "TRUE", "maybe", "N"], outcome=False, wanted=True).frames["m"]
    with pytest.warns(LegoWarning, match="Column 'smoker' has values not seen in training, taken as missing: N, maybe"):
        assert old.transform(frame).tolist() == [[0, 1], [0, 1], [0, 0], [0, 0]]
    assert old.odd(frame)[1] == {"p2": ["smoker = maybe"], "p3": ["smoker = N"]}
    cohort = written(tmp_path / "train", in_words("yes"))
    new = cohort.prepare(cohort.patients).preprocessing["m"]
    with pytest.raises(
        InputError, match=r"'smoker' holds something else than yes and no.*missing: \{smoker: \['maybe'\]"
    ):
        new.transform(frame)
    frame = written(tmp_path, ["1", "2", "1", "2"], outcome=False, wanted=True).frames["m"]
    with pytest.raises(InputError, match=r"'smoker' holds something else than yes and no.*got '2'"):
        new.transform(frame)
    frame = written(tmp_path, ["yes", "no", "maybe", "no"], outcome=False, wanted=True, missing="[maybe]").frames["m"]
    assert torch.isfinite(new.transform(frame)).all()


def test_yes_is_no_age(tmp_path: Path) -> None:
    cohort = written(tmp_path / "train", in_words("yes"))
    fitted = cohort.prepare(cohort.patients).preprocessing["m"]
    for cells in (["yes", "no"], [True, False], ["TRUE", "TRUE"], ["t", "f"]):
        frame = pd.DataFrame({"smoker": ["no", "yes"], "age": cells}, index=["a", "b"])
        with pytest.raises(InputError, match=r"column 'age' holds yes and no: expected numbers, as in training"):
            fitted.transform(frame)


@pytest.mark.parametrize("cells", [[1, 0, 1, 1], [1, 0, 1, None, 0, 1], [True, False, None, True]])
def test_numbers_that_were_one_and_nought_in_training_are_yes_and_no(cells: list[object]) -> None:
    fitted = TablePreprocessor.fit(pd.DataFrame({"x": cells, "age": range(len(cells))}))
    old = preprocessing_from_config({**fitted.config(), "version": 2, "truths": []})  # as models before had it
    for words in (["yes", "no"], ["TRUE", "FALSE"], [1.0, 0.0]):
        frame = pd.DataFrame({"x": words, "age": [1, 2]})
        expected = fitted.transform(pd.DataFrame({"x": [1.0, 0.0], "age": [1, 2]}))
        torch.testing.assert_close(old.transform(frame), expected)


@pytest.mark.parametrize("cells", [["F", "M"], ["M", "F", "F"], ["F", "F"], ["T", "N"], ["T1", "F"], ["no", "low"]])
def test_other_words_stay_categories(cells: list[str], tmp_path: Path) -> None:
    cohort = written(tmp_path, [*cells, *cells])
    assert cohort.frames["m"]["smoker"].astype(object).tolist() == [*cells, *cells]
    known = sorted(set(cells) | {"M"})
    assert state(*known).odd(cohort.frames["m"])[1] == {}


def test_a_column_that_is_declared_as_categories_stays_so(tmp_path: Path) -> None:
    cohort = written(tmp_path / "a", in_words("TRUE"), categories="smoker")
    prepared = cohort.prepare(cohort.patients)
    assert prepared.preprocessing["m"].features[1:] == ("smoker=FALSE", "smoker=TRUE")  # type: ignore[attr-defined]
    new = written(tmp_path / "b", in_words("yes"), outcome=False, wanted=True)
    torch.testing.assert_close(features(prepared, new), prepared.data().batch().inputs["m"])


def test_a_box_that_is_ticked_or_empty(tmp_path: Path) -> None:
    cells = ["yes", "", "yes", ""]
    cohort = written(tmp_path / "a", cells)
    prepared = cohort.prepare(cohort.patients)
    assert prepared.preprocessing["m"].features == ("age", "smoker=yes")  # type: ignore[attr-defined]
    new = written(tmp_path / "b", ["TRUE", "", "TRUE", ""], outcome=False, wanted=True)
    assert features(prepared, new)[:, 1].tolist() == [1, 0, 1, 0]


def test_means_of_yes_and_no(tmp_path: Path) -> None:
    text = "id,smoker,age\na,yes,1\na,no,2\nb,no,3\nb,no,4\nc,yes,1\nd,no,2\n"
    for words, wanted in itertools.product((("yes", "no"), ("TRUE", "FALSE")), (None, Wanted(everybody=True))):
        (tmp_path / "t.csv").write_text(text.replace("yes", words[0]).replace("no", words[1]))
        (tmp_path / "c.yaml").write_text("key: id\nmodalities: {m: {kind: table, file: t.csv, rows: mean}}")
        frame = Cohort.from_manifest(tmp_path / "c.yaml", wanted=wanted).frames["m"]
        assert frame["smoker"].tolist() == [0.5, 0, 1, 0]


def test_how_they_are_written_is_told_where_it_is_unusual(tmp_path: Path) -> None:
    cohort = written(tmp_path, ["T", "F", "T", "F"])
    notes = list(map(str, cohort.dropped))
    assert "m: smoker holds 'T' 2×, 'F' 2× (read as yes or no; else declare categories:)" in notes
    assert not any("smoker" in str(note) for note in written(tmp_path, in_words("Yes")).dropped)
    notes = list(map(str, written(tmp_path, ["yes", "TRUE", "no", "0", "1"]).dropped))
    assert any("smoker holds 'yes' 1×, 'TRUE' 1×, 'no' 1×, '0' 1×, '1' 1× (read as yes or no" in note for note in notes)


def test_what_is_missing_among_yes_and_no(tmp_path: Path) -> None:
    cohort = written(tmp_path, ["yes", "no", "NA", "", "[Unknown]", "no"])
    np.testing.assert_array_equal(cohort.frames["m"]["smoker"], [1, 0, np.nan, np.nan, np.nan, 0])
    assert "m: read as missing: smoker 'NA' 1×, smoker '[Unknown]' 1×" in map(str, cohort.dropped)


def test_numbers_alone_and_two_categories_of_one_meaning() -> None:
    assert truths_of(["0", "1"]) is None
    assert met(["TRUE"], ["no", "yes", "TRUE"]) == {"TRUE": "TRUE"}
    assert met(["true"], ["no", "yes", "TRUE"]) == {}  # which of both nobody can say
    assert met(["0", "1", "2"], ["no", "yes"]) == {}


def test_a_word_that_says_nothing_is_a_gap_that_is_marked(tmp_path: Path) -> None:
    cohort = written(tmp_path / "train", in_words("yes"))
    fitted = cohort.prepare(cohort.patients).preprocessing["m"]
    for words in (["yes", "no", "unknown", ""], ["TRUE", "FALSE", "not reported", ""]):
        frame = written(tmp_path / "new", words, outcome=False, wanted=True).frames["m"]
        assert fitted.gaps(frame)["smoker"].tolist() == [False, False, True, True]
        assert fitted.gaps(frame)["age"].tolist() == [False] * 4


@pytest.mark.parametrize(
    ("cells", "told", "known"),
    [
        # of one kind alone the file does not say that it is yes or no; the model does
        (
            ["yes", "TRUE", "1"],
            "of which it is not said what is yes and what no, read as yes or no if the model",
            [1] * 3,
        ),
        (
            ["yes", "unknown", "yes"],
            "has the word 'unknown' 1×, taken as a category if the model knows it",
            [1, None, 1],
        ),
    ],
)
def test_what_is_said_of_words_when_a_model_reads_them(
    cells: list[str], told: str, known: list[float | None], tmp_path: Path
) -> None:
    trained = TablePreprocessor.fit(pd.DataFrame({"smoker": [1.0, 0.0] * 10}), truths=("smoker",))
    (tmp_path / "new.csv").write_text("id,smoker\n" + "".join(f"q{i},{cell}\n" for i, cell in enumerate(cells)))
    (tmp_path / "new.yaml").write_text("key: id\nmodalities:\n  m: {kind: table, file: new.csv}\n")
    cohort = Cohort.from_manifest(tmp_path / "new.yaml", wanted=Wanted({"m": ["smoker"]}))
    notes = [str(note) for note in cohort.dropped]
    assert any(told in note for note in notes), notes
    read = [None if missing else 1.0 for missing in trained.gaps(cohort.frames["m"])["smoker"]]
    assert read == known
    told_alone = "each a category (" if known[1] else "taken as a category ("
    strict = Cohort.from_manifest(tmp_path / "new.yaml")
    assert any(told_alone in str(note) for note in strict.dropped)
