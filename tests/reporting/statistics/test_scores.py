"""Scores of weighted patients: with all weights 1 those of the tasks, with counts those of patients drawn so often."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.metrics import average_precision_score, roc_auc_score

from mmlego.reporting.answers import Answers
from mmlego.reporting.measures import OF_TASK, area_of_cause, brier_of_cause, score_of
from mmlego.reporting.statistics.pair_scores import area_of, concordance_of, precision_of
from mmlego.reporting.statistics.resampling import difference, estimate, mean_of, resamples
from mmlego.reporting.statistics.ticks import round_horizons, round_times
from mmlego.tasks import Classification, MultiLabel, Regression, Survival, Task


def answers(task: Task, logits: torch.Tensor, target: torch.Tensor) -> Answers:
    return Answers("model", task, tuple(f"p{row}" for row in range(len(logits))), logits.double(), target)


def drawn(name: str, seed: int = 0, n: int = 60) -> Answers:
    rng = np.random.default_rng(seed)
    if name == "survival":
        logits = torch.tensor(rng.normal(size=(n, 4)))
        time = torch.tensor(np.ceil(rng.exponential(12 * np.exp(-logits.sum(dim=1).numpy() / 3))))
        event = torch.tensor(rng.random(n) < 0.6).double()
        return answers(Survival([4.0, 8.0, 16.0]), logits, torch.stack([event, time], dim=1).float())
    if name == "classes":
        logits = torch.tensor(rng.normal(size=(n, 3)).round(1))
        return answers(Classification(3), logits, torch.tensor(rng.integers(0, 3, n)))
    if name == "two":
        logits = torch.tensor(rng.normal(size=(n, 2)).round(1))
        return answers(Classification(2), logits, torch.tensor(rng.integers(0, 2, n)))
    if name == "labels":
        target = rng.integers(0, 2, (n, 2)).astype(float)
        target[:5, 1] = np.nan
        return answers(MultiLabel(2), torch.tensor(rng.normal(size=(n, 2))), torch.tensor(target))
    target = torch.tensor(rng.normal(size=(n, 1)))
    return answers(
        Regression(mean=1.0, scale=2.0), target + torch.tensor(rng.normal(size=(n, 1))), 2 * target[:, 0] + 1
    )


NAMES = ("survival", "two", "classes", "labels", "numbers")


@pytest.mark.parametrize("name", NAMES)
def test_with_equal_weights_scores_are_those_of_the_task(name: str) -> None:
    found = drawn(name)
    told = found.scores(None)
    for measure in OF_TASK[found.task.name]:
        assert score_of(measure, found)(np.ones((1, len(found))))[0] == pytest.approx(told[measure.name]), measure.name


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_is_how_often_a_patient_is_there(name: str) -> None:
    found = drawn(name)
    count = np.random.default_rng(1).integers(0, 3, len(found))
    rows = np.repeat(np.arange(len(found)), count)
    many = Answers("m", found.task, tuple(map(str, rows)), found.logits[rows], found.target[rows])
    told = many.scores(None)
    for measure in OF_TASK[found.task.name]:
        weighted = score_of(measure, found)(count[None].astype(float))[0]
        assert weighted == pytest.approx(told[measure.name]), measure.name


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_areas_and_precision_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    value, truth, weight = rng.normal(size=40).round(1), rng.random(40) < 0.4, rng.integers(1, 4, 40)
    truth[:2] = [True, False]
    drawn = weight[None].astype(float)
    assert area_of(value, truth)(drawn)[0] == pytest.approx(roc_auc_score(truth, value, sample_weight=weight))
    assert precision_of(value, truth)(drawn)[0] == pytest.approx(
        average_precision_score(truth, value, sample_weight=weight)
    )


def test_area_and_brier_at_a_time_are_those_of_scikit_survival() -> None:
    metrics = pytest.importorskip("sksurv.metrics")
    from sksurv.util import Surv

    rng = np.random.default_rng(3)
    found, other = drawn("survival", 3), drawn("survival", 4, 90)
    # Without ties the two count censoring alike (docstring of mmlego.tasks.survival_scores).
    mine, theirs = (
        torch.stack([one.target[:, 0].double(), one.target[:, 1] + torch.tensor(rng.random(len(one)))], dim=1)
        for one in (found, other)
    )
    mine = mine[mine[:, 1] < 30]
    found = Answers("m", found.task, found.patients[: len(mine)], found.logits[: len(mine)], mine.double())
    theirs = torch.cat([theirs, torch.tensor([[0.0, 90.0]])])
    train, test = (Surv.from_arrays(one[:, 0] == 1, one[:, 1].double()) for one in (theirs.float(), mine.float()))
    one = np.ones((1, len(mine)))
    risk, survival = found.prediction.risk.numpy(), found.prediction.survival_at([8.0])[:, 0].numpy()
    area, _ = metrics.cumulative_dynamic_auc(train, test, risk, [8.0])
    assert area_of_cause(risk, mine, 1, 8.0, theirs)(one)[0] == pytest.approx(area[0], abs=1e-5)
    _, brier = metrics.brier_score(train, test, survival[:, None], [8.0])
    assert brier_of_cause(1 - survival, mine, 1, 8.0, theirs)(one)[0] == pytest.approx(brier[0], abs=1e-5)


def test_the_interval_of_a_mean_is_the_one_that_theory_knows() -> None:
    values = np.random.default_rng(0).normal(size=400)
    found = estimate(mean_of(values), resamples(400))
    error = values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert_allclose([found.low, found.high], values.mean() + np.array([-1.96, 1.96]) * error, atol=0.25 * error)


def test_the_interval_of_an_area_is_that_of_hanley_and_mcneil() -> None:
    rng = np.random.default_rng(5)
    truth = rng.random(300) < 0.5
    value = rng.normal(size=300) + truth
    found = estimate(area_of(value, truth), resamples(300))
    a, yes, no = found.value, truth.sum(), (~truth).sum()
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    error = np.sqrt((a * (1 - a) + (yes - 1) * (q1 - a * a) + (no - 1) * (q2 - a * a)) / (yes * no))
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(error, rel=0.15)


def test_paired_differences_are_narrower_than_what_they_are_of() -> None:
    rng = np.random.default_rng(6)
    truth = rng.random(200) < 0.5
    one = rng.normal(size=200) + truth
    weights = resamples(200)
    alike = difference(area_of(one, truth), area_of(one + 0.01 * rng.normal(size=200), truth), weights)
    alone = estimate(area_of(one, truth), weights)
    assert alike.high - alike.low < 0.2 * (alone.high - alone.low)


def test_no_interval_where_resamples_are_not_defined() -> None:
    truth = np.array([True] + [False] * 9)
    found = estimate(area_of(np.arange(10.0), truth), resamples(10))  # a third of the samples lack the one case
    assert np.isfinite(found.value)
    assert not found.known


def test_many_patients_are_drawn_fewer_times() -> None:
    assert [len(resamples(n)) for n in (10, 2000, 10_000)] == [1000, 1000, 200]


@pytest.mark.parametrize(
    ("last", "unit", "marks"),
    [
        (23.0, "months", [0, 6, 12, 18]),
        (60.0, "months", [0, 12, 24, 36, 48, 60]),
        (163.0, "months", [0, 36, 72, 108, 144]),
        (3000.0, "days", [0, 730, 1460, 2190, 2920]),
        (15.5, "years", [0, 5, 10, 15]),
        (52.0, None, [0, 10, 20, 30, 40, 50]),
        (0.7, None, [0, 0.2, 0.4, 0.6]),
    ],
)
def test_marks_of_time_are_round(last: float, unit: str | None, marks: list[float]) -> None:
    assert round_times(last, unit) == marks


def test_horizons_are_round_and_not_beyond_what_is_known() -> None:
    assert round_horizons(23.0, "months") == [3, 6, 12]
    assert round_horizons(150.0, "months") == [24, 60, 120]
    assert round_horizons(12.4, "years") == [2, 5, 10]
    assert round_horizons(2.0, "months") == [0.5, 1.0, 1.5, 2.0][-3:]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 6), st.integers(0, 3)), min_size=1))
def test_concordance_is_that_of_all_pairs_to_the_last_digit(rows: list[tuple[int, bool, int, int]]) -> None:
    risk, event, time, weight = (np.array(column) for column in zip(*rows, strict=True))
    later = (time[:, None] < time) | ((time[:, None] == time) & ~event)
    right = (risk[:, None] > risk) + 0.5 * (risk[:, None] == risk)
    pairs = weight[:, None] * weight * (event[:, None] & later)
    expected = (pairs * right).sum() / pairs.sum() if pairs.any() else np.nan
    found = concordance_of(risk.astype(float), event, time.astype(float))(np.array([weight, 2 * weight], dtype=float))
    assert np.array_equal(found, [expected, expected], equal_nan=True)


def test_concordance_of_nobody_is_not_known() -> None:
    nobody = np.zeros(0)
    assert np.isnan(concordance_of(nobody, nobody > 0, nobody)(np.zeros((2, 0)))).all()
