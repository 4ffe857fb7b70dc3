from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmlego.errors import InputError, LegoWarning
from mmlego.tasks import Survival

LOGITS = hnp.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(4)), elements=st.floats(-30, 30))
TASK = Survival([1.0, 2.0, 4.0])
quick = settings(deadline=None, max_examples=40)


def test_bins_hold_their_right_end() -> None:
    """With logits 0 each bin at risk costs log 2, so the loss counts the bins."""
    target = Survival.target(event=[1] * 6, time=[0.0, 1.0, 1.5, 2.0, 4.0, 99.0])
    losses = TASK.sample_loss(torch.zeros(6, 4), target) / math.log(2)
    torch.testing.assert_close(losses, torch.tensor([1.0, 1.0, 2.0, 2.0, 3.0, 4.0]))


def test_loss_by_hand() -> None:
    """An event in bin 1, and a censoring half way through bin 1, which half of its hazard was survived."""
    hazards = torch.tensor([0.1, 0.2, 0.3, 0.4])
    logits = hazards.logit().repeat(2, 1)
    target = Survival.target(event=[1, 0], time=[1.5, 1.5])
    expected = torch.tensor([-math.log(0.9) - math.log(0.2), -math.log(0.9) - math.log(0.8) / 2])
    torch.testing.assert_close(TASK.sample_loss(logits, target), expected)
    torch.testing.assert_close(TASK.loss(logits, target), expected.mean())


