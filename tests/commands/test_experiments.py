"""``mmlego bench`` and ``report``: table and picture, going on after an interruption, drawing again without running."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mmlego.bench import cells, read_results
from mmlego.bench.report import rows, table
from tests.cohorts import write_cohort
from tests.terminal import done, inside, mmlego, refused

BENCH = ("-c", "quick.yaml", "--folds", 2, "--repeats", 1)


@pytest.fixture(scope="module")
def benched(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bench") / "out"
    with inside(site):
        done("bench", "-d", "cohort.yaml", "-o", out, *BENCH)
    return out


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    runs: list[str] = []
    build = cells.train

    def train(cohort: Any, *rest: Any, **options: Any) -> Any:
        runs.append(cohort.name)
        return build(cohort, *rest, **options)

    monkeypatch.setattr(cells, "train", train)
    return runs


def test_what_is_written(benched: Path) -> None:
    names = {"private", "table.md", "kaplan_meier.png", "settings.yaml"}
    assert {path.name for path in benched.iterdir()} == names
    assert len(read_results(benched).splits) == 2


def test_a_split_that_is_lost_is_run_again_alone(site: Path, benched: Path, tmp_path: Path, counted: list[str]) -> None:
    out = shutil.copytree(benched, tmp_path / "out")
    sorted((out / "private/cells").iterdir())[0].unlink()
    (out / "table.md").unlink()
    with inside(site):
        said = done("bench", "-d", "cohort.yaml", "-o", out, *BENCH)
    assert len(counted) == 1
    before, after = (rows(read_results(place)) for place in (benched, out))
    assert after == before
    assert (out / "table.md").is_file()
    assert "trial: 2 of 2 done after" in said.text


def test_an_interruption_is_said_in_a_line(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cells, "train", interrupted)
    with inside(site):
        said = mmlego("bench", "-d", "cohort.yaml", "-o", tmp_path / "out", *BENCH)
    assert (said.code, said.error) == (130, "interrupted; train, tune, fuse, run, bench and demo go on when run again")


def test_an_experiment_is_reported_without_running(benched: Path, tmp_path: Path, counted: list[str]) -> None:
    for source, name in ((benched, "one.html"), (benched / "private/results.json", "two.html")):
        done("report", source, "-o", tmp_path / name)
        assert counted == []
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    text = (tmp_path / "one.html").read_text()
    assert "Measured over repeated splits" in text
    for row in rows(read_results(benched)):
        assert f'<th scope="row">{row[0]}</th>' in text


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_is_legible(benched: Path, tmp_path: Path, width: int) -> None:
    said = done("report", benched, "-o", tmp_path / "report.html", width=width)
    lines = [line.rstrip() for line in said.out.splitlines() if str(tmp_path) not in line]  # a path is as long as it is
    assert max(map(len, lines)) <= width
    assert "…" not in said.out
    results = read_results(benched)
    for row in rows(results):
        assert any(all(cell in line for cell in row) for line in said.out.splitlines())
    assert table(results).row_count == 6


def test_disjoint_or_shared_is_said(site: Path, tmp_path: Path) -> None:
    with inside(site):
        said = done("bench", "-d", "cohort.yaml", "-o", tmp_path, *BENCH, "--shared-patients")
    assert "all blocks on the same patients" in said.text
    assert read_results(tmp_path).experiment["disjoint"] is False


def test_rivals_stand_in_the_table_with_interval_and_cost(site: Path, tmp_path: Path) -> None:
    with inside(site):
        said = done("bench", "-d", "cohort.yaml", "-o", tmp_path, *BENCH, "--rivals", width=160)
    results = read_results(tmp_path)
    lines = said.out.splitlines()
    for name in ("Cox net rna", "Cox net, mean of ranks", "survival forest, all", "concatenation", "sequential"):
        (row,) = (row for row in rows(results) if row[0] == name)
        assert any(all(cell in line for cell in (*row, f"{results.cost(name):.1f}")) for line in lines), name
    assert "LegoMerge − best dull without pairs: " in said.out
    assert "LegoFuse − best dull with pairs: " in said.out
    assert "trial: 4 of 4 done after" in said.text
    assert "| LegoFuse − best end-to-end: " in (tmp_path / "table.md").read_text()
    assert len(list((tmp_path / "private/cells").iterdir())) == 4
    with inside(site):
        again = done("report", tmp_path, "-o", "report.html", "--overwrite", width=160)
    assert "LegoFuse − best dull with pairs: " in again.out


def test_settings_reach_the_experiment(site: Path, tmp_path: Path) -> None:
    with inside(site):
        done("bench", "-d", "cohort.yaml", "-o", tmp_path, *BENCH, "--validation", 0.3, "-s", "merge.rule=mean")
    told = read_results(tmp_path).experiment
    assert (told["validation"], told["settings"]["merge"]["rule"]) == (0.3, "mean")
    assert (told["folds"], told["repeats"]) == (2, 1)


@pytest.mark.parametrize(
    "outcome",
    [
        {"task": "classification", "label": "grade"},
        {"task": "classification", "label": "relapse"},
        {"task": "multilabel", "labels": "tox_*"},
        {"task": "regression", "target": "il6"},
    ],
    ids=lambda outcome: "-".join(map(str, outcome.values())),
)
def test_every_task(site: Path, tmp_path: Path, outcome: dict[str, object]) -> None:
    data = write_cohort(tmp_path / "c", outcome=outcome)
    with inside(site):
        said = done("bench", "-d", data, "-o", tmp_path / "out", *BENCH, "-s", "fit.epochs=1")
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert ("roc.png" in files) == (outcome.get("label") == "relapse")
    assert said.text.split("Written:")[1].count("out/") == (3 if "roc.png" in files else 2)
    json.loads((tmp_path / "out" / "private/results.json").read_text(), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("merge.rule=median", "unknown merge rule: expected one of"),
        ("encoders.dna.name=snn", "encoders: unknown modality: expected one of rna, clinical, labs, got dna"),
        ("fuse.order=[dna]", "fuse.order: unknown modality: expected one of rna, clinical, labs, got dna"),
    ],
)
def test_wrong_settings(site: Path, tmp_path: Path, override: str, message: str) -> None:
    with inside(site):
        assert refused("bench", "-d", "cohort.yaml", "-o", tmp_path / "out", "-s", override).startswith(message)


def test_an_experiment_needs_an_outcome(tmp_path: Path) -> None:
    data = write_cohort(tmp_path, outcome=None)
    assert refused("bench", "-d", data, "-o", tmp_path / "out").startswith("an experiment needs an outcome")


def test_what_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{}")
    assert "expected results.json of mmlego bench" in refused("report", tmp_path, "-o", tmp_path / "report.html")
