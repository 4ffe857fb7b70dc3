"""Rows of numbers, a table a modality: what fitted bricks see, for those who are fitted to and those who are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mmlego.data import Cohort, PatientData, Preprocessing
from mmlego.encoders import build_encoder
from mmlego.job.data import having
from mmlego.job.fitting import rows_of
from mmlego.learners.rows import Rows
from mmlego.tasks import Task
from mmlego.turns import in_turn

BATCH = 64


@dataclass(frozen=True)
class Tables:
    """Modalities as tables, of patients in some order; NaN throughout where a patient lacks the modality.

    Parameters
    ----------
    patients
        The ``n`` ids.
    rows
        By modality ``(n, p)``.
    """

    patients: tuple[str, ...]
    rows: dict[str, np.ndarray]

    def has(self, modality: str | None = None) -> np.ndarray:
        """Return who has a modality, or any: ``(n,)`` bool."""
        chosen = list(self.rows) if modality is None else [modality]
        found: np.ndarray = np.any([~np.isnan(self.rows[name]).all(axis=1) for name in chosen], axis=0)
        return found

    def beside(self) -> np.ndarray:
        """Return all modalities side by side, ``(n, sum of p)``."""
        return np.hstack(list(self.rows.values()))


def tables_of(
    cohort: Cohort, seen: Mapping[str, Sequence[str]], asked: Sequence[str], task: Task
) -> tuple[dict[str, Tables], Tables]:
    """Return the tables of those who are fitted to, by modality, and the table of those who are asked.

    Preprocessing, and whatever else is learnt of a modality, is learnt from those who are fitted to.

    Parameters
    ----------
    cohort
        The patients.
    seen
        By modality, who is fitted to; of these those count who have it.
    asked
        Whom to answer for.
    task
        What is to be predicted.

    Returns
    -------
    fitted : dict of str to Tables
        By modality, of its patients in ``seen``, whether they have it or not.
    asked : Tables
        All modalities of those asked.
    """
    fitted: dict[str, Tables] = {}
    answers: dict[str, np.ndarray] = {}
    for name, ids in seen.items():
        # rivals stay in the house: they need not do without what few patients have
        prepared = cohort.prepare(having(cohort, [name], ids), task=task, modalities=[name], min_patients=1)
        table = prepared.preprocessing[name]
        with in_turn():
            known, rows = _learnt(prepared.data(list(ids)), table, name)
            shown = _spread(prepared.data(list(asked)), rows, name)
        kept = distinct(known)
        fitted[name], answers[name] = Tables(tuple(ids), {name: known[:, kept]}), shown[:, kept]
    return fitted, Tables(tuple(asked), answers)


def distinct(x: np.ndarray) -> np.ndarray:
    """Return the columns that are not constant, of equal ones the first: the others cost time and say nothing.

    Examples
    --------
    >>> distinct(np.array([[1.0, 5.0, 1.0, 2.0], [2.0, 5.0, 2.0, 1.0]])).tolist()
    [0, 3]
    """
    first: dict[bytes, int] = {}
    for place, column in enumerate(np.ascontiguousarray(x.T)):
        known = column[~np.isnan(column)]
        if len(known) and (known != known[0]).any():
            first.setdefault(column.tobytes(), place)
    return np.array(list(first.values()) or [0])


def _learnt(data: PatientData, table: Preprocessing, name: str) -> tuple[np.ndarray, Rows]:
    encoder, given = table.encoder()
    ordered = table.ragged and bool(getattr(build_encoder(encoder, given), "ordered", False))
    here = data.present[name]
    x, rows = rows_of(data.subset(here), name, ordered=ordered, gaps=table.accepts_missing)
    return _placed(x, here), rows


def _spread(data: PatientData, rows: Rows, name: str) -> np.ndarray:
    here = data.present[name]
    if not bool(here.any()):
        return np.full((len(data), rows.columns), np.nan)
    parts = []
    for batch in data.subset(here).only([name]).loader(BATCH):
        value = batch.inputs[name]
        x, mask = value if isinstance(value, tuple) else (value, None)
        parts.append(rows(x, mask))
    return _placed(torch.cat(parts), here)


def _placed(x: torch.Tensor, here: torch.Tensor) -> np.ndarray:
    """Return rows of those who are here among rows of NaN."""
    whole = torch.full((len(here), x.shape[1]), torch.nan, dtype=torch.float64)
    whole[here] = x.double()
    return whole.numpy()
