"""The merging benchmark's plumbing: tiny models on one split, from files to tables and pictures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "benchmarks" / "merging"


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_split_from_files_to_tables_and_pictures(tmp_path: Path) -> None:
    options = ("--smoke", "--workers", 1, "--cohorts", "gse7390", "synthetic", "--out", tmp_path / "runs")
    assert "4 splits in" in run("run.py", *options)
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
    assert "splits: 4 of 4 done after" in run("run.py", *options)
    tables = run("report.py", "--results", runs, "--pictures", tmp_path)
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
def test_a_variant_of_a_block(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from pathlib import Path\n"
        "import ablation\n"
        "from mmlego.settings import read_settings\n"
        'ablation.settings_of = lambda _: read_settings(None, ["encoder.name=neural", "fit.epochs=1"])\n'
        f"out = Path({str(tmp_path)!r})\n"
        'variants = ("spatial", "no baseplate", "latent and head")\n'
        'cohort = ablation.cohort_of("gse7390", Path())\n'
        "for variant in variants:\n"
        '    cell = ablation.cell_of(cohort, "gse7390", 0, variant, Path())\n'
        "    ablation.write(ablation.run_cell(cell), cell, out)\n"
        'print(ablation.table(out, ["gse7390"], variants))\n'
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| 0.") == 3
    found = [json.loads(file.read_text()) for file in sorted(tmp_path.glob("*/*.json"))]
    assert len({json.dumps(one) for one in found}) == 3  # each is a variant of its own
