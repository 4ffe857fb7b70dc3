"""What moved the prediction for each patient, feature by feature of one modality, as tables."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from mmlego.data import (
    Cohort,
    FingerprintPreprocessor,
    GraphPreprocessor,
    OmicsPreprocessor,
    PatientData,
    SeriesPreprocessor,
)
from mmlego.errors import InputError, UnknownNameError
from mmlego.explaining.asking import Question
from mmlego.explaining.listing import Listing
from mmlego.explaining.molecules import atom_shares
from mmlego.explaining.naming import lines_of
from mmlego.explaining.outputs import explained
from mmlego.explaining.reference import Reference
from mmlego.explaining.spreading import Cells
from mmlego.explaining.subsets import prior_of
from mmlego.explaining.within import found_within
from mmlego.job.data import data_of
from mmlego.nn.modes import modes_kept
from mmlego.nn.ragged import Ragged
from mmlego.sites import modality_of
from mmlego.training.evaluate import Data, Model, bricks_of, data_for
from mmlego.wording import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


@dataclass(frozen=True, eq=False)
class FeatureValues:
    """What moved the prediction within one modality.

    Attributes
    ----------
    per_feature
        A line a patient and feature: ``patient``, ``feature``, ``value``, ``attribution``; of columns
        ``beside_others``, where there are 10 patients: by how much the prediction moves with the column beside each of
        up to 30 others, on average, whichever way; of patches ``slide``, ``x``, ``y``, of series ``hour``. Where only
        the ``top`` of a patient are listed, a last line has the sum of all others.
    sums
        A row a patient: ``base``, the explained number with the modality at its base and all else as it is;
        ``prediction``; ``attributions``, their sum; ``error``, what they lack of the difference; ``exact``, False where
        shares of a model that can only be asked are estimates.
    sets
        Where the modality has gene sets, the sum over the genes of each: ``patient``, ``feature``, ``attribution``.
    maps
        By patient an image as the model sees it and the shares of its pixels, ``(h, w)`` or ``(d, h, w)`` each.
    molecules
        By patient a SMILES and the shares of its atoms, in its order; of fingerprints those of their bits.
    patches
        By patient all patches with their places, where but some are listed.
    sizes
        What :meth:`summary` tells; None: it is of what is listed.
    most
        How many features the patient has who has most; 0: all are listed.
    """

    per_feature: pd.DataFrame
    sums: pd.DataFrame
    sets: pd.DataFrame | None = None
    maps: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    molecules: dict[str, tuple[str, np.ndarray]] = field(default_factory=dict)
    patches: dict[str, pd.DataFrame] = field(default_factory=dict)
    sizes: pd.DataFrame | None = None
    most: int = 0

    def summary(self) -> pd.DataFrame:
        """Return the mean size of the attribution of each feature over the patients, largest first; and its mean.

        The features of a series are its variables, of which a patient's cells are summed. All features count, also
        those that are not listed.
        """
        if self.sizes is not None:
            return self.sizes
        each = self.per_feature.groupby(["feature", "patient"], sort=False)["attribution"].sum().reset_index()
        count = len(self.sums)
        by_name = each.groupby("feature", sort=False)["attribution"]
        made = by_name.agg(lambda part: part.abs().sum() / count).to_frame("mean_size")
        made["mean"] = by_name.sum() / count
        made["patients"] = by_name.size()
        return made.sort_values("mean_size", ascending=False, kind="stable")


def feature_values(
    model: Model,
    data: Data | Cohort,
    modality: str,
    *,
    patients: Sequence[str] | None = None,
    output: str | None = None,
    top: int | None = None,
) -> FeatureValues:
    r"""Return what moved the prediction for each patient within one modality, all other modalities being as they are.

    Beside what is explained: standardised numbers at 0, the mean of training, and categories at none; patches at the
    mean patch of ``data``, statistics of tokens at their mean; what was not measured stays so. Linear models get
    ``w (x − base)``, trees exact Shapley values against that one base, neural blocks integrated gradients on their
    inputs (of texts and sequences, on the embeddings; of bags, on what attention pools from the patches), never on what
    is complex inside. The scale is that of :func:`mmlego.explaining.modality_values`. How much the sum lacks is told.

    Parameters
    ----------
    model
        A LegoBlock, LegoMerge or LegoFuse.
    data
        All patients beside whom some are explained: a Cohort, or as :func:`mmlego.predict` takes them. With a Cohort,
        values are as in its files.
    modality
        Which; of one that several sites have blocks of that of one site, as ``clinical@a``.
    patients
        Whom to explain, by id; None: all who have the modality.
    output
        As :func:`mmlego.explaining.modality_values` takes it.
    top
        How many features of each patient to list, those of the largest attributions; None: all.

    Raises
    ------
    UnknownNameError
        If the modality or the output is unknown.
    InputError
        If nobody has the modality, a base needs more patients, or ``top`` is no number of them.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Regression
    >>> block = LegoBlock(SNN(2), Baseplate(Regression(), channels=4, width=8), "labs")
    >>> values = feature_values(block, (torch.randn(6, 2), None), "labs", patients=["3"])
    >>> values.per_feature["feature"].tolist(), bool(values.sums["error"].abs().max() < 0.1)
    (['column 0', 'column 1'], True)
    """
    import pandas as pd

    if modality not in model.modalities:
        raise UnknownNameError("unknown modality", expected=f"one of {', '.join(model.modalities)}", got=repr(modality))
    if top is not None and (isinstance(top, bool) or not isinstance(top, int) or top < 1):
        raise InputError("how many features are listed", expected="top=None, or an int ≥ 1", got=repr(top))
    model = _on_cpu(model)
    everyone, frame = patients_of(model, data), _frame(data, modality)
    if modality not in everyone.modalities or not bool(everyone.present[modality].any()):
        raise InputError(f"nobody has {modality}", expected="patients who have it", got="none")
    rows = _rows(everyone, modality, patients)
    brick = next(brick for brick in bricks_of(model) if brick.modality == modality)
    fitted = brick.preprocessing
    reference, base = Reference(everyone, modality), prior_of(model)
    listing, sets = Listing(top), []
    sums: dict[str, tuple[float, float, float, float, bool]] = {}
    maps: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    molecules: dict[str, tuple[str, np.ndarray]] = {}
    with modes_kept(model), torch.backends.cudnn.flags(enabled=False):
        model.eval()
        for row in rows:
            patient = everyone.patients[row]
            batch = everyone.subset([row]).with_any().batch()
            batch.inputs = {name: value for name, value in batch.inputs.items() if value is not None}
            batch.present = {name: batch.present[name] for name in batch.inputs}
            question = Question(model, batch, modality)
            with torch.no_grad():
                logits = question.logits()
            chosen = explained(model.task, logits, base, output)
            found = found_within(question, chosen, reference, timed=isinstance(fitted, SeriesPreprocessor))
            x = question.x.values if isinstance(question.x, Ragged) else question.x[0]
            raw = None if frame is None else frame.loc[patient].to_dict()
            listing.add(patient, lines_of(fitted, x, found.cells, raw))
            sets += _sets(fitted, patient, found.cells)
            total = float(found.cells.values.sum()) + sum(found.cells.rest.values())
            sums[patient] = (found.start, found.end, total, found.error, found.exact)
            if found.cells.values.ndim > 2:
                maps[patient] = (x.double().mean(0).numpy(), found.cells.values.sum(0).numpy())
            molecule = _molecule(fitted, raw, found.cells)
            if molecule is not None:
                molecules[patient] = molecule
    columns = ["base", "prediction", "attributions", "error", "exact"]
    told = pd.DataFrame.from_dict(sums, orient="index", columns=columns)
    told.index.name = "patient"
    by_set = pd.DataFrame(sets, columns=["patient", "feature", "attribution"]) if sets else None
    table, most = listing.table(), listing.most if listing.cut else 0
    return FeatureValues(table, told, by_set, maps, molecules, listing.patches, listing.sizes(), most)


def _frame(data: Data | Cohort, modality: str) -> pd.DataFrame | None:
    return data.frames.get(modality_of(modality)) if isinstance(data, Cohort) else None


def patients_of(model: Model, data: Data | Cohort) -> PatientData:
    """Return the patients of a cohort, or of other data, that a model can be asked about."""
    return data_for(model, data_of(model, data) if isinstance(data, Cohort) else data, with_target=False)


def _on_cpu(model: Model) -> Model:
    """Return a model on the CPU, where rows of fitted models and averages of patients are; else a copy."""
    device = next(part.device for part in (*model.parameters(), *model.buffers()))
    return model if device.type == "cpu" else copy.deepcopy(model).cpu()


def _rows(data: PatientData, modality: str, patients: Sequence[str] | None) -> list[int]:
    having = {data.patients[row]: row for row in data.present[modality].nonzero().squeeze(1).tolist()}
    if patients is None:
        return list(having.values())
    lacking = [patient for patient in patients if patient not in having]
    if lacking:
        raise InputError(
            f"patients who cannot be explained by {modality}",
            expected="patients who have it",
            got=listed(lacking),
            remedy="Leave them out of patients=.",
        )
    return [having[patient] for patient in patients]


def _molecule(fitted: Any, raw: Any, cells: Cells) -> tuple[str, np.ndarray] | None:
    """Return a molecule and the shares of its atoms, where the modality is molecules and the cohort at hand."""
    if raw is None:
        return None
    cell = next(iter(raw.values()))
    if isinstance(fitted, FingerprintPreprocessor):
        return str(cell), atom_shares(str(cell), fitted, cells.values[: fitted.bits].tolist())
    if isinstance(fitted, GraphPreprocessor) and getattr(cell, "molecule", None) is not None:
        return str(cell.molecule), cells.values.sum(1).numpy()
    return None


def _sets(fitted: Any, patient: str, cells: Cells) -> list[tuple[str, str, float]]:
    """Return a patient's sums over gene sets, where the kind has them."""
    if not isinstance(fitted, OmicsPreprocessor):
        return []
    return [(patient, name, float(cells.values[list(genes)].sum())) for name, genes in (fitted.sets or {}).items()]
