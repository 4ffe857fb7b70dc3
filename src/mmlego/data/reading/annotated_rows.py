"""Which observations of an AnnData or MuData count: as ``where`` of the section says, and never two tissues as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from mmlego.data.reading.annotated import TYPES, Annotated
from mmlego.data.reading.annotated_parts import Part
from mmlego.data.reading.chosen_rows import Where, chosen_rows
from mmlego.data.reading.normal_tissue import check_tissues, tissue_columns
from mmlego.data.reading.remarks import Doubtful, Dropped
from mmlego.wording import label, listed


def rows_that_count(
    part: Part, data: Annotated, whole: Annotated, where: Where, key: str | None, place: str
) -> tuple[Part, list[Dropped]]:
    """Return a matrix with the rows that a section names, and what was left out or is doubtful.

    Parameters
    ----------
    part
        The matrix, with whose rows are whose.
    data
        The AnnData that it is of.
    whole
        The MuData that this is of, whose ``obs`` is looked at as well; or the same AnnData.
    where
        By column of ``obs`` the words of the rows that count; empty: all do.
    key
        The column of patient ids, which says nothing of tissue.
    place
        The modality, for messages.

    Raises
    ------
    InputError
        If no row counts, or ``obs`` says that rows of a patient are of tumours and of normal tissue.
    """
    known = list(dict.fromkeys([*data.columns("obs"), *whole.columns("obs")]))
    notes: list[Dropped] = []
    if where:
        wanted = {name: _cells(part, data, whole, name) for name in where if name in known}
        kept, notes = chosen_rows(where, wanted, known, place)
        part = replace(part, rows=part.rows[kept], patients=[part.patients[row] for row in np.flatnonzero(kept)])
    columns = {name: _cells(part, data, whole, name) for name in tissue_columns([n for n in known if n != key])}
    ids = [None if patient is None else label(patient) for patient in part.patients]
    return part, [*notes, *(Doubtful(place, doubt) for doubt in check_tissues(ids, columns, place))]


def _cells(part: Part, data: Annotated, whole: Annotated, name: str) -> list[object]:
    if name in data.columns("obs"):
        column = data.column("obs", name)
        return [column[row] for row in part.rows.tolist()]
    of_whole = dict(zip(whole.names("obs"), whole.column("obs", name), strict=True))
    names = data.names("obs")
    return [of_whole.get(names[row]) for row in part.rows.tolist()]


def doubt_of_types(part: Part, where: str, chosen: Collection[str] | None = None) -> list[Dropped]:
    """Return the doubt that a matrix holds what was measured in several ways, as genes beside antibodies of 10x.

    Parameters
    ----------
    part
        The matrix, with what its columns are.
    where
        The modality.
    chosen
        The names of those of its columns that count; None: all.

    Examples
    --------
    >>> part = Part(None, np.arange(0), [], ["CD3E", "CD3"], ["Gene Expression", "Antibody Capture"])
    >>> [str(note) for note in doubt_of_types(part, "rna")]
    ["rna: what was measured in 2 ways counts as one matrix ('Gene Expression' 1, ...
    >>> doubt_of_types(part, "rna", ["CD3"])
    []
    """
    named = zip(part.genes, part.types or [None] * len(part.genes), strict=True)
    counts = Counter(str(kind) for name, kind in named if kind is not None and (chosen is None or name in chosen))
    if len(counts) < 2:
        return []
    told = listed(f"{kind!r} {count}" for kind, count in counts.most_common())
    what = f"what was measured in {len(counts)} ways counts as one matrix ({told} in var['{TYPES}'])"
    return [Doubtful(where, f"{what}: make modalities of them, or choose one by columns:")]
