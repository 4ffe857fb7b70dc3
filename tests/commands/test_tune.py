"""``mmlego tune``: what it writes is what ``train`` takes, and trains on the same patients."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import mmlego
from mmlego.settings import read_settings
from tests.terminal import done, inside, refused

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics on a handful of patients
FAST = ("--method", "coxnet", "--trials", "2", "--folds", "2", "--workers", "1", "-m", "rna")


def test_tune_then_train(site: Path, tmp_path: Path) -> None:
    data = ("-d", site / "cohort.yaml", "-o", "run")
    (tmp_path / "space.yaml").write_text("rna: {coxnet: {options.l1_ratios: [[0.0], [0.5]]}}")
    with inside(tmp_path):
        said = done("tune", *data, *FAST, "--space", "space.yaml", "--json")
        made = json.loads(said.out)
        assert made["settings"] == "run/tuned.yaml"
        assert made["best"]["rna"]["method"] == "coxnet"
        trials = pd.read_csv(made["trials"])
        assert made["best"]["rna"][made["metric"]] == pytest.approx(trials[made["metric"]].max())
        split = Path("run/private/split.json").read_bytes()
        chosen = read_settings(Path(made["settings"])).encoders["rna"]
        done("train", *data, "-c", made["settings"], "-m", "rna", "--no-progress")
        assert Path("run/private/split.json").read_bytes() == split
        recipe = mmlego.load("run/blocks/rna").card.recipe
        assert recipe["learner"] == "coxnet"
        assert {name: recipe[name] for name in chosen.options} == chosen.options


def test_a_space_that_does_not_fit(site: Path, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("rna: {coxnet: {options.l2: [1.0]}, snn: {fit.lr: [-1.0]}}")
    with inside(tmp_path):
        said = refused("tune", "-d", site / "cohort.yaml", "-o", "run", *FAST, "--space", "space.yaml")
    assert "rna.coxnet.options.l2" in said
    assert "rna.snn.fit.lr" in said
