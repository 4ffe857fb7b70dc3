"""Estimators work where those of scikit-learn do."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline

import mmlego
from mmlego.data import Cohort
from mmlego.errors import InputError, MismatchError
from mmlego.estimators import LegoClassifier, LegoMultiLabelClassifier, LegoRegressor, LegoSurvival
from tests.estimators.made import features, survival, two_levels

ASKED = {"fuse": False}


def test_parameters_are_stored_as_they_are() -> None:
    columns = {"rna": ["a"]}
    model = LegoSurvival({"rna": "coxnet"}, modalities=columns, settings=["fit.epochs=3"])
    assert model.modalities is columns
    assert model.get_params()["settings"] == ["fit.epochs=3"]
    other = clone(model).set_params(blocks="auto", validation=0.1)
    assert (other.blocks, other.validation, model.blocks) == ("auto", 0.1, {"rna": "coxnet"})
    with pytest.raises(ValueError, match="Invalid parameter"):
        model.set_params(block="auto")


def test_a_clone_shares_the_cohort() -> None:
    """A fold of cross-validation does not copy all slides."""
    rna, _, _ = features(6)
    cohort = Cohort.from_frames({"rna": rna.set_axis([f"p{i}" for i in range(6)], axis=0)})
    assert clone(LegoClassifier(cohort=cohort)).cohort is cohort


@pytest.mark.parametrize("kind", [LegoClassifier, LegoRegressor, LegoMultiLabelClassifier, LegoSurvival])
def test_nothing_is_told_before_it_is_fitted(kind: type) -> None:
    x, _ = two_levels()
    with pytest.raises(NotFittedError):
        kind().predict(x)


def test_a_fitted_one_is_copied_and_pickled() -> None:
    x, risk = two_levels()
    y = survival(risk)
    model = LegoSurvival("coxnet", settings={"fuse.fit.epochs": 1, "fuse.across": None}).fit(x, y)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(other.predict(x), model.predict(x))
        assert other.predict_survival_function(x[:2])[1] == model.predict_survival_function(x[:2])[1]
    assert not hasattr(clone(model), "model_")


def test_cross_validation_and_grid_search() -> None:
    x, risk = two_levels()
    y = survival(risk)
    scores = cross_val_score(LegoSurvival("coxnet", **ASKED), x, y, cv=3)
    assert scores.shape == (3,)
    assert scores.mean() > 0.6
    search = GridSearchCV(
        LegoRegressor("ridge", **ASKED), {"blocks": ["ridge", {"rna": "ridge", "clinical": "forest"}]}, cv=2
    )
    search.fit(x, risk)
    assert search.best_score_ > 0.3
    assert search.best_estimator_.n_patients_ == len(x)


def test_a_pipeline_keeps_modalities_by_their_names() -> None:
    rna, clinical, risk = features()
    x = pd.concat([rna, clinical], axis=1)
    x.iloc[3, 1] = np.nan
    columns = ColumnTransformer(
        [("rna", SimpleImputer(), list(rna)), ("clinical", "passthrough", list(clinical))]
    ).set_output(transform="pandas")
    model = make_pipeline(columns, LegoClassifier("logistic", modalities="__", **ASKED))
    y = risk > 0
    assert cross_val_score(model, x, y, cv=2).mean() > 0.6
    assert model.fit(x, y)[-1].modalities_ == ("rna", "clinical")
    model.set_output(transform="pandas")
    assert model.fit(x, y).predict(x).shape == (len(x),)


def test_what_each_modality_says_is_a_table() -> None:
    x, risk = two_levels()
    y = survival(risk)
    model = LegoSurvival("coxnet", **ASKED).set_output(transform="pandas").fit(x, y)
    table = model.transform(x)
    assert table.columns.tolist() == ["rna", "clinical"]
    np.testing.assert_array_equal(table.isna(), [[row < 12, row >= 50] for row in range(60)])
    alone = x.copy()
    alone["clinical"] = np.nan
    rows = np.r_[20:30]
    single = LegoSurvival("coxnet", **ASKED).fit(x, y)
    found = single.transform(x.iloc[rows])
    block = mmlego.predict(single.blocks_["rna"], mmlego.data_of(single.blocks_["rna"], cohort_of(x)))
    np.testing.assert_allclose(found[:, 0], block.risk.numpy()[rows - 12], atol=1e-6)
    np.testing.assert_array_equal(single.transform(alone.iloc[rows])[:, 0], found[:, 0])
    classes = LegoClassifier("logistic", **ASKED).fit(x, np.digitize(risk, [-0.5, 0.5]))
    assert classes.get_feature_names_out().tolist() == [
        f"{name}__{one}" for name in ("rna", "clinical") for one in range(3)
    ]


def cohort_of(x: pd.DataFrame) -> Cohort:
    ids = [f"{row:02d}" for row in range(len(x))]
    return Cohort.from_frames({name: x[name].set_axis(ids, axis=0).dropna(how="all") for name in ("rna", "clinical")})


def test_scores_are_those_of_scikit_learn() -> None:
    x, risk = two_levels()
    weight = np.random.default_rng(0).random(len(x))
    y = np.digitize(risk, [-0.5, 0.5])
    classes = LegoClassifier("logistic", **ASKED).fit(x, y)
    right = classes.predict(x) == y
    assert classes.score(x, y) == right.mean()
    assert classes.score(x, y, weight) == pytest.approx((weight * right).sum() / weight.sum())
    proba = classes.predict_proba(x)
    np.testing.assert_allclose(proba.sum(1), 1)
    np.testing.assert_allclose(np.log(proba), classes.predict_log_proba(x))
    z = classes.decision_function(x)
    np.testing.assert_allclose(np.exp(z) / np.exp(z).sum(1, keepdims=True), proba)
    two = LegoClassifier("logistic", **ASKED).fit(x, risk > 0)
    np.testing.assert_allclose(1 / (1 + np.exp(-two.decision_function(x))), two.predict_proba(x)[:, 1])
    numbers = LegoRegressor("ridge", **ASKED).fit(x, risk)
    rest = risk - numbers.predict(x)
    assert numbers.score(x, risk) == pytest.approx(1 - (rest**2).sum() / ((risk - risk.mean()) ** 2).sum())


def test_several_numbers() -> None:
    x, risk = two_levels()
    y = pd.DataFrame({"il6": 5 + 2 * risk, "crp": 100 - 30 * risk})
    model = LegoRegressor("ridge", **ASKED).fit(x, y)
    assert model.predict(x).shape == (len(x), 2)
    assert model.model_.task.targets == ("il6", "crp")
    assert model.score(x, y) > 0.5


def test_labels_may_be_unknown() -> None:
    x, risk = two_levels()
    y = pd.DataFrame({"liver": (risk > 0.3) * 1.0, "skin": (risk < 0) * 1.0})
    known = y.copy()
    y.iloc[5:15, 1] = np.nan
    model = LegoMultiLabelClassifier("logistic", **ASKED).fit(x, y)
    assert model.classes_.tolist() == ["liver", "skin"]
    proba = model.predict_proba(x)
    np.testing.assert_array_equal(model.predict(x), proba > 0.5)
    np.testing.assert_allclose(1 / (1 + np.exp(-model.decision_function(x))), proba)
    assert model.score(x, known) == (model.predict(x) == known).all(axis=1).mean()
    assert model.score(x, y) >= model.score(x, known)
    with pytest.raises(InputError, match="neither 0 nor 1"):
        model.fit(x, y + 1)
    y.iloc[4] = np.nan
    with pytest.raises(InputError, match="1 patient without any known label"):
        model.fit(x, y)


def test_a_cohort_of_another_task_is_refused() -> None:
    rna, _, risk = features()
    ids = [f"p{i:02d}" for i in range(len(rna))]
    cohort = Cohort.from_frames(
        {"rna": rna.set_axis(ids, axis=0)},
        outcome=pd.DataFrame({"y": risk}, index=ids),
        task={"task": "regression", "target": "y"},
    )
    assert LegoRegressor("ridge", cohort=cohort).fit(ids).score(ids) > 0.2
    with pytest.raises(MismatchError, match="not of LegoClassifier"):
        LegoClassifier("logistic", cohort=cohort).fit(ids)


@pytest.fixture
def routed() -> object:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def doubled() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return patients of whom the last ten are the first ten again, under the same ids."""
    x, risk = two_levels(gaps=False)
    x.iloc[-10:] += 0.01
    ids = np.array([f"p{i:02d}" for i in range(len(x))], dtype=object)
    ids[-10:] = ids[:10]
    return x, risk > 0, ids


