"""Blocks under another name, as where two sites have trained one of the same modality."""

from __future__ import annotations

import copy
from typing import TypeVar

from mmlego.brick import Brick, check_place
from mmlego.bundle import Bundle
from mmlego.errors import InputError

B = TypeVar("B", bound=Brick)
WAS_CALLED = "was called"  # in recipes of cards


def rename(block: B, name: str) -> B:
    """Return a block under another name; its card says what it was called.

    Parameters
    ----------
    block
        A LegoBlock or a FittedBlock, trained or not. It stays as it is.
    name
        Of the modality that it shall read, as ``"labs"``; or of the modality and a site, as ``"labs@a"``: blocks that
        several sites have trained of one modality read it together, and count as one modality in a merge.

    Returns
    -------
    LegoBlock or FittedBlock
        A copy.

    Raises
    ------
    InputError
        If it is no block, or the name cannot be one.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock, LegoMerge
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Classification
    >>> plate = Baseplate(Classification(2), channels=8, width=16)
    >>> a, b = (LegoBlock(SNN(5), plate, "labs") for _ in range(2))
    >>> merge = LegoMerge([rename(a, "labs@a"), rename(b, "labs@b"), LegoBlock(SNN(3), plate, "rna")])
    >>> merge.by_modality, merge.weights.tolist()
    ({'labs': ('labs@a', 'labs@b'), 'rna': ('rna',)}, [0.25, 0.25, 0.5])
    """
    if not isinstance(block, Brick):
        raise InputError("only blocks have other names", expected="a LegoBlock", got=type(block).__name__)
    check_place(block.plate, name)
    made = copy.deepcopy(block)
    if name == block.modality:
        return made
    made.modality = name
    for _, member in made.each() if isinstance(made, Bundle) else ():
        member.modality = name
    made.card.recipe = {**made.card.recipe, WAS_CALLED: block.modality}
    return made
