"""How deep the greys of images are: the same picture of 16 bits is 257 times as bright as of 8."""

from __future__ import annotations

from collections.abc import Mapping

from mmlego.data.kinds.image.plan import ImagePlan
from mmlego.errors import InputError
from mmlego.wording import counted, listed


def one_depth(depths: Mapping[str, int], plan: ImagePlan, trained: int | None = None) -> int | None:
    """Return of how many bits the values of all images are, 0 where they have units of their own.

    With ``bits`` each image is scaled by its own; with ``percentiles`` its range does not matter.

    Parameters
    ----------
    depths
        How many bits the values of each patient's image have; 0 for units of their own.
    plan
        What is done to them.
    trained
        Of how many bits those of training were.

    Returns
    -------
    int or None
        None where it does not matter, or there is no image.

    Raises
    ------
    InputError
        If they differ, from one another or from those of training.

    Examples
    --------
    >>> one_depth({"a": 8, "b": 8}, ImagePlan(size=(8, 8)))
    8
    >>> one_depth({"a": 8, "b": 16}, ImagePlan(size=(8, 8), bits=16))
    16
    >>> one_depth({"a": 8, "b": 16}, ImagePlan(size=(8, 8)))
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: images whose values are of different bits: expected one range of values, got 8 bits (1
    patient: a); 16 bits (1 patient: b). Declare bits: 8 to scale each by its own, or percentiles: [1, 99]; to
    predict with what is trained, save them as its training had them.
    """
    if plan.percentiles is not None:
        return None
    owners: dict[int, list[str]] = {}
    for patient, bits in sorted(depths.items(), key=lambda item: item[1]):
        owners.setdefault(plan.bits or bits if bits else 0, []).append(patient)
    if not owners or (len(owners) == 1 and trained in (None, *owners)):
        return next(iter(owners), None)
    got = "; ".join(
        f"{_named(bits)} ({counted(len(who), 'patient')}: {listed(who, 3)})"
        for bits, who in owners.items()
        if bits != trained
    )
    if trained is None:
        what, expected = "images whose values are of different bits", "one range of values"
        remedy = (
            "Declare bits: 8 to scale each by its own, or percentiles: [1, 99]; to predict with what is trained, save "
            "them as its training had them."
        )
    else:
        what, expected = "images whose values are of other bits than those of training", _named(trained)
        remedy = "Save them as those of training, or train with bits: 8, which scales each by its own."
    if 0 in {*owners, trained}:  # Hounsfield units beside greys: no scale joins them
        remedy = "Make them modalities of their own, or declare percentiles: [1, 99] in training."
    raise InputError(what, expected=expected, got=got, remedy=remedy)


def _named(bits: int) -> str:
    return f"{bits} bits" if bits else "units of their own"
