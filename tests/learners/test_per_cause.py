"""Learners of several causes: one each, calibrated together as cause-specific hazards in discrete time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmlego import Baseplate, LegoBlock, LegoMerge, load, save
from mmlego.errors import InputError, TooFewError
from mmlego.learners import Coxnet, PerCause, build_learner, learners_for
from mmlego.learners.calibration import calibrated_map
from mmlego.tasks import CompetingRisks, Survival
from mmlego.tasks.aalen_johansen import aalen_johansen
from mmlego.tasks.prior import prior_logits

TASK = CompetingRisks([0.5, 1.0, 2.0], ["relapse", "death"])


def cohort(n: int, seed: int = 0) -> tuple[np.ndarray, torch.Tensor]:
    """Draw columns of which the first drives relapse and the second death, and a target."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    rates = np.exp(-x[:, :2]) * [2, 3]
    each = np.column_stack([rng.uniform(1, 4, n), rng.exponential(rates)])
    return x, torch.tensor(np.stack([each.argmin(1), each.min(1)], 1)).float()


def test_each_cause_has_the_model_that_takes_the_others_as_censored() -> None:
    x, target = cohort(150)
    found = PerCause.fitted(lambda y, alone: Coxnet.fit(x, y, alone, seed=0), target, TASK)
    rows = torch.from_numpy(x)
    for cause in (1, 2):
        alone = torch.stack([(target[:, 0] == cause).float(), target[:, 1]], 1)
        expected = Coxnet.fit(x, alone, Survival(TASK.cuts), seed=0)(rows)[:, 0]
        torch.testing.assert_close(found(rows)[:, cause - 1], expected)
    again = build_learner("per_cause", found.config)
    again.load_state_dict(found.state_dict())
    torch.testing.assert_close(again(rows), found(rows))


def test_slopes_are_of_their_own_cause_and_found_again() -> None:
    """Hazards drawn from the model itself: logit of cause c in bin j is a_jc + β_c u_c with β = 1.5 and 0.5."""
    generator = torch.Generator().manual_seed(0)
    n = 6000
    scores = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    start, slope = torch.tensor([-2.0, -1.5, -1.0, -1.0]), torch.tensor([1.5, 0.5])
    logits = start[:, None] + (slope * scores)[:, None]  # (n, k, m)
    hazards = torch.cat([torch.zeros(n, 4, 1), logits], 2).softmax(2)
    ends = torch.tensor([0.25, 0.75, 1.5, 3.0])
    event, time = torch.zeros(n), torch.full((n,), 3.0)
    for j in reversed(range(4)):
        came = torch.multinomial(hazards[:, j], 1, generator=generator)[:, 0].float()
        event, time = torch.where(came > 0, came, event), torch.where(came > 0, ends[j], time)
    matrix, shift = calibrated_map(TASK, scores, torch.stack([event, time], 1), torch.zeros(8))
    assert matrix.shape == (8, 2)
    assert bool((matrix[0::2, 1] == 0).all())  # a bin's logit of relapse heeds the score of relapse alone
    assert bool((matrix[1::2, 0] == 0).all())
    torch.testing.assert_close(matrix[0::2, 0], torch.full((4,), 1.5).double(), atol=0.1, rtol=0)
    torch.testing.assert_close(matrix[1::2, 1], torch.full((4,), 0.5).double(), atol=0.1, rtol=0)
    torch.testing.assert_close(shift.reshape(4, 2), start[:, None].expand(4, 2).double(), atol=0.15, rtol=0)


