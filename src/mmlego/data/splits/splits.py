"""Who is trained on, who validates, who tests: splits by patient, stratified by outcome."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mmlego.bounds import within
from mmlego.data.splits.dealing import deal_groups
from mmlego.errors import InputError, LegoWarning
from mmlego.sections import Shares
from mmlego.wording import counted, listed

Index: TypeAlias = NDArray[np.int64]
Rows: TypeAlias = Sequence[int] | NDArray[np.integer]
Groups: TypeAlias = Sequence[int] | Sequence[str] | NDArray[np.generic] | Tensor


@dataclass(frozen=True, eq=False, init=False)
class Split:
    """The rows that train, validate and test, each an array of row numbers in ascending order.

    Parameters
    ----------
    train
        Rows to fit on: preprocessing, bins, weights, parameters.
    validation
        Rows for early stopping and every other choice; may be empty.
    test
        Rows that nobody looks at until the end; may be empty.

    Examples
    --------
    >>> split = Split(train=[0, 1], validation=[2], test=[3])
    >>> split.named(["a", "b", "c", "d"])["train"]
    ['a', 'b']
    """

    train: Index
    validation: Index
    test: Index

    def __init__(self, train: Rows, validation: Rows, test: Rows) -> None:
        for name, rows in (("train", train), ("validation", validation), ("test", test)):
            try:
                array = np.asarray(rows)
            except (ValueError, OverflowError) as error:  # lists of unequal length in it
                raise InputError(f"{name} is not a list of rows", expected="integers (n,)", got=error) from error
            if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
                got = f"{array.dtype} of shape {array.shape}"
                raise InputError(f"{name} is not a list of rows", expected="integers (n,)", got=got)
            object.__setattr__(self, name, np.sort(array.astype(np.int64)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Split):
            return NotImplemented
        theirs = other.parts()
        return all(np.array_equal(rows, theirs[name]) for name, rows in self.parts().items())

    def parts(self) -> dict[str, Index]:
        """Return the three parts by name, as ``{"train": rows, "validation": rows, "test": rows}``."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def named(self, patients: Sequence[str]) -> dict[str, list[str]]:
        """Return the three parts as patient ids.

        Parameters
        ----------
        patients
            The patient of each row, in the order in which the split was made.

        Examples
        --------
        >>> Split([0], [2], [1]).named(["a", "b", "c"])
        {'train': ['a'], 'validation': ['c'], 'test': ['b']}
        """
        return {name: [patients[row] for row in rows] for name, rows in self.parts().items()}


def split_patients(
    patients: Sequence[str],
    strata: Groups | None = None,
    *,
    groups: Groups | None = None,
    folds: int | None = None,
    fractions: tuple[float, float, float] | None = None,
    repeats: int = 1,
    validation: float | None = None,
    seed: int = 0,
) -> list[Split]:
    """Split by patient, stratified: repeated K-fold, or repeated hold-out.

    All rows of a patient are on one side. Patients are split within their stratum, so that each part holds
    of each stratum its share, give or take one patient. The same seed gives the same split, whatever the order
    of the rows and however many repeats are asked for.

    Parameters
    ----------
    patients
        The patient of each row, ``(n,)``.
    strata
        The group of each row, ``(n,)``, say ``task.strata(target)``; a patient is in the group of its first
        row. None for one group.
    groups
        What must stay on one side, ``(n,)``: molecules of one scaffold, patients of one site or family; a patient is in
        the group of its first row. None: each patient by itself. Parts then come near their shares as far as groups
        allow.
    folds
        K ≥ 2: each patient tests once per repeat. One of ``folds`` and ``fractions`` has to be given.
    fractions
        The shares of train, validation and test, which sum to 1.
    repeats
        How often to start again with other random numbers.
    validation
        With ``folds``: the share of the patients outside the test fold that validates (0.2 if not given).
    seed
        An int ≥ 0.

    Returns
    -------
    list of Split
        ``folds × repeats`` splits, repeat by repeat; or ``repeats`` splits.

    Raises
    ------
    InputError
        If arguments do not fit together, or there are too few patients.

    Warns
    -----
    LegoWarning
        If a stratum has fewer patients than there are folds.

    Examples
    --------
    >>> splits = split_patients(["a", "a", "b", "c", "d"], folds=2, validation=0, seed=1)
    >>> [split.test.tolist() for split in splits]
    [[0, 1, 4], [2, 3]]
    """
    if (folds is None) == (fractions is None):
        raise InputError("one way to split is needed", expected="either folds= or fractions=", got="both or none")
    if repeats < 1:
        raise InputError("repeats is not positive", expected="an int ≥ 1", got=repeats)
    names, stratum, rows_of = _by_patient(patients, strata)
    unit = None if groups is None else _by_patient(patients, groups)[1]

    def deal(chosen: Index, shares: Sequence[float], rng: np.random.Generator) -> Index:
        if unit is None:
            return _deal(stratum[chosen], shares, rng)
        return deal_groups(unit[chosen], stratum[chosen], shares, rng)

    everyone = np.arange(len(names))
    splits = []
    if fractions is not None:
        shares = _check_fractions(fractions, validation)
        for repeat in range(repeats):
            part = deal(everyone, shares, np.random.default_rng([seed, repeat]))
            _check_filled(part, shares, len(names))
            splits.append(Split(*(_rows(rows_of, part == side) for side in range(3))))
        return splits
    share = 0.2 if validation is None else validation
    folds = _check_folds(folds or 0, share, stratum, unit)
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        fold = deal(everyone, [1 / folds] * folds, rng)
        _check_filled(fold, [1 / folds] * folds, len(names))
        for test in range(folds):
            rest = np.flatnonzero(fold != test)
            side = deal(rest, [1 - share, share], rng)
            _check_filled(side, [1 - share, share], len(rest))
            parts = (rest[side == 0], rest[side == 1], np.flatnonzero(fold == test))
            splits.append(Split(*(_rows(rows_of, part) for part in parts)))
    return splits


