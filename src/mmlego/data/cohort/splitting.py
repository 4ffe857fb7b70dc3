"""Splits of a cohort: by patient or by group, stratified by outcome, checked for leakage before they are given out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from mmlego.data.cohort.leakage import check_sides, duplicates, merge_groups
from mmlego.data.cohort.scaffolds import declared_groups, scaffolds_of
from mmlego.data.splits.splits import Groups, Split, check_split, split_patients
from mmlego.errors import InputError, UnknownNameError
from mmlego.wording import label, listed

if TYPE_CHECKING:
    from mmlego.data.cohort.table import CohortTable

By: TypeAlias = Literal["patient", "scaffold"] | Mapping[str, object] | Sequence[object]
Duplicates: TypeAlias = Literal["error", "together", "allow"]


def split_cohort(
    cohort: CohortTable,
    by: By | None = None,
    stratify: Literal["outcome"] | Groups | None = "outcome",
    same: Duplicates = "error",
    folds: int | None = None,
    fractions: tuple[float, float, float] | None = None,
    repeats: int = 1,
    validation: float | None = None,
    seed: int = 0,
) -> list[Split]:
    """Split a cohort; see :meth:`Cohort.split`.

    Parameters
    ----------
    cohort
        The cohort.
    by, stratify
        As :meth:`Cohort.split` takes them.
    same
        Its ``duplicates``.
    folds, fractions, repeats, validation, seed
        As :meth:`Cohort.split` takes them.

    Raises
    ------
    InputError
        If arguments do not fit together, a patient has no group, or the split would leak.
    UnknownNameError
        If ``by``, ``stratify`` or ``same`` is not known.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego.data import Cohort
    >>> cohort = Cohort.from_frames({"rna": pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]}, index=list("abcd"))})
    >>> splits = split_cohort(cohort, by={"a": 1, "b": 1, "c": 2, "d": 3}, stratify=None, folds=2, validation=0)
    >>> sorted("".join(cohort.patients[row] for row in split.test) for split in splits)
    ['ab', 'cd']
    """
    if same not in ("error", "together", "allow"):
        raise UnknownNameError("unknown rule for duplicates", expected="error, together or allow", got=repr(same))
    groups = _groups(cohort, by)
    found = {} if same == "allow" else duplicates(cohort)
    if same == "together":
        sets = [patients for those in found.values() for patients in those]
        groups = merge_groups(cohort.patients, groups or list(cohort.patients), sets)
    if isinstance(stratify, str):
        if stratify != "outcome":
            raise UnknownNameError(
                "unknown strata", expected="'outcome', a group a patient, or None", got=repr(stratify)
            )
        stratify = cohort.strata()
    splits = split_patients(
        cohort.patients,
        stratify,
        groups=groups,
        folds=5 if folds is None and fractions is None else folds,
        fractions=fractions,
        repeats=repeats,
        validation=validation,
        seed=seed,
    )
    for split in splits:
        check_split(split, cohort.patients, groups)
        if same == "error":
            check_sides(cohort, split, found)
    return splits


def _groups(cohort: CohortTable, by: By | None) -> list[str] | None:
    if by is None:
        return declared_groups(cohort)
    if by == "scaffold":
        return scaffolds_of(cohort).list(cohort.patients)
    if isinstance(by, str):
        if by != "patient":
            raise UnknownNameError("unknown by", expected="'patient', 'scaffold', or the group of each", got=repr(by))
        return None
    if isinstance(by, Mapping):
        lacking = [patient for patient in cohort.patients if patient not in by]
        if lacking:
            raise InputError("patients without a group", expected="one for each patient", got=listed(lacking))
        by = [by[patient] for patient in cohort.patients]
    if len(by) != len(cohort):
        raise InputError("groups do not fit the patients", expected=f"{len(cohort)}, one a patient", got=len(by))
    return [label(group) for group in by]
