"""Weights of modalities: uniform, explicit, or from each block's own validation score; renormalised by presence."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmlego.brick import Brick
from mmlego.errors import InputError, LegoWarning, UnknownNameError
from mmlego.scalars import as_number, as_numbers
from mmlego.sites import by_modality, modality_of

# Chosen on repeated splits of GSE7390, TCGA-BLCA, TCGA-KIRP and PhysioNet-2012: see docs/merging.md.
TYPICAL, SPREAD = 0.15, 0.03
VAST = 1e100  # an error whose square would overflow tells nothing

STACKED = "stacked"  # learnt from patients who have several modalities, once the merge is made
Weights = str | Mapping[str, float] | Sequence[float]


def resolve_weights(weights: Weights, blocks: Mapping[str, Brick]) -> list[float]:
    """Return one weight a block, ≥ 0 and summing to 1.

    Blocks of one modality share its weight, by :func:`parts_within`, unless numbers are given for each of them.

    Parameters
    ----------
    weights
        ``"uniform"``; ``"evidence"``: from the blocks' own validation scores; ``"auto"``: the former if all blocks are
        calibrated, so that their evidence says itself how much it is worth, else the latter if every card has a score;
        or one number a block, in order or by name, or one a modality, by name.
    blocks
        The blocks by name.

    Raises
    ------
    InputError
        If a number is negative or missing, all are zero, or a card has no score.
    UnknownNameError
        If a modality is unknown.
    """
    names = list(blocks)
    if isinstance(weights, str):
        if weights == "uniform" or (weights == "auto" and all(block.calibrated for block in blocks.values())):
            return _shared_out({}, blocks)
        if weights == "evidence" or (weights == "auto" and all(_scored(block) for block in blocks.values())):
            return _evidence(blocks, warn=weights == "evidence")
        if weights == "auto":
            return _shared_out({}, blocks)
        if weights == STACKED:
            raise InputError(
                "weights='stacked' are learnt from patients",
                expected="'auto', 'uniform', 'evidence', or one number a block",
                got="no patients",
                remedy="Leave them out, then mmlego.stack(merge, data); on the command line --weights stacked --data.",
            )
        raise InputError("weights", expected="'auto', 'uniform', 'evidence', or one number a block", got=repr(weights))
    if isinstance(weights, Mapping):
        values = _by_name(weights, blocks)
    else:
        values = as_numbers(weights) or []
    if len(values) != len(names) or not all(math.isfinite(value) and value >= 0 for value in values):
        raise InputError("weights", expected=f"one number ≥ 0 for each of {names}", got=repr(weights))
    if max(values) == 0:
        raise InputError("weights", expected="at least one number > 0", got=weights)
    most = max(values)  # scaled by it first, no sum overflows
    total = sum(value / most for value in values)
    return [value / most / total for value in values]


def why(weights: Weights, blocks: Mapping[str, Brick]) -> str:
    """Return how the weights of modalities came about, in words for the card.

    Parameters
    ----------
    weights, blocks
        As :func:`resolve_weights` has taken them.
    """
    if not isinstance(weights, str):
        return "given"
    shared = len(by_modality(blocks)) < len(blocks)
    more = "; blocks of one modality share its weight by their training patients" if shared else ""
    if weights != "auto":
        return {"uniform": "uniform", "evidence": "evidence: by the blocks' own scores"}[weights] + more
    if all(block.calibrated for block in blocks.values()):
        return f"uniform: all blocks are calibrated, so that what they say is worth what it says{more}"
    if all(_scored(block) for block in blocks.values()):
        return f"evidence: by the blocks' own scores, as not all are calibrated{more}"
    return f"uniform: not all blocks tell a score{more}"


def parts_within(blocks: Mapping[str, Brick]) -> list[float]:
    """Return what part of its modality each block is, summing to 1 within each.

    By their training patients: the variance of what is learnt falls with their number, so that of blocks that estimate
    the same this mean is best (inverse variance; McMahan et al. 2017 average so). Alike where a card does not tell.

    Parameters
    ----------
    blocks
        By name.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Regression
    >>> plate = Baseplate(Regression(), channels=4, width=8)
    >>> blocks = {name: LegoBlock(SNN(2), plate, name) for name in ("labs@a", "rna", "labs@b")}
    >>> parts_within(blocks)
    [0.5, 1.0, 0.5]
    >>> blocks["labs@a"].card.patients, blocks["labs@b"].card.patients = {"training": 300}, {"training": 100}
    >>> parts_within(blocks)
    [0.75, 1.0, 0.25]
    """
    parts = {}
    for names in by_modality(blocks).values():
        told = [as_number(blocks[name].card.patients.get("training")) for name in names]
        usable, whole = all(0 < count < math.inf for count in told), sum(told)
        for name, count in zip(names, told, strict=True):
            parts[name] = count / whole if usable else 1 / len(names)
    return [parts[name] for name in blocks]


def _shared_out(weights: Mapping[str, float], blocks: Mapping[str, Brick]) -> list[float]:
    """Return the weights of blocks, of those of modalities; without any, modalities count alike."""
    modalities = by_modality(blocks)
    parts = zip(blocks, parts_within(blocks), strict=True)
    return [weights.get(modality_of(name), 1 / len(modalities)) * part for name, part in parts]


def _by_name(weights: Mapping[str, float], blocks: Mapping[str, Brick]) -> list[float]:
    """Return the weights of blocks as given, by their names or by those of modalities; NaN where there is none."""
    modalities = by_modality(blocks)
    unknown = [name for name in weights if name not in blocks and name not in modalities]
    if unknown:
        known = list(dict.fromkeys([*blocks, *modalities]))
        raise UnknownNameError("weights name unknown modalities", expected=f"of {known}", got=unknown)
    both = [name for name in weights if name not in blocks and any(one in weights for one in modalities[name])]
    if both:
        raise InputError(
            f"weights of {both[0]} and of its blocks", expected="those of one or the other", got=dict(weights)
        )
    found = {}
    for name, part in zip(blocks, parts_within(blocks), strict=True):
        whole = as_number(weights.get(modality_of(name)))
        found[name] = as_number(weights[name]) if name in weights else whole * part
    return [found[name] for name in blocks]


def _scored(block: Brick) -> bool:
    return math.isfinite(as_number(block.card.validation.get(block.task.primary_metric)))


def _evidence(blocks: Mapping[str, Brick], *, warn: bool) -> list[float]:
    """Return weights in proportion to the root of what the blocks are believed to gain over chance."""
    parts = dict(zip(blocks, parts_within(blocks), strict=True))
    scores, errors = dict.fromkeys(by_modality(blocks), 0.0), dict.fromkeys(by_modality(blocks), 0.0)
    for name, block in blocks.items():
        metric = block.task.primary_metric
        if not _scored(block):
            raise InputError(
                f"evidence weights need a validation score of every block; {name!r} has none",
                expected=f"{metric} in its card",
                got=block.card.validation or "no scores",
                remedy="Fit the block with validation data, or pass weights='uniform' or numbers.",
            )
        modality = modality_of(name)
        scores[modality] += parts[name] * (as_number(block.card.validation[metric]) - block.task.chance)
        error = as_number(block.card.errors.get(metric))  # a saved card leaves out what is not finite
        if warn and not math.isfinite(error):
            text = f"The card of {name!r} tells no standard error of {metric}: its score is not believed."
            warnings.warn(text, LegoWarning, stacklevel=5)
        errors[modality] += parts[name] * error  # as if they erred alike: what is known of them is no less
    gains = {name: math.sqrt(believed_gain(score, errors[name])) for name, score in scores.items()}
    whole = sum(gains.values())
    if whole == 0:
        if warn:
            warnings.warn(
                "No block is better than chance on its validation part: uniform weights.",
                LegoWarning,
                stacklevel=5,
            )
        return _shared_out({}, blocks)
    return _shared_out({name: gain / whole for name, gain in gains.items()}, blocks)


def believed_gain(score: float, error: float, typical: float = TYPICAL, spread: float = SPREAD) -> float:
    """Return what is to be believed of a gain over chance that was measured with an error.

    It is drawn towards what modalities gain typically, and what is not known of it counts as well:
    ``√(max(θ̂, 0)² + v)`` with ``θ̂`` and ``v`` the mean and variance of ``θ ~ N(μ, τ²)`` given ``x ~ N(θ, s²)``. With
    few validation patients all blocks count nearly alike, with many as they measure. No block's gain hangs on that of
    another, so that a merge without a block weighs the others as the whole one does where its modality is missing.

    Parameters
    ----------
    score
        ``x``, less the score of chance.
    error
        ``s``, its standard error; not finite, or vast: not measured.
    typical, spread
        ``μ`` and ``τ``: what is thought of the gain before it is measured.

    Examples
    --------
    >>> [round(believed_gain(x, 0.0), 3) for x in (0.3, 0.1, -0.1)]
    [0.3, 0.1, 0.0]
    >>> [round(believed_gain(x, 0.1), 3) for x in (0.3, 0.1)]
    [0.165, 0.149]
    """
    if not abs(error) < VAST:
        return math.hypot(typical, spread)
    total = spread**2 + error**2
    mean = (spread**2 * score + error**2 * typical) / total
    return math.hypot(max(mean, 0.0), spread * error / math.sqrt(total))


def present_weights(weights: Tensor, present: Tensor) -> Tensor:
    """Return weights ``(m, b)`` renormalised over what is present, 0 elsewhere.

    A sample whose present modalities all have weight 0 weighs them alike.

    Parameters
    ----------
    weights
        Shape ``(m,)``.
    present
        Boolean, shape ``(m, b)``, at least one True a column.

    Examples
    --------
    >>> here = torch.tensor([[True, True], [True, False]])
    >>> present_weights(torch.tensor([0.25, 0.75]), here)
    tensor([[0.2500, 1.0000],
            [0.7500, 0.0000]])
    """
    kept = weights[:, None] * present  # (m, b)
    kept = torch.where(kept.sum(0) > 0, kept, present.to(kept.dtype))
    return kept / kept.sum(0)


def summed(shares: Tensor, spreads: Tensor) -> Tensor:
    """Return the λ ``(b,)`` that makes of a weighted mean of calibrated evidence what it is worth together.

    ``M / √M'`` for ``M = 1 / Σ w²`` modalities present, of which ``M' = (Σ b)² / Σ b²`` say something: the sum, where
    one has all there is to say; √M times the mean, where all say as much, since they partly say the same.

    Parameters
    ----------
    shares
        Weights of what is present, ``(m, b)``, 0 elsewhere.
    spreads
        ``b``, how far the evidence of each spreads over patients, ``(m,)``.

    Examples
    --------
    >>> shares = torch.full((4, 1), 0.25)
    >>> [float(summed(shares, torch.tensor(b))) for b in ([1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.5, 0.5])]
    [4.0, 2.0]
    """
    said = shares * spreads.to(shares)[:, None]  # (m, b)
    total, power = said.sum(0), said.square().sum(0)
    rooted = torch.where(power > 0, power.clamp_min(1e-24).sqrt() / total.clamp_min(1e-12), 1.0)
    made: Tensor = rooted / shares.square().sum(0)
    return made
