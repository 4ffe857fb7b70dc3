from __future__ import annotations

import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlego.data import Split, check_split, halves, split_patients
from mmlego.errors import InputError, LegoWarning

# rows of patients with repeats, and a stratum for each patient
PEOPLE = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 2)),
    min_size=12,
    max_size=80,
    unique_by=lambda pair: (pair[0], pair[1]),
).filter(lambda rows: len({patient for patient, _ in rows}) >= 10)
FRACTIONS = st.sampled_from([(0.6, 0.2, 0.2), (0.7, 0.15, 0.15), (0.5, 0.0, 0.5), (0.34, 0.33, 0.33)])
SEEDS = st.integers(0, 2**32)


def table(people: list[tuple[int, int]]) -> tuple[list[str], list[int], dict[str, int]]:
    """Return patients, strata of rows, and the stratum of each patient: that of the first row."""
    patients = [f"p{patient}" for patient, _ in people]
    strata = [stratum for _, stratum in people]
    first: dict[str, int] = {}
    for patient, stratum in zip(patients, strata, strict=True):
        first.setdefault(patient, stratum)
    return patients, strata, first


def quiet(*args: object, **kwargs: object) -> list[Split]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegoWarning)  # strata smaller than the folds are allowed, and told
        return split_patients(*args, **kwargs)


def check_one(split: Split, patients: list[str]) -> None:
    rows = np.concatenate(list(split.parts().values()))
    assert sorted(rows.tolist()) == list(range(len(patients)))  # disjoint, and nothing is left out
    sides = [{patients[row] for row in part} for part in split.parts().values()]
    assert sum(map(len, sides)) == len(set(patients))
    check_split(split, patients)


@settings(deadline=None)
@given(PEOPLE, FRACTIONS, st.integers(1, 3), SEEDS)
def test_hold_out(people: list[tuple[int, int]], fractions: tuple[float, ...], repeats: int, seed: int) -> None:
    patients, strata, first = table(people)
    splits = quiet(patients, strata, fractions=fractions, repeats=repeats, seed=seed)
    assert len(splits) == repeats
    size = Counter(first.values())
    for split in splits:
        check_one(split, patients)
        for rows, share in zip(split.parts().values(), fractions, strict=True):
            who = {patients[row] for row in rows}
            for stratum, count in size.items():
                assert abs(sum(first[p] == stratum for p in who) - share * count) < 1
            assert abs(len(who) - share * len(first)) < 2


@settings(deadline=None)
@given(PEOPLE, st.integers(2, 5), st.integers(1, 3), st.sampled_from([0.0, 0.2, 0.5]), SEEDS)
def test_folds(people: list[tuple[int, int]], folds: int, repeats: int, validation: float, seed: int) -> None:
    patients, strata, first = table(people)
    splits = quiet(patients, strata, folds=folds, repeats=repeats, validation=validation, seed=seed)
    assert len(splits) == folds * repeats
    for repeat in range(repeats):
        turn = splits[repeat * folds : (repeat + 1) * folds]
        tested = np.concatenate([split.test for split in turn])
        assert sorted(tested.tolist()) == list(range(len(patients)))  # each patient tests once
        tests = [{patients[row] for row in split.test} for split in turn]
        assert max(map(len, tests)) - min(map(len, tests)) <= 1
        for stratum in set(first.values()):
            counts = [sum(first[p] == stratum for p in test) for test in tests]
            assert max(counts) - min(counts) <= 1
        for split in turn:
            check_one(split, patients)
            rest = {patients[row] for row in (*split.train, *split.validation)}
            chosen = {patients[row] for row in split.validation}
            for stratum in set(first.values()):
                ideal = validation * sum(first[p] == stratum for p in rest)
                assert abs(sum(first[p] == stratum for p in chosen) - ideal) < 1


@settings(deadline=None)
@given(PEOPLE, SEEDS, st.randoms(use_true_random=False))
def test_the_seed_alone_decides(people: list[tuple[int, int]], seed: int, random: object) -> None:
    patients, _, first = table(people)
    strata = [first[p] for p in patients]
    split = quiet(patients, strata, folds=2, seed=seed)[0]
    assert quiet(patients, strata, folds=2, seed=seed)[0] == split
    assert quiet(patients, strata, folds=2, seed=seed, repeats=2)[0] == split  # more repeats change nothing
    order = list(range(len(patients)))
    random.shuffle(order)
    moved = quiet([patients[i] for i in order], [strata[i] for i in order], folds=2, seed=seed)[0]
    for name, rows in split.parts().items():  # nor does the order of the rows
        assert {patients[row] for row in rows} == {patients[order[row]] for row in moved.parts()[name]}


@settings(deadline=None)
@given(PEOPLE, st.integers(1, 4), SEEDS)
def test_halves(people: list[tuple[int, int]], parts: int, seed: int) -> None:
    patients, strata, first = table(people)
    train = [row for row, patient in enumerate(patients) if patient != patients[-1]]
    pieces = halves(train, patients, strata, parts=parts, seed=seed)
    assert sorted(np.concatenate(pieces).tolist()) == train
    who = [{patients[row] for row in piece} for piece in pieces]
    assert sum(map(len, who)) == len({patients[row] for row in train})
    for stratum in set(first.values()):
        counts = [sum(first[p] == stratum for p in piece) for piece in who]
        assert max(counts) - min(counts) <= 1


