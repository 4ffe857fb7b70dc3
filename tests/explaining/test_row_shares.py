"""Shares of columns: against all subsets by force, and what must hold of any model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mmlego import InputError
from mmlego.explaining.row_shares import beside_others, row_shares
from mmlego.explaining.shapley import shapley_values
from mmlego.learners import build_learner, learner_class
from mmlego.learners.selected import Selected
from mmlego.learners.trees import Tree, Trees
from mmlego.tasks import Classification, Regression, Survival, Task

LINE = {"name": "linear", "config": {"in_features": 5, "raw": 1}}


def by_force(answer: Callable[[Tensor], Tensor], row: Tensor, base: Tensor) -> Tensor:
    """Return the Shapley values of the game of all 2^p mixtures of two rows."""
    p = len(row)
    mixed = torch.stack(
        [torch.where(torch.tensor([s >> i & 1 for i in range(p)]) > 0, row, base) for s in range(1 << p)]
    )
    return shapley_values(answer(mixed))


def forest_of(rng: np.random.Generator, columns: int, raw: int, link: str, width: int) -> Trees:
    """Return random trees of depth up to 4, which may look at a column twice."""
    grown = []
    for _ in range(4):
        nodes = 15
        inner = rng.random(nodes) < 0.9
        inner[7:] = False
        for i in range(1, 7):
            inner[i] &= inner[(i - 1) // 2]
        left = np.where(inner, 2 * np.arange(nodes) + 1, -1)
        grown.append(
            Tree.of(
                rng.integers(0, columns, nodes),
                rng.normal(size=nodes),
                rng.random(nodes) < 0.5,
                (left, np.where(inner, left + 1, -1)),
                rng.uniform(0.02, 0.2, (nodes, width)),
            )
        )
    return Trees.grown(columns, raw, grown, [i % raw for i in range(4)], base=np.full(raw, 0.05), link=link)


@given(st.integers(0, 10_000), st.booleans(), st.booleans())
def test_trees_are_exact(seed: int, wide: bool, holes: bool) -> None:
    rng = np.random.default_rng(seed)
    trees = forest_of(rng, 5, 2, "identity", 2 if wide else 1)
    row, base = (torch.from_numpy(rng.normal(size=5)) for _ in range(2))
    if holes:
        row[0], base[1] = float("nan"), float("nan")
    weight = torch.tensor([1.0, -0.5], dtype=torch.float64)
    found, exact = row_shares(trees, row, base, weight)
    assert exact
    assert torch.allclose(found, by_force(lambda x: trees(x) @ weight, row, base), atol=1e-9)


@given(st.integers(0, 10_000), st.sampled_from(["log", "log_odds"]))
def test_behind_a_link_shares_are_those_of_the_sum(seed: int, link: str) -> None:
    rng = np.random.default_rng(seed)
    trees = forest_of(rng, 4, 1, link, 1)
    row, base = (torch.from_numpy(rng.normal(size=4)) for _ in range(2))
    one = torch.ones(1, dtype=torch.float64)
    found, _ = row_shares(trees, row, base, one)
    raw = trees(torch.stack([row, base]))[:, 0]
    assert float(found.sum()) == pytest.approx(float(raw[0] - raw[1]), abs=1e-9)
    sums = by_force(lambda x: trees.sums(x)[:, 0], row, base)
    if abs(float(sums.sum())) > 1e-9:
        assert torch.allclose(found / found.sum(), sums / sums.sum(), atol=1e-6)


def target_of(task: Task, rng: np.random.Generator, score: np.ndarray) -> Tensor:
    if isinstance(task, Survival):
        return Survival.target(rng.random(len(score)) < 0.8, np.exp(-score))
    if isinstance(task, Classification):
        return torch.from_numpy((score > 0).astype(np.int64))
    return torch.from_numpy(score)[:, None].float()


CASES = [
    ("ridge", Regression()),
    ("logistic", Classification(2)),
    ("coxnet", Survival([0.5, 1.0])),
    ("boosting", Classification(2)),
    ("boosting", Regression()),
    ("forest", Regression()),
    ("survival_boosting", Survival([0.5, 1.0])),
    ("survival_forest", Survival([0.5, 1.0])),
]


@pytest.mark.parametrize(("name", "task"), CASES, ids=lambda value: value if isinstance(value, str) else value.name)
def test_learners_add_up_and_are_exact_where_all_subsets_can_be_asked(name: str, task: Task) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    options = {"trees": 10} if "forest" in name else {"rounds": 10} if "boosting" in name else {}
    learner = learner_class(name).fit(x, target_of(task, rng, x[:, 0] - x[:, 1]), task, seed=0, **options)
    row, base = torch.from_numpy(x[3]), torch.zeros(5, dtype=torch.float64)
    weight = torch.zeros(learner.raw, dtype=torch.float64)
    weight[-1] = 1.0
    found, exact = row_shares(learner, row, base, weight)
    assert exact
    raw = learner(torch.stack([row, base])) @ weight
    assert float(found.sum()) == pytest.approx(float(raw[0] - raw[1]), abs=1e-9)
    if getattr(learner, "link", "identity") == "identity":
        assert torch.allclose(found, by_force(lambda rows: learner(rows) @ weight, row, base), atol=1e-9)


class Product(nn.Module):
    """A model that can only be asked."""

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, :1] * x[:, 1:2] + x[:, 2:3]).double()


def test_any_other_model_is_asked_and_adds_up() -> None:
    row, base = torch.tensor([2.0, 3.0, 1.0, 7.0]), torch.tensor([0.0, 0.0, 0.0, 7.0])
    found, exact = row_shares(Product(), row, base, torch.ones(1))
    assert not exact
    assert torch.allclose(found, torch.tensor([3.0, 3.0, 1.0, 0.0]).double())  # of two, both orders are all there are
    with pytest.raises(InputError, match="at most 2000 that differ from the base, got 2001"):
        row_shares(Product(), torch.ones(2001), torch.zeros(2001), torch.ones(1))


def test_columns_that_a_learner_does_not_see_get_nothing() -> None:
    inner = build_learner("linear", {"in_features": 2, "raw": 1})
    inner.weight.copy_(torch.tensor([[2.0], [1.0]]))
    whole = Selected(4, 1, [3, 1], "linear", inner.config)
    whole.learner.load_state_dict(inner.state_dict())
    found, exact = row_shares(whole, torch.tensor([9.0, 1.0, 9.0, 1.0]), torch.zeros(4), torch.ones(1))
    assert exact
    assert found.tolist() == [0.0, 1.0, 0.0, 2.0]


@given(st.integers(0, 10_000))
def test_beside_others_is_beside_each(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trees = forest_of(rng, 5, 2, "identity", 2)
    linear = build_learner("linear", {"in_features": 5, "raw": 2})
    linear.weight.copy_(torch.from_numpy(rng.normal(size=(5, 2))))
    causes = build_learner("per_cause", {"in_features": 5, "raw": 2, "parts": [LINE, LINE]})
    for one in causes.learners:
        one.weight.copy_(torch.from_numpy(rng.normal(size=(5, 1))))
    row, others = torch.from_numpy(rng.normal(size=5)), torch.from_numpy(rng.normal(size=(4, 5)))
    weight = torch.tensor([0.5, -2.0])
    for learner in (trees, linear, causes):
        found = beside_others(learner, row, others, weight)
        assert found is not None
        for mine, other in zip(found, others, strict=True):
            assert torch.allclose(mine, row_shares(learner, row, other, weight)[0])


def test_models_that_can_only_be_asked_are_not_put_beside_others() -> None:
    assert beside_others(nn.Linear(2, 1).double(), torch.ones(2), torch.zeros(3, 2), torch.ones(1)) is None
