"""Two hospitals: no patient in common, one baseplate between them, a block each; merged and fused by a third party."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

import mmlego
from tests.cohorts import write_cohort, write_quick
from tests.terminal import done, inside, refused

Train = Callable[..., Path]


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hospital a has RNA of 60 patients, b clinical data of 60 others, and 40 further ones came to both."""
    folder = tmp_path_factory.mktemp("consortium")
    write_cohort(folder / "a", ("rna",), name="hospital-a")
    write_cohort(folder / "b", ("clinical",), first=100, seed=1, name="hospital-b")
    write_cohort(folder / "pairs", ("rna", "clinical"), n=40, first=500, seed=2, name="pairs")
    write_quick(folder)
    more = ("-c", "quick.yaml", "--no-progress")
    with inside(folder):
        done("train", "-d", "a/cohort.yaml", "-o", "runs/a", *more)
        # The baseplate is all that b gets of a; without -c its fields are not said again, and need not be.
        fits = ("-s", "fit.epochs=2", "-s", "encoder.options.hidden=[8]", "--no-progress")
        done("train", "-d", "b/cohort.yaml", "-o", "runs/b", "--plate", "runs/a/plate", *fits)
        done("merge", "runs/a", "runs/b", "-o", "joint/merge")
        done("fuse", "runs/a", "runs/b", "-d", "pairs/cohort.yaml", "-o", "joint/fuse", "--test", "0.3", *more)
    return folder


def test_both_stand_on_one_baseplate(consortium: Path) -> None:
    prints = {mmlego.load(consortium / "runs" / site / "plate").fingerprint for site in "ab"}
    assert len(prints) == 1
    with inside(consortium):
        assert done("inspect", "runs/a", "runs/b").text.endswith("they merge.")
    settings = yaml.safe_load((consortium / "runs" / "b" / "settings.yaml").read_text())
    assert settings["plate"]["channels"] == 4  # the plate's, not the default


def test_each_site_trained_its_own_modality_alone(consortium: Path) -> None:
    for site, modality in {"a": "rna", "b": "clinical"}.items():
        (place,) = (consortium / "runs" / site / "blocks").iterdir()
        assert place.name == modality
        assert mmlego.load(place).card.data == f"hospital-{site}, modality {modality}"


def test_the_merged_model_knows_its_parents(consortium: Path) -> None:
    merged = mmlego.load(consortium / "joint" / "merge")
    assert merged.modalities == ("rna", "clinical")
    assert [parent.split("; ")[-1] for parent in merged.card.parents] == [
        "hospital-a, modality rna",
        "hospital-b, modality clinical",
    ]


def test_merge_and_fuse_are_scored_on_pairs_that_nobody_trained_on(consortium: Path, tmp_path: Path) -> None:
    with inside(consortium):
        said = done("evaluate", "joint/merge", "joint/fuse", "-d", "pairs/cohort.yaml", "--out", tmp_path / "s.json")
    assert "pairs, test part: 12 patients" in said.text
    found = json.loads((tmp_path / "s.json").read_text())
    assert list(found["scores"]) == ["joint/merge", "joint/fuse"]


def test_the_merged_model_predicts_for_patients_of_either_site(consortium: Path, tmp_path: Path) -> None:
    for site, missing in {"a": "clinical", "b": "rna"}.items():
        with inside(consortium):
            done("predict", "joint/merge", "-d", f"{site}/cohort.yaml", "-o", tmp_path / f"{site}.csv")
        frame = pd.read_csv(tmp_path / f"{site}.csv", dtype={"patient": str})
        assert not frame[f"has_{missing}"].any()
        assert (frame["risk"].isna() == frame["note"].notna()).all()  # who has only an outcome there, say
        assert frame["risk"].notna().sum() > 20


def test_a_second_baseplate_is_refused_by_name(consortium: Path, tmp_path: Path) -> None:
    with inside(consortium):
        more = ("-c", "quick.yaml", "--no-progress", "-s", "plate.width=16")
        done("train", "-d", "b/cohort.yaml", "-o", tmp_path / "own", *more)
        message = refused("merge", "runs/a", tmp_path / "own", "-o", tmp_path / "merge")
    assert message.startswith("'rna' and 'clinical' stand on different baseplates")
    assert "width: 8 ≠ 16" in message
    assert "task.cuts: " in message