def halves(
    rows: Rows,
    patients: Sequence[str],
    strata: Groups | None = None,
    *,
    parts: int = 2,
    seed: int = 0,
) -> list[Index]:
    """Cut rows into disjoint stratified parts by patient, for blocks that are trained on different patients.

    Parameters
    ----------
    rows
        The rows to cut, say ``split.train``.
    patients
        The patient of each of the ``n`` rows of the whole.
    strata
        The group of each of the ``n`` rows of the whole, or None.
    parts
        How many parts, one for each block.
    seed
        An int ≥ 0.

    Returns
    -------
    list of arrays
        The rows of each part, ascending; together they are ``rows``.

    Raises
    ------
    InputError
        If there are fewer patients than parts, or a row does not exist.

    Examples
    --------
    >>> left, right = halves([0, 1, 2, 3], ["a", "a", "b", "c", "d"], seed=2)
    >>> sorted([*left, *right]) == [0, 1, 2, 3], bool(set(left) & set(right))
    (True, False)
    """
    chosen = np.asarray(rows, dtype=np.int64)
    if chosen.size and (chosen.min() < 0 or chosen.max() >= len(patients)):
        raise InputError("rows that do not exist", expected=f"numbers from 0 to {len(patients) - 1}", got=chosen.max())
    group = None if strata is None else _as_groups(strata, len(patients))[chosen]
    names, groups, rows_of = _by_patient([patients[row] for row in chosen], group)
    if parts < 1 or len(names) < parts:
        raise InputError("too few patients for the parts", expected=f"{parts} or more, one a part", got=len(names))
    part = _deal(groups, [1 / parts] * parts, np.random.default_rng([seed, parts]))
    return [np.sort(chosen[_rows(rows_of, part == side)]) for side in range(parts)]


def check_split(split: Split, patients: Sequence[str], groups: Sequence[object] | None = None) -> None:
    """Refuse a split that leaks: one patient or one group on two sides, or a row used twice.

    Parameters
    ----------
    split
        The split.
    patients
        The patient of each row.
    groups
        The group of each row, which must stay on one side.

    Raises
    ------
    InputError
        If a patient or a group is on two sides (the message names them), or a row is used twice or does not exist.

    Examples
    --------
    >>> check_split(Split([0], [1], [2]), ["a", "b", "a"])
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: leakage: 1 patient in both train and test (a). Split by patient, with split_patients(...).
    """
    for name, rows in split.parts().items():
        if rows.size and (rows.min() < 0 or rows.max() >= len(patients)):
            raise InputError(
                f"{name} has rows that do not exist",
                expected=f"numbers from 0 to {len(patients) - 1}",
                got=int(rows.max()) if rows.min() >= 0 else int(rows.min()),
                remedy="The split was made for another list of patients.",
            )
        if len(np.unique(rows)) < len(rows):
            again = [int(row) for row, count in zip(*np.unique(rows, return_counts=True), strict=True) if count > 1]
            raise InputError(f"{name} has rows twice ({listed(again)})", expected="each row once")
    _refuse_both(split, patients, "patient", "Split by patient, with split_patients(...).")
    if groups is not None:
        _refuse_both(split, [str(group) for group in groups], "group", "Give split_patients(...) the groups.")


