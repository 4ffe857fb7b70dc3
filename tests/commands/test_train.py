"""``mmlego train``: what it leaves in the run folder, on whom, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import mmlego
from mmlego.data import Cohort, Split, load_splits
from mmlego.job import one_block
from tests.bricks import assert_same, snapshot
from tests.cohorts import CLASSES, write_cohort, write_quick
from tests.terminal import done, refused
from tests.terminal import mmlego as command

Train = Callable[..., Path]


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """By block, the patients that ``fit`` was given in either part."""
    seen: dict[str, set[str]] = {}
    fit = one_block.fit

    def spied(model: Any, data: Any, **options: Any) -> Any:
        valid = options["validation"]
        seen[model.modality] = {*data.patients, *(() if valid is None else valid.patients)}
        return fit(model, data, **options)

    monkeypatch.setattr(one_block, "fit", spied)
    return seen


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_a_run_holds(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "plate",
        "blocks",
        "merge",
        "fuse",
        "settings.yaml",
        "modalities.json",
        "private",
    }
    private = {path.name for path in (finished / "private").iterdir()}
    assert private == {"split.json", "fits", "trained_on.json", "made.json"}
    assert {path.name for path in (finished / "private/fits").iterdir()} == {"rna", "clinical", "labs", "fuse"}
    assert (finished / "private/fits" / "rna" / "history.csv").read_text().startswith("epoch,train_loss")
    plate = mmlego.load(finished / "plate")
    for name in ("rna", "clinical", "labs"):
        block = mmlego.load(finished / "blocks" / name)
        assert block.plate.fingerprint == plate.fingerprint
        assert block.preprocessing is not None
        assert block.card.patients["training"] > 0


def test_nobody_of_the_test_part_is_trained_on_and_blocks_share_nobody(
    train: Train, site: Path, tmp_path: Path, fitted: dict[str, set[str]]
) -> None:
    run = train(tmp_path / "run")
    cohort = Cohort.from_manifest(site / "cohort.yaml")
    parts = load_splits(run / "private/split.json", cohort.patients)[0].named(cohort.patients)
    assert len(parts["test"]) == 12
    assert {*fitted} == {"rna", "clinical", "labs"}
    for patients in fitted.values():
        assert not patients & {*parts["test"]}
    for one, other in combinations(fitted.values(), 2):
        assert not one & other


def test_blocks_may_share_patients(train: Train, tmp_path: Path, fitted: dict[str, set[str]]) -> None:
    train(tmp_path / "run", "--shared-patients")
    assert fitted["clinical"] < fitted["rna"]
    assert fitted["labs"] < fitted["rna"]


def test_one_block_after_the_other_is_the_same_as_all_at_once(train: Train, finished: Path, tmp_path: Path) -> None:
    run = train(tmp_path / "run", "-m", "labs")
    assert [path.name for path in (run / "blocks").iterdir()] == ["labs"]
    train(run, "-m", "rna", "-m", "clinical")
    for name in ("rna", "clinical", "labs"):
        assert_same(snapshot(mmlego.load(run / "blocks" / name)), snapshot(mmlego.load(finished / "blocks" / name)))


def test_all_settings_in_force_are_kept(train: Train, site: Path, finished: Path, tmp_path: Path) -> None:
    run = train(tmp_path / "run", "-s", "fit.epochs=1", "-s", "encoders.labs.options.hidden=[5]", "-s", "seed=4")
    kept = yaml.safe_load((run / "settings.yaml").read_text())
    assert (kept["fit"]["epochs"], kept["fit"]["lr"], kept["seed"]) == (1, 1e-3, 4)
    assert kept["plate"]["channels"] == 4  # of the quick settings
    assert mmlego.load(run / "blocks" / "labs").encoder.config["hidden"] == [5]
    assert mmlego.load(run / "blocks" / "rna").encoder.config["hidden"] == [8]
    other = train(tmp_path / "other", "--plate", finished / "plate", "-s", "plate={}")
    assert yaml.safe_load((other / "settings.yaml").read_text())["plate"]["channels"] == 4


def test_a_finished_run_is_left_as_it_is(
    train: Train, run: Path, monkeypatch: pytest.MonkeyPatch, finished: Path
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("mmlego.training.loop.train", never)
    train(run)
    assert everything_below(run / "blocks") == everything_below(finished / "blocks")


def test_an_interrupted_run_goes_on(
    site: Path, finished: Path, train: Train, tmp_path: Path, fitted: dict[str, set[str]]
) -> None:
    from mmlego.training import loop

    started: list[str] = []
    whole = loop.train

    def interrupted(model: Any, *rest: Any, **options: Any) -> Any:
        if len(started) == 1:
            raise KeyboardInterrupt
        started.append(model.modality)
        return whole(model, *rest, **options)

    out = tmp_path / "run"
    arguments = ("train", "-d", site / "cohort.yaml", "-o", out, "-c", site / "quick.yaml", "--no-progress")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmlego.training.loop.train", interrupted)
        said = command(*arguments)
    assert said.code == 130
    assert said.error == "interrupted; train, tune, fuse, run, bench and demo go on when run again"
    assert [path.name for path in (out / "blocks").iterdir()] == ["rna"]
    assert (out / "settings.yaml").is_file()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "mmlego.training.loop.train",
            lambda model, *a, **o: [started.append(model.modality), whole(model, *a, **o)][1],
        )
        train(out)
    assert started == ["rna", "clinical", "labs"]
    for name in ("rna", "clinical", "labs"):
        assert_same(snapshot(mmlego.load(out / "blocks" / name)), snapshot(mmlego.load(finished / "blocks" / name)))


def test_other_settings_are_refused_until_overwritten(run: Path, site: Path) -> None:
    before = everything_below(run)
    arguments = ("train", "-d", site / "cohort.yaml", "-o", run, "-c", site / "quick.yaml", "--no-progress")
    message = refused(*arguments, "-s", "fit.epochs=1")
    assert "fits/rna holds another run" in message
    assert message.endswith("Choose another folder, or pass --overwrite to replace it.")
    assert everything_below(run) == before
    done(*arguments, "-s", "fit.epochs=1", "--overwrite")
    assert mmlego.load(run / "blocks" / "rna").card.recipe["epochs"] == 1
    after = everything_below(run)
    for name in ("private/split.json", "plate/config.json", "plate/model.safetensors"):
        assert after[name] == before[name]
    assert yaml.safe_load(after["settings.yaml"])["fit"]["epochs"] == 1


def test_a_baseplate_never_changes(run: Path, site: Path, train: Train, tmp_path: Path) -> None:
    arguments = ("train", "-d", site / "cohort.yaml", "-o", run, "--no-progress")
    message = refused(*arguments, "-s", "plate.width=16", "-s", "plate.heads=2")
    assert "the settings ask for another baseplate than" in message
    assert "got width: 8 ≠ 16." in message
    assert "heads" not in message
    other = train(tmp_path / "other", "-m", "rna", "-s", "plate.seed=1")
    message = refused(*arguments, "--plate", other / "plate")
    assert "run was begun on another baseplate than" in message
    assert "initial values of head" in message


@pytest.mark.parametrize("what", ["blocks/rna", "merge"])
def test_a_baseplate_has_to_be_one(finished: Path, site: Path, tmp_path: Path, what: str) -> None:
    message = refused("train", "-d", site / "cohort.yaml", "-o", tmp_path / "run", "--plate", finished / what)
    assert re.search(r"holds no baseplate: expected a Baseplate, got Lego(Block|Merge)$", message)


def test_the_split_belongs_to_the_patients(run: Path, tmp_path: Path) -> None:
    data = write_cohort(tmp_path / "other", ("rna",), n=50)
    message = refused("train", "-d", data, "-o", run)
    assert "split.json was made for other patients" in message
    assert message.endswith("Choose another folder with --out.")


def test_the_split_stays_whatever_the_shares(run: Path, train: Train) -> None:
    before = (run / "private/split.json").read_bytes()
    train(run, "--test", "0.5")
    assert (run / "private/split.json").read_bytes() == before


@pytest.mark.parametrize(("test", "validation"), [(0.9, 0.1), (0.6, 0.6)])
def test_somebody_has_to_be_left_to_train_on(site: Path, tmp_path: Path, test: float, validation: float) -> None:
    message = refused(
        "train", "-d", site / "cohort.yaml", "-o", tmp_path / "run", "--test", test, "--validation", validation
    )
    assert message.startswith(
        "the shares of test and validation patients leave nobody to train on: expected a sum below 1"
    )


def test_without_held_back_or_watched_patients(train: Train, tmp_path: Path) -> None:
    run = train(tmp_path / "run", "--test", "0", "--validation", "0", "-m", "rna")
    split = json.loads((run / "private/split.json").read_text())["splits"][0]
    assert (len(split["train"]), split["validation"], split["test"]) == (60, [], [])
    assert mmlego.load(run / "blocks" / "rna").card.validation == {}


def test_settings_of_modalities_elsewhere_are_pointed_out(site: Path, tmp_path: Path) -> None:
    said = done(
        "train",
        "-d",
        site / "cohort.yaml",
        "-o",
        tmp_path / "run",
        "-c",
        site / "quick.yaml",
        "--no-progress",
        "-m",
        "rna",
        "-s",
        "encoders.rnaa.name=snn",
    )
    assert "warning: Settings under encoders.rnaa have no effect: trial has rna, clinical, labs." in said.error


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "site"
    write_cohort(folder)
    write_quick(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "dna"], "unknown modality: expected one of rna, clinical, got dna"),
        (["-s", "fit.epoch=3"], "unknown setting 'fit.epoch': expected one of epochs, batch_size"),
        (["-s", "encoder.name=mlp"], "unknown encoder: expected one of"),
        (["-s", "encoder.options.depth=3"], "wrong arguments for encoder 'snn'"),
        (["-c", "nowhere.yaml"], "cannot read the settings nowhere.yaml"),
        (["--plate", "nowhere"], "nowhere is no checkpoint: expected a folder with config.json, got none"),
    ],
)
def test_wrong_arguments(broken: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    assert refused("train", "-d", broken / "cohort.yaml", "-o", tmp_path / "run", *arguments).startswith(message)
    assert not (tmp_path / "run" / "blocks").exists()


def test_missing_files(broken: Path, tmp_path: Path) -> None:
    message = refused("train", "-d", broken / "none.yaml", "-o", tmp_path / "run")
    assert re.match(r"cannot read the manifest .*none\.yaml \(No such file or directory\)$", message)
    (broken / "rna.csv").unlink()
    assert "rna.csv" in refused("train", "-d", broken / "cohort.yaml", "-o", tmp_path / "run")


def test_a_file_in_the_place_of_the_run(broken: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    message = refused("train", "-d", broken / "cohort.yaml", "-o", tmp_path / "run")
    assert re.match(r"(Not a directory|File exists): .*run", message)
    assert (tmp_path / "run").read_text() == "mine"


def test_training_needs_an_outcome(tmp_path: Path) -> None:
    data = write_cohort(tmp_path, outcome=None)
    message = refused("train", "-d", data, "-o", tmp_path / "run")
    assert message == "training needs an outcome, and trial has none. Add outcome: to the manifest."


def test_the_plate_of_another_task_does_not_fit(finished: Path, tmp_path: Path) -> None:
    data = write_cohort(tmp_path, outcome=CLASSES)
    message = refused("train", "-d", data, "-o", tmp_path / "run", "--plate", finished / "plate")
    assert message == "the task does not fit the outcome: expected Classification, got Survival"


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_shown(site: Path, run: Path, width: int) -> None:
    said = done("train", "-d", site / "cohort.yaml", "-o", run, "-c", site / "quick.yaml", width=width)
    lines = [line.rstrip() for line in said.out.splitlines()]
    assert max(map(len, lines[:-1])) <= width
    assert lines[-1] == f"Blocks in {run / 'blocks'}, their baseplate in {run / 'plate'}."  # unbroken, to be copied
    assert "…" not in said.out
    assert lines[0] == "trial: 60 patients"
    assert "Patients trained and validated on, and scores on the latter" in lines
    row = next(line.split() for line in lines if line.startswith("clinical") and "." in line)
    card = mmlego.load(run / "blocks" / "clinical").card
    assert row[1:4] == [
        str(card.patients["training"]),
        str(card.patients["validation"]),
        f"{card.validation['c_index']:.4f}",
    ]


@pytest.fixture
def twice(site: Path, tmp_path: Path) -> Path:
    """The site's cohort, in which one patient stands under two ids in every table; the manifest."""
    folder = Path(shutil.copytree(site, tmp_path / "twice"))
    for name in ("rna", "clinical", "labs"):
        table = pd.read_csv(folder / f"{name}.csv", dtype=str).set_index("patient_id")
        table.loc["031"] = table.loc["030"]
        table.to_csv(folder / f"{name}.csv")
    return folder / "cohort.yaml"


