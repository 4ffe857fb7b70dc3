"""Repeated splits by patient: everybody tests once a repeat, nobody leaks, and an interrupted experiment goes on."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

import mmlego
from mmlego import InputError
from mmlego.bench import Experiment, Results, read_results, run_experiment, run_split
from mmlego.bench import cells as module
from mmlego.cells import CellFault, CellFolder, CellsFailed
from mmlego.data import Cohort, Split
from mmlego.settings import Settings
from tests.cells.jobs import Told

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics on a handful of patients


class Count:
    """How often the main job ran; it may be interrupted before the split with a given number."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, interrupt_at: int | None = None) -> None:
        self.runs = 0
        self.parts: list[tuple[list[str], list[str]]] = []
        build = module.train

        def counted(cohort: Cohort, settings: Settings, *, split: Split, **options: Any) -> Any:
            if self.runs == interrupt_at:
                raise KeyboardInterrupt
            self.runs += 1
            who = split.named(cohort.patients)
            self.parts.append((who["train"], who["validation"]))
            return build(cohort, settings, split=split, **options)

        monkeypatch.setattr(module, "train", counted)


def untimed(results: Results) -> list[dict[str, Any]]:
    return [{key: value for key, value in split.items() if key not in ("seconds", "cpu")} for split in results.splits]


def test_everybody_tests_once_a_repeat(results: Results, cohort: Cohort) -> None:
    assert [split["repeat"] for split in results.splits] == [0, 0, 1, 1]
    for repeat in (0, 1):
        tested = [p for split in results.splits if split["repeat"] == repeat for p in split["patients"]]
        assert sorted(tested) == sorted(cohort.patients)
    assert results.splits[0]["patients"] != results.splits[2]["patients"]