def test_a_useless_score_leaves_aalen_johansen() -> None:
    _, target = cohort(800)
    noise = torch.randn(800, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    fine = CompetingRisks.from_data(target[:, 0].numpy(), target[:, 1].numpy(), TASK.causes)
    matrix, shift = calibrated_map(fine, noise, target, torch.zeros(fine.outputs))
    assert float(matrix.abs().max()) < 0.1
    seen = aalen_johansen(target[:, 0].long().numpy(), target[:, 1].numpy(), 2).at([0.5, 1.0])[0]
    mean = fine.predict(noise @ matrix.mT + shift).incidence_at([0.5, 1.0]).mean(0)
    np.testing.assert_allclose(mean.numpy(), seen.T, atol=0.02)


@pytest.mark.parametrize("name", ["coxnet", "survival_boosting", "survival_forest"])
def test_bricks_tell_causes_apart_merge_and_are_saved(name: str, tmp_path: object) -> None:
    x, target = cohort(300)
    plate = Baseplate(TASK, channels=2, width=8)
    options = {"trees": 60} if name == "survival_forest" else {}
    ids = [f"p{i}" for i in range(300)]
    parts = [
        LegoBlock.of(name, plate, label, (x[:, columns].astype(np.float32), target), patients=ids, options=options)
        for label, columns in (("a", [0, 2]), ("b", [1, 3]))
    ]
    new, what = cohort(600, seed=1)
    inputs = {"a": torch.tensor(new[:, [0, 2]]).float(), "b": torch.tensor(new[:, [1, 3]]).float()}
    alone = [TASK.metrics(part(inputs[part.modality]).logits, what, reference=target) for part in parts]
    assert alone[0]["c_index/relapse"] > 0.65
    assert alone[1]["c_index/death"] > 0.62
    merge = LegoMerge(parts)
    scores = TASK.metrics(merge(inputs), what, reference=target)
    assert scores["c_index"] > max(one["c_index"] for one in alone)
    nothing = TASK.metrics(prior_logits(TASK, target).expand(600, -1), what, reference=target)
    assert scores["ibs/relapse"] < nothing["ibs/relapse"]
    assert scores["ibs/death"] < nothing["ibs/death"]
    save(merge, tmp_path / "merge")  # type: ignore[operator]
    torch.testing.assert_close(load(tmp_path / "merge")(inputs), merge(inputs))  # type: ignore[operator]


def test_estimators_of_others_are_copied_for_each_cause() -> None:
    linear = pytest.importorskip("sksurv.linear_model")
    x, target = cohort(200)
    plate = Baseplate(TASK, channels=2, width=8)
    estimator = linear.CoxPHSurvivalAnalysis(alpha=0.1)
    brick = LegoBlock.of(estimator, plate, "a", (x.astype(np.float32), target))
    assert brick.encoder.registered_name == "per_cause"
    scores = TASK.metrics(brick(torch.tensor(x).float()).logits, target)
    assert min(scores["c_index/relapse"], scores["c_index/death"]) > 0.65
    assert not hasattr(estimator, "coef_")
    from sksurv.util import Surv

    fitted = estimator.fit(x, Surv.from_arrays(target[:, 0].numpy() == 1, target[:, 1].numpy()))
    with pytest.raises(InputError, match="is of one cause: expected a model of each of relapse, death"):
        LegoBlock.of(fitted, plate, "a", held_out=(x.astype(np.float32), target))


def test_what_cannot_be_fitted() -> None:
    assert "coxnet" in learners_for(TASK)
    assert "ridge" not in learners_for(TASK)
    x, target = cohort(60)
    with pytest.raises(InputError, match=r"by itself is of one cause.*LegoBlock.of fits one"):
        Coxnet.fit(x, target, TASK, seed=0)
    plate = Baseplate(TASK, channels=2, width=8)
    only = torch.where(target[:, :1] == 2, 0.0, target[:, :1])
    with pytest.raises(TooFewError, match=r"cause 'death' have nothing to learn from.*none of whom had it"):
        LegoBlock.of("coxnet", plate, "a", (x.astype(np.float32), torch.cat([only, target[:, 1:]], 1)))
    with pytest.raises(InputError, match="no room for a common read-out"):
        LegoBlock.of("coxnet", Baseplate(TASK, channels=2, width=7), "a", (x.astype(np.float32), target))
