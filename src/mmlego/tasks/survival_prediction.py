"""What a survival task predicts: risks, hazards, and survival curves that end at the last cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mmlego.errors import InputError
from mmlego.tasks.checks import as_floats
from mmlego.tasks.prediction import Prediction

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class SurvivalPrediction(Prediction):
    """Risks and survival curves of patients. Higher risk = earlier event, always.

    Attributes
    ----------
    risk : (b,)
        −Σⱼ Sⱼ: minus the expected number of bins survived. Between −k and 0; only its order has a meaning.
    hazards : (b, k)
        Probability of the event in each bin, for those who reach the bin.
    survival : (b, k)
        Sⱼ = Π_{i ≤ j} (1 − hᵢ), the probability to be free of the event at the end of each bin. The last bin
        has no end: its column counts in the risk, and no curve reaches it.
    cuts : tuple of k − 1 floats
        The times between the bins, in the unit of the target.
    unit : str, optional
        That unit: ``days``, ``weeks``, ``months`` or ``years``; None: not known.

    Examples
    --------
    >>> from mmlego.tasks import Survival
    >>> prediction = Survival([1.0, 2.0]).predict(torch.tensor([[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]]))
    >>> prediction.survival[0]
    tensor([0.5000, 0.2500, 0.1250])
    >>> bool(prediction.risk[1] > prediction.risk[0])  # the larger hazards are the larger risk
    True
    """

    risk: Tensor
    hazards: Tensor
    survival: Tensor
    cuts: tuple[float, ...]
    unit: str | None = None

    @property
    def horizon(self) -> float:
        """The last cut: the time up to which the curves are known."""
        return self.cuts[-1]

    def survival_at(self, times: float | Sequence[float] | Tensor) -> Tensor:
        """Read the survival curves S(t) = P(T > t) at given times; beyond the horizon there is no answer.

        At a cut the curve is the survival at the end of the bin that ends there, at 0 it is 1. Inside a bin the hazard
        is constant, so that the curve falls from Sⱼ₋₁ to Sⱼ as Sⱼ₋₁ (1 − hⱼ)^f, f the share of the bin that has passed
        (Kvamme and Borgan 2021, "Continuous and discrete-time survival prediction with neural networks"). A curve of
        steps would be too high at all times but the cuts.

        Parameters
        ----------
        times : (t,)
            Times ≥ 0, in any order.

        Returns
        -------
        Tensor : (b, t)
            Probability to be free of the event at each time; NaN at times after the last cut, of which the bins know
            nothing.

        Raises
        ------
        InputError
            If a time is negative or not finite.

        Examples
        --------
        >>> from mmlego.tasks import Survival
        >>> prediction = Survival([1.0, 2.0]).predict(torch.zeros(1, 3))
        >>> prediction.survival_at([0.5, 1.0, 1.9, 2.0, 99.0])
        tensor([[0.7071, 0.5000, 0.2679, 0.2500,    nan]])
        """
        at = in_single(as_floats(times, "times"), self.survival.device)  # (t,)
        if bool((at < 0).any()):
            raise InputError("times hold a negative one", expected="times ≥ 0", got=float(at.min()))
        cuts = in_single(self.cuts, at.device)  # (k - 1,)
        place = torch.bucketize(at, cuts, right=True)  # (t,), how many cuts have passed
        start = torch.cat([cuts.new_zeros(1), cuts])[place]
        width = torch.cat([cuts, cuts.new_full((1,), torch.inf)])[place] - start
        passed = ((at - start) / width).to(self.survival)  # (t,), 0 at a cut
        steps = torch.cat([torch.ones_like(self.survival[:, :1]), self.survival], dim=1)  # (b, k + 1)
        before, after = steps[:, place], steps[:, place + 1]  # (b, t)
        stay = torch.where(before > 0, after / before, 0.0)
        return (before * stay**passed).masked_fill(at > cuts[-1], torch.nan)

    def median(self) -> Tensor:
        """Return the time at which half of the patients like this one have had the event.

        Returns
        -------
        Tensor : (b,)
            The first time at which :meth:`survival_at` is at most ½, in the unit of the cuts; NaN where the curve
            does not fall so far by the horizon.

        Examples
        --------
        >>> from mmlego.tasks import Survival
        >>> Survival([10.0, 30.0]).predict(torch.tensor([[0.2, 0.75, 0.5], [0.1, 0.1, 0.9]]).logit()).median()
        tensor([16.7807,     nan])
        """
        cuts = in_single(self.cuts, self.survival.device).to(self.survival)  # (k - 1,)
        curve = self.survival[:, :-1]  # (b, k - 1), at the cuts
        place = (curve > 0.5).sum(dim=1, keepdim=True)  # (b, 1), the bin in which the curve crosses ½
        inside = place.clamp(max=len(cuts) - 1)
        before = torch.cat([torch.ones_like(curve[:, :1]), curve], dim=1).gather(1, inside)
        start, end = torch.cat([cuts.new_zeros(1), cuts])[inside], cuts[inside]
        passed = torch.log(0.5 / before) / torch.log(curve.gather(1, inside) / before)
        return (start + (end - start) * passed).masked_fill(place == len(cuts), torch.nan).squeeze(1)

    def columns(self, times: Sequence[float] | None = None) -> dict[str, np.ndarray]:
        """Name the columns of the table: the risk, then the survival at some times.

        Parameters
        ----------
        times
            Times ≥ 0; None: the cuts.

        Returns
        -------
        dict of str to array (b,)
            ``risk`` and ``survival_at_<time>``, with ``_<unit>`` where that is known; NaN beyond the horizon.

        Examples
        --------
        >>> from mmlego.tasks import Survival
        >>> list(Survival([1.0, 2.5]).predict(torch.zeros(1, 3)).columns())
        ['risk', 'survival_at_1', 'survival_at_2.5']
        >>> list(Survival([12, 60], unit="months").predict(torch.zeros(1, 3)).columns([24]))
        ['risk', 'survival_at_24_months']
        """
        at = self.cuts if times is None else as_floats(times, "times")
        survival = self.survival_at(at).detach().cpu().numpy()  # (b, t)
        curves = {f"survival_at_{label}": survival[:, j] for j, label in enumerate(time_labels(at, self.unit))}
        return {"risk": self.risk.detach().cpu().numpy(), **curves}


def time_labels(times: Sequence[float], unit: str | None) -> list[str]:
    """Return times as they stand in names of columns and scores.

    Parameters
    ----------
    times
        In the unit.
    unit
        None: not known.

    Examples
    --------
    >>> time_labels([12.0, 2.5], "months"), time_labels([12.0], None)
    (['12_months', '2.5_months'], ['12'])
    """
    labels = [f"{time:.6g}" for time in times]
    if len(set(labels)) < len(set(times)):
        labels = [repr(time) for time in times]
    return labels if unit is None else [f"{label}_{unit}" for label in labels]


def in_single(times: Sequence[float], device: torch.device | None = None) -> Tensor:
    """Make a tensor of times in float32, the precision of targets, so that equal times compare as equal.

    Parameters
    ----------
    times : t numbers
        Times.
    device
        Where to put them.

    Returns
    -------
    Tensor : (t,) float32
        The times.

    Examples
    --------
    >>> in_single([0.5, 2.0])
    tensor([0.5000, 2.0000])
    """
    return torch.tensor(times, dtype=torch.float32, device=device)
