"""auto: a neural block and learners of one modality as one brick."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import mmlego
from mmlego import Bricks, Bundle, FittedBlock, InputError, LegoBlock
from mmlego.commands.runs import load_model
from mmlego.data import Cohort
from mmlego.job.data import data_of
from mmlego.job.pooling import STOPPED, members_for
from mmlego.tasks import Classification, Survival
from mmlego.training.evaluate import all_logits
from mmlego.training.stacking import Answers
from tests.job.test_fitting import cohort

AUTO = {"name": "auto", "options": {"members": ["neural", "logistic"]}}
QUICK = {
    "encoder": {"name": "neural"},
    "encoders": {"labs": AUTO},
    "fit": {"epochs": 2},
    "fuse": {"across": None, "fit": {"epochs": 1}},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bricks, Path]:
    place = tmp_path_factory.mktemp("run") / "mine"
    return mmlego.train(cohort(), QUICK, disjoint=False, seed=1, out=place, progress=False), place


def test_members_are_trained_as_they_are_alone(run: tuple[Bricks, Path]) -> None:
    bundle = run[0].blocks["labs"]
    assert isinstance(bundle, Bundle)
    assert isinstance(bundle.member("logistic"), FittedBlock)
    plain = {"encoder": {"name": "neural"}, "fit": {"epochs": 2}}
    made = mmlego.train_blocks(cohort(), plain, modalities=["labs"], disjoint=False, seed=1, progress=False)
    alone = made.blocks["labs"]
    assert isinstance(alone, LegoBlock)
    scale = bundle.member("neural").card.recipe["calibration"]["scale"]  # on the validation patients
    for name, value in alone.state_dict().items():
        wanted = value * scale if name == "head.linear.weight" else value
        if name != "head.linear.bias":
            assert torch.allclose(wanted, bundle.member("neural").state_dict()[name], rtol=1e-4), name


def test_the_bundle_is_the_mean_of_their_evidence(run: tuple[Bricks, Path]) -> None:
    models, _ = run
    bundle = models.blocks["labs"]
    assert isinstance(bundle, Bundle)
    data = data_of(bundle, cohort(), models.test)
    parts = [(weight, all_logits(member, data, 64) - member.prior()) for weight, member in bundle.each()]
    wanted = bundle.prior() + sum(weight * evidence for weight, evidence in parts)
    assert torch.allclose(all_logits(bundle, data, 64), wanted, atol=1e-5)


def test_its_card_is_measured_on_validation_patients_out_of_fold(run: tuple[Bricks, Path]) -> None:
    models, place = run
    bundle = models.blocks["labs"]
    data = data_of(bundle, cohort(), models.validation)
    assert data.target is not None
    honest = bundle.task.metrics(all_logits(bundle, data, 64, out_of_fold=True), data.target)
    assert bundle.card.recipe["scores"] == STOPPED
    assert bundle.calibrated
    told = bundle.card.validation["log_loss"]
    assert honest["log_loss"] < told < honest["log_loss"] + 0.05  # each with the scale that fits the others
    loaded = load_model(place / "blocks" / "labs")
    told = all_logits(loaded, data, 64, out_of_fold=True)
    assert torch.allclose(told, all_logits(bundle, data, 64, out_of_fold=True), atol=1e-6)
    assert not torch.allclose(told, all_logits(loaded, data, 64), atol=1e-4)


def test_members_are_learners_of_the_task() -> None:
    assert members_for(Survival([1.0]), {}, "table") == ("coxnet", "survival_boosting")
    assert members_for(Classification(2), {}, "bag") == ("neural", "logistic", "boosting")
    assert members_for(Classification(2), {}, "fingerprint") == ("forest", "boosting")
    assert members_for(Classification(2), {}, "image") == ("neural",)
    assert members_for(Classification(2), {}, "of another package") == ("neural",)
    assert members_for(Classification(2), {"members": ["logistic"]}, "image") == ("logistic",)
    wrong: list[dict[str, object]] = [
        {"members": ["coxnet"]},
        {"members": []},
        {"members": ["logistic", "logistic"]},
        {"depth": 1},
        {"weights": "best"},
    ]
    for options in wrong:
        with pytest.raises(InputError, match="auto"):
            members_for(Classification(2), options, "table")


def test_stacked_members_have_the_weights_that_fit_out_of_fold_best() -> None:
    asked = {"encoder": {"name": "auto", "options": {"members": ["logistic", "forest"], "weights": "stacked"}}}
    made = mmlego.train_blocks(cohort(), asked, modalities=["labs"], disjoint=False, progress=False)
    bundle = made.blocks["labs"]
    assert isinstance(bundle, Bundle)
    everybody = [*made.train, *made.validation]
    data = data_of(bundle, cohort(), everybody)
    members = [member for _, member in bundle.each()]
    evidence = [(all_logits(m, data, 64, out_of_fold=True) - m.prior()).double() for m in members]

    def cost(v: list[float]) -> float:
        z = bundle.prior() + v[0] * evidence[0] + v[1] * evidence[1]
        assert data.target is not None
        loss = torch.nn.functional.cross_entropy(z, data.target, reduction="sum")
        return float(loss) + 2 * ((2 * v[0] - 1) ** 2 + (2 * v[1] - 1) ** 2)

    best = bundle.weights.tolist()
    grid = [[a / 20, b / 20] for a in range(41) for b in range(41)]
    assert cost(best) <= min(map(cost, grid)) + 1e-6
    assert cost(best) < cost([0.5, 0.5]) - 1e-3
    count = len(set(data.patients))
    assert bundle.card.recipe["weights"] == f"stacked on {count} patients"
    assert bundle.card.recipe["members"] == dict(zip(bundle.members, best, strict=True))
    # the card is told by weights of other folds: near what these give, and not the same
    assert data.target is not None
    own = bundle.task.metrics(all_logits(bundle, data, 64, out_of_fold=True), data.target)["log_loss"]
    by_others = Answers(bundle.task, data, bundle.prior().double(), torch.stack(evidence)).by_others()
    told = bundle.task.metrics(by_others, data.target)["log_loss"]
    assert own < told < own + 0.05
    assert bundle.card.held_out["patients"] == len(data)


def test_weights_beside_a_neural_member_fit_what_the_bundle_answers() -> None:
    """Around the prior by which it answers, that of the fitted member, not the mean of all."""
    options = {"members": ["neural", "logistic"], "weights": "stacked"}
    asked = {"encoder": {"name": "auto", "options": options}, "fit": {"epochs": 2}}
    made = mmlego.train_blocks(cohort(), asked, modalities=["labs"], disjoint=False, validation=0.6, progress=False)
    bundle = made.blocks["labs"]
    assert isinstance(bundle, Bundle)
    assert not torch.allclose(bundle.member("neural").prior(), bundle.prior(), atol=1e-3)
    data = data_of(bundle, cohort(), made.validation)
    assert data.target is not None
    assert bundle.card.recipe["weights"] == f"stacked on {len(data)} patients"
    v = bundle.weights.clone().requires_grad_()
    evidence = [(all_logits(m, data, 64, out_of_fold=True) - m.prior()).double() for _, m in bundle.each()]
    z = bundle.prior().double() + v[0] * evidence[0] + v[1] * evidence[1]
    assert torch.allclose(z.float(), all_logits(bundle, data, 64, out_of_fold=True), atol=1e-5)
    cost = torch.nn.functional.cross_entropy(z, data.target, reduction="sum") + 2 * (2 * v - 1).square().sum()
    (slope,) = torch.autograd.grad(cost, v)
    assert slope.abs().max() < 1e-3  # 0 < v: nothing lower nearby


def test_of_few_patients_the_weights_are_the_mean() -> None:
    few = cohort().subset(cohort().patients[:24])
    asked = {"encoder": {"name": "auto", "options": {"members": ["logistic", "forest"], "weights": "stacked"}}}
    made = mmlego.train_blocks(few, asked, modalities=["labs"], disjoint=False, progress=False)
    bundle = made.blocks["labs"]
    assert isinstance(bundle, Bundle)
    assert bundle.weights.tolist() == [0.5, 0.5]
    assert bundle.card.recipe["weights"] == "mean: fewer than 20 patients to stack on"


def test_what_is_chosen_follows_kind_heads_and_plate() -> None:
    """Learners of rows by default; neural blocks where no common read-out is to be had."""
    names = mmlego.train_blocks(cohort(), {}, disjoint=False, progress=False).blocks
    assert [type(block) for block in names.values()] == [Bundle, Bundle]
    neural: list[dict[str, dict[str, object]]] = [
        {"merge": {"heads": "slerp"}},
        {"encoder": {"name": "neural"}},
        {"fuse": {"mode": "weave"}},
    ]
    for settings in neural:
        one = {**settings, "fit": {"epochs": 1}}
        made = mmlego.train_blocks(cohort(), one, modalities=["labs"], disjoint=False, progress=False)
        assert isinstance(made.blocks["labs"], LegoBlock), settings
    made = mmlego.train_blocks(cohort(), {"encoder": {"name": "logistic"}}, disjoint=False, progress=False)
    assert [block.card.recipe["learner"] for block in made.blocks.values()] == ["logistic", "logistic"]


def test_a_baseplate_too_narrow_for_learners_is_told() -> None:
    narrow = {"plate": {"width": 1}, "fit": {"epochs": 1}}
    said = r"neural block: the latent, 1 wide, .* 2 outputs.*\(plate.width\).*\(encoders.labs.name: neural\)"
    with pytest.warns(mmlego.LegoWarning, match=said):
        made = mmlego.train_blocks(cohort(), narrow, modalities=["labs"], disjoint=False, progress=False)
    assert isinstance(made.blocks["labs"], LegoBlock)
    asked = {**narrow, "encoders": {"labs": {"name": "neural"}}}  # the remedy: no warning, which would be an error
    mmlego.train_blocks(cohort(), asked, modalities=["labs"], disjoint=False, progress=False)
    wide = {"plate": {"width": 2}, "fit": {"epochs": 1}}
    made = mmlego.train_blocks(cohort(), wide, modalities=["labs"], disjoint=False, progress=False)
    assert not isinstance(made.blocks["labs"], LegoBlock)


@pytest.mark.filterwarnings("ignore:auroc and auprc are undefined")
def test_where_an_outcome_is_too_rare_for_learners_blocks_are_neural() -> None:
    """One of forty: without the fold of that patient there is nothing to learn from, across modalities neither."""
    rng = np.random.default_rng(0)
    ids = [f"p{i:02d}" for i in range(40)]
    frames = {name: pd.DataFrame(rng.normal(size=(40, 2)), index=ids, columns=["u", "v"]) for name in "ab"}
    had = pd.DataFrame({"had": (np.arange(40) < 1).astype(int)}, index=ids)
    rare = Cohort.from_frames(frames, outcome=had, task={"task": "classification", "label": "had"})
    quick = {"fit": {"epochs": 1}, "fuse": {"fit": {"epochs": 1}}}
    with pytest.warns(mmlego.LegoWarning, match="too few patients for learners, and gets a neural block: .*all of cla"):
        models = mmlego.train(rare, quick, disjoint=False, progress=False)
    assert [type(block) for block in models.blocks.values()] == [LegoBlock, LegoBlock]
    assert models.fuse is not None
    assert models.fuse.across is None
    for asked in ({"name": "logistic"}, {"name": "auto", "options": {"members": ["logistic"]}}):
        with pytest.raises(InputError, match=r"a neural block \(encoder.name: neural\)"):
            mmlego.train(rare, {**quick, "encoder": asked}, disjoint=False, progress=False)


def test_class_weights_that_learners_do_not_heed_are_told() -> None:
    weighted = {"fit": {"epochs": 1, "class_weights": "balanced"}}
    with pytest.warns(mmlego.LegoWarning, match="'labs': fit.class_weights is of neural blocks"):
        mmlego.train_blocks(cohort(), weighted, modalities=["labs"], disjoint=False, progress=False)
