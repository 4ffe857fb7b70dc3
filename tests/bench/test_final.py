"""The models that are kept: the same recipe on all patients, saved so that they load and predict."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest

import mmlego
from mmlego.bench import Experiment, final
from mmlego.bench.final import train_final
from mmlego.data import Cohort
from mmlego.job import Bricks, data_of, save_bricks
from tests.bricks import assert_same, snapshot

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics on a handful of patients


def test_nobody_is_held_back_but_the_validation_part(
    cohort: Cohort, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    build = final.train

    def spied(of: Cohort, *rest: Any, **options: Any) -> Bricks:
        made = build(of, *rest, **options)
        seen.extend([list(made.train), list(made.validation)])
        return made

    monkeypatch.setattr(final, "train", spied)
    told: list[str] = []
    made = train_final(cohort, experiment, tmp_path, advance=told.append)
    assert sorted([*seen[0], *seen[1]]) == sorted(cohort.patients)
    assert len(seen[1]) == 15
    assert told == ["block rna", "block clinical", "block labs", "merge", "fuse"]
    names = ["plate", "blocks/rna", "blocks/clinical", "blocks/labs", "merge", "fuse"]
    assert made == [tmp_path / name for name in names]
    fused = mmlego.load(tmp_path / "fuse")
    assert fused.card.data == "trial"
    predicted = mmlego.predict(fused, data_of(fused, cohort))
    assert len(predicted.frame(cohort.patients)) == len(cohort)


def test_bricks_are_saved_as_they_are(bricks: Bricks, tmp_path: Path) -> None:
    ours = copy.deepcopy(bricks)  # saving writes the description of the data to the cards
    for _ in range(2):  # earlier ones are replaced
        made = save_bricks(ours, tmp_path, "my data")
    assert mmlego.load(tmp_path / "plate").fingerprint == bricks.plate.fingerprint
    assert_same(snapshot(mmlego.load(tmp_path / "blocks" / "labs")), snapshot(bricks.blocks["labs"]))
    assert mmlego.load(tmp_path / "merge").card.data == "my data"
    assert len(made) == 6


def test_without_a_fuse_none_is_saved(bricks: Bricks, tmp_path: Path) -> None:
    made = save_bricks(dataclasses.replace(copy.deepcopy(bricks), fuse=None), tmp_path, "my data")
    assert [path.name for path in made] == ["plate", "rna", "clinical", "labs", "merge"]
