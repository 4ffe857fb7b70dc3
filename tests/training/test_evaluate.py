"""``evaluate`` and ``predict`` over whole data sets: the same as all at once, and nothing changed behind."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mmlego import LegoBlock, LegoFuse, LegoMerge, evaluate, predict
from mmlego.data import PatientData
from mmlego.errors import InputError
from mmlego.tasks import Classification, Survival
from tests.bricks import assert_same, plate, snapshot
from tests.training.cases import bags, block, fuse, gapped, patients, series, table, two_classes

NAMES = ("labs", "slide", "vitals")


def family(**options: Any) -> list[LegoBlock]:
    on = two_classes(**options)
    return [block(name, on, seed=i) for i, name in enumerate(NAMES)]


@pytest.fixture(params=["merge", "stack", "weave", "parallel"])
def model(request: pytest.FixtureRequest) -> LegoMerge | LegoFuse:
    return LegoMerge(family()) if request.param == "merge" else LegoFuse(family(), mode=request.param)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_scores_and_predictions_do_not_depend_on_the_batch_size(model: Any, batch_size: int) -> None:
    data = gapped(30)
    whole = data.batch()
    with torch.no_grad():
        logits = model.eval()(whole.inputs, whole.present)
    scores = evaluate(model, data, batch_size=batch_size)
    expected = {"loss": float(model.task.loss(logits, data.target)), **model.task.metrics(logits, data.target)}
    assert scores == pytest.approx(expected, abs=1e-6)
    predicted = predict(model, data, batch_size=batch_size).probabilities
    torch.testing.assert_close(predicted, logits.softmax(1))


def test_a_block_alone_on_every_kind_of_input() -> None:
    x, mask, y = series(20)
    inputs: dict[str, tuple[Any, Any]] = {"labs": table(20), "slide": bags(20), "vitals": ((x, mask), y)}
    for name, (features, target) in inputs.items():
        single = block(name)
        assert set(evaluate(single, (features, target))) == {"loss", *Classification(2).metrics(torch.eye(2), [0, 1])}
        assert predict(single, (features, None)).probabilities.shape == (20, 2)


def test_nothing_is_changed_behind(model: Any) -> None:
    data, before = gapped(20), snapshot(model)
    model.train()
    model.block("slide").eval()
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    evaluate(model, data)
    predict(model, data)
    assert_same(before, snapshot(model))
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters())


def test_dropout_is_off() -> None:
    noisy = fuse(modality_dropout=0.9)
    data = gapped(20)
    assert evaluate(noisy, data) == evaluate(noisy, data)


def test_a_model_can_be_differentiated_after_an_evaluation() -> None:
    """Heads merged for a pattern of presence are kept: they must not be of a mode that knows no gradients."""
    merge = LegoMerge(family()).requires_grad_(False)
    data = gapped(20)
    evaluate(merge, data)
    batch = data.batch()
    labs = batch.inputs["labs"].clone().requires_grad_(True)
    merge({**batch.inputs, "labs": labs}, batch.present).sum().backward()
    assert labs.grad is not None
    assert labs.grad.abs().sum() > 0


def test_predictions_can_be_used_in_a_graph() -> None:
    probabilities = predict(block(), (table(5)[0], None)).probabilities
    weight = torch.ones(2, requires_grad=True)
    (probabilities * weight).sum().backward()
    assert weight.grad is not None


def test_patients_without_the_models_modalities_are_left_out_of_the_scores() -> None:
    data, single = gapped(30), block("vitals")
    has = data.present["vitals"]
    assert not has.all()
    assert evaluate(single, data) == evaluate(single, data.subset(has))


def test_predictions_follow_the_order_of_the_patients() -> None:
    data, single = patients(12), block()
    table_of = predict(single, data, batch_size=5).frame(data.patients)
    assert list(table_of.index) == list(data.patients)
    backwards = data.subset(list(range(11, -1, -1)))
    other = predict(single, backwards, batch_size=5).frame(backwards.patients)
    assert other.loc[list(data.patients)].iloc[:, 1:].to_numpy() == pytest.approx(table_of.iloc[:, 1:].to_numpy())


def test_predictions_need_no_target_and_no_task() -> None:
    data = patients(6)
    bare = PatientData({"labs": table(6)[0]}, patients=data.patients)
    assert torch.equal(predict(block(), bare).probabilities, predict(block(), data).probabilities)


def test_the_reference_brings_the_survival_scores_that_need_it() -> None:
    task = Survival([1.0, 2.0])
    target = torch.stack([(torch.arange(30) % 3 > 0).float(), torch.rand(30) * 3 + 0.1], 1)
    model, data = block(on=plate(task)), (table(30)[0], target)
    assert set(evaluate(model, data)) == {"loss", "c_index"}
    assert {"ibs", "auc", "c_index_ipcw"} <= set(evaluate(model, data, reference=target))


def test_calibration_at_the_times_asked_for() -> None:
    task = Survival([1.0, 2.0], unit="years")
    target = torch.stack([(torch.arange(30) % 3 > 0).float(), torch.rand(30) * 3 + 0.1], 1)
    model, x = block(on=plate(task)), table(30)[0]
    scores = evaluate(model, (x, target), times=[1, 2.5])
    curves = predict(model, (x, target)).survival_at([1, 2.5])
    assert scores["predicted_at_1_years"] == pytest.approx(float(curves[:, 0].mean()))
    assert scores["low_at_1_years"] < scores["km_at_1_years"] < scores["high_at_1_years"]
    assert scores["e50_at_1_years"] <= scores["e90_at_1_years"]
    assert scores["predicted_at_2.5_years"] != scores["predicted_at_2.5_years"]  # beyond the last cut
    with pytest.raises(InputError, match="times are asked of survival: expected a model of survival, got classif"):
        evaluate(block(), patients(6), times=[1])


def test_scores_that_are_not_defined_are_nan_with_a_warning() -> None:
    x, _ = table(10)
    with pytest.warns(UserWarning, match="auroc and auprc are undefined"):
        scores = evaluate(block(), (x, torch.zeros(10)))
    assert scores["auroc"] != scores["auroc"]


def test_a_model_in_half_precision_is_scored_in_single() -> None:
    single = block()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = evaluate(single, patients(20))
    assert scores["loss"] == pytest.approx(evaluate(single, patients(20))["loss"], rel=0.02)
