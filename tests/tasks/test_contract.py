"""Every registered task keeps the same promises."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmlego.errors import InputError, ShapeError
from mmlego.tasks import (
    Classification,
    CompetingRisks,
    MultiLabel,
    Regression,
    Survival,
    Task,
    task_class,
    task_from_config,
    task_names,
)


@dataclass(frozen=True)
class Example:
    """A task, another one of the same kind, and a way to draw targets."""

    task: Task
    other: Task
    difference: str
    draw: Callable[[np.random.Generator, int], np.ndarray]


def _survival(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.stack([np.arange(n) % 2, rng.exponential(2.0, size=n)], axis=1).astype(np.float32)


def _labels(rng: np.random.Generator, n: int) -> np.ndarray:
    target = (np.arange(2 * n).reshape(n, 2) // 2 % 2).astype(np.float32)
    target[rng.random((n, 2)) < 0.2] = np.nan
    return target


EXAMPLES = {
    "survival": Example(Survival([1.0, 2.0]), Survival([1.0, 3.0]), "cuts: (1.0, 2.0) ≠ (1.0, 3.0)", _survival),
    "competing_risks": Example(
        CompetingRisks([1.0, 2.0], ["a", "b"]),
        CompetingRisks([1.0, 2.0], ["b", "a"]),
        "causes: ('a', 'b') ≠ ('b', 'a')",
        lambda rng, n: np.stack([np.arange(n) % 3, rng.exponential(2.0, size=n)], axis=1).astype(np.float32),
    ),
    "classification": Example(
        Classification(["no", "yes"]),
        Classification(2),
        "classes: ('no', 'yes') ≠ ('0', '1')",
        lambda rng, n: np.arange(n) % 2,
    ),
    "multilabel": Example(MultiLabel(["a", "b"]), MultiLabel(["b", "a"]), "labels: ('a', 'b') ≠ ('b', 'a')", _labels),
    "regression": Example(
        Regression(["x", "y"], mean=1.0, scale=[2.0, 3.0]),
        Regression(["x", "y"], mean=1.0, scale=[2.0, 4.0]),
        "scale: (2.0, 3.0) ≠ (2.0, 4.0)",
        lambda rng, n: rng.normal(size=(n, 2)).astype(np.float32),
    ),
}


def test_every_registered_task_has_an_example() -> None:
    assert set(task_names()) == set(EXAMPLES)


@pytest.fixture(params=task_names())
def example(request: pytest.FixtureRequest) -> Example:
    return EXAMPLES[request.param]


def batch(example: Example, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(size=(n, example.task.outputs)), dtype=torch.float32)
    return logits, example.task.check_target(example.draw(rng, n))


def test_config_survives_json(example: Example) -> None:
    config = json.loads(json.dumps(example.task.config()))
    assert task_from_config(config) == example.task
    assert type(example.task).from_config(config) == example.task
    assert task_class(str(config["name"])) is type(example.task)


def test_from_config_refuses_what_does_not_fit(example: Example) -> None:
    config = example.task.config()
    with pytest.raises(InputError, match=r"unknown \['colour'\]"):
        task_from_config({**config, "colour": "blue"})
    with pytest.raises(InputError, match="the configuration is of another task"):
        type(example.task).from_config({**config, "name": "other"})


def test_equality_is_by_configuration(example: Example) -> None:
    twin = task_from_config(example.task.config())
    assert twin == example.task
    assert hash(twin) == hash(example.task)
    assert example.task.differences(twin) == []
    assert example.task != example.other
    assert example.task.differences(example.other) == [example.difference]
    assert pickle.loads(pickle.dumps(example.task)) == example.task
    assert copy.deepcopy(example.task) == example.task
    for other in EXAMPLES.values():
        if type(other.task) is not type(example.task):
            assert example.task != other.task
            expected = [f"task: {example.task.name} ≠ {other.task.name}"]
            assert example.task.differences(other.task) == expected


def test_tasks_are_frozen(example: Example) -> None:
    with pytest.raises(FrozenInstanceError):
        example.task.outputs = 7  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        example.task.new = 7  # type: ignore[attr-defined]


def test_canonical_target_is_a_fixed_point(example: Example) -> None:
    _, target = batch(example, 8)
    torch.testing.assert_close(example.task.check_target(target), target, equal_nan=True)
    as_array = example.task.check_target(target.numpy())
    torch.testing.assert_close(as_array, target, equal_nan=True)
    as_list = example.task.check_target(target.tolist())
    torch.testing.assert_close(as_list, target, equal_nan=True)
    assert len(target) == 8


def test_check_target_does_not_share_the_memory_of_arrays(example: Example) -> None:
    given_array = example.draw(np.random.default_rng(0), 6)
    given_array.flags.writeable = False  # as columns of a data frame are
    before = given_array.copy()
    example.task.check_target(given_array).zero_()
    np.testing.assert_array_equal(given_array, before)


@pytest.mark.parametrize("name", task_names())
@settings(deadline=None, max_examples=20)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
    weighted=st.booleans(),
)
def test_loss_decomposes_over_shards(name: str, sizes: list[int], seed: int, weighted: bool) -> None:
    example = EXAMPLES[name]
    logits, target = batch(example, sum(sizes), seed)
    weight = torch.rand(sum(sizes), generator=torch.Generator().manual_seed(seed)) if weighted else None
    weights = weight.split(sizes) if weight is not None else [None] * len(sizes)
    shards = zip(logits.split(sizes), target.split(sizes), weights, sizes, strict=True)
    total = sum(float(example.task.loss(x, y, w)) * size for x, y, w, size in shards)
    expected = float(example.task.loss(logits, target, weight))
    assert total / sum(sizes) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_gradients_flow(example: Example) -> None:
    logits, target = batch(example, 8)
    logits.requires_grad_()
    example.task.loss(logits, target, example.task.balanced_weights(target)).backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())
    assert bool((logits.grad != 0).any(dim=0).all())  # every output learns


def test_gradient_descent_lowers_the_loss_and_raises_the_primary_metric(example: Example) -> None:
    logits, target = batch(example, 12)
    logits.requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.3)
    before = example.task.metrics(logits, target)[example.task.primary_metric]
    for _ in range(60):
        optimiser.zero_grad()
        example.task.loss(logits, target).backward()
        optimiser.step()
    after = example.task.metrics(logits, target)[example.task.primary_metric]
    assert after > max(before, example.task.chance)
    assert after > 0.8


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_any_precision_of_logits(example: Example, dtype: torch.dtype) -> None:
    logits, target = batch(example, 10)
    low = logits.to(dtype)
    loss = example.task.loss(low, target)
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(loss.float(), example.task.loss(low.float(), target))
    assert len(example.task.predict(low)) == 10
    scores = example.task.metrics(low, target)
    assert scores == pytest.approx(example.task.metrics(low.double(), target))


def test_metrics_leave_the_graph_and_the_inputs_alone(example: Example) -> None:
    logits, target = batch(example, 10)
    logits.requires_grad_()
    kept_logits, kept_target = logits.detach().clone(), target.clone()
    scores = example.task.metrics(logits, target, reference=target)
    assert example.task.primary_metric in scores
    assert all(type(value) is float for value in scores.values())
    torch.testing.assert_close(logits.detach(), kept_logits)
    torch.testing.assert_close(target, kept_target, equal_nan=True)
    assert logits.grad is None


def test_batch_of_one(example: Example) -> None:
    logits, target = batch(example, 1)
    assert example.task.loss(logits, target).shape == ()
    prediction = example.task.predict(logits)
    assert len(prediction) == 1
    assert prediction.frame(["only"]).shape[0] == 1
    with pytest.warns(UserWarning, match="undefined"):
        assert math.isnan(example.task.metrics(logits, target)[example.task.primary_metric])


def test_weights_of_zero_silence_samples(example: Example) -> None:
    logits, target = batch(example, 6)
    weight = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    expected = example.task.loss(logits[:3], target[:3]) / 2
    torch.testing.assert_close(example.task.loss(logits, target, weight), expected)


def test_strata_and_balanced_weights(example: Example) -> None:
    _, target = batch(example, 20)
    strata, weights = example.task.strata(target), example.task.balanced_weights(target)
    assert strata.dtype == torch.int64
    assert strata.shape == weights.shape == (20,)
    assert weights.mean() == pytest.approx(1.0, rel=1e-6)
    assert bool((weights > 0).all())


def test_no_samples(example: Example) -> None:
    _, target = batch(example, 4)
    none = target[:0]
    assert len(example.task.check_target(none)) == 0
    assert example.task.strata(none).tolist() == []
    assert example.task.balanced_weights(none).tolist() == []


def test_bad_logits(example: Example) -> None:
    logits, target = batch(example, 4)
    k = example.task.outputs
    for bad in (logits[:, :-1], logits[0], torch.zeros(0, k)):
        with pytest.raises(ShapeError, match="logits"):
            example.task.loss(bad, target)
    with pytest.raises(ShapeError, match="logits and target differ in length"):
        example.task.loss(logits[:3], target)
    with pytest.raises(ShapeError, match="logits and target differ in length"):
        example.task.metrics(logits[:3], target)
    for value in (math.nan, math.inf):
        broken = logits.clone()
        broken[1, 0] = value
        with pytest.raises(InputError, match=f"1 NaN or infinite of {logits.numel()}"):
            example.task.predict(broken)
        with pytest.raises(InputError, match="logits are not finite"):
            example.task.metrics(broken, target)


def test_bad_weights(example: Example) -> None:
    logits, target = batch(example, 4)
    with pytest.raises(ShapeError, match="sample_weight has the wrong shape"):
        example.task.loss(logits, target, torch.ones(3))
    for value in (-1.0, math.nan):
        with pytest.raises(InputError, match="sample_weight is not usable"):
            example.task.loss(logits, target, torch.full((4,), value))


def test_loss_never_waits_for_an_accelerator(example: Example) -> None:
    """On the meta device, which has shapes and no values, any look at a value would raise."""
    logits, target = batch(example, 4)
    loss = example.task.loss(logits.to("meta"), target.to("meta"), torch.ones(4, device="meta"))
    assert loss.shape == ()
    with pytest.raises(ShapeError, match="the target is not one of"):
        example.task.loss(logits.to("meta"), torch.zeros(4, 2, 3, device="meta"))


def test_wrong_number_of_patients(example: Example) -> None:
    logits, _ = batch(example, 4)
    with pytest.raises(ShapeError, match="patients and predictions differ in number"):
        example.task.predict(logits).frame(["one"])


def test_primary_metric_is_higher_for_better_and_chance_without_information(example: Example) -> None:
    """Constant logits give chance; regression must know the mean for that."""
    _, target = batch(example, 40)
    logits = torch.zeros(40, example.task.outputs)
    if isinstance(example.task, Regression):
        scale, mean = torch.tensor(example.task.scale), torch.tensor(example.task.mean)
        logits = ((target.mean(0) - mean) / scale).expand(40, -1)
        with pytest.warns(UserWarning, match="constant prediction"):
            score = example.task.metrics(logits, target)[example.task.primary_metric]
    else:
        score = example.task.metrics(logits, target)[example.task.primary_metric]
    assert score == pytest.approx(example.task.chance, abs=1e-4)
