"""The cohorts of the merging benchmark, each with the settings of its example."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from mmlego.bench.cohorts import gse7390
from mmlego.bench.synthetic import write_synthetic
from mmlego.data import Cohort
from mmlego.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
HELD_OUT = ("bbbp", "clintox", "synthetic")  # played no part in any choice of a default
# What all methods of a cohort may spend, where the defaults would take hours: graphs and characters are slow.
BUDGET = {name: ["fit.epochs=15", "fit.batch_size=64", "fit.patience=4"] for name in ("bbbp", "clintox")}


def cohort_of(name: str, data: Path) -> Cohort:
    """Return a cohort by name; ``data`` holds the folders tcga, physionet2012 and molecules.

    Raises
    ------
    InputError
        If a file is not there.
    """
    made: dict[str, Callable[[], Cohort]] = {
        "gse7390": gse7390,
        "synthetic": _synthetic,
        "icu": lambda: Cohort.from_manifest(EXAMPLES / "icu" / "cohort.yaml", folder=data / "physionet2012"),
        "blca": lambda: Cohort.from_manifest(EXAMPLES / "tcga" / "blca.yaml", folder=data / "tcga"),
        "kirp": lambda: Cohort.from_manifest(EXAMPLES / "tcga" / "kirp.yaml", folder=data / "tcga"),
        "bbbp": lambda: Cohort.from_manifest(EXAMPLES / "bbbp" / "cohort.yaml", folder=data / "molecules"),
        "clintox": lambda: Cohort.from_manifest(EXAMPLES / "clintox" / "cohort.yaml", folder=data / "molecules"),
    }
    return made[name]()


def settings_of(name: str, overrides: Sequence[str] = ()) -> Settings:
    """Return the settings of a cohort's example; the defaults where it has none."""
    folder = {"blca": "tcga", "kirp": "tcga"}.get(name, name)
    file = EXAMPLES / folder / "settings.yaml"
    return read_settings(file if file.is_file() else None, [*BUDGET.get(name, ()), *overrides])


def _synthetic() -> Cohort:
    # The bags stay in their files, so the folder must outlive this call; it is emptied with the temporary files.
    folder = Path(tempfile.gettempdir()) / "mmlego-synthetic-600"
    if not (folder / "cohort.yaml").is_file():
        write_synthetic(folder, patients=600, seed=0)
    return Cohort.from_manifest(folder / "cohort.yaml")
