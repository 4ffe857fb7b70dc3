"""Scores of survival against scikit-survival (an independent implementation, used in tests only)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mmlego.errors import LegoWarning
from mmlego.tasks import Survival
from mmlego.tasks.scores import ranks
from mmlego.tasks.survival_scores import (
    censoring_weights,
    concordance,
    evaluation_times,
    integrated_brier,
    mean_auc,
)

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


def censored_later(target: torch.Tensor) -> torch.Tensor:
    """Move censorings a little later, so that no event shares its time with one."""
    event, time = target.unbind(1)
    return torch.stack([event, torch.where(event == 1, time, time + 2**-12)], dim=1)


@SETTINGS
@CENSORING
@pytest.mark.parametrize("seed", range(3))
def test_scores_with_a_reference(seed: int, censored: float, ties: bool) -> None:
    """scikit-survival 0.28 weighs an event at T by 1 / G(T), we by 1 / G(T−): equal without ties of the two kinds.

    With ties, concordance is equal once censorings come a moment later. The controls of AUC and Brier score are others
    then; these two are counted by hand.
    """
    logits, target = cohort(seed, 120, censored=censored, ties=ties)
    _, reference = cohort(seed + 100, 200, censored=censored, ties=ties)
    scores = TASK.metrics(logits, target, reference=reference)
    prediction = TASK.predict(logits)
    horizon = float(reference[:, 1].max())
    event, time = target[:, 0] == 1, target[:, 1].double()
    at = evaluation_times(event, time, horizon)
    known = evaluation_times(event, time, horizon, known_until=TASK.cuts[-1])  # nothing is predicted for later
    moved = [censored_later(part) if ties else part for part in (reference, target)]
    expected = sksurv_metrics.concordance_index_ipcw(
        surv(moved[0]), surv(moved[1]), prediction.risk.numpy(), tau=horizon
    )[0]
    assert scores["c_index_ipcw"] == pytest.approx(expected, abs=1e-9)
    if ties:
        weights = censoring_weights(reference, target[:, 1], before=True), censoring_weights(reference, known)
        assert scores["auc"] == pytest.approx(auc_by_hand(prediction.risk, target, at, weights[0]), abs=1e-5)
        brier = brier_by_hand(prediction.survival_at(known), target, known, weights)
        assert scores["ibs"] == pytest.approx(float(torch.trapezoid(brier, known) / (known[-1] - known[0])), abs=1e-5)
        return
    ended = surv(follow_up_ends(target, horizon))
    _, expected = sksurv_metrics.cumulative_dynamic_auc(surv(reference), ended, prediction.risk.numpy(), at.numpy())
    assert scores["auc"] == pytest.approx(expected, abs=1e-5)
    expected = sksurv_metrics.integrated_brier_score(
        surv(reference), ended, prediction.survival_at(known).numpy(), known.numpy()
    )
    assert scores["ibs"] == pytest.approx(expected, abs=1e-5)


def auc_by_hand(risk: torch.Tensor, target: torch.Tensor, at: torch.Tensor, weight: torch.Tensor) -> float:
    """Count pairs of an event until t, with its weight, and who is there after t; by the fall of Kaplan–Meier."""
    event, time = target[:, 0] == 1, target[:, 1].double()
    more = (risk[:, None] > risk).double() + (risk[:, None] == risk).double() / 2
    left, auc, falls = 1.0, [], []
    for t in at:
        case, control = event & (time <= t), time > t
        auc.append((more[case][:, control] * weight[case, None]).sum() / (weight[case].sum() * control.sum()))
        share = float((event & (time == t)).sum() / (time >= t).sum())
        falls.append(left * share)
        left *= 1 - share
    return float(torch.stack(auc) @ torch.tensor(falls).double() / sum(falls))


def brier_by_hand(
    survival: torch.Tensor, target: torch.Tensor, at: torch.Tensor, weights: tuple[torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    event, time = target[:, :1] == 1, target[:, 1:].double()
    case, control = event & (time <= at), time > at  # (n, t), (n, t)
    return (case * survival**2 * weights[0][:, None] + control * (1 - survival) ** 2 * weights[1]).mean(0)


def test_weights_where_events_and_censorings_share_times_by_hand() -> None:
    """Of four, two leave at 1, one by its event: of three who could be censored one is, so G(1−) = 1, G(1) = ⅔."""
    target = Survival.target([1, 0, 1, 0], [1.0, 1.0, 2.0, 3.0])
    at = torch.tensor([0.5, 1.0, 1.5, 2.0, 3.0, 4.0])
    assert censoring_weights(target, at).tolist() == pytest.approx([1, 1.5, 1.5, 1.5, 0, 0])
    assert censoring_weights(target, at, before=True).tolist() == pytest.approx([1, 1, 1.5, 1.5, 1.5, 0])
    # logits fall with the risk wanted: the pairs of the event at 1 weigh 1, that of the event at 2 weighs 1.5²
    logits = torch.tensor([1.0, 3.0, 2.0, 0.0])[:, None].expand(4, 5)
    scores = TASK.metrics(logits, target, reference=target)
    assert scores["c_index_ipcw"] == pytest.approx((0 + 0 + 1 + 2.25) / (3 + 2.25))
    survival = torch.tensor([[0.9, 0.8], [0.7, 0.6], [0.5, 0.4], [0.3, 0.2]]).double()
    at, weight = torch.tensor([1.0, 2.0]), censoring_weights(target, target[:, 1], before=True)
    got = integrated_brier(survival, target[:, 0] == 1, target[:, 1], weight, at, censoring_weights(target, at))
    first = 0.9**2 + 1.5 * (0.5**2 + 0.7**2)
    second = 0.8**2 + 1.5 * 0.4**2 + 1.5 * 0.8**2
    assert got == pytest.approx((first + second) / 2 / 4)


def yearly(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw a risk factor (n,), years of death (n,) and what is seen of them (n, 2), by visits once a year."""
    rng = np.random.default_rng(seed)
    risk = rng.integers(0, 3, n)
    death = rng.geometric(np.array([0.15, 0.25, 0.4])[risk]).astype(float)
    leave = rng.integers(1, 7, n).astype(float)
    return torch.tensor(risk), torch.tensor(death), Survival.target(death <= leave, np.minimum(death, leave))


