"""Survival with discrete hazards: when the event will come."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmlego.errors import InputError, LegoWarning, ShapeError
from mmlego.tasks.checks import as_numbers, check_logits
from mmlego.tasks.registry import register_task
from mmlego.tasks.risk_groups import compared_survival, risk_summary
from mmlego.tasks.survival_calibration import CalibrationAt, calibration_at
from mmlego.tasks.survival_cuts import cuts_of_data
from mmlego.tasks.survival_prediction import SurvivalPrediction, in_single
from mmlego.tasks.survival_scores import survival_scores
from mmlego.tasks.survival_target import check_values, split_structured
from mmlego.tasks.time_bins import PATIENTS, BinnedTime, place_of, two_columns
from mmlego.wording import counted


@register_task
@dataclass(frozen=True, init=False, repr=False)
class Survival(BinnedTime):
    """Right-censored survival with one hazard for each of k time bins.

    The cuts c₁ < … < c_{k−1} divide time into the bins [0, c₁], (c₁, c₂], …, (c_{k−1}, ∞). A bin holds its
    right end, so that Sⱼ is exactly P(T > cⱼ). Inside a bin the hazard is constant. The last cut is the *horizon*:
    up to there the survival is known, beyond it there is no answer.

    Higher risk = earlier event, always. The event indicator is 1 where the event was *observed* and 0 where
    the patient was censored; data with a ``censorship`` column have it the other way round.

    Parameters
    ----------
    cuts : (k − 1,)
        At least one cut; finite, positive, increasing, in the unit of the times.
    unit
        Of the cuts and of all times: ``days``, ``weeks``, ``months`` or ``years``; None: not known.
    typical_time
        The median time of the patients that the cuts were made from, by which times of another scale are told.

    Raises
    ------
    InputError
        If the cuts cannot be used, or the unit is unknown.

    Examples
    --------
    >>> task = Survival([1.0, 2.0])
    >>> target = Survival.target(event=[1, 0], time=[0.5, 1.5])
    >>> task.loss(torch.zeros(2, 3), target)  # a bin, and then one and a half, each − log ½
    tensor(0.8664)
    """

    name: ClassVar[str] = "survival"
    primary_metric: ClassVar[str] = "c_index"
    chance: ClassVar[float] = 0.5
    calibrated_adds: ClassVar[bool] = True

    cuts: tuple[float, ...]
    unit: str | None = None
    typical_time: float | None = None

    def __init__(self, cuts: Sequence[float], unit: str | None = None, typical_time: float | None = None) -> None:
        self._cut(cuts, unit, typical_time)

    @classmethod
    def from_data(cls, event: object, time: object = None, bins: int | None = None, unit: str | None = None) -> Self:
        """Cut time at quantiles of the event times of the training part, up to where it was followed.

        The last cut is the latest time at which a tenth of the patients was still at risk: later the survival cannot be
        told from so few. The others divide the events before it evenly.

        Parameters
        ----------
        event : (n,)
            1 or True where the event was observed; or a structured array as in :meth:`target`.
        time : (n,)
            Time of the event or of censoring.
        bins
            How many bins to make, at least 2; None: 15, fewer where there are not three events for each.
        unit
            Of the times.

        Returns
        -------
        Survival
            A task with up to ``bins`` bins, all but the last, which is open, with about the same number of events.

        Raises
        ------
        InputError
            If the times leave nothing to cut, or as in :meth:`target`.

        Warns
        -----
        LegoWarning
            If all patients are censored (the quantiles of all times are used), or if tied times leave
            fewer bins than asked for.

        Examples
        --------
        >>> Survival.from_data(event=[1, 1, 1, 1, 0], time=[1, 2, 3, 4, 9], bins=3, unit="months")
        Survival(cuts=(2.5, 4.0), unit='months', typical_time=3.0)
        """
        if bins is not None and (isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 2):
            raise InputError("bins is not a number of bins", expected="an int ≥ 2", got=repr(bins))
        events, times = cls.target(event, time).unbind(1)  # (n,), (n,)
        if len(times) == 0:
            raise ShapeError("no patients to cut time by", expected="at least two", got=0)
        if not bool((events == 1).any()):
            warnings.warn(
                "All patients are censored: the bins are cut at quantiles of all times.",
                LegoWarning,
                stacklevel=2,
            )
        cuts = cuts_of_data(events.cpu().double().numpy(), times.cpu().double().numpy(), bins)
        if not cuts:
            raise InputError(
                "the times leave nothing to cut",
                expected="times that differ" if bins is None else f"times that differ, for {bins} bins",
                got=f"{counted(len(times.unique()), 'different time')} up to {float(times.max()):g}",
                remedy="Give the cuts yourself: Survival(cuts=[...]).",
            )
        if bins is not None and len(cuts) + 1 < bins:
            warnings.warn(f"Tied times leave {len(cuts) + 1} bins of the {bins} asked for.", LegoWarning, stacklevel=2)
        # two digits do to tell the scale, and are no time of a patient
        typical = float(f"{np.median(times.cpu().numpy()):.2g}")
        return cls(cuts, unit, typical or None).with_cuts_from(PATIENTS)

    @staticmethod
    def target(event: object, time: object = None) -> Tensor:
        """Make the target of a survival task from events and times.

        Parameters
        ----------
        event : (n,)
            1 or True where the event was observed, 0 or False where the patient was censored. Alone, a
            structured array of a boolean and a numeric field, as scikit-survival makes them.
        time : (n,)
            Time of the event or of censoring; finite and ≥ 0.

        Returns
        -------
        Tensor : (n, 2) float32
            The columns event and time. In float32, times closer than one part in 10⁷ become ties.

        Raises
        ------
        InputError
            If a value is missing, an event is not 0 or 1, or a time is negative or infinite.

        Examples
        --------
        >>> Survival.target(event=[True, False], time=[12, 30])
        tensor([[ 1., 12.],
                [ 0., 30.]])
        """
        if time is None:
            event, time = split_structured(event)
        events, times = as_numbers(event, "event"), as_numbers(time, "time")
        if events.ndim != 1 or events.shape != times.shape:
            raise ShapeError(
                "event and time do not belong together",
                expected="two arrays (n,)",
                got=f"{tuple(events.shape)} and {tuple(times.shape)}",
            )
        return check_values(torch.stack([events.float(), times.to(events.device).float()], dim=1))

    @property
    def outputs(self) -> int:
        """The number k of bins, one more than cuts."""
        return len(self.cuts) + 1

    def check_target(self, target: object, *, shape_only: bool = False) -> Tensor:
        """Check a target (n, 2) of events and times; a structured array will do as well.

        Parameters
        ----------
        target : (n, 2) or a structured array (n,)
            The columns event (0 or 1) and time (≥ 0).
        shape_only
            Leave the values unread, for a target that was checked before and is on an accelerator.

        Returns
        -------
        Tensor : (n, 2) float32
            The same.

        Raises
        ------
        InputError
            As in :meth:`target`.

        Examples
        --------
        >>> Survival([1.0]).check_target([[1, 3.5]])
        tensor([[1.0000, 3.5000]])
        """
        if getattr(getattr(target, "dtype", None), "names", None):
            return self.target(target)
        values = two_columns(target, "survival", "Use Survival.target(event, time).")
        return values if shape_only else check_values(values)

    def sample_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the negative log-likelihood of discrete hazards, a sum of weighted cross-entropies.

        With y the bin of the time and hⱼ = σ(logitⱼ): a patient with an event contributes
        −log h_y − Σ_{j<y} log(1 − hⱼ), for the event is known by its bin; one censored at t contributes
        −Σ_{j<y} log(1 − hⱼ) − f log(1 − h_y), which is −log S(t): f is the share of the bin that had passed, for the
        hazard is constant there, and 1 in the last bin, which has no end. Bins after y contribute nothing.
        (Singer and Willett 1993; as the loss of a network: Zadeh and Schmid 2020; constant hazards inside a bin:
        Kvamme and Borgan 2021. With f = 1 throughout, as if who is censored stayed until the end of the bin, curves
        are too high where many are.)

        Parameters
        ----------
        logits : (b, k)
            Log-odds of the hazards.
        target : (b, 2)
            Events and times.

        Returns
        -------
        Tensor : (b,)
            The loss of each patient.

        Examples
        --------
        >>> Survival([1.0]).sample_loss(torch.zeros(2, 2), torch.tensor([[1.0, 0.5], [0.0, 0.5]]))
        tensor([0.6931, 0.3466])
        """
        event, time = target.unbind(1)  # (b,), (b,)
        last, passed = place_of(time, self.cuts)  # (b,), (b,)
        bins = torch.arange(self.outputs, device=logits.device)  # (k,)
        there = bins == last[:, None]  # (b, k)
        happens = (there * event[:, None]).to(logits.dtype)
        counts = torch.where(there & (event == 0)[:, None], passed[:, None], 1.0).to(logits.dtype)
        losses = counts * F.binary_cross_entropy_with_logits(logits, happens, reduction="none")  # (b, k)
        return losses.masked_fill(bins > last[:, None], 0.0).sum(dim=1)

    def predict(self, logits: Tensor) -> SurvivalPrediction:
        """Turn logits into hazards, survival curves and risks. Higher risk = earlier event.

        Parameters
        ----------
        logits : (b, k)
            Finite logits.

        Returns
        -------
        SurvivalPrediction
            Risks (b,), hazards (b, k), survival (b, k).

        Raises
        ------
        InputError
            If the logits are not finite or not (b, k).

        Examples
        --------
        >>> Survival([1.0]).predict(torch.zeros(1, 2)).risk
        tensor([-0.7500])
        """
        logits = check_logits(logits, self.outputs, finite=True)
        survival = torch.sigmoid(-logits).cumprod(dim=1)  # (b, k); 1 - h without cancellation
        return SurvivalPrediction(-survival.sum(dim=1), torch.sigmoid(logits), survival, self.cuts, self.unit)

    def strata(self, target: object) -> Tensor:
        """Group patients by whether the event was observed.

        Parameters
        ----------
        target : (n, 2)
            Events and times.

        Returns
        -------
        Tensor : (n,) int64
            1 with an event, 0 censored.

        Examples
        --------
        >>> Survival([1.0]).strata([[1, 3.0], [0, 4.0]])
        tensor([1, 0])
        """
        return self.check_target(target)[:, 0].long()

    def calibration(self, logits: Tensor, target: object, times: Sequence[float]) -> list[CalibrationAt]:
        """Compare predicted survival with what was observed.

        Parameters
        ----------
        logits : (n, k)
            Of patients whom the model was not trained on.
        target : (n, 2)
            Their events and times.
        times
            When; the answer is NaN beyond the horizon, and where nobody is at risk any more.

        Returns
        -------
        list of CalibrationAt
            One for each time.

        Raises
        ------
        InputError
            As in :meth:`metrics`, or if a time is negative.

        Examples
        --------
        >>> target = Survival.target(event=[1, 1, 0, 0], time=[1, 2, 3, 4])
        >>> found = Survival([2.0, 3.0]).calibration(torch.zeros(4, 3), target, [2])[0]
        >>> found.predicted, found.km
        (0.5, 0.5)
        """
        logits, known, at = self._compared(logits, target, times)
        survival = self.predict(logits).survival_at(at)  # (n, t)
        return [calibration_at(survival[:, j], known, time) for j, time in enumerate(at)]

    def summary(self, logits: Tensor, target: Tensor) -> dict[str, Any]:
        """Return quantiles of the risk, and what became of patients by group of risk, as :func:`risk_summary` does."""
        return risk_summary(self.predict(logits.cpu()).risk, self.check_target(target).cpu(), self.cuts)

    def compared(
        self, logits: Tensor, summary: Mapping[str, Any], level: float = 0.9, times: Sequence[float] | None = None
    ) -> dict[str, np.ndarray]:
        """Return where each risk stands among those held out, and between what bounds the survival of such patients.

        ``risk_percentile`` and ``risk_group`` are as :func:`risk_standing` gives them; ``survival_at_<time>_low_95``
        and ``…_high_95`` the interval of the Kaplan–Meier estimate of that group, whatever the level.
        """
        return compared_survival(self.predict(logits.cpu()), summary, times)

    def _scores(self, logits: Tensor, target: Tensor, reference: Tensor | None) -> tuple[dict[str, float], list[str]]:
        prediction = self.predict(logits)
        known_until = float(in_single(self.cuts[-1:]))
        return survival_scores(_risk_order(logits), prediction.survival_at, target, reference, known_until)


def _risk_order(logits: Tensor) -> Tensor:
    """Return the log-odds of bins lost to bins survived, in the order of the risk −Σ S.

    Where all survive with probabilities that round to 1, the risks are tied, and these are not.
    """
    alive = F.logsigmoid(-logits).cumsum(dim=1)  # (n, k), log S
    return (-torch.expm1(alive)).sum(dim=1).log() - alive.logsumexp(dim=1)
