"""Every registered learner, on every task that it serves, walked through one list of checks."""

from __future__ import annotations

import functools
import importlib.util
import json
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from mmlego.errors import InputError, ShapeError
from mmlego.learners import Learner, build_learner, learner_names, learner_options, learners_for
from mmlego.learners.base import raw_width
from mmlego.learners.options import check_options
from mmlego.learners.registry import learner_class
from tests.learners.cases import data, score, tasks_of

LIBRARIES = ("lightgbm", "xgboost", "catboost")  # not everybody has them
# Options that make a learner quick where its defaults are for real cohorts; a new learner needs a line.
QUICK: dict[str, dict[str, Any]] = {
    "coxnet": {"penalties": 8},
    "logistic": {"penalties": 6},
    "ridge": {},
    "forest": {"trees": 60},
    "boosting": {"rounds": 60, "learning_rate": 0.1, "columns": 0.5},
    "survival_forest": {"trees": 100},
    "survival_boosting": {"rounds": 100},
    "lightgbm": {"rounds": 60, "learning_rate": 0.1, "columns": 0.5},
    "xgboost": {"rounds": 60, "learning_rate": 0.1, "columns": 0.5},
    "catboost": {"rounds": 60, "learning_rate": 0.1, "columns": 0.5},
}
HERE = [name for name in QUICK if name not in LIBRARIES or importlib.util.find_spec(name)]
CASES = [(name, task) for name in HERE for task in tasks_of(learner_class(name).tasks)]
each = pytest.mark.parametrize(("name", "task"), CASES)


def test_every_registered_learner_is_here() -> None:
    assert sorted(QUICK) == sorted(learner_names())


@functools.cache
def fitted(name: str, task: str, seed: int = 0) -> Learner:
    known = data(task)
    return learner_class(name).fit(known.x, known.target, known.task, seed=seed, **QUICK[name])


def rows(task: str, seed: int = 7) -> torch.Tensor:
    return torch.from_numpy(data(task, n=20, seed=seed).x)


@each
def test_says_what_it_is(name: str, task: str) -> None:
    learner, known = fitted(name, task), data(task)
    assert (learner.in_features, learner.raw) == (6, raw_width(known.task))
    assert learner.registered_name == name
    assert name in learners_for(known.task)
    raw = learner(rows(task))
    assert raw.shape == (20, learner.raw)
    assert raw.dtype == torch.float64
    assert bool(raw.isfinite().all())
    assert not list(learner.parameters())


@each
def test_finds_the_planted_signal(name: str, task: str) -> None:
    held = data(task, n=400, seed=1)
    found = score(fitted(name, task)(torch.from_numpy(held.x)), held)
    assert found > (0.6 if task == "regression" else 0.74)


@each
def test_is_at_chance_where_there_is_no_signal(name: str, task: str) -> None:
    scores = []
    for seed in range(3):
        known, held = data(task, seed=seed).shuffled(seed), data(task, n=400, seed=10 + seed)
        learner = learner_class(name).fit(known.x, known.target, known.task, seed=0, **QUICK[name])
        scores.append(score(learner(torch.from_numpy(held.x)), held))
    assert np.mean(scores) < 0.1 if task == "regression" else abs(np.mean(scores) - 0.5) < 0.13


@each
def test_same_arguments_give_the_same_learner(name: str, task: str) -> None:
    known = data(task)
    again = learner_class(name).fit(known.x, known.target, known.task, seed=0, **QUICK[name])
    assert again.config == fitted(name, task).config
    for key, value in fitted(name, task).state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


@each
def test_comes_back_from_tensors_and_json(name: str, task: str) -> None:
    learner, x = fitted(name, task), rows(task)
    state = safetensors.torch.load(safetensors.torch.save(learner.state_dict()))
    again = build_learner(name, json.loads(json.dumps(learner.config)))
    again.load_state_dict(state)
    torch.testing.assert_close(again(x), learner(x), rtol=0, atol=1e-12)
    assert again.config == learner.config


@each
def test_each_row_is_answered_by_itself(name: str, task: str) -> None:
    learner, x = fitted(name, task), rows(task)
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(x)))
    torch.testing.assert_close(learner(x[order]), learner(x)[order], rtol=0, atol=1e-12)
    torch.testing.assert_close(learner(x[:1]), learner(x)[:1], rtol=0, atol=1e-12)


@each
def test_precision_of_what_was_learnt_stays(name: str, task: str) -> None:
    known = data(task)
    learner = learner_class(name).fit(known.x, known.target, known.task, seed=0, **QUICK[name])
    x = rows(task)
    before = learner(x)
    assert torch.equal(learner.half()(x), before)
    assert torch.equal(learner.to(torch.bfloat16).to("cpu")(x), before)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(learner(x), before)


@each
def test_weights_count_and_nobody_of_weight_zero_does(name: str, task: str) -> None:
    known = data(task)
    cls = learner_class(name)
    half = np.arange(len(known.x)) % 2 == 0
    some = cls.fit(known.x[half], known.target[torch.from_numpy(half)], known.task, seed=0, **QUICK[name])
    none = cls.fit(known.x, known.target, known.task, seed=0, sample_weight=half * 3.0, **QUICK[name])
    torch.testing.assert_close(none(rows(task)), some(rows(task)), rtol=1e-9, atol=1e-9)
    if (name, task) == ("catboost", "survival"):
        return  # it refuses weights there
    uneven = np.where(known.x[:, 2] > 0, 1.0, 5.0)
    other = cls.fit(known.x, known.target, known.task, seed=0, sample_weight=uneven, **QUICK[name])
    assert not torch.allclose(other(rows(task)), fitted(name, task)(rows(task)))


