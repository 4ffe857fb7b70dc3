"""Regression: how much."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor

from mmlego.errors import InputError, LegoWarning, ShapeError
from mmlego.tasks.base import Task
from mmlego.tasks.checks import as_floats, as_names, as_numbers, check_logits, refuse
from mmlego.tasks.conformal import quantile_of, quantiles
from mmlego.tasks.prediction import Prediction
from mmlego.tasks.registry import register_task
from mmlego.tasks.regression_scores import is_constant, regression_scores
from mmlego.tasks.regression_unit import units_of

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class RegressionPrediction(Prediction):
    """Predicted values in the units of the target.

    Attributes
    ----------
    values : (b, k)
        The predictions.
    targets : tuple of k str
        The names of the targets.

    Examples
    --------
    >>> Regression(["age"], mean=50.0, scale=10.0).predict(torch.tensor([[-1.0]])).values
    tensor([[40.]])
    """

    values: Tensor
    targets: tuple[str, ...]

    def columns(self) -> dict[str, np.ndarray]:
        """Name the columns of the table, one for each target.

        Returns
        -------
        dict of str to array (b,)
            The names of the targets.

        Examples
        --------
        >>> list(Regression(["age", "weight"]).predict(torch.zeros(1, 2)).columns())
        ['age', 'weight']
        """
        values = self.values.detach().cpu().numpy()  # (b, k)
        return {name: values[:, j] for j, name in enumerate(self.targets)}


@register_task
@dataclass(frozen=True, init=False)
class Regression(Task):
    """One or more numbers; the logits are standardised, prediction = mean + scale × logit.

    Parameters
    ----------
    targets
        The number of targets, or their names in the order of the logits. A number n names them "target_0" on.
    mean
        Mean of the target in the training part, one for all targets or one each.
    scale
        Standard deviation of the target in the training part, positive, one for all targets or one each.
    units
        Of the targets, as ``"mg/dl"``, one for all or one each; None: not known. Numbers are never converted.

    Raises
    ------
    InputError
        If the names, the means or the scales cannot be used.

    Examples
    --------
    >>> task = Regression(["age"], mean=50.0, scale=10.0)
    >>> task.loss(torch.tensor([[1.0], [0.0]]), torch.tensor([60.0, 70.0]))  # 0 and 2 scales away
    tensor(2.)
    """

    name: ClassVar[str] = "regression"
    primary_metric: ClassVar[str] = "r2"
    chance: ClassVar[float] = 0.0

    targets: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    units: tuple[str, ...] | None = None

    def __init__(
        self,
        targets: int | Sequence[str] = 1,
        mean: float | Sequence[float] = 0.0,
        scale: float | Sequence[float] = 1.0,
        units: str | Sequence[str] | None = None,
    ) -> None:
        names = as_names(targets, "targets", "target_", least=1)
        object.__setattr__(self, "targets", names)
        object.__setattr__(self, "mean", _one_each(mean, "mean", len(names)))
        object.__setattr__(self, "scale", _one_each(scale, "scale", len(names)))
        object.__setattr__(self, "units", units_of(units, names))
        if min(self.scale) <= 0:
            raise InputError(
                "scale is not positive",
                expected="standard deviations > 0",
                got=self.scale,
                remedy="Leave constant targets out, or give them scale 1.",
            )

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self._fields().items() if value is not None)
        return f"{type(self).__name__}({said})"

    def config(self) -> dict[str, object]:
        """Describe the task in plain values, ready for JSON; units that are not known are left out."""
        return {key: value for key, value in super().config().items() if value is not None}

    @classmethod
    def from_data(
        cls,
        target: object,
        targets: int | Sequence[str] | None = None,
        units: str | Sequence[str] | None = None,
    ) -> Self:
        """Take mean and scale from the targets of the training part.

        Parameters
        ----------
        target : (n,) or (n, k)
            Finite numbers.
        targets
            The names; numbered if left out.
        units
            Theirs, if they are known.

        Returns
        -------
        Regression
            A task whose standardised targets have mean 0 and standard deviation 1.

        Raises
        ------
        InputError
            If the target cannot be used.

        Warns
        -----
        LegoWarning
            If a target is constant; its scale is 1 then.

        Examples
        --------
        >>> Regression.from_data([1.0, 3.0], targets=["score"])
        Regression(targets=('score',), mean=(2.0,), scale=(1.0,))
        """
        values = as_numbers(target, "target").detach().cpu().double()
        values = values[:, None] if values.ndim == 1 else values  # (n, k)
        if values.ndim != 2 or len(values) == 0 or values.shape[1] == 0:
            raise ShapeError("no data to take mean and scale from", expected="(n, k)", got=tuple(values.shape))
        names = as_names(values.shape[1] if targets is None else targets, "targets", "target_", least=1)
        cls(names).check_target(values)
        scale = values.std(dim=0, correction=0)  # (k,)
        constant = values.amax(dim=0) == values.amin(dim=0)  # (k,); the deviation may round to more than 0
        if bool(constant.any()):
            which = ", ".join(name for name, flat in zip(names, constant.tolist(), strict=True) if flat)
            warnings.warn(f"Constant target, its scale is taken as 1: {which}.", LegoWarning, stacklevel=2)
        return cls(names, values.mean(dim=0).tolist(), scale.masked_fill(constant, 1.0).tolist(), units)

    @property
    def outputs(self) -> int:
        """The number k of targets."""
        return len(self.targets)

    def check_target(self, target: object, *, shape_only: bool = False) -> Tensor:
        """Check a target (n, k) of finite numbers; (n,) will do for one target.

        Parameters
        ----------
        target : (n, k), or (n,) if k = 1
            Numbers in their units.
        shape_only
            Leave the values unread, for a target that was checked before and is on an accelerator.

        Returns
        -------
        Tensor : (n, k) float32
            The same.

        Raises
        ------
        InputError
            If a value is missing or infinite.

        Examples
        --------
        >>> Regression().check_target([1, 2])
        tensor([[1.],
                [2.]])
        """
        values = as_numbers(target, "target")
        if values.ndim == 1 and self.outputs == 1:
            values = values[:, None]
        if values.ndim != 2 or values.shape[1] != self.outputs:
            raise ShapeError(
                "the target is not one of these numbers",
                expected=f"(n, {self.outputs})" + (" or (n,)" if self.outputs == 1 else ""),
                got=tuple(values.shape),
                remedy=f"Give one column for each of {', '.join(self.targets)}.",
            )
        single = values.float()
        if not shape_only:
            refuse(
                ~single.isfinite(),
                values,
                "target is not finite",
                expected="finite numbers in float32",
                remedy="Drop samples without a target, or measure it in a larger unit.",
                columns=self.targets,
            )
        return single

    def sample_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the squared error in standardised units, mean over the targets.

        Parameters
        ----------
        logits : (b, k)
            Standardised predictions.
        target : (b, k), or (b,) if k = 1
            Numbers in their units.

        Returns
        -------
        Tensor : (b,)
            The loss of each sample.

        Examples
        --------
        >>> Regression(scale=2.0).sample_loss(torch.tensor([[0.0]]), torch.tensor([[4.0]]))
        tensor([4.])
        """
        mean, scale = _row(self.mean, logits), _row(self.scale, logits)  # (k,), (k,)
        standard = (target.reshape(logits.shape).to(logits.dtype) - mean) / scale  # (b, k)
        return (logits - standard).square().mean(dim=1)

    def predict(self, logits: Tensor) -> RegressionPrediction:
        """Turn logits into the units of the target.

        Parameters
        ----------
        logits : (b, k)
            Finite logits.

        Returns
        -------
        RegressionPrediction
            Values (b, k).

        Raises
        ------
        InputError
            If the logits are not finite or not (b, k).

        Examples
        --------
        >>> Regression(mean=1.0, scale=2.0).predict(torch.ones(1, 1)).values
        tensor([[3.]])
        """
        logits = check_logits(logits, self.outputs, finite=True)
        values = logits * _row(self.scale, logits) + _row(self.mean, logits)  # (b, k)
        return RegressionPrediction(values, self.targets)

    def strata(self, target: object) -> Tensor:
        """Group samples by fifths of the mean of their standardised targets.

        Parameters
        ----------
        target : (n, k), or (n,) if k = 1
            Numbers in their units.

        Returns
        -------
        Tensor : (n,) int64
            From 0, the lowest fifth, to 4.

        Examples
        --------
        >>> Regression().strata([5, 1, 4, 2, 3])
        tensor([4, 0, 3, 1, 2])
        """
        values = self.check_target(target)
        level = ((values - _row(self.mean, values)) / _row(self.scale, values)).mean(dim=1)  # (n,)
        order = level.argsort(stable=True).argsort()  # (n,), the place of each sample
        return order * 5 // max(len(level), 1)

    def balanced_weights(self, target: object) -> Tensor:
        """Weigh all samples the same: numbers have no classes to balance.

        Parameters
        ----------
        target : (n, k), or (n,) if k = 1
            Numbers in their units.

        Returns
        -------
        Tensor : (n,)
            Ones.

        Examples
        --------
        >>> Regression().balanced_weights([1, 2])
        tensor([1., 1.])
        """
        return torch.ones_like(self.check_target(target)[:, 0])

    def summary(self, logits: Tensor, target: Tensor) -> dict[str, Any]:
        """Return by target the quantiles of how far predictions lie from the truth, in the target's units."""
        target = self.check_target(target).cpu()
        far = (self.predict(logits.cpu()).values.double() - target.double()).abs()
        return {name: quantiles(far[:, j]) for j, name in enumerate(self.targets)}

    def compared(
        self, logits: Tensor, summary: Mapping[str, Any], level: float = 0.9, times: Sequence[float] | None = None
    ) -> dict[str, np.ndarray]:
        """Return the ends of an interval around each prediction, ``<target>_low_90`` and ``<target>_high_90``.

        The truth lies within for so many patients in a hundred; NaN where too few are known for that.
        """
        found = {}
        for name, values in zip(self.targets, self.predict(logits.cpu()).values.double().unbind(1), strict=True):
            if name not in summary:
                continue
            far = quantile_of(summary[name], level)
            width = math.nan if far is None else far
            for side, sign in (("low", -1), ("high", 1)):
                found[f"{name}_{side}_{100 * level:g}"] = (values + sign * width).numpy()
        return found

    def _scores(self, logits: Tensor, target: Tensor, reference: Tensor | None) -> tuple[dict[str, float], list[str]]:
        values = self.predict(logits).values  # (n, k)
        scores = regression_scores(values, target.double(), self.targets)
        constant = [n for n, y in zip(self.targets, target.T, strict=True) if is_constant(y)]
        level = [n for n, v in zip(self.targets, values.T, strict=True) if is_constant(v)]
        reasons = []
        if constant:
            reasons.append(f"r2, pearson and spearman are undefined: constant target {', '.join(constant)}.")
        if set(level) - set(constant):
            reasons.append(f"pearson and spearman are undefined: constant prediction of {', '.join(level)}.")
        return scores, reasons


def _one_each(value: float | Sequence[float], what: str, k: int) -> tuple[float, ...]:
    values = as_floats(value, what)
    values = values * k if len(values) == 1 else values
    if len(values) != k:
        raise ShapeError(f"{what} does not fit the targets", expected=f"1 or {k} numbers", got=len(values))
    return values


def _row(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)
