"""The molecules of BBBP from their file to a score of every block and of their merge, split by scaffold."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from mmlego.data import Cohort, load_splits, scaffold_groups
from tests.terminal import done

pytest.importorskip("rdkit", reason="needs mmlego[graphs]")
pytest.importorskip("torch_geometric", reason="needs mmlego[graphs]")

MANIFEST = Path(__file__).parents[2] / "examples" / "bbbp" / "cohort.yaml"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
def test_bbbp_from_its_file_to_scores(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "molecules"
    if not (folder / "BBBP.csv").is_file():
        pytest.skip("BBBP.csv does not lie in the folder `shared`")
    cohort = Cohort.from_manifest(MANIFEST, folder=folder)
    assert len(cohort) == 2039
    assert len({*scaffold_groups(cohort.patients)}) == 1020
    # every fourth molecule is enough to train on
    pd.read_csv(folder / "BBBP.csv")[::4].to_csv(tmp_path / "BBBP.csv", index=False)
    run, options = tmp_path / "run", ["-d", MANIFEST, "--data-dir", tmp_path]
    said = done("train", *options, "-o", run, "--shared-patients", "--no-progress", "-s", "fit.epochs=2").out
    done("merge", run)
    done("evaluate", run, *options, "--out", tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]
    found = {Path(name).name: row["auroc"] for name, row in scores.items()}
    print(" ".join(f"{name} {auroc:.3f}" for name, auroc in found.items()))
    assert set(found) == {"graph", "sequence", "fingerprint", "merge"}
    assert min(found.values()) > 0.6  # of scaffolds that nobody has seen, after two epochs
    few = Cohort.from_manifest(MANIFEST, folder=tmp_path)
    split = load_splits(run / "private/split.json", few.patients)[0].named(few.patients)
    scaffolds = [{*scaffold_groups(sorted(side))} for side in split.values()]
    groups = len(set.union(*scaffolds))
    assert sum(map(len, scaffolds)) == groups
    assert f"split by scaffold: {groups} groups" in said


def test_clintox_is_read_and_split_by_scaffold(shared: Path) -> None:
    folder = shared / "data" / "molecules"
    if not (folder / "clintox.csv").is_file():
        pytest.skip("clintox.csv does not lie in the folder `shared`")
    cohort = Cohort.from_manifest(MANIFEST.parents[1] / "clintox" / "cohort.yaml", folder=folder)
    assert (len(cohort), list(cohort.modalities)) == (1480, ["graph", "sequence", "fingerprint"])
    split = cohort.split(folds=5, validation=0.2, seed=0)[0]
    sides = [{*rows} for rows in split.named(cohort.patients).values()]
    scaffolds = [{*scaffold_groups(sorted(side))} for side in sides]
    assert sum(map(len, scaffolds)) == len(set.union(*scaffolds)) == 770
