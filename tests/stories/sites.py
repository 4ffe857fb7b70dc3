"""Folders that share nothing but what is copied from one to another, and the command line run in each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from tests.terminal import Said, done, inside

CLEAN = {**os.environ, "COLUMNS": "100", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error::UserWarning"}
TIMES = {"time": "months", "unit": "months", "event": "died", "event_when": "yes"}
KINDS = {
    "slides": {"kind": "bag", "pattern": "slides/{key}.npy"},
    "rna": {"kind": "omics", "file": "rna.csv"},
    "clinical": {"kind": "table", "file": "clinical.csv"},
}


class Command:
    """The command line in a process of its own, which works in a folder."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        command = [sys.executable, "-m", "mmlego", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, cwd=folder, env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def done(self) -> None:
        """Wait for it; it has to succeed."""
        _, told = self.process.communicate(timeout=300)
        assert self.process.returncode == 0, told


def run(folder: Path, *arguments: object) -> Said:
    """Run a command in a folder, in this process: one that starts anew takes longer to start than to do its work."""
    with inside(folder):
        return done(*arguments, width=100)


def send(what: Path, to: Path) -> None:
    """Copy an artefact from one folder to another, as a stick or a hub would."""
    shutil.copytree(what, to)


def write_site(
    folder: Path, modalities: Sequence[str], *, first: int, n: int, drop: str | None = None, gaps: bool = False
) -> None:
    """Write what a site has of patients of its own: a manifest, an outcome, and files of some modalities.

    The risk shows in every modality: slides and RNA tell one half of it, clinical data the other.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(first)
    ids = pd.Index([f"{folder.name}-{first + i}" for i in range(n)], name="patient")
    inside, outside = rng.normal(size=(2, n))
    died = rng.exponential(20 * np.exp(-inside - outside))
    until = rng.uniform(6, 72, n)
    pd.DataFrame(
        {"months": np.minimum(died, until).round(2), "died": np.where(died <= until, "yes", "no")}, index=ids
    ).to_csv(folder / "outcome.csv")
    has = {name: np.ones(n, dtype=bool) for name in modalities}
    if gaps:  # every subset of what there is
        for i in range(n):
            for place, name in enumerate(modalities):
                has[name][i] = bool((i % (2 ** len(modalities) - 1) + 1) >> place & 1)
    if "slides" in has:
        (folder / "slides").mkdir()
        for i in np.flatnonzero(has["slides"]):
            patches = rng.normal(size=(int(rng.integers(4, 9)), 6)).astype(np.float32)
            patches[:, 0] += inside[i]
            np.save(folder / "slides" / f"{ids[i]}.npy", patches)
    if "rna" in has:
        genes = rng.normal(size=(n, 8)) + inside[:, None] * np.linspace(1, 0, 8)
        table = pd.DataFrame(genes, index=ids, columns=[f"GENE{i}" for i in range(8)]).round(3)
        table[has["rna"]].to_csv(folder / "rna.csv")
    if "clinical" in has:
        words = np.where(rng.random(n) < 0.1, "II", np.where(outside > 0, "III", "I"))
        table = pd.DataFrame({"age": (60 + 8 * outside + 3 * rng.normal(size=n)).round(1), "stage": words}, index=ids)
        table["smoker"] = np.where(rng.random(n) < 0.3, "yes", "no")
        table = table[has["clinical"]]
        (table if drop is None else table.drop(columns=drop)).to_csv(folder / "clinical.csv")
    manifest = {
        "key": "patient",
        "outcome": {"task": "survival", "file": "outcome.csv", **TIMES},
        "modalities": {name: KINDS[name] for name in modalities},
    }
    (folder / "cohort.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
