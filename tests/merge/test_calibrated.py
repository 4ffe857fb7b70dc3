"""Bricks whose evidence was measured say themselves what it is worth: a useless one does no harm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mmlego import Baseplate, FittedBlock, LegoBlock, LegoMerge
from mmlego.encoders import SNN
from mmlego.tasks import Classification, Survival, Task

N = 200


def of_noise_and_one(task: Task, seed: int) -> tuple[dict[str, Tensor], Tensor]:
    """Four modalities of five columns, of which one column of the first tells the outcome."""
    rng = np.random.default_rng(seed)
    x = {name: rng.normal(size=(2 * N, 5)) for name in ("good", "a", "b", "c")}
    level = x["good"][:, 0]
    if task.name == "survival":
        time = rng.exponential(np.exp(-level)) + 1e-3
        y = torch.from_numpy(np.stack([rng.random(2 * N) < 0.8, time], 1)).float()
    else:
        y = torch.from_numpy((rng.random(2 * N) < 1 / (1 + np.exp(-1.5 * level))).astype(np.int64))
    return {name: torch.from_numpy(value).float() for name, value in x.items()}, y


@pytest.mark.parametrize(
    ("task", "learner", "metric"),
    [(Classification(2), "logistic", "auroc"), (Survival([0.3, 0.7, 1.5]), "coxnet", "c_index")],
)
def test_three_useless_modalities_cost_next_to_nothing(task: Task, learner: str, metric: str) -> None:
    lost = []
    for seed in range(4):
        x, y = of_noise_and_one(task, seed)
        plate = Baseplate(task, channels=4, width=8)
        bricks = [LegoBlock.of(learner, plate, name, (value[:N], y[:N])) for name, value in x.items()]
        merge = LegoMerge(bricks)
        assert merge.weights.tolist() == [0.25] * 4
        held = {name: value[N:] for name, value in x.items()}
        whole = task.metrics(merge(held), y[N:])[metric]
        alone = task.metrics(bricks[0](held["good"]).logits, y[N:])[metric]
        lost.append(alone - whole)
    assert float(np.mean(lost)) <= 0.005


def test_calibrated_evidence_is_summed_over_the_root_of_how_many_say_something() -> None:
    task = Survival([0.3, 0.7, 1.5])
    x, y = of_noise_and_one(task, 0)
    plate = Baseplate(task, channels=4, width=8)
    bricks = [LegoBlock.of("coxnet", plate, name, (x[name], y)) for name in ("good", "a")]
    merged = LegoMerge(bricks)({name: x[name] for name in ("good", "a")})
    parts = [brick(x[brick.modality]).logits - brick.prior() for brick in bricks]
    spreads = [float(brick.card.recipe["spread"]) for brick in bricks]
    many = sum(spreads) ** 2 / sum(b * b for b in spreads)
    assert 1 < many < 1.6  # the second says little
    assert torch.allclose(merged, bricks[0].prior() + (parts[0] + parts[1]) / many**0.5, atol=1e-4)
    one = LegoMerge(bricks)({"good": x["good"]})
    assert torch.allclose(one, bricks[0](x["good"]).logits, atol=1e-4)


def test_with_one_block_that_is_not_all_is_weighed_as_before() -> None:
    task = Classification(2)
    x, y = of_noise_and_one(task, 0)
    plate = Baseplate(task, channels=4, width=8)
    brick = LegoBlock.of("logistic", plate, "good", (x["good"], y))
    assert isinstance(brick, FittedBlock)
    neural = LegoBlock(SNN(5), plate, "a")
    neural.card.validation, neural.card.errors = {"auroc": 0.6}, {"auroc": 0.01}
    weights = LegoMerge([brick, neural]).weights
    assert float(weights[0]) > float(weights[1])
