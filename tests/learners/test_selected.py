"""Columns that repeat others are left out, and of very many those that tell most are kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmlego.learners import Boosting, Ridge, Selected, SurvivalBoosting, build_learner
from mmlego.learners.selected import distinct_columns, telling_columns
from mmlego.tasks import Classification, MultiLabel, Regression, Survival, Task


def table(seed: int, n: int = 40, p: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, p))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(9)))
def test_copies_constants_and_affine_images_go_wherever_they_stand(seed: int, order: list[int]) -> None:
    x = table(seed, p=4)
    more = np.column_stack([x, x[:, 0], 3 - 2 * x[:, 1], 1e6 * x[:, 2] + 5, np.full(len(x), 7.5), np.zeros(len(x))])
    source = np.array([0, 1, 2, 3, 0, 1, 2, -1, -2])[order]  # of whom each column is an image
    kept = distinct_columns(more[:, order])
    assert sorted(source[kept]) == [0, 1, 2, 3]
    firsts = [int(np.flatnonzero(source == one)[0]) for one in range(4)]
    assert kept.tolist() == sorted(firsts)


def test_columns_that_nearly_agree_stay() -> None:
    x = table(0, p=1)
    y = x.copy()
    y[3] += 1e-4
    assert distinct_columns(np.column_stack([x, y])).tolist() == [0, 1]


def test_what_is_missing_elsewhere_is_another_column() -> None:
    x = np.array(
        [[1.0, 1.0, np.nan, 5.0], [2.0, np.nan, np.nan, 5.0], [3.0, 3.0, np.nan, np.nan], [5.0, 5.0, np.nan, 5]]
    )
    # The last but one has no value at all; the last tells by its gap.
    assert distinct_columns(x).tolist() == [0, 1, 3]


def test_of_nothing_but_constants_one_stays() -> None:
    assert distinct_columns(np.ones((4, 3))).tolist() == [0]


TARGETS: list[tuple[Task, Tensor]] = [
    (Regression(), torch.arange(40.0)),
    (Classification(["a", "b"]), (torch.arange(40) > 25).long()),
    (MultiLabel(["u", "v"]), torch.stack([(torch.arange(40) > 25).float(), torch.full((40,), torch.nan)], 1)),
]


@pytest.mark.parametrize(("task", "target"), TARGETS, ids=lambda value: getattr(value, "name", ""))
def test_the_column_that_goes_with_the_target_is_found_gaps_and_all(task: Task, target: Tensor) -> None:
    x = table(3, p=6)
    x[:, 4] = np.nan_to_num(target.double().numpy().reshape(40, -1)[:, 0]) + 0.05 * x[:, 4]
    x[5:8, 4] = np.nan
    assert telling_columns(x, target, task, 1).tolist() == [4]


def test_the_column_that_goes_with_early_deaths_is_found() -> None:
    rng, x = np.random.default_rng(0), table(1, n=200, p=6)
    task = Survival([0.5, 1.0])
    target = task.target(np.ones(200), rng.exponential(np.exp(-2 * x[:, 3])))
    assert telling_columns(x, target, task, 1).tolist() == [3]
    learner = Selected.fitted(SurvivalBoosting, x, target, task, seed=0, options={"rounds": 20}, most=2)
    assert isinstance(learner, Selected)
    assert 3 in learner.config["kept"]
    assert len(learner.config["kept"]) == 2


def test_it_answers_as_the_learner_of_those_columns_and_comes_back_from_what_is_saved() -> None:
    x, y = table(2), torch.from_numpy(table(2)[:, 1])
    wide = np.column_stack([x, x[:, 1], np.ones(len(x))])
    learner = Selected.fitted(Ridge, wide, y, Regression(), seed=0, options={})
    plain = Ridge.fit(x, y, Regression(), seed=0)
    assert torch.allclose(learner(torch.from_numpy(wide)), plain(torch.from_numpy(x)), atol=1e-12)
    again = build_learner(learner.registered_name, learner.config)
    again.load_state_dict(learner.state_dict())
    assert torch.equal(again(torch.from_numpy(wide)), learner(torch.from_numpy(wide)))


def test_where_all_columns_differ_there_is_nothing_around_the_learner() -> None:
    x = table(4)
    assert isinstance(Selected.fitted(Ridge, x, torch.from_numpy(x[:, 0]), Regression(), seed=0, options={}), Ridge)


def test_gaps_pass_to_a_learner_that_knows_what_to_do_with_them() -> None:
    x = table(5, n=60)
    x[::3, 0] = np.nan
    wide = np.column_stack([x, x[:, 2]])
    options = {"rounds": 5}
    learner = Selected.fitted(Boosting, wide, torch.from_numpy(x[:, 2]), Regression(), seed=0, options=options)
    assert learner.accepts_missing
    assert bool(learner(torch.from_numpy(wide)).isfinite().all())


def test_thousands_of_copies_are_told_apart_by_a_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of genes that the same few patients have mutated, the first is kept; each copy is compared once or so."""
    x = (np.random.default_rng(0).random((30, 3)) < 0.3).astype(float)[:, np.arange(3000) % 3]
    compared = 0
    whole = np.abs

    def counted(values: np.ndarray) -> np.ndarray:
        nonlocal compared
        compared += values.ndim == 1 and len(values) == 30
        found: np.ndarray = whole(values)
        return found

    monkeypatch.setattr("mmlego.learners.selected.np.abs", counted)
    assert distinct_columns(x).tolist() == [0, 1, 2]
    assert compared < 4 * 3000
