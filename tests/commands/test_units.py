"""Two sites that count time in different units: what one made serves the other, in the right numbers, or is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import mmlego
from mmlego.bench import read_results
from mmlego.data import Cohort
from mmlego.tasks.survival_unit import DAYS
from tests.cohorts import write_cohort
from tests.terminal import done, refused

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")

MONTH = DAYS["months"]
OUTCOMES: dict[str, dict[str, object]] = {
    "one event": {"task": "survival", "time": "time", "event": "came", "event_when": ["relapse", "death"]},
    "causes": {"task": "survival", "time": "time", "event": "came", "causes": {"relapse": "relapse", "death": "death"}},
}
LEARNER = ("-s", "encoder.name=coxnet", "-s", "encoder.options.l1_ratios=[0.0]", "--no-progress")
QUICK_FUSE = ("-s", "fuse.across=null", "-s", "fuse.fit.epochs=1")
Site = Callable[..., Path]


@pytest.fixture(scope="module", params=list(OUTCOMES))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return what writes a site's files with times in some unit, said or not said."""
    folder, outcome = tmp_path_factory.mktemp("units"), OUTCOMES[request.param]

    def write(name: str, modality: str, first: int, *, times_in: str, unit: str | None) -> Path:
        place = folder / f"{name}-{times_in}-{unit}"
        if place.exists():
            return place / "cohort.yaml"
        said = outcome if unit is None else outcome | {"unit": unit}
        path = write_cohort(place, (modality,), outcome=said, n=90, first=first, seed=first, name=name)
        table = pd.read_csv(place / "outcome.csv", dtype={"patient_id": str}).sort_values("patient_id")
        came = np.random.default_rng(first).choice(["relapse", "death"], len(table))
        table = table.assign(came=np.where(table["status"] == "dead", came, "alive"))
        table["time"] = table["months"] * (MONTH / DAYS[times_in])
        table[["patient_id", "time", "came"]].to_csv(place / "outcome.csv", index=False)
        return path

    return write


