"""What is predicted of competing risks: which event comes by when, and how likely none has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mmlego.tasks.checks import as_floats
from mmlego.tasks.prediction import Prediction
from mmlego.tasks.survival_prediction import SurvivalPrediction, time_labels

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class CompetingPrediction(Prediction):
    """Cumulative incidences of competing causes. Higher risk of a cause = it comes earlier, or more likely at all.

    Attributes
    ----------
    risks : (b, m)
        Σⱼ Fⱼ of each cause, the expected number of bins since its event; only its order has a meaning.
    hazards : (b, k, m)
        Probability of each cause in each bin, for those who reach the bin.
    survival : (b, k)
        Probability to be free of all causes at the end of each bin.
    incidence : (b, k, m)
        Fⱼ = Σ_{i ≤ j} S_{i−1} hᵢ, the probability that the event of a cause has come by the end of each bin.
    cuts : tuple of k − 1 floats
        The times between the bins, in the unit of the target.
    causes : tuple of m names
    unit : str, optional
        Of the cuts.

    Examples
    --------
    >>> from mmlego.tasks import CompetingRisks
    >>> task = CompetingRisks([1.0, 2.0], ["relapse", "death"])
    >>> prediction = task.predict(torch.zeros(1, 6))  # each cause and none: a third
    >>> prediction.incidence_at([1.0, 2.0])[0]
    tensor([[0.3333, 0.3333],
            [0.4444, 0.4444]])
    """

    risks: Tensor
    hazards: Tensor
    survival: Tensor
    incidence: Tensor
    cuts: tuple[float, ...]
    causes: tuple[str, ...]
    unit: str | None = None

    @property
    def horizon(self) -> float:
        """The last cut: the time up to which the curves are known."""
        return self.cuts[-1]

    def survival_at(self, times: float | Sequence[float] | Tensor) -> Tensor:
        """Return the probability ``(b, t)`` to be free of all causes, as :meth:`SurvivalPrediction.survival_at` does.

        Parameters
        ----------
        times : (t,)
            Times ≥ 0, in any order.

        Raises
        ------
        InputError
            If a time is negative or not finite.

        Examples
        --------
        >>> from mmlego.tasks import CompetingRisks
        >>> CompetingRisks([1.0], ["a", "b"]).predict(torch.zeros(1, 4)).survival_at([1.0, 2.0])
        tensor([[0.3333,    nan]])
        """
        return self._whole().survival_at(times)

    def incidence_at(self, times: float | Sequence[float] | Tensor) -> Tensor:
        """Read the cumulative incidences at given times; beyond the horizon there is no answer.

        Inside a bin the hazards of all causes are constant, so that each cause has a constant share in the fall of the
        survival: F(t) = Fⱼ₋₁ + (Sⱼ₋₁ − S(t)) hⱼ / Σ hⱼ.

        Parameters
        ----------
        times : (t,)
            Times ≥ 0, in any order.

        Returns
        -------
        Tensor : (b, t, m)
            Probability that the event of each cause has come; NaN after the last cut.

        Raises
        ------
        InputError
            If a time is negative or not finite.
        """
        survival = self.survival_at(times)  # (b, t)
        at = torch.tensor(as_floats(times, "times"), dtype=torch.float32, device=survival.device)
        cuts = torch.tensor(self.cuts, dtype=torch.float32, device=survival.device)
        place = torch.bucketize(at, cuts, right=True)  # (t,), the bin of each time
        before = torch.cat([torch.ones_like(self.survival[:, :1]), self.survival], dim=1)[:, place]  # (b, t)
        known = torch.cat([torch.zeros_like(self.incidence[:, :1]), self.incidence], dim=1)[:, place]  # (b, t, m)
        hazards = self.hazards[:, place]
        share = hazards / hazards.sum(dim=2, keepdim=True).clamp(min=torch.finfo(hazards.dtype).tiny)
        return known + (before - survival)[:, :, None] * share

    def columns(self, times: Sequence[float] | None = None) -> dict[str, np.ndarray]:
        """Name the columns of the table: the risk of each cause, then its incidence at some times.

        Parameters
        ----------
        times
            Times ≥ 0; None: the cuts.

        Returns
        -------
        dict of str to array (b,)
            ``risk_of_<cause>`` and ``<cause>_by_<time>``, with ``_<unit>`` where that is known; NaN beyond the horizon.

        Examples
        --------
        >>> from mmlego.tasks import CompetingRisks
        >>> task = CompetingRisks([12, 60], ["relapse", "death"], unit="months")
        >>> list(task.predict(torch.zeros(1, 6)).columns([24]))
        ['risk_of_relapse', 'risk_of_death', 'relapse_by_24_months', 'death_by_24_months']
        """
        at = self.cuts if times is None else as_floats(times, "times")
        curves = self.incidence_at(at).detach().cpu().numpy()  # (b, t, m)
        risks = self.risks.detach().cpu().numpy()
        named = {f"risk_of_{cause}": risks[:, c] for c, cause in enumerate(self.causes)}
        for c, cause in enumerate(self.causes):
            named |= {f"{cause}_by_{label}": curves[:, t, c] for t, label in enumerate(time_labels(at, self.unit))}
        return named

    def _whole(self) -> SurvivalPrediction:
        alive = -self.survival.sum(dim=1)
        return SurvivalPrediction(alive, self.hazards.sum(dim=2), self.survival, self.cuts, self.unit)
