"""Blocks that may mean the opposite of what they say: doubts that are told whenever blocks become one model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmlego.brick import Brick
from mmlego.errors import LegoWarning
from mmlego.tasks.survival import Survival

FAR = 0.4  # how far apart two sites' shares of patients with the event are, where that is doubted


def doubt_blocks(blocks: Sequence[Brick]) -> None:
    """Warn of blocks worse than chance, of copies, and of sites that disagree about how many have the event.

    Parameters
    ----------
    blocks
        Of one baseplate.

    Warns
    -----
    LegoWarning
        Of each block whose own score on held-out patients is worse than chance beyond its error; of two sites' blocks
        that hold the same numbers, of which one is a copy that would count twice; and of two whose
        cards tell priors by which the event comes to so different shares of patients up to the last cut that one of
        them may count it the other way round.
    """
    for block in blocks:
        told = block.below_chance()
        if told is not None:
            doubt = f"{block.modality!r} is worse than chance on its own held-out patients ({told}; 95 % interval)"
            remedy = "Leave it out, or give it the weight 0."
            _warn(f"{doubt}: is its outcome coded the other way round, as event_when: says it? {remedy}")
    for first, second in _copies(blocks):
        doubt = f"{first!r} and {second!r} hold the same numbers: one is a copy, which counts twice beside other sites"
        _warn(f"{doubt}. Leave it out.")
    shares = {block.modality: share for block in blocks if (share := share_with_event(block)) is not None}
    if not shares:
        return
    least, most = min(shares, key=lambda name: shares[name]), max(shares, key=lambda name: shares[name])
    if shares[most] - shares[least] > FAR:
        of = f"{most!r} {shares[most]:.0%} of its patients have the event, by {least!r} {shares[least]:.0%}"
        doubt = f"By {of}, up to the last cut of the baseplate".replace("%", " %")
        _warn(f"{doubt}: is the event coded the other way round at one of them, as event_when: says it?")


def _copies(blocks: Sequence[Brick]) -> list[tuple[str, str]]:
    """Return the names of blocks of one modality that hold the same numbers, in pairs."""
    pairs = [(one, two) for i, one in enumerate(blocks) for two in blocks[i + 1 :] if one.reads == two.reads]
    return [(one.modality, two.modality) for one, two in pairs if _alike(one.state_dict(), two.state_dict())]


def _alike(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    if not one or one.keys() != two.keys():
        return False
    return all(value.shape == two[name].shape and torch.equal(value, two[name]) for name, value in one.items())


def share_with_event(block: Brick) -> float | None:
    """Return the share of training patients who have the event up to the last cut, as the card's prior tells it.

    Parameters
    ----------
    block
        Of one kind of event.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> block = LegoBlock(SNN(2), Baseplate(Survival([1, 2]), channels=4, width=8), "rna")
    >>> share_with_event(block) is None
    True
    >>> block.card.prior = [0.0, 0.0, 0.0]  # half have it in each bin, before the first cut and between both
    >>> share_with_event(block)
    0.75
    """
    prior = block.told_prior()
    if prior is None or not isinstance(block.task, Survival):
        return None
    return round(1 - float(block.task.predict(prior[None]).survival[0, len(block.task.cuts) - 1]), 4)


def _warn(text: str) -> None:
    warnings.warn(text, LegoWarning, stacklevel=5)