@pytest.fixture(scope="module")
def first(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run of a site in months, whose baseplate the other takes."""
    run = tmp_path_factory.mktemp("first") / "run"
    done("train", "-d", site("a", "rna", 0, times_in="months", unit="months"), "-o", run, *LEARNER)
    return run


@pytest.fixture(scope="module")
def second(site: Site, first: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the run of the other site, with the same times in months and in days."""
    runs = {}
    for unit in ("months", "days"):
        runs[unit] = tmp_path_factory.mktemp("second") / "run"
        data = site("b", "clinical", 100, times_in=unit, unit=unit)
        done("train", "-d", data, "-o", runs[unit], *LEARNER, "--plate", first / "plate")
    return runs


@pytest.fixture(scope="module")
def merged(first: Path, second: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("merged") / "merge"
    done("merge", first, second["days"], "-o", place)
    return place


def other(site: Site, unit: str) -> Path:
    return site("b", "clinical", 100, times_in=unit, unit=unit)


def scores(*arguments: object, file: Path) -> dict[str, Any]:
    done("evaluate", *arguments, "--out", file)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_train(second: dict[str, Path]) -> None:
    months, days = (mmlego.load(second[unit] / "blocks" / "clinical") for unit in ("months", "days"))
    assert months.task == days.task
    assert days.task.unit == "months"
    for name, value in months.state_dict().items():
        if value.is_floating_point():
            np.testing.assert_allclose(days.state_dict()[name].numpy(), value.numpy(), rtol=1e-4, atol=1e-5)
    assert days.card.validation == pytest.approx(months.card.validation, abs=1e-4)


def test_merge(first: Path, second: dict[str, Path], merged: Path) -> None:
    merge = mmlego.load(merged)
    assert merge.task == mmlego.load(first / "plate").task
    assert list(merge.modalities) == ["rna", "clinical"]
    assert merge.task.unit == "months"
    said = done("inspect", first, second["days"]).text
    assert "unit months" in said
    assert "they merge" in said


def test_evaluate(site: Site, merged: Path, tmp_path: Path) -> None:
    asked = (merged, "--part", "all", "--times", "6,12")
    found = {
        unit: scores(*asked, "-d", other(site, unit), file=tmp_path / f"{unit}.json") for unit in ("months", "days")
    }
    (months,), (days,) = (list(one["scores"].values()) for one in found.values())
    assert days == pytest.approx(months, abs=1e-4)
    (months_at,), (days_at,) = (list(one["calibration"].values()) for one in found.values())
    for here, there in zip(days_at, months_at, strict=True):
        numbers = {name: value for name, value in here.items() if name not in ("cause", "groups")}
        assert numbers == pytest.approx({name: there[name] for name in numbers}, abs=1e-4)
    cohort = Cohort.from_manifest(other(site, "days"))
    assert days_at[0]["at_risk"] == int((cohort.outcome["time"] >= 6 * MONTH).sum())


def test_predict(site: Site, merged: Path, tmp_path: Path) -> None:
    """The outcome has no part in a prediction: it is the same, in the unit of the model."""
    frames = []
    for times_in, unit in (("months", "months"), ("days", "days"), ("days", None)):
        out = tmp_path / f"{times_in}-{unit}.csv"
        done(
            "predict",
            merged,
            "-d",
            site("b", "clinical", 100, times_in=times_in, unit=unit),
            "-o",
            out,
            "--times",
            "12",
        )
        frames.append(pd.read_csv(out, index_col=0))
    assert any(name.endswith("_12_months") for name in frames[0].columns)
    assert not any("days" in name for name in frames[1].columns)
    for frame in frames[1:]:
        pd.testing.assert_frame_equal(frame, frames[0])


def test_report(site: Site, merged: Path, tmp_path: Path) -> None:
    pages = []
    for unit in ("months", "days"):
        page = tmp_path / unit / "report.html"
        page.parent.mkdir()
        done("report", merged, "-d", other(site, unit), "-o", page, "--part", "all", "--features", "0")
        pages.append(page.read_text(encoding="utf-8"))
        for figure in sorted((page.parent / "report_figures").glob("risk_groups*.svg")):
            assert "time (months)" in page.read_text(encoding="utf-8"), figure
    told = [[line for line in page.splitlines() if "<td" in line and "%" in line] for page in pages]
    assert told[0]
    assert told[0] == told[1]


def test_explain(site: Site, merged: Path, tmp_path: Path) -> None:
    tables = []
    for unit in ("months", "days"):
        done("explain", merged, "-d", other(site, unit), "-o", tmp_path / unit)
        tables.append({file.name: pd.read_csv(file) for file in sorted((tmp_path / unit).glob("*.csv"))})
    assert tables[0].keys() == tables[1].keys()
    for name, table in tables[0].items():
        pd.testing.assert_frame_equal(tables[1][name], table, rtol=1e-3)


def test_bench(site: Site, tmp_path: Path) -> None:
    """An experiment has no model to keep to: it counts in the unit of the cohort, and order is all that scores heed."""
    found = {}
    for unit in ("months", "days"):
        out = tmp_path / unit
        done("bench", "-d", other(site, unit), "-o", out, "--folds", "2", "--repeats", "1", *LEARNER[:-1], *QUICK_FUSE)
        found[unit] = read_results(out)
        assert found[unit].experiment["outcome"]["unit"] == unit
    for method in found["months"].methods:
        np.testing.assert_allclose(found["days"].scores(method), found["months"].scores(method), atol=1e-3)
    times = [np.array([values[1] for values in found[unit].outcome.values()]) for unit in ("days", "months")]
    np.testing.assert_allclose(times[0], times[1] * MONTH, rtol=1e-5)


VERBS: dict[str, Callable[[Path, Path, Path, Path], tuple[object, ...]]] = {
    "train": lambda run, merge, data, out: ("train", "-d", data, "-o", out / "run", *LEARNER, "--plate", run / "plate"),
    "evaluate": lambda run, merge, data, out: ("evaluate", merge, "-d", data, "--part", "all"),
    "report": lambda run, merge, data, out: (
        *("report", merge, "-d", data, "--part", "all", "--features", "0"), "-o", out / "report.html"
    ),
}  # fmt: skip


@pytest.mark.parametrize("verb", list(VERBS))
def test_times_without_a_unit_are_refused_and_with_it_taken(
    site: Site, first: Path, merged: Path, tmp_path: Path, verb: str
) -> None:
    data = _copied(site("b", "clinical", 100, times_in="days", unit=None), tmp_path)
    message = refused(*VERBS[verb](first, merged, data, tmp_path))
    assert "the times of the cohort have no unit, those of the model are months" in message
    assert "Add there the unit that its times have" in message
    _say(data, unit="days")
    done(*VERBS[verb](first, merged, data, tmp_path))


@pytest.mark.parametrize("verb", list(VERBS))
def test_days_that_are_called_months_are_refused_and_mended_taken(
    site: Site, first: Path, merged: Path, tmp_path: Path, verb: str
) -> None:
    data = _copied(site("b", "clinical", 100, times_in="days", unit="months"), tmp_path)
    message = refused(*VERBS[verb](first, merged, data, tmp_path))
    assert "the times of the cohort are of another scale than those of the model, far longer" in message
    assert "Say unit: days there; if they are in months indeed, add unit_checked: true." in message
    _say(data, unit="days")
    done(*VERBS[verb](first, merged, data, tmp_path))


@pytest.mark.parametrize("unit", [None, "months"])
def test_what_is_explained_needs_no_times(site: Site, merged: Path, tmp_path: Path, unit: str | None) -> None:
    for said in (unit, "days"):
        data = site("b", "clinical", 100, times_in="days", unit=said)
        done("explain", merged, "-d", data, "-o", tmp_path / str(said))
    tables = [pd.read_csv(tmp_path / str(said) / "modalities.csv") for said in (unit, "days")]
    pd.testing.assert_frame_equal(*tables)


def _copied(data: Path, place: Path) -> Path:
    return Path(shutil.copytree(data.parent, place / "site")) / data.name


def _say(data: Path, **more: object) -> None:
    manifest = yaml.safe_load(data.read_text())
    manifest["outcome"] |= more
    data.write_text(yaml.safe_dump(manifest, sort_keys=False))
