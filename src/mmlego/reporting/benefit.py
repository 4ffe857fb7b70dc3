"""Whether acting on predictions does good: what is said and drawn of net benefit, of whatever task."""

from __future__ import annotations

import numpy as np

from mmlego.bench.results import ENSEMBLE
from mmlego.reporting.answers import Answers, Heard
from mmlego.reporting.drawing.probabilities import Benefit, draw_net_benefit
from mmlego.reporting.parts import Item, Picture, Text
from mmlego.reporting.statistics.resampling import Floats


def thresholds_of(share: float) -> Floats:
    """Return the thresholds that are drawn: up to twice the share with the outcome, at least 30 %, at most 95 %."""
    return np.linspace(0.01, float(np.clip(2 * share, 0.3, 0.95)), 60)


def decision_items(
    thresholds: Floats, shown: list[Benefit], everybody: Floats, outcome: str, share: float
) -> list[Item | None]:
    """Return the picture of net benefit with its words.

    Parameters
    ----------
    thresholds : (t,)
        At which one would act.
    shown
        The models.
    everybody : (t,)
        Net benefit of treating everybody.
    outcome
        What one would act against.
    share
        Of patients who have it.
    """
    best = np.fmax(everybody, 0.0)
    above = shown[0].values > best + 1e-9
    told = "At no threshold does acting on it do more good than the better of treating everybody and nobody"
    if above.any():
        ends = thresholds[np.flatnonzero(above)[[0, -1]]]
        told = (
            f"At {int(above.sum())} of {len(above)} thresholds, between {100 * ends[0]:.0f} and {100 * ends[1]:.0f} %, "
            "acting on it does more good than treating everybody or nobody"
        )
    return [
        Text(
            f"Whoever would act against {outcome} from a chance of, say, 20 % on counts one patient helped as four "
            "treated for nothing. Net benefit is patients helped less those treated for nothing at that price."
        ),
        Picture(
            "decision",
            f"Net benefit of acting against {outcome}",
            f"{told}; {100 * share:.0f} % of the patients had it.",
            draw_net_benefit(thresholds, shown, everybody),
            "Vickers and Elkin 2006. No intervals are drawn: small differences mean nothing.",
        ),
        Text(f"{told}."),
    ]


def beside(heard: Heard, answers: Answers) -> Answers | None:
    """Return what stands beside a model in pictures: the mean of its blocks, on the same patients."""
    other = heard.answers.get(ENSEMBLE)
    if other is None or other.label == answers.label:
        return None
    same = other.of(answers.patients)
    return same if len(same) == len(answers) else None
