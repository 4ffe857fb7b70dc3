from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego.errors import InputError
from mmlego.tasks import Classification, MultiLabel, Regression
from mmlego.tasks.conformal import LEVELS, class_sets, class_summary, quantile_of, quantiles


def test_the_quantile_is_that_of_one_patient_more() -> None:
    # of 19 scores ⌈20 · 0.9⌉ = 18 and ⌈20 · 0.95⌉ = 19, of 18 there is none for 0.95
    assert quantiles(torch.arange(19.0, 0.0, -1.0)) == {"0.5": 10.0, "0.8": 16.0, "0.9": 18.0, "0.95": 19.0}
    assert quantiles(torch.arange(18.0))["0.95"] is None
    assert quantiles(torch.tensor([])) == dict.fromkeys(map(str, LEVELS))
    assert quantiles(torch.tensor([1.0, torch.nan, 2.0]))["0.5"] == 2.0


@given(st.integers(9, 200), st.integers(0, 2**31))
def test_of_exchangeable_patients_so_many_lie_within(n: int, seed: int) -> None:
    """Leaving each out in turn, at least the asked share of n + 1 different scores is at most the others' quantile."""
    scores = torch.randperm(10 * n, generator=torch.Generator().manual_seed(seed))[: n + 1].double() + 1
    for level in (0.5, 0.8, 0.9):
        found = [quantile_of(quantiles(torch.cat([scores[:i], scores[i + 1 :]])), level) for i in range(0, n + 1)]
        inside = [bound is not None and score <= bound for score, bound in zip(scores.tolist(), found, strict=True)]
        assert sum(inside) >= level * (n + 1) - 1e-9


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(InputError, match=r"0\.5, 0\.8, 0\.9, 0\.95"):
        quantile_of({}, 0.99)


def test_each_class_has_a_bound_of_its_own() -> None:
    p = torch.tensor([[0.9, 0.1]] * 9 + [[0.6, 0.4]] * 9)
    found = class_summary(p, torch.tensor([0] * 9 + [1] * 9), ["no", "yes"])
    assert found["no"]["0.9"] == pytest.approx(0.1)
    assert found["yes"]["0.9"] == pytest.approx(0.6)
    new = torch.tensor([[0.95, 0.05], [0.8, 0.2], [0.5, 0.5], [0.3, 0.7]])
    # no is excluded below 0.9, yes below 0.4; the most probable is always among them, of equal ones the first
    assert class_sets(new, found, ["no", "yes"], 0.9) == ["no", "no", "no, yes", "yes"]


def test_a_class_of_few_patients_is_never_excluded() -> None:
    p = torch.tensor([[0.9, 0.1]] * 20)
    found = class_summary(p, torch.tensor([0] * 18 + [1] * 2), ["no", "yes"])
    assert found["yes"]["0.9"] is None
    assert class_sets(p[:1], found, ["no", "yes"], 0.9) == ["no, yes"]


def test_a_number_has_an_interval_in_its_units() -> None:
    task = Regression(["age"], mean=50.0, scale=10.0)
    target = 50.0 + torch.arange(1.0, 10.0)[:, None]
    summary = task.summary(torch.zeros(9, 1), target)  # off by 1 … 9 years
    found = task.compared(torch.tensor([[1.0]]), summary, 0.8)
    assert {name: values.tolist() for name, values in found.items()} == {"age_low_80": [52.0], "age_high_80": [68.0]}
    unknown = task.compared(torch.tensor([[1.0]]), summary, 0.95)["age_low_95"]
    assert torch.tensor(unknown).isnan().all()


def test_labels_are_told_apart_each_by_itself() -> None:
    task = MultiLabel(["sepsis", "stroke"])
    logits = torch.tensor([[3.0, 3.0], [-3.0, -3.0]]).repeat(10, 1)
    target = torch.tensor([[1.0, torch.nan], [0.0, torch.nan]]).repeat(10, 1)
    found = task.compared(logits[:2], task.summary(logits, target))
    assert found["sepsis_not_excluded_90"].tolist() == ["yes", "no"]
    assert found["stroke_not_excluded_90"].tolist() == ["yes, no", "no, yes"]  # nobody is known


def test_nothing_is_compared_with_nobody() -> None:
    assert Classification(2).compared(torch.zeros(3, 2), {}) == {}
    assert Regression().compared(torch.zeros(3, 1), {}) == {}
    assert MultiLabel(["a"]).compared(torch.zeros(3, 1), {}) == {}
