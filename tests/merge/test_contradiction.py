"""Blocks that may mean the opposite of what they say are told whenever they become one model."""

from __future__ import annotations

import copy
import math
import warnings
from pathlib import Path

import pytest
import torch
import yaml

from mmlego import LegoBlock, LegoFuse, LegoMerge, LegoWarning, load, save
from mmlego.merge.contradiction import share_with_event
from mmlego.renaming import rename
from mmlego.tasks import Classification, Regression, Survival, Task
from mmlego.tasks.prior import prior_logits
from tests.bricks import plate, table_block
from tests.terminal import done, inside

WORSE = {"c_index": (0.3, 0.08), "auroc": (0.2, 0.1)}


def pair(
    task: Task, score: float = math.nan, error: float = math.nan, patients: dict[str, int] | None = None
) -> list[LegoBlock]:
    """Return two blocks of one modality, of which the second has a score."""
    at = plate(task)
    blocks = [table_block(at, "labs@a"), table_block(at, "labs@b", seed=2)]
    blocks[1].card.validation, blocks[1].card.errors = {task.primary_metric: score}, {task.primary_metric: error}
    blocks[1].card.patients = {"training": 80, "validation": 20} if patients is None else patients
    return blocks


@pytest.mark.parametrize("task", [Survival([1, 2]), Classification(2)])
@pytest.mark.parametrize("make", [LegoMerge, LegoFuse])
def test_a_block_that_is_worse_than_chance_is_told(task: Task, make: type[LegoMerge] | type[LegoFuse]) -> None:
    score, error = WORSE[task.primary_metric]
    blocks = pair(task, score, error)
    most = score + 1.96 * error
    told = rf"'labs@b' is worse than chance .* \({task.primary_metric} {score:.3f}, at most {most:.3f}; 95 % interval\)"
    with pytest.warns(LegoWarning, match=told):
        made = make(blocks)
    assert "labs@b" in made.card.parents[1]
    assert "; worse than chance" in made.card.parents[1]
    assert "worse" not in made.card.parents[0]


@pytest.mark.parametrize(
    ("task", "score", "error"),
    [
        (Survival([1, 2]), 0.45, 0.05),
        (Survival([1, 2]), 0.3, math.nan),
        (Survival([1, 2]), math.nan, 0.05),
        (Survival([1, 2]), 0.402, 0.05),  # up to 0.5, which is chance
        (Regression(["x"], [0.0], [1.0]), -0.5, 0.01),  # R² has no opposite
    ],
)
def test_what_may_be_chance_is_not_told(task: Task, score: float, error: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "worse" not in str(LegoMerge(pair(task, score, error)).card.parents)


@pytest.mark.parametrize("patients", [{"training": 80, "validation": 19}, {"training": 100}])
def test_neither_few_patients_nor_scores_out_of_fold_tell_it(patients: dict[str, int]) -> None:
    with warnings.catch_warnings(record=True) as told:
        made = LegoMerge(pair(Survival([1, 2]), 0.1, 0.05, patients))
    assert [str(one.message) for one in told] == []
    assert "worse" not in str(made.card.parents)


def test_scores_out_of_fold_of_rows_that_belong_together_tell_nothing() -> None:
    at, below = plate(Classification(2)), []
    y = torch.tensor([0, 1]).repeat_interleave(5).repeat(4)
    patients = [f"p{row // 5}" for row in range(40)]
    for seed in range(8):  # eight patients, five equal rows of noise each
        x = torch.randn(8, 2, generator=torch.Generator().manual_seed(seed)).repeat_interleave(5, 0)
        block = LegoBlock.of("logistic", at, "labs@b", (x, y), folds=4, patients=patients)
        if block.card.validation["auroc"] + 1.96 * block.card.errors["auroc"] < 0.5:  # as if forty had been asked
            below.append(block)
    assert below  # one in forty would be chance
    with warnings.catch_warnings(record=True) as told:
        made = LegoMerge([table_block(at, "labs@a"), below[0]])
    assert [str(one.message) for one in told] == []
    assert "worse" not in str(made.card.parents)


def test_both_remedies_are_heard() -> None:
    blocks = pair(Survival([1, 2]), 0.3, 0.08)
    with warnings.catch_warnings(record=True) as told:
        silenced = LegoMerge(blocks, weights={"labs@a": 1, "labs@b": 0})
        alone = LegoMerge(blocks[:1])
    assert [str(one.message) for one in told] == []
    assert (silenced.modalities, alone.modalities) == (("labs@a", "labs@b"), ("labs@a",))


def events(turned: bool, n: int = 200) -> torch.Tensor:
    """Return events of a third of patients over ten years, as one site codes them or the other way round."""
    generator = torch.Generator().manual_seed(0)
    time = 10 * torch.rand(n, generator=generator)
    event = (torch.rand(n, generator=generator) < 0.15).float()
    return torch.stack([1 - event if turned else event, time], dim=1)


def test_sites_that_count_events_the_other_way_round_are_doubted() -> None:
    task = Survival([2, 5, 9])
    blocks = pair(task)
    for block, turned in zip(blocks, (False, True), strict=True):
        block.card.prior = prior_logits(task, events(turned)).tolist()
    shares = [share_with_event(block) for block in blocks]
    told = (
        f"By 'labs@b' {shares[1]:.0%} of its patients have the event, by 'labs@a' {shares[0]:.0%}, up to the last cut"
    )
    with pytest.warns(LegoWarning, match=told.replace("%", " %")):
        LegoMerge(blocks)
    blocks[1].card.prior = prior_logits(task, events(False, 150)).tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LegoMerge(blocks)


def test_the_share_is_within_those_of_life_tables() -> None:
    task, target = Survival([2, 5, 9]), events(False)
    block = pair(task)[0]
    block.card.prior = prior_logits(task, target).tolist()
    free = [1.0, 1.0]
    for start, end in ((0, 2), (2, 5), (5, 9)):
        died = ((target[:, 0] == 1) & (target[:, 1] > start) & (target[:, 1] <= end)).sum()
        for i, at_risk in enumerate((target[:, 1] > start, target[:, 1] > end)):  # whoever is censored in it, or not
            free[i] *= 1 - float(died) / float(at_risk.sum() + i * died)
    assert 1 - free[0] < share_with_event(block) < 1 - free[1]


def test_the_verbs_say_it(tmp_path: Path) -> None:
    for name, block in zip("ab", pair(Survival([1, 2]), 0.3, 0.08), strict=True):
        save(block, tmp_path / name)
    recipe = {"blocks": {"labs@a": "a", "labs@b": "b"}}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe))
    with inside(tmp_path):
        for said in (done("merge", "a", "b", "-o", "merged"), done("run", "r.yaml", "-o", "made")):
            assert "warning: 'labs@b' is worse than chance on its own held-out patients" in said.err
    assert "worse than chance" in (tmp_path / "merged" / "README.md").read_text()
    with pytest.warns(LegoWarning, match="worse than chance"):
        load(tmp_path / "merged")


def test_a_copy_of_a_block_is_told() -> None:
    at = plate(Classification(2))
    first, second = table_block(at, "labs@a"), table_block(at, "labs@b", seed=2)
    copied = rename(copy.deepcopy(first), "labs@c")
    with pytest.warns(LegoWarning, match=r"'labs@a' and 'labs@c' hold the same numbers.*Leave it out"):
        LegoMerge([first, second, copied])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        LegoMerge([first, second, rename(copy.deepcopy(first), "rna")])  # of another modality it is another thing
        LegoMerge([first, second, copied], weights=[0.5, 0.5, 0])
    assert told == []
