"""Split conformal prediction: how far to go around a prediction so that the truth lies within, at a given rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmlego.errors import InputError

LEVELS = (0.5, 0.8, 0.9, 0.95)
DIGITS = 4  # significant ones
KEPT = 2  # of a bound, which would else be the score of one patient


def quantiles(scores: Tensor) -> dict[str, float | None]:
    """Return by level the score that a new patient does not exceed with at least this probability.

    It is the ⌈(n + 1) level⌉-th smallest of n scores (Vovk, Gammerman, Shafer 2005; Lei et al. 2018): whoever is drawn
    as these patients were is below it at that rate, whatever the model is worth.

    Parameters
    ----------
    scores : (n,)
        Of patients whom the model was not trained on, the larger the worse; those that are NaN do not count.

    Returns
    -------
    dict of str to float
        By level, as text, with two significant digits, rounded up; None where there are too few patients for it.

    Examples
    --------
    >>> quantiles(torch.arange(1.0, 10.0))
    {'0.5': 5.0, '0.8': 8.0, '0.9': 9.0, '0.95': None}
    """
    known = scores[~scores.isnan()].double().sort().values
    found: dict[str, float | None] = {}
    for level in LEVELS:
        place = math.ceil(round((len(known) + 1) * level, 9))
        found[str(level)] = raised(float(known[place - 1])) if 0 < place <= len(known) else None
    return found


def raised(value: float) -> float:
    """Return a bound with two significant digits, rounded up: what it held, it holds, but for errors of rounding.

    Examples
    --------
    >>> raised(0.1234), raised(0.12), raised(5171.0), raised(0.0)
    (0.13, 0.12, 5200.0, 0.0)
    """
    if value == 0 or not math.isfinite(value):
        return value
    exponent = math.floor(math.log10(abs(value))) - KEPT + 1
    return float(f"{math.ceil(round(value / 10.0**exponent, 4))}e{exponent}")


def quantile_of(found: object, level: float) -> float | None:
    """Return what :func:`quantiles` found for a level; None where that was nothing.

    Parameters
    ----------
    found
        As :func:`quantiles` gives it, perhaps out of a file.
    level
        One of ``LEVELS``.

    Raises
    ------
    InputError
        If the level is another.

    Examples
    --------
    >>> quantile_of({"0.9": 2.5}, 0.9)
    2.5
    """
    if level not in LEVELS:
        raise InputError("level of an interval", expected=f"one of {', '.join(map(str, LEVELS))}", got=level)
    value = found.get(str(level)) if isinstance(found, dict) else None
    return float(value) if isinstance(value, int | float) else None


def rounded(value: float) -> float:
    """Return a number with four significant digits.

    Examples
    --------
    >>> rounded(0.123456)
    0.1235
    """
    return float(f"{value:.{DIGITS}g}")


def class_summary(probabilities: Tensor, target: Tensor, names: Sequence[str]) -> dict[str, Any]:
    """Return, by class, what :func:`quantiles` finds of one minus the probability that it had where it was true.

    Each class has quantiles of its own, so that the rare one is missed no more often than the others (label-conditional
    conformal prediction; Sadinle, Lei, Wasserman 2019).

    Parameters
    ----------
    probabilities : (n, k)
        Of the classes.
    target : (n,)
        The number of the true one.
    names
        The ``k`` classes.

    Examples
    --------
    >>> class_summary(torch.tensor([[0.9, 0.1]] * 9), torch.zeros(9, dtype=torch.long), ["no", "yes"])["no"]["0.9"]
    0.1
    """
    return {name: quantiles(1 - probabilities[target == j, j].double()) for j, name in enumerate(names)}


def class_sets(probabilities: Tensor, summary: Mapping[str, Any], names: Sequence[str], level: float) -> list[str]:
    """Return of each patient the classes that cannot be excluded, the most probable first.

    A class of which too few patients are known is never excluded, nor is the most probable one.

    Parameters
    ----------
    probabilities : (b, k)
        Of the classes.
    summary
        As :func:`class_summary` gives it.
    names
        The ``k`` classes.
    level
        One of ``LEVELS``.

    Examples
    --------
    >>> bounds = {"no": {"0.9": 0.4}, "yes": {"0.9": 0.7}}
    >>> class_sets(torch.tensor([[0.8, 0.2], [0.65, 0.35]]), bounds, ["no", "yes"], 0.9)
    ['no', 'no, yes']
    """
    bounds = [quantile_of(summary.get(name), level) for name in names]
    most = torch.tensor([2.0 if bound is None else bound for bound in bounds], dtype=torch.float64)
    inside = 1 - probabilities.double() <= most + 1e-12
    inside[torch.arange(len(inside)), probabilities.argmax(1)] = True
    order = probabilities.argsort(dim=1, descending=True).tolist()
    return [", ".join(names[j] for j in row if here[j]) for row, here in zip(order, inside.tolist(), strict=True)]
