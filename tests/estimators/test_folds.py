"""Folds of survival: shares of events and times, whole patients."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GridSearchCV, cross_val_score

from mmlego.errors import InputError, LegoWarning, ShapeError
from mmlego.estimators import LegoSurvival, SurvivalStratifiedKFold
from tests.estimators.made import survival, two_levels

RIDGE = {"encoder.name": "coxnet", "encoder.options": {"l1_ratios": [0.0], "penalties": 5, "folds": 2}}


def outcome(event: list[bool], time: list[float]) -> np.ndarray:
    return np.array(list(zip(event, time, strict=True)), dtype=[("event", "?"), ("time", "<f8")])


@given(
    n=st.integers(20, 90),
    folds=st.integers(2, 5),
    bins=st.integers(1, 5),
    seed=st.integers(0, 5),
)
def test_every_row_tests_once_and_strata_are_shared(n: int, folds: int, bins: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = outcome((np.arange(n) % 2 == 0).tolist(), rng.exponential(10, n).tolist())
    parts = list(SurvivalStratifiedKFold(folds, bins=bins, random_state=seed).split(np.zeros((n, 1)), y))
    assert len(parts) == folds
    assert sorted(row for _, test in parts for row in test) == list(range(n))
    for train, test in parts:
        assert sorted([*train, *test]) == list(range(n))
    events = [int(y["event"][test].sum()) for _, test in parts]
    assert max(events) - min(events) <= bins  # each bin is shared out but for one


def test_times_are_shared_out() -> None:
    y = outcome([True] * 40, [float(i) for i in range(40)])
    for _, test in SurvivalStratifiedKFold(5, bins=4).split(None, y):
        assert [int(((y["time"][test] >= low) & (y["time"][test] < low + 10)).sum()) for low in (0, 10, 20, 30)] == [
            2,
            2,
            2,
            2,
        ]


def test_a_patient_is_in_one_fold() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 25, 80)
    y = outcome((rng.random(80) < 0.5).tolist(), rng.exponential(5, 80).tolist())
    for train, test in SurvivalStratifiedKFold(4).split(np.zeros(80), y, groups):
        assert not set(groups[train]) & set(groups[test])


def test_the_seed_decides() -> None:
    y = outcome([True, False] * 20, [float(i) for i in range(40)])

    def tests(seed: object) -> list[list[int]]:
        return [test.tolist() for _, test in SurvivalStratifiedKFold(4, random_state=seed).split(None, y)]

    assert tests(1) == tests(1) != tests(2)
    assert tests(np.random.RandomState(0)) == tests(np.random.RandomState(0))


def test_few_events() -> None:
    y = outcome([True] * 2 + [False] * 18, [float(i) for i in range(20)])
    with pytest.warns(LegoWarning, match="some folds lack it"):
        list(SurvivalStratifiedKFold(5).split(None, y))
    with pytest.raises(InputError, match="folds cannot be used"):
        list(SurvivalStratifiedKFold(5).split(None, y[:4]))
    with pytest.raises(InputError, match="bins"):
        list(SurvivalStratifiedKFold(5, bins=0).split(None, y))
    with pytest.raises(ShapeError, match="X and y"):
        list(SurvivalStratifiedKFold(5).split(np.zeros((3, 1)), y))
    with pytest.raises(ShapeError, match="groups and y"):
        list(SurvivalStratifiedKFold(5).split(None, y, [1, 2]))


def test_within_cross_validation_and_grid_search() -> None:
    x, risk = two_levels(gaps=False)
    y = survival(risk)
    ids = np.array([f"p{i:02d}" for i in range(len(x))])
    folds = SurvivalStratifiedKFold(3)
    assert folds.get_n_splits() == 3
    scores = cross_val_score(LegoSurvival(settings=RIDGE, fuse=False), x, y, cv=folds, groups=ids)
    with sklearn.config_context(enable_metadata_routing=True):
        model = LegoSurvival(settings=RIDGE, fuse=False).set_fit_request(patients=True).set_score_request(patients=True)
        search = GridSearchCV(model, {"weights": ["auto", "uniform"]}, cv=folds, refit=False)
        search.fit(x, y, groups=ids, patients=ids)
    found = [search.cv_results_[f"split{fold}_test_score"][0] for fold in range(3)]
    np.testing.assert_allclose(found, scores)
