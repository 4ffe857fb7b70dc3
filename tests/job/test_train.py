"""``mmlego.train`` as a user calls it: what is held back, what a folder keeps, and what is refused."""

from __future__ import annotations

import dataclasses
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import mmlego
from mmlego import Baseplate, Bricks, InputError, MismatchError, UnknownNameError
from mmlego.data import Cohort, Split
from mmlego.settings import Settings
from tests.bricks import assert_same, snapshot
from tests.cohorts import QUICK
from tests.terminal import done

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics on a handful of patients


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "run"


@pytest.fixture(scope="module")
def made(cohort: Cohort, place: Path) -> Bricks:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mmlego.LegoWarning)
        return mmlego.train(cohort, QUICK, out=place, progress=False)


def test_everybody_trains_is_watched_or_is_held_back(made: Bricks, cohort: Cohort) -> None:
    assert sorted(made.train + made.validation + made.test) == sorted(cohort.patients)
    assert (len(made.train), len(made.validation), len(made.test)) == (36, 12, 12)
    assert list(made.blocks) == list(made.parts) == list(cohort.modalities)
    trained = [patient for train, _ in made.parts.values() for patient in train]
    watched = [patient for _, watched in made.parts.values() for patient in watched]
    assert (sorted(trained), sorted(watched)) == (sorted(made.train), sorted(made.validation))
    assert made.settings.fit.epochs == 2


def test_the_command_line_makes_the_same(made: Bricks, cohort: Cohort, place: Path, tmp_path: Path) -> None:
    from tests.cohorts import write_cohort, write_quick

    data = write_cohort(tmp_path, ("rna", "clinical", "labs"))
    run = tmp_path / "run"
    done("train", "-d", data, "-o", run, "-c", write_quick(tmp_path), "--no-progress")
    done("merge", run)
    done("fuse", run, "-d", data, "--no-progress")
    for name in ("blocks/rna", "blocks/clinical", "blocks/labs", "fuse"):
        assert_same(snapshot(mmlego.load(run / name)), snapshot(mmlego.load(place / name)))
    merged = mmlego.load(run / "merge")  # of the blocks by name, as they lie in the folder
    weights = dict(zip(merged.modalities, merged.weights.tolist(), strict=True))
    assert [weights[name] for name in made.merge.modalities] == pytest.approx(made.merge.weights.tolist())
    for name in ("private/split.json", "settings.yaml"):
        assert (run / name).read_text() == (place / name).read_text()


