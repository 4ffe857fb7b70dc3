"""Fitted objects of other libraries as learners: exact arrays, libraries' formats, skops and its audit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import sksurv.ensemble
import sksurv.linear_model
import sksurv.svm
import sksurv.tree
import torch
from scipy.stats import spearmanr
from sklearn import (
    calibration,
    ensemble,
    linear_model,
    multioutput,
    naive_bayes,
    neighbors,
    pipeline,
    preprocessing,
    tree,
)
from sklearn.svm import SVC, LinearSVC
from sksurv.util import Surv

from mmlego.errors import CheckpointError, InputError
from mmlego.learners import Foreign, Learner, Linear, Trees, build_learner, wrap
from mmlego.learners.cox import events_and_times
from mmlego.tasks import Classification, MultiLabel, Regression, Survival
from tests.learners.cases import Data, data


def scaled(last: Any) -> Any:
    return pipeline.make_pipeline(preprocessing.StandardScaler(), last)


CLASSIFIERS = {
    "logistic": (linear_model.LogisticRegression(), Linear),
    "logistic cv": (
        linear_model.LogisticRegressionCV(
            Cs=3, cv=2, scoring="neg_log_loss", l1_ratios=(0.0,), use_legacy_attributes=False
        ),
        Linear,
    ),
    "scaled logistic": (scaled(linear_model.LogisticRegression()), Linear),
    "sgd": (linear_model.SGDClassifier(loss="log_loss", random_state=0), None),
    "svm": (LinearSVC(), Linear),
    "ridge": (linear_model.RidgeClassifier(), Linear),
    "tree": (tree.DecisionTreeClassifier(max_depth=3), Trees),
    "forest": (ensemble.RandomForestClassifier(20, random_state=0), Trees),
    "extra": (ensemble.ExtraTreesClassifier(20, random_state=0), Trees),
    "hist": (ensemble.HistGradientBoostingClassifier(max_iter=10), Trees),
    "boosting": (ensemble.GradientBoostingClassifier(n_estimators=10), Trees),
    "bayes": (naive_bayes.GaussianNB(), Foreign),
    "kernel": (SVC(), Foreign),
    "calibrated": (calibration.CalibratedClassifierCV(naive_bayes.GaussianNB(), cv=2), Foreign),
    "scaled forest": (scaled(ensemble.RandomForestClassifier(5, random_state=0)), Foreign),
}
REGRESSORS = {
    "ordinary": (linear_model.LinearRegression(), Linear),
    "lasso": (scaled(linear_model.Lasso(alpha=0.1)), Linear),
    "forest": (ensemble.RandomForestRegressor(20, random_state=0), Trees),
    "neighbours": (neighbors.KNeighborsRegressor(), Foreign),
}
ONE_NUMBER = {
    "hist": (ensemble.HistGradientBoostingRegressor(max_iter=10), Trees),
    "boosting": (ensemble.GradientBoostingRegressor(n_estimators=10), Trees),
    "elastic": (linear_model.ElasticNetCV(cv=3), Linear),
}
RISKS = {
    "cox": (sksurv.linear_model.CoxPHSurvivalAnalysis(alpha=1.0), Linear),
    "coxnet": (sksurv.linear_model.CoxnetSurvivalAnalysis(n_alphas=5), Linear),
    "scaled cox": (scaled(sksurv.linear_model.CoxPHSurvivalAnalysis(alpha=1.0)), Linear),
    "forest": (sksurv.ensemble.RandomSurvivalForest(10, random_state=0), Trees),
    "low memory": (sksurv.ensemble.RandomSurvivalForest(10, random_state=0, low_memory=True), Trees),
    "tree": (sksurv.tree.SurvivalTree(max_depth=3), Trees),
    "boosting": (sksurv.ensemble.GradientBoostingSurvivalAnalysis(n_estimators=10, random_state=0), Trees),
    "componentwise": (sksurv.ensemble.ComponentwiseGradientBoostingSurvivalAnalysis(n_estimators=10), None),
    "svm": (sksurv.svm.FastSurvivalSVM(random_state=0), Linear),
    "times": (sksurv.linear_model.IPCRidge(), Foreign),
}


def unseen() -> torch.Tensor:
    return torch.from_numpy(data("classes", n=300, seed=9).x * 1.5)


def back(learner: Learner) -> Learner:
    """Return the learner from its tensors and sizes."""
    again = build_learner(learner.registered_name, learner.config)
    again.load_state_dict(safetensors.torch.load(safetensors.torch.save(learner.state_dict())))
    return again


def kept(learner: Learner, kind: type[Learner] | None) -> None:
    assert kind is None or isinstance(learner, kind), type(learner)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("task", ["classification", "classes"])
def test_classifiers_answer_as_they_do(name: str, task: str) -> None:
    estimator, kind = CLASSIFIERS[name]
    known = data(task)
    names = np.array(["c", "a", "b"])[: known.task.outputs]  # in another order than the alphabet's
    estimator.fit(known.x, names[known.target])
    learner = wrap(estimator, Classification(names.tolist()), 6)
    kept(learner, kind)
    raw = learner(unseen()).numpy()
    order = [estimator.classes_.tolist().index(label) for label in names]
    if hasattr(estimator, "predict_proba"):
        shares = np.exp(raw - np.logaddexp.reduce(raw, axis=1, keepdims=True))
        np.testing.assert_allclose(shares, estimator.predict_proba(unseen().numpy())[:, order], atol=2e-6)
    elif known.task.outputs == 2:
        sign = 1 if order == [0, 1] else -1
        np.testing.assert_allclose(
            raw[:, 1] - raw[:, 0], sign * estimator.decision_function(unseen().numpy()), atol=1e-8
        )
    else:
        np.testing.assert_allclose(raw, estimator.decision_function(unseen().numpy())[:, order], atol=1e-8)
    if isinstance(learner, (Linear, Trees)):
        assert torch.equal(back(learner)(unseen()), learner(unseen()))


@pytest.mark.parametrize("name", [*REGRESSORS, *(f"one {name}" for name in ONE_NUMBER)])
def test_regressors_answer_in_standardised_units(name: str) -> None:
    one = name.startswith("one ")
    estimator, kind = ONE_NUMBER[name.removeprefix("one ")] if one else REGRESSORS[name]
    known = data("regression")
    task = Regression(1, known.task.mean[0], known.task.scale[0]) if one else known.task
    estimator.fit(known.x, known.target[:, 0] if one else known.target)
    learner = wrap(estimator, task, 6)
    kept(learner, kind)
    values = task.predict(learner(unseen())).values.numpy()
    expected = estimator.predict(unseen().numpy())
    np.testing.assert_allclose(values, expected.reshape(len(values), -1), atol=1e-7)


@pytest.mark.parametrize("name", RISKS)
def test_risks_of_scikit_survival(name: str) -> None:
    estimator, kind = RISKS[name]
    known = data("survival")
    event, time = events_and_times(known.target)
    estimator.fit(known.x, Surv.from_arrays(event == 1, time))
    learner = wrap(estimator, known.task, 6)
    kept(learner, kind)
    risk = learner(unseen())[:, 0].numpy()
    theirs = estimator.predict(unseen().numpy()) * (-1 if name == "times" else 1)
    if name in ("forest", "low memory", "tree"):
        theirs = np.log(np.maximum(theirs, 1e-7))
    np.testing.assert_allclose(risk, theirs, atol=1e-6)
    signal = unseen()[:, 0].numpy() + unseen()[:, 1].numpy() / 2
    assert spearmanr(risk, signal)[0] > 0.3  # higher = earlier event


def test_labels() -> None:
    known = data("multilabel")
    target = known.target.nan_to_num().numpy().astype(int)
    for estimator, kind in (
        (ensemble.RandomForestClassifier(10, random_state=0), Trees),
        (multioutput.MultiOutputClassifier(linear_model.LogisticRegression()), Foreign),
    ):
        estimator.fit(known.x, target)
        learner = wrap(estimator, MultiLabel(2), 6)
        kept(learner, kind)
        expected = np.stack([part[:, 1] for part in estimator.predict_proba(unseen().numpy())], 1)
        np.testing.assert_allclose(learner(unseen()).sigmoid(), expected, atol=1e-6)
    one = linear_model.LogisticRegression().fit(known.x, target[:, 1])
    np.testing.assert_allclose(
        wrap(one, MultiLabel(1), 6)(unseen()).sigmoid()[:, 0], one.predict_proba(unseen().numpy())[:, 1], atol=1e-9
    )
    with pytest.raises(InputError, match=r"2 labels|classes 0 and 1"):
        wrap(multioutput.MultiOutputClassifier(naive_bayes.GaussianNB()).fit(known.x, target + 3), MultiLabel(2), 6)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost"])
@pytest.mark.parametrize("task", ["classification", "classes", "regression"])
def test_models_of_boosting_libraries(library: str, task: str) -> None:
    package = pytest.importorskip(library)
    known = data(task)
    numbers = task == "regression"
    y = known.target[:, 0].numpy() if numbers else known.target.numpy()
    aim = Regression(1, known.task.mean[0], known.task.scale[0]) if numbers else known.task
    kind = {"lightgbm": "LGBM{}", "xgboost": "XGB{}", "catboost": "CatBoost{}"}[library]
    quiet = {"lightgbm": {"verbosity": -1}, "xgboost": {}, "catboost": {"verbose": False, "allow_writing_files": False}}
    estimator = getattr(package, kind.format("Regressor" if numbers else "Classifier"))(
        n_estimators=10, **quiet[library]
    )
    estimator.fit(known.x, y)
    learner = wrap(estimator, aim, 6)
    assert learner.registered_name == library
    for one in (learner, back(learner)):
        if numbers:
            found = aim.predict(one(unseen())).values[:, 0]
            np.testing.assert_allclose(found, estimator.predict(unseen().numpy()), rtol=1e-5, atol=1e-5)
        else:
            expected = estimator.predict_proba(unseen().numpy())
            np.testing.assert_allclose(one(unseen()).softmax(1), expected, atol=2e-6)
    with pytest.raises(InputError, match="does not answer a task of survival"):
        wrap(estimator, Survival([1.0]), 6)
    with pytest.raises(InputError, match="fitted to other columns"):
        wrap(estimator, aim, 5)
    if task == "classification" and library != "xgboost":  # which takes numbers alone
        turned = wrap(estimator.fit(known.x, np.array(["b", "a"])[y]), Classification(["b", "a"]), 6)
        expected = estimator.predict_proba(unseen().numpy())[:, ::-1]
        np.testing.assert_allclose(turned(unseen()).softmax(1), expected, atol=2e-6)


def test_early_stopping_of_xgboost_is_heeded() -> None:
    xgboost = pytest.importorskip("xgboost")
    known = data("classification")
    estimator = xgboost.XGBClassifier(n_estimators=200, learning_rate=1.0, early_stopping_rounds=3)
    estimator.fit(
        known.x[:80], known.target[:80].numpy(), eval_set=[(known.x[80:], known.target[80:].numpy())], verbose=False
    )
    assert estimator.best_iteration + 1 < estimator.get_booster().num_boosted_rounds()
    found = wrap(estimator, known.task, 6)(unseen()).softmax(1)
    np.testing.assert_allclose(found, estimator.predict_proba(unseen().numpy()), atol=2e-6)


class Rule:
    """An object of one's own."""

    def __init__(self, column: int) -> None:
        self.column = column

    def predict_risk(self, x: np.ndarray) -> np.ndarray:
        return x[:, self.column]


