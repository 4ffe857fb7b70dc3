"""Within a modality: linear parts by hand, neural ones against captum, and sums for every kind of input and model."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
import torch
from torch import Tensor

from mmlego import InputError, LegoBlock, LegoFuse, LegoMerge, Ragged
from mmlego.bundle import Bundle
from mmlego.data import PatientData
from mmlego.encoders import CharTransformer, GRUEncoder
from mmlego.explaining.asking import Question
from mmlego.explaining.outputs import explained
from mmlego.explaining.reference import Reference
from mmlego.explaining.within import Found, found_within
from mmlego.tasks import Classification, Survival, Task
from tests.bricks import bag_block, plate, table_block, trained

TWO = Classification(["no", "yes"])


def patients(n: int = 40, seed: int = 0) -> tuple[dict[str, Any], Tensor]:
    make = torch.Generator().manual_seed(seed)
    labs = torch.randn(n, 4, generator=make)
    slides = [torch.randn(3 + i % 5, 4, generator=make) for i in range(n)]
    target = (labs[:, 0] + torch.stack([s.mean(0)[0] for s in slides]) > 0).long()
    return {"labs": labs, "slide": slides}, target


def data_of(parts: dict[str, Any], task: Task = TWO) -> PatientData:
    return PatientData(parts, None, task, patients=[f"p{i}" for i in range(len(next(iter(parts.values()))))])


def find(model: Any, data: PatientData, modality: str, row: int = 0, *, timed: bool = False) -> Found:
    model.eval()
    question = Question(model, data.subset([row]).batch(), modality)
    chosen = explained(model.task, question.logits().detach(), torch.zeros(model.task.outputs), None)
    return found_within(question, chosen, Reference(data, modality), timed=timed)


@functools.cache
def fit_once(name: str, modality: str, task: Task) -> Any:
    parts, target = patients()
    x = parts[modality] if modality == "labs" else Ragged.from_list(parts[modality])
    if isinstance(task, Survival):
        target = Survival.target(target, 1.0 + parts["labs"][:, 1].abs())
    options = {"rounds": 10} if name == "boosting" else {}
    return LegoBlock.of(name, plate(task), modality, (x, target), folds=2, options=options)


def fitted(name: str, modality: str, task: Task = TWO) -> Any:
    return copy.deepcopy(fit_once(name, modality, task))


def test_a_linear_brick_alone_by_hand() -> None:
    """Log-odds of the second class: w_j x_j, for columns whose mean is 0."""
    block = fitted("logistic", "labs")
    data = data_of({"labs": patients()[0]["labs"]})
    found = find(block, data, "labs")
    learner = block.encoder
    inner = getattr(learner, "learner", learner)
    weight = block.slope @ inner.weight.mT  # (k, p)
    by_hand = (weight[1] - weight[0]) * data.batch([0]).inputs["labs"][0]
    assert torch.allclose(found.cells.values, by_hand, atol=1e-5)
    assert abs(found.error) < 1e-5
    assert found.exact


def models() -> dict[str, Any]:
    on = plate(TWO)
    labs, slide = fitted("logistic", "labs"), fitted("boosting", "slide")
    pair = Bundle({"neural": bag_block(on), "boosting": slide})
    rough = Bundle({"neural": table_block(on, "labs", 4), "logistic": fitted("logistic", "labs")}, [0.7, 0.6])
    return {
        "fitted": LegoMerge([labs, fitted("boosting", "slide")]),
        "bundles": LegoMerge([rough, pair]),
        "fused": LegoFuse([fitted("logistic", "labs"), bag_block(on)]),
        "neural": LegoMerge([table_block(on, "labs", 4), bag_block(on)]),
        "paper": LegoMerge([table_block(on, "labs", 4), bag_block(on)], preset="paper"),
        "stack": LegoFuse([table_block(on, "labs", 4), bag_block(on)], mode="stack"),
    }


@pytest.mark.parametrize("kind", ["fitted", "bundles", "fused", "neural", "paper", "stack"])
@pytest.mark.parametrize("modality", ["labs", "slide"])
def test_shares_sum_to_what_the_prediction_moved(kind: str, modality: str) -> None:
    model = models()[kind].eval()
    data = data_of(patients()[0])
    found = find(model, data, modality, row=2)
    with torch.no_grad():
        logits = model(data.batch([2]).inputs)
    assert found.end == pytest.approx(float(logits[0, 1] - logits[0, 0]), abs=1e-4)
    assert abs(found.error) <= 0.01 * abs(found.end - found.start) + 1e-4
    assert found.cells.values.shape == ((4,) if modality == "labs" else (len(patients()[0]["slide"][2]), 1))


def test_the_base_of_a_table_is_zeros_with_all_else_as_it_is() -> None:
    model = models()["bundles"].eval()
    data = data_of(patients()[0])
    batch = data.batch([1])
    with torch.no_grad():
        logits = model({"labs": torch.zeros(1, 4), "slide": batch.inputs["slide"]})
    assert find(model, data, "labs", row=1).start == pytest.approx(float(logits[0, 1] - logits[0, 0]), abs=1e-4)


def test_a_neural_block_is_as_captum_has_it() -> None:
    captum = pytest.importorskip("captum.attr")
    block = table_block(plate(TWO), "labs", 4)
    data = data_of({"labs": patients()[0]["labs"]})
    x = data.batch([3]).inputs["labs"]
    ask = captum.IntegratedGradients(lambda rows: block.logits(rows)[:, 1] - block.logits(rows)[:, 0])
    wanted = ask.attribute(x, torch.zeros_like(x), n_steps=256)
    assert torch.allclose(find(block, data, "labs", row=3).cells.values.float(), wanted[0], rtol=0.02, atol=0.01)


def test_series_keep_what_was_not_measured_and_their_times() -> None:
    make = torch.Generator().manual_seed(1)
    x = torch.randn(12, 5, 3, generator=make)
    x[:, :, 0] = torch.arange(5)
    x[:, 1, 1] = torch.nan
    block = trained(LegoBlock(GRUEncoder(3, 6), plate(TWO), "vitals"))
    data = PatientData({"vitals": x}, None, TWO, missing=["vitals"])
    found = find(block, data, "vitals", timed=True)
    assert found.cells.values.shape == (5, 3)
    assert float(found.cells.values[:, 0].abs().max()) == 0.0
    assert float(found.cells.values[1, 1]) == 0.0
    assert abs(found.error) <= 0.01 * abs(found.end - found.start) + 1e-4
    assert float(found.cells.values.abs().max()) > 0


def test_a_series_of_a_fitted_brick_goes_back_to_its_cells() -> None:
    make = torch.Generator().manual_seed(2)
    x = torch.randn(60, 6, 3, generator=make)
    x[:, :, 2][torch.rand(60, 6, generator=make) < 0.5] = torch.nan
    x[0, :, 2] = torch.nan
    target = (x[:, :, 1].mean(1) > 0).long()
    block = LegoBlock.of("logistic", plate(TWO), "vitals", (x, target), ordered=True, folds=2)
    data = PatientData({"vitals": x}, None, TWO, missing=["vitals"])
    for row in (0, 1):
        found = find(block, data, "vitals", row)
        assert abs(found.error) < 1e-4
        assert found.cells.values.shape == (6, 3)
    assert 2 in find(block, data, "vitals", 0).cells.rest  # never measured: no cell has its share


def test_codes_of_a_neural_block_and_of_runs() -> None:
    make = torch.Generator().manual_seed(3)
    ids = [torch.randint(1, 5, (4 + i % 6,), generator=make) for i in range(40)]
    target = torch.tensor([int((one == 2).float().mean() > 0.25) for one in ids])
    on = plate(TWO)
    neural = trained(LegoBlock(CharTransformer(5, out_features=8, heads=2, layers=1), on, "dna"))
    runs = LegoBlock.of("logistic", on, "dna", (Ragged.from_list(ids), target), ordered=True, folds=2)
    data = PatientData({"dna": ids}, None, TWO)
    for model in (neural, runs, Bundle({"neural": neural, "logistic": runs})):
        found = find(model, data, "dna", 5)
        assert found.cells.values.shape == (len(ids[5]),)
        assert abs(found.error) <= 0.01 * abs(found.end - found.start) + 1e-4
    twos = find(runs, data, "dna", 5).cells.values
    here = ids[5] == 2
    if bool(here.any()) and not bool(here.all()):
        assert float(twos[here].mean()) > float(twos[~here].mean())


def test_images() -> None:
    make = torch.Generator().manual_seed(4)
    x = torch.randn(40, 1, 6, 6, generator=make)
    target = (x[:, 0, :3].mean((1, 2)) > 0).long()
    block = LegoBlock.of("logistic", plate(TWO), "scan", (x, target), folds=2)
    found = find(block, PatientData({"scan": x}, None, TWO), "scan")
    assert found.cells.values.shape == (1, 6, 6)
    assert abs(found.error) < 1e-4


def test_survival() -> None:
    task = Survival([1.2, 1.8])
    block = fitted("coxnet", "labs", task)
    found = find(block, data_of({"labs": patients()[0]["labs"]}, task), "labs")
    assert abs(found.error) <= 0.01 * abs(found.end - found.start) + 1e-4


def test_encoders_are_back_in_their_place() -> None:
    block = bag_block(plate(TWO))
    encoder = block.encoder
    find(block, data_of({"slide": patients()[0]["slide"]}), "slide")
    assert block.encoder is encoder
    assert not encoder._forward_hooks


def test_few_patients_are_no_reference() -> None:
    parts = {"slide": patients(5)[0]["slide"]}
    with pytest.raises(InputError, match="at least 10 patients who have it, got 5"):
        find(bag_block(plate(TWO)), data_of(parts), "slide")


def test_columns_beside_others_by_hand() -> None:
    """Log-odds of the second class: w_j (x_j − x_j') for each of the other patients."""
    block = fitted("logistic", "labs")
    data = data_of({"labs": patients()[0]["labs"]})
    beside = find(block, data, "labs", row=3).cells.beside
    learner = block.encoder
    inner = getattr(learner, "learner", learner)
    weight = (block.slope[1] - block.slope[0]) @ inner.weight.mT
    x = data.batch().inputs["labs"]
    others = x[torch.linspace(0, 39, 30).round().long()]
    assert beside is not None
    assert torch.allclose(beside, weight * (x[3] - others), atol=1e-5)


def test_columns_of_a_neural_block_beside_others_sum_to_how_far_these_are() -> None:
    model = models()["neural"].eval()
    data = data_of(patients()[0])
    batch = data.batch([1])
    found = find(model, data, "labs", row=1)
    beside = found.cells.beside
    assert beside is not None
    others = data.batch().inputs["labs"][torch.linspace(0, 39, 6).round().long()]
    slack = 0.1 * abs(found.end - found.start)
    with torch.no_grad():
        mine = model(batch.inputs)
        for row, other in zip(beside, others, strict=True):
            theirs = model({**batch.inputs, "labs": other[None]})
            moved = float((mine[0, 1] - mine[0, 0]) - (theirs[0, 1] - theirs[0, 0]))
            assert float(row.sum()) == pytest.approx(moved, abs=0.05 + slack + 0.1 * abs(moved))


def test_columns_of_several_parts_are_put_beside_others_together() -> None:
    model = models()["bundles"].eval()
    beside = find(model, data_of(patients()[0]), "labs", row=1).cells.beside
    assert beside is not None
    assert beside.shape == (6, 4)
    assert float(beside.abs().min(0).values.max()) < float(beside.abs().max())


def test_few_patients_have_nobody_beside_them() -> None:
    found = find(fitted("logistic", "labs"), data_of({"labs": patients()[0]["labs"][:9]}), "labs")
    assert found.cells.beside is None


@pytest.mark.parametrize("kind", ["fitted", "bundles", "fused", "neural"])
@pytest.mark.parametrize("modality", ["labs", "slide"])
def test_points_asked_at_once_or_one_by_one_tell_the_same(
    kind: str, modality: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = models()[kind].eval(), data_of(patients()[0])
    together = find(model, data, modality, row=2)
    monkeypatch.setattr("mmlego.explaining.within.MANY", 1)
    alone = find(model, data, modality, row=2)
    assert torch.allclose(together.cells.values, alone.cells.values, atol=2e-5)
    assert (together.start, together.end) == pytest.approx((alone.start, alone.end), abs=1e-6)