@pytest.mark.parametrize("seed", range(3))
def test_a_constant_half_has_a_brier_score_of_a_quarter(seed: int) -> None:
    """Whatever is censored when: the weights of who is seen add up to the number of patients."""
    _, _, target = yearly(300, seed)
    at = torch.arange(1.0, 6.0)
    weights = censoring_weights(target, target[:, 1], before=True), at, censoring_weights(target, at)
    half = torch.full((300, 5), 0.5).double()
    assert integrated_brier(half, target[:, 0] == 1, target[:, 1], *weights) == pytest.approx(0.25, abs=1e-6)


def test_scores_of_yearly_follow_up_are_those_without_censoring() -> None:
    """What IPCW promises. With 1 / G(T) for events: ibs 0.26 in place of 0.21, and a pessimist beats the truth."""
    risk, death, target = yearly(6000, 0)
    event, time = target[:, 0] == 1, target[:, 1].double()
    at = torch.arange(1.0, 6.0).double()
    weight, weight_at = censoring_weights(target, time, before=True), censoring_weights(target, at)
    hazard = torch.tensor([0.15, 0.25, 0.4]).double()[risk]
    ones, ones_at = torch.ones(6000).double(), torch.ones(5).double()
    everybody = torch.ones(6000, dtype=torch.bool)
    seen, full = {}, {}
    for share in (0.8, 1.0, 1.2):
        survival = (1 - share * hazard[:, None]) ** at
        seen[share] = integrated_brier(survival, event, time, weight, at, weight_at)
        full[share] = integrated_brier(survival, everybody, death, ones, at, ones_at)
    assert seen == pytest.approx(full, abs=0.004)
    assert min(seen, key=lambda share: seen[share]) == 1.0
    truth = mean_auc(risk, everybody, death, ones, at, ones_at)
    assert mean_auc(risk, event, time, weight, at, weight_at) == pytest.approx(truth, abs=0.01)
    few = slice(2000)
    ranked = concordance(risk[few], event[few], time[few], weight[few], horizon=6.0)
    assert ranked == pytest.approx(concordance(risk[few], everybody[few], death[few], horizon=6.0), abs=0.01)


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


