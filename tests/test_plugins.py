"""What other distributions offer: found by name, imported when asked for, and named when it breaks."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

import mmlego
from mmlego.data import TablePreprocessor, TableSource, register_kind
from mmlego.encoders import SNN, register_encoder
from mmlego.errors import InputError, LegoWarning, MissingExtraError, UnknownNameError
from mmlego.merge.rules import get_rule
from mmlego.plugins import Registry
from mmlego.tasks import task_from_config
from tests import outside
from tests.outside import LARGEST, SIGNAL, WAVES, write_distribution
from tests.terminal import refused

# Registers a class by the name of its module in a registry that the tests look at.
CODE = "from tests.outside import OFFERED\nclass Thing: pass\nOFFERED[-1].add({name!r}, Thing)\n"
GROUP = "mmlego.tests"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry[type]:
    made: Registry[type] = Registry("kind", GROUP)
    monkeypatch.setattr(outside, "OFFERED", [made])
    return made


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder whose distributions are installed."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("outside_"):
            del sys.modules[name]


def offer(site: Path, module: str, name: str, code: str | None = None) -> None:
    write_distribution(site, module, CODE.format(name=name) if code is None else code, {GROUP: {name: module}})


def test_what_is_offered_is_listed_and_imported_when_it_is_asked_for(registry: Registry[type], site: Path) -> None:
    registry.add("own", int)
    offer(site, "outside_a", "a")
    offer(site, "outside_b", "b")
    assert list(registry) == ["own", "a", "b"]
    assert len(registry) == 3
    assert registry["own"] is int
    assert not {"outside_a", "outside_b"} & set(sys.modules)
    assert registry["a"].__module__ == "outside_a"
    assert "outside_b" not in sys.modules
    assert "c" not in registry
    assert "outside_b" not in sys.modules, "an unknown name imports nothing"
    registry.load_all()
    assert "outside_b" in sys.modules


def test_one_that_breaks_is_named_and_the_others_go_on(registry: Registry[type], site: Path) -> None:
    offer(site, "outside_broken", "broken", CODE.format(name="half") + "import no_such_package\n")
    offer(site, "outside_b", "b")
    for _ in range(2):  # what it had registered before it broke is gone
        with pytest.raises(
            MissingExtraError,
            match=r"^the kind 'broken' of outside-broken 1\.5 cannot be imported \(ModuleNotFoundError: No module "
            r"named 'no_such_package'\)\. Install what it needs",
        ):
            registry["broken"]
        assert "half" not in registry
    with pytest.warns(LegoWarning, match=r"the kind 'broken' of outside-broken 1\.5 cannot be imported"):
        registry.load_all()
    assert registry["b"].__module__ == "outside_b"


def test_one_that_registers_another_name_is_named(registry: Registry[type], site: Path) -> None:
    offer(site, "outside_other", "promised", CODE.format(name="kept"))
    with pytest.raises(InputError, match=r"the kind 'promised' of outside-other 1\.5 is not there: .*got kept"):
        registry["promised"]


def test_a_name_that_two_offer_is_refused(registry: Registry[type], site: Path) -> None:
    offer(site, "outside_a", "same")
    offer(site, "outside_b", "same")
    with pytest.raises(InputError, match=r"several .* offer the kind 'same': .*got outside-a 1\.5, outside-b 1\.5"):
        registry["same"]
    assert not {"outside_a", "outside_b"} & set(sys.modules)


def test_a_name_of_mmlegos_own_is_never_given_away(registry: Registry[type], site: Path) -> None:
    registry.add("table", InputError)  # any class of mmlego's
    offer(site, "outside_thief", "table")
    with pytest.warns(LegoWarning, match=r"outside-thief 1\.5 offers the kind 'table', a name that mmlego has itself"):
        assert registry["table"] is InputError
    assert "outside_thief" not in sys.modules


def test_a_taken_name_is_refused_and_the_same_class_again_is_not() -> None:
    registry: Registry[type] = Registry("kind")
    registry.add("a", int)
    registry.add("a", int)
    with pytest.raises(InputError, match="the kind name 'a' is taken: expected a new name, got str, where it is int"):
        registry.add("a", str)


def test_a_taken_name_of_a_kind_or_encoder_is_refused() -> None:
    class Mine(TableSource):
        pass

    with pytest.raises(InputError, match="the kind name 'table' is taken"):
        register_kind(Mine, TablePreprocessor)
    with pytest.raises(InputError, match="the encoder name 'snn' is taken"):
        register_encoder("snn")(type("Mine", (SNN,), {}))
    assert SNN(3).config["in_features"] == 3


SIGNALS = {
    "key": "id",
    "outcome": {"task": "classification", "file": "outcome.csv", "label": "died"},
    "modalities": {
        "ecg": {"kind": "signal", "pattern": "ecg_{key}.npy"},
        "clinical": {"kind": "table", "file": "clinical.csv"},
    },
}
QUICK = ["-s", "fit.epochs=1", "-s", "plate.channels=4", "-s", "plate.width=8", "-s", "encoders.ecg.name=waves"]


def write_signals(folder: Path, patients: int = 24) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    outcome, clinical = ["id,died"], ["id,age"]
    for i in range(patients):
        np.save(folder / f"ecg_{i:02d}.npy", rng.normal(size=50 + i) + i % 2)
        outcome.append(f"{i:02d},{i % 2}")
        clinical.append(f"{i:02d},{40 + rng.integers(40)}")
    (folder / "outcome.csv").write_text("\n".join(outcome))
    (folder / "clinical.csv").write_text("\n".join(clinical))
    (folder / "cohort.yaml").write_text(yaml.safe_dump(SIGNALS, sort_keys=False))
    return folder / "cohort.yaml"


def python(code: str, *arguments: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program in a new process, which finds mmlego, and distributions in ``path``."""
    folders = [str(Path(mmlego.__file__).parents[1]), *([] if path is None else [str(path)])]
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


