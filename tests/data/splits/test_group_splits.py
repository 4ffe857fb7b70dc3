from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmlego.data import Split, check_split, split_patients
from mmlego.data.splits.dealing import deal_groups
from mmlego.errors import InputError

SIZES = st.lists(st.integers(1, 12), min_size=6, max_size=30)


def people(sizes: list[int]) -> tuple[list[str], list[str]]:
    groups = [f"g{g}" for g, size in enumerate(sizes) for _ in range(size)]
    return [f"p{i:03d}" for i in range(len(groups))], groups


@given(SIZES, st.integers(0, 9))
def test_groups_stay_whole_and_everyone_tests_once(sizes: list[int], seed: int) -> None:
    patients, groups = people(sizes)
    splits = split_patients(patients, groups=groups, folds=3, validation=0, seed=seed)
    tested = np.concatenate([split.test for split in splits])
    assert sorted(tested) == list(range(len(patients)))
    for split in splits:
        check_split(split, patients, groups)


@given(SIZES, st.integers(0, 9), st.randoms())
def test_the_order_of_rows_says_nothing(sizes: list[int], seed: int, random: object) -> None:
    patients, groups = people(sizes)
    order = list(range(len(patients)))
    random.shuffle(order)
    one = split_patients(patients, groups=groups, folds=3, validation=0.2, seed=seed)
    other = split_patients(
        [patients[i] for i in order], groups=[groups[i] for i in order], folds=3, validation=0.2, seed=seed
    )
    for first, second in zip(one, other, strict=True):
        for name, rows in first.named(patients).items():
            assert set(rows) == set(second.named([patients[i] for i in order])[name])


@given(st.integers(0, 50))
def test_parts_come_near_their_shares_of_every_stratum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(200), rng.integers(1, 4, 200))
    strata = rng.integers(0, 3, len(groups))
    part = deal_groups(groups, strata, [0.6, 0.2, 0.2], rng)
    for stratum in range(3):
        shares = np.bincount(part[strata == stratum], minlength=3) / (strata == stratum).sum()
        np.testing.assert_allclose(shares, [0.6, 0.2, 0.2], atol=0.02)


def test_a_share_of_nothing_gets_nobody() -> None:
    part = deal_groups(np.arange(9), np.zeros(9, dtype=np.int64), [0.5, 0.0, 0.5], np.random.default_rng(0))
    assert set(part) == {0, 2}


def test_no_part_stays_empty_if_there_are_groups_enough() -> None:
    """Two large groups are nearest to 80 : 20 on one side, which would leave nobody to validate."""
    patients, groups = people([4, 4, 1, 1, 1, 1])
    for split in split_patients(patients, groups=groups, folds=3, validation=0.2):
        assert min(len(rows) for rows in split.parts().values()) > 0


def test_groups_that_cannot_be_dealt() -> None:
    patients, groups = people([5, 5])
    with pytest.raises(InputError, match="expected from 2 to the number of groups, 2, got 3"):
        split_patients(patients, groups=groups, folds=3)
    with pytest.raises(InputError, match="a part of the split is empty"):
        split_patients(patients, groups=groups, folds=2, validation=0.3)
    with pytest.raises(InputError, match=r"leakage: 1 group in both train and test \(g0\)"):
        check_split(Split([0], [], [1]), patients, groups)
