"""Rows of a matrix brought to one a patient, piece by piece: a large sparse matrix is never made dense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.annotated_parts import Part
from mmlego.data.reading.joins import RowRule
from mmlego.data.reading.remarks import Dropped
from mmlego.data.reading.settled import Settled, plain, sound, stored
from mmlego.data.reading.words import INFINITE
from mmlego.errors import InputError
from mmlego.wording import counted, label, listed

if TYPE_CHECKING:
    import pandas as pd

# A table with so many values is not made unasked.
MOST_VALUES = 2**30
# How many values a piece has at most, if it were dense.
PIECE = 2**22


def rows_of_patients(
    part: Part, columns: NDArray[np.int64] | None, rule: RowRule, where: str
) -> tuple[pd.DataFrame, list[Dropped]]:
    """Return some columns of a matrix as a table, a row a patient.

    Parameters
    ----------
    part
        The matrix, the patients of its rows and the names of its columns; rows of nobody are left out.
    columns
        The numbers of the columns wanted, in order; None for all.
    rule
        Several rows of a patient: ``"error"``: equal ones become one, others are refused; ``"first"``: the first;
        ``"mean"``: the mean of each column over the rows that have it, in float64.
    where
        The modality, for messages.

    Returns
    -------
    tuple
        The table, of the type of the matrix where nothing is averaged; and notes of what was left out.

    Raises
    ------
    InputError
        If rows of a patient differ under ``"error"``, values to be averaged are infinite, or the table were too large.

    Examples
    --------
    >>> from scipy import sparse
    >>> cells = Part(sparse.csr_matrix([[1.0, 0], [3, 2], [0, 5]]), np.arange(3), ["a", "a", "b"], ["TP53", "MDM2"])
    >>> table, notes = rows_of_patients(cells, None, "mean", "rna")
    >>> table.to_dict("index"), str(notes[0])
    ({'a': {'TP53': 2.0, 'MDM2': 1.0}, 'b': {'TP53': 0.0, 'MDM2': 5.0}}, 'rna: 3 rows averaged to 2 patients')
    """
    import pandas as pd

    place: dict[str, int] = {}
    owner = np.full(part.matrix.shape[0], -1)  # whose a row is, −1: nobody's
    for row, patient in zip(part.rows.tolist(), part.patients, strict=True):
        if patient is not None and (name := label(patient)):
            owner[row] = place.setdefault(name, len(place))
    rows, patients = int((owner >= 0).sum()), len(place)
    lost = len(part.patients) - rows
    notes = [Dropped(where, f"{counted(lost, 'row')} without a patient id")] if lost else []
    wanted = np.arange(part.matrix.shape[1]) if columns is None else columns
    if patients * len(wanted) > MOST_VALUES:
        remedy = "Choose columns:" + (
            "." if patients < rows else ", or name the key: of patients who have several rows."
        )
        raise InputError(
            f"{where}: too large to be made dense",
            expected=f"at most {MOST_VALUES} values",
            got=(patients, len(wanted)),
            remedy=remedy,
        )
    if rule == "mean" and patients < rows:
        values = _means(part.matrix, owner, patients, wanted, where)
        notes.append(Dropped(where, f"{rows} rows averaged to {counted(patients, 'patient')}"))
    else:
        values, differ = _firsts(part.matrix, owner, patients, wanted)
        if rule == "error" and differ.any():
            again = [name for name, number in place.items() if differ[number]]
            raise InputError(
                f"{where}: {counted(len(again), 'patient')} with several rows that differ ({listed(again)})",
                expected="one row per patient",
                remedy="Declare what to do, as rows: first or rows: mean, or choose fewer columns.",
            )
        if patients < rows:
            further, equal = counted(rows - patients, "further row"), counted(rows - patients, "row")
            text = f"{further} of a patient, the first is kept"
            if rule == "error":
                text = f"{equal} merged, equal to another row of the patient"
            notes.append(Dropped(where, text))
    if isinstance(part.matrix, Settled):
        notes += part.matrix.notes(where)
    names = [part.genes[column] for column in wanted.tolist()]
    return pd.DataFrame(values, pd.Index(list(place), dtype=object), names, copy=False), notes


def dense(part: Part) -> NDArray[Any]:
    """Return all rows of a matrix that count, as an array ``(m, f)``; what is masked is NaN.

    Parameters
    ----------
    part
        The matrix.

    Raises
    ------
    InputError
        If it were too large.

    Examples
    --------
    >>> dense(Part(np.ma.masked_equal([[1.0, -1.0]], -1.0), np.arange(1), ["a"], ["TP53", "MDM2"]))
    array([[ 1., nan]])
    """
    if len(part.rows) * part.matrix.shape[1] > MOST_VALUES:
        got = (len(part.rows), part.matrix.shape[1])
        raise InputError(
            "a matrix that is too large to be made dense", expected=f"at most {MOST_VALUES} values", got=got
        )
    owner = np.full(part.matrix.shape[0], -1)
    owner[part.rows] = np.arange(len(part.rows))
    return _firsts(part.matrix, owner, len(part.rows), np.arange(part.matrix.shape[1]))[0]


def _pieces(matrix: Any, wanted: NDArray[np.int64]) -> Iterator[tuple[slice, slice, Any]]:
    """Yield blocks of rows, or of columns of a matrix that lies by columns, each with its part of ``wanted``."""
    if getattr(matrix, "format", None) not in (None, "csr", "csc"):
        matrix = matrix.tocsr()
    if getattr(matrix, "format", None) == "csc":
        step = max(1, PIECE // max(1, matrix.shape[0]))
        for start in range(0, len(wanted), step):
            chosen = wanted[start : start + step]
            low, high = int(chosen.min()), int(chosen.max()) + 1
            block = sound(matrix[:, low:high] if high - low <= 4 * len(chosen) else matrix[:, np.sort(chosen)])
            order = chosen - low if high - low <= 4 * len(chosen) else np.argsort(np.argsort(chosen))
            yield slice(0, matrix.shape[0]), slice(start, start + len(chosen)), block[:, order]
        return
    everything = len(wanted) == matrix.shape[1] and bool((wanted == np.arange(len(wanted))).all())
    step = max(1, PIECE // max(1, matrix.shape[1]))
    chunks = getattr(matrix, "chunks", None)  # of a dataset in a file: a chunk is unpacked once, not once a piece
    if isinstance(chunks, tuple) and isinstance(chunks[0], int):
        step = max(chunks[0], step // chunks[0] * chunks[0])
    for start in range(0, matrix.shape[0], step):
        block = sound(matrix[start : start + step])
        yield (
            slice(start, start + block.shape[0]),
            slice(0, len(wanted)),
            block if everything else block[:, wanted],
        )


def _means(
    matrix: Any, owner: NDArray[np.int64], patients: int, wanted: NDArray[np.int64], where: str
) -> NDArray[np.float64]:
    """Return the mean of each column over the rows of a patient that have it, ``(p, f)``."""
    from scipy import sparse

    total, missing = np.zeros((patients, len(wanted))), np.zeros((patients, len(wanted)), dtype=np.float32)
    cells = np.bincount(owner[owner >= 0], minlength=patients).astype(float)
    for rows, columns, block in _pieces(matrix, wanted):
        mine = np.flatnonzero(owner[rows] >= 0)
        ones = (np.ones(len(mine)), (owner[rows][mine], mine))
        adding = sparse.csr_matrix(ones, shape=(patients, block.shape[0]))
        values: Any = block.astype(np.float64) if sparse.issparse(block) else plain(block).astype(np.float64)
        numbers = values.data if sparse.issparse(values) else values  # a view: what is stored
        unknown = np.isnan(numbers)
        if np.isinf(numbers).any():
            raise InputError(f"{where}: infinite values", expected="finite numbers", remedy=INFINITE)
        if unknown.any():
            holes = values.copy()
            (holes.data if sparse.issparse(holes) else holes)[...] = unknown
            missing[:, columns] += stored(adding @ holes)
            numbers[unknown] = 0.0
        total[:, columns] += stored(adding @ values)
    with np.errstate(invalid="ignore"):
        total /= cells[:, None] - missing
    return total


def _firsts(
    matrix: Any, owner: NDArray[np.int64], patients: int, wanted: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the first row of each patient ``(p, f)``, and whose further rows differ from it ``(p,)``."""
    mine = np.flatnonzero(owner >= 0)
    _, place = np.unique(owner[mine], return_index=True)
    first = np.zeros(len(owner), dtype=bool)
    first[mine[place]] = True
    values: NDArray[Any] | None = None
    differ = np.zeros(patients, dtype=bool)
    for rows, columns, block in _pieces(matrix, wanted):
        whose = owner[rows]
        taken, others = np.flatnonzero(first[rows]), np.flatnonzero((whose >= 0) & ~first[rows])
        found = plain(stored(block[taken]))
        if values is None or values.dtype != (kind := np.result_type(values, found)):
            values = np.zeros((patients, len(wanted)), found.dtype) if values is None else values.astype(kind)
        values[whose[taken], columns] = found
        others = others[~differ[whose[others]]]
        if len(others):
            more, own = plain(stored(block[others])), values[whose[others], columns]
            same = (more == own) | (np.isnan(more) & np.isnan(own))
            differ[whose[others][~same.all(axis=1)]] = True
    if values is None:
        values = np.zeros((patients, len(wanted)))
    return values, differ