def test_the_guard_works_inside_cross_validation(routed: object) -> None:
    x, y, ids = doubled()
    model = LegoClassifier("logistic", **ASKED)
    model.set_fit_request(patients=True).set_score_request(patients=True)
    halves = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    with pytest.raises(InputError, match=r"leakage: 10 patients in both train and test \(p00"):
        cross_validate(model, x, y, cv=halves, params={"patients": ids}, error_score="raise")
    twice = [(np.arange(60), np.arange(5))]
    with pytest.raises(InputError, match=r"10 patients with several rows"):
        cross_validate(model, x, y, cv=twice, params={"patients": ids}, error_score="raise")
    unique = np.array([f"p{i:02d}" for i in range(len(x))], dtype=object)
    scores = cross_validate(model, x, y, cv=GroupKFold(3), params={"patients": unique, "groups": unique})
    assert np.isfinite(scores["test_score"]).all()


def test_the_guard_knows_patients_under_other_ids() -> None:
    rna, _, risk = features()
    x = pd.concat({"rna": pd.concat([rna] * 3, axis=1).set_axis(list("abcdefghijkl"), axis=1)}, axis=1)
    x = x + np.random.default_rng(1).normal(size=x.shape)
    ids = [f"p{i:02d}" for i in range(len(x))]
    model = LegoClassifier("logistic", **ASKED).fit(x[:40], risk[:40] > 0, patients=ids[:40])
    assert model.score(x[40:], risk[40:] > 0, patients=ids[40:]) >= 0
    with pytest.raises(InputError, match="leakage: 2 patients in both train and test"):
        model.score(x[38:], risk[38:] > 0, patients=ids[38:])
    with pytest.raises(InputError, match=r"features of training patients under other ids \(p40, p41\)"):
        model.score(x[38:], risk[38:] > 0, patients=[f"p{i}" for i in range(40, 62)])
    unnamed = LegoClassifier("logistic", **ASKED).fit(x[:40], risk[:40] > 0)
    with pytest.raises(InputError, match="were not to fit"):
        unnamed.score(x[40:], risk[40:] > 0, patients=ids[40:])
