"""A synthetic cohort of a table, series and bags, whose signal is known: each tells a part that the others do not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from mmlego.data import Cohort
from mmlego.datasets.registry import Dataset, register_dataset

if TYPE_CHECKING:
    import pandas as pd

KEY = "patient"
MANIFEST: dict[str, object] = {
    "name": "synthetic",
    "key": KEY,
    "outcome": {"task": "classification", "file": "outcome.csv", "label": "relapse"},
    "modalities": {
        "clinical": {"kind": "table", "file": "clinical.csv"},
        "vitals": {"kind": "series", "file": "vitals.csv", "bin_hours": 6, "horizon": 24},
        "slides": {"kind": "bag", "pattern": "slides/{key}.pt", "sample": 32},
    },
}
LACKS = 0.1  # of the patients, each modality
WIDTH = 16  # features a patch
Floats = NDArray[np.float64]


def write_synthetic(folder: Path, *, patients: int = 400, seed: int = 0) -> Path:
    """Write the files of a synthetic cohort, and its manifest.

    Three hidden numbers a patient, standard normal and independent; the odds of a relapse are the exponential of twice
    their sum. Each modality tells one of them, with noise: two columns of a table; how fast the pulse rises and how
    often lactate is measured; which share of a slide's patches is of another kind. One patient in ten lacks a modality,
    at random; nobody lacks all.

    Parameters
    ----------
    folder
        Where to; made if it is not there.
    patients
        How many.
    seed
        Of all that is drawn.

    Returns
    -------
    Path
        The manifest.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from mmlego.data import Cohort
    >>> with TemporaryDirectory() as folder:
    ...     Cohort.from_manifest(write_synthetic(Path(folder), patients=20))
    Cohort(synthetic: 20 patients; clinical 18, vitals 18, slides 18)
    """
    import pandas as pd
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    ids = [f"S{place:04d}" for place in range(patients)]
    hidden = rng.normal(size=(patients, 3))
    relapse = np.where(rng.random(patients) < 1 / (1 + np.exp(-2 * hidden.sum(1))), "yes", "no")
    pd.DataFrame({KEY: ids, "relapse": relapse}).to_csv(folder / "outcome.csv", index=False)
    lacking = rng.permutation(patients)  # one after the other, so that nobody lacks two of them
    count = int(LACKS * patients)
    has = [np.setdiff1d(np.arange(patients), lacking[i * count : (i + 1) * count]) for i in range(3)]
    _clinical(ids, hidden[:, 0], rng).iloc[has[0]].to_csv(folder / "clinical.csv", index=False)
    vitals = pd.concat([_stay(ids[i], hidden[i, 1], rng) for i in has[1]])
    vitals.to_csv(folder / "vitals.csv", index=False)
    (folder / "slides").mkdir(exist_ok=True)
    for i in has[2]:
        torch.save(_slide(hidden[i, 2], rng), folder / "slides" / f"{ids[i]}.pt")
    manifest = folder / "cohort.yaml"
    manifest.write_text(yaml.safe_dump(MANIFEST, sort_keys=False), encoding="utf-8")
    return manifest


def synthetic(folder: Path, *, patients: int = 400, seed: int = 0) -> Cohort:
    """Return the synthetic cohort, whose bags stay in their files.

    Parameters
    ----------
    folder
        Where the files go, into a folder named by the two numbers below; what is there already is read.
    patients, seed
        As :func:`write_synthetic` takes them.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     synthetic(Path(folder), patients=20)
    Cohort(synthetic: 20 patients; clinical 18, vitals 18, slides 18)
    """
    place = Path(folder) / f"synthetic-{patients}-{seed}"
    if not (place / "cohort.yaml").is_file():  # it is written last
        write_synthetic(place, patients=patients, seed=seed)
    return Cohort.from_manifest(place / "cohort.yaml")


def _clinical(ids: list[str], hidden: Floats, rng: np.random.Generator) -> pd.DataFrame:
    import pandas as pd

    n = len(ids)
    table = {KEY: ids, "age": (60 + 8 * hidden + rng.normal(0, 4, n)).round(), "sex": rng.choice(["f", "m"], n)}
    table["crp"] = np.exp(1 + 0.6 * hidden + rng.normal(0, 0.4, n)).round(2)
    for place in range(6):
        table[f"marker_{place}"] = rng.normal(size=n).round(3)
    made = pd.DataFrame(table)
    made.loc[rng.random(n) < 0.1, "crp"] = np.nan
    return made


def _stay(patient: str, hidden: float, rng: np.random.Generator) -> pd.DataFrame:
    import pandas as pd

    hours = np.sort(rng.uniform(0, 24, 24)).round(2)
    pulse = 80 + hidden * (hours - 12) + rng.normal(0, 6, len(hours))
    often = rng.random(len(hours)) < 1 / (1 + np.exp(1.5 - hidden))
    lactate = rng.lognormal(0.5, 0.4, len(hours))
    rows = [(patient, hour, "pulse", round(value, 1)) for hour, value in zip(hours, pulse, strict=True)]
    rows += [(patient, hour, "lactate", round(x, 2)) for hour, x in zip(hours[often], lactate[often], strict=True)]
    return pd.DataFrame(rows, columns=[KEY, "time", "variable", "value"])


def _slide(hidden: float, rng: np.random.Generator) -> torch.Tensor:
    patches = rng.normal(size=(int(rng.integers(20, 120)), WIDTH))
    odd = rng.random(len(patches)) < 1 / (1 + np.exp(1.0 - 1.5 * hidden))
    patches[odd, :4] += 2.0
    return torch.from_numpy(patches.astype(np.float32))


register_dataset(
    Dataset(
        "synthetic",
        "a table, series and bags, known signal",
        synthetic,
        lambda folder, seed: write_synthetic(folder, seed=seed),
    )
)
