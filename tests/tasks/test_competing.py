"""Competing risks: by hand, against plain survival, and against scikit-survival's Aalen–Johansen estimate."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from mmlego.data.cohort.manifest import parse_outcome
from mmlego.errors import InputError, LegoWarning, MismatchError
from mmlego.tasks import CompetingRisks, Survival, task_from_config
from mmlego.tasks.aalen_johansen import aalen_johansen
from mmlego.tasks.competing_scores import cause_aucs, cause_concordance, incidence_scores
from mmlego.tasks.prior import prior_logits
from tests.tasks.causes import competing_cohort

TASK = CompetingRisks([1.0, 2.0, 4.0], ["relapse", "death"])


def test_likelihood_by_hand() -> None:
    """Of hazards 0.1 and 0.3 in all bins: relapse in the second, death in the first, censored half way, and at last."""
    logits = torch.tensor([[math.log(0.1 / 0.6), math.log(0.3 / 0.6)] * 4]).expand(4, -1)
    target = TASK.check_target([[1, 1.5], [2, 1.0], [0, 3.0], [0, 9.0]])
    none = -math.log(0.6)
    expected = [none - math.log(0.1), -math.log(0.3), 2.5 * none, 4 * none]
    torch.testing.assert_close(TASK.sample_loss(logits, target), torch.tensor(expected))


def test_a_cause_that_never_comes_leaves_plain_survival() -> None:
    generator = torch.Generator().manual_seed(0)
    single = torch.randn(40, 4, generator=generator, dtype=torch.float64)
    both = torch.stack([single, torch.full_like(single, -99.0)], dim=2).flatten(1)
    time = torch.rand(40, generator=generator) * 6
    event = (torch.rand(40, generator=generator) < 0.5).float()
    target, plain = torch.stack([event, time], 1), Survival(TASK.cuts)
    torch.testing.assert_close(TASK.sample_loss(both, target), plain.sample_loss(single, target))
    mine, theirs = TASK.predict(both), plain.predict(single)
    at = [0.3, 1.0, 2.7, 4.0]
    torch.testing.assert_close(mine.survival_at(at), theirs.survival_at(at))
    torch.testing.assert_close(mine.incidence_at(at)[:, :, 0], 1 - theirs.survival_at(at))
    with pytest.warns(LegoWarning, match="c_index/death undefined"):
        scores = TASK.metrics(both, target)
    assert scores["c_index"] == scores["c_index/relapse"] == pytest.approx(plain.metrics(single, target)["c_index"])


def test_incidences_and_survival_are_a_whole() -> None:
    logits = torch.randn(30, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3
    prediction = TASK.predict(logits)
    at = torch.linspace(0, 4, 41)
    curves = prediction.incidence_at(at)
    torch.testing.assert_close(curves.sum(2) + prediction.survival_at(at), torch.ones(30, 41, dtype=torch.float64))
    assert bool((curves.diff(dim=1) >= -1e-12).all())
    assert bool((curves[:, 0] == 0).all())
    torch.testing.assert_close(prediction.incidence_at([1.0, 2.0, 4.0]), prediction.incidence[:, :3])
    assert bool(prediction.incidence_at([4.1]).isnan().all())
    assert prediction.horizon == TASK.horizon == 4.0


def test_columns() -> None:
    prediction = CompetingRisks([12, 60], ["relapse", "death"], unit="months").predict(torch.zeros(2, 6))
    frame = prediction.frame(["a", "b"])
    assert list(frame.columns) == [
        *("risk_of_relapse", "risk_of_death", "relapse_by_12_months", "relapse_by_60_months"),
        *("death_by_12_months", "death_by_60_months"),
    ]
    assert frame.loc["a", "death_by_60_months"] == pytest.approx(1 / 3 + 1 / 9)


def test_gradients_agree_with_finite_differences() -> None:
    logits = torch.randn(4, 8, dtype=torch.float64, requires_grad=True)
    target = TASK.check_target([[1, 0.5], [0, 3.0], [2, 9.0], [0, 9.0]])
    assert torch.autograd.gradcheck(lambda x: TASK.loss(x, target), (logits,))


def test_what_is_fitted_without_features_is_aalen_johansen() -> None:
    """The constant logits of least loss, on many patients, where bins are narrow."""
    event, time = competing_cohort(0, 3000)
    target = torch.stack([event.float(), time.float()], 1)
    task = CompetingRisks.from_data(event.numpy(), time.numpy(), ["relapse", "death"])
    constant = prior_logits(task, target)
    curves = task.predict(constant[None]).incidence_at(task.cuts)[0]
    seen = aalen_johansen(event.numpy(), time.numpy(), 2).at(list(task.cuts))[0]
    np.testing.assert_allclose(curves.numpy(), seen.T, atol=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_concordance_of_a_cause_counts_pairs(seed: int) -> None:
    """Wolbers 2009: i had the cause, and j was seen to be free of it then, or had another before or after."""
    event, time = competing_cohort(seed, 40, ties=True)
    risk = torch.tensor(np.random.default_rng(seed).normal(size=40)).round(decimals=1)
    for cause in (1, 2):
        right = pairs = 0.0
        for i, j in itertools.permutations(range(40), 2):
            if event[i] != cause:
                continue
            other = event[j] not in (0, cause)
            later = time[j] > time[i] or (time[j] == time[i] and event[j] == 0)
            if other or later:
                pairs += 1
                right += 1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0
        assert cause_concordance(risk, event, time, cause) == pytest.approx(right / pairs, abs=1e-9)


def test_the_brier_score_of_a_cause_by_hand() -> None:
    """Relapse at 1, death at 2, one who leaves at 2.5, relapse at 3, of the four that are also the reference."""
    target = torch.tensor([[1.0, 1.0], [2.0, 2.0], [0.0, 2.5], [1.0, 3.0]])
    (found, other), _ = incidence_scores(lambda t: torch.full((4, len(t), 2), 0.4), target, target, 9.0)
    # at 1 and 2 all weights are 1; at 1 relapse has come once, at 2 as well, and death never, then once
    one, none = 0.6**2, 0.4**2
    assert found == pytest.approx((one + 3 * none) / 4)
    assert other == pytest.approx(((4 * none) / 4 + (one + 3 * none) / 4) / 2)


def test_the_brier_score_of_one_cause_alone_is_that_of_survival() -> None:
    event, time = competing_cohort(0, 80)
    target = torch.stack([(event == 1).float(), time.float()], 1)
    single = torch.randn(80, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    both = torch.stack([single, torch.full_like(single, -99.0)], dim=2).flatten(1)
    with pytest.warns(LegoWarning, match="c_index/death, auc/death undefined"):
        scores = TASK.metrics(both, target, reference=target)
    plain = Survival(TASK.cuts).metrics(single, target, reference=target)
    assert scores["ibs/relapse"] == pytest.approx(plain["ibs"], abs=1e-6)
    assert scores["ibs/death"] == pytest.approx(0.0, abs=1e-9)
    assert scores["auc/relapse"] == scores["auc"] == pytest.approx(plain["auc"], abs=1e-6)


def test_who_had_another_event_is_a_control_of_the_area() -> None:
    """The first leaves at 1; relapse comes at 2 and 4, death at 3, and one is there at 5: later all weigh 5/4."""
    target = torch.tensor([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0], [1.0, 4.0], [0.0, 5.0]])
    risks = torch.tensor([[9.0, 9.0], [2.0, 1.0], [3.0, 4.0], [2.0, 2.0], [1.0, 3.0]])
    found = cause_aucs(risks, target, target)
    # at 2: the tie ½, and one of two others below; at 4 of two cases each above one of two; incidences rise alike
    assert found == [pytest.approx((1.5 / 3 + 2 / 4) / 2), 1.0]
    assert cause_aucs(risks, target, None) == []
    assert math.isnan(cause_aucs(risks[:2], target[:2], target)[1])


def test_the_truth_has_the_best_brier_score() -> None:
    event, time = competing_cohort(0, 2000)
    target = torch.stack([event.float(), time.float()], 1)

    def known(factor: float) -> list[float]:
        rates = torch.tensor([1 / 2.5, 1 / 4.0], dtype=torch.float64)
        whole = rates.sum()
        curve = lambda t: (factor * rates / whole * (1 - torch.exp(-whole * t.double()))[:, None]).expand(2000, -1, -1)  # noqa: E731
        return incidence_scores(curve, target, target, 4.0)[0]

    for cause in (0, 1):
        assert known(1.0)[cause] < min(known(0.7)[cause], known(1.3)[cause])


def test_the_task_is_rebuilt_from_its_configuration() -> None:
    task = CompetingRisks([12, 60], ["relapse", "death"], unit="months")
    assert task_from_config(task.config()) == task
    assert task.differences(CompetingRisks([12, 60], ["death", "relapse"], unit="months")) == [
        "causes: ('relapse', 'death') ≠ ('death', 'relapse')"
    ]
    assert task.outputs == 6
    with pytest.raises(InputError, match="causes is too short"):
        CompetingRisks([1.0], ["death"])
    with pytest.raises(
        InputError, match=r"no number of a cause in row 1: expected 0 censored, 1 relapse, 2 death, got 3"
    ):
        task.check_target([[1, 1.0], [3, 1.0]])


def test_the_outcome_of_a_manifest() -> None:
    pd = pytest.importorskip("pandas")
    spec = parse_outcome(
        {"task": "survival", "time": "t", "event": "e", "causes": {"relapse": ["local", "distant"], "death": "dead"}}
    )
    frame = pd.DataFrame(
        {"t": [1.0, 2, 3, 4, 5], "e": ["local", "dead", "alive", "distant", None]}, index=list("abcde")
    )
    outcome, _ = spec.known(frame)
    assert outcome["event"].tolist() == [1, 2, 0, 1]
    assert spec.strata(outcome).tolist() == [1, 2, 0, 1]
    assert spec.describe(outcome) == "competing risks: relapse 2, death 1, 1 censored, time up to 4"
    task = spec.fit_task(outcome)
    assert task.causes == ("relapse", "death")
    assert spec.target(outcome, task).tolist() == [[1, 1], [2, 2], [0, 3], [1, 4]]
    with pytest.raises(MismatchError, match="the causes of the outcome are not those of the model"):
        spec.target(outcome, CompetingRisks([1.0], ["death", "relapse"]))
    with pytest.raises(MismatchError, match="the task does not fit the outcome"):
        spec.target(outcome, Survival([1.0]))
    with pytest.raises(InputError, match="no value of column 'e' means death"):
        spec.known(frame[frame["e"] != "dead"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"causes": {"relapse": 1, "death": 2}, "event_when": 1}, "causes: says which values mean an event: leave"),
        ({"causes": {"relapse": 1}}, "causes: are two or more"),
        ({}, "'event_when' is missing"),
    ],
)
def test_what_cannot_be_causes(more: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_outcome({"task": "survival", "time": "t", "event": "e", **more})
