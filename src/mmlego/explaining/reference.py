"""Beside what a patient is explained: the average of what the model knows, or of other patients."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmlego.data import PatientData
from mmlego.errors import InputError
from mmlego.explaining.asking import Question
from mmlego.learners.rows import Rows
from mmlego.nn.graphs import Graphs
from mmlego.nn.ragged import Ragged

MOST, FEWEST = 200, 10  # patients of whom averages are taken
OTHERS = 30  # beside each of whom a patient is put


@dataclass
class Reference:
    """Averages of the patients beside whom others are explained, made when they are first asked for.

    Parameters
    ----------
    data
        These patients.
    modality
        Whose averages.
    """

    data: PatientData
    modality: str
    _rows: dict[str, Tensor] = field(default_factory=dict)
    _token: Tensor | None = None
    _flat: Tensor | None = None

    def row(self, rows: Rows) -> Tensor:
        """Return the row beside which others stand, ``(p,)``: zeros where columns are standardised, else the mean."""
        if rows.form == "flat":
            return torch.zeros(rows.columns, dtype=torch.float64)
        mean: Tensor = self._all(rows).nanmean(0)
        return mean

    def others(self, rows: Rows, most: int = OTHERS) -> Tensor | None:
        """Return the rows of some of the patients, ``(r, p)``; None of flat ones where patients are few."""
        if rows.form == "flat" and not self.enough:
            return None
        found = self._all(rows)
        return found[_evenly(len(found), most)]

    @property
    def enough(self) -> bool:
        """Whether there are patients enough to say what is usual."""
        return int(self.data.present[self.modality].sum()) >= FEWEST

    def _all(self, rows: Rows) -> Tensor:
        key = repr(sorted(rows.config().items(), key=str))
        if key not in self._rows:
            self._rows[key] = torch.stack([rows(x, mask)[0] for x, mask in self._patients()])
        return self._rows[key]

    def token(self) -> Tensor:
        """Return the mean of the patients' mean tokens, ``(f,)``."""
        if self._token is None:
            means = []
            for x, mask in self._patients():
                tokens = x.values if isinstance(x, Ragged) else x[0] if mask is None else x[0][mask[0]]
                means.append(tokens.double().mean(0))
            self._token = torch.stack(means).mean(0)
        return self._token

    def flat(self, most: int = OTHERS) -> Tensor:
        """Return the features of those of :meth:`others`, where a patient has one row of them, ``(r, f)``."""
        if self._flat is None:
            self._flat = torch.cat([x for x, _ in self._patients() if isinstance(x, Tensor)])
        chosen: Tensor = self._flat[_evenly(len(self._flat), most)]
        return chosen

    def _patients(self) -> list[tuple[Tensor | Ragged, Tensor | None]]:
        """Return the features of patients who have the modality, 200 at most, in even steps."""
        rows = self.data.present[self.modality].nonzero().squeeze(1)
        if len(rows) < FEWEST:
            raise InputError(
                f"{self.modality} is explained beside the average of other patients, who are few",
                expected=f"at least {FEWEST} patients who have it",
                got=len(rows),
                remedy="Give all patients of the cohort as data, and choose with patients= whom to explain.",
            )
        chosen = rows[_evenly(len(rows), MOST)]
        mine = self.data.only([self.modality])
        found = []
        for row in chosen.tolist():
            value = mine.batch([row]).inputs[self.modality]
            x, mask = value if isinstance(value, tuple) else (value, None)
            if x is not None:
                found.append((x, mask))
        return found


def _evenly(count: int, most: int) -> Tensor:
    """Return so many numbers below a count, at most, in even steps."""
    chosen: Tensor = torch.linspace(0, count - 1, min(count, most)).round().long().unique()
    return chosen


def start_of(question: Question, reference: Reference, *, timed: bool) -> Tensor:
    """Return the features from which those of a patient are reached, like the values of these.

    Standardised numbers start from 0, the mean of training, and categories from none; what was not measured stays so,
    and so does the time of a step; patches start from the mean patch of the reference.

    Parameters
    ----------
    question
        About the patient.
    reference
        The other patients.
    timed
        Whether the first column of the tokens is their time.
    """
    x = question.x
    values = x.values if isinstance(x, Ragged) else x
    if isinstance(x, Graphs) or (not isinstance(x, Ragged) and x.ndim != 3):
        return torch.zeros_like(values)
    if question.accepts_missing or timed:
        start = torch.zeros_like(values)
        if timed:
            start[..., 0] = values[..., 0]
        return torch.where(values.isnan(), values, start)
    return reference.token().to(values).expand_as(values).clone()
