"""The main job on one split: who trains what, what is fitted on whom, and what is refused before training starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch

from mmlego import Baseplate, InputError, LegoBlock, LegoFuse, UnknownNameError, load
from mmlego.data import Cohort, Split
from mmlego.job import Bricks, data_of, having, one_block, parts_of, train_block, tune_fuse, tuning
from mmlego.settings import Settings
from tests.bricks import assert_same, snapshot
from tests.cohorts import CLASSES, write_cohort
from tests.trials import train_on

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics on a handful of patients


class Spy:
    """Who was given to ``fit`` and to ``Cohort.prepare``: by model or modalities, the patients of each part."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fitted: dict[str, tuple[list[str], list[str]]] = {}
        self.prepared: list[list[str]] = []
        fit, prepare = one_block.fit, Cohort.prepare

        def spied_fit(model: Any, data: Any, **options: Any) -> Any:
            valid = options["validation"]
            name = model.modality if isinstance(model, LegoBlock) else "fuse"
            self.fitted[name] = (list(data.patients), [] if valid is None else list(valid.patients))
            return fit(model, data, **options)

        def spied_prepare(cohort: Cohort, patients: Any, **options: Any) -> Any:
            self.prepared.append(list(patients))
            return prepare(cohort, patients, **options)

        for module in (one_block, tuning):
            monkeypatch.setattr(module, "fit", spied_fit)
        monkeypatch.setattr(Cohort, "prepare", spied_prepare)

    def everybody(self) -> Iterator[str]:
        for parts in (*self.fitted.values(), *((patients, []) for patients in self.prepared)):
            for part in parts:
                yield from part


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


@pytest.fixture
def parts(cohort: Cohort, split: Split) -> dict[str, list[str]]:
    return split.named(cohort.patients)


def test_blocks_are_trained_on_patients_of_their_own(
    cohort: Cohort, parts: dict[str, list[str]], quick: Settings, spy: Spy
) -> None:
    train_on(cohort, parts["train"], parts["validation"], quick)
    for (one, *_), (other, *_) in combinations((spy.fitted[name] for name in cohort.modalities), 2):
        assert not {*one} & {*other}
    used = [{*train} | {*valid} for train, valid in (spy.fitted[name] for name in cohort.modalities)]
    assert sum(map(len, used)) == len(set.union(*used))
    for name in cohort.modalities:
        assert {*spy.fitted[name][0]} <= {*parts["train"]}
        assert {*spy.fitted[name][1]} <= {*parts["validation"]}


def test_the_parts_are_stratified_and_together_everybody(cohort: Cohort, parts: dict[str, list[str]]) -> None:
    cut = parts_of(cohort, parts["train"], 3, seed=0)
    assert sorted(patient for part in cut for patient in part) == sorted(parts["train"])
    died = [cohort.outcome.loc[part, "event"].mean() for part in cut]
    assert max(died) - min(died) < 0.15
    assert parts_of(cohort, parts["train"], 1, seed=0) == [parts["train"]]


def test_blocks_may_share_their_patients(
    cohort: Cohort, parts: dict[str, list[str]], quick: Settings, spy: Spy
) -> None:
    train_on(cohort, parts["train"], parts["validation"], quick, disjoint=False)
    for name in cohort.modalities:
        assert spy.fitted[name][0] == having(cohort, [name], parts["train"])
        assert spy.fitted[name][1] == having(cohort, [name], parts["validation"])


@pytest.mark.parametrize("disjoint", [True, False])
def test_no_test_patient_is_prepared_or_fitted_on(
    cohort: Cohort, parts: dict[str, list[str]], quick: Settings, spy: Spy, disjoint: bool
) -> None:
    train_on(cohort, parts["train"], parts["validation"], quick, disjoint=disjoint)
    assert {*spy.fitted} == {"rna", "clinical", "labs", "fuse"}
    assert not {*spy.everybody()} & {*parts["test"]}
    for patients in spy.prepared:  # preprocessing sees no validation patient either
        assert {*patients} <= {*parts["train"]}