def test_a_patient_under_two_ids_is_not_trained_and_tested_on(
    twice: Path, train: Train, tmp_path: Path, fitted: dict[str, set[str]]
) -> None:
    cohort = Cohort.from_manifest(twice)
    shares = {"fractions": (0.6, 0.2, 0.2)}
    splits = (cohort.split(**shares, seed=seed, duplicates="allow") for seed in range(20))
    across = next(seed for seed, found in enumerate(splits) if _sides(found, cohort) > 1)
    line = ("train", "-d", twice, "-c", twice.parent / "quick.yaml", "--no-progress", "-s", f"seed={across}")
    said = refused(*line, "-o", tmp_path / "run")
    assert "031 = 030" in said or "030 = 031" in said
    assert "--duplicates" in said
    assert not (tmp_path / "run" / "private/split.json").exists()
    train(tmp_path / "together", "-s", f"seed={across}", "--duplicates", "together", data=twice)
    assert _sides(load_splits(tmp_path / "together" / "private/split.json", cohort.patients), cohort) == 1
    train(tmp_path / "allowed", "-s", f"seed={across}", "--duplicates", "allow", "-m", "rna", data=twice)
    assert _sides(load_splits(tmp_path / "allowed" / "private/split.json", cohort.patients), cohort) == 2


def _sides(splits: list[Split], cohort: Cohort) -> int:
    return sum(bool({"030", "031"} & set(patients)) for patients in splits[0].named(cohort.patients).values())


def test_a_rule_for_duplicates_that_is_none_is_refused(site: Path, tmp_path: Path) -> None:
    said = command("train", "-d", site / "cohort.yaml", "-o", tmp_path / "run", "--duplicates", "perhaps")
    assert said.code == 2
    assert "'perhaps' is not one of" in said.error


def test_a_fitted_block_is_said_to_be_scored_out_of_fold(tmp_path: Path) -> None:
    data = write_cohort(tmp_path)
    name = next(iter(yaml.safe_load(data.read_text())["modalities"]))
    chosen = ["-s", f"encoders.{name}.name=coxnet", "-s", "fit.epochs=1"]
    said = done("train", "-d", data, "-o", tmp_path / "run", *chosen)
    assert f"Fitted to all of these patients and scored out of fold: {name}." in said.text
    assert (tmp_path / "run" / "private/fits" / name / "out_of_fold.json").is_file()
