"""Matrices of AnnData and MuData with the patients of their rows and the names of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.annotated import TYPES, Annotated
from mmlego.data.reading.settled import sound
from mmlego.errors import InputError, UnknownNameError
from mmlego.wording import label, listed, meant


@dataclass(frozen=True)
class Part:
    """A matrix with the patients of its rows and the names of its columns.

    Parameters
    ----------
    matrix
        Numbers ``(n, f)``, dense or sparse, in memory or in a file.
    rows
        The numbers of the rows that count, ``(m,)``.
    patients
        Whose each of them is, ``(m,)``; None if nobody's.
    genes
        The names of the columns; None if it has none.
    types
        What has been measured in each column, where ``var`` says so.
    """

    matrix: Any
    rows: NDArray[np.int64]
    patients: list[object]
    genes: list[str | None]
    types: list[object] | None = None


def part_of(
    data: Annotated, *, layer: str | None = None, key: str | None = None, gene_column: str | None = None
) -> Part:
    """Return the matrix of an AnnData with its names.

    Parameters
    ----------
    data
        The AnnData.
    layer
        The layer to take in place of ``X``; ``raw`` is what AnnData keeps under that name.
    key
        The column of ``obs`` that holds patient ids; None, or one that is not there: the names of the observations.
    gene_column
        The column of ``var`` that holds the names of genes; None: the names of the variables.

    Raises
    ------
    UnknownNameError
        If there is no such layer or column.
    InputError
        If it holds no numbers.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import pandas as pd
    >>> from mmlego.data.reading.annotated import InMemory
    >>> obs, names = pd.DataFrame(index=["a", "b"]), pd.Index(["TP53"])
    >>> data = SimpleNamespace(X=np.array([[1.0], [2.0]]), layers={}, obs=obs, obs_names=obs.index, var_names=names)
    >>> data.var = pd.DataFrame(index=names)
    >>> part = part_of(InMemory(data))
    >>> part.patients, part.genes
    (['a', 'b'], ['TP53'])
    """
    if layer is not None and layer not in data.layers():
        raise UnknownNameError(
            f"no layer {layer!r}", expected=f"one of {listed(data.layers()) or 'none'}", got=repr(layer)
        )
    matrix, named = data.layer(layer)
    if matrix is None:
        there = listed(data.layers())
        remedy = f"Say which layer holds them, as layer: one of {there}." if there else "Write the values to X."
        raise InputError("an AnnData without values in X", remedy=remedy)
    matrix = sound(matrix)
    kind = getattr(getattr(matrix, "dtype", None), "kind", "O")
    if len(getattr(matrix, "shape", ())) != 2 or kind not in "biuf":
        got = f"{getattr(matrix, 'shape', '')} of {getattr(matrix, 'dtype', type(matrix).__name__)}"
        raise InputError("an AnnData without a matrix of numbers", expected="numbers (n, f)", got=got)
    if gene_column is not None and gene_column not in named.columns("var"):
        raise UnknownNameError(f"no column {gene_column!r} in var", remedy=meant(gene_column, named.columns("var")))
    names: list[str | None] = list(named.names("var"))
    if gene_column is not None:
        names = [None if name is None else label(name) for name in named.column("var", gene_column)]
    ids: list[object] = list(data.names("obs"))
    if key is not None and key in data.columns("obs"):
        ids = data.column("obs", key)
    if matrix.shape != (len(ids), len(names)):
        raise InputError("an AnnData whose parts do not fit", expected=(len(ids), len(names)), got=matrix.shape)
    types = named.column("var", TYPES) if TYPES in named.columns("var") else None
    return Part(matrix, np.arange(len(ids)), ids, names, types)


def part_of_whole(
    whole: Annotated, modality: str, *, layer: str | None = None, key: str | None = None, gene_column: str | None = None
) -> Part:
    """Return one modality of a MuData with its names, and the rows of the observations who have it.

    Who has it stands in ``obsm[modality]``, booleans over all observations, where it is given; an observation that the
    mask leaves out does not count, whatever its row holds.

    Parameters
    ----------
    whole
        The MuData.
    modality
        One of its modalities.
    layer, gene_column
        As :func:`part_of` takes them.
    key
        The column of ``obs`` (the modality's, or the whole's) that holds patient ids; None, or one that is not there:
        the names of the observations.

    Raises
    ------
    UnknownNameError
        If there is no such modality, layer or column.
    InputError
        If names that stand twice leave open who has the modality.
    """
    if modality not in whole.parts():
        known = listed(whole.parts()) or "none: this is no MuData"
        raise UnknownNameError(f"no modality {modality!r}", expected=f"one of {known}", got=repr(modality))
    data = whole.part(modality)
    part = part_of(data, layer=layer, key=key, gene_column=gene_column)
    names = data.names("obs")
    patients, rows = part.patients, part.rows
    if key is not None and key not in data.columns("obs") and (ids := _ids_of_whole(whole, key)) is not None:
        patients = [ids.get(name) for name in names]
    flags = np.asarray(whole.mask(modality))
    if flags.dtype == np.bool_ and flags.size == len(everyone := whole.names("obs")):
        has = _by_name(everyone, flags.reshape(-1).tolist(), f"the mask of {modality!r}")
        rows = np.flatnonzero([bool(has.get(name)) for name in names])
        patients = [patients[row] for row in rows.tolist()]
    return Part(part.matrix, rows, patients, part.genes)


def patients_of_whole(whole: Annotated, key: str) -> list[object]:
    """Return whose each observation of a MuData is, where a column of the whole or of its modalities says so.

    Parameters
    ----------
    whole
        The MuData.
    key
        The column.

    Raises
    ------
    UnknownNameError
        If no ``obs`` has the column.
    InputError
        If an observation is one patient's in one modality and another's in another.
    """
    ids = _ids_of_whole(whole, key)
    if ids is None:
        raise UnknownNameError(f"no column {key!r} in obs", remedy=meant(key, whole.columns("obs")))
    return [ids.get(name) for name in whole.names("obs")]


def _ids_of_whole(whole: Annotated, key: str) -> dict[str, object] | None:
    """Return patients by the name of the observation, from the whole, else from the modalities that have the column."""
    if key in whole.columns("obs"):
        return _by_name(whole.names("obs"), whole.column("obs", key), f"{key!r} of the whole")
    parts = [part for part in map(whole.part, whole.parts()) if key in part.columns("obs")]
    names = [name for part in parts for name in part.names("obs")]
    ids = [patient for part in parts for patient in part.column("obs", key)]
    return _by_name(names, ids, f"{key!r} of the modalities") if parts else None


def _by_name(names: Sequence[str], values: Sequence[object], what: str) -> dict[str, object]:
    """Return values by name; a name may stand twice where both say the same."""
    found: dict[str, object] = {}
    for name, value in zip(names, values, strict=True):
        if found.setdefault(name, value) != value:
            raise InputError(
                f"observations named {name!r} differ in {what}",
                expected="names that say who it is",
                got=f"{found[name]} and {value}",
                remedy="Call .obs_names_make_unique() before it is put together.",
            )
    return found
