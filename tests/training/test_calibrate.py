"""Calibration: the scale that fits best, around the prior, written into the head of every kind of model."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

import mmlego
from mmlego import InputError, LegoBlock, LegoFuse, LegoMerge, calibrate, evaluate, fit
from mmlego.data import PatientData
from mmlego.encoders import SNN
from mmlego.learners.out_of_fold import deal_folds
from mmlego.tasks import Classification, MultiLabel, Regression, Survival
from mmlego.training.calibrate import scaled_by_others
from mmlego.training.evaluate import all_logits
from tests.bricks import plate
from tests.training.cases import QUICK, block, fuse, gapped, table, two_classes

Model = LegoBlock | LegoMerge | LegoFuse
NAMES = ("labs", "slide", "vitals")


def blocks() -> list[LegoBlock]:
    on = two_classes()
    made = [block(name, on, seed=i) for i, name in enumerate(NAMES)]
    for i, one in enumerate(made):
        one.card.prior = [0.1 * i, -0.2 * i]
    return made


MODELS: dict[str, Callable[[], Model]] = {
    "block": lambda: blocks()[0],
    "merge": lambda: LegoMerge(blocks()),
    "merge with weights": lambda: LegoMerge(blocks(), weights=[0.6, 0.1, 0.3], strength=1.3),
    "merge by the mean": lambda: LegoMerge(blocks(), rule="mean"),
    "merge by the sum": lambda: LegoMerge(blocks(), rule="sum"),
    "fuse, parallel, by the harmonic rule": lambda: LegoFuse(blocks(), rule="harmonic"),
    "fuse, parallel": lambda: LegoFuse(blocks()),
    "fuse, stack": lambda: LegoFuse(blocks(), mode="stack"),
    "fuse, weave, merged heads": lambda: LegoFuse(blocks(), mode="weave", heads="linear"),
}


def data_of(model: Model, seed: int = 0, n: int = 60) -> PatientData:
    return gapped(n, seed).only(list(model.modalities)).with_any()


def priors_of(model: Model, data: PatientData) -> Tensor:
    """What each patient is told who has no evidence, written anew."""
    if isinstance(model, LegoBlock):
        return torch.tensor(model.card.prior).expand(len(data), 2).double()
    rows = []
    sequence = isinstance(model, LegoFuse) and model.mode != "parallel"
    for i in range(len(data)):
        here = [sequence or bool(data.present[name][i]) for name in model.modalities]
        weights = [float(w) if there else 0.0 for w, there in zip(model.weights, here, strict=True)]
        told = [torch.tensor(model.block(name).card.prior).double() for name in model.modalities]
        rows.append(sum(w / sum(weights) * prior for w, prior in zip(weights, told, strict=True)))
    return torch.stack(rows)


@pytest.mark.parametrize("kind", MODELS)
def test_evidence_is_scaled_around_the_prior_for_every_pattern_of_presence(kind: str) -> None:
    model = MODELS[kind]()
    data = data_of(model)
    before, prior = all_logits(model, data, 16).double(), priors_of(model, data)
    scale = calibrate(model, data)
    after = all_logits(model, data, 16).double()
    assert abs(math.log(scale)) > 1e-3
    torch.testing.assert_close(after, prior + scale * (before - prior), rtol=1e-4, atol=1e-5)
    assert model.card.recipe["calibration"] == {"scale": round(scale, 6), "patients": len(data)}


@pytest.mark.parametrize("spread", [0.1, 0.25, math.inf])
@pytest.mark.parametrize("kind", ["block", "merge", "fuse, stack"])
def test_no_other_scale_fits_better(kind: str, spread: float) -> None:
    model = MODELS[kind]()
    data = data_of(model)
    before, prior = all_logits(model, data, 16).double(), priors_of(model, data)

    def cost(log: float) -> float:
        fit_of = torch.nn.functional.cross_entropy(prior + math.exp(log) * (before - prior), data.target)
        return len(data) * float(fit_of) + (log / spread) ** 2 / 2

    best = minimize_scalar(cost, bounds=(-3, 3), method="bounded").x
    assert math.log(calibrate(model, data, spread=spread)) == pytest.approx(best, abs=1e-3)


def test_a_model_that_is_too_sure_learns_to_doubt_and_the_order_of_patients_stays() -> None:
    model = block()
    fit(model, table(80), epochs=20, **QUICK)
    with torch.no_grad():
        model.head.linear.weight.mul_(8)
    watched, judged = table(400, 5), table(400, 6)
    before, order = evaluate(model, judged), all_logits(model, PatientData({"labs": judged[0]}), 64)
    assert calibrate(model, watched) < 0.5
    after = evaluate(model, judged)
    assert after["loss"] < before["loss"]
    assert after["auroc"] == before["auroc"]
    now = all_logits(model, PatientData({"labs": judged[0]}), 64)
    assert torch.equal((order[:, 1] - order[:, 0]).argsort(), (now[:, 1] - now[:, 0]).argsort())


def test_twice_is_as_once() -> None:
    model = LegoMerge(blocks())
    data = data_of(model, n=400)
    calibrate(model, data, spread=math.inf)
    assert calibrate(model, data, spread=math.inf) == pytest.approx(1.0, abs=2e-3)


def test_few_patients_say_little() -> None:
    scales = []
    for n in (6, 60, 600):
        model = LegoMerge(blocks())
        scales.append(abs(math.log(calibrate(model, data_of(model, n=n)))))
    assert scales[0] < scales[1] < scales[2]


@pytest.mark.parametrize("task", [MultiLabel(("liver", "skin")), Survival((1.0, 2.0))], ids=lambda task: task.name)
def test_other_tasks_with_probabilities(task: Any) -> None:
    x, y = table(120)
    target = torch.stack([y, 1 - y if task.name == "multilabel" else 2.5 - y], 1).float()
    on = plate(task)
    model = LegoMerge([LegoBlock(SNN(4, hidden=(6,)), on, name) for name in ("labs", "clinical")])
    data = PatientData({"labs": x, "clinical": x.flip(1)}, target, task)
    before = evaluate(model, data)["loss"]
    assert calibrate(model, data) != 1.0
    assert evaluate(model, data)["loss"] < before


def test_what_is_saved_is_calibrated(tmp_path: Path) -> None:
    for kind, make in MODELS.items():
        model = make()
        data = data_of(model)
        calibrate(model, data)
        mmlego.save(model, tmp_path / kind)
        again = mmlego.load(tmp_path / kind)
        torch.testing.assert_close(all_logits(again, data, 16), all_logits(model, data, 16))
        assert again.card.recipe["calibration"] == model.card.recipe["calibration"]


def test_calibrated_in_parts_is_calibrated_once() -> None:
    first, second = LegoMerge(blocks()), LegoMerge(blocks())
    data = data_of(first)
    scale = calibrate(first, data)
    assert calibrate(first, data) == pytest.approx(1.0, abs=1e-3)
    assert calibrate(second, data_of(second, seed=7)) != 1.0
    calibrate(second, data)
    assert second.card.recipe["calibration"]["scale"] == pytest.approx(scale, abs=1e-3)
    torch.testing.assert_close(all_logits(second, data, 60), all_logits(first, data, 60), rtol=1e-3, atol=1e-3)


def test_scores_that_hang_on_the_scale_leave_the_card() -> None:
    model = block()
    fit(model, table(), epochs=1, **QUICK)
    known = dict(model.card.validation)
    calibrate(model, table(40, 5))
    assert model.card.validation == {"auroc": known["auroc"], "auprc": known["auprc"]}
    survival = LegoBlock(SNN(4, hidden=(6,)), plate(Survival((1.0, 2.0))), "labs")
    x, y = table()
    fit(survival, (x, torch.stack([y, 2.5 - y], 1).float()), epochs=1, **QUICK)
    assert len(survival.card.validation) > 1
    calibrate(survival, (x, torch.stack([y, 2.5 - y], 1).float()))
    assert survival.card.validation.keys() == {"c_index"}  # by which evidence is weighed


@pytest.mark.parametrize(
    "told", [None, 3, {}, {"scale": 0}, {"scale": "x"}, {"scale": -1.0}, {"scale": math.inf}, {"scale": 10**400}]
)
def test_what_a_card_tells_of_calibrations_may_be_anything(told: Any) -> None:
    model, plain = blocks()[0], blocks()[0]
    model.card.recipe["calibration"] = told
    data = data_of(model)
    assert calibrate(model, data) == calibrate(plain, data)


def test_tuning_keeps_what_was_calibrated_before() -> None:
    model = fuse()
    scale = calibrate(model, gapped(40, 5))
    before = all_logits(model, gapped(40, 5), 40)
    fit(model, gapped(80), epochs=1, lr=1e-9, **QUICK)
    torch.testing.assert_close(all_logits(model, gapped(40, 5), 40), before, rtol=1e-3, atol=1e-4)  # tuned, not undone
    assert model.card.recipe["calibration"]["scale"] == pytest.approx(scale, abs=1e-6)


def test_what_cannot_be_calibrated() -> None:
    data = gapped()
    merged = LegoMerge(blocks(), preset="paper")
    with pytest.raises(InputError, match="calibrate needs one read-out for all patterns"):
        calibrate(merged, data)
    for rule in ("harmonic", "product"):
        with pytest.raises(InputError, match="calibrate needs a rule by which evidence adds"):
            calibrate(LegoMerge(blocks(), rule=rule), data)
    for make in (lambda: LegoFuse(blocks(), mode="stack"), lambda: LegoFuse(blocks()), lambda: blocks()[0]):
        own = make()
        own.head = torch.nn.Sequential(torch.nn.LayerNorm(own.plate.width), torch.nn.Linear(own.plate.width, 2))
        with pytest.raises(InputError, match="the head of a model to be calibrated"):
            calibrate(own, data)
    for size in (0, 2.5, "a"):
        with pytest.raises(InputError, match="batch_size"):
            calibrate(LegoMerge(blocks()), data, batch_size=size)  # type: ignore[arg-type]
    values = LegoBlock(block().encoder, plate(Regression()), "labs")
    with pytest.raises(InputError, match="a regression has no probabilities"):
        calibrate(values, (torch.randn(5, 4), torch.randn(5)))
    with pytest.raises(InputError, match="spread of calibrate: expected a number ≥ 1e-06"):
        calibrate(LegoMerge(blocks()), data, spread=0)
    assert calibrate(LegoMerge(blocks()), data, spread=10**400) > 0
    with pytest.raises(InputError, match="the data has no target"):
        calibrate(LegoMerge(blocks()), PatientData({"labs": torch.randn(5, 4)}, task=Classification(2)))
    with pytest.raises(InputError, match="model of calibrate"):
        calibrate(torch.nn.Linear(2, 2), data)  # type: ignore[arg-type]


def test_each_is_scaled_by_what_fits_the_others() -> None:
    one = blocks()[0]
    data = data_of(one)
    assert data.target is not None
    before = {name: value.clone() for name, value in one.state_dict().items()}
    found = scaled_by_others(one, data)
    assert all(torch.equal(value, before[name]) for name, value in one.state_dict().items())
    fold = deal_folds(one.task.strata(data.target).numpy(), data.patients)
    scales = set()
    for part in range(5):
        again = blocks()[0]
        rows = {held: [i for i in range(len(data)) if (fold[i] == part) == held] for held in (False, True)}
        scales.add(calibrate(again, data.subset(rows[False])))
        wanted = all_logits(again, data.subset(rows[True]), 64)
        assert torch.allclose(found[rows[True]], wanted, atol=1e-5)
    assert len(scales) > 1
