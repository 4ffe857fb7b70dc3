"""Cohorts that need no download, written as the files that a user would have: tables and a manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from mmlego.bench.cohorts import gse7390
from mmlego.bench.synthetic import write_synthetic
from mmlego.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

KEY = "patient"
GSE7390: Mapping[str, object] = MappingProxyType(
    {
        "name": "GSE7390",
        "key": KEY,
        "outcome": {
            "task": "survival",
            "file": "outcome.csv",
            "time": "years",
            "event": "metastasis",
            "event_when": 1,
            "bins": 4,
        },
        "modalities": {
            "genes": {"kind": "table", "file": "genes.csv"},
            "clinical": {"kind": "table", "file": "clinical.csv"},
        },
    }
)


def write_gse7390(folder: Path, seed: int = 0) -> Path:
    """Write GSE7390 as tables of genes, clinical data and outcome, with a manifest.

    Parameters
    ----------
    folder
        Where to; made if it is not there.
    seed
        Without effect: nothing is drawn.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    MissingExtraError
        If scikit-survival is not installed, in which the data ship.
    """
    import yaml

    cohort = gse7390()
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in cohort.frames.items():
        frame.to_csv(folder / f"{name}.csv", index_label=KEY)
    outcome = cast("pd.DataFrame", cohort.outcome).rename(columns={"time": "years", "event": "metastasis"})
    outcome.astype({"metastasis": int}).to_csv(folder / "outcome.csv", index_label=KEY)
    manifest = folder / "cohort.yaml"
    manifest.write_text(yaml.safe_dump(dict(GSE7390), sort_keys=False), encoding="utf-8")
    return manifest


EXAMPLES: Mapping[str, Callable[[Path, int], Path]] = MappingProxyType(
    {"gse7390": write_gse7390, "synthetic": lambda folder, seed: write_synthetic(folder, seed=seed)}
)


def write_example(name: str, folder: Path, seed: int = 0) -> Path:
    """Write the files of an example cohort.

    Parameters
    ----------
    name
        ``gse7390`` or ``synthetic``.
    folder
        Where to; it may not hold a manifest yet.
    seed
        Of what is drawn.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    UnknownNameError
        If there is no such example.
    InputError
        If the folder holds a manifest.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_example("synthetic", Path(folder) / "here").name
    'cohort.yaml'
    """
    if name not in EXAMPLES:
        raise UnknownNameError("no such example", expected=f"one of {', '.join(EXAMPLES)}", got=repr(name))
    if (folder / "cohort.yaml").exists():
        raise InputError(f"{folder} holds a manifest", expected="a new folder", remedy="Choose another with --out.")
    return EXAMPLES[name](folder, seed)
