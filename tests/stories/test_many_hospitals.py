"""Many hospitals: each trains at home in a process of its own; what they send is merged, used, and fused elsewhere.

Folders share nothing but artefacts, and all is done by the command line.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

import mmlego
from tests.bricks import assert_same
from tests.stories.sites import Command, run, send, write_site

pytestmark = pytest.mark.slow
MODALITIES = ("slides", "rna", "clinical")
QUICK = ("--test", "0.1", "--no-progress", "-s", "encoders.slides.name=neural", "-s", "fit.epochs=4")
TABLES = tuple(
    part
    for name in ("rna", "clinical")
    for part in ("-s", f"encoders.{name}.name=coxnet", "-s", f"encoders.{name}.options.l1_ratios=[0.0]")
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sites after they have trained, and what they have published."""
    world = tmp_path_factory.mktemp("world")
    write_site(world / "a", ("slides",), first=0, n=60)
    write_site(world / "b", ("rna", "clinical"), first=100, n=80)
    write_site(world / "c", ("clinical",), first=200, n=60, drop="smoker")
    write_site(world / "d", MODALITIES, first=300, n=50)
    write_site(world / "anyone", MODALITIES, first=400, n=70, gaps=True)
    (world / "coordinator").mkdir()
    plate = (
        "--task",
        "survival",
        "--cuts",
        "6,12,24,48",
        "--unit",
        "months",
        "-s",
        "plate.channels=4",
        "-s",
        "plate.width=8",
    )
    run(world / "coordinator", "plate", *plate, "-o", "plate")
    for site in "abc":
        send(world / "coordinator" / "plate", world / site / "plate")
    more = {"a": (), "b": TABLES, "c": TABLES[4:]}
    begun = [
        Command(world / site, "train", "-d", "cohort.yaml", "-o", "run", "--plate", "plate", *QUICK, *more[site])
        for site in "abc"
    ]
    for site in begun:
        site.done()
    for site, modality in (("a", "slides"), ("b", "rna"), ("b", "clinical"), ("c", "clinical")):
        send(world / site / "run" / "blocks" / modality, world / "published" / site / modality)
    send(world / "published", world / "anyone" / "received")
    send(world / "published", world / "d" / "received")
    return world


BLOCKS = [f"received/{place}" for place in ("a/slides", "b/rna", "b/clinical", "c/clinical")]


@pytest.fixture(scope="module")
def merged(world: Path) -> str:
    """What was said when anyone merged what was received."""
    assert run(world / "anyone", "check", "cohort.yaml").text.endswith("Nothing is wrong.")
    told = run(world / "anyone", "inspect", *BLOCKS).text
    assert told.endswith("These blocks stand on one baseplate: they merge; those of clinical count as one modality.")
    return run(world / "anyone", "merge", *BLOCKS, "-o", "merged").text


def test_what_is_published_names_no_patient(world: Path) -> None:
    files = [file for file in (world / "published").rglob("*") if file.is_file()]
    assert {file.name for file in files} == {"README.md", "config.json", "model.safetensors"}
    ids = [name for site in "abc" for name in pd.read_csv(world / site / "outcome.csv")["patient"]]
    for file in files:
        content = file.read_bytes()
        assert not [name for name in ids if f'"{name}"'.encode() in content or f" {name} ".encode() in content]
        assert str(world).encode() not in content


def test_blocks_of_both_sites_are_one_modality(merged: str) -> None:
    assert "clinical has 2 blocks, which count as one modality: clinical@b (received/b/clinical), clinical@c" in merged


def test_a_recipe_says_which_block_is_of_which_site(world: Path, merged: str) -> None:
    names = {"slides": BLOCKS[0], "rna": BLOCKS[1], "clinical@b": BLOCKS[2], "clinical@c": BLOCKS[3]}
    (world / "anyone" / "recipe.yaml").write_text(yaml.safe_dump({"blocks": names}, sort_keys=False))
    run(world / "anyone", "run", "recipe.yaml", "-o", "made", "--no-progress")
    made, by_hand = (mmlego.load(world / "anyone" / place) for place in ("made/merge", "merged"))
    assert made.modalities == by_hand.modalities == tuple(names)
    assert_same(made.state_dict(), by_hand.state_dict())


def test_any_subset_is_predicted_for(world: Path, merged: str) -> None:
    said = run(world / "anyone", "predict", "merged", "-d", "cohort.yaml", "-o", "risks.csv", "--times", "12,24")
    table = pd.read_csv(world / "anyone" / "risks.csv", index_col="patient", keep_default_na=False)
    subsets = {", ".join(some) for n in (1, 2, 3) for some in itertools.combinations(MODALITIES, n)}
    assert set(table["modalities"]) == subsets
    assert (table["note"] == "").all()
    assert set(table["trained_on"]) == {"unknown"}  # blocks that were sent name nobody
    assert table["survival_at_24_months"].astype(float).between(0, 1).all()
    assert said.out.rstrip().endswith("70 patients in risks.csv.")


def test_it_is_scored_on_patients_of_any_subset(world: Path, merged: str) -> None:
    ask = ("evaluate", "merged", *BLOCKS, "-d", "cohort.yaml", "--part", "all", "--out", "scores.json")
    said = run(world / "anyone", *ask)
    assert "nobody knows whether trained on" in said.error
    told = json.loads((world / "anyone" / "scores.json").read_text())
    scores = {name: row["c_index"] for name, row in told["scores"].items()}
    whole = told["scores"]["merged"]
    assert whole["patients"] == 70
    assert whole["c_index"] > 0.6
    assert all(told["trained_on"][name] == {"unknown": row["patients"]} for name, row in told["scores"].items())
    assert min(scores["received/b/clinical"], scores["received/c/clinical"]) > 0.55


def test_one_clinical_block_more_leaves_the_weight_of_the_modality(world: Path, merged: str) -> None:
    without = run(world / "anyone", "merge", *BLOCKS[:3], "-o", "without").text
    weights = {}
    for said in (merged, without):
        parts = said.partition("Merged ")[2].partition(". Saved")[0].split(", ")
        weights[said] = {name: float(weight) for name, weight in (part.split() for part in parts)}
    assert weights[merged]["rna"] == pytest.approx(weights[without]["rna"], abs=0.05)
    both = sum(weight for name, weight in weights[merged].items() if name.startswith("clinical"))
    assert both == pytest.approx(weights[without]["clinical"], abs=0.05)


def test_a_site_with_complete_patients_fuses(world: Path) -> None:
    more = ("-o", "joint/fuse", "--test", "0.4", "--epochs", "2", "-s", "fuse.across=null", "--no-progress")
    assert "clinical has 2 blocks" in run(world / "d", "fuse", *BLOCKS, "-d", "cohort.yaml", *more).text
    said = run(world / "d", "evaluate", "joint/fuse", "-d", "cohort.yaml", "--out", "scores.json")
    told = json.loads((world / "d" / "scores.json").read_text())
    assert told["scores"]["joint/fuse"]["patients"] == 20
    assert told["scores"]["joint/fuse"]["c_index"] > 0.55
    assert "test part: 20 patients" in said.text
    send(world / "d" / "joint" / "fuse", world / "anyone" / "fused")  # and it goes back to all
    run(world / "anyone", "predict", "fused", "-d", "cohort.yaml", "-o", "fused.csv")
    assert len(pd.read_csv(world / "anyone" / "fused.csv")) == 70