def test_loss_is_the_likelihood_of_the_survival_curve() -> None:
    """With S and h from predict: −log(S_{y−1} h_y) for events, −log S(t) for censored, patient by patient."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 4, generator=generator, dtype=torch.float64)
    event = torch.rand(50, generator=generator) < 0.5
    time = torch.rand(50, generator=generator) * 6
    prediction = TASK.predict(logits)
    expected = []
    for i in range(50):
        y = sum(float(time[i]) > cut for cut in TASK.cuts)
        before = 1.0 if y == 0 else float(prediction.survival[i, y - 1])
        until = float(prediction.survival_at(time[i : i + 1])[i]) if y < 3 else float(prediction.survival[i, 3])
        likelihood = before * float(prediction.hazards[i, y]) if event[i] else until
        expected.append(-math.log(likelihood))
    losses = TASK.sample_loss(logits, Survival.target(event, time))
    torch.testing.assert_close(losses, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-6)


def test_later_bins_get_no_gradient() -> None:
    logits = torch.zeros(1, 4, requires_grad=True)
    TASK.loss(logits, Survival.target([1], [1.5])).backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.tensor([[0.5, -0.5, 0.0, 0.0]]))


def test_prediction_by_hand() -> None:
    prediction = Survival([1.0]).predict(torch.tensor([[0.2, 0.5]]).logit())
    torch.testing.assert_close(prediction.hazards, torch.tensor([[0.2, 0.5]]))
    torch.testing.assert_close(prediction.survival, torch.tensor([[0.8, 0.4]]))
    torch.testing.assert_close(prediction.risk, torch.tensor([-1.2]))


def test_survival_at_falls_by_a_constant_hazard_inside_each_bin() -> None:
    prediction = TASK.predict(torch.tensor([[0.5, 0.75, 0.0, 0.5]]).logit().clamp(-99, 99))
    times = [4.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0]
    expected = torch.tensor([[0.125, 1.0, 0.5**0.5, 0.5, 0.25, 0.125, 0.125]])
    torch.testing.assert_close(prediction.survival_at(times), expected)
    torch.testing.assert_close(prediction.survival_at(torch.tensor(times)), expected)
    assert prediction.survival_at([]).shape == (1, 0)


def test_survival_is_not_told_beyond_the_last_cut() -> None:
    prediction = TASK.predict(torch.zeros(2, 4))
    assert prediction.horizon == 4.0
    curve = prediction.survival_at([4.0, math.nextafter(4.0, 9.0), 4.001, 99.0])  # the second is 4 in float32
    torch.testing.assert_close(curve[:, :2], torch.full((2, 2), 0.125))
    assert bool(curve[:, 2:].isnan().all())


def test_certain_and_impossible_events() -> None:
    """Hazards of 0 and 1, which leave a survival of 1 and of 0, from which nothing can be divided."""
    prediction = TASK.predict(torch.tensor([[-999.0, 999.0, 0.0, 0.0], [999.0, 999.0, 0.0, 0.0]]))
    expected = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(prediction.survival_at([0.0, 0.5, 1.0, 1.5, 2.0, 4.0]), expected)
    torch.testing.assert_close(prediction.median(), torch.tensor([1.0, 0.0]))


@quick
@given(LOGITS)
def test_half_have_had_the_event_at_the_median(logits: np.ndarray) -> None:
    prediction = TASK.predict(torch.tensor(logits / 10))
    for median, curve, end in zip(
        prediction.median(), prediction.survival_at(torch.linspace(0, 4, 4001)), prediction.survival[:, 2], strict=True
    ):
        assert bool(median.isnan()) == (float(end) > 0.5)
        if not median.isnan():
            at = round(float(median) * 1000)
            assert curve[max(at - 2, 0)] >= 0.5 >= curve[min(at + 2, 4000)]


def test_median_by_hand() -> None:
    curves = torch.tensor([[0.5, 0.0, 0.0, 0.0], [0.2, 0.75, 0.0, 0.0], [0.1, 0.1, 0.1, 0.9]])
    # at the first cut; where 0.8 · 0.25^f is ½; and after the last cut
    expected = torch.tensor([1.0, 1 + math.log(0.5 / 0.8) / math.log(0.25), math.nan])
    torch.testing.assert_close(TASK.predict(curves.logit().clamp(-99, 99)).median(), expected, equal_nan=True)


def test_cuts_and_times_compare_in_the_same_precision() -> None:
    """0.1 in float32 is more than 0.1 in float64; a time equal to its cut is in the bin below all the same."""
    task = Survival([0.1, 0.7])
    target = Survival.target([1, 1], np.array([0.1, 0.7]))
    counts = task.sample_loss(torch.zeros(2, 3), target) / math.log(2)
    torch.testing.assert_close(counts, torch.tensor([1.0, 2.0]))
    curve = task.predict(torch.zeros(1, 3, dtype=torch.float64)).survival_at([0.1, 0.7])
    torch.testing.assert_close(curve, torch.tensor([[0.5, 0.25]], dtype=torch.float64))


@quick
@given(LOGITS)
def test_survival_never_increases(logits: np.ndarray) -> None:
    prediction = TASK.predict(torch.tensor(logits))
    assert bool((prediction.survival.diff(dim=1) <= 0).all())
    assert bool(((prediction.survival >= 0) & (prediction.survival <= 1)).all())
    curve = prediction.survival_at(torch.linspace(0, 4, 30))
    assert bool((curve.diff(dim=1) <= 1e-12).all())
    assert bool((curve[:, 0] == 1).all())


@quick
@given(LOGITS, st.integers(0, 3), st.floats(0.01, 5))
def test_more_hazard_is_more_risk(logits: np.ndarray, bin_: int, more: float) -> None:
    raised = torch.tensor(logits)
    raised[:, bin_] += more
    assert bool((TASK.predict(raised).risk >= TASK.predict(torch.tensor(logits)).risk).all())


@quick
@given(st.lists(st.floats(-8, 8), min_size=2, max_size=8, unique_by=lambda x: round(x, 3)))
def test_risk_order_reverses_with_the_hazards(levels: list[float]) -> None:
    logits = torch.tensor(levels, dtype=torch.float64)[:, None].expand(-1, 4)
    up, down = TASK.predict(logits).risk.argsort(), TASK.predict(-logits).risk.argsort()
    assert up.tolist() == down.flip(0).tolist()


def test_higher_risk_is_the_earlier_event() -> None:
    """The logits that fit the data best rank the patients perfectly, and their opposite ranks them worst."""
    time = torch.tensor([0.5, 1.5, 3.0, 9.0])
    target = Survival.target(torch.ones(4), time)
    fitted = torch.where(torch.arange(4) == torch.arange(4)[:, None], 5.0, -5.0)
    assert TASK.metrics(fitted, target)["c_index"] == 1.0
    assert TASK.metrics(fitted.flip(0), target)["c_index"] == 0.0
    assert TASK.loss(fitted, target) < TASK.loss(fitted.flip(0), target)


def test_gradients_agree_with_finite_differences() -> None:
    logits = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    target = Survival.target([1, 0, 1], [0.5, 3.0, 9.0])
    assert torch.autograd.gradcheck(lambda x: TASK.loss(x, target), (logits,))


def test_extreme_logits_have_a_finite_loss() -> None:
    logits = torch.tensor([[300.0, -300.0, 300.0, -300.0]], requires_grad=True)
    loss = TASK.loss(logits, Survival.target([1], [99.0]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


def test_frame() -> None:
    frame = Survival([30.0, 365.25]).predict(torch.zeros(2, 3)).frame(["a", "b"])
    assert list(frame.columns) == ["risk", "survival_at_30", "survival_at_365.25"]
    assert frame.index.tolist() == ["a", "b"]
    assert frame.index.name == "patient"
    assert frame.loc["a", "survival_at_365.25"] == 0.25
    assert Survival([1.0]).predict(torch.zeros(2, 2)).frame().index.tolist() == [0, 1]
    close = Survival([1000.001, 1000.002]).predict(torch.zeros(1, 3)).columns()
    assert list(close) == ["risk", "survival_at_1000.001", "survival_at_1000.002"]


# ---- targets


def test_target_from_a_structured_array() -> None:
    values = [(True, 3.0), (False, 7.5)]
    expected = torch.tensor([[1.0, 3.0], [0.0, 7.5]])
    for surv in (
        np.array(values, dtype=[("event", "?"), ("time", "<f8")]),
        np.array([(t, e) for e, t in values], dtype=[("days", "<f8"), ("death", "?")]),
    ):
        torch.testing.assert_close(Survival.target(surv), expected)
        torch.testing.assert_close(TASK.check_target(surv), expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_target_of_scikit_survival() -> None:
    util = pytest.importorskip("sksurv.util")
    surv = util.Surv.from_arrays(event=[True, False], time=[3.0, 7.5])
    torch.testing.assert_close(Survival.target(surv), torch.tensor([[1.0, 3.0], [0.0, 7.5]]))


@pytest.mark.parametrize("event", [[1, 0], [True, False], np.array([1.0, 0.0]), torch.tensor([1, 0])])
@pytest.mark.parametrize("time", [[3, 4], np.array([3, 4], dtype=np.uint16), torch.tensor([3.0, 4.0])])
def test_target_from_arrays(event: object, time: object) -> None:
    target = Survival.target(event, time)
    assert target.dtype == torch.float32
    torch.testing.assert_close(target, torch.tensor([[1.0, 3.0], [0.0, 4.0]]))


def test_target_from_columns_of_a_table() -> None:
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"event": [1, 0], "days": [3.0, 4.0]}, index=["x", "y"])
    target = Survival.target(table["event"], table["days"])
    torch.testing.assert_close(target, torch.tensor([[1.0, 3.0], [0.0, 4.0]]))


def test_time_zero_is_in_the_first_bin() -> None:
    target = Survival.target([1, 0], [0.0, 0.0])
    losses = TASK.sample_loss(torch.tensor([[1.0, 9.0, 9.0, 9.0]]).expand(2, 4), target)
    torch.testing.assert_close(losses, torch.tensor([math.log1p(math.exp(-1.0)), 0.0]))  # who left at once says nothing


# ---- bins from data


def test_cuts_by_hand() -> None:
    """Ten patients: one is left at 50, but nobody after it, so 40; and thirds of the events, at 1, 3, 4, 7 and 9."""
    event = np.array([1, 0, 1, 0, 1, 1, 0, 1, 0, 0], dtype=bool)
    time = np.array([3.0, 20.0, 1.0, 0.5, 7.0, 9.0, 30.0, 4.0, 40.0, 50.0])
    np.testing.assert_allclose(Survival.from_data(event, time, bins=4).cuts, [3 + 1 / 3, 6.0, 40.0])
    late = np.r_[time, [60.0] * 3]  # of thirteen two are a tenth
    cuts = Survival.from_data(np.r_[event, [False] * 3], late, bins=2).cuts
    assert cuts == (60.0,)


@quick
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 30)), min_size=2, max_size=60),
    st.one_of(st.none(), st.integers(2, 20)),
)
def test_cuts_cover_the_follow_up(patients: list[tuple[int, int]], bins: int | None) -> None:
    """Whatever the ties: a tenth is at risk at the last cut, more than the default are never made, no bin is nobody's.

    Only the last may be: all that were left are censored at the same time.
    """
    event, time = np.array(patients).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegoWarning)
        try:
            cuts = np.array(Survival.from_data(event, time, bins=bins).cuts)
        except InputError:
            assert len(set(time)) == 1 or (time > 0).sum() < max(1, math.ceil(len(time) / 10))
            return
    assert 10 * (time >= cuts[-1]).sum() >= len(time)
    assert 10 * (time > cuts[-1]).sum() < len(time) or (time == time.max()).sum() == 1
    assert len(cuts) < (15 if bins is None else bins)
    assert all(((time > a) & (time <= b)).any() or b != cuts[-1] for a, b in zip([0, *cuts], cuts, strict=False))


def test_bins_hold_about_the_same_number_of_events() -> None:
    time = np.random.default_rng(0).exponential(5.0, size=1000)
    task = Survival.from_data(np.ones(1000), time, bins=5)
    counts = np.bincount(np.searchsorted(task.cuts, time.astype(np.float32)))
    assert counts.tolist() == [226, 225, 225, 225, 99]  # 901 events up to where a hundred patients are left
    assert Survival.from_data(np.ones(1000), time).outputs == 15


def test_few_events_make_few_bins() -> None:
    event = np.r_[np.ones(12), np.zeros(48)]
    time = np.random.default_rng(0).permutation(60) + 1.0
    task = Survival.from_data(event, time)
    assert task.outputs == int((event[time <= task.cuts[-1]]).sum()) // 3 + 1
    assert Survival.from_data([1, 0, 0], [1.0, 2.0, 3.0]).cuts == (2.0,)


def test_all_censored_is_a_warning_and_quantiles_of_all_times() -> None:
    with pytest.warns(LegoWarning, match="All patients are censored"):
        task = Survival.from_data([0, 0, 0, 0, 0], [1.0, 2.0, 3.0, 4.0, 5.0], bins=2)
    assert task.cuts == (4.0,)
    with pytest.warns(LegoWarning, match="c_index is undefined: all patients are censored"):
        scores = task.metrics(torch.zeros(2, 2), Survival.target([0, 0], [1.0, 2.0]))
    assert math.isnan(scores["c_index"])
    assert task.loss(torch.zeros(2, 2), Survival.target([0, 0], [1.0, 9.0])).isfinite()


def test_tied_times_leave_fewer_bins_with_a_warning() -> None:
    with pytest.warns(LegoWarning, match="Tied times leave 2 bins of the 4 asked for"):
        task = Survival.from_data([1, 1, 1, 1, 0], [2.0, 2.0, 2.0, 2.0, 9.0], bins=4)
    assert task.cuts == (2.0,)
    assert Survival.from_data([1, 1, 1, 1, 0], [2.0, 2.0, 2.0, 2.0, 9.0]).cuts == (2.0,)  # not asked for: no warning


def test_follow_up_that_ends_for_all_at_once_is_covered() -> None:
    """A trial of five years: nobody is followed longer, half are at risk until its end, which can be asked for."""
    task = Survival.from_data([1, 1, 1, 0, 0, 0], [1.0, 2.0, 3.0, 5.0, 5.0, 5.0], bins=3)
    assert task.cuts[-1] == 5.0


def test_equal_times_leave_nothing_to_cut() -> None:
    with pytest.raises(InputError, match="the times leave nothing to cut"):
        Survival.from_data([1, 1], [5.0, 5.0])


def test_balanced_weights_are_by_event() -> None:
    target = Survival.target([1, 0, 0, 0], [1.0, 2.0, 3.0, 4.0])
    torch.testing.assert_close(TASK.balanced_weights(target), torch.tensor([2.0, 2 / 3, 2 / 3, 2 / 3]))
    assert TASK.strata(target).tolist() == [1, 0, 0, 0]
