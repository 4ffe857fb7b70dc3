"""Bricks of learners in the main job: fitted to all who train and validate, judged and built upon out of fold."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import mmlego
from mmlego import Bricks, FittedBlock, InputError, LegoBlock, UnknownNameError
from mmlego.commands.runs import load_model
from mmlego.data import Cohort, PatientData
from mmlego.job.data import data_of
from mmlego.job.scoring import score_models
from mmlego.job.sources import load_blocks
from mmlego.settings import as_settings
from mmlego.training.evaluate import all_logits

N = 80
IDS = [f"p{i:02d}" for i in range(N)]
QUICK = {
    "encoder": {"name": "neural"},
    "encoders": {"labs": {"name": "logistic"}},
    "fit": {"epochs": 2},
    "fuse": {"across": None, "fit": {"epochs": 1}},
}


def cohort() -> Cohort:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=N)
    labs = pd.DataFrame({"crp": signal + rng.normal(size=N), "age": rng.normal(size=N)}, index=IDS)
    genes = pd.DataFrame(signal[:, None] + rng.normal(size=(N, 3)), index=IDS, columns=["A", "B", "C"])
    died = pd.DataFrame({"died": np.where(signal + 0.3 * rng.normal(size=N) > 0, "yes", "no")}, index=IDS)
    frames = {"labs": labs.iloc[:-5], "genes": genes}
    return Cohort.from_frames(frames, outcome=died, task={"task": "classification", "label": "died"})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bricks, Path]:
    place = tmp_path_factory.mktemp("run") / "mine"
    return mmlego.train(cohort(), QUICK, disjoint=False, seed=1, out=place, progress=False), place


def test_a_learner_is_fitted_to_training_and_validation_patients(run: tuple[Bricks, Path]) -> None:
    models, _ = run
    block = models.blocks["labs"]
    assert isinstance(block, FittedBlock)
    assert isinstance(models.blocks["genes"], LegoBlock)
    mine = [*models.train, *models.validation]
    have = set(cohort().frames["labs"].index)
    assert block.out_of_fold is not None
    assert block.out_of_fold.patients == tuple(p for p in mine if p in have)
    assert block.card.patients == {"training": len(block.out_of_fold.patients)}
    assert not set(block.out_of_fold.patients) & set(models.test)
    assert 0.6 < block.card.validation["auroc"] < 1.0
    assert block.card.recipe["learner"] == "logistic"


def test_its_card_tells_the_score_of_its_answers_out_of_fold(run: tuple[Bricks, Path]) -> None:
    block = run[0].blocks["labs"]
    assert block.out_of_fold is not None
    data = data_of(block, cohort(), block.out_of_fold.patients)
    assert data.target is not None
    wanted = block.task.metrics(block.out_of_fold.logits, data.target)["auroc"]
    assert block.card.validation["auroc"] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("model", ["blocks/labs", "merge", "fuse"])
def test_a_run_remembers_what_its_bricks_said_out_of_fold(run: tuple[Bricks, Path], model: str) -> None:
    models, place = run
    loaded = load_model(place / model)
    data = data_of(loaded, cohort(), models.validation)
    mine = {"blocks/labs": models.blocks["labs"], "merge": models.merge, "fuse": models.fuse}[model]
    assert mine is not None
    assert torch.allclose(
        all_logits(loaded, data, 64, out_of_fold=True), all_logits(mine, data, 64, out_of_fold=True), atol=1e-6
    )
    assert not torch.allclose(all_logits(loaded, data, 64, out_of_fold=True), all_logits(loaded, data, 64), atol=1e-4)


def test_patients_of_the_run_are_scored_out_of_fold_and_others_as_they_are(run: tuple[Bricks, Path]) -> None:
    models, _ = run
    block = models.blocks["labs"]
    seen = models.scores(cohort(), models.validation).loc["blocks/labs"]
    data = data_of(block, cohort(), models.validation)
    assert data.target is not None
    honest = block.task.metrics(all_logits(block, data, 64, out_of_fold=True), data.target)
    assert seen["log_loss"] == pytest.approx(honest["log_loss"])
    held = data_of(block, cohort(), models.test)
    assert held.target is not None
    assert models.scores(cohort()).loc["blocks/labs", "log_loss"] == pytest.approx(
        block.task.metrics(all_logits(block, held, 64), held.target)["log_loss"]
    )


def test_blocks_of_a_run_fuse_elsewhere_on_answers_out_of_fold(run: tuple[Bricks, Path], tmp_path: Path) -> None:
    models, place = run
    blocks = [block for _, block in load_blocks([place])]
    assert {block.modality: block.out_of_fold is not None for block in blocks} == {"genes": False, "labs": True}
    alone = mmlego.load(shutil.copytree(place / "blocks" / "labs", tmp_path / "labs"))  # without the run
    fuse = mmlego.LegoFuse([alone, models.blocks["genes"]])
    data = data_of(fuse, cohort(), models.train)
    with pytest.warns(mmlego.LegoWarning, match="'?labs'? do not tell on whom they were fitted"):
        mmlego.fit(fuse, data, validation=None, epochs=1, progress=False)
    again = mmlego.LegoFuse([mmlego.load(place / "blocks" / "labs"), models.blocks["genes"]])
    mmlego.fit(again, data, validation=None, epochs=1, progress=False)


@pytest.mark.parametrize("model", ["blocks/labs", "merge", "fuse"])
def test_scores_of_its_own_patients_are_those_of_the_verb(run: tuple[Bricks, Path], model: str, tmp_path: Path) -> None:
    models, place = run
    loaded = mmlego.load(place / model)
    data = data_of(loaded, cohort(), models.train)
    found = score_models({"it": loaded}, cohort(), models.train, ())["it"]
    assert found is not None
    assert mmlego.evaluate(loaded, data) == pytest.approx(found.scores)
    with pytest.warns(mmlego.LegoWarning, match="patients whom a fitted model was fitted on"):
        memory = mmlego.evaluate(loaded, data, out_of_fold=False)
    assert memory["log_loss"] < found.scores["log_loss"]
    elsewhere = mmlego.load(shutil.copytree(place / model, tmp_path / "alone"))
    with pytest.warns(mmlego.LegoWarning, match="labs do not tell on whom they were fitted"):
        assert mmlego.evaluate(elsewhere, data) == pytest.approx(memory)
    others = data_of(loaded, cohort(), models.test)
    assert mmlego.evaluate(loaded, others) == pytest.approx(mmlego.evaluate(loaded, others, out_of_fold=False))


def test_what_was_calibrated_in_its_run_recalls_answers_of_its_scale(run: tuple[Bricks, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(run[1], tmp_path / "copy")
    block = mmlego.load(copy / "blocks" / "labs")
    scale = mmlego.calibrate(block, data_of(block, cohort(), run[0].validation))
    assert scale != 1.0
    mmlego.save(block, copy / "blocks" / "labs", overwrite=True)
    again = mmlego.load(copy / "blocks" / "labs")
    assert torch.allclose(again.out_of_fold.logits, block.out_of_fold.logits, atol=1e-5)


def test_patients_of_another_hospital_who_are_called_alike_are_others(run: tuple[Bricks, Path]) -> None:
    models, _ = run
    block = models.blocks["labs"]
    data = data_of(block, cohort(), models.train)
    x = data.loader(len(data)).__iter__().__next__().inputs["labs"]
    assert isinstance(x, torch.Tensor)
    there = PatientData({"labs": x + 0.1}, data.target, block.task, data.patients)
    with pytest.warns(mmlego.LegoWarning, match="the model of 'labs' was fitted on, and have other features"):
        told = all_logits(block, there, 64, out_of_fold=True)
    assert torch.equal(told, all_logits(block, there, 64))


def test_damaged_answers_are_told(run: tuple[Bricks, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run[1], copy)
    file = copy / "private/fits" / "labs" / "out_of_fold.json"
    for answers in ("", ', "logits": [[0.5], [null]]', ', "logits": [0.5]', ', "logits": [[1], [1, 2]]'):
        file.write_text('{"": {"patients": ["a"]' + answers + "}}")
        with pytest.raises(mmlego.CheckpointError, match="Train the block again"):
            load_model(copy / "merge")


def test_the_same_again(run: tuple[Bricks, Path]) -> None:
    again = mmlego.train_blocks(cohort(), QUICK, modalities=["labs"], disjoint=False, seed=1, progress=False)
    for name, value in run[0].blocks["labs"].state_dict().items():
        assert torch.equal(value, again.blocks["labs"].state_dict()[name])


def test_settings_know_learners_and_their_options() -> None:
    assert as_settings({"encoders": {"labs": {"name": "coxnet"}}}).encoders["labs"].options == {}
    with pytest.raises(UnknownNameError, match=r"or a learner: .*coxnet"):
        as_settings({"encoders": {"labs": {"name": "coxnett"}}})
    with pytest.raises(InputError, match="has no option 'depth'"):
        as_settings({"encoders": {"labs": {"name": "logistic", "options": {"depth": 3}}}})


def test_a_learner_that_does_not_serve_the_task_is_refused() -> None:
    with pytest.raises(InputError, match="logistic"):
        mmlego.train(cohort(), {"encoders": {"labs": {"name": "coxnet"}}}, progress=False)


def test_what_is_fitted_already_is_not_trained(run: tuple[Bricks, Path]) -> None:
    block = run[0].blocks["labs"]
    with pytest.raises(InputError, match="fitted model already"):
        mmlego.fit(block, data_of(block, cohort(), run[0].test), progress=False)
