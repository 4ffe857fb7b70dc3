"""Genes of one name are one, by the rule that the section declares, in files of AnnData, MuData and in memory alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.errors import InputError

anndata = pytest.importorskip("anndata", reason="needs mmlego[omics]")
sparse = pytest.importorskip("scipy.sparse")

NAN = np.nan
GENES = ["A", "B", "A", "C", "A"]
VALUES = np.array([[1, 7, 3, 0, 5], [2, 8, 0, 1, 0], [0, 9, 0, 2, 4]], dtype=np.float32)
WANTED = {  # of A, in the three rows
    "first": [1, 2, 0],
    "mean": [3, 2 / 3, 4 / 3],
    "sum": [9, 2, 4],
    "max": [5, 2, 4],
}
STORED = {"dense": lambda v: v, "csr": sparse.csr_matrix, "csc": sparse.csc_matrix}


def data(stored: str = "dense", values: np.ndarray = VALUES) -> anndata.AnnData:
    obs = pd.DataFrame({"id": ["p1", "p2", "p3"]}, index=list("xyz"))
    var = pd.DataFrame({"symbol": GENES}, index=[f"ENSG{i}" for i in range(5)])
    return anndata.AnnData(STORED[stored](values), obs=obs, var=var)


def read(folder: Path, section: str) -> Cohort:
    (folder / "cohort.yaml").write_text(f"key: id\nmodalities: {{rna: {{kind: omics, {section}}}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("rule", WANTED)
def test_a_rule_for_genes_of_one_name(rule: str, stored: str, tmp_path: Path) -> None:
    made = data(stored)
    made.write_h5ad(tmp_path / "a.h5ad")
    section = "file: a.h5ad, gene_column: symbol"
    with pytest.raises(
        InputError, match=r"variables of the same name \(A\)\. .*same_name: mean \(or first, sum, max\)"
    ):
        read(tmp_path, section)
    kinds = {"omics": {"kind": "omics", "gene_column": "symbol", "same_name": rule}}
    for cohort in (read(tmp_path, f"{section}, same_name: {rule}"), Cohort.from_mudata(made, key="id", kinds=kinds)):
        frame = next(iter(cohort.frames.values()))
        assert list(frame) == ["A", "B", "C"]
        np.testing.assert_allclose(frame.loc[["p1", "p2", "p3"], "A"], WANTED[rule], rtol=1e-6)
        np.testing.assert_array_equal(frame.loc[["p1", "p2", "p3"], ["B", "C"]], VALUES[:, [1, 3]])
        assert any("1 gene with several columns" in str(note) for note in cohort.dropped)
    chosen = read(tmp_path, f"{section}, same_name: {rule}, columns: [C, A]").frames["rna"]
    assert list(chosen) == ["C", "A"]
    np.testing.assert_allclose(chosen["A"], WANTED[rule], rtol=1e-6)


@pytest.mark.parametrize("stored", STORED)
def test_genes_are_made_one_before_cells_are_averaged(stored: str, tmp_path: Path) -> None:
    made = data(stored)
    made.obs["id"] = ["p1", "p1", "p2"]
    made.write_h5ad(tmp_path / "a.h5ad")
    section = "file: a.h5ad, gene_column: symbol, rows: mean, same_name: max"
    frame = read(tmp_path, section).frames["rna"]
    assert frame.loc["p1"].tolist() == [3.5, 7.5, 0.5]  # of 5 and 2, not the maximum of means
    kinds = {"omics": {"kind": "omics", "gene_column": "symbol", "same_name": "max", "rows": "mean"}}
    assert Cohort.from_mudata(made, key="id", kinds=kinds).frames["omics"].loc["p1"].tolist() == [3.5, 7.5, 0.5]


def test_what_is_missing_in_one_column_is_taken_from_another(tmp_path: Path) -> None:
    values = VALUES.copy()
    values[0, [0, 2, 4]] = [-9, 3, -9]
    values[1, [0, 2, 4]] = -9
    data(values=values).write_h5ad(tmp_path / "a.h5ad")
    section = "file: a.h5ad, gene_column: symbol, same_name: sum, missing: [-9]"
    np.testing.assert_array_equal(read(tmp_path, section).frames["rna"]["A"], [3, NAN, 4])


def test_a_table_in_memory() -> None:
    frame = pd.DataFrame(VALUES, ["p1", "p2", "p3"], GENES)
    with pytest.raises(InputError, match=r"columns of the same name \(A\)\. .*same_name: mean \(or first, sum, max\)"):
        Cohort.from_frames({"rna": frame}, kinds={"rna": {"kind": "omics"}})
    made = Cohort.from_frames({"rna": frame}, kinds={"rna": {"kind": "omics", "same_name": "sum"}}).frames["rna"]
    assert list(made) == ["A", "B", "C"]
    assert made["A"].tolist() == [9, 2, 4]


def test_a_gene_without_a_name_says_which_key_mends_it(tmp_path: Path) -> None:
    made = data()
    made.var["symbol"] = ["A", "B", None, "C", "D"]
    made.write_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match=r"1 variable without a name\. Name another column of var, as gene_column"):
        read(tmp_path, "file: a.h5ad, gene_column: symbol")
    assert list(read(tmp_path, "file: a.h5ad").frames["rna"]) == [f"ENSG{i}" for i in range(5)]  # the remedy
