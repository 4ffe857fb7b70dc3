"""Fitted models of LightGBM, XGBoost and CatBoost as learners, in their own formats."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mmlego.errors import InputError
from mmlego.learners.answers import answer_of
from mmlego.learners.base import raw_width
from mmlego.learners.libraries import CatBoost, LightGBM, XGBoost, without_ranges, written
from mmlego.learners.library_model import LibraryModel
from mmlego.tasks import Classification, Regression, Task

# Objectives whose answer before the link is the number itself: others, as Poisson's, answer its logarithm.
_KINDS = {
    "number": "regression regression_l1 huber quantile reg:squarederror reg:absoluteerror RMSE MAE Quantile".split(),
    "classes": "binary multiclass binary:logistic multi:softprob multi:softmax Logloss MultiClass".split(),
    "risk": "survival:cox Cox".split(),
}
_NEAR = 1e-5  # the libraries compute in float32


@dataclass(frozen=True)
class _Model:
    """A model as its library writes it."""

    keeps: type[LibraryModel]
    content: bytes
    objective: str
    columns: int
    categories: bool

    @property
    def kind(self) -> str:
        return next((kind for kind, names in _KINDS.items() if self.objective in names), "other")


def of_library(
    estimator: Any, task: Task, in_features: int, classes: Sequence[str] | None = None
) -> LibraryModel | None:
    """Return the learner of a fitted model of LightGBM, XGBoost or CatBoost; None for any other object.

    Raises
    ------
    InputError
        If the model does not answer the task, was fitted to other columns, or takes categories.

    Examples
    --------
    >>> from mmlego.tasks import Regression
    >>> of_library(object(), Regression(), 3) is None
    True
    """
    model = _model_of(estimator)
    if model is None:
        return None
    name, m = type(estimator).__name__, raw_width(task)
    if model.columns != in_features or model.categories:
        raise InputError(
            f"{name} was fitted to other columns",
            expected=f"{in_features} columns of numbers",
            got=f"{model.columns}" + (", with categories" if model.categories else ""),
            remedy="Fit it to rows as the preprocessing of the modality gives them.",
        )
    opened = model.keeps._read(model.content)
    outputs = np.asarray(model.keeps._answer(opened, np.zeros((2, in_features)))).reshape(2, -1).shape[1]
    wanted = {
        "classification": ("classes", 1 if m == 2 else m),
        "multilabel": ("classes", 1 if m == 1 else 0),
        "regression": ("number", m),
        "survival": ("risk", 1),
    }.get(task.name)
    if (model.kind, outputs) != wanted:
        raise InputError(
            f"{name} does not answer a task of {task.name} with {task.outputs} logits",
            expected={
                "classification": f"a classifier of {m} classes",
                "multilabel": "a classifier of one label; of several, a model a label is fitted by name",
                "regression": f"{m} numbers, fitted by squared or absolute error",
            }.get(task.name, "Cox's partial likelihood"),
            got=f"{outputs} outputs of the objective {model.objective}",
        )
    if isinstance(task, Classification):
        order = answer_of(_named(estimator), task, classes).order
        if m > 2 and order != list(range(m)):
            raise InputError(
                f"the classes of {name} are in another order than those of the task",
                expected=f"the order of {list(task.classes)}",
                got=[task.classes[order.index(k)] for k in range(m)],
                remedy="Fit it to the numbers of the task's classes.",
            )
        learner = model.keeps.of(in_features, m, [model.content], [order.index(1) if m == 2 else -1])
        _check_probabilities(learner, estimator, order)
        return learner
    learner = model.keeps.of(in_features, m, [model.content], [-1 if m > 1 else 0])
    if isinstance(task, Regression):
        learner.scale.copy_(torch.tensor(task.scale))
        learner.base.copy_(-torch.tensor(task.mean) / torch.tensor(task.scale))
    return learner


class _Classes:
    """The classes of a model, and that it has probabilities."""

    classes_: Any = None

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def _named(estimator: Any) -> _Classes:
    """Return the classes of a model under its name, which messages tell."""
    found = getattr(estimator, "classes_", None)
    named: _Classes = type(type(estimator).__name__, (_Classes,), {})()
    named.classes_ = None if found is None or np.size(found) == 0 else found
    return named


def _model_of(estimator: Any) -> _Model | None:
    package = type(estimator).__module__.split(".")[0]
    if package == "lightgbm":
        booster = getattr(estimator, "booster_", estimator)
        text = str(booster.model_to_string())
        lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        objective = lines.get("objective", "other").split(" ")[0]
        categories = bool(json.loads(text.rsplit("pandas_categorical:", 1)[-1].strip().splitlines()[0] or "null"))
        categories = categories or any(
            int(count) > 0
            for line in text.splitlines()
            if line.startswith("num_cat=")
            for count in [line.split("=")[1]]
        )
        return _Model(LightGBM, without_ranges(text), objective, int(booster.num_feature()), categories)
    if package == "xgboost":
        booster = estimator.get_booster() if hasattr(estimator, "get_booster") else estimator
        stopped = getattr(estimator, "early_stopping_rounds", None) and hasattr(estimator, "best_iteration")
        if stopped:  # its own predict leaves the later trees out
            booster = booster[: estimator.best_iteration + 1]
        objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
        categories = "c" in (booster.feature_types or [])
        return _Model(XGBoost, bytes(booster.save_raw("json")), objective, int(booster.num_features()), categories)
    if package in ("catboost", "_catboost"):
        objective = str(estimator.get_all_params().get("loss_function", "other")).split(":")[0]
        categories = bool(estimator.get_cat_feature_indices())
        return _Model(CatBoost, written(estimator), objective, len(estimator.feature_names_), categories)
    return None


def _check_probabilities(learner: LibraryModel, estimator: Any, order: list[int]) -> None:
    """Refuse a model whose probabilities are no sigmoid or softmax of what it answers before the link."""
    if not hasattr(estimator, "predict_proba"):
        return
    x = np.random.default_rng(0).normal(size=(32, learner.in_features))
    ours = learner(torch.from_numpy(x)).softmax(1).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rows without names
        theirs = np.asarray(estimator.predict_proba(x))[:, order]
    if np.abs(ours - theirs).max() > _NEAR:
        raise InputError(
            f"the probabilities of {type(estimator).__name__} do not follow from its scores",
            expected="their sigmoid or softmax",
            got=f"probabilities that differ by {np.abs(ours - theirs).max():.2g}",
        )
