"""What an experiment is: folds, repeats, settings, and what is measured beside."""

from __future__ import annotations

from pydantic import Field

from mmlego.data.cohort.splitting import Duplicates
from mmlego.sections import Repeated
from mmlego.settings import Settings


class Experiment(Repeated):
    """How to measure.

    Parameters
    ----------
    folds, repeats
        Each patient is a test patient once a repeat.
    validation
        Share of the other patients that early stopping sees.
    disjoint
        Whether each block is trained on patients of its own.
    duplicates
        What to do about equal features under two ids, as ``Cohort.split`` takes it.
    rivals
        Whether to measure dull and end-to-end models on the same splits, too.
    paired
        Share of the training and validation patients on whom alone end-to-end models are trained besides, as if nobody
        else had all modalities; None: there are no such models.
    settings
        Of all parts.
    """

    disjoint: bool = True
    rivals: bool = False
    paired: float | None = Field(default=None, gt=0, lt=1)
    duplicates: Duplicates = "error"
    settings: Settings = Settings()
