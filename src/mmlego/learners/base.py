"""What a learner is: a classical model that is fitted in one call, answers raw scores and is saved as plain tensors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from mmlego.bounds import within
from mmlego.errors import InputError, LegoError, ShapeError, TooFewError
from mmlego.learners.options import check_options
from mmlego.learners.registry import learner_names, learners_for, options_of, served
from mmlego.sections import PlateSettings
from mmlego.tasks import CompetingRisks, Task


class Learner(nn.Module):
    """A fitted classical model: rows of a table → raw scores.

    What a raw score means depends on the task: for survival one log-risk (higher = earlier event); for classification a
    log-probability or log-odds a class, the second less the first being the log-odds of the second of two; for
    several labels a log-odds each; for regression the standardised values that are the task's logits. Raw scores are
    not calibrated.

    All that was learnt lies in buffers whose shapes follow from ``config``: ``build_learner(registered_name, config)``
    and ``load_state_dict`` bring a learner back. A subclass writes :meth:`_fit` and :meth:`raw_scores`, calls this
    ``__init__`` with its sizes, and is made known by :func:`mmlego.learners.register_learner`.

    Parameters
    ----------
    in_features
        ``p``, the number of columns.
    raw
        ``m``, the number of raw scores a patient.
    sizes
        What else the shapes of the buffers depend on, as JSON takes it.

    Attributes
    ----------
    config : dict
        The arguments of ``__init__``.
    registered_name : str
        By which :func:`mmlego.learners.build_learner` knows the class.
    tasks : tuple of str
        The names of the tasks that it serves.
    accepts_missing : bool
        Whether it knows what to do with NaN.

    Examples
    --------
    >>> from mmlego.learners import Ridge
    >>> from mmlego.tasks import Regression
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> task = Regression(mean=3.0, scale=2.0)
    >>> ridge = Ridge.fit(x, torch.tensor([0.0, 2.0, 4.0, 6.0]), task, seed=0)
    >>> task.predict(ridge(torch.tensor([[5.0]]))).values.round()
    tensor([[10.]], dtype=torch.float64)
    """

    registered_name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]
    accepts_missing: bool = False

    def __init__(self, in_features: int, raw: int, sizes: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.in_features, self.raw = in_features, raw
        self.config: dict[str, Any] = {"in_features": in_features, "raw": raw, **(sizes or {})}

    @classmethod
    def fit(
        cls,
        x: np.ndarray,
        target: Tensor,
        task: Task,
        *,
        seed: int,
        sample_weight: np.ndarray | None = None,
        **options: Any,
    ) -> Self:
        """Return a learner fitted to patients. The same arguments give the same learner; it runs in one thread.

        Parameters
        ----------
        x : (n, p)
            The rows of the patients; finite, or with NaN where the learner accepts missing values.
        target : (n, ...)
            Their targets, as the task takes them.
        task
            What is to be predicted.
        seed
            Of inner folds and of whatever is random.
        sample_weight : (n,), optional
            How much each patient counts, not negative; only ratios matter.
        options
            Those of :func:`mmlego.learners.learner_options`.

        Raises
        ------
        InputError
            If the learner does not serve the task, an option is unknown or of a wrong kind or size, or the data leave
            nothing to learn.
        """
        serves(cls, task)
        options = check_options(cls, options, options_of(cls))
        start = within(PlateSettings, "seed", seed, f"seed of learner {cls.registered_name!r}")
        rows, target, weight = _checked(cls, x, target, task, sample_weight)
        from threadpoolctl import threadpool_limits

        try:
            with threadpool_limits(limits=1):
                return cls._fit(rows, target, task, int(start or 0) % 2**32, weight, **options)
        except LegoError:
            raise
        except Exception as error:
            if not options:
                raise
            raise InputError(  # what libraries say of values that they cannot use is of many kinds
                f"learner {cls.registered_name!r} cannot be fitted so ({type(error).__name__}: {error})",
                expected=f"values like its defaults, {options_of(cls)}",
                got=options,
            ) from error

    @classmethod
    def _fit(cls, x: np.ndarray, target: Tensor, task: Task, seed: int, weight: np.ndarray) -> Self:
        """Return a learner fitted to checked rows (n, p) float64, with weights (n,) > 0 of mean 1.

        The options of a subclass are keyword-only parameters with defaults.
        """
        raise NotImplementedError  # a form in which other models are kept serves no task

    @abstractmethod
    def raw_scores(self, x: Tensor) -> Tensor:
        """Return raw scores ``(b, m)`` of rows ``(b, p)`` in float64."""

    def forward(self, x: Tensor) -> Tensor:
        """Return raw scores ``(b, m)`` in float64 of rows ``(b, p)``.

        Raises
        ------
        ShapeError
            If the rows have another width.
        InputError
            If a value is infinite, or missing where the learner does not accept that.
        """
        if x.ndim != 2 or x.shape[1] != self.in_features:
            raise ShapeError(
                f"rows of the wrong shape for learner {self.registered_name!r}",
                expected=f"(b, {self.in_features})",
                got=tuple(x.shape),
            )
        x = x.detach().double()
        bad = x.isinf() if self.accepts_missing else ~x.isfinite()
        if bool(bad.any()):
            raise _not_finite(type(self), int(bad.sum()), x.numel())
        with torch.no_grad():
            return self.raw_scores(x)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move to a device; ``half()`` and the like leave the precision of what was learnt alone."""
        precise = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, before in precise.items():
            after = self._buffers[name]
            if after is not None and after.dtype != before.dtype:
                self._buffers[name] = before.to(after.device)
        return self