def test_what_happens_to_test_patients_changes_no_model(
    cohort: Cohort, parts: dict[str, list[str]], bricks: Bricks, quick: Settings
) -> None:
    test = parts["test"]
    frames = {}
    for name, frame in cohort.frames.items():
        changed = frame.copy()
        numbers = changed.select_dtypes("number").columns
        changed.loc[changed.index.isin(test), numbers] *= -1000
        frames[name] = changed
    outcome = cohort.outcome.copy()
    outcome.loc[test, "event"] = 1 - outcome.loc[test, "event"]
    outcome.loc[test, "time"] *= 7
    other = dataclasses.replace(cohort, frames=frames, outcome=outcome)
    again = train_on(other, parts["train"], parts["validation"], quick, seed=3)
    assert again.plate.fingerprint == bricks.plate.fingerprint
    for name, block in again.blocks.items():
        assert_same(snapshot(block), snapshot(bricks.blocks[name]))
        assert block.preprocessing.config() == bricks.blocks[name].preprocessing.config()
        assert block.card.validation == bricks.blocks[name].card.validation
    assert_same(snapshot(again.merge), snapshot(bricks.merge))
    assert_same(snapshot(again.fuse), snapshot(bricks.fuse))


def test_bins_and_preprocessing_are_fitted_on_training_patients_alone(
    cohort: Cohort, parts: dict[str, list[str]], bricks: Bricks
) -> None:
    train = parts["train"]
    assert bricks.plate.task == cohort.outcome_spec.fit_task(cohort.outcome.loc[train])
    assert bricks.plate.task != cohort.outcome_spec.fit_task(cohort.outcome)
    for part, (name, block) in zip(parts_of(cohort, train, 3, seed=3), bricks.blocks.items(), strict=True):
        fitted = cohort.prepare(part, modalities=[name]).preprocessing[name]
        assert block.preprocessing.config() == fitted.config()
        assert fitted.config() != cohort.prepare(cohort.patients, modalities=[name]).preprocessing[name].config()


def test_the_fuse_is_tuned_on_patients_who_have_everything(
    cohort: Cohort, parts: dict[str, list[str]], quick: Settings, spy: Spy
) -> None:
    train_on(cohort, parts["train"], parts["validation"], quick)
    for fitted, part in zip(spy.fitted["fuse"], ("train", "validation"), strict=True):
        everything = [p for p in parts[part] if all(p in frame.index for frame in cohort.frames.values())]
        assert fitted == everything
    assert 0 < len(spy.fitted["fuse"][0]) < len(parts["train"])


def test_without_pairs_there_is_no_fuse(tmp_path: Path, quick: Settings) -> None:
    whole = Cohort.from_manifest(write_cohort(tmp_path, ("rna", "clinical")))
    half = len(whole) // 2
    frames = {"rna": whole.frames["rna"][:half], "clinical": whole.frames["clinical"][-5:]}
    apart = dataclasses.replace(whole, frames=frames)
    blocks = [LegoBlock(torch.nn.Linear(2, 2), _plate(whole), name, out_features=2) for name in frames]
    assert tune_fuse(apart, blocks, whole.patients[:half], [], quick, seed=0) is None


def _plate(cohort: Cohort) -> Baseplate:
    return Baseplate(cohort.outcome_spec.fit_task(cohort.outcome), channels=4, width=8)


def test_what_is_made_and_told(cohort: Cohort, parts: dict[str, list[str]], quick: Settings, bricks: Bricks) -> None:
    assert list(bricks.blocks) == list(cohort.modalities)
    assert isinstance(bricks.fuse, LegoFuse)
    assert bricks.merge.modalities == bricks.fuse.modalities == cohort.modalities
    assert bricks.blocks["rna"].card.data == "trial, modality rna"
    assert bricks.fuse.card.data == "trial"
    assert {name: block.card.patients["training"] for name, block in bricks.blocks.items()} == {
        name: len(having(cohort, [name], part))
        for part, name in zip(parts_of(cohort, parts["train"], 3, seed=3), cohort.modalities, strict=True)
    }
    told: list[str] = []
    train_on(cohort, parts["train"], parts["validation"], quick, seed=3, advance=told.append)
    assert told == ["block rna", "block clinical", "block labs", "merge", "fuse"]