class Moody(Rule):
    def predict_risk(self, x: np.ndarray) -> np.ndarray:
        return np.random.default_rng().normal(size=len(x))


def test_what_skops_keeps_is_made_only_if_it_is_trusted() -> None:
    learner = wrap(Rule(2), Survival([1.0]), 6)
    assert torch.equal(learner(unseen())[:, 0], unseen()[:, 2])
    again = back(learner)
    assert isinstance(again, Foreign)
    name = f"{Rule.__module__}.Rule"
    assert again.untrusted() == [name]
    with pytest.raises(CheckpointError, match=rf"types that are not trusted.*{name}.*trusted="):
        again(unseen())
    with pytest.raises(CheckpointError, match="not trusted"):
        again.open(["builtins.eval"])
    assert torch.equal(again.open([name])(unseen()), learner(unseen()))
    assert b"pickle" not in learner.content.numpy().tobytes()


def test_what_skops_trusts_itself_answers_at_once() -> None:
    known = data("classification")
    learner = wrap(naive_bayes.GaussianNB().fit(known.x, known.target), known.task, 6)
    again = back(learner)
    assert again.untrusted() == []
    assert torch.equal(again(unseen()), learner(unseen()))
    assert again(unseen()[:0]).shape == (0, 2)


def test_objects_that_answer_anew_each_time_are_refused() -> None:
    with pytest.raises(InputError, match="each time anew"):
        wrap(Moody(0), Survival([1.0]), 6)


