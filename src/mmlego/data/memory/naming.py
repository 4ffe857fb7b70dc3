"""Who is in two data: by id, or by row number where both are parts of one data."""

from __future__ import annotations

from mmlego.data.memory.patients import PatientData


def shared_patients(first: PatientData, second: PatientData) -> list[str] | None:
    """Return the ids of the patients who are in both data, or None if nobody can tell.

    Without ids there are only row numbers, which tell patients apart within one data and what was made of it.

    Parameters
    ----------
    first, second
        Any two data, or parts of one.

    Examples
    --------
    >>> import torch
    >>> data = PatientData({"rna": torch.ones(3, 2)})
    >>> shared_patients(data.subset([0, 1]), data.subset([1, 2]))
    ['1']
    >>> shared_patients(data, PatientData({"rna": torch.ones(3, 2)})) is None
    True
    """
    if first.numbering is not second.numbering:
        return None
    return sorted(set(first.patients) & set(second.patients))
