"""Two hospitals that both have clinical data: their blocks read one table, and are one modality for every verb."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

import mmlego
from tests.cohorts import KEY, write_cohort
from tests.terminal import done, inside, refused

FAST = ("--no-progress", "-s", "encoder.name=coxnet")


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hospital a has RNA and clinical data, b clinical data alone and one column less; others came to both."""
    folder = tmp_path_factory.mktemp("hospitals")
    write_cohort(folder / "a", ("rna", "clinical"), name="hospital-a")
    write_cohort(folder / "b", ("clinical",), n=45, first=100, seed=1, name="hospital-b")
    write_cohort(folder / "new", ("rna", "clinical"), n=50, first=500, seed=2, name="new")
    lacking = pd.read_csv(folder / "b" / "clinical.csv", dtype={KEY: str})
    lacking.drop(columns=lacking.columns[1]).to_csv(folder / "b" / "clinical.csv", index=False)
    mmlego.save(mmlego.Baseplate(mmlego.tasks.Survival([10, 20, 40]), channels=4, width=8), folder / "plate")
    with inside(folder):
        for site in "ab":
            done("train", "-d", f"{site}/cohort.yaml", "-o", f"{site}/run", "--plate", "plate", *FAST)
        said = done("merge", "a/run", "b/run", "-o", "both")
    (folder / "said.txt").write_text(said.text)
    return folder


def test_merge_calls_them_by_their_folders_and_says_so(hospitals: Path) -> None:
    said = (hospitals / "said.txt").read_text()
    assert "clinical has 2 blocks, which count as one modality: clinical@a (a/run/blocks/clinical), clinical@b" in said
    merge = mmlego.load(hospitals / "both")
    assert merge.by_modality == {"rna": ("rna",), "clinical": ("clinical@a", "clinical@b")}
    with inside(hospitals):
        assert "clinical@b" in done("inspect", "both").out
        told = done("inspect", "a/run", "b/run").text
    assert told.endswith("These blocks stand on one baseplate: they merge; those of clinical count as one modality.")


def test_predictions_rest_on_modalities(hospitals: Path, tmp_path: Path) -> None:
    with inside(hospitals):
        done("predict", "both", "-d", "new/cohort.yaml", "-o", tmp_path / "p.csv")
    frame = pd.read_csv(tmp_path / "p.csv", dtype={"patient": str}, keep_default_na=False)
    assert "has_clinical@a" not in frame
    assert set(frame["modalities"]) <= {"rna", "clinical", "rna, clinical", ""}
    assert (frame["has_clinical"] == frame["modalities"].str.contains("clinical")).all()


def test_each_block_reads_its_own_columns_of_one_table(hospitals: Path, tmp_path: Path) -> None:
    table = pd.read_csv(hospitals / "new" / "clinical.csv", dtype={KEY: str})
    shutil.copytree(hospitals / "new", tmp_path / "new")
    table.drop(columns=table.columns[1]).to_csv(tmp_path / "new" / "clinical.csv", index=False)
    ask = ("predict", hospitals / "both", "-d", tmp_path / "new" / "cohort.yaml", "-o", tmp_path / "p.csv")
    message = refused(*ask)  # b does without that column, a does not
    assert message.startswith("clinical, as clinical@a reads it: 1 column of 4 absent")
    said = done(*ask, "--missing-columns", 0.5)
    assert "clinical, as clinical@a reads it: 1 column of 4 absent" in said.err
    assert "clinical@b" not in said.err
    with inside(hospitals):
        done("predict", "both", "-d", "new/cohort.yaml", "-o", tmp_path / "all.csv")
    some, whole = (pd.read_csv(tmp_path / name, index_col="patient", dtype=str) for name in ("p.csv", "all.csv"))
    assert set(some.loc[some["has_clinical"] == "True", "imputed"]) == {f"clinical: {table.columns[1]}"}
    assert (some["risk"] != whole["risk"])[some["has_clinical"] == "True"].all()
    assert (some["risk"] == whole["risk"])[some["modalities"] == "rna"].all()


def test_a_patient_without_the_modality_lacks_both_blocks(hospitals: Path, tmp_path: Path) -> None:
    manifest = yaml.safe_load((hospitals / "new" / "cohort.yaml").read_text())
    del manifest["modalities"]["clinical"]
    rna = hospitals / "new" / "rna.yaml"
    rna.write_text(yaml.safe_dump(manifest))
    with inside(hospitals):
        for model in ("both", "a/run/blocks/rna"):
            done("predict", model, "-d", rna, "-o", tmp_path / f"{Path(model).name}.csv")
    merged, alone = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("both", "rna"))
    assert merged["risk"].tolist() == alone["risk"].tolist()


