"""What learners of LightGBM, XGBoost and CatBoost share: models kept in the library's own format."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from mmlego.errors import InputError
from mmlego.extras import import_extra
from mmlego.learners.base import Learner, raw_width
from mmlego.learners.linear import constant_log_odds
from mmlego.tasks import Regression, Task

OBJECTIVES = ("binary", "classes", "number", "risk")


class LibraryModel(Learner):
    """Models of a boosting library, as bytes of its own format: text, JSON or binary, never a pickle.

    Raw score = base + what the models answer, before any link, over a scale, which is 1 for models fitted here.
    A model of two classes answers the second one's log-odds.

    Parameters
    ----------
    in_features
        ``p``, the number of columns.
    raw
        ``m``, the number of raw scores.
    sizes
        How many bytes each model has.
    columns
        The raw score that each model is for; −1 for all of them.

    Raises
    ------
    MissingExtraError
        If the library is not installed.
    """

    accepts_missing: bool = True
    library: ClassVar[str]

    model: Tensor
    base: Tensor
    scale: Tensor

    def __init__(self, in_features: int, raw: int, sizes: Sequence[int], columns: Sequence[int]) -> None:
        super().__init__(in_features, raw, {"sizes": list(sizes), "columns": list(columns)})
        self.package()
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]
        self.sizes, self.columns = list(sizes), list(columns)
        self.register_buffer("model", torch.zeros(sum(sizes), dtype=torch.uint8))
        self.register_buffer("base", torch.zeros(raw, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(raw, dtype=torch.float64))
        self._loaded: list[Any] | None = None

    @classmethod
    def package(cls) -> Any:
        """Return the library's module."""
        return import_extra(cls.library, f"learner {cls.registered_name!r}", "'mmlego[boosting]'")

    @classmethod
    def of(
        cls, in_features: int, raw: int, models: Sequence[bytes], columns: Sequence[int], base: np.ndarray | None = None
    ) -> Self:
        """Return the learner of some models in the library's format."""
        learner = cls(in_features, raw, [len(model) for model in models], columns)
        learner.model.copy_(torch.frombuffer(bytearray(b"".join(models)), dtype=torch.uint8))
        if base is not None:
            learner.base.copy_(torch.from_numpy(base))
        return learner

    @classmethod
    @abstractmethod
    def _read(cls, content: bytes) -> Any:
        """Return a model from its bytes."""

    @classmethod
    @abstractmethod
    def _answer(cls, model: Any, x: np.ndarray) -> np.ndarray:
        """Return what a model answers before the link, (b,) or (b, w)."""

    def raw_scores(self, x: Tensor) -> Tensor:
        """Return base + answers / scale, ``(b, m)``."""
        rows = x.cpu().numpy()
        total = np.zeros((len(rows), self.raw))
        for model, column in zip(self._models(), self.columns, strict=True):
            if len(rows):
                answer = np.asarray(self._answer(model, rows), dtype=np.float64).reshape(len(rows), -1)
                total[:, slice(None) if column < 0 else slice(column, column + 1)] += answer
        return self.base + torch.from_numpy(total).to(x.device) / self.scale

    def _models(self) -> list[Any]:
        """Return the models, read when they are first asked for and again when other bytes were loaded."""
        if self._loaded is None:
            content = self.model.cpu().numpy().tobytes()
            ends = np.cumsum([0, *self.sizes])
            self._loaded = [self._read(content[a:b]) for a, b in itertools.pairwise(ends)]
        return self._loaded

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be read again: a copy is of the bytes."""
        return self.__dict__ | {"_loaded": None}

    @classmethod
    def _each(cls, x: np.ndarray, target: Tensor, task: Task, weight: np.ndarray, train: Any) -> Self:
        """Return a learner of as many models as the task takes; ``train(x, y, weight, objective, k)`` makes one."""
        p, m = x.shape[1], raw_width(task)
        if task.name == "survival":
            event, time = target.double().numpy().T
            # The libraries take what was censored as negative. The order of times is all that counts, and none is 0.
            rank = np.unique(time, return_inverse=True)[1] + 1.0
            return cls.of(p, m, [train(x, np.where(event == 1, rank, -rank), weight, "risk", 1)], [0])
        if task.name == "classification":
            y = target.numpy()
            seen, number = np.unique(y, return_inverse=True)
            if len(seen) == 2:
                base = np.where(np.isin(np.arange(m), seen), 0.0, np.log(0.5 / (len(y) + 1)))
                return cls.of(p, m, [train(x, number, weight, "binary", 2)], [int(seen[1])], base)
            if len(seen) < m:
                raise InputError(
                    f"learner {cls.registered_name!r} needs patients of every class",
                    expected=f"{m} classes among the patients it is fitted to",
                    got=len(seen),
                    remedy="Give it more patients, or fewer folds, so that each part has some.",
                )
            return cls.of(p, m, [train(x, y, weight, "classes", m)], [-1])
        if isinstance(task, Regression):
            columns = (target.double().numpy() - np.array(task.mean)) / np.array(task.scale)
            models = [train(x, y, weight, "number", 1) for y in columns.T]
            return cls.of(p, m, models, range(m))
        models, at, base = [], [], np.zeros(m)
        for k, y in enumerate(target.double().numpy().T):
            known = ~np.isnan(y)
            w = weight[known]
            if len(np.unique(y[known])) < 2:
                base[k] = constant_log_odds(y[known, None], w)[0]
                continue
            models.append(train(x[known], y[known], w / w.mean(), "binary", 2))
            at.append(k)
        return cls.of(p, m, models, at, base)


def _forget(learner: LibraryModel, _: object) -> None:
    learner._loaded = None  # other bytes were loaded
