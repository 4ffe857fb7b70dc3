"""Scores on held-out patients: the ensemble by hand, with gaps; every number from the patients it should be from."""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings
from pathlib import Path

import pytest
import torch

from mmlego import LegoBlock
from mmlego.bench import score_bricks
from mmlego.bench.score import ensemble_logits
from mmlego.data import Cohort, PatientData, Split
from mmlego.job import Bricks, data_of
from mmlego.settings import Settings
from mmlego.tasks import Regression
from mmlego.training.evaluate import Model, all_logits
from tests.bricks import plate, trained
from tests.cohorts import CLASSES, write_cohort
from tests.trials import train_on

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics on a handful of patients


class Constant(torch.nn.Module):
    """An encoder whose token says nothing, so that the block answers with its bias."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(x), 1, 4) + 0 * self.unused


def constant_block(name: str, answer: float) -> LegoBlock:
    block = LegoBlock(Constant(), plate(Regression()), name, out_features=4)
    with torch.no_grad():
        block.head.linear.weight.zero_()
        block.head.linear.bias.fill_(answer)
    return block.eval()


def test_the_ensemble_by_hand() -> None:
    blocks = {"rna": constant_block("rna", 1.0), "labs": constant_block("labs", 4.0), "cnv": constant_block("cnv", 7.0)}
    here = {
        "rna": torch.tensor([True, True, False, True]),
        "labs": torch.tensor([True, False, True, False]),
        "cnv": torch.tensor([True, False, True, False]),
    }
    data = PatientData({name: torch.zeros(4, 2) for name in blocks}, present=here)
    expected = [(1 + 4 + 7) / 3, 1.0, (4 + 7) / 2, 1.0]
    assert ensemble_logits(blocks, data).squeeze(1).tolist() == pytest.approx(expected)


def test_a_modality_that_nobody_has_counts_for_nothing() -> None:
    blocks = {"rna": constant_block("rna", 1.0), "labs": constant_block("labs", 4.0)}
    data = PatientData({name: torch.zeros(3, 2) for name in blocks}, present={"labs": torch.zeros(3, dtype=torch.bool)})
    assert ensemble_logits(blocks, data).squeeze(1).tolist() == pytest.approx([1.0, 1.0, 1.0])


def test_the_ensemble_of_one_block_is_the_block() -> None:
    block = trained(LegoBlock(torch.nn.Linear(3, 4), plate(), "rna", out_features=4))
    x = torch.randn(5, 3)
    torch.testing.assert_close(ensemble_logits({"rna": block}, PatientData({"rna": x})), block(x).logits)


@pytest.fixture(scope="module")
def scored(bricks: Bricks, cohort: Cohort, split: Split) -> dict[str, object]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return score_bricks(bricks, cohort, split)


def quiet(model: Model) -> Model:
    """Return a copy without dropout; the models themselves come from ``fit`` as they went in, in training mode."""
    return copy.deepcopy(model).eval()


def test_every_method_is_scored_in_order(scored: dict[str, dict[str, object]]) -> None:
    assert list(scored["scores"]) == [
        "block rna",
        "block clinical",
        "block labs",
        "logit ensemble",
        "LegoMerge",
        "LegoFuse",
    ]
    assert {*scored} == {"scores", "patients", "risk", "cut"}


def test_the_numbers_are_those_of_the_test_patients(
    scored: dict[str, dict], bricks: Bricks, cohort: Cohort, split: Split
) -> None:
    test = [cohort.patients[row] for row in split.test]
    assert scored["patients"] == test
    task = bricks.plate.task
    inputs = data_of(bricks.merge, cohort, test)
    batch = inputs.batch()
    for name, model in {"LegoMerge": bricks.merge, "LegoFuse": bricks.fuse}.items():
        predicted = model.predict(batch.inputs, batch.present)
        assert scored["risk"][name] == pytest.approx(predicted.risk.tolist(), abs=1e-6)
        with torch.no_grad():
            logits = quiet(model)(batch.inputs, present=batch.present)
        expected = task.metrics(logits, inputs.target)["c_index"]
        assert scored["scores"][name]["c_index"] == pytest.approx(expected)
    ensemble = task.metrics(ensemble_logits(bricks.blocks, inputs), inputs.target)
    assert scored["scores"]["logit ensemble"]["c_index"] == pytest.approx(ensemble["c_index"])


def test_a_block_is_scored_on_those_who_have_its_modality(
    scored: dict[str, dict], bricks: Bricks, cohort: Cohort, split: Split
) -> None:
    block = bricks.blocks["labs"]
    own = data_of(block, cohort, [cohort.patients[row] for row in split.test])
    assert len(own) < len(split.test)
    with torch.no_grad():
        logits = quiet(block)(own.batch().inputs["labs"]).logits
    expected = bricks.plate.task.metrics(logits, own.target)["c_index"]
    assert scored["scores"]["block labs"]["c_index"] == pytest.approx(expected)


def test_the_cut_between_risk_groups_is_the_training_patients_median(
    scored: dict[str, dict], bricks: Bricks, cohort: Cohort, split: Split
) -> None:
    seen = [cohort.patients[row] for row in sorted([*split.train.tolist(), *split.validation.tolist()])]
    batch = data_of(bricks.merge, cohort, seen).batch()
    risk = bricks.merge.predict(batch.inputs, batch.present).risk
    assert scored["cut"]["LegoMerge"] == pytest.approx(float(risk.median()), abs=1e-6)


def test_censoring_weights_come_from_all_training_patients_and_nobody_else(
    bricks: Bricks, cohort: Cohort, split: Split, scored: dict[str, dict]
) -> None:
    task = bricks.plate.task
    who = split.named(cohort.patients)
    for method, model in {"LegoMerge": bricks.merge, "block labs": bricks.blocks["labs"]}.items():
        test = data_of(model, cohort, who["test"])
        logits = all_logits(model, test, 64)
        by = {
            name: task.metrics(logits, test.target, reference=cohort.outcome_spec.target(cohort.outcome.loc[ids], task))
            for name, ids in {"train": who["train"], "both": [*who["train"], *who["validation"]]}.items()
        }
        loss = {"loss": float(task.loss(logits, test.target))}
        assert scored["scores"][method] == pytest.approx(loss | by["train"], nan_ok=True)
        assert by["train"]["ibs"] != by["both"]["ibs"]


def test_a_test_part_may_lack_a_modality(bricks: Bricks, cohort: Cohort, split: Split) -> None:
    test = {cohort.patients[row] for row in split.test}
    labs = cohort.frames["labs"]
    lacking = dataclasses.replace(cohort, frames={**cohort.frames, "labs": labs[~labs.index.isin(test)]})
    scores = score_bricks(bricks, lacking, split)["scores"]
    assert math.isnan(scores["block labs"]["c_index"])
    assert math.isfinite(scores["LegoMerge"]["c_index"])


def test_without_a_fuse_the_others_are_scored(bricks: Bricks, cohort: Cohort, split: Split) -> None:
    scored = score_bricks(dataclasses.replace(bricks, fuse=None), cohort, split)
    assert "LegoFuse" not in scored["scores"]
    assert list(scored["risk"]) == list(scored["cut"]) == ["LegoMerge"]


def test_classes_have_probabilities_and_numbers_neither(tmp_path: Path, quick: Settings) -> None:
    outcomes = {"classes": CLASSES, "numbers": {"task": "regression", "target": "il6"}}
    scored = {}
    for name, outcome in outcomes.items():
        cohort = Cohort.from_manifest(write_cohort(tmp_path / name, outcome=outcome))
        split = Split(range(30), range(30, 40), range(40, 60))
        parts = split.named(cohort.patients)
        made = train_on(cohort, parts["train"], parts["validation"], quick)
        scored[name] = score_bricks(made, cohort, split)
    assert scored["classes"].keys() == {"scores", "patients", "probability"}
    assert all(0 <= p <= 1 for p in scored["classes"]["probability"]["LegoMerge"])
    assert len(scored["classes"]["probability"]["LegoMerge"]) == 20
    assert scored["numbers"].keys() == {"scores", "patients"}
    assert "r2" in scored["numbers"]["scores"]["LegoFuse"]