COMMANDS = """
import json, sys
from mmlego.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["mmlego", *words]
    try:
        main()
    except SystemExit as stop:
        if stop.code:
            raise
"""


def commands(*lines: list[object], path: Path | None = None) -> subprocess.CompletedProcess[str]:
    return python(COMMANDS, json.dumps([[str(word) for word in line] for line in lines]), path=path)


BACK = """
import sys, torch, mmlego
block = mmlego.load(sys.argv[1])
assert type(block.encoder).__module__ == "mmlego_waves", type(block.encoder)
assert block.preprocessing.config() == {"name": "signal", "version": 1, "length": block.encoder.in_features}
assert torch.isfinite(block(torch.zeros(2, block.encoder.in_features)).logits).all()
"""


def test_a_kind_an_encoder_and_a_rule_from_outside_go_all_the_way(tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_distribution(site, "mmlego_signal", SIGNAL, {"mmlego.kinds": {"signal": "mmlego_signal"}})
    write_distribution(site, "mmlego_waves", WAVES, {"mmlego.encoders": {"waves": "mmlego_waves"}})
    write_distribution(site, "mmlego_largest", LARGEST, {"mmlego.merge_rules": {"largest": "mmlego_largest"}})
    manifest, run = write_signals(tmp_path / "data"), tmp_path / "run"
    made = commands(
        ["train", "-d", manifest, "-o", run, "--no-progress", *QUICK],
        ["merge", run, "-o", tmp_path / "merged", "--rule", "largest"],
        path=site,
    )
    assert made.returncode == 0, made.stderr
    assert "signal" in made.stdout
    # A process that never saw the manifest builds kind and encoder from the names in the checkpoint.
    back = python(BACK, run / "blocks" / "ecg", path=site)
    assert back.returncode == 0, back.stderr
    told = commands(["predict", tmp_path / "merged", "-d", manifest, "-o", tmp_path / "p.csv"], path=site)
    assert told.returncode == 0, told.stderr
    with (tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] if "id" in row else row["patient"] for row in rows] == [f"{i:02d}" for i in range(24)]
    assert {row["has_ecg"] for row in rows} <= {"1", "True", "true", "yes"}
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["options"]["rule"] == "largest"
    with pytest.raises(UnknownNameError, match=r"unknown merge rule: .*got 'largest'"):
        get_rule("largest")
    # Here they are not installed: both are unknown names, and nothing is imported by what a file says.
    assert "modality ecg: unknown kind" in refused("train", "-d", manifest, "-o", tmp_path / "again")
    with pytest.raises(UnknownNameError, match=r"unknown encoder.*got 'waves'"):
        mmlego.load(run / "blocks" / "ecg")


TASK = """
from dataclasses import dataclass
from typing import ClassVar
from mmlego.tasks import Regression, register_task

@register_task
@dataclass(frozen=True)
class Dose(Regression):
    name: ClassVar[str] = "dose"
"""
TOLD = """
import sys
from mmlego.tasks import task_from_config, task_names
assert "dose" in task_names() and "mmlego_dose" not in sys.modules
task = task_from_config({"name": "dose", "targets": ["a", "b"], "mean": [0.0, 0.0], "scale": [1.0, 1.0]})
assert type(task).__module__ == "mmlego_dose" and task.outputs == 2, task
"""


def test_a_task_from_outside_is_found_by_its_name(tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_distribution(site, "mmlego_dose", TASK, {"mmlego.tasks": {"dose": "mmlego_dose"}})
    told = python(TOLD, path=site)
    assert told.returncode == 0, told.stderr
    with pytest.raises(UnknownNameError, match="unknown task 'dose'"):
        task_from_config({"name": "dose"})
