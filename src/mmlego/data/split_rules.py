"""What a manifest says of splits: which patients, or molecules, must stay on one side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from mmlego.data.graphs import COLUMN as GRAPH
from mmlego.data.joins import by_patient, one_row_each
from mmlego.data.molecules import scaffold_groups
from mmlego.data.sequences import SequenceSource
from mmlego.data.source import Folder
from mmlego.data.wording import counted, label, listed, meant, shortened
from mmlego.errors import InputError

if TYPE_CHECKING:
    from mmlego.data.cohort import Cohort


class SplitRule(BaseModel):
    """The section ``split`` of a manifest.

    Parameters
    ----------
    by
        ``group``: patients of one value stay together, as of one family or site; ``scaffold``: molecules of one
        Bemis–Murcko scaffold do.
    file
        A table with the key of the manifest.
    column
        Its column of groups, or of SMILES; may be the key itself.

    Examples
    --------
    >>> SplitRule(by="scaffold", file="drugs.csv", column="smiles").by
    'scaffold'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Literal["group", "scaffold"]
    file: str
    column: str


@dataclass(frozen=True)
class PatientGroups:
    """Which patients must stay on one side of a split.

    Parameters
    ----------
    by
        What they have in common: ``group`` or ``scaffold``.
    of
        The group of each patient.

    Examples
    --------
    >>> PatientGroups("group", {"a": "x", "b": "x", "c": "y"}).describe(["a", "b", "c"])
    'by group: 2 groups, the largest of 2 patients (x)'
    """

    by: str
    of: Mapping[str, str]

    def list(self, patients: Sequence[str]) -> list[str]:
        """Return the group of each of some patients, in order.

        Parameters
        ----------
        patients
            Patients of the cohort.
        """
        return [self.of[patient] for patient in patients]

    def describe(self, patients: Sequence[str]) -> str:
        """Return how many groups there are as one line.

        Parameters
        ----------
        patients
            Patients of the cohort.
        """
        found = Counter(self.list(patients))
        name, size = found.most_common(1)[0]
        largest = f"the largest of {counted(size, 'patient')} ({shortened(name)})"
        return f"by {self.by}: {counted(len(found), 'group')}, {largest}"


def read_groups(rule: SplitRule, folder: Folder, patients: Sequence[str]) -> PatientGroups:
    """Return the groups that a manifest declares.

    Parameters
    ----------
    rule
        Its section.
    folder
        Where its files lie.
    patients
        The patients of the cohort.

    Raises
    ------
    InputError
        If the column is not there, rows of a patient differ, or a patient has no group.
    MissingExtraError
        If scaffolds are asked for and RDKit is not installed.
    """
    frame = folder.table(rule.file)
    if rule.column == folder.key:
        rows, _ = by_patient(frame.set_index(folder.key, drop=False), None, "split")
    else:
        rows, _ = by_patient(frame, folder.key, "split")
    rows = rows.set_axis([str(column) for column in rows.columns], axis=1)
    if rule.column not in rows.columns:
        raise InputError(f"split: no column {rule.column!r}", remedy=meant(rule.column, list(rows.columns)))
    rows, _ = one_row_each(rows[[rule.column]].dropna(), "error", "split")
    known = {str(patient): label(value) for patient, value in rows[rule.column].items()}
    lacking = [patient for patient in patients if not known.get(patient)]
    if lacking:
        raise InputError(
            f"split: {counted(len(lacking), 'patient')} without a value of {rule.column!r} ({listed(lacking)})",
            expected="one for each patient of the cohort",
        )
    values = [known[patient] for patient in patients]
    groups = scaffold_groups(values) if rule.by == "scaffold" else values
    return PatientGroups(rule.by, dict(zip(patients, groups, strict=True)))


def scaffolds_of(cohort: Cohort) -> PatientGroups:
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
        if source.kind == "fingerprint" or (isinstance(source, SequenceSource) and source.alphabet == "smiles"):
            known = {str(patient): str(text) for patient, text in frame.iloc[:, 0].items()} | known
        elif source.kind == "graph":
            found = {str(patient): graph.molecule for patient, graph in frame[GRAPH].items()}
            known = {patient: text for patient, text in found.items() if text is not None} | known
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


def declared_groups(cohort: Cohort) -> list[str] | None:
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
