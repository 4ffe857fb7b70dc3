"""LightGBM, XGBoost and CatBoost as learners, each kept in its own format."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from mmlego.errors import InputError
from mmlego.learners.library_model import LibraryModel
from mmlego.learners.options import Count, Penalty, Several, Share, Step
from mmlego.learners.registry import register_learner
from mmlego.tasks import Task

__doctest_requires__ = {"LightGBM": ["lightgbm"], "XGBoost": ["xgboost"], "CatBoost": ["catboost"]}


@register_learner("lightgbm")
class LightGBM(LibraryModel):
    """Gradient boosting by LightGBM (Ke et al. 2017), kept as its text; ``pip install 'mmlego[boosting]'``.

    Options: ``rounds``; ``learning_rate``; ``leaves`` of a tree; ``min_leaf``, the least number of patients in one;
    ``columns``, the share that a tree sees; ``subsample``, the share of patients; ``l2``; ``parameters``, any others of
    LightGBM by their names there.

    Examples
    --------
    >>> import torch
    >>> from mmlego.tasks import Classification
    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> target = torch.from_numpy(x[:, 0] > 0).long()
    >>> learner = LightGBM.fit(x, target, Classification(2), seed=0, rounds=20, columns=1.0)
    >>> learner(torch.tensor([[2.0, 0.0, 0.0]])).argmax(1)
    tensor([1])
    """

    library: ClassVar[str] = "lightgbm"
    tasks: ClassVar[tuple[str, ...]] = ("classification", "multilabel", "regression")

    @classmethod
    def _fit(
        cls,
        x: np.ndarray,
        target: Tensor,
        task: Task,
        seed: int,
        weight: np.ndarray,
        *,
        rounds: Count = 400,
        learning_rate: Step = 0.03,
        leaves: Several = 15,
        min_leaf: Count = 20,
        columns: Share = 0.3,
        subsample: Share = 0.8,
        l2: Penalty = 1.0,
        parameters: dict[str, Any] | None = None,
    ) -> Self:
        lightgbm = cls.package()
        objectives = {"binary": "binary", "classes": "multiclass", "number": "regression"}
        options = {
            "learning_rate": learning_rate,
            "num_leaves": leaves,
            "min_data_in_leaf": min_leaf,
            "feature_fraction": columns,
            "bagging_fraction": subsample,
            "bagging_freq": 1 if subsample < 1 else 0,
            "lambda_l2": l2,
            "seed": seed % 2**31,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
            **(parameters or {}),
        }

        def train(x: np.ndarray, y: np.ndarray, w: np.ndarray, objective: str, k: int) -> bytes:
            chosen = options | {"objective": objectives[objective]} | ({"num_class": k} if k > 2 else {})
            data = lightgbm.Dataset(x, y, weight=w, params=chosen)
            return without_ranges(lightgbm.train(chosen, data, rounds).model_to_string())

        return cls._each(x, target, task, weight, train)

    @classmethod
    def _read(cls, content: bytes) -> Any:
        return cls.package().Booster(model_str=content.decode("utf-8"))

    @classmethod
    def _answer(cls, model: Any, x: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict(x, raw_score=True, num_threads=1))


@register_learner("xgboost")
class XGBoost(LibraryModel):
    """Gradient boosting by XGBoost (Chen and Guestrin 2016), kept as its JSON; ``pip install 'mmlego[boosting]'``.

    Survival is Cox's partial likelihood. Options: ``rounds``; ``learning_rate``; ``depth`` of a tree; ``min_weight``,
    the least sum of second derivatives in a leaf; ``columns``, the share that a split sees; ``subsample``, the share of
    patients that a tree sees; ``l2``; ``parameters``, any others of XGBoost by their names there.

    Examples
    --------
    >>> import torch
    >>> from mmlego.tasks import Classification
    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> target = torch.from_numpy(x[:, 0] > 0).long()
    >>> XGBoost.fit(x, target, Classification(2), seed=0, rounds=20)(torch.tensor([[2.0, 0.0, 0.0]])).argmax(1)
    tensor([1])
    """

    library: ClassVar[str] = "xgboost"
    tasks: ClassVar[tuple[str, ...]] = ("survival", "classification", "multilabel", "regression")

    @classmethod
    def _fit(
        cls,
        x: np.ndarray,
        target: Tensor,
        task: Task,
        seed: int,
        weight: np.ndarray,
        *,
        rounds: Count = 300,
        learning_rate: Step = 0.03,
        depth: Count = 4,
        min_weight: Penalty = 1.0,
        columns: Share = 0.3,
        subsample: Share = 0.8,
        l2: Penalty = 1.0,
        parameters: dict[str, Any] | None = None,
    ) -> Self:
        xgboost = cls.package()
        objectives = {
            "binary": "binary:logistic",
            "classes": "multi:softprob",
            "number": "reg:squarederror",
            "risk": "survival:cox",
        }
        options = {
            "learning_rate": learning_rate,
            "max_depth": depth,
            "min_child_weight": min_weight,
            "colsample_bynode": columns,
            "subsample": subsample,
            "reg_lambda": l2,
            "seed": seed % 2**31,
            "nthread": 1,
            "tree_method": "hist",
            "verbosity": 0,
            **(parameters or {}),
        }

        def train(x: np.ndarray, y: np.ndarray, w: np.ndarray, objective: str, k: int) -> bytes:
            chosen = options | {"objective": objectives[objective]} | ({"num_class": k} if k > 2 else {})
            data = xgboost.DMatrix(x, label=y, weight=w, nthread=1)
            return bytes(xgboost.train(chosen, data, rounds).save_raw("json"))

        return cls._each(x, target, task, weight, train)

    @classmethod
    def _read(cls, content: bytes) -> Any:
        model = cls.package().Booster({"nthread": 1})
        model.load_model(bytearray(content))
        return model

    @classmethod
    def _answer(cls, model: Any, x: np.ndarray) -> np.ndarray:
        data = cls.package().DMatrix(x, nthread=1)
        return np.asarray(model.predict(data, output_margin=True, validate_features=False))


@register_learner("catboost")
class CatBoost(LibraryModel):
    """Gradient boosting by CatBoost (Prokhorenkova et al. 2018), kept as its cbm; ``pip install 'mmlego[boosting]'``.

    Survival is Cox's partial likelihood. Options: ``rounds``; ``learning_rate``; ``depth`` of a tree; ``columns``, the
    share that a split sees; ``parameters``, any others of CatBoost by their names there.

    Examples
    --------
    >>> import torch
    >>> from mmlego.tasks import Classification
    >>> x = np.random.default_rng(0).normal(size=(200, 3))
    >>> target = torch.from_numpy(x[:, 0] > 0).long()
    >>> CatBoost.fit(x, target, Classification(2), seed=0, rounds=30)(torch.tensor([[2.0, 0.0, 0.0]])).argmax(1)
    tensor([1])
    """

    library: ClassVar[str] = "catboost"
    tasks: ClassVar[tuple[str, ...]] = ("survival", "classification", "multilabel", "regression")

    @classmethod
    def _fit(
        cls,
        x: np.ndarray,
        target: Tensor,
        task: Task,
        seed: int,
        weight: np.ndarray,
        *,
        rounds: Count = 600,
        learning_rate: Step = 0.03,
        depth: Count = 5,
        columns: Share = 0.3,
        parameters: dict[str, Any] | None = None,
    ) -> Self:
        catboost = cls.package()
        losses = {"binary": "Logloss", "classes": "MultiClass", "number": "RMSE", "risk": "Cox"}
        if task.name == "survival" and np.ptp(weight) > 0:
            raise InputError(
                "learner 'catboost' cannot weigh patients for survival",
                expected="no sample_weight",
                got="weights that differ",
                remedy="Leave them out, or take another learner.",
            )
        options = {
            "iterations": rounds,
            "learning_rate": learning_rate,
            "depth": depth,
            "rsm": columns,
            "random_seed": seed % 2**31,
            "thread_count": 1,
            "verbose": False,
            "allow_writing_files": False,
            **(parameters or {}),
        }

        def train(x: np.ndarray, y: np.ndarray, w: np.ndarray, objective: str, k: int) -> bytes:
            if (np.isnan(x) == np.isnan(x[:1])).all() and (np.isnan(x) | (x == x[:1])).all():
                raise InputError(
                    "learner 'catboost' has nothing to learn from",
                    expected="a column that differs between patients",
                    got=f"{len(x)} patients, all alike",
                    remedy="Leave the modality out, or take another learner, which answers the same to all.",
                )
            model = catboost.CatBoost(options | {"loss_function": losses[objective]})
            model.fit(catboost.Pool(x, y, weight=None if objective == "risk" else w))
            return written(model)

        return cls._each(x, target, task, weight, train)

    @classmethod
    def _read(cls, content: bytes) -> Any:
        model = cls.package().CatBoost()
        model.load_model(blob=content)
        return model

    @classmethod
    def _answer(cls, model: Any, x: np.ndarray) -> np.ndarray:
        return np.asarray(model.predict(x, prediction_type="RawFormulaVal", thread_count=1))


def without_ranges(text: str) -> bytes:
    r"""Return the text of a model of LightGBM without the smallest and the largest value of each column.

    These are values of single patients, and no prediction needs them.

    Parameters
    ----------
    text
        As LightGBM writes it.

    Examples
    --------
    >>> without_ranges("max_feature_idx=1\nfeature_infos=[0.25:7] none\n")
    b'max_feature_idx=1\nfeature_infos=none none\n'
    """
    return re.sub(r"^feature_infos=.*$", lambda line: re.sub(r"\[[^\]]*\]", "none", line[0]), text, flags=re.M).encode()


def written(model: Any) -> bytes:
    """Return the bytes of a model of CatBoost, which writes them to files alone; without the hour of its training."""
    model = model.copy()
    about = model.get_metadata()
    for key in set(about.keys()) & {"model_guid", "train_finish_time"}:
        about[key] = ""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.cbm"
        model.save_model(str(file), format="cbm")
        return file.read_bytes()
