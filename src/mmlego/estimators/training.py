"""The main job in memory: blocks, what is merged of them, and what is fused."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from mmlego.bounds import within
from mmlego.brick import Brick
from mmlego.data import Cohort
from mmlego.data.cohort.splitting import Duplicates
from mmlego.errors import InputError, LegoWarning
from mmlego.fuse import LegoFuse
from mmlego.job import data_of, train, train_blocks
from mmlego.job.merging import merge_blocks
from mmlego.merge import LegoMerge
from mmlego.sections import Shares
from mmlego.settings import Settings
from mmlego.training.calibrate import calibrate
from mmlego.wording import counted


@dataclass(frozen=True)
class Made:
    """What was trained.

    Parameters
    ----------
    blocks
        By modality.
    merge
        The blocks as one model.
    fuse
        The same, tuned; None if nobody has all modalities, there is one modality, or it was not asked for.
    train, validation
        Ids of the two parts.
    """

    blocks: dict[str, Brick]
    merge: LegoMerge
    fuse: LegoFuse | None
    train: tuple[str, ...]
    validation: tuple[str, ...]

    @property
    def model(self) -> LegoMerge | LegoFuse:
        """The fused model, or the merged one."""
        return self.merge if self.fuse is None else self.fuse


def run_job(
    cohort: Cohort, settings: Settings, *, fuse: bool, calibrated: bool, validation: float, duplicates: Duplicates
) -> Made:
    """Train on all patients of a cohort as ``mmlego.train`` does, blocks on all who have their modality.

    Parameters
    ----------
    cohort
        Patients with an outcome.
    settings
        Of the job.
    fuse
        Whether to fuse.
    calibrated
        Whether the model is calibrated on the validation patients.
    validation
        The share of them.
    duplicates
        As ``Cohort.split`` takes it.

    Raises
    ------
    InputError
        If a model is to be calibrated and nobody validates.

    Warns
    -----
    LegoWarning
        If patients are too few to set one aside.
    """
    within(Shares, "validation", validation, "the share of validation patients")
    if 0 < validation * len(cohort) < 1:
        told = f"{counted(len(cohort), 'patient')} are too few for a share of {validation:g}: nobody validates."
        warnings.warn(told, LegoWarning, stacklevel=2)
        validation = 0.0
    if calibrated and validation == 0:
        raise InputError("calibrate needs patients who validate", expected="validation > 0", got=len(cohort))
    asked: dict[str, Any] = {"test": 0.0, "validation": validation, "disjoint": False, "duplicates": duplicates}
    if fuse and len(cohort.modalities) > 1:
        whole = train(cohort, settings, progress=False, **asked)
        found = Made(whole.blocks, whole.merge, whole.fuse, whole.train, whole.validation)
    else:
        made = train_blocks(cohort, settings, progress=False, **asked)
        merge = merge_blocks(cohort, list(made.blocks.values()), made.train, made.validation, made.settings)
        found = Made(made.blocks, merge, None, made.train, made.validation)
    if calibrated:
        calibrate(found.model, data_of(found.model, cohort, found.validation))
    return found