def test_seeds_differ_and_so_do_repeats() -> None:
    patients = [str(i) for i in range(60)]
    first, second = split_patients(patients, fractions=(0.5, 0.25, 0.25), repeats=2, seed=1)
    assert first != second
    assert split_patients(patients, fractions=(0.5, 0.25, 0.25), seed=2)[0] != first
    assert first != "a split"
    folds = split_patients(patients, folds=3, repeats=2, seed=1)
    assert all(one != other for one in folds[:3] for other in folds[3:])
    dealt, again = ({frozenset(split.test.tolist()) for split in some} for some in (folds[:3], folds[3:]))
    assert not dealt & again


def test_a_hold_out_by_hand() -> None:
    patients = list("aabbccddee") + list("fghij")  # five patients of stratum 0 with two rows, five of stratum 1
    strata = torch.tensor([0] * 10 + [1] * 5)
    split = split_patients(patients, strata, fractions=(0.6, 0.2, 0.2))[0]
    assert [len(rows) for rows in split.parts().values()] == [9, 3, 3]
    assert [int((strata[rows] == 1).sum()) for rows in split.parts().values()] == [3, 1, 1]


def test_the_stratum_of_a_patient_is_that_of_the_first_row() -> None:
    patients = ["a", "a", "a", "b", "c", "d"]
    by_first = split_patients(patients, [0, 1, 1, 0, 1, 1], folds=2, validation=0, seed=3)
    same = split_patients(patients, [0, 0, 0, 0, 1, 1], folds=2, validation=0, seed=3)
    assert by_first == same


@pytest.mark.parametrize(
    "strata", [["x", "x", "y", "y"], np.array([True, True, False, False]), np.array(["x", "x", "y", "y"], dtype=object)]
)
def test_strata_may_be_names(strata: object) -> None:
    for split in split_patients(list("abcd"), strata, folds=2, validation=0):
        assert len(split.test) == 2
        assert {row // 2 for row in split.test} == {0, 1}


def test_a_stratum_smaller_than_the_folds_is_told() -> None:
    with pytest.warns(LegoWarning, match="smallest of 2 strata has 1 patient for 3 folds"):
        split_patients(list("abcdef"), [0, 0, 0, 0, 0, 1], folds=3, validation=0)


def test_names_of_the_parts() -> None:
    assert Split([2, 0], [1], []).named(["a", "b", "c"]) == {"train": ["a", "c"], "validation": ["b"], "test": []}


TEN = [str(i) for i in range(10)]
BAD = {
    "neither": (lambda: split_patients(TEN), "either folds= or fractions="),
    "both": (lambda: split_patients(TEN, folds=2, fractions=(0.5, 0.2, 0.3)), "either folds= or fractions="),
    "one fold": (lambda: split_patients(TEN, folds=1), "from 2 to the number of patients, 10, got 1"),
    "too many folds": (lambda: split_patients(TEN, folds=11), "got 11"),
    "two shares": (lambda: split_patients(TEN, fractions=(0.5, 0.5)), "three shares"),
    "shares that miss 1": (lambda: split_patients(TEN, fractions=(0.5, 0.2, 0.2)), "sum to 1"),
    "negative share": (lambda: split_patients(TEN, fractions=(0.9, -0.1, 0.2)), "shares ≥ 0"),
    "nobody trains": (lambda: split_patients(TEN, fractions=(0.0, 0.5, 0.5)), "fractions cannot be used"),
    "validation twice": (
        lambda: split_patients(TEN, fractions=(0.6, 0.2, 0.2), validation=0.2),
        "validation is said twice",
    ),
    "validation of all": (
        lambda: split_patients(TEN, folds=2, validation=1.0),
        "validation patients: expected a number ≥ 0, below 1",
    ),
    "no repeats": (lambda: split_patients(TEN, folds=2, repeats=0), "repeats is not positive"),
    "nobody": (lambda: split_patients([], folds=2), "no patients to split"),
    "an empty part": (lambda: split_patients(list("ab"), fractions=(0.6, 0.2, 0.2)), "a part of the split is empty"),
    "no validation in a fold": (lambda: split_patients(list("abc"), folds=3), "2 patients"),
    "strata too short": (lambda: split_patients(TEN, [0, 1], folds=2), r"expected shape \(10,\), got \(2,\)"),
    "strata of numbers": (lambda: split_patients(TEN, np.linspace(0, 1, 10), folds=2), "strata are not groups"),
    "strata with gaps": (lambda: split_patients(TEN, [None, *TEN[1:]], folds=2), "strata are not groups"),
    "too many parts": (lambda: halves([0, 1], TEN, parts=3), "3 or more, one a part, got 2"),
    "no part": (lambda: halves([0, 1], TEN, parts=0), "too few patients for the parts"),
    "halves of other rows": (lambda: halves([10], TEN), "rows that do not exist"),
    "text for rows": (lambda: Split(["a"], [], []), "train is not a list of rows"),
    "matrix for rows": (lambda: Split([[1]], [], []), r"shape \(1, 1\)"),
    "leak": (
        lambda: check_split(Split([0], [1], [2, 3]), ["a", "b", "a", "b"]),
        r"leakage: 1 patient in both train and test \(a\)",
    ),
    "leak between other parts": (
        lambda: check_split(Split([0], [1, 2], [3]), ["a", "b", "c", "b"]),
        r"leakage: 1 patient in both validation and test \(b\)",
    ),
    "a row on two sides": (lambda: check_split(Split([0], [], [0]), ["a"]), "leakage: 1 patient"),
    "a row twice": (lambda: check_split(Split([0, 0], [], []), ["a"]), r"train has rows twice \(0\)"),
    "a row too far": (lambda: check_split(Split([0], [], [5]), ["a"]), "test has rows that do not exist.*got 5"),
    "a row before": (lambda: check_split(Split([-1], [], []), ["a"]), "got -1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str) -> None:
    act, message = BAD[case]
    with pytest.raises(InputError, match=message):
        act()
