"""The merging benchmark's plumbing: tiny models on one split, from files to tables and pictures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from mmlego.settings import read_settings

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "benchmarks" / "merging"
Script = Callable[[str], ModuleType]


@pytest.fixture
def run(script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the main of a script with arguments; return what it prints."""

    def running(name: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        script(name).main()
        return capsys.readouterr().out

    return running


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
def test_one_split_from_files_to_tables_and_pictures(
    run: Callable[..., str], script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small = {"folder": str(tmp_path / "synthetic"), "patients": 120}
    monkeypatch.setitem(script("cohorts").NAMED, "synthetic", small)
    options = ("--smoke", "--workers", 1, "--cohorts", "gse7390", "synthetic", "--out", tmp_path / "runs")
    assert "4 splits in" in run("run", *options)
    runs = tmp_path / "runs" / "smoke"  # never among results
    files = sorted(runs.glob("defaults/*/*.json"))
    assert len(files) == 2
    found = json.loads(files[0].read_text())
    neural = json.loads(next(runs.glob("neural/gse7390-*/00.json")).read_text())
    assert neural["patients"] == found["patients"]
    assert {"paper", "mean, slerp"} < neural["merges"].keys()
    assert set(neural["pairs"]["1.0"]) == {"pairs", "LegoFuse", "concatenation", "sequential"}
    assert "rivals" not in neural
    assert found["merges"]["uniform, strength 1"]["score"] == pytest.approx(found["ensemble"]["score"], abs=1e-6)
    fused = {"pairs", "LegoFuse", "LegoFuse, nothing across"}
    assert set(found["pairs"]["1.0"]) == fused
    assert set(found["pairs"]["0.25"]) == fused | {"dull"}
    rows = found["rivals"]["rows"]
    assert {row["needs"] for row in rows.values()} == {"with pairs", "without pairs"}
    paired = {name for name, row in rows.items() if row["needs"] == "with pairs"}
    assert found["pairs"]["0.25"]["dull"].keys() == paired
    assert {"blocks", "disjoint", "rivals", "dull on few pairs"} < found["cpu"].keys()
    assert found["pairs"]["0.25"]["pairs"] == pytest.approx(found["pairs"]["1.0"]["pairs"] / 4, abs=1)
    assert len(found["missing"]) == 3
    assert min(found["scale"].values()) > 0
    assert found["calibrated"].keys() == found["blocks"].keys()
    assert found["disjoint"].keys() == {"apart", "shared", "patients", "validation patients"}
    assert found["on patients of"].keys() == found["blocks"].keys()
    # A second run finds everything done.
    assert "splits: 4 of 4 done after" in run("run", *options)
    tables = run("report", "--results", runs, "--pictures", tmp_path)
    assert "| synthetic | error |" in tables  # classes are calibrated, too
    for title in (
        "Goals",
        "Merging",
        "Against dull rivals",
        "Ways of merging",
        "Fusing, by pairs",
        "Over all cohorts",
        "Modalities missing",
        "Patients apart",
        "Calibration",
        "Cost",
    ):
        assert f"### {title}" in tables
    assert "| synthetic |" in tables
    for name in ("merging_pairs.png", "merging_missing.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    # Results of other settings are not mixed in.
    shutil.copytree(files[0].parent, runs / "defaults" / "gse7390-other")
    command = [sys.executable, str(SCRIPTS / "report.py"), "--results", str(runs), "--pictures", str(tmp_path)]
    refused = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert refused.returncode == 1
    assert "results of several settings" in refused.stderr


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
def test_a_variant_of_a_block(script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ablation, variants = script("ablation"), ("spatial", "no baseplate", "latent and head")
    settings = read_settings(None, ["encoder.name=neural", "fit.epochs=1"])
    monkeypatch.setattr(ablation, "settings_of", lambda _: settings)
    cohort = ablation.cohort_of("gse7390", Path())
    for variant in variants:
        cell = ablation.cell_of(cohort, "gse7390", 0, variant, Path())
        ablation.write(ablation.run_cell(cell), cell, tmp_path)
    assert ablation.table(tmp_path, ["gse7390"], variants).count("| 0.") == 3
    found = [json.loads(file.read_text()) for file in sorted(tmp_path.glob("*/*.json"))]
    assert len({json.dumps(one) for one in found}) == 3  # each is a variant of its own
