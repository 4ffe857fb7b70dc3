"""Cox's partial likelihood, with Breslow's treatment of ties: value, gradient, curvature."""

from __future__ import annotations

import numpy as np
from torch import Tensor


class PartialLikelihood:
    """The log partial likelihood of patients as a function of their log-risks η.

    With R(t) the patients still at risk at t, and d events at each event time (Cox 1975; Breslow 1974):

        ℓ(η) = Σ_i w_i δ_i (η_i − log Σ_{j ∈ R(t_i)} w_j exp η_j)

    Parameters
    ----------
    event : (n,)
        1 where the event was observed.
    time : (n,)
        Of the event or of censoring. Who is censored at the time of an event is still at risk then.
    weight : (n,)
        How much each patient counts; positive.

    Examples
    --------
    >>> likelihood = PartialLikelihood(np.array([1, 1, 0]), np.array([1.0, 2.0, 3.0]), np.ones(3))
    >>> value, gradient, _ = likelihood(np.zeros(3))
    >>> bool(np.isclose(value, -np.log(3) - np.log(2))), gradient.round(3).tolist()
    (True, [0.667, 0.167, -0.833])
    """

    def __init__(self, event: np.ndarray, time: np.ndarray, weight: np.ndarray) -> None:
        self.order = np.argsort(time, kind="stable")
        self.event, self.weight = event[self.order] * weight[self.order], weight[self.order]
        _, first, self.group = np.unique(time[self.order], return_index=True, return_inverse=True)
        self.first = first  # of each time, where its patients begin
        self.events = np.add.reduceat(self.event, first)  # of each time
        with np.errstate(divide="ignore"):
            self.log_events = np.log(self.events)

    def __call__(self, risk: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the value, its gradient (n,), and a diagonal (n,) ≥ minus the Hessian."""
        eta = risk[self.order]
        logs = eta + np.log(self.weight)
        at_risk = np.logaddexp.accumulate(logs[::-1])[::-1][self.first]  # of each time, log Σ w exp η
        value = float(self.event @ eta - self.events @ at_risk)
        # Σ over the event times until t_i of d w_i exp η_i / Σ w exp η, in logarithms: no risk is too far from another.
        cumulated = np.logaddexp.accumulate(self.log_events - at_risk)[self.group]
        hazard = np.exp(logs + cumulated)
        gradient, diagonal = np.empty_like(eta), np.empty_like(eta)
        gradient[self.order] = self.event - hazard
        diagonal[self.order] = hazard
        return value, gradient, diagonal

    def value(self, risk: np.ndarray) -> float:
        """Return the log partial likelihood alone."""
        eta = risk[self.order]
        at_risk = np.logaddexp.accumulate((eta + np.log(self.weight))[::-1])[::-1][self.first]
        return float(self.event @ eta - self.events @ at_risk)


def events_and_times(target: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return events and times ``(n,)`` in float64 of a survival target ``(n, 2)``.

    Examples
    --------
    >>> import torch
    >>> events_and_times(torch.tensor([[1.0, 3.0]]))
    (array([1.]), array([3.]))
    """
    event, time = target.double().numpy().T
    return np.ascontiguousarray(event), np.ascontiguousarray(time)
