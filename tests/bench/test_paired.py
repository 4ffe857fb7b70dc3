"""End-to-end models on the few patients who have everything: who they are, and that nobody else is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mmlego.bench.paired as paired
from mmlego.bench.paired import few_of, score_paired
from mmlego.datasets import gse7390
from mmlego.settings import Settings

COHORT = gse7390()
SPLIT = COHORT.split(folds=5, seed=0)[0]


def test_a_share_has_its_part_of_the_events() -> None:
    patients = list(COHORT.patients)
    few = few_of(COHORT, patients, 0.2, seed=1)
    assert set(few) < set(patients)
    assert len(few) == len(set(few)) == pytest.approx(0.2 * len(patients), abs=1)
    event = COHORT.outcome["event"].astype(float)
    assert event.loc[few].sum() == pytest.approx(0.2 * event.sum(), abs=1)
    assert few == few_of(COHORT, patients, 0.2, seed=1)
    assert few != few_of(COHORT, patients, 0.2, seed=2)


def test_models_see_the_share_alone_and_are_scored_on_the_test_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def fitted(name: str, cohort: Any, train: Any, validation: Any, *_: Any, **__: Any) -> str:
        seen[name] = (set(train), set(validation))
        return name

    def scored(models: dict[str, Any], cohort: Any, patients: Any, reference: Any) -> dict[str, None]:
        assert set(patients) == set(who["test"])
        return dict.fromkeys(models)

    who = SPLIT.named(COHORT.patients)
    monkeypatch.setattr(paired, "fit_end_to_end", fitted)
    monkeypatch.setattr(paired, "score_models", scored)
    found = score_paired(COHORT, SPLIT, Settings(), share=0.25, seed=0)
    assert seen.keys() == {"concatenation", "sequential"}
    for train, validation in seen.values():
        assert train < set(who["train"])
        assert validation < set(who["validation"])
        assert len(train) == pytest.approx(0.25 * len(who["train"]), abs=1)
    assert all(np.isnan(score["c_index"]) for score in found["scores"].values())
    assert found["needs"] == dict.fromkeys(found["scores"], "end to end on a share")


def test_too_few_are_told_as_not_defined() -> None:
    found = score_paired(COHORT, SPLIT, Settings(), share=0.04, seed=0)
    assert [np.isnan(score["c_index"]) for score in found["scores"].values()] == [True, True]
