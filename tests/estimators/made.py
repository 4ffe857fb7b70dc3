"""Patients for the tests of estimators."""

from __future__ import annotations

import numpy as np
import pandas as pd

N = 60
QUICK = {"fit.epochs": 2, "fuse.fit.epochs": 1, "fuse.across": None}


def features(n: int = N, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Return two tables and the risk that shows in both; a fifth lacks the first, others the second."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    rna = pd.DataFrame(risk[:, None] + rng.normal(size=(n, 4)), columns=["TP53", "BRCA1", "MYC", "KRAS"])
    clinical = pd.DataFrame({"age": 60 + 5 * risk + rng.normal(size=n), "ldh": rng.normal(size=n) - risk})
    return rna, clinical, risk


def two_levels(n: int = N, seed: int = 0, *, gaps: bool = True) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a table with columns (modality, feature), and the risk."""
    rna, clinical, risk = features(n, seed)
    x = pd.concat({"rna": rna, "clinical": clinical}, axis=1)
    if gaps:
        x.iloc[: n // 5, :4] = np.nan
        x.iloc[-n // 6 :, 4:] = np.nan
    return x, risk


def survival(risk: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return events and times as scikit-survival has them."""
    rng = np.random.default_rng([seed, 1])
    time, until = rng.exponential(20 * np.exp(-risk)), rng.uniform(5, 60, len(risk))
    y = np.empty(len(risk), dtype=[("event", "?"), ("time", "<f8")])
    y["event"], y["time"] = time <= until, np.minimum(time, until).round(2)
    return y
