"""Fitted objects of other libraries as learners: arrays where that is exact, a library's own format, else skops."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mmlego.closing import closed
from mmlego.errors import CheckpointError, InputError
from mmlego.extras import import_extra
from mmlego.learners.answers import Answer, answer_of
from mmlego.learners.base import Learner, raw_width
from mmlego.learners.exact import exact, probes
from mmlego.learners.of_libraries import of_library
from mmlego.learners.registry import register_learner
from mmlego.tasks import Task
from mmlego.wording import listed

__doctest_requires__ = {"Foreign": ["skops"]}
_ROWS = ("_fit_X", "support_vectors_", "X_train_", "X_fit_", "fit_X_")  # what estimators call rows they were fitted to
_MANY = 10  # rows, of which an array is likely of patients rather than of classes
_NUMBERED = re.compile(r"(Column_|f)?\d+")  # what libraries call columns that had no names


def wrap(
    estimator: Any,
    task: Task,
    in_features: int,
    *,
    names: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
) -> Learner:
    """Return a fitted object as a learner, which answers as it does.

    Linear models, trees and their ensembles of scikit-learn and scikit-survival, with scalers before linear ones,
    become arrays of our own where these answer the same to 1e-9; models of LightGBM, XGBoost and CatBoost are kept in
    their libraries' formats; all else, such as other pipelines or an object of one's own, is kept by skops, which tells
    on loading what it would have to trust.

    Parameters
    ----------
    estimator
        A fitted object. Classes and labels: with ``predict_proba``, whose logarithms are the raw scores, or
        ``decision_function``. Numbers: ``predict``, in the units of the target. Survival: of scikit-survival, or with
        ``predict_risk(x) → (n,)``, higher = earlier event. A learner is returned as it is.
    task
        What it answers.
    in_features
        How many columns the rows will have.
    names
        The names of these columns, which are compared with the object's ``feature_names_in_``.
    classes
        The task's names of the object's classes in the order of its columns, where ``classes_`` does not tell.

    Raises
    ------
    InputError
        If the object does not answer the task, was fitted to other columns or classes, or cannot be kept.
    MissingExtraError
        If it needs skops, which is not installed.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mmlego.tasks import Classification
    >>> fitted = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
    >>> learner = wrap(fitted, Classification(["no", "yes"]), 1)
    >>> bool(np.allclose(learner(torch.tensor([[1.0]])).softmax(1), fitted.predict_proba([[1.0]])))
    True
    """
    if isinstance(estimator, Learner):
        if (estimator.in_features, estimator.raw) != (in_features, raw_width(task)):
            raise InputError(
                "the learner is of another size",
                expected=f"{in_features} columns and {raw_width(task)} raw scores",
                got=f"{estimator.in_features} and {estimator.raw}",
            )
        return estimator
    _check_fitted(estimator)
    _check_columns(estimator, in_features, names)
    made = of_library(estimator, task, in_features, classes)
    if made is not None:
        return made
    answer = answer_of(estimator, task, classes)
    known = exact(estimator, answer, in_features)
    return Foreign.of(estimator, answer, in_features) if known is None else known


@register_learner("foreign", by_settings=False)
class Foreign(Learner):
    """An object of another library as skops keeps it: its parts by name, without a pickle.

    One that was built from a checkpoint answers after :meth:`open`, which makes nothing that skops does not trust by
    itself unless its type is named.

    Parameters
    ----------
    in_features
        ``p``, the number of columns.
    raw
        ``m``, the number of raw scores.
    size
        How many bytes skops needs.
    answer
        How the object is asked.
    missing
        Whether it takes NaN.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> from mmlego.tasks import Regression
    >>> learner = wrap(KNeighborsRegressor(1).fit([[0.0], [1.0]], [5.0, 7.0]), Regression(), 1)
    >>> again = Foreign(**learner.config)
    >>> _ = again.load_state_dict(learner.state_dict())
    >>> again.untrusted()
    []
    >>> again.open()(torch.tensor([[0.9]]))
    tensor([[7.]], dtype=torch.float64)
    """

    tasks: ClassVar[tuple[str, ...]] = ()

    content: Tensor

    def __init__(self, in_features: int, raw: int, size: int, answer: dict[str, Any], missing: bool = False) -> None:
        super().__init__(in_features, raw, {"size": size, "answer": answer, "missing": missing})
        self.answer, self.accepts_missing = Answer(**answer), missing
        self.register_buffer("content", torch.zeros(size, dtype=torch.uint8))
        self._opened: Any = None
        self.register_load_state_dict_post_hook(_close)  # type: ignore[no-untyped-call]

    @classmethod
    def of(cls, estimator: Any, answer: Answer, in_features: int) -> Foreign:
        """Return an object as a learner, checked to be the same when it is read again."""
        skops = _skops()
        x = probes(in_features)
        expected = answer.raw(estimator, x)
        try:
            content = skops.dumps(estimator)
            again = skops.loads(content, trusted=skops.get_untrusted_types(data=content))
            found = answer.raw(again, x)
        except Exception as error:  # what objects of others do when they are taken apart can be anything
            raise InputError(
                f"{type(estimator).__name__} cannot be kept by skops ({type(error).__name__}: {error})",
                expected="an object that skops can take apart and put together",
                remedy="Wrap a model of scikit-learn, LightGBM, XGBoost or CatBoost itself.",
            ) from error
        if not np.allclose(found, expected, rtol=0, atol=1e-9):
            raise InputError(
                f"{type(estimator).__name__} answers otherwise once skops has kept it, or each time anew",
                expected="the same answer",
                got=f"answers that differ by {np.abs(found - expected).max():g}",
            )
        learner = cls(in_features, expected.shape[1], len(content), answer.config(), _takes_missing(estimator))
        learner.content.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        learner._opened = again
        return learner

    def rows_kept(self) -> list[str]:
        """Return the arrays in it that hold rows of the patients whom it was fitted to, as ``support_vectors_``.

        Told by their names, which scikit-learn's neighbours, kernels and Gaussian processes have, and by their size: as
        wide as the rows and ten or more of them.
        """
        return rows_in(self._bytes(), self.in_features)

    def untrusted(self) -> list[str]:
        """Return the types in it that skops does not trust by itself."""
        return [str(name) for name in _skops().get_untrusted_types(data=self._bytes())]

    def open(self, trusted: Sequence[str] = ()) -> Foreign:
        """Make the object, so that the learner can answer.

        Parameters
        ----------
        trusted
            Names of types that may be made though skops does not trust them by itself.

        Raises
        ------
        CheckpointError
            If it holds types that nobody trusts; the message names them. Nothing is made then.
        """
        unknown = self.untrusted()
        denied = sorted(set(unknown) - set(trusted))
        if denied:
            raise CheckpointError(
                "a model kept by skops holds types that are not trusted",
                expected="types that skops trusts by itself, or that you name",
                got=listed(denied, 12),
                remedy=f"If you know where it comes from and what these do: trusted={denied}.",
            )
        with closed("a model kept by skops", {}, type(self), trusted=unknown):
            self._opened = _skops().loads(self._bytes(), trusted=unknown)
        return self

    def raw_scores(self, x: Tensor) -> Tensor:
        """Return raw scores ``(b, m)``."""
        if self._opened is None:
            self.open()
        if len(x) == 0:
            return torch.zeros(0, self.raw, dtype=torch.float64, device=x.device)
        return torch.from_numpy(self.answer.raw(self._opened, x.cpu().numpy())).to(x.device)

    def _bytes(self) -> bytes:
        return self.content.cpu().numpy().tobytes()


def rows_in(content: bytes, in_features: int) -> list[str]:
    """Return the arrays in what skops wrote that hold rows of patients; see :meth:`Foreign.rows_kept`.

    Parameters
    ----------
    content
        What skops wrote; nothing is made of it.
    in_features
        How wide rows are.
    """
    found: dict[str, None] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        schema = parts.read("schema.json").decode()
        found |= dict.fromkeys(name for name in _ROWS if f'"{name}"' in schema)
        for part in parts.namelist():
            if part.endswith(".npy"):
                shape = np.load(io.BytesIO(parts.read(part)), allow_pickle=False).shape
                if len(shape) == 2 and shape[1] == in_features and shape[0] >= _MANY:
                    found[f"{shape[0]} × {shape[1]}"] = None
    return list(found)


def _close(learner: Foreign, _: object) -> None:
    learner._opened = None  # other bytes: they are audited before anything is made of them


def _skops() -> Any:
    return import_extra("skops.io", "a model that is kept by skops", "'mmlego[skops]'")


def _takes_missing(estimator: Any) -> bool:
    try:
        from sklearn.utils import get_tags

        return bool(get_tags(estimator).input_tags.allow_nan)
    except (ImportError, AttributeError, TypeError, ValueError):
        older = getattr(estimator, "_get_tags", None)
        return bool(older().get("allow_nan", False)) if callable(older) else False


def _check_fitted(estimator: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    if isinstance(estimator, type):
        raise InputError("a class is no fitted object", expected="an instance", got=estimator.__name__)
    own = getattr(estimator, "is_fitted", None)  # CatBoost says so itself
    try:
        if callable(own):
            fitted = bool(own())
        elif hasattr(estimator, "fit"):
            check_is_fitted(estimator)
            fitted = True
        else:
            fitted = True
    except NotFittedError:
        fitted = False
    except TypeError:  # an object of one's own, which does not say
        fitted = True
    if not fitted:
        raise InputError(
            f"{type(estimator).__name__} is not fitted", expected="a fitted object", remedy="Call its fit first."
        )


def _check_columns(estimator: Any, in_features: int, names: Sequence[str] | None) -> None:
    own = getattr(estimator, "n_features_in_", None)
    if own is not None and int(own) != in_features:
        raise InputError(
            f"{type(estimator).__name__} was fitted to other columns",
            expected=f"{in_features} columns",
            got=int(own),
            remedy="Fit it to rows as the preprocessing of the modality gives them.",
        )
    known = getattr(estimator, "feature_names_in_", getattr(estimator, "feature_names_", None))
    if names is None or known is None or all(_NUMBERED.fullmatch(str(name)) for name in known):
        return
    differ = [
        f"{str(a)!r} where the modality has {str(b)!r}" for a, b in zip(known, names, strict=False) if str(a) != str(b)
    ]
    if differ:
        raise InputError(
            f"{type(estimator).__name__} was fitted to other columns",
            expected="the columns of the modality in their order",
            got=listed(differ, 3),
            remedy="Fit it to rows as the preprocessing of the modality gives them.",
        )
