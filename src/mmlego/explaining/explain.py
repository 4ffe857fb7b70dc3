"""Everything about a model's predictions at once: modalities, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmlego.data import Cohort
from mmlego.errors import InputError, UnknownNameError
from mmlego.explaining.features import FeatureValues, patients_of
from mmlego.explaining.modalities import ModalityValues, modality_values
from mmlego.explaining.together import modality_features
from mmlego.sites import by_modality
from mmlego.training.evaluate import Data, Model
from mmlego.wording import listed

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, eq=False)
class Explanation:
    """What moved the predictions of a model.

    Attributes
    ----------
    modalities
        Of each patient, by modality.
    features
        By modality, what moved them within it, by way of all blocks that read it; by block, where that was asked.
    """

    modalities: ModalityValues
    features: dict[str, FeatureValues]


def explain(
    model: Model,
    data: Data | Cohort,
    *,
    patients: Sequence[str] | None = None,
    modalities: Sequence[str] | None = None,
    output: str | None = None,
    top: int | None = None,
) -> Explanation:
    """Return what moved a model's predictions: by modality, and within each.

    Parameters
    ----------
    model
        A LegoBlock, LegoMerge or LegoFuse.
    data
        A Cohort, or patients as :func:`mmlego.predict` takes them; beside their average some modalities are explained.
    patients
        Whom to explain, by id; None: all.
    modalities
        Within which to look, or the blocks of sites; None: all of the model that somebody has.
    output
        Which class, label or target; None: of two classes the second, of more the one that is predicted, of several
        labels or targets the one furthest from the base; of competing risks the likeliest cause.
    top
        How many features of each patient to list in each modality, those of the largest attributions; None: all.

    Returns
    -------
    Explanation
        ``.modalities.per_patient``, and ``.features[modality].per_feature``.

    Raises
    ------
    UnknownNameError
        If a modality or the output is unknown.
    InputError
        If a patient cannot be explained.

    See Also
    --------
    mmlego.explaining.modality_values, mmlego.explaining.feature_values : What values are, and how they are found.

    Examples
    --------
    >>> import torch
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Regression
    >>> block = LegoBlock(SNN(2), Baseplate(Regression(), channels=4, width=8), "labs")
    >>> found = explain(block, (torch.randn(6, 2), None), patients=["3"])
    >>> found.modalities.per_patient.shape, found.features["labs"].per_feature.shape
    ((1, 3), (2, 4))
    """
    everyone = patients_of(model, data)
    wanted = list(everyone.patients) if patients is None else list(patients)
    place = {patient: row for row, patient in enumerate(everyone.patients)}
    unknown = [patient for patient in wanted if patient not in place]
    if unknown:
        raise InputError(
            "patients who cannot be explained",
            expected="patients of the data who have a modality of the model",
            got=listed(unknown),
            remedy="Leave them out of patients=.",
        )
    if not wanted:
        raise InputError("nobody to explain", expected="at least one patient", got="none")
    there = [name for name in everyone.modalities if bool(everyone.present[name].any())]
    sites = by_modality(there)
    for name in modalities or ():
        if name not in there and name not in sites:
            known = dict.fromkeys([*sites, *there])
            raise UnknownNameError("unknown modality", expected=f"one of {', '.join(known)}", got=repr(name))
    asked = sites if modalities is None else modalities
    within = dict.fromkeys(sites[name][0] if len(sites.get(name, ())) == 1 else name for name in asked)
    chosen = everyone.subset([place[patient] for patient in wanted])
    of_modalities = modality_values(model, chosen, output=output)
    features = {}
    for name in within:
        blocks = [chosen.present[block] for block in sites.get(name, (name,))]
        having = [patient for patient, *here in zip(wanted, *blocks, strict=True) if any(here)]
        if having:
            features[name] = modality_features(model, data, name, patients=having, output=output, top=top)
    return Explanation(of_modalities, features)
