"""LegoCompetingRisks: incidences and risks of causes, within scikit-learn's cross-validation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from mmlego.data import Cohort
from mmlego.errors import InputError, MismatchError
from mmlego.estimators import LegoCompetingRisks, LegoSurvival, SurvivalStratifiedKFold

CAUSES = ["relapse", "death"]
COXNET = {"encoder.options": {"l1_ratios": [0.0]}}


def patients(n: int = 120, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Return two modalities, of which RNA drives relapse and age death, and what came first."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=(n, 2))
    rna = pd.DataFrame(risk[:, :1] + rng.normal(size=(n, 3)), columns=["TP53", "MYC", "KRAS"])
    clinical = pd.DataFrame({"age": 60 + 8 * risk[:, 1] + rng.normal(size=n)})
    x = pd.concat({"rna": rna, "clinical": clinical}, axis=1)
    x.iloc[: n // 6, :3] = np.nan
    each = np.column_stack([rng.uniform(10, 60, n), rng.exponential(np.array([20, 30]) * np.exp(-risk))])
    y = np.empty(n, dtype=[("event", "i4"), ("time", "<f8")])
    y["event"], y["time"] = each.argmin(1), each.min(1).round(2)
    return x, y


def pairs(risk: np.ndarray, y: np.ndarray, cause: int) -> float:
    """Count pairs: whoever had the event of the cause against whoever was later, or had another event."""
    right = all_pairs = 0.0
    for i in np.flatnonzero(y["event"] == cause):
        for j in range(len(y)):
            later = y["time"][j] > y["time"][i] or (y["time"][j] == y["time"][i] and y["event"][j] == 0)
            if y["event"][j] not in (0, cause) or later:
                all_pairs += 1
                right += 1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0
    return right / all_pairs


@pytest.fixture(scope="module")
def fitted() -> tuple[LegoCompetingRisks, pd.DataFrame, np.ndarray]:
    x, y = patients()
    return LegoCompetingRisks("coxnet", causes=CAUSES, unit="months", fuse=False, settings=COXNET).fit(x, y), x, y


def test_the_score_is_the_mean_over_causes(fitted: tuple[LegoCompetingRisks, pd.DataFrame, np.ndarray]) -> None:
    model, x, y = fitted
    risks = model.predict(x)
    assert risks.shape == (120, 2)
    assert model.score(x, y) == pytest.approx(np.mean([pairs(risks[:, c], y, c + 1) for c in (0, 1)]))
    assert model.score(x, y) > 0.65
    assert model.causes_ == ("relapse", "death")
    assert model.model_.task.causes == model.causes_
    assert model.model_.task.unit == "months"


def test_incidences_rise_and_leave_those_free_of_all(
    fitted: tuple[LegoCompetingRisks, pd.DataFrame, np.ndarray],
) -> None:
    model, x, y = fitted
    table = model.predict_cumulative_incidence(x, return_array=True)
    free = model.predict_survival_function(x, return_array=True)
    times = model.unique_times_
    assert table.shape == (120, 2, len(times))
    assert (np.diff(table, axis=2) >= -1e-12).all()
    np.testing.assert_allclose(table.sum(1) + free, 1.0, atol=1e-6)
    curves = model.predict_cumulative_incidence(x[:3])
    assert curves.shape == (3, 2)
    assert curves[1, 0](0.0) == 0.0
    np.testing.assert_allclose(curves[2, 1](times), table[2, 1], atol=1e-6)
    with pytest.raises(InputError, match="not known there"):
        curves[0, 0](times[-1] + 1)
    assert set(model.event_times_) == set(y["time"][y["event"] > 0])
    assert list(model.get_feature_names_out()) == [
        f"{modality}__{cause}" for modality in ("rna", "clinical") for cause in CAUSES
    ]
    assert model.transform(x).shape == (120, 4)


def test_clone_and_cross_validation() -> None:
    x, y = patients()
    model = LegoCompetingRisks("coxnet", causes=2, fuse=False, settings=COXNET, bins=5)
    again = clone(model)
    assert again.get_params() == model.get_params()
    folds = SurvivalStratifiedKFold(3)
    found = cross_val_score(again, x, y, cv=folds, error_score="raise")
    by_hand = [
        clone(model).fit(x.iloc[train], y[train]).score(x.iloc[test], y[test]) for train, test in folds.split(x, y)
    ]
    np.testing.assert_allclose(found, by_hand)
    assert found.mean() > 0.6
    for _, test in folds.split(x, y):
        for cause in (0, 1, 2):
            assert abs((y["event"][test] == cause).mean() - (y["event"] == cause).mean()) < 0.04


def test_it_is_what_the_cohort_says() -> None:
    x, y = patients()
    ids = [f"P{i:03d}" for i in range(120)]
    outcome = pd.DataFrame({"months": y["time"], "came": np.array(["alive", *CAUSES])[y["event"]]}, index=ids)
    frames = {"clinical": x["clinical"].set_axis(ids, axis=0)}
    spec = {"task": "survival", "time": "months", "unit": "months", "event": "came"}
    cohort = Cohort.from_frames(frames, outcome=outcome, task=spec | {"causes": {c: c for c in CAUSES}})
    held = LegoCompetingRisks("coxnet", fuse=False, settings=COXNET).fit(cohort)
    plain = LegoCompetingRisks("coxnet", causes=CAUSES, unit="months", fuse=False, settings=COXNET)
    np.testing.assert_allclose(held.predict(cohort), plain.fit(cohort, y).predict(cohort))
    assert held.score(cohort) == pytest.approx(plain.score(cohort, y))
    with pytest.raises(MismatchError, match=r"several causes: .*Take LegoCompetingRisks"):
        LegoSurvival("coxnet").fit(cohort)
    one = Cohort.from_frames(frames, outcome=outcome, task=spec | {"event_when": CAUSES})
    with pytest.raises(MismatchError, match=r"one kind of event: .*Take LegoSurvival"):
        LegoCompetingRisks("coxnet").fit(one)


def test_what_y_cannot_be() -> None:
    x, y = patients(40)
    model = LegoCompetingRisks("coxnet", fuse=False)
    with pytest.raises(InputError, match="causes without times: expected a structured array of a field of whole"):
        model.fit(x, y.astype([("event", "?"), ("time", "f8")]))
    alone = y.copy()
    alone["event"] = y["event"] == 1
    with pytest.raises(InputError, match=r"has one cause: .*Take LegoSurvival"):
        model.fit(x, alone)
    other = y.copy()
    other["event"][0] = 3
    with pytest.raises(InputError, match="y names no cause: expected 0 censored, 1 to 2, got 3"):
        LegoCompetingRisks("coxnet", causes=CAUSES).fit(x, other)
    nobody = y.copy()
    nobody["event"] = 0
    with pytest.raises(InputError, match="all patients are censored"):
        model.fit(x, nobody)
