"""What are logarithms already is doubted where ``log1p: true`` is declared; counts and what is made of them are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.random import default_rng

from mmlego.data import Cohort, check_manifest

CELLS = default_rng(0).poisson(np.exp(default_rng(1).normal(-1, 1.5, 60)), (200, 60)).astype(float)
PER_10K = 1e4 * (CELLS + 1e-9) / (CELLS + 1e-9).sum(axis=1, keepdims=True) * (CELLS > 0)
MEANS = CELLS.reshape(20, 10, 60).mean(axis=1)
TPM = 1e6 * MEANS / MEANS.sum(axis=1, keepdims=True)
MATRICES = {
    "counts": (CELLS[:20], False),
    "means of counts": (MEANS, False),
    "TPM": (TPM, False),
    "shares": (default_rng(2).beta(0.5, 0.5, (20, 60)), False),
    "log2(TPM + 1)": (np.log2(TPM + 1), True),
    "log10(TPM + 1)": (np.log10(TPM + 1), True),
    "a microarray": (default_rng(3).normal(7, 2, (20, 60)).clip(2.3, 14), True),
}


@pytest.mark.parametrize("name", MATRICES)
def test_a_table(name: str) -> None:
    values, doubted = MATRICES[name]
    frame = pd.DataFrame(values, [f"p{n}" for n in range(20)]).add_prefix("G")
    cohort = Cohort.from_frames({"rna": frame}, kinds={"rna": {"kind": "omics", "log1p": True}})
    told = [str(note) for note in cohort.dropped if "looks like logarithms" in str(note)]
    assert len(told) == doubted
    plain = Cohort.from_frames({"rna": frame}, kinds={"rna": {"kind": "omics"}})
    assert not any("logarithms" in str(note) for note in plain.dropped)


@pytest.mark.parametrize(("values", "doubted"), [(CELLS, False), (PER_10K, False), (np.log1p(PER_10K), True)])
def test_cells_are_looked_at_before_they_are_averaged(values: np.ndarray, doubted: bool, tmp_path: Path) -> None:
    import anndata
    from scipy.sparse import csr_matrix

    obs = pd.DataFrame({"id": [f"p{n // 10}" for n in range(200)]}, index=[f"c{n}" for n in range(200)])
    var = pd.DataFrame(index=[f"G{n}" for n in range(60)])
    anndata.AnnData(csr_matrix(values), obs, var).write_h5ad(tmp_path / "cells.h5ad")
    manifest = tmp_path / "cohort.yaml"
    manifest.write_text("key: id\nmodalities: {rna: {kind: omics, file: cells.h5ad, rows: mean, log1p: true}}")
    report = check_manifest(manifest)
    assert report.ok
    assert any("looks like logarithms" in line for line in report.doubtful) is doubted


def test_negative_values_are_refused_with_the_remedy(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.log10(TPM + 0.1), [f"p{n}" for n in range(20)]).add_prefix("G").rename_axis("id")
    frame.to_csv(tmp_path / "rna.csv")
    manifest = tmp_path / "cohort.yaml"
    manifest.write_text("key: id\nmodalities: {rna: {kind: omics, file: rna.csv, log1p: true}}")
    wrong = check_manifest(manifest).wrong
    assert len(wrong) == 1
    assert "negative values in G" in wrong[0]
    assert wrong[0].endswith("They may be logarithms already: leave log1p out.")
