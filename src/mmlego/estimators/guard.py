"""Whom a model was trained on: by id, and by features, which tell a patient under another id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mmlego.data import Cohort
from mmlego.errors import InputError
from mmlego.estimators.inputs import Rows
from mmlego.wording import counted, listed


@dataclass(frozen=True)
class Seen:
    """The patients of the training part.

    Parameters
    ----------
    patients
        Their ids; None: rows that nobody named.
    marks
        By modality what tells their features from others'.
    """

    patients: frozenset[str] | None
    marks: dict[str, frozenset[bytes]]

    @classmethod
    def of(cls, cohort: Cohort, *, named: bool) -> Self:
        """Return it of a cohort.

        Parameters
        ----------
        cohort
            The training patients.
        named
            Whether their ids were given.
        """
        marks = {
            name: frozenset(mark for mark in cohort.sources[name].fingerprints(frame) if mark is not None)
            for name, frame in cohort.frames.items()
        }
        return cls(frozenset(cohort.patients) if named else None, marks)

    def refuse(self, rows: Rows) -> None:
        """Refuse patients who are among them.

        Parameters
        ----------
        rows
            Patients whom a model is to be judged on, with their ids.

        Raises
        ------
        InputError
            If one is, by id or by features; or if ids were not given in training.
        """
        if self.patients is None:
            raise InputError(
                "patients are given to score, and were not to fit",
                expected="ids in both",
                remedy="Pass fit(X, y, patients=ids), within cross-validation by set_fit_request(patients=True).",
            )
        both = [one for one in dict.fromkeys(rows.ids) if one in self.patients]
        if both:
            raise InputError(
                f"leakage: {counted(len(both), 'patient')} in both train and test ({listed(both)})",
                remedy="Split by patient: GroupKFold or SurvivalStratifiedKFold with groups=patients.",
            )
        for name, frame in rows.cohort.frames.items():
            marks = self.marks.get(name, frozenset())
            found = rows.cohort.sources[name].fingerprints(frame)
            same = [str(who) for who, mark in zip(frame.index, found, strict=True) if mark in marks]
            if same:
                raise InputError(
                    f"leakage: {name} has the features of training patients under other ids ({listed(same)})",
                    remedy="If they are one patient, drop all but one, or give both the same id.",
                )