def test_nothing_is_scored_after_the_last_cut() -> None:
    """Events at 2 and 7, cuts up to 5: the Brier score is that at 2; ranks go on to the end of the reference."""
    target = Survival.target([1, 1, 0], [2.0, 7.0, 8.0])
    logits = torch.tensor([[1.0] * 5, [0.0] * 5, [-1.0] * 5])
    scores = TASK.metrics(logits, target, reference=Survival.target([1, 1], [1.0, 9.0]))
    survival = torch.sigmoid(torch.tensor([-1.0, 0.0, 1.0])).square()  # the second cut is 2
    assert scores["ibs"] == pytest.approx(float((survival - torch.tensor([0.0, 1.0, 1.0])).square().mean()), abs=1e-6)
    assert scores["auc"] == 1.0
    with pytest.warns(LegoWarning, match=r"ibs is undefined: no event up to the last cut, 1\."):
        late = Survival([1.0]).metrics(logits[:, :2], target, reference=Survival.target([1, 1], [1.0, 9.0]))
    assert math.isnan(late["ibs"])
    assert late["auc"] == 1.0


def test_one_evaluation_time_gives_the_brier_score_there() -> None:
    target = Survival.target([1, 0, 0], [1.0, 2.0, 3.0])
    reference = Survival.target([1, 1, 1], [1.0, 2.0, 9.0])
    logits = torch.tensor([[1.0] * 5, [0.0] * 5, [-1.0] * 5])
    scores = TASK.metrics(logits, target, reference=reference)
    survival = torch.sigmoid(torch.tensor([-1.0, 0.0, 1.0]))
    expected = float((survival - torch.tensor([0.0, 1.0, 1.0])).square().mean())
    assert scores["ibs"] == pytest.approx(expected, abs=1e-6)
    assert scores["auc"] == 1.0


def test_an_event_at_the_last_time_that_is_answered_is_evaluated_and_one_at_the_horizon_is_not() -> None:
    event, time = torch.ones(4, dtype=torch.bool), torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert evaluation_times(event, time, horizon=9.0, known_until=2.0).tolist() == [1.0, 2.0]
    assert evaluation_times(event, time, horizon=3.0).tolist() == [1.0, 2.0]


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


def test_an_event_at_the_horizon_does_not_count() -> None:
    """There the censoring distribution is no longer known: before, not until."""
    event, time = torch.tensor([True, False, False]), torch.tensor([2.0, 2.0, 3.0]).double()
    assert math.isnan(concordance(torch.tensor([2.0, 1.0, 0.0]), event, time, torch.ones(3), horizon=2.0))
    assert concordance(torch.tensor([2.0, 1.0, 0.0]), event, time, torch.ones(3), horizon=2.5) == 1.0
    assert evaluation_times(event, time, horizon=2.0).tolist() == []
    assert evaluation_times(event, time, horizon=2.5).tolist() == [2.0]
    event = torch.tensor([True, True, False])
    assert evaluation_times(event, torch.tensor([1.0, 3.0, 3.0]), horizon=9.0).tolist() == [1.0]  # the last of all


def test_risks_beyond_what_probabilities_can_tell_apart() -> None:
    """Hazards of σ(−40) leave a survival of exactly 1 in double precision, those of σ(40) do not round to 0."""
    target = Survival.target([1, 1, 1, 0], [1.0, 2.0, 3.0, 4.0])
    logits = torch.tensor([-39.0, -40.0, -45.0, -60.0])[:, None].expand(4, 5)
    assert TASK.metrics(logits, target) == {"c_index": 1.0}
    assert TASK.metrics(logits + 100, target) == {"c_index": 1.0}
    assert TASK.metrics(logits.flip(0), target) == {"c_index": 0.0}
