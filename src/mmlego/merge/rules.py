"""Rules that merge spectra: pure functions on bare tensors, registered by name.

Every rule takes ``spectra`` ``(m, b, c, d)`` complex, ``weights`` ``(m, b)`` that sum to 1 over the modalities present
for each sample and are 0 elsewhere, and ``present`` ``(m, b)``; it returns ``(b, c, d)``. It may take ``phase``,
``start`` (the shared start Z0, ``(1, c, d)``) and ``strength`` as keywords. Entries of absent modalities are never
read. Element by element, so it may also be given the distinct rows of mirrored spectra alone.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from mmlego.errors import InputError, UnknownNameError
from mmlego.plugins import Registry

Phase = Literal["mean", "circular"]
Rule = Callable[..., Tensor]

_RULES: Registry[Rule] = Registry("merge rule", "mmlego.merge_rules")


def register_rule(name: str) -> Callable[[Rule], Rule]:
    """Register a merge rule under a name.

    A rule of another distribution is found by settings, checkpoints and ``--rule`` if that has an entry point
    ``mmlego.merge_rules`` of the rule's name, whose module registers it when imported.

    Parameters
    ----------
    name
        The name.

    Raises
    ------
    InputError
        If another rule has the name.

    Examples
    --------
    >>> "harmonic" in merge_rules()
    True
    """

    def register(rule: Rule) -> Rule:
        _RULES.add(name, rule)
        return rule

    return register


def merge_rules() -> dict[str, Rule]:
    """Return all merge rules by name: those registered, and those that installed distributions offer.

    Warns
    -----
    LegoWarning
        If a distribution that offers one cannot be imported.

    Examples
    --------
    >>> sorted(merge_rules())
    ['harmonic', 'mean', 'product', 'residual', 'sum']
    """
    _RULES.load_all()
    return _RULES.registered()


def get_rule(name: str) -> Rule:
    """Return a rule by name.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists the known ones.
    MissingExtraError
        If the distribution that offers it cannot be imported.
    """
    if not isinstance(name, str) or name not in _RULES:
        raise UnknownNameError("unknown merge rule", expected=f"one of {', '.join(sorted(_RULES))}", got=repr(name))
    return _RULES[name]


def combine(
    rule: str,
    spectra: Tensor,
    weights: Tensor,
    present: Tensor,
    *,
    phase: Phase = "circular",
    start: Tensor | None = None,
    strength: float | Tensor = 1.0,
) -> Tensor:
    """Merge spectra by a named rule; a sample with one modality gets that modality's spectrum exactly.

    Parameters
    ----------
    rule
        A name from ``merge_rules()``.
    spectra
        Complex, shape ``(m, b, c, d)``.
    weights
        Shape ``(m, b)`` or ``(m, 1)``, over the present modalities of each sample summing to 1.
    present
        Boolean, shape ``(m, b)`` or ``(m, 1)``.
    phase, start, strength
        Passed to rules that take them; ``strength`` is one number, or one a sample, ``(b, 1, 1)``.

    Returns
    -------
    Tensor
        Complex, shape ``(b, c, d)``.

    Examples
    --------
    >>> z = torch.tensor([2 + 0j, 6 + 0j]).reshape(2, 1, 1, 1)
    >>> half, here = torch.full((2, 1), 0.5), torch.ones(2, 1, dtype=torch.bool)
    >>> combine("harmonic", z, half, here).item(), combine("mean", z, half, here).item()
    ((3+0j), (4+0j))
    """
    function = get_rule(rule)
    if spectra.shape[0] == 1:
        return spectra[0]
    offered = {"phase": phase, "start": start, "strength": strength}
    taken = inspect.signature(function).parameters
    merged = function(spectra, weights, present, **{k: v for k, v in offered.items() if k in taken})
    alone = present.sum(0) == 1  # (b,)
    own = torch.where(_spread(present), spectra, 0.0).sum(0)
    return torch.where(alone[:, None, None], own, merged)


def _spread(x: Tensor) -> Tensor:
    return x[:, :, None, None]


@register_rule("mean")
def mean(spectra: Tensor, weights: Tensor, present: Tensor) -> Tensor:
    """Return ``Σ w_m Z_m``."""
    return torch.where(_spread(present), spectra * _spread(weights), 0.0).sum(0)


@register_rule("sum")
def total(spectra: Tensor, weights: Tensor, present: Tensor) -> Tensor:
    """Return ``Σ Z_m``; the weights play no part."""
    return torch.where(_spread(present), spectra, 0.0).sum(0)


@register_rule("product")
def product(spectra: Tensor, weights: Tensor, present: Tensor) -> Tensor:
    """Return ``Π Z_m``; the weights play no part."""
    return torch.where(_spread(present), spectra, 1.0).prod(0)


@register_rule("residual")
def residual(
    spectra: Tensor,
    weights: Tensor,
    present: Tensor,
    *,
    start: Tensor | None = None,
    strength: float | Tensor = 1.0,
) -> Tensor:
    """Return ``Z0 + λ Σ w_m (Z_m − Z0)``, with ``start`` for Z0 and ``strength`` for λ.

    With λ = 1 it is the weighted mean; λ > 1 lets evidence of several modalities add up.
    """
    if start is None:
        raise InputError("the rule residual needs the shared start", expected="start=(1, c, d)", got="none")
    moved = torch.where(_spread(present), (spectra - start) * _spread(weights), 0.0).sum(0)
    return start + strength * moved


@register_rule("harmonic")
def harmonic(spectra: Tensor, weights: Tensor, present: Tensor, *, phase: Phase = "circular") -> Tensor:
    """Return the weighted harmonic mean of the magnitudes, with a mean phase.

    Magnitude ``1 / Σ(w_m / |Z_m|)``, 0 where any magnitude is 0; phase ``Σ w_m arg Z_m`` (``"mean"``, the paper's)
    or ``arg Σ w_m exp(i arg Z_m)`` (``"circular"``, without a jump at ±π). Hemker et al., ICLR 2025.
    """
    if phase not in ("mean", "circular"):
        raise InputError("phase of the rule harmonic", expected="'mean' or 'circular'", got=repr(phase))
    counted = _spread(present & (weights > 0))  # a weight of 0 takes a modality out
    w = _spread(weights)
    z = torch.where(counted, spectra, 1.0)
    nothing = z.detach().abs() <= torch.finfo(z.dtype).tiny
    # Where a magnitude is 0 the answer is 0; 1 stands in so that no gradient there is NaN.
    z = torch.where(nothing, 1.0, z)
    magnitude = z.abs()
    smallest = magnitude.detach().masked_fill(~counted, math.inf).amin(0)  # scaled by it, nothing overflows
    amount = smallest / (w * (smallest / magnitude)).masked_fill(~counted, 0.0).sum(0)
    amount = amount.masked_fill((nothing & counted).any(0), 0.0)
    direction = z / magnitude  # the gradient of angle() squares what it is given: of length 1, that is safe
    if phase == "mean":
        angle = (w * direction.angle()).masked_fill(~counted, 0.0).sum(0)
        return torch.polar(amount, angle)
    towards = torch.where(counted, direction * w, 0.0).sum(0)
    length = towards.abs()
    opposed = length <= torch.finfo(length.dtype).eps
    unit = torch.where(opposed, 1.0, towards) / torch.where(opposed, 1.0, length)
    return amount * unit
