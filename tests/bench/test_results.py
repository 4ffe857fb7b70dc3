"""Results: a round trip through JSON, scores by method, and files that are no results."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from mmlego import InputError
from mmlego.bench import Results, compare, read_results
from mmlego.bench.results import check_alike, read_split_result


@pytest.fixture
def small() -> Results:
    splits = [
        {"scores": {"block a": {"auroc": 0.6, "brier": 0.2}, "LegoMerge": {"auroc": 0.7}}},
        {"scores": {"block a": {"auroc": None, "brier": 0.3}, "LegoMerge": {"auroc": 0.8}, "LegoFuse": {"auroc": 0.9}}},
        {"scores": {"block a": {"auroc": 0.5, "brier": 0.1}, "LegoMerge": {"auroc": 0.6}}},
    ]
    return Results({"folds": 3, "cohort": "x", "patients": 1}, "auroc", splits, {"p1": [1.0]})


def test_a_round_trip(small: Results, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps(small.config()))
    found = read_results(tmp_path)
    assert found == read_results(tmp_path / "results.json")
    assert (found.metric, found.splits, found.outcome) == (small.metric, small.splits, small.outcome)
    usual = {
        "repeats": 1,
        "disjoint": True,
        "validation": 0.2,
        "columns": {},
        "have": {},
        "settings": {},
        "versions": {},
    }
    assert found.experiment == usual | small.experiment  # what was left out is as usual, as reports read it


def test_methods_come_in_order_even_if_a_split_lacks_one(small: Results) -> None:
    assert small.methods == ["block a", "LegoMerge", "LegoFuse"]


def test_scores_are_nan_where_there_are_none(small: Results) -> None:
    np.testing.assert_array_equal(small.scores("block a"), [0.6, math.nan, 0.5])
    np.testing.assert_array_equal(small.scores("block a", "brier"), [0.2, 0.3, 0.1])
    np.testing.assert_array_equal(small.scores("LegoFuse"), [math.nan, 0.9, math.nan])
    np.testing.assert_array_equal(small.scores("nobody"), [math.nan] * 3)


def test_methods_are_compared_on_the_splits_that_both_have(small: Results) -> None:
    found = small.versus("LegoMerge", "block a")
    assert found == compare([0.7, 0.6], [0.6, 0.5], test_share=1 / 3)


@pytest.mark.parametrize("text", ["{", "[1]", "{}", '{"experiment": {}, "foo": 1}'])
def test_other_files_are_no_results(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(InputError, match=r"no results in .*results\.json: expected results\.json of mmlego bench"):
        read_results(tmp_path)


WHOLE = {
    "experiment": {"cohort": "x", "patients": 2, "folds": 2, "outcome": {"task": "survival"}},
    "metric": "c_index",
    "splits": [{"scores": {"A": {"c_index": 0.5}}, "patients": ["p", "q"], "risk": {"A": [0.1, 0.2]}, "cut": {"A": 0}}],
    "outcome": {"p": [1, 2.5], "q": [0, 3]},
}


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("experiment.folds", 0, "experiment.folds.*greater than or equal to 2"),
        ("experiment.patients", "12", "experiment.patients.*valid integer"),
        ("experiment", [], "experiment: Input should be a valid dictionary"),
        ("splits", [], "splits: List should have at least 1"),
        ("splits.0.scores", None, "splits.0.scores"),
        ("splits.0.scores.A.c_index", "high", "splits.0.scores.A.c_index"),
        ("splits.0.scores.A.c_index", float("nan"), "finite"),
        ("splits.0.risk.A", [0.1], "1 answers of A for 2 patients"),
        ("splits.0.cut", {}, "risk of A without the cuts that belong to it"),
        ("splits.0.patients", ["p", "r"], "outcome of patient 'r' is not there"),
        ("outcome.q", [0], "outcome of patient 'q' is not there"),
        ("splits.0.repeat", {"a": 1}, "splits.0.repeat"),
    ],
)
def test_what_was_changed_by_hand_is_told_by_its_place(tmp_path: Path, place: str, value: object, told: str) -> None:
    content = json.loads(json.dumps(WHOLE))
    file = tmp_path / "results.json"
    file.write_text(json.dumps(content))
    assert read_results(file).methods == ["A"]
    *way, last = place.split(".")
    inner = content
    for key in way:
        inner = inner[int(key) if isinstance(inner, list) else key]
    inner[last] = value
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=told):
        read_results(file)


def test_a_split_of_an_experiment_is_looked_at_before_it_counts_as_done(tmp_path: Path) -> None:
    file = tmp_path / "000-a.json"
    file.write_text(json.dumps({"result": WHOLE["splits"][0], "cell": {}}))
    assert read_split_result(file, ["p", "q", "r"]) == WHOLE["splits"][0]
    with pytest.raises(InputError, match="got 1 patient whom the cohort lacks"):
        read_split_result(file, ["p"])
    for text in ("{", "[" * 10_000, '{"result": {"scores": {"A": 1}}}', "\ud800", "[]", '{"scores": {}}'):
        file.write_text(text, errors="surrogatepass")
        with pytest.raises(InputError, match=r"000-a\.json is damaged.*Delete it: the split is then measured again"):
            read_split_result(file, ["p", "q"])


def test_splits_tell_the_same_of_their_patients(tmp_path: Path) -> None:
    first = WHOLE["splits"][0]
    for other, told in (({"scores": {}}, "do not tell the same"), (first, "")):
        (tmp_path / "results.json").write_text(json.dumps({**WHOLE, "splits": [first, other]}))
        if told:
            with pytest.raises(InputError, match=told):
                read_results(tmp_path)
        else:
            assert len(read_results(tmp_path).splits) == 2
    with pytest.raises(ValueError, match="no split of the first repeat"):
        check_alike([{"repeat": 1}])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no results in .*nowhere"):
        read_results(tmp_path / "nowhere")
