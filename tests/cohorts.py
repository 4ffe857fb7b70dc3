"""Small cohorts as files with a manifest, which the tests of experiments and of the command line run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

KEY = "patient_id"
#: How wide each table is, and which share of the patients lacks it.
WIDTHS = {"rna": 6, "clinical": 3, "labs": 4}
GAPS = {"rna": 0.0, "clinical": 0.15, "labs": 0.3}
#: Settings with which a block trains in about a second.
QUICK = {
    "plate": {"channels": 4, "width": 8, "heads": 2, "head_width": 4},
    "encoder": {"options": {"hidden": [8]}},
    "fit": {"epochs": 2},
    "fuse": {"fit": {"epochs": 1}},
}
SURVIVAL = {"task": "survival", "time": "months", "event": "status", "event_when": "dead", "bins": 3}
CLASSES = {"task": "classification", "label": "relapse"}


def write_cohort(
    folder: Path,
    modalities: Sequence[str] = ("rna", "clinical"),
    *,
    n: int = 60,
    outcome: Mapping[str, object] | None = SURVIVAL,
    name: str = "trial",
    first: int = 0,
    seed: int = 0,
) -> Path:
    """Write tables and a manifest; return the manifest.

    The risk of a patient shows in every table. The rows of each file stand in an order of their own, so that nothing
    can be joined by position; ids keep leading zeros.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    patients = [f"{place:03d}" for place in range(first, first + n)]
    risk = rng.normal(size=n)
    months = rng.exponential(20 * np.exp(-risk))
    until = rng.uniform(5, 60, n)
    followed = pd.DataFrame(
        {
            KEY: patients,
            "months": np.minimum(months, until).round(2),
            "status": np.where(months <= until, "dead", "alive"),
            "relapse": np.where(risk > 0, "yes", "no"),
            "grade": pd.cut(risk, [-np.inf, -0.5, 0.5, np.inf], labels=["low", "middle", "high"]),
            "il6": (5 + 2 * risk).round(3),
            "tox_liver": (risk > 0.3).astype(int),
            "tox_skin": np.where(rng.random(n) < 0.2, "", (risk < 0).astype(int)),
        }
    )
    _shuffled(followed, rng).to_csv(folder / "outcome.csv", index=False)
    for modality in modalities:
        values = rng.normal(size=(n, WIDTHS[modality])) + 0.8 * risk[:, None]
        table = pd.DataFrame(values.round(4), columns=[f"{modality}_{j}" for j in range(WIDTHS[modality])])
        if modality == "clinical":
            table["sex"] = rng.choice(["f", "m"], n)
        table.insert(0, KEY, patients)
        # The gaps are the last patients of the one table and the first of the other, so nobody lacks all.
        lacking = int(GAPS[modality] * n)
        table = table[lacking:] if modality == "labs" else table[: n - lacking]
        _shuffled(table, rng).to_csv(folder / f"{modality}.csv", index=False)
    manifest: dict[str, object] = {"name": name, "key": KEY, "min_patients": 1}  # parts of folds have fewer than five
    if outcome is not None:
        manifest["outcome"] = {"file": "outcome.csv", **outcome}
    manifest["modalities"] = {modality: {"kind": "table", "file": f"{modality}.csv"} for modality in modalities}
    path = folder / "cohort.yaml"
    path.write_text(yaml.safe_dump(manifest, sort_keys=False))
    return path


def write_quick(folder: Path) -> Path:
    """Write the quick settings; return the file."""
    path = folder / "quick.yaml"
    path.write_text(yaml.safe_dump(QUICK))
    return path


def _shuffled(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return table.iloc[rng.permutation(len(table))]