def serves(cls: type[Learner], task: Task) -> None:
    """Refuse a task that a learner does not serve.

    Raises
    ------
    InputError
        That names the learners which do.

    Examples
    --------
    >>> from mmlego.learners import Ridge
    >>> from mmlego.tasks import Regression
    >>> serves(Ridge, Regression())
    """
    if isinstance(task, CompetingRisks) and served(task) in cls.tasks:
        raise InputError(
            f"learner {cls.registered_name!r} by itself is of one cause",
            expected="a task of survival",
            got=task.name,
            remedy="LegoBlock.of fits one for each cause.",
        )
    if task.name not in cls.tasks:
        others = learners_for(task)
        raise InputError(
            f"learner {cls.registered_name!r} does not serve the task {task.name}",
            expected=f"a task of {', '.join(cls.tasks)}",
            got=task.name,
            remedy=f"Take one of {', '.join(others)}." if others else None,
        )


def raw_width(task: Task) -> int:
    """Return how many raw scores a patient has: one log-risk, of each cause one, else one for each logit.

    Examples
    --------
    >>> from mmlego.tasks import Classification, Survival
    >>> raw_width(Survival([1.0, 2.0])), raw_width(Classification(3))
    (1, 3)
    """
    if isinstance(task, CompetingRisks):
        return len(task.causes)
    return 1 if task.name == "survival" else task.outputs


def _checked(
    cls: type[Learner], x: np.ndarray, target: Tensor, task: Task, sample_weight: np.ndarray | None
) -> tuple[np.ndarray, Tensor, np.ndarray]:
    """Return rows, targets and weights of mean 1 of those patients who count."""
    rows = np.asarray(x, dtype=np.float64)
    target = task.check_target(target).detach().cpu()
    if rows.ndim != 2 or rows.shape[0] != len(target) or rows.size == 0:
        raise ShapeError(
            f"rows and targets for learner {cls.registered_name!r} do not belong together",
            expected=f"({len(target)}, p), at least one patient and one column",
            got=rows.shape,
        )
    bad = np.isinf(rows) if cls.accepts_missing else ~np.isfinite(rows)
    if bad.any():
        raise _not_finite(cls, int(bad.sum()), rows.size)
    weight = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (len(rows),) or not (np.isfinite(weight).all() and (weight >= 0).all() and weight.sum() > 0):
        raise InputError(
            "sample_weight is not usable",
            expected=f"({len(rows)},) finite numbers ≥ 0, not all 0",
            got=f"{weight.shape} from {weight.min(initial=0):g} to {weight.max(initial=0):g}",
        )
    counts = weight > 0
    if not counts.all():
        rows, target, weight = rows[counts], target[torch.from_numpy(counts)], weight[counts]
    _something_to_learn(cls, target, task)
    return rows, target, weight / weight.mean()


def _something_to_learn(cls: type[Learner], target: Tensor, task: Task) -> None:
    """Refuse targets that hold nothing to tell patients apart by."""
    nothing = None
    if task.name == "survival" and not bool((target[:, 0] == 1).any()):
        nothing = "an event", f"{len(target)} patients, all censored"
    elif task.name == "classification" and len(target.unique()) < 2:
        nothing = "two classes", f"{len(target)} patients, all of class {int(target[0])}"
    elif task.name == "multilabel" and bool(target.isnan().all()):
        nothing = "a known label", "none"
    if nothing is not None:
        raise TooFewError(
            f"learner {cls.registered_name!r} has nothing to learn from",
            expected=f"at least {nothing[0]} among the patients it is fitted to",
            got=nothing[1],
            remedy="Give it more patients, or fewer folds, so that each part has some, or train a neural block "
            "(encoder.name: neural).",
        )


def _not_finite(cls: type[Learner], count: int, of: int) -> InputError:
    missing = [name for name in learner_names() if name != cls.registered_name]
    return InputError(
        f"values for learner {cls.registered_name!r} are not finite",
        expected="finite numbers" + (" or NaN" if cls.accepts_missing else ""),
        got=f"{count} of {of} are infinite" + ("" if cls.accepts_missing else " or NaN"),
        remedy="Impute them first, as the preprocessing of a table does."
        if not cls.accepts_missing and missing
        else "Make infinite values missing.",
    )
