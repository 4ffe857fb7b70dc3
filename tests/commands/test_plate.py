"""A baseplate without any patient: that of the settings, and of the task that was told."""

from __future__ import annotations

from pathlib import Path

import pytest

import mmlego
from mmlego import Baseplate
from mmlego.settings import read_settings
from mmlego.tasks import Classification, CompetingRisks, MultiLabel, Regression, Survival, Task
from tests.terminal import done, refused

SMALL = ("-s", "plate.channels=4", "-s", "plate.width=8")


@pytest.mark.parametrize(
    ("options", "task"),
    [
        (("survival", "--cuts", "12,24,60", "--unit", "months"), Survival([12, 24, 60], unit="months")),
        (("survival", "--cuts", "1, 2"), Survival([1, 2])),
        (("survival", "--cuts", "1,2", "--causes", "relapse,death"), CompetingRisks([1, 2], ["relapse", "death"])),
        (("classification", "--classes", "no,yes"), Classification(["no", "yes"])),
        (("multilabel", "--labels", "liver,skin"), MultiLabel(["liver", "skin"])),
        (("regression", "--targets", "il6", "--mean", "5", "--scale", "2"), Regression(["il6"], 5.0, 2.0)),
        (
            ("regression", "--targets", "il6,crp", "--mean", "5,40", "--scale", "2,9", "--unit", "pg/ml,mg/l"),
            Regression(["il6", "crp"], [5.0, 40.0], [2.0, 9.0], ["pg/ml", "mg/l"]),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_it_is_that_of_python(tmp_path: Path, options: tuple[str, ...], task: Task) -> None:
    said = done("plate", "--task", *options, *SMALL, "-o", tmp_path / "plate")
    made = mmlego.load(tmp_path / "plate")
    assert made.task == task
    settings = read_settings(overrides=["plate.channels=4", "plate.width=8"]).plate
    assert made.fingerprint == Baseplate(task, **settings.model_dump()).fingerprint
    assert f"Baseplate {made.fingerprint[:12]} in" in said.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("survivl",), "--task: expected one of survival, classification, multilabel, regression, got 'survivl'"),
        (("survival",), "options of --task survival: expected --cuts, and if wanted --unit, --causes, got no --cuts"),
        (("classification", "--classes", "a,b", "--cuts", "1"), "options of --task classification: expected --classes"),
        (("survival", "--cuts", "1,two"), "--cuts: expected numbers with commas between, as 12,24, got 1,two"),
        (("survival", "--cuts", "1", "--unit", "moons"), "unit of time: expected one of days, weeks, months, years"),
        (("classification", "--classes", "a,a"), "classes"),
        (("regression", "--targets", "a", "--mean", "1"), "options of --task regression"),
    ],
)
def test_what_it_cannot_be(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    assert refused("plate", "--task", *options, "-o", tmp_path / "plate").startswith(message)
    assert not (tmp_path / "plate").exists()


def test_one_that_is_there_is_kept(tmp_path: Path) -> None:
    ask = ("plate", "--task", "classification", "--classes", "a,b", *SMALL, "-o", tmp_path / "plate")
    done(*ask)
    assert "exists" in refused(*ask)
    done(*ask, "--overwrite")
