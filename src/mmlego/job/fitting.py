"""Bricks of classical models on the patients of a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from mmlego.baseplate import Baseplate
from mmlego.crossfit import fit_block, maker_of
from mmlego.data import PatientData
from mmlego.errors import InputError
from mmlego.fitted import FittedBlock
from mmlego.learners.rows import Rows
from mmlego.nn.ragged import Ragged

_BATCH = 64


@dataclass(frozen=True)
class Told:
    """What learners of a modality are fitted to.

    Parameters
    ----------
    data
        Patients who have the modality, with their targets.
    x
        Their rows, ``(n, p)``.
    rows
        How the modality became rows.
    """

    data: PatientData
    x: Tensor
    rows: Rows

    @classmethod
    def of(cls, data: PatientData, modality: str, *, ordered: bool, gaps: bool, least: int) -> Self:
        """Return it of patients who have a modality.

        Parameters
        ----------
        data, modality
            They, and its name.
        ordered
            Whether the modality's tokens, where it has some, have an order.
        gaps
            Whether NaN in them means that a feature was not measured.
        least
            How many patients must have what is counted of codes or graphs.
        """
        return cls(data, *rows_of(data, modality, ordered=ordered, gaps=gaps, least=least))


def fit_learner(
    name: str,
    options: Mapping[str, Any],
    plate: Baseplate,
    modality: str,
    told: Told,
    *,
    seed: int,
    most: int | None = None,
) -> FittedBlock:
    """Return the brick of a learner, cross-fitted on some patients.

    Parameters
    ----------
    name, options
        Of the learner.
    plate, modality
        Of the brick.
    told
        What it is fitted to.
    seed
        Of folds and fits.
    most
        How many columns it may look at; None: all.
    """
    data = told.data
    if data.target is None:
        raise InputError("training needs an outcome", remedy="Add outcome: to the manifest.")
    make = maker_of(name, plate.task, options, most)
    patients = data.patients if data.numbering is None else None
    brick = fit_block(make, plate, modality, x=told.x, rows=told.rows, target=data.target, patients=patients, seed=seed)
    brick.card.recipe |= {"method": "fitted", "learner": name, **options, "seed": seed}
    return brick


def rows_of(data: PatientData, modality: str, *, ordered: bool, gaps: bool, least: int = 1) -> tuple[Tensor, Rows]:
    """Return a row a patient, ``(n, p)``, and how the modality became rows; bags are read a few at a time."""
    parts: list[tuple[Tensor | Ragged, Tensor | None]] = []
    made: list[Tensor] = []
    found: Rows | None = None
    for batch in data.only([modality]).loader(_BATCH):
        value: Any = batch.inputs[modality]
        x, mask = value if isinstance(value, tuple) else (value, None)
        if Rows.needs_all(x):
            parts.append((x, mask))
            continue
        found = Rows.of(x, ordered=ordered, gaps=gaps, least=least)
        made.append(found(x, mask))  # of what is pooled the row is kept, not the bag
    if found is None:
        found = Rows.of_parts(parts, ordered=ordered, gaps=gaps, least=least)
        made = [found(x, mask) for x, mask in parts]
    return torch.cat(made), found