def test_nobody_is_trained_and_tested_on(
    cohort: Cohort, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = Count(monkeypatch)
    found = run_experiment(cohort, experiment, tmp_path)
    for split, (train, validation) in zip(found.splits, count.parts, strict=True):
        sides = [set(split["patients"]), set(train), set(validation)]
        assert sum(map(len, sides)) == len(set.union(*sides)) == len(cohort)
        assert len(validation) == pytest.approx(0.25 * (len(train) + len(validation)), abs=1.5)


def test_what_is_told_of_a_split(results: Results) -> None:
    for split in results.splits:
        assert list(split["scores"]) == results.methods
        assert split["seconds"] > 0
        assert list(split["parameters"]) == [m for m in results.methods if m != "logit ensemble"]
        assert all(count > 0 for count in split["parameters"].values())


def test_the_experiment_is_described(results: Results, cohort: Cohort, experiment: Experiment) -> None:
    told = results.experiment
    assert told["cohort"] == "trial"
    assert told["patients"] == 60
    assert told["columns"] == {"rna": 6, "clinical": 4, "labs": 4}
    assert told["have"] == {"rna": 60, "clinical": 51, "labs": 42}
    assert told["outcome"]["time"] == "months"
    assert told["versions"]["mmlego"] == mmlego.__version__
    assert Experiment.model_validate({key: told[key] for key in Experiment.model_fields}) == experiment
    assert results.metric == "c_index"
    assert results.outcome.keys() == set(cohort.patients)
    first = cohort.outcome.iloc[0]
    assert results.outcome[cohort.patients[0]] == pytest.approx([first["event"], first["time"]])


def test_what_is_written(results: Results, place: Path, experiment: Experiment) -> None:
    assert sorted(path.name for path in place.iterdir()) == ["private", "settings.yaml"]
    assert len(list((place / "private/cells").iterdir())) == 4
    written = read_results(place)
    assert written.config() == results.config()
    settings = yaml.safe_load((place / "settings.yaml").read_text())
    assert Settings.model_validate(settings) == experiment.settings
    json.loads((place / "private/results.json").read_text(), parse_constant=_no_json)


def _no_json(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def test_a_split_that_is_lost_is_run_again_alone(
    cohort: Cohort, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Results
) -> None:
    first = run_experiment(cohort, experiment, tmp_path)
    assert untimed(first) == untimed(results)
    lost = module.cells_of(cohort, experiment)[2][0]
    CellFolder(tmp_path / "private/cells").result(lost).unlink()
    (tmp_path / "private/results.json").unlink()
    count = Count(monkeypatch)
    again = run_experiment(cohort, experiment, tmp_path)
    assert count.runs == 1
    assert not {*count.parts[0][0]} & {*again.splits[2]["patients"]}
    assert untimed(again) == untimed(first)
    assert untimed(read_results(tmp_path)) == untimed(first)


def test_an_interrupted_experiment_goes_on(
    cohort: Cohort, experiment: Experiment, tmp_path: Path, results: Results
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Count(patch, interrupt_at=2)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(cohort, experiment, tmp_path)
    assert not (tmp_path / "private/results.json").exists()
    with pytest.MonkeyPatch.context() as patch:
        count = Count(patch)
        told = Told()
        found = run_experiment(cohort, experiment, tmp_path, watch=told)
    assert count.runs == 2
    assert untimed(found) == untimed(results)
    assert told.begun == [(4, 2, "one after another")]
    assert told.ended == ["split 3 of 4: None", "split 4 of 4: None"]
    assert told.stages[-5:] == [
        f"split 4 of 4: {stage}" for stage in ("block rna", "block clinical", "block labs", "merge", "fuse")
    ]


def test_another_experiment_or_other_values_are_not_taken_for_done(
    cohort: Cohort, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = experiment.model_copy(update={"repeats": 1})
    run_experiment(cohort, short, tmp_path)
    count = Count(monkeypatch)
    run_experiment(cohort, short, tmp_path)
    assert count.runs == 0
    shared = short.model_copy(update={"disjoint": False})
    run_experiment(cohort, shared, tmp_path)
    assert count.runs == 2
    frame = cohort.frames["rna"].copy()
    frame.iloc[0, 0] += 1
    mended = dataclasses.replace(cohort, frames={**cohort.frames, "rna": frame})
    run_experiment(mended, short, tmp_path)
    assert count.runs == 4
    late = cohort.outcome.copy()
    late.iloc[0, late.columns.get_loc("time")] += 1
    run_experiment(dataclasses.replace(cohort, outcome=late), short, tmp_path)
    assert count.runs == 6


def test_more_repeats_go_on_from_those_that_are_there(
    cohort: Cohort, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Results
) -> None:
    run_experiment(cohort, experiment.model_copy(update={"repeats": 1}), tmp_path)
    count = Count(monkeypatch)
    assert untimed(run_experiment(cohort, experiment, tmp_path)) == untimed(results)
    assert count.runs == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error", mmlego.LegoWarning)  # more splits than are asked for are no others
        assert len(run_experiment(cohort, experiment.model_copy(update={"repeats": 1}), tmp_path).splits) == 2


@pytest.mark.filterwarnings("default::mmlego.LegoWarning")
def test_results_that_are_not_taken_are_told_with_the_reason(
    cohort: Cohort, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"scores": {"LegoMerge": {"c_index": 0.5}}, "patients": ["000"]}
    monkeypatch.setattr(module, "score_bricks", lambda *_: dict(made))
    monkeypatch.setattr(module, "train", lambda *_, **__: None)
    monkeypatch.setattr(module, "_parameters", lambda _: {})
    short = experiment.model_copy(update={"repeats": 1})
    run_experiment(cohort, short, tmp_path)
    settings = Settings.model_validate({**short.settings.model_dump(), "merge": {"rule": "mean"}})
    with pytest.warns(mmlego.LegoWarning, match=r"2 results in .*cells are of another settings, and not taken"):
        run_experiment(cohort, short.model_copy(update={"settings": settings}), tmp_path)
    old = tmp_path / "old" / "splits" / "0123456789abcdef-000.json"  # as an earlier version named and wrote them
    old.parent.mkdir(parents=True)
    old.write_text(json.dumps(made))
    with pytest.warns(mmlego.LegoWarning, match="1 result in .*cells is of another version of mmlego, and not taken"):
        run_experiment(cohort, short, tmp_path / "old")
    assert old.is_file()


def test_undefined_scores_are_null_in_the_file_and_nan_in_the_results(
    cohort: Cohort, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def undefined(*_: Any) -> dict[str, Any]:
        scores = {"LegoMerge": {"c_index": math.nan, "ibs": math.inf}, "LegoFuse": {"c_index": 0.5, "ibs": 0.2}}
        return {"scores": scores, "patients": ["000"]}

    monkeypatch.setattr(module, "score_bricks", undefined)
    short = experiment.model_copy(update={"repeats": 1})
    found = run_experiment(cohort, short, tmp_path)
    text = (tmp_path / "private/results.json").read_text()
    assert json.loads(text, parse_constant=_no_json)["splits"][0]["scores"]["LegoMerge"] == {
        "c_index": None,
        "ibs": None,
    }
    for results in (found, read_results(tmp_path)):
        assert all(math.isnan(score) for score in results.scores("LegoMerge"))
        assert results.scores("LegoFuse").tolist() == [0.5, 0.5]


def test_an_experiment_needs_an_outcome(cohort: Cohort, experiment: Experiment, tmp_path: Path) -> None:
    blind = dataclasses.replace(cohort, outcome=None)
    with pytest.raises(InputError, match="an experiment needs an outcome"):
        run_experiment(blind, experiment, tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"repeats": 0}, {"validation": 0}, {"validation": 1}, {"fold": 5}])
def test_wrong_experiments_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Experiment.model_validate(wrong)


def test_a_patient_under_two_ids_is_not_trained_and_tested_on(cohort: Cohort, tmp_path: Path) -> None:
    frames = {name: frame.copy() for name, frame in cohort.frames.items()}
    first, second = cohort.patients[:2]
    for frame in frames.values():
        if {first, second} <= set(frame.index):
            frame.loc[second] = frame.loc[first]
    doubled = dataclasses.replace(cohort, frames=frames)
    with pytest.raises(InputError, match=f"{first} = {second}.*--duplicates"):
        run_experiment(doubled, Experiment(folds=len(cohort) // 4, repeats=1), tmp_path)
    assert not list(tmp_path.iterdir())
    settings = doubled.split(folds=3, repeats=1, duplicates="together", validation=0.2)
    for split in settings:
        assert sum(bool({first, second} & set(part)) for part in split.named(cohort.patients).values()) == 1


def test_a_split_that_fails_stops_no_other(
    cohort: Cohort, experiment: Experiment, tmp_path: Path, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, wrong = module.train, InputError("no such gene", remedy="Name another.")

    def failing(*rest: Any, seed: int, **options: Any) -> Any:
        if seed == experiment.settings.seed + 100:
            raise wrong
        return build(*rest, seed=seed, **options)

    monkeypatch.setattr(module, "train", failing)
    message = (
        "1 of 4 cells failed: split 2 of 4: no such gene. Name another. All others are done, and tracebacks are in"
    )
    with pytest.raises(CellsFailed, match=message):
        run_experiment(cohort, experiment, tmp_path)
    assert not (tmp_path / "private/results.json").exists()
    failed = json.loads(next((tmp_path / "private/cells").glob("*.failed.json")).read_text())
    assert failed["label"] == "split 2 of 4"
    assert failed["error"]["type"] == "InputError"
    assert "raise wrong" in failed["error"]["traceback"]
    wrong = KeyError("gene")  # type: ignore[assignment]
    with pytest.raises(CellFault, match=r"1 of 4 cells failed: split 2 of 4: KeyError: 'gene'"):
        run_experiment(cohort, experiment, tmp_path)
    monkeypatch.setattr(module, "train", build)
    assert untimed(run_experiment(cohort, experiment, tmp_path)) == untimed(results)
    assert len(list((tmp_path / "private/cells").iterdir())) == 4


def test_splits_one_by_one_are_the_experiment(
    cohort: Cohort, experiment: Experiment, tmp_path: Path, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [run_split(cohort, experiment, tmp_path, number) for number in (4, 1, 3, 2)] == [3, 2, 1, 0]
    assert not (tmp_path / "private/results.json").exists()
    monkeypatch.setattr(module, "train", lambda *_, **__: pytest.fail("trained again"))
    assert untimed(run_experiment(cohort, experiment, tmp_path)) == untimed(results)
    for number in (0, 5):
        with pytest.raises(InputError, match=f"no such split: expected 1 to 4, folds × repeats, got {number}"):
            run_split(cohort, experiment, tmp_path, number)
