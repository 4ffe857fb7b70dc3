"""Cohorts out of objects in memory: numpy arrays, AnnData, MuData."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from mmlego.data.reading.annotated import InMemory
from mmlego.data.reading.annotated_parts import Part, part_of, part_of_whole, patients_of_whole
from mmlego.data.reading.annotated_rows import doubt_of_types, rows_that_count
from mmlego.data.reading.pieces import dense, rows_of_patients
from mmlego.data.reading.remarks import Dropped
from mmlego.data.reading.settled import SameName, Settled, plain
from mmlego.data.reading.words import numbers_among
from mmlego.errors import InputError, ShapeError, UnknownNameError
from mmlego.wording import counted, label, listed, meant

if TYPE_CHECKING:
    import pandas as pd

FROM_CONTAINERS = ("layer", "gene_column", "where")  # keys of a section that choose what is taken out of a container


def arrays_to_frames(
    arrays: Mapping[str, Any], patients: Sequence[str] | Mapping[str, Sequence[str]]
) -> dict[str, pd.DataFrame]:
    """Return a table a modality, with columns ``name_0``, ``name_1``, ….

    Parameters
    ----------
    arrays
        For each modality an array ``(n, f)``; a row of NaN alone is a patient who does not have it.
    patients
        The ``n`` patient ids, of all arrays or of each by name.

    Raises
    ------
    ShapeError
        If an array is not ``(n, f)`` with a row a patient.
    UnknownNameError
        If the patients of a modality are not given.

    Examples
    --------
    >>> import numpy as np
    >>> arrays_to_frames({"rna": np.ones((2, 2))}, ["a", "b"])["rna"].columns.tolist()
    ['rna_0', 'rna_1']
    """
    import pandas as pd

    frames = {}
    for name, values in arrays.items():
        if isinstance(patients, Mapping) and name not in patients:
            raise UnknownNameError(f"no patients are given for modality {name!r}", expected="ids", got=listed(patients))
        ids = list(patients[name] if isinstance(patients, Mapping) else patients)
        array = plain(values)
        if array.ndim != 2 or len(array) != len(ids) or array.shape[1] == 0:
            expected = f"an array ({len(ids)}, f), a row a patient"
            raise ShapeError(f"modality {name!r} is of the wrong shape", expected=expected, got=array.shape)
        frames[name] = pd.DataFrame(array, pd.Index(ids, dtype=object), [f"{name}_{i}" for i in range(array.shape[1])])
    return frames


def read_container(
    data: Any, key: str | None = None, sections: Mapping[str, Mapping[str, object]] | None = None
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, list[Dropped]]:
    """Return the tables of a MuData by modality, or of an AnnData as ``omics``, and what is said of the observations.

    Parameters
    ----------
    data
        A MuData or an AnnData; its matrices may be sparse, or lie in a file.
    key
        The column of ``obs``, of the whole or of the modalities, that holds patient ids; None: the names of the
        observations.
    sections
        By modality, what is said of it: ``layer``, ``gene_column``, ``where`` (of ``obs``), ``missing`` and
        ``same_name`` are heeded here, and under ``rows: mean`` a patient's rows are averaged here, so that a large
        sparse matrix is never made dense; other tables keep all rows.

    Returns
    -------
    tuple
        The tables, a row an observation or a patient; ``obs``, by patient; and notes of what was left out.

    Raises
    ------
    InputError
        If it is neither, or values cannot be used.
    UnknownNameError
        If there is no such column.
    """
    import pandas as pd

    if not hasattr(data, "obs") or not hasattr(data, "obs_names"):
        raise InputError("a cohort of something else", expected="a MuData or an AnnData", got=type(data).__name__)
    whole = InMemory(data)
    names = whole.parts() if hasattr(data, "mod") else ["omics"]
    frames, notes = {}, []
    for name in names:
        said = (sections or {}).get(name, {})
        layer, genes = (None if (word := said.get(k)) is None else str(word) for k in FROM_CONTAINERS[:2])
        chosen = said.get("where")
        chosen = chosen if isinstance(chosen, Mapping) else {}
        where = {str(column): [*map(label, _several(words))] for column, words in chosen.items()}
        options: dict[str, str | None] = {"layer": layer, "key": key, "gene_column": genes}
        part = part_of_whole(whole, name, **options) if hasattr(data, "mod") else part_of(whole, **options)
        part, left = rows_that_count(part, whole.part(name) if hasattr(data, "mod") else whole, whole, where, key, name)
        notes += [*left, *(doubt_of_types(part, name) if "columns" not in said else ())]
        part = settled(part, name, said.get("missing", ()), said.get("same_name", "error"))
        if said.get("rows") == "mean" and "id" not in said:  # whose rows they are is not known before ids have a form
            frames[name], found = rows_of_patients(part, None, "mean", name)
            notes += found
        else:
            frames[name] = pd.DataFrame(dense(part), pd.Index(part.patients, dtype=object), part.genes)
            notes += part.matrix.notes(name) if isinstance(part.matrix, Settled) else []
    obs = data.obs
    if key is not None:
        ids = patients_of_whole(whole, key) if hasattr(data, "mod") else _column(whole, key)
        obs = obs.drop(columns=key, errors="ignore").set_axis(pd.Index(ids, dtype=object), axis=0)
    return frames, obs, notes


def settled(part: Part, where: str, missing: object = (), same_name: object = "error") -> Part:
    """Return a matrix as a section says that it is to be read.

    Parameters
    ----------
    part
        The matrix, with its names.
    where
        The modality, for messages.
    missing
        A word, or several, that mean that nothing is known; of numbers, numbers do.
    same_name
        What becomes of columns of one name: ``error``, ``first``, ``mean``, ``sum`` or ``max``.

    Raises
    ------
    InputError
        If a name is missing, or stands twice under ``error``.
    """
    rule: SameName = next((rule for rule in get_args(SameName) if rule == same_name), "error")
    names = name_columns(part.genes, where, once=rule == "error")
    codes = numbers_among([label(word) for word in _several(missing)])
    if not codes and len(set(names)) == len(names):
        return part
    matrix = Settled(part.matrix, names, codes, rule)
    return replace(part, matrix=matrix, genes=list(matrix.names))


def name_columns(names: Sequence[str | None], where: str, *, once: bool = True) -> list[str]:
    """Return the names of columns, each of which must be there.

    Parameters
    ----------
    names
        The names.
    where
        The modality, for messages.
    once
        Whether each must stand once.

    Raises
    ------
    InputError
        If a name is missing or stands twice.

    Examples
    --------
    >>> name_columns(["TP53", "TP53"], "rna")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: rna: variables of the same name (TP53). Declare what becomes of them, as ...
    """
    known = [name for name in names if name is not None]
    if len(known) < len(names):
        remedy = "Name another column of var, as gene_column: NAME; without that key the names of the variables count."
        raise InputError(f"{where}: {counted(len(names) - len(known), 'variable')} without a name", remedy=remedy)
    again = [name for name, count in Counter(known).items() if count > 1]
    if again and once:
        remedy = (
            "Declare what becomes of them, as same_name: mean (or first, sum, max) in a section of kind: omics, or "
            "call .var_names_make_unique()."
        )
        raise InputError(f"{where}: variables of the same name ({listed(again)})", remedy=remedy)
    return known


def _several(words: object) -> list[object]:
    return list(words) if isinstance(words, list | tuple) else [words]


def _column(data: InMemory, key: str) -> list[object]:
    if key not in data.columns("obs"):
        raise UnknownNameError(f"no column {key!r} in obs", remedy=meant(key, data.columns("obs")))
    return data.column("obs", key)
