"""What the merging benchmark compares, and how it counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

FUSED = {"LegoFuse": 0.72, "concatenation": 0.65, "sequential": 0.61}


def test_patients_apart_and_shared(script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    methods = script("methods")
    names, merged = ("rna", "cnv", "clinical"), []

    def merge(blocks: list[tuple[str, str]]) -> Any:
        merged.append(blocks)
        return SimpleNamespace(task=SimpleNamespace(name="classification"))

    monkeypatch.setattr(methods, "parts_of", lambda cohort, ids, count, seed: [[f"{ids}{i}"] for i in range(count)])
    monkeypatch.setattr(methods, "train_blocks", lambda case, parts: {key: (key, *parts[key]) for key in parts})
    monkeypatch.setattr(methods, "LegoMerge", merge)
    monkeypatch.setattr(methods, "data_of", lambda *_: None)
    monkeypatch.setattr(methods, "all_logits", lambda *_: len(merged))
    monkeypatch.setattr(methods, "_scorer", lambda *_: lambda count: {"score": float(count)})
    case = SimpleNamespace(cohort=SimpleNamespace(modalities=names), ids=lambda part: part, seed=0)
    found = methods._disjoint(case)
    assert found == {"apart": 2.0, "shared": 5.0, "patients": 1, "validation patients": 1}  # merges 1–3, then 4–6
    apart, shared = merged[:3], merged[3:]
    for blocks in merged:
        assert [name for name, *_ in blocks] == list(names)
        assert all(train[0][-1] == valid[0][-1] for _, train, valid in blocks)
    assert all(len({train[0] for _, train, _ in blocks}) == 3 for blocks in apart)
    assert all(len({train[0] for _, train, _ in blocks}) == 1 for blocks in shared)
    for kind in (apart, shared):
        assert len({(name, train[0]) for blocks in kind for name, train, _ in blocks}) == 9


def fake(cohort: str, gain: float) -> dict[str, Any]:
    """Return a split in which everything is above everything else by a gain."""
    low, high = {"score": 0.6, "loss": 0.5 + gain}, {"score": 0.6 + gain, "loss": 0.5}
    timid = "uniform, strength 1, calibrated"
    return {
        "cohort": cohort,
        "ensemble": low,
        "merges": {"LegoMerge": high, "paper": low, "LegoMerge, calibrated": high, timid: low},
        "on patients of": {"rna": {"LegoMerge": high, "LegoMerge, calibrated": high}},
        **{way: {"rna": low} for way in ("blocks", "temperature", "calibrated")},
        "pairs": {"1.0": {"LegoFuse": high, "concatenation": low, "sequential": low}},
        "disjoint": {"apart": high["score"], "shared": low["score"]},
    }


@pytest.mark.parametrize(
    ("gains", "above", "p"),
    [
        ([0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1], "7 of 7", "0.016"),  # 2 / 2⁷
        ([0.1, 0.2, 0.1, 0.1, 0.1, 0.1, -0.1], "6 of 7", "0.125"),  # 2 · 8 / 2⁷
        ([0.1, 0.0], "1 of 2", "1.000"),  # no difference is for nobody
        ([0.0], "0 of 1", ""),
    ],
)
def test_the_sign_test_over_cohorts(
    script: Callable[[str], ModuleType], gains: list[float], above: str, p: str
) -> None:
    runs = {f"cohort {i}": [fake(f"cohort {i}", gain)] for i, gain in enumerate(gains)}
    table = script("goals").over_cohorts(runs)
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[1:]]
    assert {row[0] for row in rows} >= {"LegoMerge − ensemble", "LegoFuse − sequential, 100% of pairs"}
    assert all((row[1], row[4]) == (above, p) for row in rows)


def test_each_row_compares_what_it_says(script: Callable[[str], ModuleType]) -> None:
    run = {
        "cohort": "one",
        "ensemble": {"score": 0.69},
        "merges": {
            "LegoMerge": {"score": 0.70},
            "paper": {"score": 0.66},
            "LegoMerge, calibrated": {"loss": 0.45},
            "uniform, strength 1, calibrated": {"loss": 0.50},
        },
        "on patients of": {
            "cnv": {"LegoMerge": {"score": 0.75}, "LegoMerge, calibrated": {"loss": 0.40}},
            "rna": {"LegoMerge": {"score": 0.71}, "LegoMerge, calibrated": {"loss": 0.44}},
        },
        "blocks": {"cnv": {"score": 0.60, "loss": 0.55}, "rna": {"score": 0.64, "loss": 0.60}},
        "temperature": {"cnv": {"loss": 0.54}, "rna": {"loss": 0.58}},
        "calibrated": {"cnv": {"loss": 0.57}, "rna": {"loss": 0.56}},
        "pairs": {"1.0": {name: {"score": score} for name, score in FUSED.items()}},
        "disjoint": {"apart": 0.68, "shared": 0.63},
    }
    # The lowest loss is cnv's after its temperature, but on its patients the merge is further ahead.
    assert script("tables").closest_block([run]) == ("calibrated", "rna")
    table = script("goals").over_cohorts({"one": [run]})
    rows = [line[1:-1].split("|") for line in table.splitlines() if "1 of 1" in line]
    assert {row[0].strip(): float(row[3]) for row in rows} == {
        "LegoMerge − ensemble": 0.01,
        "LegoMerge − paper": 0.04,
        "LegoMerge − best block": 0.07,
        "LegoFuse − ensemble, 100% of pairs": 0.03,
        "LegoFuse − concatenation, 100% of pairs": 0.07,
        "LegoFuse − sequential, 100% of pairs": 0.11,
        "patients apart − shared": 0.05,
        "log-loss, best block − LegoMerge, calibrated": 0.12,
        "log-loss, ensemble, calibrated − LegoMerge, calibrated": 0.05,
    }


def test_the_goals_mark_what_falls_short(script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    goals = script("goals")
    wanted = [("least of two", -0.01, [lambda run: run["first"], lambda run: run["second"]])]
    monkeypatch.setattr(goals, "wanted", lambda _: wanted)
    monkeypatch.setitem(goals.TITLES, "one", "one")
    cells = {}
    for second in (-0.02, -0.01, -0.0104, 0.03):
        table = goals.goals({"one": [{"first": 0.02, "second": second}]})
        cells[second] = table.splitlines()[-1].split("|")[3].strip()
    assert cells == {-0.02: "-0.020 ✗", -0.01: "-0.010", -0.0104: "-0.010", 0.03: "+0.020"}


def test_the_goals_are_those_that_were_set(script: Callable[[str], ModuleType]) -> None:
    run = fake("one", 0.1) | {"missing": {"rna": {"ensemble": 0.6, "LegoMerge": 0.59}, "rna+cnv": {"ensemble": 0.7}}}
    run["temperature"]["rna"] = {"ece": 0.05}
    run["on patients of"]["rna"]["LegoMerge"] = {"score": 0.7, "ece": 0.08}
    goals = script("goals")
    rows = {title: (least, scores) for title, least, scores in goals.wanted({"one": [run]})}
    assert [rows[name][0] for name in ("LegoMerge − ensemble", "LegoMerge − best block")] == [-0.003, -0.005]
    assert rows["patients apart − shared"][0] == -0.01
    assert all(least == 0 for name, (least, _) in rows.items() if name.startswith(("LegoFuse", "modalities", "calib")))
    gap = rows["modalities missing, LegoMerge − ensemble, worst pattern"][1][0](run)
    error = rows["calibration error, best block after temperature − LegoMerge"][1][0](run)
    assert (gap, error) == pytest.approx((-0.01, -0.03))


def raced(index: int) -> dict[str, Any]:
    """Return a split with dull rivals, of which one is best on the mean and another on a split."""
    rows = {
        "LR, mean of logits": (0.70, "without pairs"),
        "LR rna": (0.74, "without pairs"),
        "LR, all": (0.70 + 0.10 * index, "with pairs"),
        "forest, all": (0.74, "with pairs"),
    }
    few = {"LR, all": {"score": 0.61, "cpu": 0.1}, "forest, all": {"score": 0.60 + 0.01 * index, "cpu": 0.1}}
    return fake("gse7390", 0.1) | {
        "rivals": {"rows": {name: {"score": s, "cpu": 2.0, "needs": needs} for name, (s, needs) in rows.items()}},
        "pairs": {
            "0.1": {"pairs": 12, "LegoFuse": {"score": 0.66}, "dull": few},
            "1.0": {"pairs": 120, "LegoFuse": {"score": 0.72 + 0.1 * index}},
        },
        "on patients of": {"rna": {"LegoMerge": {"score": 0.72}}},
        "cpu": {"rivals": 12.0},
    }


def test_ours_against_the_dull_rival_that_is_best_in_hindsight(script: Callable[[str], ModuleType]) -> None:
    against, runs = script("against"), {"gse7390": [raced(0), raced(1)]}
    # A rival of one modality is compared on those who have it: 0.72, not the 0.70 of all.
    assert [against.merge_over_dull(runs)(run) for run in runs["gse7390"]] == pytest.approx([-0.02, -0.02])
    # 0.70 and 0.80 are on the mean above 0.74 twice.
    assert [against.fuse_over_dull(runs)(run) for run in runs["gse7390"]] == pytest.approx([0.02, 0.02])
    assert [against.fuse_over_dull(runs, "0.1")(run) for run in runs["gse7390"]] == pytest.approx([0.05, 0.05])
    assert against.fuse_over_dull(runs, "0.05")(runs["gse7390"][0]) is None
    text = against.against_dull(runs)
    assert "| LR rna 0.740 ± 0.000 | 0.720 ± 0.000 | -0.020 [-0.020, -0.020] | LR, all 0.750 ± 0.071 |" in text
    assert "| 0.770 ± 0.071 | +0.020 [+0.020, +0.020] | 12.0, 2.0, 2.0 |" in text
    assert "| GSE7390 | 10% (12) | 0.660 ± 0.000 | LR, all 0.610 ± 0.000 | +0.050 [+0.050, +0.050] |" in text
    wanted = {
        title: scores for title, _, scores in script("goals").wanted({"gse7390": [raced(0) | {"missing": {"rna": {}}}]})
    }
    assert wanted["LegoMerge − best dull without pairs"][0](raced(0)) == pytest.approx(-0.02)
    assert wanted["LegoFuse, few pairs − best dull on these pairs alone, worst share"][1](raced(0)) == pytest.approx(
        0.05
    )


def test_results_without_rivals_are_told_so(script: Callable[[str], ModuleType]) -> None:
    assert "These results have none." in script("against").against_dull({"gse7390": [fake("gse7390", 0.1)]})
    assert script("against").merge_over_dull({"one": [fake("one", 0.1)]})(fake("one", 0.1)) is None


def test_intervals_know_that_folds_overlap(script: Callable[[str], ModuleType]) -> None:
    # By hand: mean 0.02, variance 2e-4 / 3, √(variance · (1/4 + 0.2/0.8)) · t(0.975; 3) = 0.005774 · 3.182446
    text = script("tables").difference(np.array([0.01, 0.02, 0.02, 0.03]), np.zeros(4))
    assert text == "+0.020 [+0.002, +0.038]"


def test_nobody_is_calibrated_on_but_validation_patients(
    script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    methods, asked = script("methods"), []
    monkeypatch.setattr(methods, "having", lambda cohort, modalities, ids: ids)
    monkeypatch.setattr(methods, "data_of", lambda model, cohort, ids: asked.append(ids))
    monkeypatch.setattr(methods, "calibrate", lambda *_: 1.0)
    monkeypatch.setattr(methods, "_present", lambda *_: (None, None))
    monkeypatch.setattr(methods, "_scores_of_present", lambda *_: {})
    case = SimpleNamespace(cohort=None, ids=lambda part: [part])
    test: Any = SimpleNamespace(only=lambda _: None)
    methods._calibrated(case, SimpleNamespace(modality="rna"), test)
    assert asked == [["validation"]]


def test_neural_blocks_stand_beside_the_defaults_where_the_patients_are_the_same(
    script: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    def write(sort: str, cohort: str, score: float, split: str | None) -> None:
        folder = tmp_path / sort / f"{cohort}-0"
        folder.mkdir(parents=True)
        end_to_end = {"concatenation": {"score": score}} if sort == "neural" else {}
        run = {
            "cohort": cohort,
            "index": 0,
            "cohort_sha256": "a",
            "patients": {"train": 3, "test": 1},
            "merges": {"LegoMerge": {"score": score}, "paper": {"score": score}},
            "pairs": {"1.0": {"LegoFuse": {"score": score}, **end_to_end}},
            **({} if split is None else {"fingerprint": {"split": split}}),
        }
        (folder / "00.json").write_text(json.dumps(run))

    for cohort, split in (("gse7390", "s"), ("icu", None), ("kirp", "t"), ("bbbp", None)):
        write("defaults", cohort, 0.8, "s")
        write("neural", cohort, 0.7, split)
    tables = script("tables")
    found = tables.read(tmp_path)["defaults"]
    beside = {cohort for cohort, runs in found.items() if tables.OF_NEURAL in runs[0]["merges"]}
    assert beside == {"gse7390", "icu"}  # of another split, and of molecules that fall into other folds today: not
    assert found["icu"][0]["pairs"]["1.0"] == {"LegoFuse": {"score": 0.8}, "concatenation": {"score": 0.7}}
    assert found["icu"][0]["merges"]["LegoMerge"] == {"score": 0.8}
