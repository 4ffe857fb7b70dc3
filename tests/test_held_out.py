from __future__ import annotations

import pytest
import torch

from mmlego import Baseplate, LegoBlock, LegoMerge
from mmlego.card import Card
from mmlego.encoders import SNN
from mmlego.held_out import OUT_OF_FOLD, compare_with, tell_held_out
from mmlego.tasks import Classification, Regression
from mmlego.training import calibrate


def test_a_card_tells_scores_their_error_and_whom_predictions_are_compared_with() -> None:
    card, target = Card(), torch.tensor([0, 1] * 30)
    logits = torch.nn.functional.one_hot(target, 2).float()
    tell_held_out(card, Classification(["no", "yes"]), logits, target, reference=None, who=OUT_OF_FOLD)
    assert card.validation["auroc"] == 1.0
    assert set(card.errors) == {"auroc"}
    assert (card.held_out["patients"], card.held_out["who"]) == (60, "out of fold")
    assert card.held_out["yes"]["0.9"] == pytest.approx(1 - torch.sigmoid(torch.tensor(1.0)).item(), rel=1e-3)


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
    assert one.card.held_out["1"]["0.9"] == pytest.approx(worst.item(), rel=1e-3)


def test_a_merge_that_is_calibrated_compares_with_those_patients() -> None:
    merge = LegoMerge([block("labs"), block("vitals")])
    assert merge.card.held_out == {}
    x, y = {name: torch.randn(40, 3) for name in merge.modalities}, torch.tensor([0, 1]).repeat(20)
    calibrate(merge, (x, y))
    assert merge.card.held_out["patients"] == 40
