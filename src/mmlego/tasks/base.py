"""What a task is: the meaning of logits, from loss to prediction to metrics."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from mmlego.errors import LegoWarning
from mmlego.tasks.checks import check_logits, check_rows, weighted_mean
from mmlego.tasks.configured import Configured
from mmlego.tasks.prediction import Prediction

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Task(Configured, ABC):
    """The meaning of logits: loss, prediction, metrics and label space.

    A task is immutable; two tasks with the same configuration are equal. A new task is a frozen dataclass
    whose fields are the arguments of its constructor, made known with :func:`mmlego.tasks.register_task`.

    Attributes
    ----------
    name : str
        The name in configurations.
    primary_metric : str
        The key in :meth:`metrics` by which models are compared. Higher is better, for every task.
    chance : float
        The value of the primary metric without any information.
    evidence_adds : bool
        Whether log-odds of several sources that know different things are better added than averaged.
    calibrated_adds : bool
        Whether evidence that was calibrated out of fold is summed, over the root of how many sources say something.

    Examples
    --------
    >>> from mmlego.tasks import Classification
    >>> isinstance(Classification(2), Task)
    True
    """

    name: ClassVar[str]
    primary_metric: ClassVar[str]
    chance: ClassVar[float]
    evidence_adds: ClassVar[bool] = False
    calibrated_adds: ClassVar[bool] = False

    @property
    @abstractmethod
    def outputs(self) -> int:
        """The width k of the logits."""

    @property
    def start(self) -> float:
        """What a new head adds to all logits, so that training need not begin with the frequency of the outcome."""
        return 0.0

    @abstractmethod
    def check_target(self, target: object, *, shape_only: bool = False) -> Tensor:
        """Bring a target into the canonical form of the task, or say what is wrong with it.

        Parameters
        ----------
        target : (n, ...)
            Tensor, array or list; the shape depends on the task.
        shape_only
            Leave the values unread, for a target that was checked before and is on an accelerator.

        Returns
        -------
        Tensor
            The target in the dtype and the shape of the task, on the device it came on.

        Raises
        ------
        InputError
            If a value cannot be a target of this task.

        Examples
        --------
        >>> from mmlego.tasks import Classification
        >>> Classification(2).check_target([0, 1, 1])
        tensor([0, 1, 1])
        """

    @abstractmethod
    def sample_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the loss of each sample, for logits and targets known to be good.

        Parameters
        ----------
        logits : (b, k)
            In float32 or float64.
        target : (b, ...)
            In canonical form.

        Returns
        -------
        Tensor : (b,)
            The losses.

        Examples
        --------
        >>> from mmlego.tasks import Regression
        >>> Regression().sample_loss(torch.tensor([[3.0]]), torch.tensor([[1.0]]))
        tensor([4.])
        """

    @abstractmethod
    def predict(self, logits: Tensor) -> Prediction:
        """Turn logits into the units of the task.

        Parameters
        ----------
        logits : (b, k)
            Finite logits.

        Returns
        -------
        Prediction
            A dataclass of tensors with :meth:`Prediction.frame`.

        Raises
        ------
        InputError
            If the logits are not finite or not (b, k).

        Examples
        --------
        >>> from mmlego.tasks import Regression
        >>> Regression(mean=2.0).predict(torch.tensor([[1.0]])).values
        tensor([[3.]])
        """

    @abstractmethod
    def strata(self, target: object) -> Tensor:
        """Group samples for splits that keep the share of each outcome.

        Parameters
        ----------
        target : (n, ...)
            A target of this task.

        Returns
        -------
        Tensor : (n,) int64
            The group of each sample.

        Examples
        --------
        >>> from mmlego.tasks import Survival
        >>> Survival([2.0]).strata(Survival.target(event=[1, 0], time=[1.0, 3.0]))
        tensor([1, 0])
        """

    def summary(self, logits: Tensor, target: Tensor) -> dict[str, Any]:
        """Sum up held-out patients, so that new predictions can be compared with them.

        Parameters
        ----------
        logits : (n, k)
            What a model answered to patients whom it was not trained on.
        target : (n, ...)
            What came true.

        Returns
        -------
        dict
            JSON-able, as :meth:`compared` takes it; empty where the task has no such comparison.

        Examples
        --------
        >>> from mmlego.tasks import Regression
        >>> Regression(["age"]).summary(torch.zeros(9, 1), torch.arange(1.0, 10.0)[:, None])["age"]["0.9"]
        9.0
        """
        return {}

    def compared(
        self, logits: Tensor, summary: Mapping[str, Any], level: float = 0.9, times: Sequence[float] | None = None
    ) -> dict[str, np.ndarray]:
        """Compare predictions with held-out patients: intervals, and where a patient stands, as columns of a table.

        Parameters
        ----------
        logits : (b, k)
            Of new patients.
        summary
            As :meth:`summary` gives it, perhaps read from a card.
        level
            Of intervals: 0.5, 0.8, 0.9 or 0.95; an InputError if it is another.
        times
            Of survival: when.

        Examples
        --------
        >>> from mmlego.tasks import Regression
        >>> found = Regression(["age"]).compared(torch.tensor([[50.0]]), {"age": {"0.9": 4.0}})
        >>> {name: values.tolist() for name, values in found.items()}
        {'age_low_90': [46.0], 'age_high_90': [54.0]}
        """
        return {}

    @abstractmethod
    def _scores(self, logits: Tensor, target: Tensor, reference: Tensor | None) -> tuple[dict[str, float], list[str]]:
        """Compute the metrics of checked float64 logits (n, k), and say why some are undefined."""

    def loss(self, logits: Tensor, target: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Compute the training loss, Σ wᵢ ℓᵢ / b, at least in float32.

        The loss of a batch is the mean of the losses of its shards, each counted by its number of samples.
        On the CPU the target is checked in full; on an accelerator only its shape is, because a look at the
        values would wait for the device.

        Parameters
        ----------
        logits : (b, k)
            What the head puts out, in any precision.
        target : (b, ...)
            The target of the task.
        sample_weight : (b,), optional
            A weight for each sample, for example from :meth:`balanced_weights`.

        Returns
        -------
        Tensor : ()
            The loss.

        Raises
        ------
        InputError
            If logits, target or weights cannot be used.

        Examples
        --------
        >>> from mmlego.tasks import Classification
        >>> Classification(2).loss(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0]))
        tensor(0.6931)
        """
        logits = check_logits(logits, self.outputs)  # (b, k)
        target = self.check_target(target, shape_only=isinstance(target, Tensor) and target.device.type != "cpu")
        check_rows(target, len(logits))
        return weighted_mean(self.sample_loss(logits, target), sample_weight)

    def metrics(self, logits: Tensor, target: object, *, reference: object | None = None) -> dict[str, float]:
        """Measure predictions against the truth, in float64 on the CPU and outside the graph.

        Parameters
        ----------
        logits : (n, k)
            The logits of all samples that are evaluated together.
        target : (n, ...)
            Their targets.
        reference : (n_train, ...), optional
            The targets of the training part, for metrics that need them. Only survival does.

        Returns
        -------
        dict of str to float
            The metrics by name, with the primary one among them; NaN where one is undefined.

        Warns
        -----
        LegoWarning
            If a metric is undefined, with the reason.

        Raises
        ------
        InputError
            If logits or targets cannot be used.

        Examples
        --------
        >>> from mmlego.tasks import Regression
        >>> Regression().metrics(torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 2.0]))["r2"]
        1.0
        """
        logits = check_logits(logits, self.outputs, finite=True).detach().cpu().double()  # (n, k)
        target = self.check_target(target).detach().cpu()
        check_rows(target, len(logits))
        if reference is not None:
            reference = self.check_target(reference).detach().cpu()
        scores, reasons = self._scores(logits, target, reference)
        for reason in reasons:
            warnings.warn(reason, LegoWarning, stacklevel=2)
        return scores

    def balanced_weights(self, target: object) -> Tensor:
        """Weigh samples so that all groups of :meth:`strata` count the same.

        A sample of a group of n_g among g groups and n samples weighs n / (g n_g): mean 1.

        Parameters
        ----------
        target : (n, ...)
            A target of this task.

        Returns
        -------
        Tensor : (n,)
            The weights, for ``loss(..., sample_weight=...)``.

        Examples
        --------
        >>> from mmlego.tasks import Classification
        >>> Classification(2).balanced_weights([0, 0, 0, 1])
        tensor([0.6667, 0.6667, 0.6667, 2.0000])
        """
        groups = self.strata(target)  # (n,)
        _, group, count = torch.unique(groups, return_inverse=True, return_counts=True)
        weight: Tensor = len(groups) / (len(count) * count.float())  # (g,)
        return weight[group]
