"""The leakage guard: what must not be on both sides of a split, and what must not have seen the other side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mmlego.data.cohort.scaffolds import declared_groups
from mmlego.data.splits.splits import Split, check_split
from mmlego.errors import InputError
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    from mmlego.data.cohort.prepared import Prepared
    from mmlego.data.cohort.table import CohortTable


def duplicates(cohort: CohortTable) -> dict[str, list[tuple[str, ...]]]:
    """Return, for each modality, the sets of patients whose features are the same.

    They are most likely one patient under two ids, or one file that was copied. Rows that patients may well share by
    chance, as age and sex, do not count.

    Parameters
    ----------
    cohort
        The cohort.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from mmlego.data import Cohort
    >>> values = np.random.default_rng(0).normal(size=(30, 8))
    >>> values[7] = values[3]
    >>> rna = pd.DataFrame(values, index=[f"p{i}" for i in range(30)])
    >>> duplicates(Cohort.from_frames({"rna": rna}))
    {'rna': [('p3', 'p7')]}
    """
    found = {}
    for modality, frame in cohort.frames.items():
        first: dict[bytes, str] = {}
        same: dict[bytes, list[str]] = {}
        for patient, mark in zip(frame.index, cohort.sources[modality].fingerprints(frame), strict=True):
            if mark is not None and first.setdefault(mark, patient) is not patient:
                same.setdefault(mark, [first[mark]]).append(patient)
        order = {mark: place for place, mark in enumerate(first)} if same else {}
        found[modality] = [tuple(same[mark]) for mark in sorted(same, key=order.__getitem__)]
    return {modality: sets for modality, sets in found.items() if sets}


def check_leakage(cohort: CohortTable, split: Split, prepared: Prepared | None = None) -> None:
    """Refuse a split that leaks, and say which patients.

    Parameters
    ----------
    cohort
        The cohort that the split was made for.
    split
        Row numbers of ``cohort.patients``.
    prepared
        Fitted preprocessing, which may have seen none but training patients.

    Raises
    ------
    InputError
        If a patient, or a group that the manifest declares, is on two sides; if the same features stand on two sides
        under two ids; or if scalers, bins or vocabularies were fitted on patients outside the training part.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego.data import Cohort
    >>> cohort = Cohort.from_frames({"rna": pd.DataFrame({"TP53": [0.1, 0.9, 0.4]}, index=["a", "b", "c"])})
    >>> check_leakage(cohort, Split([0], [1], [2]), cohort.prepare(["a", "c"]))
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: leakage: preprocessing was fitted on 1 patient of the test part (c). Fit it ...
    """
    check_split(split, cohort.patients)
    check_sides(cohort, split, duplicates(cohort))
    if prepared is not None:
        _check_fitted(prepared.train, {name: set(rows) for name, rows in split.named(cohort.patients).items()})
        _check_bins(cohort, prepared)


def check_sides(cohort: CohortTable, split: Split, found: Mapping[str, Sequence[tuple[str, ...]]]) -> None:
    """Refuse a split with one group or the same features on two sides; its rows were looked at before.

    Parameters
    ----------
    cohort, split
        As :func:`check_leakage` takes them.
    found
        What :func:`duplicates` returned, which reads all features: for several splits it is found once.

    Raises
    ------
    InputError
        If it has.
    """
    _check_groups(cohort, split)
    sides = {name: set(patients) for name, patients in split.named(cohort.patients).items()} if found else {}
    for modality, sets in found.items():
        for names in sides.values():
            across = [same for same in sets if 0 < sum(patient in names for patient in same) < _used(same, sides)]
            if across:
                pairs = listed((" = ".join(same) for same in across), 3)
                raise InputError(
                    f"leakage: {modality} has the same features under several ids on two sides ({pairs})",
                    remedy="If they are one patient, drop all but one; else split with duplicates='together' "
                    "or duplicates='allow' (--duplicates).",
                )


def _check_groups(cohort: CohortTable, split: Split) -> None:
    if cohort.groups is None:
        return
    try:
        check_split(split, cohort.patients, declared_groups(cohort))
    except InputError as error:
        remedy = "Make it with cohort.split(), or take split: out of the manifest."
        raise InputError(f"{cohort.name} is to be split by {cohort.groups.by}: {error}", remedy=remedy) from error


def _used(patients: Sequence[str], sides: dict[str, set[str]]) -> int:
    return sum(patient in names for patient in patients for names in sides.values())


def _check_fitted(train: Sequence[str], sides: dict[str, set[str]]) -> None:
    for name in ("validation", "test"):
        seen = [patient for patient in train if patient in sides[name]]
        if seen:
            raise InputError(
                f"leakage: preprocessing was fitted on {counted(len(seen), 'patient')} of the {name} part "
                f"({listed(seen)})",
                remedy="Fit it on the training part alone: cohort.prepare(split.named(cohort.patients)['train']).",
            )


def _check_bins(cohort: CohortTable, prepared: Prepared) -> None:
    """Refuse time bins and scales of targets that more than the patients of the preprocessing have shaped."""
    if cohort.outcome is None or cohort.outcome_spec is None or prepared.task is None or not prepared.train:
        return
    own = cohort.outcome_spec.fit_task(cohort.outcome.loc[list(prepared.train)])
    differences = own.differences(prepared.task)
    whole = cohort.outcome_spec.fit_task(cohort.outcome)
    if differences and not whole.differences(prepared.task):
        raise InputError(
            f"leakage: the task was fitted on all patients of {cohort.name} ({'; '.join(differences)})",
            remedy="Fit it on the training part alone: cohort.prepare(train) does, where task= is left out.",
        )


def merge_groups(patients: Sequence[str], groups: Sequence[str], sets: Sequence[Sequence[str]]) -> list[str]:
    """Return groups of patients in which patients of one set are together too.

    Parameters
    ----------
    patients
        The patients.
    groups
        The group of each.
    sets
        Sets of patients who must be together.

    Examples
    --------
    >>> merge_groups(["a", "b", "c"], ["x", "x", "z"], [("b", "c")])
    ['x', 'x', 'x']
    """
    root: dict[str, str] = {}

    def find(group: str) -> str:
        while root.get(group, group) != group:
            group = root[group]
        return group

    of = dict(zip(patients, groups, strict=True))
    for same in sets:
        first, *rest = sorted({find(of[patient]) for patient in same})
        root |= dict.fromkeys(rest, first)
    return [find(group) for group in groups]
