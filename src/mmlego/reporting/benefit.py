"""Whether acting on predictions does good: what is said and drawn of net benefit, of whatever task."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmlego.bench.results import ENSEMBLE
from mmlego.reporting.answers import Answers, Heard
from mmlego.reporting.drawing.probabilities import Benefit, draw_net_benefit
from mmlego.reporting.numbers import plain, with_interval
from mmlego.reporting.parts import Item, Picture, Table, Text
from mmlego.reporting.statistics.decision_curve import Curve
from mmlego.reporting.statistics.resampling import Floats, resamples, spread

_ROUND = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7)


def thresholds_of(share: float) -> Floats:
    """Return the thresholds that are drawn: up to twice the share with the outcome, at least 30 %, at most 95 %."""
    last = round(100 * float(np.clip(2 * share, 0.3, 0.95)))
    return np.arange(1, last + 1) / 100


def decision_items(
    thresholds: Floats,
    models: Mapping[str, Curve],
    everybody: Curve,
    outcome: str,
    share: float,
    n: int,
    mark: str = "",
) -> list[Item | None]:
    """Return the picture of net benefit with its words, and a table at round thresholds.

    Parameters
    ----------
    thresholds : (t,)
        At which one would act.
    models
        By name the net benefit of acting on a model, the one that the page is about first.
    everybody
        Net benefit of treating everybody.
    outcome
        What one would act against.
    share
        Of patients who have it.
    n
        How many patients.
    mark
        In the name of the picture, where there are several.
    """
    weights, alike = resamples(n), np.ones((1, n))
    name, first = next(iter(models.items()))
    values, of_all = first(alike)[0], everybody(alike)[0]
    drawn, drawn_all = first(weights), everybody(weights)
    better_all = of_all > 0
    instead, drawn_instead = np.where(better_all, of_all, 0.0), np.where(better_all, drawn_all, 0.0)
    mine = [spread(float(values[t]), drawn[:, t]) for t in range(len(thresholds))]
    gained = [spread(float(values[t] - instead[t]), drawn[:, t] - drawn_instead[:, t]) for t in range(len(thresholds))]
    above = np.array([one.value > 1e-9 for one in gained])
    told = "At no threshold does acting on it do more good than the better of treating everybody and nobody"
    if above.any():
        ends = thresholds[np.flatnonzero(above)[[0, -1]]]
        sure = sum(one.known and one.low > 0 for one in gained)
        told = (
            f"At {int(above.sum())} of {len(above)} thresholds, between {100 * ends[0]:.0f} and {100 * ends[1]:.0f} %, "
            "acting on it does more good than treating everybody or nobody, "
            f"{'and at none of them' if not sure else f'at {sure} of them'} so much that chance is no explanation "
            "(95 % interval above 0, each threshold by itself)"
        )
    shown = [Benefit(name, values, np.array([one.low for one in mine]), np.array([one.high for one in mine]))]
    shown += [Benefit(other, curve(alike)[0]) for other, curve in list(models.items())[1:]]
    marks = [int(np.argmin(np.abs(thresholds - one))) for one in _ROUND if thresholds[0] <= one <= thresholds[-1]]
    rows = [
        (
            f"{100 * thresholds[t]:.0f} %",
            with_interval(mine[t], 3),
            plain(float(of_all[t]), 3),
            with_interval(gained[t], 3, sign=True),
        )
        for t in marks
    ]
    head = (
        "acting from",
        f"net benefit of {name}",
        "of treating everybody",
        "gained",
    )
    return [
        Text(
            f"Whoever would act against {outcome} from a chance of, say, 20 % on counts one patient helped as four "
            "treated for nothing. Net benefit is patients helped less those treated for nothing at that price."
        ),
        Picture(
            f"decision{mark}",
            f"Net benefit of acting against {outcome}",
            f"{told}; {100 * share:.0f} % of the patients had it.",
            draw_net_benefit(thresholds, shown, of_all),
            "Vickers and Elkin 2006. The band is a 95 % interval at each threshold by itself.",
        ),
        Text(f"{told}."),
        Table(
            f"Net benefit at some thresholds: {outcome}",
            head,
            tuple(rows),
            "Net benefit is told per patient, with 95 % intervals; gained is what it is above treating everybody or "
            "nobody, whichever is better.",
        ),
    ]


def beside(heard: Heard, answers: Answers) -> Answers | None:
    """Return what stands beside a model in pictures: the mean of its blocks, on the same patients."""
    other = heard.answers.get(ENSEMBLE)
    if other is None or other.label == answers.label:
        return None
    same = other.of(answers.patients)
    return same if len(same) == len(answers) else None
