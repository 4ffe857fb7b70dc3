"""The cohorts of the merging benchmark, each with the settings of its example."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmlego.cells import in_dataset
from mmlego.data import Cohort
from mmlego.datasets import Dataset, dataset_names, load_dataset, register_dataset
from mmlego.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
# What all methods of a cohort may spend, where the defaults would take hours: graphs and characters are slow.
BUDGET = {name: ["fit.epochs=15", "fit.batch_size=64", "fit.patience=4"] for name in ("bbbp", "clintox")}


# Those of the library's register, and those whose manifests are in examples; each by the folder of its files.
SYNTHETIC = Path(tempfile.gettempdir()) / "mmlego-synthetic"
NAMED: dict[str, dict[str, Any]] = {"gse7390": {}, "synthetic": {"folder": str(SYNTHETIC), "patients": 600}}
FILES = {
    "icu": ("icu/cohort.yaml", "physionet2012"),
    "blca": ("tcga/blca.yaml", "tcga"),
    "kirp": ("tcga/kirp.yaml", "tcga"),
    "bbbp": ("bbbp/cohort.yaml", "molecules"),
    "clintox": ("clintox/cohort.yaml", "molecules"),
}


def _read(manifest: str, folder: str, data: str) -> Cohort:
    return Cohort.from_manifest(EXAMPLES / manifest, folder=Path(data) / folder)


for _name in FILES.keys() - {*dataset_names()}:  # a second import finds them there
    register_dataset(Dataset(_name, f"of examples/{FILES[_name][0]}", functools.partial(_read, *FILES[_name])))


def cohort_of(name: str, data: Path) -> Cohort:
    """Return a cohort by name; ``data`` holds the folders tcga, physionet2012 and molecules.

    Raises
    ------
    InputError
        If a file is not there.
    """
    return load_dataset(name, _options(name, data))


def place_of(name: str, data: Path) -> dict[str, Any]:
    """Return where a cohort lies, for the workers of other processes, which import this module."""
    return in_dataset(name, _options(name, data))


def _options(name: str, data: Path) -> dict[str, Any]:
    return NAMED.get(name, {"data": str(data.absolute())})


# Neural blocks alone, and a fuse of nothing else: what the paper merges.
NEURAL = ["encoder.name=neural", "fuse.across=null"]


def settings_of(name: str, overrides: Sequence[str] = (), *, neural: bool = True) -> Settings:
    """Return the settings of a cohort: the defaults, or for neural blocks those of its example where it has some."""
    if not neural:
        return read_settings(None, overrides)
    folder = {"blca": "tcga", "kirp": "tcga"}.get(name, name)
    file = EXAMPLES / folder / "settings.yaml"
    return read_settings(file if file.is_file() else None, [*NEURAL, *BUDGET.get(name, ()), *overrides])
