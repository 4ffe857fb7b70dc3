"""What a manifest says of splits: which patients, or molecules, must stay on one side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.molecules import scaffold_groups
from mmlego.data.reading.ids import IdForm, with_ids
from mmlego.data.reading.joins import by_patient, one_row_each
from mmlego.data.reading.near_ids import near_miss
from mmlego.data.reading.remarks import Dropped
from mmlego.data.reading.spellings import doubts_of_names
from mmlego.errors import InputError
from mmlego.wording import counted, label, listed, shortened


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
    id
        The form of its patient ids, where it is not that of the other files.

    Examples
    --------
    >>> SplitRule(by="scaffold", file="drugs.csv", column="smiles").by
    'scaffold'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Literal["group", "scaffold"]
    file: str
    column: str
    id: IdForm | None = None


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
    here = folder.of(rule.id)
    frame = here.as_written().table(rule.file, text=[rule.column], only=[rule.column]).set_index(folder.key, drop=False)
    rows, _ = by_patient(with_ids(frame, None, here.form, "split"), None, "split")
    rows, _ = one_row_each(rows[[rule.column]].dropna(), "error", "split", ())
    known = {str(patient): label(value) for patient, value in rows[rule.column].items()}
    lacking = [patient for patient in patients if not known.get(patient)]
    if lacking:
        missed = near_miss("split", [patient for patient in known if patient not in set(patients)], "", lacking)
        raise InputError(
            f"split: {counted(len(lacking), 'patient')} without a value of {rule.column!r} ({listed(lacking)})",
            expected="one for each patient of the cohort",
            got=None if missed is None else missed.found(),
            remedy=None if missed is None else missed.remedy(),
        )
    values = [known[patient] for patient in patients]
    groups = scaffold_groups(values) if rule.by == "scaffold" else values
    return PatientGroups(rule.by, dict(zip(patients, groups, strict=True)))


def doubts_of_groups(groups: PatientGroups | None) -> list[Dropped]:
    """Return the doubt that one group is written in several ways: its patients may be on both sides of a split.

    Parameters
    ----------
    groups
        The groups; None: there are none.

    Examples
    --------
    >>> [str(doubt) for doubt in doubts_of_groups(PatientGroups("group", {"a": "Ulm", "b": "ulm"}))]
    ["split: 'Ulm' and 'ulm' differ in form alone, each a group of its own; mend the files if they are one"]
    """
    named = () if groups is None or groups.by != "group" else groups.of.values()  # case tells atoms apart
    return doubts_of_names(named, "split", "a group")
