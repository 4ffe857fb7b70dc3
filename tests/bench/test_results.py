"""Results: a round trip through JSON, scores by method, and files that are no results."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from mmlego import InputError
from mmlego.bench import Results, compare, read_results


@pytest.fixture
def small() -> Results:
    splits = [
        {"scores": {"block a": {"auroc": 0.6, "brier": 0.2}, "LegoMerge": {"auroc": 0.7}}},
        {"scores": {"block a": {"auroc": None, "brier": 0.3}, "LegoMerge": {"auroc": 0.8}, "LegoFuse": {"auroc": 0.9}}},
        {"scores": {"block a": {"auroc": 0.5, "brier": 0.1}, "LegoMerge": {"auroc": 0.6}}},
    ]
    return Results({"folds": 3, "cohort": "x"}, "auroc", splits, {"p1": [1.0]})


def test_a_round_trip(small: Results, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps(small.config()))
    assert read_results(tmp_path) == read_results(tmp_path / "results.json") == small


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


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no results in .*nowhere"):
        read_results(tmp_path / "nowhere")
