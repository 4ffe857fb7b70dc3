"""What is learnt of the training rows of a table: medians, means, deviations, categories, and what is left out."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmlego.anonymity import OTHER, in_steps
from mmlego.data.kinds.tabular.categories import categories_of, warn_of_rare
from mmlego.data.kinds.tabular.cells import blanked, is_numeric, others, truth_values, with_names
from mmlego.data.kinds.tabular.moments import blocks, matrix_of, moments
from mmlego.data.reading.joins import pick
from mmlego.errors import InputError, LegoWarning
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd


class Learnt(NamedTuple):
    """What is learnt, as :class:`~mmlego.data.kinds.tabular.preprocess.TablePreprocessor` keeps it."""

    numeric: tuple[str, ...]
    fill: tuple[float, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    categories: Mapping[str, tuple[str, ...]]
    dropped: Mapping[str, str]
    missing: Mapping[str, tuple[str, ...]]
    truths: tuple[str, ...]
    rare: Mapping[str, Literal["other", "missing"]]
    min_patients: int
    counts: Mapping[str, tuple[int, ...]]
    signed: tuple[str, ...]


def learn(
    frame: pd.DataFrame,
    keep: int | None,
    missing: Mapping[str, Sequence[str]],
    truths: Collection[str],
    min_patients: int,
    owners: Sequence[int] | None,
) -> Learnt:
    """Return what :meth:`~mmlego.data.kinds.tabular.preprocess.TablePreprocessor.fit` learns of training rows.

    Parameters
    ----------
    frame, keep, missing, truths, min_patients, owners
        As it takes them.

    Raises
    ------
    InputError
        If a column holds infinite values, dates or too many categories, or nothing is left.
    """
    frame = with_names(frame)
    whose = np.arange(len(frame)) if owners is None else np.asarray(owners, dtype=np.int64)
    if keep is not None and keep < 1:
        raise InputError("keep is not positive", expected="how many numeric columns to keep, or None", got=keep)
    gone = {str(name): tuple(words) for name, words in missing.items() if name in frame.columns}
    frame = blanked(frame, gone)
    absent = frame.isna().to_numpy()
    dropped = dict.fromkeys(frame.columns[np.flatnonzero(absent.all(axis=0))], "no value")
    if dropped and len(dropped) < frame.shape[1]:
        text = f"{counted(len(dropped), 'column')} without any value in the training rows dropped: {listed(dropped)}."
        warnings.warn(text, LegoWarning, stacklevel=3)
    bare = absent.all(axis=1)
    if bare.all():
        raise InputError("no training row has a value", expected="at least one", got=f"{len(frame)} rows")
    frame, whose = (frame.iloc[np.flatnonzero(~bare)], whose[~bare]) if bare.any() else (frame, whose)
    frame = pick(frame, [name for name in frame.columns if name not in dropped]) if dropped else frame
    numeric = [name for name in frame.columns if is_numeric(frame[name])]
    truths = {*truths, *truth_values(frame)}
    values = matrix_of(frame, numeric)
    found = moments(values, numeric, least=min_patients, owners=None if owners is None else whose)
    variance, enough = found.variance, found.patients >= min_patients
    kept = np.flatnonzero(~found.constant & (variance > 0) & enough).tolist()
    if keep is not None:
        kept = sorted(sorted(kept, key=lambda i: -variance[i])[:keep])
    told = {name: categories_of(frame[name], min_patients, whose) for name in others(frame, numeric)}
    few = f"of fewer than {min_patients} patients"
    for name, one in list(told.items()):
        alone = len(one.known) == 1 and not frame[name].isna().any()
        if not one.known or (alone and one.rare != "missing"):
            del told[name]
            dropped[name] = "constant" if one.rare is None else f"values {few} each"
    for i in sorted(set(range(len(numeric))) - set(kept)):
        dropped[numeric[i]] = (
            few if not enough[i] else "small variance" if variance[i] > 0 and not found.constant[i] else "constant"
        )
    if not kept and not told:
        raise InputError("no column tells training rows apart", got=listed(f"{k}: {v}" for k, v in dropped.items()))
    warn_of_rare([name for name, one in told.items() if one.rare == OTHER], few)
    categories = {name: one.known for name, one in told.items()}
    columns = {*(numeric[i] for i in kept), *categories}
    return Learnt(
        numeric=tuple(numeric[i] for i in kept),
        fill=tuple(found.fill[kept].tolist()),
        centre=tuple(found.centre[kept].tolist()),
        scale=tuple(np.sqrt(variance[kept]).tolist()),
        categories=categories,
        dropped=dropped,
        missing={name: words for name, words in gone.items() if name in columns},
        truths=tuple(numeric[i] for i in kept if numeric[i] in truths),
        rare={name: one.rare for name, one in told.items() if one.rare is not None},
        min_patients=min_patients,
        counts={numeric[i]: (in_steps(int(found.patients[i]), min_patients),) for i in kept}
        | {name: one.counts for name, one in told.items()},
        signed=_signed(values, numeric, kept, None if owners is None else whose, min_patients),
    )


def _signed(
    values: NDArray[np.float64],
    columns: Sequence[str],
    kept: Sequence[int],
    owners: NDArray[np.int64] | None,
    least: int,
) -> tuple[str, ...]:
    """Return the columns in which so many patients have a value below 0."""
    rows = [0] * len(columns)
    for part in blocks(values):
        rows[part] = (values[:, part] < 0).sum(axis=0).tolist()
    often = [i for i in kept if rows[i] >= least]
    if owners is not None:
        often = [i for i in often if len(np.unique(owners[values[:, i] < 0])) >= least]
    return tuple(columns[i] for i in often)