def _refuse_both(split: Split, names: Sequence[str], what: str, remedy: str) -> None:
    """Refuse a name that is on two sides."""
    sides: dict[str, set[str]] = {}
    for name, rows in split.parts().items():
        here = {names[row] for row in rows}
        for other, there in sides.items():
            if both := sorted(here & there):
                where = f"in both {other} and {name} ({listed(both)})"
                raise InputError(f"leakage: {counted(len(both), what)} {where}", remedy=remedy)
        sides[name] = here


def _by_patient(patients: Sequence[str], strata: Groups | None) -> tuple[list[str], Index, list[Index]]:
    """Return the patients in the order of their ids, the stratum of each, and the rows of each."""
    if len(patients) == 0:
        raise InputError("no patients to split", expected="at least one", got=0)
    group = np.zeros(len(patients), dtype=np.int64) if strata is None else _as_groups(strata, len(patients))
    rows: dict[str, list[int]] = {}
    for row, patient in enumerate(patients):
        rows.setdefault(str(patient), []).append(row)
    names = sorted(rows)
    rows_of = [np.array(rows[name], dtype=np.int64) for name in names]
    return names, np.array([group[of[0]] for of in rows_of], dtype=np.int64), rows_of


def _as_groups(strata: Groups, rows: int) -> Index:
    array = strata.detach().cpu().numpy() if isinstance(strata, Tensor) else np.asarray(strata)
    if array.shape != (rows,):
        raise InputError("strata do not fit the patients", expected=f"shape ({rows},)", got=array.shape)
    if array.dtype.kind not in "iubUO" or (array.dtype.kind == "O" and any(value is None for value in array)):
        remedy = "Use task.strata(target), or cut numbers into groups."
        raise InputError("strata are not groups", expected="integers or names", got=array.dtype, remedy=remedy)
    return np.unique(array.astype(str) if array.dtype.kind == "O" else array, return_inverse=True)[1].astype(np.int64)


def _deal(groups: Index, shares: Sequence[float], rng: np.random.Generator) -> Index:
    """Give each patient a part, so that of every stratum each part gets its share rounded up or down.

    What is left over in a stratum after rounding down goes to the parts that are furthest behind in total, so
    that the parts as a whole keep their shares too.
    """
    part = np.empty(len(groups), dtype=np.int64)
    behind = rng.random(len(shares)) * 1e-6  # ties between parts are broken by chance
    for group in np.unique(groups):
        members = rng.permutation(np.flatnonzero(groups == group))
        ideal = np.asarray(shares) * len(members)
        counts = np.floor(ideal + 1e-9).astype(np.int64)
        behind += ideal - counts
        open_to = np.where(ideal - counts > 1e-9, behind, -np.inf)
        extra = np.argsort(-open_to, kind="stable")[: len(members) - int(counts.sum())]
        counts[extra] += 1
        behind[extra] -= 1
        part[members] = np.repeat(np.arange(len(shares)), counts)
    return part


def _rows(rows_of: list[Index], chosen: NDArray[np.generic]) -> Index:
    index = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
    picked = [rows_of[int(patient)] for patient in index]
    return np.sort(np.concatenate(picked)) if picked else np.zeros(0, dtype=np.int64)


def _check_fractions(fractions: Iterable[float], validation: float | None) -> list[float]:
    shares = [float(share) for share in fractions]
    if len(shares) != 3 or min(shares) < 0 or shares[0] == 0 or abs(sum(shares) - 1) > 1e-6:
        expected = "three shares ≥ 0 that sum to 1, as (0.6, 0.2, 0.2)"
        raise InputError("fractions cannot be used", expected=expected, got=tuple(shares))
    if validation is not None:
        raise InputError("validation is said twice", remedy="With fractions= it is the second of the three.")
    return [share / sum(shares) for share in shares]


def _check_folds(folds: int, share: float, strata: Index, unit: Index | None) -> int:
    most = len(strata) if unit is None else len(np.unique(unit))
    if folds < 2 or folds > most:
        expected = f"from 2 to the number of {'patients' if unit is None else 'groups'}, {most}"
        raise InputError("folds cannot be used", expected=expected, got=folds)
    within(Shares, "validation", share, "the share of validation patients")
    counts = np.unique(strata, return_counts=True)[1]
    if counts.min() < folds:
        smallest = counted(int(counts.min()), "patient")
        text = f"The smallest of {len(counts)} strata has {smallest} for {folds} folds: some folds lack it."
        warnings.warn(text, LegoWarning, stacklevel=3)
    return folds


def _check_filled(part: Index, shares: Sequence[float], patients: int) -> None:
    for side, share in enumerate(shares):
        if share > 0 and not bool((part == side).any()):
            raise InputError(
                "a part of the split is empty",
                expected=f"enough patients for the shares {tuple(round(share, 3) for share in shares)}",
                got=counted(patients, "patient"),
                remedy="Use other shares, or 0 for a part that is not wanted.",
            )