def test_objects_that_cannot_be_taken_apart_are_refused() -> None:
    class Local(Rule):
        pass

    with pytest.raises(InputError, match="cannot be kept by skops"):
        wrap(Local(0), Survival([1.0]), 6)


@pytest.mark.parametrize(
    ("estimator", "task", "message"),
    [
        (linear_model.LogisticRegression(), Classification(2), "is not fitted"),
        (linear_model.LogisticRegression, Classification(2), "a class is no fitted object"),
        (linear_model.LinearRegression().fit(np.eye(6), np.arange(6)), Classification(2), "a method decision_function"),
        (
            linear_model.LinearRegression().fit(np.eye(6), np.arange(6)),
            Survival([1.0]),
            "what its answer means for survival",
        ),
        (naive_bayes.GaussianNB().fit(np.eye(6), [0, 1] * 3), Regression(), "does not answer a task of regression"),
        (naive_bayes.GaussianNB().fit(np.eye(6), [0, 1] * 3), Classification(3), "not those of the task.*all of them"),
        (naive_bayes.GaussianNB().fit(np.eye(6), list("xyxyxy")), Classification(["x", "z"]), "not those of the task"),
        (naive_bayes.GaussianNB().fit(np.eye(6), [0, 1] * 3), Classification(["1", "0"]), "may be names or numbers"),
        (linear_model.LinearRegression().fit(np.eye(6), np.arange(6)), Regression(2), "answers in another shape"),
        (naive_bayes.GaussianNB().fit(np.eye(5), [0, 1, 0, 1, 0]), Classification(2), "fitted to other columns"),
        (object(), Regression(), "a method predict"),
    ],
)
def test_what_does_not_fit_is_refused(estimator: Any, task: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrap(estimator, task, 6)


def test_numbers_of_classes_and_given_names_will_do() -> None:
    known = data("classification")
    fitted = naive_bayes.GaussianNB().fit(known.x, known.target)
    by_number = wrap(fitted, Classification(["alive", "dead"]), 6)(unseen())
    by_name = wrap(fitted, Classification(["1", "0"]), 6, classes=["0", "1"])(unseen())
    torch.testing.assert_close(by_name.flip(1), by_number)


def test_names_of_columns_are_compared() -> None:
    known = data("classification")
    frame = pd.DataFrame(known.x, columns=list("abcdef"))
    fitted = naive_bayes.GaussianNB().fit(frame, known.target)
    learner = wrap(fitted, known.task, 6, names=list("abcdef"))
    np.testing.assert_allclose(
        learner(unseen()).softmax(1),
        fitted.predict_proba(pd.DataFrame(unseen().numpy(), columns=list("abcdef"))),
        atol=1e-6,
    )
    with pytest.raises(InputError, match="'c' where the modality has 'd'"):
        wrap(fitted, known.task, 6, names=list("abdcef"))


def test_a_learner_is_itself() -> None:
    known: Data = data("regression")
    ridge = build_learner("ridge", {"in_features": 6, "raw": 2})
    assert wrap(ridge, known.task, 6) is ridge
    with pytest.raises(InputError, match="another size"):
        wrap(ridge, known.task, 7)


@pytest.mark.parametrize(("library", "name"), [("lightgbm", "LGBM"), ("xgboost", "XGB"), ("catboost", "CatBoost")])
def test_columns_and_classes_of_boosting_libraries(library: str, name: str) -> None:
    package = pytest.importorskip(library)
    quiet = {"lightgbm": {"verbosity": -1}, "xgboost": {}, "catboost": {"verbose": False, "allow_writing_files": False}}

    def classifier() -> Any:
        return getattr(package, f"{name}Classifier")(n_estimators=5, **quiet[library])

    known = data("classification")
    columns, y = list("abcdef"), known.target.numpy()
    with pytest.raises(InputError, match="is not fitted"):
        wrap(classifier(), known.task, 6)
    wrap(classifier().fit(known.x, y), known.task, 6, names=columns)  # which had no names
    wrap(classifier().fit(pd.DataFrame(known.x, columns=columns), y), known.task, 6, names=columns)
    with pytest.raises(InputError, match="'f' where the modality has 'a'"):
        wrap(classifier().fit(pd.DataFrame(known.x, columns=columns[::-1]), y), known.task, 6, names=columns)
    frame = pd.DataFrame(known.x, columns=columns)
    sides = np.where(known.x[:, 0] > 0, "left", "right")
    if library == "catboost":
        mixed = classifier().fit(frame.assign(a=sides), y, cat_features=["a"])
    elif library == "xgboost":
        mixed = classifier().set_params(enable_categorical=True).fit(frame.assign(a=pd.Categorical(sides)), y)
    else:
        mixed = classifier().fit(frame.assign(a=pd.Categorical(sides)), y)
    with pytest.raises(InputError, match="with categories"):
        wrap(mixed, known.task, 6)


def test_a_bare_booster_is_told_its_classes() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    known = data("classification")
    fitted = lightgbm.LGBMClassifier(n_estimators=5, verbosity=-1).fit(known.x, known.target.numpy())
    with pytest.raises(InputError, match=r"Booster does not say which classes.*classes="):
        wrap(fitted.booster_, known.task, 6)
    found = wrap(fitted.booster_, known.task, 6, classes=["0", "1"])(unseen()).softmax(1)
    np.testing.assert_allclose(found, fitted.predict_proba(unseen().numpy()), atol=1e-6)


def test_numbers_before_a_link_are_no_numbers() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    known = data("regression")
    counts = lightgbm.LGBMRegressor(objective="poisson", n_estimators=5, verbosity=-1)
    counts.fit(known.x, known.target[:, 0].abs().numpy())
    with pytest.raises(InputError, match=r"squared or absolute error.*objective poisson"):
        wrap(counts, Regression(), 6)


def test_a_cox_model_of_xgboost() -> None:
    xgboost = pytest.importorskip("xgboost")
    known = data("survival")
    event, time = events_and_times(known.target)
    matrix = xgboost.DMatrix(known.x, label=np.where(event == 1, time, -time))
    fitted = xgboost.train({"objective": "survival:cox"}, matrix, 10)
    expected = np.log(fitted.predict(xgboost.DMatrix(unseen().numpy())))
    np.testing.assert_allclose(wrap(fitted, known.task, 6)(unseen())[:, 0], expected, atol=1e-5)
