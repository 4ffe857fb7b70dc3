"""Events that may be coded the other way round: told where shares say so, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import mmlego
from mmlego import InputError, LegoWarning
from mmlego.data import Cohort
from mmlego.disclosure import kept_of
from mmlego.job import train_blocks
from mmlego.tasks.event_share import FAR, FEWEST, NEAR, share_of_events, turned_round
from tests.cohorts import SURVIVAL, write_cohort


@pytest.mark.parametrize(
    ("yes", "no", "share"), [(15, 5, 0.75), (5, 15, 0.25), (4, 30, None), (30, 4, None), (9, 10, None), (7, 15, 0.32)]
)
def test_the_share_stands_for_five_at_least(yes: int, no: int, share: float | None) -> None:
    assert share_of_events([1.0] * yes + [0.0] * no) == share


@given(st.integers(5, 100), st.integers(5, 100), st.integers(5, 100), st.integers(5, 100))
def test_what_is_told_fits_better_turned_round(a: int, b: int, c: int, d: int) -> None:
    known, mine = share_of_events([1] * a + [0] * b), share_of_events([1] * c + [0] * d)
    told = turned_round(known, [1] * c + [0] * d)
    if a + b < FEWEST or c + d < FEWEST:
        assert told is None
        return
    assert known is not None
    assert mine is not None
    assert (told is not None) == (abs(mine - known) >= FAR and abs(1 - mine - known) <= NEAR)
    if told is not None:
        assert abs(1 - mine - known) < abs(mine - known)
        assert turned_round(known, [0] * c + [1] * d) is None  # and mended, nothing is told


def test_a_site_that_codes_the_other_way_round_is_told(tmp_path: Path) -> None:
    """Site A: 1 is dead. Site B: 1 is alive, and its manifest is a copy of A's."""
    settings = {
        "plate": {"channels": 4, "width": 8, "heads": 2, "head_width": 4},
        "encoder": {"name": "snn", "options": {"hidden": [4]}},
        "fit": {"epochs": 1},
    }
    first = Cohort.from_manifest(write_cohort(tmp_path / "a", ["rna"], n=60))
    made = train_blocks(first, settings, out=tmp_path / "run", progress=False)
    assert made.plate.task.events == pytest.approx(float((first.outcome["event"] == 1).mean()), abs=0.1)
    plate = mmlego.load(tmp_path / "run" / "plate")
    assert (plate.task.events, plate.fingerprint) == (made.plate.task.events, made.plate.fingerprint)
    (kept,) = [one for one in kept_of(tmp_path / "run" / "plate") if one.what == "share with the event"]
    assert kept.value == f"{plate.task.events:g}"
    other = write_cohort(tmp_path / "b", ["rna"], n=60, seed=1)
    train_blocks(Cohort.from_manifest(other), settings, plate=plate, progress=False)  # as it is, nothing is told
    content = yaml.safe_load(other.read_text())
    content["outcome"] |= {**SURVIVAL, "event_when": "alive"}
    content["outcome"].pop("bins")
    other.write_text(yaml.safe_dump(content))
    with pytest.warns(LegoWarning, match=r"trial: \d+ % of the patients have the event, and \d+ % of those of"):
        train_blocks(Cohort.from_manifest(other), settings, plate=plate, progress=False)


def test_other_tasks_have_no_such_share(tmp_path: Path) -> None:
    assert (
        Cohort.from_manifest(write_cohort(tmp_path, ["rna"])).outcome_spec.doubt(None, mmlego.tasks.Regression())
        is None
    )
    with pytest.raises(InputError):
        mmlego.tasks.Survival.from_config({"name": "survival", "cuts": [1.0], "events": 0.5})
