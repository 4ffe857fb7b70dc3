from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

import mmlego
from mmlego.data import Cohort
from mmlego.errors import InputError
from mmlego.job.membership import Membership, auroc, membership

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics of models that know nothing
losses = st.lists(st.integers(0, 9), min_size=1, max_size=30)


@given(losses, losses)
def test_the_area_is_that_of_scikit_learn(trained: list[int], others: list[int]) -> None:
    truth, score = [1] * len(trained) + [0] * len(others), [-loss for loss in (*trained, *others)]
    assert auroc(np.array(trained), np.array(others)) == pytest.approx(roc_auc_score(truth, score))


def noise(n: int = 150) -> Cohort:
    """Return patients whose outcome nothing tells of: whoever fits it has learnt it by heart."""
    rng = np.random.default_rng(0)
    ids = [f"p{i:03d}" for i in range(n)]
    frame = pd.DataFrame(rng.normal(size=(n, 5)), index=ids, columns=list("abcde"))
    died = pd.DataFrame({"died": rng.permutation(np.arange(n) % 2)}, index=ids)
    return Cohort.from_frames({"labs": frame}, outcome=died, task={"task": "classification", "label": "died"})


def asked(name: str, **options: object) -> Membership:
    cohort = noise()
    made = mmlego.train_blocks(
        cohort, {"encoder": {"name": name, "options": options}, "fit": {"epochs": 2}}, progress=False, test=0.3
    )
    return membership(made.blocks["labs"], cohort, made.train, made.validation, made.test)


def test_a_model_that_learns_by_heart_is_found_out() -> None:
    found = asked("forest", trees=50, min_leaf=1)
    assert (found.trained, found.others, found.whom) == (105, 45, "the 105 patients it remembers")
    assert 0.6 < found.low < found.auroc < found.high <= 1
    assert found.verdict().startswith("Yes, ")


def test_a_model_that_learns_nothing_tells_of_nobody() -> None:
    found = asked("snn", hidden=[4])
    assert (found.trained, found.whom) == (75, "the training part of the split")  # half of them, and 0.2 watched
    assert found.low < 0.5 < found.high
    assert found.verdict() == "Not by its loss: the interval holds 0.5."


def test_the_part_of_a_block_is_found_again() -> None:
    cohort = noise()
    both = Cohort.from_frames(
        {"labs": cohort.frames["labs"], "more": cohort.frames["labs"] * 2.0},
        outcome=pd.DataFrame({"died": cohort.outcome["label"].astype(str)}),
        task={"task": "classification", "label": "died"},
    )
    settings = {"encoder": {"name": "snn", "options": {"hidden": [4]}}, "fit": {"epochs": 1}}
    made = mmlego.train_blocks(both, settings, progress=False, duplicates="allow")
    found = membership(made.blocks["more"], both, made.train, made.validation, made.test)
    assert found.whom == "the part of the patients for more"
    assert found.trained == len(made.parts["more"][0])


def test_too_few_to_say() -> None:
    cohort = noise(30)
    made = mmlego.train_blocks(cohort, {"encoder": {"name": "snn"}, "fit": {"epochs": 1}}, progress=False)
    with pytest.raises(InputError, match=r"too few patients to tell who trained the model: .* got 18 and 6"):
        membership(made.blocks["labs"], cohort, made.train, made.validation, made.test)