def test_the_same_seed_gives_the_same_models(
    cohort: Cohort, parts: dict[str, list[str]], quick: Settings, bricks: Bricks
) -> None:
    torch.manual_seed(99)  # the seed given counts, not the one around it
    again = train_on(cohort, parts["train"], parts["validation"], quick, seed=3)
    assert_same(snapshot(again.fuse), snapshot(bricks.fuse))
    other = train_on(cohort, parts["train"], parts["validation"], quick, seed=4)
    assert not torch.equal(other.blocks["rna"].latent, bricks.blocks["rna"].latent)


def test_settings_reach_their_places(cohort: Cohort, parts: dict[str, list[str]]) -> None:
    settings = Settings.model_validate(
        {
            "plate": {"channels": 4, "width": 8, "steps": 1, "heads": 2, "head_width": 4, "seed": 5},
            "encoder": {"options": {"hidden": [3]}},
            "encoders": {"labs": {"options": {"hidden": [7]}}},
            "fit": {"epochs": 1, "lr": 0.02},
            "merge": {"rule": "mean", "heads": "linear", "weights": {"rna": 2, "clinical": 1, "labs": 1}},
            "fuse": {
                "mode": "weave",
                "order": ["labs", "rna", "clinical"],
                "freeze": "encoders",
                "modality_dropout": 0.2,
                "fit": {"epochs": 1},
            },
        }
    )
    made = train_on(cohort, parts["train"], parts["validation"], settings)
    assert (made.plate.steps, made.plate.seed) == (1, 5)
    widths = {name: block.encoder.config["hidden"] for name, block in made.blocks.items()}
    assert widths == {"rna": [3], "clinical": [3], "labs": [7]}
    assert made.blocks["rna"].card.recipe["lr"] == 0.02
    assert made.fuse.card.recipe["lr"] == 1e-4
    assert (made.merge.rule, made.merge.heads) == ("mean", "linear")
    assert made.merge.weights.tolist() == pytest.approx([0.5, 0.25, 0.25])
    assert (made.fuse.mode, made.fuse.order, made.fuse.freeze) == ("weave", ("labs", "rna", "clinical"), "encoders")
    assert made.fuse.modality_dropout == 0.2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encoders": {"rnaa": {}}}, "encoders: unknown modality: expected one of rna, clinical, labs, got rnaa"),
        ({"merge": {"weights": {"rna": 1, "dna": 1}}}, "merge.weights: unknown modality: .* got dna"),
        ({"fuse": {"order": ["dna", "rna"]}}, "fuse.order: unknown modality: .* got dna"),
    ],
)
def test_settings_for_unknown_modalities_are_refused_before_training(
    cohort: Cohort, parts: dict[str, list[str]], spy: Spy, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnknownNameError, match=message):
        train_on(cohort, parts["train"], parts["validation"], Settings.model_validate(settings))
    assert not spy.fitted


def test_training_needs_an_outcome(cohort: Cohort, quick: Settings) -> None:
    blind = dataclasses.replace(cohort, outcome=None)
    with pytest.raises(InputError, match=r"training needs an outcome\. Add outcome: to the manifest\."):
        train_on(blind, cohort.patients, [], quick)


