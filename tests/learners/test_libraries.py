"""Learners of LightGBM, XGBoost and CatBoost: their formats, what is refused, what is said where they are missing."""

from __future__ import annotations

import copy
import sys

import numpy as np
import pytest
import torch

from mmlego.errors import InputError, MissingExtraError
from mmlego.learners import build_learner, learners_for
from mmlego.learners.registry import learner_class
from mmlego.tasks import Classification, MultiLabel, Survival
from tests.learners.cases import data, score

NAMES = ("lightgbm", "xgboost", "catboost")
FEW = {"lightgbm": {"min_leaf": 5}, "xgboost": {}, "catboost": {}}


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    name = getattr(request.node, "callspec", None)
    for package in [name.params["name"]] if name and "name" in name.params else NAMES:
        pytest.importorskip(package)


@pytest.mark.parametrize("name", NAMES)
def test_bytes_are_those_of_the_library(name: str) -> None:
    known = data("classification")
    learner = learner_class(name).fit(known.x, known.target, known.task, seed=0, rounds=20, **FEW[name])
    content = learner.model.numpy().tobytes()
    assert content[:4] == {"lightgbm": b"tree", "xgboost": b'{"le', "catboost": b"CBM1"}[name]
    assert len(content) == learner.config["sizes"][0]
    assert b"pickle" not in content


@pytest.mark.parametrize("name", NAMES)
def test_other_bytes_are_read_anew_and_copies_answer(name: str) -> None:
    known = data("classification")
    fits = [learner_class(name).fit(known.x, known.target, known.task, seed=s, rounds=20, **FEW[name]) for s in (0, 1)]
    x = torch.from_numpy(known.x)
    other = build_learner(name, fits[1].config)
    other.load_state_dict(fits[1].state_dict())
    assert torch.equal(other(x), fits[1](x))
    assert torch.equal(copy.deepcopy(other)(x), other(x))
    assert other(x[:0]).shape == (0, 2)
    if fits[0].config == fits[1].config:
        other.load_state_dict(fits[0].state_dict())
        assert torch.equal(other(x), fits[0](x))


@pytest.mark.parametrize("name", NAMES)
def test_without_the_library_what_to_install_is_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = data("classification", n=60)
    learner = learner_class(name).fit(known.x, known.target, known.task, seed=0, rounds=5, **FEW[name])
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"learner '{name}' needs {name}.*pip install 'mmlego\[boosting\]'"):
        build_learner(name, learner.config)
    with pytest.raises(MissingExtraError, match="mmlego"):
        learner_class(name).fit(known.x, known.target, known.task, seed=0)


def test_lightgbm_does_not_do_survival_and_names_who_does() -> None:
    known = data("survival", n=60)
    with pytest.raises(InputError, match=r"'lightgbm' does not serve the task survival.*catboost.*coxnet.*xgboost"):
        learner_class("lightgbm").fit(known.x, known.target, known.task, seed=0)
    assert {"xgboost", "catboost"} < set(learners_for(Survival([1.0])))


@pytest.mark.parametrize("name", ["xgboost", "catboost"])
def test_a_risk_is_higher_where_events_are_earlier_whatever_the_unit_of_time(name: str) -> None:
    known, held = data("survival", n=200), data("survival", n=300, seed=1)
    target = known.target.clone()
    target[:, 1] *= 100
    target[0] = torch.tensor([0.0, 0.0])  # censored at once
    cls = learner_class(name)
    one = cls.fit(known.x, target, known.task, seed=0, rounds=100)(torch.from_numpy(held.x))
    assert score(one, held) > 0.7
    target[:, 1] *= 7
    two = cls.fit(known.x, target, known.task, seed=0, rounds=100)(torch.from_numpy(held.x))
    torch.testing.assert_close(one, two)


def test_catboost_refuses_weights_for_survival() -> None:
    known = data("survival", n=60)
    with pytest.raises(InputError, match="cannot weigh patients for survival"):
        learner_class("catboost").fit(known.x, known.target, known.task, seed=0, sample_weight=np.arange(60) + 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_classes_and_labels_that_nobody_has(name: str) -> None:
    known = data("classification")
    cls = learner_class(name)
    x = torch.from_numpy(known.x)
    raw = cls.fit(known.x, known.target * 2, Classification(3), seed=0, rounds=20, **FEW[name])(x)
    assert float(raw.softmax(1)[:, 1].max()) < 0.05
    with pytest.raises(InputError, match="needs patients of every class"):
        cls.fit(known.x, data("classes").target, Classification(4), seed=0)
    labels = torch.stack([torch.ones(160), known.target.float()], 1)
    raw = cls.fit(known.x, labels, MultiLabel(2), seed=0, rounds=20, **FEW[name])(x)
    torch.testing.assert_close(raw[:, 0], torch.full((160,), np.log(160.5 / 0.5), dtype=torch.float64))
    assert raw[:, 1].std() > 0


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_the_library_reach_it(name: str) -> None:
    known = data("regression")
    cls = learner_class(name)
    key = {"lightgbm": "lambda_l1", "xgboost": "reg_alpha", "catboost": "l2_leaf_reg"}[name]
    few = FEW[name] | {"rounds": 10}
    x = torch.from_numpy(known.x)
    usual = cls.fit(known.x, known.target, known.task, seed=0, **few)(x)
    held = cls.fit(known.x, known.target, known.task, seed=0, parameters={key: 1e6}, **few)(x)
    assert held.std(0).max() < 0.01 < usual.std(0).min()
