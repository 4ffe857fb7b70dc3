"""Values of modalities: they add up, against answers asked for one by one, for every kind of model."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import mmlego
from mmlego import InputError, LegoBlock, LegoFuse, LegoMerge, UnknownNameError
from mmlego.data import PatientData
from mmlego.explaining import modality_values, score_values
from mmlego.explaining.outputs import explained, output_names, scalars
from mmlego.explaining.subsets import prior_of
from mmlego.tasks import Classification, CompetingRisks, MultiLabel, Regression, Survival, Task
from tests.bricks import bag_block, plate, table_block

NAN = float("nan")
TASKS: dict[str, Task] = {
    "two": Classification(["alive", "dead"]),
    "three": Classification(3),
    "labels": MultiLabel(["sepsis", "stroke"]),
    "number": Regression(["age"], mean=50.0, scale=10.0),
    "survival": Survival([1.0, 2.0]),
    "causes": CompetingRisks([1.0, 2.0], ["relapse", "death"]),
}


def blocks(task: Task) -> list[LegoBlock]:
    on = plate(task)
    made = [table_block(on, "rna"), bag_block(on), table_block(on, "labs", 3, seed=4)]
    for i, block in enumerate(made):
        block.card.prior = [0.1 * i + 0.3 * j for j in range(task.outputs)]
    return made


def data(task: Task, target: Any = None) -> PatientData:
    """Six patients; the second lacks rna, the third has labs alone."""
    make = torch.Generator().manual_seed(3)
    rna, labs = (torch.randn(6, width, generator=make) for width in (5, 3))
    slides = [torch.randn(2 + i, 4, generator=make) for i in range(6)]
    rna[1], rna[2] = NAN, NAN
    return PatientData(
        {"rna": rna, "slide": [None if i == 2 else slide for i, slide in enumerate(slides)], "labs": labs},
        target,
        task,
        patients=list("abcdef"),
    )


def models(task: Task) -> dict[str, Any]:
    parts = blocks(task)
    return {
        "block": parts[0],
        "merge": LegoMerge(parts),
        "paper": LegoMerge(parts, preset="paper"),
        "parallel": LegoFuse(parts),
        "stack": LegoFuse(parts, mode="stack"),
    }


@pytest.mark.parametrize("kind", ["block", "merge", "paper", "parallel", "stack"])
@pytest.mark.parametrize("task", TASKS)
def test_they_sum_to_the_prediction_less_the_base(task: str, kind: str) -> None:
    model = models(TASKS[task])[kind]
    values = modality_values(model, data(TASKS[task]))
    frame = values.per_patient
    moved = frame.drop(columns=["base", "prediction"]).sum(axis=1)
    assert (moved + frame["base"] - frame["prediction"]).abs().max() < 1e-9
    own = data(TASKS[task]).only(model.modalities).with_any()
    assert frame.index.tolist() == list(own.patients)
    batch = own.batch()
    answer = model.logits(batch.inputs["rna"]) if kind == "block" else model(batch.inputs, batch.present)
    names = values.outputs.tolist()
    which = [output_names(model.task).index(name) for name in names]
    wanted = scalars(model.task, answer.detach())[torch.arange(len(own)), which]
    assert frame["prediction"].tolist() == pytest.approx(wanted.tolist(), abs=1e-4)


def test_who_lacks_a_modality_has_no_value_of_it() -> None:
    frame = modality_values(models(TASKS["two"])["merge"], data(TASKS["two"])).per_patient
    assert frame.isna().sum().tolist() == [2, 1, 0, 0, 0]
    assert frame.loc["c", ["rna", "slide"]].isna().all()
    assert frame.loc["c", "labs"] == pytest.approx(frame.loc["c", "prediction"] - frame.loc["c", "base"])


@pytest.mark.parametrize("kind", ["merge", "paper", "parallel", "stack"])
def test_two_modalities_by_hand(kind: str) -> None:
    """φ_labs = ½ (v(labs) − v(∅)) + ½ (v(all) − v(slide)), each asked for with the other left out of the input."""
    task = TASKS["two"]
    model = models(task)[kind]
    batch = data(task).batch([1])

    def odds(*names: str) -> float:
        logits = model({name: batch.inputs[name] for name in names}).detach()
        return float(logits[0, 1] - logits[0, 0])

    base = prior_of(model)
    empty = float(base[1] - base[0])
    row = modality_values(model, data(task)).per_patient.loc["b"]
    assert row["base"] == pytest.approx(empty, abs=1e-6)
    by_hand = (odds("labs") - empty + odds("slide", "labs") - odds("slide")) / 2
    assert row["labs"] == pytest.approx(by_hand, abs=1e-5)


def test_the_base_is_the_prior_of_the_blocks_as_they_are_weighted() -> None:
    merge = LegoMerge(blocks(TASKS["two"]), weights=[1.0, 2.0, 1.0])
    assert prior_of(merge).tolist() == pytest.approx([0.1, 0.4])
    assert prior_of(merge.block("slide")).tolist() == pytest.approx([0.1, 0.4])


def test_outputs_that_are_asked_for_and_those_that_are_not() -> None:
    model = models(TASKS["three"])["merge"]
    predicted = mmlego.predict(model, data(TASKS["three"])).label
    assert modality_values(model, data(TASKS["three"])).outputs.tolist() == [str(i) for i in predicted.tolist()]
    assert set(modality_values(model, data(TASKS["three"]), output="2").outputs) == {"2"}
    binary = models(TASKS["two"])["merge"]
    assert set(modality_values(binary, data(TASKS["two"])).outputs) == {"dead"}
    one = modality_values(binary, data(TASKS["two"]), output="alive").per_patient
    other = modality_values(binary, data(TASKS["two"])).per_patient
    assert (one + other).abs().max().max() < 1e-6
    with pytest.raises(UnknownNameError, match="one of 0, 1, 2"):
        modality_values(model, data(TASKS["three"]), output="dead")


def test_scales_by_hand() -> None:
    logits = torch.tensor([[0.0, 1.0, -1.0]])
    p = logits.double().softmax(1)
    assert torch.allclose(scalars(Classification(3), logits), (p / (1 - p)).log())
    prediction = TASKS["number"].predict(torch.tensor([[0.5]]))
    assert scalars(TASKS["number"], torch.tensor([[0.5]])).tolist() == prediction.values.tolist()
    curve = Survival([1.0, 2.0]).predict(logits).survival.double()
    assert float(scalars(Survival([1.0, 2.0]), logits)) == pytest.approx(
        math.log(float((1 - curve).sum() / curve.sum())), abs=1e-6
    )


class Causes(Survival):
    """Survival whose logits are of two causes."""

    @property
    def outputs(self) -> int:
        return 2 * (len(self.cuts) + 1)


def test_logits_of_several_causes_are_not_taken_for_hazards() -> None:
    task = Causes([1.0])
    assert output_names(task) == ("logit_0", "logit_1", "logit_2", "logit_3")
    assert scalars(task, torch.tensor([[1.0, 2.0, 3.0, 4.0]])).tolist() == [[1.0, 2.0, 3.0, 4.0]]


def test_causes_by_hand() -> None:
    """Log-odds of the bins lost to each cause, by the incidences that are predicted."""
    task = CompetingRisks([1.0, 2.0], ["relapse", "death"])
    logits = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    prediction = task.predict(logits)
    lost = prediction.incidence.double().sum(1)  # (b, m)
    assert output_names(task) == ("relapse", "death")
    assert torch.allclose(scalars(task, logits), (lost / (3 - lost)).log(), atol=1e-5)
    assert torch.equal(scalars(task, logits).argsort(0), prediction.risks.argsort(0))


def test_a_cause_that_cannot_come_leaves_the_scale_of_survival() -> None:
    hazards = torch.tensor([[0.3, -1.0, 0.5]])
    both = torch.stack([hazards, torch.full((1, 3), -60.0)], dim=2).flatten(1)
    task = CompetingRisks([1.0, 2.0], ["relapse", "death"])
    found = scalars(task, both)
    assert float(found[0, 0]) == pytest.approx(float(scalars(Survival([1.0, 2.0]), hazards)), abs=1e-9)
    sure = scalars(task, torch.full((1, 6), 80.0).requires_grad_())  # certain events have no infinite odds
    sure.sum().backward()
    assert bool(sure.isfinite().all())


@pytest.mark.parametrize("cause", [None, "relapse", "death"])
def test_the_cause_that_is_explained_is_named(cause: str | None) -> None:
    task = TASKS["causes"]
    values = modality_values(LegoMerge(blocks(task)), data(task), output=cause)
    assert set(values.outputs) <= ({"relapse", "death"} if cause is None else {cause})
    assert values.scale == "log-odds of time lost to the cause"


def test_of_competing_risks_causes_are_explained() -> None:
    """Of hazards ⅓ each: F = ⅓, 4⁄9, 13⁄27 for both causes."""
    task = CompetingRisks([1.0, 2.0], ["relapse", "death"])
    assert output_names(task) == ("relapse", "death")
    lost = 1 / 3 + 4 / 9 + 13 / 27
    assert scalars(task, torch.zeros(1, 6))[0].tolist() == pytest.approx([math.log(lost / (3 - lost))] * 2)
    logits = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    found = explained(task, logits, torch.zeros(6), None)
    assert found.which.tolist() == task.predict(logits).risks.argmax(1).tolist()
    assert torch.equal(scalars(task, logits)[:, 1].argsort(), task.predict(logits.double()).risks[:, 1].argsort())


def outcome(task: Task) -> Tensor:
    make = torch.Generator().manual_seed(5)
    if isinstance(task, Survival):
        return Survival.target([1, 1, 0, 1, 1, 0], [0.5, 2.5, 3.0, 1.5, 0.7, 1.2])
    if isinstance(task, CompetingRisks):
        return torch.tensor([[1, 0.5], [2, 2.5], [0, 3.0], [1, 1.5], [2, 0.7], [0, 1.2]])
    if isinstance(task, MultiLabel):
        return torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0], [0, 1.0]])
    if isinstance(task, Regression):
        return 50 + 10 * torch.randn(6, 1, generator=make)
    return torch.tensor([0, 1, 0, 1, task.outputs - 1, 1])


@pytest.mark.parametrize("kind", ["block", "merge", "stack"])
@pytest.mark.parametrize("task", TASKS)
def test_scores_sum_to_the_score_less_chance(task: str, kind: str) -> None:
    model = models(TASKS[task])[kind]
    known = data(TASKS[task], outcome(TASKS[task]))
    values = score_values(model, known)
    score = mmlego.evaluate(model, known)[model.task.primary_metric]
    assert values.sum() == pytest.approx(score - model.task.chance, abs=1e-6)
    assert values.attrs == {
        "metric": model.task.primary_metric,
        "chance": model.task.chance,
        "score": pytest.approx(score),
    }


def test_a_score_by_hand_counts_those_who_have_nothing_as_the_prior() -> None:
    task = TASKS["two"]
    model = LegoMerge(blocks(task)[:2])
    known = data(task, outcome(task)).only(["rna", "slide"]).with_any()
    batch = known.batch()

    def score(*names: str) -> float:
        logits = prior_of(model).repeat(len(known), 1)
        rows = torch.stack([known.present[name] for name in names]).any(0)
        some = known.subset(rows).only(names).batch()
        logits[rows] = model(some.inputs, some.present).detach()
        return task.metrics(logits, batch.target)["auroc"]

    values = score_values(model, known)
    assert values["rna"] == pytest.approx((score("rna") - 0.5 + score("rna", "slide") - score("slide")) / 2, abs=1e-6)


def test_what_cannot_be_scored_is_refused() -> None:
    task = TASKS["two"]
    with pytest.raises(InputError, match="auroc of rna alone is not defined"):
        score_values(models(task)["merge"], data(task, torch.zeros(6, dtype=torch.int64)))
    with pytest.raises(InputError, match="metric of score_values: expected auroc or None, got 'brier'"):
        score_values(models(task)["merge"], data(task, outcome(task)), metric="brier")


def test_too_many_modalities_and_names_of_columns_are_refused() -> None:
    on = plate(TASKS["two"])
    merge = LegoMerge([table_block(on, f"m{i}", 2) for i in range(13)])
    with pytest.raises(InputError, match="at most 12 modalities, got 13"):
        modality_values(merge, ({f"m{i}": torch.ones(2, 2) for i in range(13)}, None))
    odd = LegoMerge([table_block(on, "base", 2), table_block(on, "rna", 2)])
    with pytest.raises(InputError, match="a modality is called 'base'"):
        modality_values(odd, ({"base": torch.ones(2, 2), "rna": torch.ones(2, 2)}, None))


def test_a_block_is_asked_once_a_patient() -> None:
    on = plate(TASKS["two"])
    merge = LegoMerge([table_block(on, name, 2) for name in ("one", "two", "three", "four")])
    calls: list[int] = []
    merge.block("one").encoder.register_forward_hook(lambda *_: calls.append(1))
    modality_values(merge, ({name: torch.randn(5, 2) for name in merge.modalities}, None))
    assert len(calls) == 1
