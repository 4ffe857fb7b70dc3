"""Competing risks with discrete hazards: which event will come first, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from mmlego.errors import InputError
from mmlego.tasks.checks import as_names, as_numbers, check_logits
from mmlego.tasks.competing_calibration import IncidenceAt, incidence_calibration_at
from mmlego.tasks.competing_groups import causes_summary, compared_causes
from mmlego.tasks.competing_prediction import CompetingPrediction
from mmlego.tasks.competing_scores import cause_aucs, cause_concordance, incidence_scores
from mmlego.tasks.registry import register_task
from mmlego.tasks.scores import mean_of_defined
from mmlego.tasks.survival import Survival
from mmlego.tasks.survival_prediction import in_single
from mmlego.tasks.survival_target import check_values
from mmlego.tasks.time_bins import PATIENTS, BinnedTime, place_of, two_columns


@register_task
@dataclass(frozen=True, init=False, repr=False)
class CompetingRisks(BinnedTime):
    """Right-censored survival with several causes, of which the first that comes ends the observation.

    Time is cut into k bins as by :class:`Survival`. In each bin a softmax over the m causes and "none" says which event
    comes, for those who reach the bin (discrete cause-specific hazards: Tutz and Schmid 2016, chapter 8). Of one cause
    it would be :class:`Survival`.

    Logits are the log-odds of each cause against none, bin by bin: logit j·m + c is of bin j and cause c.

    Parameters
    ----------
    cuts : (k − 1,)
        As :class:`Survival` takes them.
    causes : (m,)
        Names of at least two causes; the event of a patient is the number of one, from 1, or 0 where it was censored.
    unit, typical_time
        As :class:`Survival` takes them.

    Raises
    ------
    InputError
        If cuts, names or unit cannot be used.

    Examples
    --------
    >>> task = CompetingRisks([1.0, 2.0], ["relapse", "death"])
    >>> target = task.check_target([[1, 0.5], [2, 1.5], [0, 1.0]])
    >>> task.loss(torch.zeros(3, 6), target)  # one, two and one bin, each − log ⅓
    tensor(1.4648)
    """

    name: ClassVar[str] = "competing_risks"
    primary_metric: ClassVar[str] = "c_index"
    chance: ClassVar[float] = 0.5
    calibrated_adds: ClassVar[bool] = True

    cuts: tuple[float, ...]
    causes: tuple[str, ...]
    unit: str | None = None
    typical_time: float | None = None

    def __init__(
        self,
        cuts: Sequence[float],
        causes: Sequence[str],
        unit: str | None = None,
        typical_time: float | None = None,
    ) -> None:
        object.__setattr__(self, "causes", as_names(causes, "causes", "cause_", 2))
        self._cut(cuts, unit, typical_time)

    @classmethod
    def from_data(
        cls, event: object, time: object, causes: Sequence[str], bins: int | None = None, unit: str | None = None
    ) -> Self:
        """Cut time at quantiles of the event times, of whatever cause, as :meth:`Survival.from_data` does.

        Parameters
        ----------
        event : (n,)
            0 where the patient was censored, else the number of the cause, from 1.
        time : (n,)
            Of the event or of censoring.
        causes
            Their names, in the order of the numbers.
        bins, unit
            As there.

        Raises
        ------
        InputError
            If the times leave nothing to cut, or an event is no number of a cause.

        Examples
        --------
        >>> CompetingRisks.from_data([1, 2, 1, 2, 0], [1, 2, 3, 4, 9], ["relapse", "death"], bins=3).cuts
        (2.5, 4.0)
        """
        values = torch.stack([as_numbers(event, "event").float(), as_numbers(time, "time").float()], dim=1)
        events, times = cls([1.0], causes).check_target(values).unbind(1)
        whole = Survival.from_data((events > 0).float(), times, bins, unit)
        return cls(whole.cuts, causes, whole.unit, whole.typical_time).with_cuts_from(PATIENTS)

    @property
    def outputs(self) -> int:
        """The number k · m of bins times causes."""
        return (len(self.cuts) + 1) * len(self.causes)

    def check_target(self, target: object, *, shape_only: bool = False) -> Tensor:
        """Check a target (n, 2) of causes and times.

        Parameters
        ----------
        target : (n, 2)
            The columns event (0 censored, else the number of the cause) and time (≥ 0).
        shape_only
            Leave the values unread, for a target that was checked before and is on an accelerator.

        Returns
        -------
        Tensor : (n, 2) float32
            The same.

        Raises
        ------
        InputError
            If an event is no number of a cause, or a time is missing, negative or infinite.
        """
        values = two_columns(target, "competing risks", "Put both beside each other: torch.stack([event, time], 1).")
        if not shape_only:
            event = values.detach()[:, 0]
            odd = (event != event.round()) | (event < 0) | (event > len(self.causes)) | event.isnan()
            if bool(odd.any()):
                row = int(odd.nonzero()[0])
                numbers = ", ".join(f"{number} {cause}" for number, cause in enumerate(self.causes, start=1))
                raise InputError(
                    f"event is no number of a cause in row {row}",
                    expected=f"0 censored, {numbers}",
                    got=f"{float(event[row]):g}",
                )
            check_values(torch.stack([(event > 0).float(), values[:, 1]], dim=1))
        return values

    def sample_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the negative log-likelihood of discrete cause-specific hazards.

        With y the bin of the time, h the hazard of a cause and n = 1 − Σ h that of none: an event of cause c
        contributes −log h_{y,c} − Σ_{j<y} log nⱼ; who was censored −Σ_{j<y} log nⱼ − f log n_y, f the share of the bin
        that had passed, 1 in the last (Tutz and Schmid 2016, section 8.2; f as in :class:`Survival`).

        Parameters
        ----------
        logits : (b, k · m)
            Log-odds of each cause against none.
        target : (b, 2)
            Numbers of causes and times.

        Returns
        -------
        Tensor : (b,)
            The loss of each patient.
        """
        event, time = target.unbind(1)  # (b,), (b,)
        last, passed = place_of(time, self.cuts)  # (b,), (b,)
        log = self._log_hazards(logits)  # (b, k, 1 + m), none first
        bins = torch.arange(log.shape[1], device=logits.device)  # (k,)
        free = (log[:, :, 0] * (bins < last[:, None])).sum(dim=1)  # (b,)
        rows = torch.arange(len(logits), device=logits.device)
        own = log[rows, last, event.long()]  # of the cause, or of none where censored
        return -free - own * torch.where(event == 0, passed, 1.0).to(logits.dtype)

    def predict(self, logits: Tensor) -> CompetingPrediction:
        """Turn logits into hazards, survival and cumulative incidences.

        Parameters
        ----------
        logits : (b, k · m)
            Finite logits.

        Returns
        -------
        CompetingPrediction
            Risks (b, m), hazards (b, k, m), survival (b, k), incidence (b, k, m).

        Raises
        ------
        InputError
            If the logits are not finite or not (b, k · m).
        """
        log = self._log_hazards(check_logits(logits, self.outputs, finite=True))
        survival = log[:, :, 0].exp().cumprod(dim=1)  # (b, k)
        before = torch.cat([torch.ones_like(survival[:, :1]), survival[:, :-1]], dim=1)
        hazards = log[:, :, 1:].exp()
        incidence = (before[:, :, None] * hazards).cumsum(dim=1)  # (b, k, m)
        return CompetingPrediction(
            incidence.sum(dim=1), hazards, survival, incidence, self.cuts, self.causes, self.unit
        )

    def strata(self, target: object) -> Tensor:
        """Group patients by what came: 0 censored, else the number of the cause, ``(n,)``.

        Parameters
        ----------
        target : (n, 2)
            Numbers of causes and times.
        """
        return self.check_target(target)[:, 0].long()

    def calibration(self, logits: Tensor, target: object, times: Sequence[float]) -> list[IncidenceAt]:
        """Compare predicted incidences with what was observed.

        Parameters
        ----------
        logits : (n, k · m)
            Of patients whom the model was not trained on.
        target : (n, 2)
            Their numbers of causes and times.
        times
            When; the answer is NaN beyond the horizon, and where nobody is at risk any more.

        Returns
        -------
        list of IncidenceAt
            One for each cause and time, by cause.

        Raises
        ------
        InputError
            As in :meth:`metrics`, or if a time is negative.

        Examples
        --------
        >>> task = CompetingRisks([2.0, 3.0], ["relapse", "death"])
        >>> found = task.calibration(torch.zeros(4, 6), [[1, 1.0], [2, 2.0], [0, 3.0], [0, 4.0]], [2])
        >>> [(one.cause, round(one.predicted, 3), one.aj) for one in found]
        [('relapse', 0.333, 0.25), ('death', 0.333, 0.25)]
        """
        logits, known, at = self._compared(logits, target, times)
        curves = self.predict(logits).incidence_at(at)  # (n, t, m)
        return [
            incidence_calibration_at(curves[:, j, c], known, time, c + 1, self.causes)
            for c in range(len(self.causes))
            for j, time in enumerate(at)
        ]

    def summary(self, logits: Tensor, target: Tensor) -> dict[str, Any]:
        """Return of each cause quantiles of its risk, and what became of patients, as :func:`causes_summary` does."""
        known = self.check_target(target).cpu()
        return causes_summary(self.predict(logits.cpu()).risks, known, self.cuts, self.causes)

    def compared(
        self, logits: Tensor, summary: Mapping[str, Any], level: float = 0.9, times: Sequence[float] | None = None
    ) -> dict[str, np.ndarray]:
        """Return where each risk stands among those held out, and what was observed of such patients.

        The columns are those of :func:`~mmlego.tasks.competing_groups.compared_causes`, whatever the level.
        """
        return compared_causes(self.predict(logits.cpu()), summary, times)

    def _log_hazards(self, logits: Tensor) -> Tensor:
        """Return log-probabilities (b, k, 1 + m) of none and of each cause."""
        odds = logits.reshape(len(logits), -1, len(self.causes))  # (b, k, m)
        return torch.log_softmax(torch.cat([torch.zeros_like(odds[:, :, :1]), odds], dim=2), dim=2)

    def _scores(self, logits: Tensor, target: Tensor, reference: Tensor | None) -> tuple[dict[str, float], list[str]]:
        prediction = self.predict(logits)
        risks, event, time = prediction.risks, target[:, 0], target[:, 1].double()
        each = {
            f"c_index/{cause}": cause_concordance(risks[:, c], event, time, c + 1)
            for c, cause in enumerate(self.causes)
        }
        areas = cause_aucs(risks, target, reference)
        told = each | {f"auc/{cause}": value for cause, value in zip(self.causes, areas, strict=False)}
        undefined = [name for name, value in told.items() if math.isnan(value)]
        reasons = [f"{', '.join(undefined)} undefined: no event, or nobody to compare it with."] if undefined else []
        known_until = float(in_single(self.cuts[-1:]))
        brier, why = incidence_scores(prediction.incidence_at, target, reference, known_until)
        scores = {"c_index": mean_of_defined(list(each.values())), **each}
        for name, values in (("ibs", brier), ("auc", areas)):
            if values:
                named = {f"{name}/{cause}": value for cause, value in zip(self.causes, values, strict=True)}
                scores |= {name: mean_of_defined(values), **named}
        return scores, [*reasons, *why]
