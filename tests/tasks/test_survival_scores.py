"""Scores of survival against scikit-survival (an independent implementation, used in tests only)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mmlego.errors import LegoWarning
from mmlego.tasks import Survival
from mmlego.tasks.survival_scores import concordance, evaluation_times, ranks

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
sksurv_metrics = pytest.importorskip("sksurv.metrics")
Surv = pytest.importorskip("sksurv.util").Surv

TASK = Survival([1.0, 2.0, 3.0, 5.0])


def cohort(seed: int, n: int, *, censored: float = 0.5, ties: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw logits (n, 5) and targets (n, 2); with ties, both times and logits are coarse."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 5))
    death = rng.exponential(3.0 * np.exp(-0.5 * logits.mean(axis=1)))
    leave = rng.exponential(3.0 * (1 - censored) / censored, size=n)
    event, time = death <= leave, np.minimum(death, leave) + 0.01
    if ties:
        time, logits = np.ceil(time * 2) / 2, np.round(logits[:, :1] * 2).repeat(5, axis=1) / 2
    return torch.tensor(logits), Survival.target(event, time)


def surv(target: torch.Tensor) -> np.ndarray:
    return Surv.from_arrays(event=target[:, 0].numpy() == 1, time=target[:, 1].double().numpy())


def follow_up_ends(target: torch.Tensor, horizon: float) -> torch.Tensor:
    """Censor administratively just before the horizon, where scikit-survival can follow."""
    event, time = target.clone().unbind(1)
    late = time >= horizon
    last = torch.tensor(horizon).nextafter(torch.tensor(0.0))
    return torch.stack([event.masked_fill(late, 0.0), time.masked_fill(late, last)], dim=1)


SETTINGS = pytest.mark.parametrize("ties", [False, True], ids=["no ties", "ties"])
CENSORING = pytest.mark.parametrize("censored", [0.1, 0.5, 0.9])


@SETTINGS
@CENSORING
@pytest.mark.parametrize("seed", range(3))
def test_c_index(seed: int, censored: float, ties: bool) -> None:
    logits, target = cohort(seed, 150, censored=censored, ties=ties)
    risk = TASK.predict(logits).risk.numpy()
    y = surv(target)
    expected = sksurv_metrics.concordance_index_censored(y["event"], y["time"], risk)[0]
    assert TASK.metrics(logits, target)["c_index"] == pytest.approx(expected, abs=1e-12)


@SETTINGS
@CENSORING
@pytest.mark.parametrize("seed", range(3))
def test_scores_with_a_reference(seed: int, censored: float, ties: bool) -> None:
    logits, target = cohort(seed, 120, censored=censored, ties=ties)
    _, reference = cohort(seed + 100, 200, censored=censored, ties=ties)
    scores = TASK.metrics(logits, target, reference=reference)
    prediction = TASK.predict(logits)
    horizon = float(reference[:, 1].max())

    expected = sksurv_metrics.concordance_index_ipcw(
        surv(reference), surv(target), prediction.risk.numpy(), tau=horizon
    )[0]
    assert scores["c_index_ipcw"] == pytest.approx(expected, abs=1e-5)

    at = evaluation_times(target[:, 0] == 1, target[:, 1].double(), horizon)
    ended = surv(follow_up_ends(target, horizon))
    _, expected = sksurv_metrics.cumulative_dynamic_auc(surv(reference), ended, prediction.risk.numpy(), at.numpy())
    assert scores["auc"] == pytest.approx(expected, abs=1e-5)

    expected = sksurv_metrics.integrated_brier_score(
        surv(reference), ended, prediction.survival_at(at).numpy(), at.numpy()
    )
    assert scores["ibs"] == pytest.approx(expected, abs=1e-5)


def test_the_horizon_is_the_last_time_of_the_reference() -> None:
    """Patients followed longer than anyone in the reference: scikit-survival refuses, we truncate."""
    logits, target = cohort(0, 100, censored=0.2)
    _, reference = cohort(1, 100, censored=0.2)
    reference = reference[reference[:, 1] < 1.0]
    horizon = float(reference[:, 1].max())
    assert float(target[:, 1].max()) > horizon
    risk = TASK.predict(logits).risk.numpy()
    with pytest.raises(ValueError, match="time must be smaller than largest observed time point"):
        sksurv_metrics.concordance_index_ipcw(surv(reference), surv(target), risk)
    scores = TASK.metrics(logits, target, reference=reference)
    expected = sksurv_metrics.concordance_index_ipcw(surv(reference), surv(target), risk, tau=horizon)[0]
    assert scores["c_index_ipcw"] == pytest.approx(expected, abs=1e-5)
    # what happens after the horizon changes nothing
    later = target.clone()
    later[:, 1] = torch.where(target[:, 1] >= horizon, target[:, 1] + 5, target[:, 1])
    assert TASK.metrics(logits, later, reference=reference) == pytest.approx(scores, abs=1e-9)


def test_c_index_by_hand() -> None:
    """One concordant, one tied and one discordant pair; events at the same time do not compare."""
    event = torch.tensor([True, True, False])
    time = torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64)
    # pairs (0, 1) and (0, 2), and (1, 2): an event against a censoring at the same time
    assert concordance(torch.tensor([2.0, 1.0, 2.0]), event, time) == pytest.approx((1 + 0.5 + 0) / 3)
    # two events at the same time are not comparable
    both = torch.tensor([True, True])
    assert math.isnan(concordance(torch.tensor([2.0, 1.0]), both, torch.ones(2, dtype=torch.float64)))


def test_risks_that_float32_cannot_tell_apart() -> None:
    """torchsurv compares in float32; two confident patients would count as tied."""
    logits = torch.tensor([[-20.0] * 5, [-20.0001] * 5], dtype=torch.float64)
    target = Survival.target([1, 0], [1.0, 2.0])
    risk = TASK.predict(logits).risk
    assert risk[0] > risk[1]
    assert risk.float()[0] == risk.float()[1]
    assert TASK.metrics(logits, target)["c_index"] == 1.0


@pytest.mark.parametrize(
    ("event", "time", "why"),
    [
        ([1], [1.0], "no two patients can be compared"),
        ([0], [1.0], "all patients are censored"),
        ([0, 0, 0], [1.0, 2.0, 3.0], "all patients are censored"),
        ([1, 1], [2.0, 2.0], "no two patients can be compared"),
        ([0, 0, 1], [1.0, 2.0, 3.0], "no two patients can be compared"),
    ],
)
def test_undefined_c_index_is_nan_with_a_warning(event: list[int], time: list[float], why: str) -> None:
    with pytest.warns(LegoWarning, match=f"c_index is undefined: {why}"):
        scores = TASK.metrics(torch.randn(len(event), 5), Survival.target(event, time))
    assert math.isnan(scores["c_index"])


def test_an_event_compares_with_a_censoring_at_the_same_last_time() -> None:
    target = Survival.target([1, 0], [2.0, 2.0])
    logits = torch.tensor([[1.0] * 5, [0.0] * 5])
    assert TASK.metrics(logits, target) == {"c_index": 1.0}


def test_reference_without_events() -> None:
    logits, target = cohort(0, 30)
    reference = Survival.target([0, 0], [1.0, 20.0])
    with pytest.warns(LegoWarning, match="all patients of the reference are censored"):
        scores = TASK.metrics(logits, target, reference=reference)
    assert scores["c_index"] > 0
    assert all(math.isnan(scores[key]) for key in ("c_index_ipcw", "auc", "ibs"))


def test_no_event_before_the_horizon() -> None:
    logits, target = cohort(0, 30)
    reference = Survival.target([1, 1], [0.001, 0.002])
    with pytest.warns(LegoWarning, match="c_index_ipcw, auc, ibs undefined: no comparable event before"):
        scores = TASK.metrics(logits, target, reference=reference)
    assert all(math.isnan(scores[key]) for key in ("c_index_ipcw", "auc", "ibs"))


def test_one_evaluation_time_gives_the_brier_score_there() -> None:
    target = Survival.target([1, 0, 0], [1.0, 2.0, 3.0])
    reference = Survival.target([1, 1, 1], [1.0, 2.0, 9.0])
    logits = torch.tensor([[1.0] * 5, [0.0] * 5, [-1.0] * 5])
    scores = TASK.metrics(logits, target, reference=reference)
    survival = torch.sigmoid(torch.tensor([-1.0, 0.0, 1.0]))
    expected = float((survival - torch.tensor([0.0, 1.0, 1.0])).square().mean())
    assert scores["ibs"] == pytest.approx(expected, abs=1e-6)
    assert scores["auc"] == 1.0


def test_many_evaluation_times_are_thinned_evenly() -> None:
    time = torch.arange(1000, dtype=torch.float64)
    at = evaluation_times(torch.ones(1000, dtype=torch.bool), time, horizon=math.inf)
    assert len(at) == 100
    assert at[0] == 0
    assert at[-1] == 998  # the last time has no controls
    assert bool((at.diff() > 0).all())
    assert at.diff().max() - at.diff().min() <= 1


def test_scores_do_not_depend_on_the_order_of_patients() -> None:
    logits, target = cohort(3, 80, ties=True)
    _, reference = cohort(4, 80, ties=True)
    scores = TASK.metrics(logits, target, reference=reference)
    shuffled = torch.randperm(80, generator=torch.Generator().manual_seed(0))
    again = TASK.metrics(logits[shuffled], target[shuffled], reference=reference[shuffled])
    assert again == pytest.approx(scores, abs=1e-6)


def test_ranks_keep_order_and_ties() -> None:
    assert ranks(torch.tensor([5.0, -1.0, 5.0, 2.0])).tolist() == [2.0, 0.0, 2.0, 1.0]
