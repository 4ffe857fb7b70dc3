"""What moved the prediction within a modality that several sites have blocks of: each column counts once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from mmlego.data import Cohort
from mmlego.errors import InputError
from mmlego.explaining.features import FeatureValues, feature_values, patients_of
from mmlego.explaining.listing import Listing
from mmlego.sites import by_modality
from mmlego.training.evaluate import Data, Model

if TYPE_CHECKING:
    import pandas as pd

_SHARE, _VALUE, _BESIDE = "attribution", "value", "beside_others"


def modality_features(
    model: Model,
    data: Data | Cohort,
    modality: str,
    *,
    patients: Sequence[str] | None = None,
    output: str | None = None,
    top: int | None = None,
) -> FeatureValues:
    """Return what moved the prediction for each patient within one modality, summed over the blocks that read it.

    Of a modality with one block, and of a block by its name, it is what :func:`feature_values` returns. Else a column
    has the sum of what it moves by way of each block, the others being as they are, and ``sums`` tells the sums:
    ``attributions``, ``error`` and by how much ``base`` is below ``prediction`` are those of the blocks together. Where
    blocks add up on the scale of the explanation, as logits of merges with a common read-out do, ``base`` is the
    explained number with the whole modality at its base; elsewhere, as of survival, what blocks move only together is
    in no column.

    Parameters
    ----------
    model, data, patients, output, top
        As :func:`feature_values` takes them.
    modality
        Which, as ``clinical``; or one of its blocks, as ``clinical@a``.

    Raises
    ------
    UnknownNameError, InputError
        As there.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock, LegoMerge
    >>> from mmlego.data import PatientData
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Regression
    >>> plate = Baseplate(Regression(), channels=4, width=8)
    >>> merge = LegoMerge([LegoBlock(SNN(2), plate, "labs@a"), LegoBlock(SNN(2), plate, "labs@b")])
    >>> x = torch.randn(6, 2)
    >>> data = PatientData({"labs@a": x, "labs@b": x}, None, plate.task)
    >>> modality_features(merge, data, "labs", patients=["3"]).per_feature["feature"].tolist()
    ['column 0', 'column 1']
    """
    blocks = () if modality in model.modalities else by_modality(model.modalities).get(modality, ())
    if len(blocks) < 2:
        name = blocks[0] if blocks else modality
        return feature_values(model, data, name, patients=patients, output=output, top=top)
    everyone = patients_of(model, data)
    wanted = list(everyone.patients) if patients is None else list(patients)
    place = {patient: row for row, patient in enumerate(everyone.patients)}
    found = []
    for name in blocks:
        here = everyone.present[name] if name in everyone.modalities else torch.zeros(len(everyone.patients)).bool()
        having = [patient for patient in wanted if patient in place and here[place[patient]]]
        if having:
            found.append(feature_values(model, data, name, patients=having, output=output))
    if not found:
        raise InputError(f"nobody has {modality}", expected="patients who have it", got="none")
    return _summed(found, [patient for patient in wanted if any(patient in one.sums.index for one in found)], top)


def _summed(found: Sequence[FeatureValues], patients: Sequence[str], top: int | None) -> FeatureValues:
    """Return what several blocks of one modality moved, together."""
    import pandas as pd

    table = pd.concat([one.per_feature.drop(columns=_BESIDE, errors="ignore") for one in found], ignore_index=True)
    keys = [name for name in table.columns if name not in (_SHARE, _VALUE)]
    grouped = table.groupby(keys, sort=False, dropna=False)
    lines = grouped.agg({_VALUE: "first", _SHARE: "sum"}).reset_index()[list(table.columns)]
    listing, by_patient = Listing(top), dict(iter(lines.groupby("patient", sort=False)))
    for patient in patients:
        rows = by_patient[patient].drop(columns="patient").to_dict("records")
        told = [{str(name): cell for name, cell in row.items()} for row in rows]
        listing.add(patient, [{name: cell for name, cell in row.items() if not _absent(name, cell)} for row in told])
    maps: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    molecules: dict[str, tuple[str, np.ndarray]] = {}
    for one in found:
        for patient, (image, shares) in one.maps.items():
            same = patient in maps and maps[patient][1].shape == shares.shape  # sites may read pictures of other sizes
            maps[patient] = (image, maps[patient][1] + shares) if same else maps.get(patient, (image, shares))
        for patient, (molecule, atoms) in one.molecules.items():
            molecules[patient] = (molecule, molecules[patient][1] + atoms if patient in molecules else atoms)
    sets = [one.sets for one in found if one.sets is not None]
    by_set = pd.concat(sets).groupby(["patient", "feature"], sort=False)[_SHARE].sum().reset_index() if sets else None
    most = listing.most if listing.cut else 0
    sums = _sums([one.sums.reindex(list(patients)) for one in found])
    return FeatureValues(listing.table(), sums, by_set, maps, molecules, listing.patches, listing.sizes(), most)


def _sums(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the sums of blocks together; a patient who lacks one of them has rows of NaN there."""
    made = parts[0].copy()
    for part in parts[1:]:
        made["prediction"] = made["prediction"].fillna(part["prediction"])
    moved = sum((part["prediction"] - part["base"]).fillna(0.0) for part in parts)
    made["base"] = made["prediction"] - moved
    for name in ("attributions", "error"):
        made[name] = sum(part[name].fillna(0.0) for part in parts)
    made["exact"] = [all(part.loc[patient, "exact"] is not False for part in parts) for patient in made.index]
    return made


def _absent(name: str, cell: object) -> bool:
    return name != _VALUE and (cell is None or (isinstance(cell, float) and np.isnan(cell)))
