"""LegoBlock.of: objects of other libraries become bricks that answer as they do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import mmlego
from mmlego import Baseplate, CheckpointError, InputError, LegoBlock, LegoMerge
from mmlego.errors import LegoWarning
from mmlego.learners import Foreign
from mmlego.learners.copies import outcome_for
from mmlego.tasks import Classification, MultiLabel, Regression, Survival
from tests.test_fitted import patients

sklearn = pytest.importorskip("sklearn")
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

YES = Classification(["no", "yes"])


def two_classes(n: int = 80, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    x, _ = patients("classes", n, seed)
    rng = np.random.default_rng(seed)
    return x, (x[:, 0] + 0.5 * torch.from_numpy(rng.normal(size=n)).float() > 0).long()


@pytest.mark.parametrize("estimator", [LogisticRegression(), RandomForestClassifier(20, min_samples_leaf=5)])
def test_given_as_it_is_its_probabilities_are_the_bricks(estimator: Any) -> None:
    x, y = two_classes()
    fitted = estimator.fit(x.double().numpy(), outcome_for(y, YES))
    block = LegoBlock.of(fitted, Baseplate(YES, channels=4, width=8), "labs")
    new, _ = two_classes(30, seed=1)
    wanted = torch.from_numpy(fitted.predict_proba(new.double().numpy())).float()
    sure = (wanted > 0.02).all(1)  # where probabilities are 0 or 1, log-odds are bounded
    assert torch.allclose(block(new).logits.softmax(1)[sure], wanted[sure], atol=1e-5)


def test_held_out_patients_calibrate_what_is_fitted_already() -> None:
    x, y = two_classes()
    fitted = RandomForestClassifier(50, random_state=0).fit(x.double().numpy(), outcome_for(y, YES))
    held, truth = two_classes(60, seed=1)
    block = LegoBlock.of(fitted, Baseplate(YES, channels=4, width=8), "labs", held_out=(held, truth))
    assert block.card.patients == {"validation": 60}
    assert block.calibrated
    assert block.card.recipe["scores"] == "held out"
    itself = YES.metrics(block(held).logits, truth)
    assert block.card.validation["auroc"] == pytest.approx(itself["auroc"], abs=0.05)
    assert block.card.validation["log_loss"] > itself["log_loss"]  # nobody has a part in their own calibration
    order = block(held).logits.diff(dim=1)[:, 0].argsort()
    raw = torch.from_numpy(fitted.predict_proba(held.double().numpy())[:, 1])[order]
    assert bool((raw.diff() >= -1e-9).all())


def test_a_card_says_that_few_patients_calibrated_what_they_judge() -> None:
    x, y = two_classes()
    fitted = LogisticRegression().fit(x.double().numpy(), outcome_for(y, YES))
    held, truth = two_classes(30, seed=1)
    block = LegoBlock.of(fitted, Baseplate(YES, channels=4, width=8), "labs", held_out=(held, truth))
    assert block.card.recipe["scores"] == "held out; but calibrated on these patients"
    assert block.calibrated
    assert block.card.validation["auroc"] == pytest.approx(YES.metrics(block(held).logits, truth)["auroc"], abs=1e-6)


def test_given_patients_a_copy_is_fitted_and_the_estimator_left_alone() -> None:
    x, y = two_classes()
    estimator = make_pipeline(StandardScaler(), LogisticRegression())
    block = LegoBlock.of(estimator, Baseplate(YES, channels=4, width=8), "labs", (x, y))
    with pytest.raises(sklearn.exceptions.NotFittedError):
        estimator.predict(x.numpy())
    alone = make_pipeline(StandardScaler(), LogisticRegression()).fit(x.double().numpy(), y.numpy())
    odds = torch.from_numpy(alone.decision_function(x.double().numpy()))
    found = block(x).logits.diff(dim=1)[:, 0].double()
    slope = (found[1] - found[0]) / (odds[1] - odds[0])
    assert torch.allclose(found - found[0], slope * (odds - odds[0]), atol=1e-4)
    assert 0.3 < float(slope) < 1.5
    assert block.card.recipe["learner"] == "Pipeline"


def test_survival_models_of_others_become_hazards() -> None:
    linear_model = pytest.importorskip("sksurv.linear_model")
    x, y = patients("survival", 120)
    task = Survival([0.3, 0.8, 1.5])
    plate = Baseplate(task, channels=4, width=8)
    block = LegoBlock.of(linear_model.CoxPHSurvivalAnalysis(alpha=1.0), plate, "labs", (x, y))
    assert block.card.validation["c_index"] > 0.65
    survival = task.predict(block(x).logits).survival
    assert bool((survival.diff(dim=1) <= 0).all())
    fitted = linear_model.CoxPHSurvivalAnalysis(alpha=1.0).fit(x.double().numpy(), outcome_for(y, task))
    risk = torch.from_numpy(fitted.predict(x.double().numpy()))
    assert bool((task.predict(block(x).logits).risk[risk.argsort()].diff() >= -1e-6).all())
    with pytest.raises(InputError, match="a risk alone tells no hazards"):
        LegoBlock.of(fitted, plate, "labs")


def test_numbers_come_in_their_units() -> None:
    x, y = patients("regression")
    task = Regression(mean=5.0, scale=2.0)
    fitted = LinearRegression().fit(x.double().numpy(), y[:, 0].numpy())
    block = LegoBlock.of(fitted, Baseplate(task, channels=4, width=8), "labs")
    wanted = torch.from_numpy(fitted.predict(x.double().numpy())).float()
    assert torch.allclose(block.predict(x).values[:, 0].float(), wanted, atol=1e-4)


def test_what_skops_keeps_is_audited_when_it_is_loaded(tmp_path: Path) -> None:
    pytest.importorskip("skops")
    x, y = two_classes()
    block = LegoBlock.of(KNeighborsClassifier(5), Baseplate(YES, channels=4, width=8), "labs", (x, y))
    merge = LegoMerge([block])
    with pytest.warns(LegoWarning, match=r"holds rows of the patients whom it was fitted to: _fit_X, \d+ × \d+"):
        place = mmlego.save(merge, tmp_path / "merge")
    names = next(part.untrusted() for part in merge.modules() if isinstance(part, Foreign))
    if names:  # which they are is skops's own list
        with pytest.raises(CheckpointError, match=re.escape(names[0])):
            mmlego.load(place)
    again = mmlego.load(place, trusted=names)
    assert torch.allclose(again({"labs": x}), merge({"labs": x}), atol=1e-6)


def test_what_cannot_be_a_brick_is_told() -> None:
    x, y = two_classes()
    plate = Baseplate(YES, channels=4, width=8)
    with pytest.raises(InputError, match="data= to fit it to"):
        LegoBlock.of("logistic", plate, "labs")
    with pytest.raises(InputError, match="one of them"):
        LegoBlock.of("logistic", plate, "labs", (x, y), held_out=(x, y))
    with pytest.raises(InputError, match="fit"):
        LegoBlock.of(LogisticRegression(), plate, "labs")
    with pytest.raises(InputError, match="Set them on it"):
        LegoBlock.of(LogisticRegression(), plate, "labs", (x, y), options={"C": 1.0})
    with pytest.raises(InputError, match=r"object with fit\(x, y\)"):
        LegoBlock.of(object(), plate, "labs", (x, y))
    with pytest.raises(InputError, match="not known"):
        outcome_for(torch.tensor([[1.0, float("nan")]]), MultiLabel(2))


def test_tables_are_taken_as_they_are_and_words_refused() -> None:
    x, y = two_classes()
    plate = Baseplate(YES, channels=4, width=8)
    frame = pd.DataFrame(x.numpy(), index=[f"p{i}" for i in range(len(x))], columns=list("abcd"))
    by_frame = LegoBlock.of("logistic", plate, "labs", (frame, y), patients=list(frame.index))
    by_tensor = LegoBlock.of("logistic", plate, "labs", (x, y), patients=list(frame.index))
    assert torch.equal(by_frame(x).logits, by_tensor(x).logits)
    with pytest.raises(InputError, match="Turn words into numbers first"):
        LegoBlock.of("logistic", plate, "labs", (frame.assign(sex="f"), y))
    with pytest.raises(InputError, match="one a row"):
        LegoBlock.of("logistic", plate, "labs", (x, y), patients=["a", "b"])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"patients": 5}, "patients of a brick: expected ids, one a row, got 5"),
        ({"patients": "abc"}, "patients of a brick: expected ids"),
        ({"patients": [None] * 80}, "ids as text or whole numbers"),
        ({"patients": [["a"]] * 80}, "ids as text or whole numbers"),
        ({"patients": [0.5] * 80}, "ids as text or whole numbers"),
        ({"seed": "a"}, "seed of a brick: expected an int ≥ 0, below 2⁶³, got 'a'"),
        ({"seed": -1}, "seed of a brick"),
        ({"seed": True}, "seed of a brick"),
        ({"options": 5}, "options of a learner: expected values by name, got 5"),
        ({"options": "abc"}, "options of a learner"),
        ({"options": {"seed": 1}}, "unknown option of learner 'logistic': expected of penalties, folds, got seed"),
        ({"options": {"x": 1, 5: 2}}, "unknown option of learner 'logistic'"),
        ({"options": {"penalties": -1}}, "option 'penalties' of learner 'logistic'"),
        ({"folds": "a"}, "folds of a brick: expected an int ≥ 2"),
        ({"folds": 1}, "folds of a brick"),
        ({"ordered": "no"}, "ordered of a brick: expected True or False"),
    ],
)
def test_arguments_of_wrong_kinds_end_in_one_error(given: dict[str, Any], told: str) -> None:
    x, y = two_classes()
    with pytest.raises(InputError, match=re.escape(told)):
        LegoBlock.of("logistic", Baseplate(YES, channels=4, width=8), "labs", (x, y), **given)


def test_classes_and_complex_numbers_are_refused() -> None:
    x, y = two_classes()
    plate = Baseplate(YES, channels=4, width=8)
    with pytest.raises(InputError, match=r"an object, as LogisticRegression\(\), got the class LogisticRegression"):
        LegoBlock.of(LogisticRegression, plate, "labs", (x, y))
    with pytest.raises(InputError, match="expected real numbers, got complex ones"):
        LegoBlock.of("logistic", plate, "labs", (x + 1j, y))
    with pytest.raises(InputError, match="expected ids, one a row") as error:
        LegoBlock.of("logistic", plate, "labs", (x, y), patients=pd.DataFrame({"id": range(80)}))  # type: ignore[arg-type]
    assert len(str(error.value)) < 150


def test_ids_that_are_numbers_are_those_that_a_cohort_reads() -> None:
    x, y = two_classes()
    plate = Baseplate(YES, channels=4, width=8)
    by_number = LegoBlock.of("logistic", plate, "labs", (x, y), patients=pd.Index(range(80)))
    by_name = LegoBlock.of("logistic", plate, "labs", (x, y), patients=[str(i) for i in range(80)])
    found = by_number.known(["3", "79"])
    assert found is not None
    assert torch.equal(found, by_name.known(["3", "79"]))  # type: ignore[arg-type]