def test_explanations_and_pages_tell_modalities(hospitals: Path, tmp_path: Path) -> None:
    with inside(hospitals):
        done("explain", "both", "-d", "new/cohort.yaml", "-o", tmp_path / "why", "--patients", "501,502")
        done("report", "both", "-d", "new/cohort.yaml", "-o", tmp_path / "page.html", "--part", "all")
    moved = pd.read_csv(tmp_path / "why" / "modalities.csv")
    assert {"rna", "clinical"} < set(moved.columns)
    assert not any("@" in name for name in moved.columns)
    summary = pd.read_csv(tmp_path / "why" / "summary.csv")
    assert set(summary["modality"]) == {"rna", "clinical"}
    assert not summary[["modality", "feature"]].duplicated().any()
    page = (tmp_path / "page.html").read_text()
    assert "3 blocks, which read rna, clinical (rna, clinical@a, clinical@b)" in page
    assert "From rna, clinical, LegoMerge predicts" in page


def test_they_are_evaluated_and_fused(hospitals: Path, tmp_path: Path) -> None:
    with inside(hospitals):
        done("fuse", "a/run", "b/run", "-d", "new/cohort.yaml", "-o", tmp_path / "site" / "fuse", "--no-progress")
        more = ("-d", "new/cohort.yaml", "--part", "all", "--out", tmp_path / "scores.json")
        done("evaluate", "both", tmp_path / "site" / "fuse", *more)
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]
    assert [row["patients"] for row in scores.values()] == [50, 50]
    fuse = mmlego.load(tmp_path / "site" / "fuse")
    assert fuse.modalities == ("rna", "clinical@a", "clinical@b")


def test_blocks_have_the_names_that_are_given(hospitals: Path, tmp_path: Path) -> None:
    with inside(hospitals):
        names = ("--name", "b/run/blocks/clinical=clinical@north")
        done("merge", "a/run", "b/run", "-o", tmp_path / "m", *names, "--weights", "clinical=0.3,rna=0.7")
        merge = mmlego.load(tmp_path / "m")
        assert merge.modalities == ("rna", "clinical@a", "clinical@north")
        a, b = (merge.block(name).card.patients["training"] for name in merge.modalities[1:])
        assert merge.weights.tolist() == pytest.approx([0.7, 0.3 * a / (a + b), 0.3 * b / (a + b)])
        assert merge.block("clinical@north").card.recipe["was called"] == "clinical"
        done("merge", "b/run", "-o", tmp_path / "other", "--name", "b/run/blocks/clinical=labs")
        assert mmlego.load(tmp_path / "other").modalities == ("labs",)


def test_names_that_do_not_do(hospitals: Path, tmp_path: Path) -> None:
    with inside(hospitals):
        out = ("-o", tmp_path / "m")
        assert refused("merge", "a/run", "b/run", *out, "--name", "a/run=x").startswith("--name: a/run is none of")
        assert refused("merge", "a/run", "b/run", *out, "--name", "clinical@a").startswith("a name is not of that form")
        twice = refused("merge", "a/run", "a/run/blocks/clinical", *out)
        assert twice.startswith("a/run/blocks/clinical is given twice")
        both = [f"--name={site}/run/blocks/clinical=clinical@x" for site in "ab"]
        assert "another --name for one of them" in refused("merge", "a/run", "b/run", *out, *both)


def test_folders_that_tell_nothing_are_asked_about(hospitals: Path, tmp_path: Path) -> None:
    for site, folder in {"a": "x.1", "b": "x-1"}.items():
        shutil.copytree(hospitals / site / "run" / "blocks" / "clinical", tmp_path / folder / "clinical")
    with inside(tmp_path):
        message = refused("merge", "x.1/clinical", "x-1/clinical", "-o", "m")
        assert message.startswith("2 blocks of clinical, and folders do not tell which sites they are of")
        done("merge", "x.1/clinical", "x-1/clinical", "-o", "m", *message.partition("Pass e.g. ")[2].split())
        assert mmlego.load("m").modalities == ("clinical@a", "clinical@b")


def test_no_modality_of_a_manifest_has_the_sign_of_sites(hospitals: Path, tmp_path: Path) -> None:
    manifest = yaml.safe_load((hospitals / "b" / "cohort.yaml").read_text())
    manifest["modalities"]["clinical@b"] = manifest["modalities"].pop("clinical")
    place = hospitals / "b" / "at.yaml"
    place.write_text(yaml.safe_dump(manifest))
    assert "a modality cannot be called 'clinical@b'" in refused("train", "-d", place, "-o", tmp_path / "run")
