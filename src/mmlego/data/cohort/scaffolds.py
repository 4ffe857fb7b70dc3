"""Which patients of a cohort must stay on one side of a split: as its manifest says, or by scaffold."""

from __future__ import annotations

from mmlego.data.cohort.table import CohortTable
from mmlego.data.kinds.molecules import scaffold_groups
from mmlego.data.splits.rules import PatientGroups
from mmlego.errors import InputError


def scaffolds_of(cohort: CohortTable) -> PatientGroups:
    """Return the scaffold of each patient's molecule, as the manifest says it or as a modality holds it.

    Parameters
    ----------
    cohort
        The cohort; of its modalities those of molecules and of SMILES sequences are looked through in order. Who has
        none is a group of one.

    Raises
    ------
    InputError
        If there are no molecules.
    MissingExtraError
        If RDKit is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego.data import Cohort
    >>> rna = Cohort.from_frames({"rna": pd.DataFrame({"x": [1.0, 2.0]}, index=["a", "b"])})
    >>> scaffolds_of(rna)
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: cohort has no molecules to split by scaffold: expected a modality of kind graph, ...
    """
    if cohort.groups is not None and cohort.groups.by == "scaffold":
        return cohort.groups
    known: dict[str, str] = {}
    for name, source in cohort.sources.items():
        frame = cohort.frames.get(name)
        if frame is None:
            continue
        known = source.molecules(frame) | known
    if not known:
        raise InputError(
            f"{cohort.name} has no molecules to split by scaffold",
            expected="a modality of kind graph, fingerprint or sequence (alphabet: smiles)",
            got=", ".join(f"{name}: {source.kind}" for name, source in cohort.sources.items()),
            remedy="Or declare split: {by: scaffold, file: ..., column: ...} in the manifest.",
        )
    having = [patient for patient in cohort.patients if patient in known]
    groups = dict(zip(having, scaffold_groups([known[patient] for patient in having]), strict=True))
    return PatientGroups("scaffold", {p: groups.get(p, f"without a molecule: {p}") for p in cohort.patients})


def declared_groups(cohort: CohortTable) -> list[str] | None:
    """Return the group of each patient of a cohort, as its manifest declares it; None if it does not.

    Parameters
    ----------
    cohort
        The cohort.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego.data import Cohort
    >>> declared_groups(Cohort.from_frames({"rna": pd.DataFrame({"x": [1.0, 2.0]}, index=["a", "b"])}))
    """
    return None if cohort.groups is None else cohort.groups.list(cohort.patients)
