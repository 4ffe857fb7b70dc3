"""Patients of a cohort as a model takes them: by the preprocessing that its blocks carry."""

from __future__ import annotations

from collections.abc import Sequence

from mmlego.data import Cohort, PatientData, Prepared
from mmlego.errors import InputError
from mmlego.sites import by_modality
from mmlego.training.evaluate import Model, bricks_of


def data_of(model: Model, cohort: Cohort, patients: Sequence[str] | None = None) -> PatientData:
    """Return those patients who have a modality of a model, as it takes them, by the preprocessing of its blocks.

    Parameters
    ----------
    model
        A LegoBlock, LegoMerge or LegoFuse that was trained by ``mmlego.train``, or whose blocks carry preprocessing.
    cohort
        The patients' cohort, which may lack modalities of the model, or the outcome.
    patients
        Patient ids, in the order wanted; None for the whole cohort.

    Returns
    -------
    PatientData
        The ``m ≤ n`` of them who have at least one modality of the model; ``.patients`` says who they are.

    Raises
    ------
    InputError
        If a block carries no preprocessing, or no patient has any of the modalities.
    UnknownNameError
        If a patient is not in the cohort.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Regression
    >>> labs = pd.DataFrame({"crp": [1.0, 2.0, 6.0]}, index=["a", "b", "c"])
    >>> cohort = Cohort.from_frames({"labs": labs})
    >>> block = LegoBlock(SNN(1), Baseplate(Regression(), channels=4, width=8), "labs")
    >>> block.preprocessing = cohort.prepare(["a", "b"]).preprocessing["labs"]
    >>> data_of(block, cohort, ["c", "a"])
    PatientData(2 rows of 2 patients; labs 2; no target)
    """
    blocks = bricks_of(model)
    bare = [block.modality for block in blocks if block.preprocessing is None]
    if bare:
        raise InputError(
            f"the block of {bare[0]!r} carries no preprocessing",
            expected="a block trained by mmlego train",
            got="none",
            remedy="Set block.preprocessing before saving it.",
        )
    chosen = cohort.patients if patients is None else patients
    if not having(cohort, model.modalities, chosen):
        raise InputError(
            f"none of {len(chosen)} patients has a modality of the model",
            expected=f"one of {', '.join(by_modality(model.modalities))}",
            got=f"{', '.join(cohort.modalities)} in {cohort.name}",
        )
    prepared = Prepared(cohort, {block.modality: block.preprocessing for block in blocks}, model.task)
    return prepared.data(chosen).with_any()


def having(cohort: Cohort, modalities: Sequence[str], patients: Sequence[str]) -> list[str]:
    """Return those patients who have at least one of what some blocks read; the cohort need not know all of it."""
    frames = [cohort.frames[name].index for name in by_modality(modalities) if name in cohort.frames]
    have = set().union(*(set(index) for index in frames))
    return [patient for patient in patients if patient in have]


def having_all(cohort: Cohort, modalities: Sequence[str], patients: Sequence[str]) -> list[str]:
    """Return those patients who have all that some blocks read, of modalities of the cohort: the pairs."""
    have = set(cohort.patients).intersection(*(cohort.frames[name].index for name in by_modality(modalities)))
    return [patient for patient in patients if patient in have]
