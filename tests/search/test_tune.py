"""Tuning sees the training part alone, goes on where it was, and finds the same whoever carries it out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mmlego import InputError, MissingExtraError, UnknownNameError
from mmlego.cells import Cell, CellFault, Ended, Work, Workers, running
from mmlego.data import Cohort
from mmlego.data.cohort.prepared import Prepared
from mmlego.job.begin import read_split
from mmlego.run_folder import RunFolder
from mmlego.search import Tuned, trials, tune
from mmlego.settings import as_settings, read_settings
from tests.cells.jobs import Told
from tests.cohorts import CLASSES, QUICK, write_cohort

SETTINGS: dict[str, Any] = {**QUICK, "encoder": {"name": "snn", "options": {"hidden": [4]}}, "fit": {"epochs": 1}}
SPACE: Any = {
    "rna": {"snn": {"fit.lr": {"low": 1e-4, "high": 1e-1, "log": True}, "options.hidden": [[2], [3]]}, "logistic": {}}
}
OPTIONS: dict[str, Any] = {"space": as_settings({"space": SPACE}).space, "folds": 2, "trials": 6, "modalities": ["rna"]}

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics on a handful of patients


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("tune"), ("rna", "clinical"), outcome=CLASSES)


@pytest.fixture(scope="module")
def cohort(manifest: Path) -> Cohort:
    return Cohort.from_manifest(manifest)


@pytest.fixture(scope="module")
def found(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuned, Path]:
    out = tmp_path_factory.mktemp("run")
    return tune(cohort, SETTINGS, out=out, **OPTIONS), out


def untimed(found: Tuned) -> pd.DataFrame:
    return found.table().drop(columns="seconds")


def test_each_method_gets_as_many_trials_and_begins_as_it_is(found: tuple[Tuned, Path]) -> None:
    tuned, out = found
    table = tuned.table()
    assert table.groupby("method").size().to_dict() == {"snn": 6, "logistic": 1}  # which has nothing to choose
    assert [one.tried for one in tuned.trials if one.number == 0] == [{}, {}]
    for trial in (one for one in tuned.trials if one.number):
        assert 1e-4 <= trial.tried["fit.lr"] <= 1e-1
        assert trial.tried["options.hidden"] in ([2], [3])
    assert tuned.best["rna"].score == table[tuned.metric].max()
    written = pd.read_csv(out / "trials.csv")
    assert list(written["auroc"]) == [one.score for one in tuned.trials]
    assert list(written["tried"]) == list(table["tried"])
    assert written["best"].sum() == 1


def test_what_is_written_is_what_train_takes(found: tuple[Tuned, Path]) -> None:
    tuned, out = found
    read = read_settings(out / "tuned.yaml")
    assert read == tuned.settings
    best = tuned.best["rna"]
    assert read.encoders["rna"].name == best.method
    assert "clinical" not in read.encoders


def test_the_score_of_a_trial_is_that_of_blocks_trained_by_hand(cohort: Cohort, found: tuple[Tuned, Path]) -> None:
    from mmlego.job.begin import load_plate
    from mmlego.job.one_block import train_block
    from mmlego.job.scoring import score_models

    tuned, out = found
    split = read_split(RunFolder(out), cohort)
    assert split is not None
    first = tuned.trials[0]
    cells = [one for one in _cells(out) if one["settings"]["encoders"]["rna"] == _base()]
    assert len(cells) == 1
    scores = []
    for number, fold in enumerate(cells[0]["split"]["folds"]):
        train, watch, test = ([cohort.patients[row] for row in fold[part]] for part in ("train", "validation", "test"))
        assert not set(train) & set(test) | set(watch) & set(test)
        settings = as_settings({**SETTINGS, "encoders": {"rna": _base()}})
        block = train_block(
            cohort, "rna", load_plate(out / "plate"), train, watch, settings, seed=trials._APART * number
        )
        scored = score_models({"rna": block}, cohort, test, train)["rna"]
        assert scored is not None
        scores.append(scored.scores["auroc"])
    assert first.score == sum(scores) / 2


def _base() -> dict[str, Any]:
    return as_settings(SETTINGS).encoder.model_dump(mode="json")


def _cells(out: Path) -> list[dict[str, Any]]:
    from mmlego.cells import CellFolder

    return CellFolder(RunFolder(out).cells).cells()


def test_patients_who_validate_or_are_held_back_have_no_part(
    cohort: Cohort, found: tuple[Tuned, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in no fold, nobody asks for them, and other values of theirs change nothing."""
    tuned, out = found
    split = read_split(RunFolder(out), cohort)
    assert split is not None
    allowed = set(split.train)
    for cell in _cells(out):
        for fold in cell["split"]["folds"]:
            assert set(fold["train"]) | set(fold["validation"]) | set(fold["test"]) <= allowed
    frames = {name: frame.copy() for name, frame in cohort.frames.items()}
    outside = [p for row, p in enumerate(cohort.patients) if row not in allowed]
    frames["rna"].loc[frames["rna"].index.isin(outside)] *= -1000.0
    other = Cohort.from_frames(frames, outcome=cohort.outcome, task={"task": "classification", "label": "label"})
    asked: set[str] = set()
    data = Prepared.data
    monkeypatch.setattr(Prepared, "data", lambda self, ids, *more: (asked.update(ids), data(self, ids, *more))[1])
    again = tune(other, SETTINGS, out=tmp_path, **OPTIONS)
    pd.testing.assert_frame_equal(untimed(again), untimed(tuned), check_exact=True)
    assert asked == {cohort.patients[row] for row in allowed} & asked
    assert asked


