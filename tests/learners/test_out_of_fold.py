"""Folds by patient, and what a brick said of patients whom it had not seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego import InputError, ShapeError
from mmlego.learners.out_of_fold import OutOfFold, deal_folds, marks_of


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=2, max_size=80), st.integers(2, 6))
def test_patients_stay_whole_and_strata_are_shared_out(rows: list[tuple[int, int]], folds: int) -> None:
    patients = [f"p{patient}" for patient, _ in rows]
    first: dict[str, int] = {}
    for name, (_, stratum) in zip(patients, rows, strict=True):
        first.setdefault(name, stratum)
    if len(first) < 2:
        with pytest.raises(InputError, match="at least two"):
            deal_folds([s for _, s in rows], patients, folds=folds)
        return
    fold = deal_folds([s for _, s in rows], patients, folds=folds)
    by_patient: dict[str, set[int]] = {}
    for name, number in zip(patients, fold.tolist(), strict=True):
        by_patient.setdefault(name, set()).add(number)
    assert all(len(numbers) == 1 for numbers in by_patient.values())
    used = {number for numbers in by_patient.values() for number in numbers}
    assert used == set(range(min(folds, len(first))))
    for stratum in set(first.values()):
        counts = np.bincount([min(by_patient[n]) for n, s in first.items() if s == stratum], minlength=len(used))
        assert counts.max() - counts.min() <= 1


def test_the_same_seed_deals_the_same() -> None:
    names = [f"p{i}" for i in range(40)]
    one, two, other = (deal_folds([0, 1] * 20, names, seed=seed) for seed in (0, 0, 1))
    assert one.tolist() == two.tolist() != other.tolist()


def test_answers_are_found_by_name() -> None:
    told = OutOfFold(("a", "b"), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    found = told.of(["b", "x"])
    assert found is not None
    assert found[0].tolist() == [3.0, 4.0]
    assert bool(found[1].isnan().all())
    assert told.of(["x"]) is None
    with pytest.raises(ShapeError, match=r"\(3, k\)"):
        OutOfFold(("a", "b", "c"), torch.zeros(2, 1))


def test_of_several_rows_of_a_patient_the_mean_is_told() -> None:
    told = OutOfFold(("a", "b", "a"), torch.tensor([[1.0], [5.0], [3.0]]))
    found = told.of(["a", "b"])
    assert found is not None
    assert found.tolist() == [[2.0], [5.0]]


@pytest.mark.parametrize("folds", [1, 0, "5", 2.5, True])
def test_folds_are_at_least_two(folds: object) -> None:
    with pytest.raises(InputError, match="an int ≥ 2"):
        deal_folds([0, 1], ["a", "b"], folds=folds)  # type: ignore[arg-type]


def test_each_row_has_an_id() -> None:
    with pytest.raises(InputError, match="3 ids, one a row"):
        deal_folds([0, 1, 1], ["a", "b"])


def test_equal_ids_are_told_apart_by_their_features() -> None:
    rows = torch.tensor([[1.0, 2.0, torch.nan], [3.0, 4.0, 5.0], [1.0, 2.5, torch.nan]], dtype=torch.float64)
    told = OutOfFold(("a", "b", "a"), torch.tensor([[1.0], [2.0], [3.0]]), marks_of(rows))
    asked = torch.stack([rows[2] + 1e-9, rows[1], rows[1] + 0.1, rows[0]])
    found = told.of(["a", "b", "b", "a"], marks_of(asked))
    assert found is not None
    assert found[[0, 1, 3], 0].tolist() == [3.0, 2.0, 1.0]  # each row of a patient has its own answer
    assert bool(found[2].isnan())  # another patient who is called alike
    assert told.of(["b"], marks_of(rows[:1])) is None
    by_name = told.of(["a"])
    assert by_name is not None
    assert by_name.tolist() == [[2.0]]
    assert told.among(["x", "b", "a"]) == [1, 2]


def test_marks_tell_rows_apart_and_no_values() -> None:
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(rng.normal(size=(500, 40)))
    marks = marks_of(rows)
    near = (marks[:, None] - marks[None]).abs().amax(2) + torch.eye(500) * 9
    assert float(near.min()) > 1e-2
    assert marks.shape == (500, 5)
    swapped = rows[:1].clone()
    swapped[0, [3, 4]] = rows[0, [4, 3]]
    assert float((marks_of(swapped) - marks[:1]).abs().max()) > 1e-3
    assert torch.equal(marks_of(rows.float().double()), marks_of(rows.float()))


def test_marks_belong_to_the_rows() -> None:
    with pytest.raises(ShapeError, match="marks of features"):
        OutOfFold(("a",), torch.zeros(1, 1), torch.zeros(2, 5))