def test_a_folder_is_gone_on_with(made: Bricks, cohort: Cohort, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmlego.training.loop.train", pytest.fail)
    again = mmlego.train(cohort, QUICK, out=place, progress=False, test=0.5)  # the folder's split stays
    assert again.test == made.test
    assert_same(snapshot(again.fuse), snapshot(made.fuse))
    with pytest.raises(
        InputError, match=r"holds another run: expected the same settings, got another\. Choose another"
    ):
        mmlego.train(cohort, {**QUICK, "merge": {"rule": "mean"}}, out=place, progress=False)
    frames = {**cohort.frames, "rna": cohort.frames["rna"] + 1}
    with pytest.raises(InputError, match="expected the same cohort, method"):
        mmlego.train(dataclasses.replace(cohort, frames=frames), QUICK, out=place, disjoint=False)
    assert_same(snapshot(mmlego.load(place / "merge")), snapshot(made.merge))
    with pytest.raises(InputError, match=r"split\.json is another split than the one given.*out=PATH"):
        mmlego.train(cohort, QUICK, split=Split(range(40), range(40, 50), range(50, 60)), out=place)


def test_what_the_verbs_made_is_not_replaced_unless_asked(
    made: Bricks, cohort: Cohort, place: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(place, tmp_path / "run"))
    (run / "private/run.json").unlink()  # as in a run of mmlego train, merge and fuse
    with pytest.raises(
        InputError, match=r"holds a model that mmlego.train did not make: .*got merge, fuse.*resume=False"
    ):
        mmlego.train(cohort, QUICK, out=run)
    shutil.rmtree(run / "merge")
    shutil.rmtree(run / "fuse")
    again = mmlego.train(cohort, QUICK, out=run, progress=False)  # blocks alone are gone on with
    assert_same(snapshot(again.fuse), snapshot(made.fuse))
    other = mmlego.train(cohort, {**QUICK, "merge": {"rule": "mean"}}, out=run, progress=False, resume=False)
    assert (mmlego.load(run / "merge").rule, other.test) == ("mean", made.test)


def test_a_split_of_ones_own(cohort: Cohort, quick: Settings) -> None:
    split = Split(range(30), range(30, 40), range(40, 60))
    models = mmlego.train(cohort, quick, split=split, disjoint=False, progress=False)
    assert models.test == cohort.patients[40:]
    assert all(part == (list(models.train), list(models.validation)) for part in models.parts.values())
    with pytest.raises(InputError, match="leak"):
        mmlego.train(cohort, quick, split=Split([0, 1], [1], [2]))


def test_the_seed_is_of_split_and_weights(cohort: Cohort, made: Bricks) -> None:
    other = mmlego.train_blocks(cohort, QUICK, seed=7, modalities=["rna"], progress=False)
    assert (other.settings.seed, list(other.blocks)) == (7, ["rna"])
    assert other.test != made.test
    assert not torch.equal(other.blocks["rna"].latent, made.blocks["rna"].latent)


def test_a_plate_from_elsewhere(cohort: Cohort, made: Bricks, place: Path) -> None:
    for plate in (made.plate, place / "plate", str(place / "plate")):
        blocks = mmlego.train_blocks(cohort, {"fit": {"epochs": 1}}, plate=plate, modalities=["labs"], progress=False)
        assert blocks.plate.fingerprint == made.plate.fingerprint
        assert blocks.settings.plate.channels == 4  # the plate's, not the default
    own = Baseplate(made.plate.task, channels=4, width=8, seed=5)
    with pytest.raises(MismatchError, match="was begun on another baseplate than the one given"):
        mmlego.train_blocks(cohort, {"fit": {"epochs": 1}}, plate=own, out=place)
    with pytest.raises(MismatchError, match="ask for another baseplate than the one given"):
        mmlego.train(cohort, QUICK, plate=own)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"settings": {"fit": {"epoch": 3}}}, InputError, "unknown setting 'fit.epoch': expected one of epochs"),
        ({"settings": 3}, InputError, "settings: expected sections with keys, got int"),
        ({"settings": {"encoders": {"dna": {}}}}, UnknownNameError, "encoders: unknown modality"),
        ({"seed": -1}, InputError, "setting 'seed'"),
        ({"test": 0.6, "validation": 0.4}, InputError, "leave nobody to train on"),
        ({"test": -0.1}, InputError, "the share of test patients: expected a number ≥ 0, got -0.1"),
        ({"validation": 1.0}, InputError, "the share of validation patients"),
    ],
)
def test_what_is_refused_before_training(
    cohort: Cohort, arguments: dict[str, Any], error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmlego.training.loop.train", pytest.fail)
    with pytest.raises(error, match=message):
        mmlego.train(cohort, **arguments)


def test_unknown_modalities_and_encoders_of_other_sites(cohort: Cohort) -> None:
    with pytest.raises(UnknownNameError, match="unknown modality: expected one of rna, clinical, labs, got dna"):
        mmlego.train_blocks(cohort, modalities=["dna"])
    with pytest.warns(mmlego.LegoWarning, match="Settings under encoders.dna have no effect"):
        mmlego.train_blocks(
            cohort, {**QUICK, "encoders": {"dna": {}}, "fit": {"epochs": 1}}, modalities=["rna"], progress=False
        )


def test_a_modality_of_few_patients_is_refused(cohort: Cohort, quick: Settings) -> None:
    few = dataclasses.replace(
        cohort, sources={name: one.model_copy(update={"min_patients": 99}) for name, one in cohort.sources.items()}
    )
    with pytest.raises(
        InputError, match=r"\d+ training patients with modality .*: expected at least 99, .*min_patients: 1"
    ):
        mmlego.train_blocks(few, quick, progress=False)


def test_a_learner_of_another_task_is_refused_before_anything_is_trained(cohort: Cohort, tmp_path: Path) -> None:
    last = cohort.modalities[-1]
    other = "logistic" if cohort.outcome_spec.task != "classification" else "ridge"  # type: ignore[union-attr]
    settings = {**QUICK, "encoders": {last: {"name": other}}}
    told = rf"modality '{last}': learner '{other}' does not serve the task .*Take one of "
    with pytest.raises(InputError, match=told):
        mmlego.train_blocks(cohort, settings, out=tmp_path / "run", progress=False)
    assert not (tmp_path / "run" / "blocks").exists()
    mmlego.train_blocks(cohort, settings, modalities=cohort.modalities[:1], progress=False)  # which has another