def test_a_finished_job_is_not_run_again(
    cohort: Cohort, parts: dict[str, list[str]], quick: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train_on(cohort, parts["train"], parts["validation"], quick, out=tmp_path)
    held = {"plate", "blocks", "merge", "fuse", "settings.yaml", "modalities.json", "private"}
    assert {folder.name for folder in tmp_path.iterdir()} == held
    assert {folder.name for folder in (tmp_path / "private/fits").iterdir()} == {"rna", "clinical", "labs", "fuse"}
    for name, block in first.blocks.items():
        assert_same(snapshot(load(tmp_path / "blocks" / name)), snapshot(block))
    assert_same(snapshot(load(tmp_path / "merge")), snapshot(first.merge))
    assert_same(snapshot(load(tmp_path / "fuse")), snapshot(first.fuse))
    monkeypatch.setattr("mmlego.training.loop.train", _never)
    again = train_on(cohort, parts["train"], parts["validation"], quick, out=tmp_path)
    assert_same(snapshot(again.fuse), snapshot(first.fuse))
    with pytest.raises(AssertionError, match="trained again"):
        train_block(
            cohort,
            "rna",
            first.plate,
            parts["train"],
            [],
            quick,
            seed=0,
            out=tmp_path / "private/fits" / "rna",
            resume=False,
        )


def _never(*_: Any, **__: Any) -> None:
    raise AssertionError("trained again")


def test_a_block_may_have_nobody_to_watch(cohort: Cohort, parts: dict[str, list[str]], quick: Settings) -> None:
    lacking = [patient for patient in parts["validation"] if patient not in cohort.frames["labs"].index]
    for validation in (lacking, []):
        block = train_block(cohort, "labs", _plate(cohort), parts["train"], validation, quick, seed=0)
        assert block.card.validation == {}
        assert "validation" not in block.card.patients
    assert lacking


def test_a_part_without_the_modality_is_refused(cohort: Cohort, quick: Settings) -> None:
    lacking = [patient for patient in cohort.patients if patient not in cohort.frames["labs"].index]
    with pytest.raises(InputError, match="no training patient has modality 'labs'"):
        train_block(cohort, "labs", _plate(cohort), lacking, [], quick, seed=0)


def test_data_of_a_model_is_by_its_own_preprocessing(cohort: Cohort, split: Split, bricks: Bricks) -> None:
    patients = [cohort.patients[row] for row in reversed(split.test.tolist())]
    data = data_of(bricks.merge, cohort, patients)
    assert list(data.patients) == patients
    assert data.task == bricks.plate.task
    for name, block in bricks.blocks.items():
        frame = cohort.frames[name]
        here = [patient for patient in patients if patient in frame.index]
        assert data.present[name].tolist() == [patient in here for patient in patients]
        expected = block.preprocessing.transform(frame.loc[here])
        assert torch.equal(data.subset(data.present[name]).batch().inputs[name], expected)
    assert len(data_of(bricks.merge, cohort)) == len(cohort)
    labs = data_of(bricks.blocks["labs"], cohort, patients)
    assert list(labs.patients) == having(cohort, ["labs"], patients)


def test_data_of_another_cohort_has_gaps(cohort: Cohort, bricks: Bricks) -> None:
    part = dataclasses.replace(cohort, frames={"clinical": cohort.frames["clinical"]}, name="elsewhere")
    data = data_of(bricks.merge, part, part.patients[:10])
    assert not bool(data.present["rna"].any())
    with pytest.raises(
        InputError,
        match=r"none of 3 patients has a modality of the model: expected one of rna, got clinical in elsewhere",
    ):
        data_of(bricks.blocks["rna"], part, part.patients[:3])


def test_a_block_without_preprocessing_is_refused(cohort: Cohort) -> None:
    block = LegoBlock(torch.nn.Linear(2, 2), _plate(cohort), "rna", out_features=2)
    with pytest.raises(InputError, match="the block of 'rna' carries no preprocessing"):
        data_of(block, cohort)


def test_classification_runs_too(tmp_path: Path, quick: Settings) -> None:
    cohort = Cohort.from_manifest(write_cohort(tmp_path, outcome=CLASSES))
    made = train_on(cohort, cohort.patients[:40], cohort.patients[40:], quick)
    assert made.plate.task.classes == ("no", "yes")
    assert 0 <= made.fuse.card.validation["auroc"] <= 1