class Backwards:
    """Another who carries out cells: in another process of its own mind, the last one first."""

    how = "backwards"

    def run(self, work: Work, cells: Sequence[Cell]) -> Iterator[Ended]:
        yield from [work(cell) for cell in reversed(cells)]


def test_others_who_carry_it_out_find_the_same(
    cohort: Cohort, found: tuple[Tuned, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "executor_for", lambda *_: Backwards())
    again = tune(cohort, SETTINGS, out=tmp_path, workers=Workers(3), **OPTIONS)
    pd.testing.assert_frame_equal(untimed(again), untimed(found[0]), check_exact=True)
    assert again.settings == found[0].settings


def test_it_goes_on_where_it_was_interrupted(
    cohort: Cohort, found: tuple[Tuned, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, calls = trials.train_block, 0

    def train(*args: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 7:  # in the second fold of the fourth trial
            raise KeyboardInterrupt
        return run(*args, **more)

    monkeypatch.setattr(trials, "train_block", train)
    with pytest.raises(KeyboardInterrupt):
        tune(cohort, SETTINGS, out=tmp_path, **OPTIONS)
    done = len(_cells(tmp_path))
    calls = 100
    again = tune(cohort, SETTINGS, out=tmp_path, **OPTIONS)
    pd.testing.assert_frame_equal(untimed(again), untimed(found[0]), check_exact=True)
    assert calls - 100 == 2 * (len(_cells(tmp_path)) - done)
    told, calls = Told(), 1000
    tune(cohort, SETTINGS, out=tmp_path, **OPTIONS, watch=told)
    assert calls == 1000
    assert all(total == before for total, before, _ in told.begun)


def test_the_neural_encoder_that_suits_is_tuned_as_itself(cohort: Cohort, tmp_path: Path) -> None:
    options = {**OPTIONS, "space": None, "trials": 1}
    for out, more in (("a", {}), ("b", {"methods": ["neural"]})):
        tuned = tune(cohort, {**SETTINGS, "encoder": {"name": "neural"}}, out=tmp_path / out, **options, **more)
        assert [one.method for one in tuned.trials] == ["snn"]


def test_a_budget_ends_a_method(cohort: Cohort, tmp_path: Path) -> None:
    few = tune(cohort, SETTINGS, out=tmp_path, **OPTIONS, budget=1e-9)
    assert few.table().groupby("method").size().to_dict() == {"snn": 1, "logistic": 1}


def test_a_trial_that_fails_is_told_and_stops_none(cohort: Cohort, tmp_path: Path) -> None:
    space = as_settings({"space": {"rna": {"snn": {"fit.lr": [1e30, 1e29]}}}}).space
    tuned = tune(cohort, SETTINGS, out=tmp_path, **{**OPTIONS, "space": space, "trials": 3})
    first, *others = tuned.trials
    assert tuned.best == {"rna": first}
    assert all(one.score is None and "diverged" in str(one.failure) for one in others)
    with pytest.raises(InputError, match=r"modality 'rna': no trial has a score: got training diverged"):
        tune(cohort, {**SETTINGS, "fit": {"lr": 1e30}}, out=tmp_path / "b", **{**OPTIONS, "space": space, "trials": 2})


def test_a_fault_of_the_code_is_none_of_the_settings(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "train_block", lambda *_, **__: {}["nothing"])
    with pytest.raises(CellFault, match="KeyError"):
        tune(cohort, SETTINGS, out=tmp_path, **OPTIONS)


def test_without_optuna_the_extra_is_named(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"tuning needs optuna.*pip install 'mmlego\[tune\]'"):
        tune(cohort, SETTINGS, out=tmp_path, **OPTIONS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "the number of trials: expected at least 1, got 0"),
        ({"budget": 0.0}, "the budget"),
        ({"folds": 1}, "the number of folds"),
    ],
)
def test_bad_numbers(cohort: Cohort, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tune(cohort, SETTINGS, out=tmp_path, **{**OPTIONS, **options})


def test_an_unknown_modality(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="expected one of rna, clinical, got proteins"):
        tune(cohort, out=tmp_path, modalities=["proteins"])
