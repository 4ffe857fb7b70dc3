"""Multi-label classification; scores against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from mmlego.errors import LegoWarning
from mmlego.tasks import MultiLabel

NAN = math.nan
TASK = MultiLabel(["a", "b", "c"])


def draw(seed: int, n: int, k: int, missing: float) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, k)) < 0.4).astype(float)
    logits = rng.normal(size=(n, k)) + truth
    truth[rng.random((n, k)) < missing] = np.nan
    return torch.tensor(logits), torch.tensor(truth, dtype=torch.float32)


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_scores(missing: float) -> None:
    logits, target = draw(0, 150, 3, missing)
    scores = TASK.metrics(logits, target)
    each: dict[str, list[float]] = {}
    for j in range(3):
        known = ~target[:, j].isnan().numpy()
        y, p = target[:, j].numpy()[known], logits[:, j].sigmoid().numpy()[known]
        for key, value in (
            ("auroc", reference.roc_auc_score(y, p)),
            ("auprc", reference.average_precision_score(y, p)),
            ("f1", reference.f1_score(y, p > 0.5)),
            ("accuracy", reference.accuracy_score(y, p > 0.5)),
            ("log_loss", reference.log_loss(y, p)),
            ("brier", reference.brier_score_loss(y, p)),
        ):
            each.setdefault(key, []).append(value)
    expected = {key: np.mean(values) for key, values in each.items()}
    expected |= {f"auroc/{name}": value for name, value in zip("abc", each["auroc"], strict=True)}
    assert scores == pytest.approx(expected, abs=1e-6)


def test_labels_with_one_class_are_left_out_of_the_averages() -> None:
    logits, target = draw(1, 50, 3, 0.0)
    target[:, 2] = 0.0
    with pytest.warns(LegoWarning, match="left out of the averages, one class only: c") as caught:
        scores = TASK.metrics(logits, target)
    assert len(caught) == 1
    assert scores["auroc"] == pytest.approx((scores["auroc/a"] + scores["auroc/b"]) / 2)
    assert math.isnan(scores["auroc/c"])
    losses = F.binary_cross_entropy_with_logits(logits, target.double(), reduction="none")
    assert scores["log_loss"] == pytest.approx(float(losses.mean()))  # defined with one class, too


def test_no_label_with_both_classes() -> None:
    with pytest.warns(LegoWarning, match="auroc, auprc and f1 are undefined"):
        scores = TASK.metrics(torch.zeros(2, 3), torch.ones(2, 3))
    assert math.isnan(scores["auroc"])
    assert scores["brier"] == 0.25


def test_no_label_known() -> None:
    with pytest.warns(LegoWarning, match="no label") as caught:
        scores = TASK.metrics(torch.zeros(2, 3), torch.full((2, 3), NAN))
    assert "accuracy, log_loss and brier are undefined: no label is known." in [str(w.message) for w in caught]
    assert all(math.isnan(value) for value in scores.values())


def test_without_missing_labels_it_is_binary_cross_entropy() -> None:
    logits, target = draw(2, 20, 3, 0.0)
    expected = F.binary_cross_entropy_with_logits(logits, target.double())
    torch.testing.assert_close(TASK.loss(logits, target), expected)


def test_a_sample_without_known_labels_contributes_nothing() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    target = torch.tensor([[NAN, NAN, NAN], [1.0, NAN, 0.0]])
    losses = TASK.sample_loss(logits, target)
    assert losses[0] == 0
    losses.sum().backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == [0.0, 0.0, 0.0]
    assert logits.grad[1, 1] == 0
    assert bool(logits.grad.isfinite().all())


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_missing_labels_change_nothing(seed: int, missing: float) -> None:
    """What the model says of an unknown label is of no account, and hiding a label leaves the others alone."""
    logits, target = draw(seed, 6, 3, missing)
    unknown = target.isnan()
    shouted = torch.where(unknown, 100.0, logits)
    torch.testing.assert_close(TASK.sample_loss(logits, target), TASK.sample_loss(shouted, target))
    full = torch.where(unknown, 0.0, target)
    logits.requires_grad_()
    (whole,) = torch.autograd.grad(TASK.loss(logits, full), logits)
    (partial,) = torch.autograd.grad(TASK.loss(logits, target), logits)
    torch.testing.assert_close(partial, whole.masked_fill(unknown, 0.0))


def test_strata_name_the_rarest_label() -> None:
    target = [[1, 1, 0], [1, 0, 0], [0, 0, None], [1, None, 1], [1, 0, 0]]
    # a holds four times, b and c once each
    assert TASK.strata(target).tolist() == [2, 1, 0, 3, 1]
    weights = TASK.balanced_weights(target)
    assert weights.mean() == pytest.approx(1.0)
    assert weights[0] > weights[1]


def test_frame() -> None:
    frame = TASK.predict(torch.zeros(1, 3)).frame(["p"])
    assert frame.loc["p"].tolist() == [0.5, 0.5, 0.5]
    assert list(frame.columns) == ["probability_a", "probability_b", "probability_c"]
    assert MultiLabel(2).labels == ("label_0", "label_1")


def test_ranking_beyond_what_probabilities_can_tell_apart() -> None:
    logits = torch.tensor([38.0, 40.0, 45.0, 60.0])[:, None]
    truth = torch.tensor([0.0, 0.0, 1.0, 1.0])[:, None]
    for rows, known in ((logits, truth), (-logits, 1 - truth)):
        scores = MultiLabel(1).metrics(rows, known)
        assert (scores["auroc"], scores["auprc"]) == (1.0, 1.0)
