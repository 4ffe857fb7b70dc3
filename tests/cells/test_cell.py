"""A cell is data: all that makes its result is in its key, and nothing else is."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
import torch

import mmlego
from mmlego.cells import Cell, plain, versions
from mmlego.fingerprint import VERSION

WHOLE = Cell(
    job="bricks",
    cohort="trial",
    cohort_sha256="ab",
    split={"train": [0, 1], "validation": [2], "test": [3]},
    method={"disjoint": True},
    settings={"fit": {"epochs": 3}, "seed": 0},
    scenario={"repeat": 0, "fold": 1},
    seed=100,
    versions={"mmlego": "1", "torch": "2"},
    label="split 2 of 10",
    place={"manifest": "cohort.yaml"},
)
OTHERS: dict[str, Any] = {
    "job": "rivals",
    "cohort": "other",
    "cohort_sha256": "cd",
    "split": {"train": [0, 2], "validation": [1], "test": [3]},
    "method": {"disjoint": False},
    "settings": {"fit": {"epochs": 4}, "seed": 0},
    "scenario": {"repeat": 0, "fold": 2},
    "seed": 101,
    "versions": {"mmlego": "1", "torch": "3"},
}
REASONS = {
    "cohort": ["cohort"],
    "cohort_sha256": ["cohort"],
    "split": ["split"],
    "settings": ["settings"],
    "versions": ["version of mmlego"],
}


@pytest.mark.parametrize("name", OTHERS)
def test_all_that_makes_the_result_is_in_the_key(name: str) -> None:
    other = dataclasses.replace(WHOLE, **{name: OTHERS[name]})
    assert other.key != WHOLE.key
    stored = json.loads(json.dumps(other.config()))
    assert WHOLE.differences(stored) == REASONS.get(name, ["method"])


def test_what_makes_no_other_result_is_not() -> None:
    assert {field.name for field in dataclasses.fields(Cell)} - OTHERS.keys() == {"label", "place"}
    assert dataclasses.replace(WHOLE, label="split 2 of 20", place=None).key == WHOLE.key
    turned = dict(reversed(WHOLE.settings.items()))
    assert dataclasses.replace(WHOLE, settings=turned).key == WHOLE.key
    assert WHOLE.differences(json.loads(json.dumps(WHOLE.config()))) == []


def test_a_key_is_a_name_of_a_file_and_stays() -> None:
    # By hand: sha256 of the canonical JSON of version, and all but label and place.
    text = json.dumps(WHOLE.config(), sort_keys=True, separators=(",", ":"))
    import hashlib

    assert WHOLE.key == hashlib.sha256(text.encode()).hexdigest()[:32]
    assert json.loads(text)["version"] == VERSION


def test_versions_are_those_that_compute() -> None:
    assert versions() == {"mmlego": mmlego.__version__, "torch": torch.__version__.partition("+")[0]}


def test_what_json_has_no_word_for_is_null() -> None:
    assert plain({"a": [1.5, math.nan, (math.inf, "x", None, True)]}) == {"a": [1.5, None, [None, "x", None, True]]}
