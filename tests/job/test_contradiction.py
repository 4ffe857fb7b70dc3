"""A site whose classes are swapped is told wherever its block meets patients whose outcome is known."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import yaml

import mmlego
from mmlego import LegoMerge, LegoWarning, save
from mmlego.data import Cohort
from mmlego.job.contradiction import doubt_on
from tests.cohorts import CLASSES, QUICK, write_cohort
from tests.terminal import done, inside


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hospitals a and b have clinical data of patients of their own; what a calls yes, b calls no."""
    folder = tmp_path_factory.mktemp("hospitals")
    write_cohort(folder / "a", ("clinical",), n=80, outcome=CLASSES, name="a")
    write_cohort(folder / "b", ("clinical",), n=80, outcome=CLASSES, first=500, seed=1, name="b")
    file = folder / "b" / "outcome.csv"
    file.write_text(file.read_text().replace(",yes,", ",?,").replace(",no,", ",yes,").replace(",?,", ",no,"))
    (folder / "quick.yaml").write_text(yaml.safe_dump(QUICK | {"encoder": {"name": "logistic"}}))
    with inside(folder):
        done("train", "-d", "a/cohort.yaml", "-o", "a/run", "-c", "quick.yaml", "--no-progress")
        other = ("--plate", "a/run/plate", "-s", "encoder.name=logistic", "--no-progress")
        done("train", "-d", "b/cohort.yaml", "-o", "b/run", *other)
        blocks = {site: mmlego.load(f"{site}/run/blocks/clinical") for site in "ab"}
        for site, block in blocks.items():
            save(LegoMerge([block]), f"{site}/merge")
    return folder


def test_it_is_told_on_patients_of_others_and_not_on_its_own(hospitals: Path) -> None:
    block = mmlego.load(hospitals / "b" / "run" / "blocks" / "clinical")
    for site, turned in {"a": True, "b": False}.items():
        cohort = Cohort.from_manifest(hospitals / site / "cohort.yaml")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            doubt_on({"clinical": block}, cohort, cohort.patients)
            doubt_on({"clinical": block}, cohort, cohort.patients[:19])  # too few to tell
        said = [str(one.message) for one in told]
        assert len(said) == turned
        assert all(f"'clinical' is worse than chance on 68 patients of {site} (auroc 0." in text for text in said)


def test_evaluate_tells_it_of_a_block_within_a_merge(hospitals: Path) -> None:
    with inside(hospitals):
        merged = done("merge", "a/run", "b/run", "-o", "joint", "--overwrite")
        assert "worse than chance" not in merged.err  # nothing that is in the cards says so: docs/safety.md
        said = done("evaluate", "joint", "-d", "a/cohort.yaml")
        right = done("evaluate", "a/merge", "-d", "a/cohort.yaml")
    assert "'clinical@b' is worse than chance on 68 patients of a" in said.err.replace("\n", " ")
    assert "worse than chance" not in right.err


def test_a_recipe_tells_it_of_the_patients_that_are_held_out(hospitals: Path) -> None:
    recipe = {
        "blocks": {"clinical": str(hospitals / "b" / "run" / "blocks" / "clinical")},
        "held_out": {"data": str(hospitals / "a" / "cohort.yaml"), "unseen": True},
    }
    (hospitals / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.warns(LegoWarning, match="'clinical' is worse than chance on 68 patients of a"):
        mmlego.run_recipe(hospitals / "recipe.yaml", hospitals / "made")