@each
def test_constant_and_repeated_columns_do_no_harm(name: str, task: str) -> None:
    known, held = data(task), data(task, n=400, seed=1)

    def more(x: np.ndarray) -> np.ndarray:
        return np.hstack([x, x[:, :1], np.full((len(x), 1), 1e9), np.zeros((len(x), 1))])

    learner = learner_class(name).fit(more(known.x), known.target, known.task, seed=0, **QUICK[name])
    found = score(learner(torch.from_numpy(more(held.x))), held)
    assert found > (0.6 if task == "regression" else 0.74)


@pytest.mark.parametrize("name", HERE)
def test_refuses_what_it_cannot_use(name: str) -> None:
    cls = learner_class(name)
    task = tasks_of(cls.tasks)[0]
    known = data(task)
    learner = fitted(name, task)
    with pytest.raises(ShapeError, match=r"expected \(b, 6\), got \(2, 5\)"):
        learner(torch.zeros(2, 5))
    with pytest.raises(InputError, match="infinite"):
        learner(torch.full((2, 6), float("inf")))
    with pytest.raises(ShapeError, match="do not belong together"):
        cls.fit(known.x[:-1], known.target, known.task, seed=0)
    with pytest.raises(InputError, match="sample_weight is not usable"):
        cls.fit(known.x, known.target, known.task, seed=0, sample_weight=-np.ones(len(known.x)))
    with pytest.raises(InputError, match=f"unknown option of learner '{name}'.*wdith"):
        cls.fit(known.x, known.target, known.task, seed=0, wdith=3)
    if not cls.accepts_missing:
        holes = np.where(np.eye(*known.x.shape) > 0, np.nan, known.x)
        with pytest.raises(InputError, match=r"not finite.*Impute"):
            cls.fit(holes, known.target, known.task, seed=0)
        with pytest.raises(InputError, match=r"not finite.*Impute"):
            learner(torch.from_numpy(holes))


@pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name in HERE for option in learner_options(name) if option != "parameters"]
)
def test_options_that_cannot_be_are_refused_before_a_fit(name: str, option: str) -> None:
    cls = learner_class(name)
    known = data(tasks_of(cls.tasks)[0])
    for odd in ("much", [], {}, -1, float("nan"), object()):
        with pytest.raises(InputError, match=f"option '{option}' of learner '{name}': expected a value like its") as e:
            cls.fit(known.x, known.target, known.task, seed=0, **{option: odd})
        assert repr(odd) in str(e.value)


@pytest.mark.parametrize("name", HERE)
def test_usual_options_and_numbers_of_numpy_are_taken(name: str) -> None:
    cls, usual = learner_class(name), learner_options(name)
    assert check_options(cls, usual, usual) == usual
    numbers = {key: np.array(value)[()] for key, value in usual.items() if type(value) in (int, float)}
    found = check_options(cls, numbers, usual)
    assert found == {key: usual[key] for key in numbers}
    assert all(type(value) in (int, float) for value in found.values())
    with pytest.raises(InputError, match=f"seed of learner '{name}': expected an int ≥ 0"):
        cls.fit(np.zeros((2, 1)), torch.zeros(2), data(tasks_of(cls.tasks)[0]).task, seed="a")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", HERE)
def test_columns_without_values_say_nothing(name: str) -> None:
    cls = learner_class(name)
    for task in tasks_of(cls.tasks) if cls.accepts_missing else ():
        known = data(task)
        x = known.x.copy()
        x[:, 2] = np.nan
        learner = cls.fit(x, known.target, known.task, seed=0, **QUICK[name])
        some = torch.from_numpy(x[:20])
        other = some.clone()
        other[:, 2] = 3.0
        assert bool(learner(some).isfinite().all())
        torch.testing.assert_close(learner(other), learner(some))
        if name == "catboost":
            with pytest.raises(InputError, match="has nothing to learn from: expected a column that differs"):
                cls.fit(np.full_like(x, np.nan), known.target, known.task, seed=0, **QUICK[name])
            continue
        alike = cls.fit(np.full_like(x, np.nan), known.target, known.task, seed=0, **QUICK[name])(some)
        torch.testing.assert_close(alike, alike[:1].expand_as(alike))


@pytest.mark.parametrize("name", HERE)
def test_a_task_that_it_does_not_serve_is_refused(name: str) -> None:
    cls = learner_class(name)
    served = tasks_of(cls.tasks)
    for task in {"survival", "classification", "multilabel", "regression"} - set(served):
        known = data(task)
        with pytest.raises(InputError, match="does not serve the task") as error:
            cls.fit(known.x, known.target, known.task, seed=0)
        for other in learners_for(known.task):
            assert other in str(error.value)


@pytest.mark.parametrize("name", HERE)
def test_takes_missing_values_where_it_says_so(name: str) -> None:
    cls = learner_class(name)
    if not cls.accepts_missing:
        return
    for task in tasks_of(cls.tasks):
        known, held = data(task, n=300), data(task, n=400, seed=1)
        rng = np.random.default_rng(0)
        holes = np.where(rng.random(known.x.shape) < 0.2, np.nan, known.x)
        learner = cls.fit(holes, known.target, known.task, seed=0, **QUICK[name])
        x = np.where(rng.random(held.x.shape) < 0.2, np.nan, held.x)
        assert score(learner(torch.from_numpy(x)), held) > (0.35 if task == "regression" else 0.68)


@pytest.mark.parametrize("name", HERE)
def test_options_are_those_of_its_fit(name: str) -> None:
    assert QUICK[name].keys() <= learner_options(name).keys()
    assert json.loads(json.dumps(learner_options(name))) is not None
