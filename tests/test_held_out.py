from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import mmlego
from mmlego import Baseplate, LegoBlock, LegoMerge
from mmlego.card import Card
from mmlego.data import Cohort
from mmlego.encoders import SNN
from mmlego.held_out import OUT_OF_FOLD, VALIDATION, compare_with, of_few, tell_held_out
from mmlego.job.held_out import tell_of_merge
from mmlego.tasks import Classification, Regression
from mmlego.tasks.conformal import raised
from mmlego.training import calibrate
from mmlego.training.evaluate import all_logits


def test_a_card_tells_scores_their_error_and_whom_predictions_are_compared_with() -> None:
    card, target = Card(), torch.tensor([0, 1] * 30)
    logits = torch.nn.functional.one_hot(target, 2).float()
    tell_held_out(card, Classification(["no", "yes"]), logits, target, reference=None, who=OUT_OF_FOLD)
    assert card.validation["auroc"] == 1.0
    assert set(card.errors) == {"auroc"}
    assert (card.held_out["patients"], card.held_out["who"]) == (60, "out of fold")
    assert card.held_out["yes"]["0.9"] == 0.27  # 1 − σ(1) = 0.2689, rounded up


@pytest.mark.parametrize(("patients", "few"), [(0, False), (1, True), (4, True), (5, False)])
def test_scores_of_fewer_than_five_patients_are_told_as_such(patients: int, few: bool) -> None:
    told = of_few(
        {"labs": Card(patients={"training": 9, "validation": patients}, validation={"r2": 0.5}), "rna": Card()}
    )
    assert told == ("Scores of fewer than 5 patients tell of each of them: labs." if few else None)


def test_scores_stay_where_only_the_comparison_is_renewed() -> None:
    card = Card(validation={"r2": 0.5})
    compare_with(card, Regression(["age"]), torch.zeros(9, 1), torch.arange(1.0, 10.0)[:, None])
    assert card.validation == {"r2": 0.5}
    assert card.held_out["age"]["0.5"] == 5.0


def block(name: str) -> LegoBlock:
    return LegoBlock(SNN(3), Baseplate(Classification(2), channels=4, width=8), name)


def test_what_a_block_was_compared_with_is_no_longer_true_when_it_is_scaled() -> None:
    x, y = torch.randn(60, 3), torch.tensor([0, 1]).repeat(30)
    one = block("labs")
    one.card.held_out = {"patients": 1}
    one.rescale(one.prior(), 0.5)
    assert one.card.held_out == {}
    calibrate(one, (x, y))
    probabilities = torch.softmax(one.eval().logits(x), dim=1)
    worst = (1 - probabilities[y == 1, 1]).sort().values[-3]  # ⌈31 · 0.9⌉ = 28 of 30
    assert one.card.held_out["1"]["0.9"] == raised(worst.item())


def test_a_merge_that_is_calibrated_compares_with_those_patients() -> None:
    merge = LegoMerge([block("labs"), block("vitals")])
    assert merge.card.held_out == {}
    x, y = {name: torch.randn(40, 3) for name in merge.modalities}, torch.tensor([0, 1]).repeat(20)
    calibrate(merge, (x, y))
    assert (merge.card.held_out["patients"], merge.card.held_out["who"]) == (40, "validation")
    with torch.no_grad():
        probabilities = torch.softmax(merge.eval()(x), dim=1)
    for name in (0, 1):
        worst = (1 - probabilities[y == name, name]).sort().values[-2]  # ⌈21 · 0.9⌉ = 19 of 20
        assert merge.card.held_out[str(name)]["0.9"] == raised(worst.item())


def test_a_merge_is_told_on_patients_whom_no_block_was_trained_on() -> None:
    """All patients where fitted blocks answer out of fold, the validation part where one is neural."""
    rng = np.random.default_rng(0)
    ids = [f"p{i:03d}" for i in range(90)]
    had = pd.DataFrame({"had": np.arange(90) % 2}, index=ids)
    frames = {n: pd.DataFrame({n: had["had"] + rng.normal(size=90)}, index=ids) for n in ("labs", "rna")}
    cohort = Cohort.from_frames(frames, outcome=had, task={"task": "classification", "label": "had"})
    quick = {"encoder": {"name": "logistic"}, "fit": {"epochs": 1}}
    fitted = mmlego.train_blocks(cohort, quick, disjoint=False, progress=False)
    mixed = mmlego.train_blocks(
        cohort, {**quick, "encoders": {"rna": {"name": "neural"}}}, disjoint=False, progress=False
    )
    whom = {OUT_OF_FOLD: [*fitted.train, *fitted.validation], VALIDATION: list(mixed.validation)}
    for made, who in ((fitted, OUT_OF_FOLD), (mixed, VALIDATION)):
        merge = LegoMerge(list(made.blocks.values()))
        tell_of_merge(merge, cohort, made.train, made.validation)
        data = mmlego.data_of(merge, cohort, whom[who])
        scores = merge.task.metrics(all_logits(merge, data, 64, out_of_fold=True), data.target)
        assert (merge.card.held_out["who"], merge.card.held_out["patients"]) == (who, len(whom[who]))
        assert merge.card.validation["auroc"] == pytest.approx(scores["auroc"])
        assert merge.card.patients["validation"] == len(whom[who])
    nobody = LegoMerge(list(mixed.blocks.values()))
    tell_of_merge(nobody, cohort, mixed.train, [])
    assert nobody.card.held_out == {}
