"""Weights of a merge, learnt from patients who have several modalities."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

import mmlego
from mmlego import Baseplate, LegoBlock, LegoMerge
from mmlego.data import PatientData
from mmlego.encoders import SNN
from mmlego.errors import InputError, MismatchError
from mmlego.merge.weights import resolve_weights
from mmlego.tasks import Classification, MultiLabel, Regression, Survival, Task
from mmlego.training.evaluate import all_logits
from mmlego.training.stacking import _evidence, _pooled, _present, stack

NAMES = ("rna", "labs", "noise")


def _told(n: int = 160, seed: int = 0, signal: tuple[float, ...] = (2.0, 0.7, 0.0)) -> tuple[dict[str, Tensor], Tensor]:
    draw = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    told = {
        name: (strength * (y - 0.5))[:, None] + torch.randn(n, 1, generator=draw)
        for name, strength in zip(NAMES, signal, strict=True)
    }
    return told, y


def _merge(told: dict[str, Tensor], y: Tensor, ids: list[str], task: Task | None = None) -> LegoMerge:
    task = task or Classification(2)
    plate = Baseplate(task, channels=4, width=8)
    learner = {"classification": "logistic", "regression": "ridge", "survival": "coxnet"}[task.name]
    return LegoMerge([LegoBlock.of(learner, plate, name, (x, y), patients=ids) for name, x in told.items()])


@pytest.fixture(scope="module")
def made() -> tuple[LegoMerge, PatientData]:
    told, y = _told()
    ids = [f"p{i}" for i in range(len(y))]
    merge = _merge(told, y, ids)
    return merge, PatientData(told, y, merge.task, ids)


def _copy(merge: LegoMerge) -> LegoMerge:
    again = copy.deepcopy(merge)
    for name in merge.modalities:
        again.block(name).out_of_fold = merge.block(name).out_of_fold
    return again


def test_the_weights_are_where_the_cost_written_out_is_least(made: tuple[LegoMerge, PatientData]) -> None:
    merge, data = _copy(made[0]), made[1]
    spread = 0.7
    # The cost again, from logits of blocks alone, as the docstring has it.
    blocks = [merge.block(name) for name in NAMES]
    logits = torch.stack([all_logits(b, data.only([b.modality]), 64, out_of_fold=True) for b in blocks]).double()
    priors = torch.stack([b.prior().double() for b in blocks])
    b = torch.stack([torch.tensor(block.card.recipe["spread"]) for block in blocks]).double()

    def cost(w: np.ndarray) -> float:
        v = torch.from_numpy(w)
        strength = (1 / v.square().sum()) * ((v * b).square().sum().sqrt() / (v * b).sum())
        z = v @ priors + strength * torch.einsum("m,mnk->nk", v, logits - priors[:, None])
        loss = torch.nn.functional.cross_entropy(z, data.target, reduction="sum")
        return float(loss + ((3 * v - 1) ** 2).sum() / (2 * spread**2))

    found = stack(merge, data, spread=spread)
    best = np.array([found[name] for name in NAMES])
    assert best.sum() == pytest.approx(1)
    assert best.min() >= 0
    assert found["rna"] > found["labs"] > found["noise"]
    grid = [np.array([i, j, 40 - i - j]) / 40 for i in range(1, 40) for j in range(40 - i)]
    assert cost(best) <= min(cost(w) for w in grid) + 1e-6
    assert cost(best) < cost(np.full(3, 1 / 3)) - 0.01


def test_what_is_weighed_is_what_the_merge_answers(made: tuple[LegoMerge, PatientData]) -> None:
    merge, data = made
    some = torch.rand(3, len(data), generator=torch.Generator().manual_seed(1)) < 0.7
    some[0, ~some.any(0)] = True
    present = dict(zip(NAMES, some, strict=True))
    gaps = PatientData(_told()[0], data.target, merge.task, data.patients, present=present)
    pooled = _pooled(
        merge, merge.weights.double(), _evidence(merge, gaps, 64), merge.priors.double(), _present(merge, gaps)
    )
    assert torch.allclose(pooled.float(), all_logits(merge, gaps, 64, out_of_fold=True), atol=1e-5)


def test_the_merge_answers_by_the_new_weights_and_its_card_says_so(made: tuple[LegoMerge, PatientData]) -> None:
    merge, data = _copy(made[0]), made[1]
    before = all_logits(merge, data, 64)
    assert merge.card.recipe["weights"].startswith("uniform: all blocks are calibrated")
    found = stack(merge, data)
    assert merge.weights.tolist() == pytest.approx([found[name] for name in NAMES])
    assert not torch.allclose(all_logits(merge, data, 64), before)
    assert merge.card.recipe["weights"] == "stacked on 160 patients with several modalities"


def test_a_small_spread_leaves_the_weights_equal(made: tuple[LegoMerge, PatientData]) -> None:
    found = stack(_copy(made[0]), made[1], spread=1e-3)
    assert list(found.values()) == pytest.approx([1 / 3] * 3, abs=1e-3)


def test_a_modality_that_misleads_loses_its_whole_weight() -> None:
    """One that has learnt the opposite elsewhere, and is believed to know much."""
    told, y = _told(400)
    ids = [f"p{i}" for i in range(400)]
    merge = _merge(told, y, ids)
    misled, _ = _told(400, seed=3, signal=(0.0, 0.0, 2.0))
    wrong = LegoBlock.of("logistic", merge.plate, "noise", (misled["noise"], 1 - y), patients=[f"q{i}" for i in ids])
    merge = LegoMerge([merge.block("rna"), wrong])
    for name, block in (("rna", merge.block("rna")), ("noise", wrong)):
        merge.block(name).out_of_fold = block.out_of_fold
    truth = {"rna": told["rna"], "noise": misled["noise"]}
    found = stack(merge, PatientData(truth, y, merge.task, [f"r{i}" for i in range(400)]), spread=float("inf"))
    assert found["noise"] == pytest.approx(0, abs=1e-6)


def test_of_200_patients_a_useless_modality_does_no_harm() -> None:
    """Mean over draws of the loss on new patients, with two useless modalities and without them."""
    gaps = []
    for seed in range(6):
        told, y = _told(200, seed=seed, signal=(1.5, 0.0, 0.0))
        ids = [f"p{i}" for i in range(200)]
        merge = _merge(told, y, ids)
        stack(merge, PatientData(told, y, merge.task, ids))
        fresh, target = _told(4000, seed=100 + seed, signal=(1.5, 0.0, 0.0))
        data = PatientData(fresh, target, merge.task)
        alone = all_logits(merge.block("rna"), data.only(["rna"]), 512)
        whole = all_logits(merge, data, 512)
        gaps.append(_auroc(whole, target) - _auroc(alone, target))
    assert np.mean(gaps) > -0.005


def _auroc(logits: Tensor, target: Tensor) -> float:
    return Classification(2).metrics(logits, target)["auroc"]


@pytest.mark.parametrize("kind", ["regression", "survival"])
def test_of_other_tasks(kind: str) -> None:
    told, y = _told(120, signal=(3.0, 0.0, 0.0))
    ids = [f"p{i}" for i in range(120)]
    task: Task
    if kind == "regression":
        target = y.float() + 0.1 * torch.randn(120, generator=torch.Generator().manual_seed(5))
        task = Regression(mean=[float(target.mean())], scale=[float(target.std())])
    else:
        task = Survival([1.0, 2.0, 4.0])
        target = task.target(event=torch.ones(120), time=torch.exp(-2.0 * y) * (1 + torch.rand(120)))
    merge = _merge(told, target, ids, task)
    found = stack(merge, PatientData(told, target, task, ids))
    assert found["rna"] > max(found["labs"], found["noise"])


def test_too_few_with_several_modalities_are_refused(made: tuple[LegoMerge, PatientData]) -> None:
    merge, data = made
    nobody = torch.zeros(len(data), dtype=torch.bool)
    first = nobody.clone()
    first[:19] = True
    present = {"rna": ~nobody, "labs": first, "noise": nobody}
    few = PatientData(_told()[0], data.target, merge.task, data.patients, present=present)
    with pytest.raises(InputError, match=r"several modalities and an outcome.*20 or more.*19.*'auto'"):
        stack(_copy(merge), few)


def test_patients_of_whom_no_label_is_known_do_not_count() -> None:
    told, y = _told(60)
    ids = [f"p{i}" for i in range(60)]
    labels = torch.stack([y, 1 - y], 1).float()
    plate = Baseplate(MultiLabel(2), channels=4, width=8)
    merge = LegoMerge([LegoBlock.of("logistic", plate, name, (x, labels), patients=ids) for name, x in told.items()])
    labels[40:] = torch.nan
    labels[:5, 0] = torch.nan
    stack(merge, PatientData(told, labels, merge.task, ids))
    assert merge.card.recipe["weights"] == "stacked on 40 patients with several modalities"
    labels[19:] = torch.nan
    with pytest.raises(InputError, match=r"and an outcome, to stack weights on: expected 20 or more, got 19"):
        stack(merge, PatientData(told, labels, merge.task, ids))


def test_what_cannot_be_stacked_is_refused(made: tuple[LegoMerge, PatientData]) -> None:
    merge, data = made
    with pytest.raises(InputError, match=r"spread of stack.*≥ 1e-06.*0"):
        stack(merge, data, spread=0)
    with pytest.raises(MismatchError, match="expected a LegoMerge"):
        stack(merge.block("rna"), data)  # type: ignore[arg-type]
    plate = Baseplate(Classification(2), channels=4, width=8)
    paper = LegoMerge([LegoBlock(SNN(1), plate, name) for name in NAMES], preset="paper")
    with pytest.raises(InputError, match=r"evidence that adds.*heads='slerp' and rule='harmonic'"):
        stack(paper, data)
    narrow = Baseplate(Classification(3), channels=4, width=2)
    with pytest.warns(mmlego.LegoWarning, match="no room for a common read-out"):
        three = LegoMerge([LegoBlock(SNN(1), narrow, name) for name in NAMES])
    with pytest.raises(InputError, match=r"heads='slerp'.*a plate as wide as the task has outputs"):
        stack(three, data)
    with pytest.raises(InputError, match=r"learnt from patients.*mmlego\.stack\(merge, data\)"):
        resolve_weights("stacked", {name: merge.block(name) for name in NAMES})


def test_it_is_public() -> None:
    assert mmlego.stack is stack
