"""Classification; scores against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as reference

from mmlego.errors import InputError, LegoWarning
from mmlego.tasks import Classification
from mmlego.tasks.scores import calibration_error, mean_of_defined, ranking_scores


def draw(
    seed: int, n: int, k: int, *, used: int | None = None, ties: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw logits (n, k) and labels (n,) that agree a little; only the first ``used`` classes occur."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, used or k, size=n)
    logits = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[target]
    return torch.tensor(np.round(logits) if ties else logits), torch.tensor(target)


def expected_calibration_error(confidence: np.ndarray, truth: np.ndarray, bins: int = 15) -> float:
    """Follow the definition, bin by bin (Guo et al. 2017, equation 3)."""
    total = 0.0
    for i in range(bins):
        low, high = i / bins, (i + 1) / bins
        inside = (confidence >= low) & ((confidence < high) | (i == bins - 1))
        if inside.any():
            total += inside.mean() * abs(truth[inside].mean() - confidence[inside].mean())
    return total


@pytest.mark.parametrize("ties", [False, True], ids=["no ties", "ties"])
@pytest.mark.parametrize("seed", range(3))
def test_binary_scores(seed: int, ties: bool) -> None:
    logits, target = draw(seed, 200, 2, ties=ties)
    scores = Classification(2).metrics(logits, target)
    p, y = logits.softmax(1).numpy(), target.numpy()
    label = p.argmax(1)
    expected = {
        "auroc": reference.roc_auc_score(y, p[:, 1]),
        "auprc": reference.average_precision_score(y, p[:, 1]),
        "accuracy": reference.accuracy_score(y, label),
        "balanced_accuracy": reference.balanced_accuracy_score(y, label),
        "f1_macro": reference.f1_score(y, label, average="macro"),
        "log_loss": reference.log_loss(y, p),
        "brier": reference.brier_score_loss(y, p[:, 1]),
        "ece": expected_calibration_error(p[:, 1], y),
    }
    assert scores == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("used", [4, 3], ids=["all present", "one absent"])
@pytest.mark.parametrize("seed", range(3))
def test_multiclass_scores(seed: int, used: int) -> None:
    logits, target = draw(seed, 200, 4, used=used)
    scores = Classification(["a", "b", "c", "d"]).metrics(logits, target)
    p, y = logits.softmax(1).numpy(), target.numpy()
    label, onehot = p.argmax(1), np.eye(4)[y]
    present = range(used)
    recall = reference.recall_score(y, label, labels=list(present), average=None)
    expected = {
        "auroc": np.mean([reference.roc_auc_score(y == c, p[:, c]) for c in present]),
        "auprc": np.mean([reference.average_precision_score(y == c, p[:, c]) for c in present]),
        "accuracy": reference.accuracy_score(y, label),
        "balanced_accuracy": recall.mean(),
        "f1_macro": reference.f1_score(y, label, average="macro", zero_division=0),
        "log_loss": reference.log_loss(y, p, labels=range(4)),
        "brier": np.mean(np.sum((p - onehot) ** 2, axis=1)),
        "ece": expected_calibration_error(p.max(1), label == y),
    }
    assert scores == pytest.approx(expected, abs=1e-6)
    if used == 4:
        assert scores["auroc"] == pytest.approx(reference.roc_auc_score(y, p, multi_class="ovr"), abs=1e-6)


@pytest.mark.parametrize("k", [2, 3])
def test_one_class_only_is_nan_with_a_warning(k: int) -> None:
    with pytest.warns(LegoWarning, match="auroc and auprc are undefined: the target holds one class only"):
        scores = Classification(k).metrics(torch.randn(5, k), torch.ones(5, dtype=torch.int64))
    assert math.isnan(scores["auroc"])
    assert math.isnan(scores["auprc"])
    assert all(math.isfinite(v) for key, v in scores.items() if key not in ("auroc", "auprc"))


def test_loss_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    losses = Classification(2).sample_loss(logits, torch.tensor([1, 0]))
    torch.testing.assert_close(losses, torch.tensor([math.log(4 / 3), math.log(2)]))


def test_binary_is_two_logits_whose_difference_counts() -> None:
    logits, target = draw(0, 20, 2)
    shifted = logits + torch.arange(20)[:, None]
    task = Classification(2)
    torch.testing.assert_close(task.loss(logits, target), task.loss(shifted, target))


@settings(deadline=None, max_examples=40)
@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.just(3)), elements=st.floats(-50, 50)))
def test_probabilities_sum_to_one(logits: np.ndarray) -> None:
    prediction = Classification(3).predict(torch.tensor(logits))
    torch.testing.assert_close(prediction.probabilities.sum(1), torch.ones(len(logits), dtype=torch.float64))
    assert bool((prediction.probabilities >= 0).all())
    chosen = prediction.probabilities.gather(1, prediction.label[:, None]).squeeze(1)
    torch.testing.assert_close(chosen, prediction.probabilities.amax(1))


def test_frame_has_the_names_of_the_classes() -> None:
    prediction = Classification(["alive", "dead"]).predict(torch.tensor([[0.0, 2.0], [1.0, 0.0]]))
    frame = prediction.frame(["p1", "p2"])
    assert list(frame.columns) == ["label", "probability_alive", "probability_dead"]
    assert frame["label"].tolist() == ["dead", "alive"]
    assert frame.loc["p1", "probability_dead"] == pytest.approx(1 / (1 + math.exp(-2)))


def test_balanced_weights_have_mean_one_and_balance() -> None:
    target = torch.tensor([0] * 6 + [2] * 2)
    weights = Classification(3).balanced_weights(target)
    assert weights.mean() == pytest.approx(1.0)
    assert weights[:6].sum() == pytest.approx(float(weights[6:].sum()))


def test_numbers_as_classes_are_names_too() -> None:
    assert Classification(2) == Classification(["0", "1"])
    assert Classification(np.int64(2)) == Classification(2)


def test_confidence_of_one_is_in_the_last_bin() -> None:
    """torchmetrics gives a confidence of exactly 1 a bin of its own; the error would be 0.5 here."""
    confidence, truth = torch.tensor([1.0, 0.98]), torch.tensor([0, 1])
    assert calibration_error(confidence, truth, bins=2) == pytest.approx(0.49, abs=1e-6)


def test_shared_scores_where_undefined() -> None:
    assert all(math.isnan(score) for score in ranking_scores(torch.rand(3), torch.zeros(3)))
    assert all(math.isnan(score) for score in ranking_scores(torch.rand(0), torch.zeros(0)))
    assert math.isnan(mean_of_defined([math.nan]))
    assert math.isnan(mean_of_defined([]))


def test_ranking_beyond_what_probabilities_can_tell_apart() -> None:
    """From logits of 37 on all probabilities are 1 in double precision, those near 0 differ: both sides rank alike."""
    logits = torch.tensor([[0.0, 38.0], [0.0, 40.0], [0.0, 45.0], [0.0, 60.0]])
    target = torch.tensor([0, 0, 1, 1])
    task = Classification(2)
    for rows, known in ((logits, target), (logits.flip(1), 1 - target), (logits - 1e4, target)):
        scores = task.metrics(rows, known)
        assert (scores["auroc"], scores["auprc"]) == (1.0, 1.0)
    assert task.metrics(logits, 1 - target)["auroc"] == 0.0
    of_three = torch.cat([logits, torch.full((4, 1), -5.0)], dim=1)
    assert Classification(3).metrics(of_three, target)["auroc"] == 1.0
    assert task.metrics(torch.full((4, 2), 50.0), target)["auroc"] == 0.5


def test_more_classes_than_anybody_names() -> None:
    with pytest.raises(InputError, match="classes is too long: expected at most 100000, got a number of a hundred"):
        Classification(10**200)
