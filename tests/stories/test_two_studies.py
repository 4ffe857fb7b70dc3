"""Two public studies that share no patient, of two cancers in two countries: one model of what both know.

GSE7390 (breast cancer; genes and clinical data, metastasis in years) and TCGA-BLCA (bladder cancer; age alone, death
in months). Both know the age of their patients: two clinical blocks, one modality. What this is worth is another
question; what is tested is that it can be done, in the right units, and is said as it is.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

import mmlego
from mmlego.tasks.kaplan_meier import kaplan_meier
from tests.stories.sites import run, send
from tests.terminal import inside, refused

pytest.importorskip("sksurv")
pytestmark = pytest.mark.slow
FAST = ("--test", "0", "--no-progress", "-s", "encoder.name=coxnet", "-s", "encoder.options.l1_ratios=[0.0]")


def write(folder: Path, outcome: dict[str, object], frames: dict[str, pd.DataFrame], after: pd.DataFrame) -> None:
    folder.mkdir()
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index_label="patient")
    after.to_csv(folder / "outcome.csv", index_label="patient")
    modalities = {name: {"kind": "table", "file": f"{name}.csv"} for name in frames}
    manifest = {"key": "patient", "outcome": {"task": "survival", "file": "outcome.csv", **outcome}}
    (folder / "cohort.yaml").write_text(yaml.safe_dump({**manifest, "modalities": modalities}))


@pytest.fixture(scope="module")
def studies(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two studies, 98 further patients of the first who are asked about, and what both have made."""
    file = shared / "data" / "tcga" / "tcga_blca_all_clean.csv.zip"
    if not file.is_file():
        pytest.skip("TCGA-BLCA does not lie in the folder `shared`")
    folder = tmp_path_factory.mktemp("studies")
    bladder = pd.read_csv(file, usecols=["case_id", "age", "is_female", "survival_months", "censorship"])
    bladder = bladder.drop_duplicates("case_id").set_index("case_id")  # a row a slide
    months = {"time": "survival_months", "unit": "months", "event": "censorship", "event_when": 0}
    after = bladder[["survival_months", "censorship"]]
    write(folder / "bladder", months, {"clinical": bladder[["age"]]}, after)
    breast = mmlego.datasets.gse7390()
    years = {"time": "time", "unit": "years", "event": "event", "event_when": 1}
    half = breast.frames["genes"].index < "GSE7390-100"
    for name, some in (("breast", half), ("asked", ~half)):
        write(folder / name, years, {one: breast.frames[one][some] for one in breast.frames}, breast.outcome[some])
    (folder / "coordinator").mkdir()
    run(folder / "coordinator", "plate", "--task", "survival", "--cuts", "1,2,3,5", "--unit", "years", "-o", "plate")
    for study in ("breast", "bladder"):
        send(folder / "coordinator" / "plate", folder / study / "plate")
    more = {"breast": ("--shared-patients",), "bladder": ()}
    for study, options in more.items():
        run(folder / study, "train", "-d", "cohort.yaml", "-o", "run", "--plate", "plate", *FAST, *options)
    for study in more:
        send(folder / study / "run" / "blocks", folder / "asked" / study)
    return folder


def test_their_patients_are_others(studies: Path) -> None:
    names = [set(pd.read_csv(studies / study / "outcome.csv")["patient"]) for study in ("breast", "bladder", "asked")]
    assert [len(one) for one in names] == [100, 373, 98]
    assert len(set().union(*names)) == 100 + 373 + 98


def test_months_have_become_years(studies: Path) -> None:
    block = mmlego.load(studies / "bladder" / "run" / "blocks" / "clinical")
    assert block.task.unit == "years"
    # of whom nothing is known it tells what Kaplan-Meier does of the study, whose months are twelve a year
    table = pd.read_csv(studies / "bladder" / "outcome.csv")
    known = kaplan_meier(table["censorship"].to_numpy() == 0, table["survival_months"].to_numpy() / 12)
    told = block.task.predict(block.prior()[None]).survival_at([2.0])
    assert float(told.squeeze()) == pytest.approx(float(known.at([2.0])[0][0]), abs=0.05)


def test_they_are_one_model_of_genes_and_clinical_data(studies: Path) -> None:
    asked = studies / "asked"
    blocks = ("breast/genes", "breast/clinical", "bladder/clinical")
    said = run(asked, "merge", *blocks, "-o", "both").text
    assert "clinical has 2 blocks, which count as one modality: clinical@breast" in said
    assert "genes 0.50" in said
    more = ("-d", "cohort.yaml", "--part", "all", "--times", "2,5", "--out", "scores.json")
    scored = run(asked, "evaluate", "both", *blocks, *more)
    told = json.loads((asked / "scores.json").read_text())
    assert {row["patients"] for row in told["scores"].values()} == {98}
    assert told["trained_on"]["both"] == {"unknown": 98}
    assert "nobody knows whether trained on" in scored.error
    assert told["scores"]["both"]["c_index"] > 0.55  # genes and clinical data of GSE7390 are known to tell something
    run(asked, "predict", "both", "-d", "cohort.yaml", "-o", "p.csv", "--times", "5")
    table = pd.read_csv(asked / "p.csv", index_col="patient")
    assert table["survival_at_5_years"].between(0, 1).all()
    assert set(table["modalities"]) == {"genes, clinical"}


def test_a_hospital_that_knows_the_age_alone_is_told_whose_columns_it_lacks(studies: Path) -> None:
    bladder = studies / "bladder"
    send(studies / "breast" / "run" / "blocks" / "clinical", bladder / "sent" / "breast")
    names = {"sent/breast": "breast", "run/blocks/clinical": "bladder"}
    options = [f"--name={block}=clinical@{site}" for block, site in names.items()]
    run(bladder, "merge", *names, "-o", "clinical", *options)
    with inside(bladder):
        error = refused("predict", "clinical", "-d", "cohort.yaml", "-o", "p.csv")
    assert "clinical, as clinical@breast reads it:" in error
    assert "--missing-columns" in error
