"""Numbers and infinite values that are declared missing are missing in every kind and form that takes ``missing:``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.errors import InputError

IDS = ["p1", "p2", "p3", "p4"]


def matrix(bad: float) -> np.ndarray:
    return np.array([[bad, 2.5], [1.5, 3.5], [2.5, bad], [4.5, 5.5]])


def csv(folder: Path, bad: float) -> str:
    pd.DataFrame(matrix(bad), IDS, ["g1", "g2"]).to_csv(folder / "a.csv", index_label="id")
    return "file: a.csv"


def parquet(folder: Path, bad: float) -> str:
    pd.DataFrame(matrix(bad), columns=["g1", "g2"]).assign(id=IDS).to_parquet(folder / "a.parquet")
    return "file: a.parquet"


def single(folder: Path, bad: float) -> str:
    frame = pd.DataFrame(matrix(bad).astype(np.float32), columns=["g1", "g2"]).assign(id=IDS)
    frame.to_parquet(folder / "b.parquet")
    return "file: b.parquet"


def genes_in_rows(folder: Path, bad: float) -> str:
    pd.DataFrame(matrix(bad).T, ["g1", "g2"], IDS).to_csv(folder / "a.tsv", sep="\t", index_label="gene")
    return "file: a.tsv, genes: rows"


def a_file_a_sample(folder: Path, bad: float) -> str:
    for row, patient in zip(matrix(bad), IDS, strict=True):
        (folder / f"{patient}.tsv").write_text("gene\ttpm\n" + "".join(f"g{i + 1}\t{v}\n" for i, v in enumerate(row)))
    return 'pattern: "{key}.tsv"'


def h5ad(folder: Path, bad: float, *, rows: str = "error", stored: str = "dense") -> str:
    anndata = pytest.importorskip("anndata")
    sparse = pytest.importorskip("scipy.sparse")
    values = matrix(bad).astype(np.float32)
    made = {"dense": lambda v: v, "csr": sparse.csr_matrix, "csc": sparse.csc_matrix}[stored](values)
    obs = pd.DataFrame({"id": IDS}, index=[f"cell {i}" for i in range(4)])
    anndata.AnnData(made, obs=obs, var=pd.DataFrame(index=["g1", "g2"])).write_h5ad(folder / "a.h5ad")
    return f"file: a.h5ad, rows: {rows}"


FORMS = {
    "table csv": ("table", csv),
    "table parquet": ("table", parquet),
    "csv": ("omics", csv),
    "parquet": ("omics", parquet),
    "single precision": ("omics", single),
    "genes in rows": ("omics", genes_in_rows),
    "a file a sample": ("omics", a_file_a_sample),
    "h5ad": ("omics", h5ad),
    "h5ad sparse": ("omics", lambda folder, bad: h5ad(folder, bad, stored="csr")),
    "h5ad sparse by column": ("omics", lambda folder, bad: h5ad(folder, bad, stored="csc", rows="mean")),
}


def read(folder: Path, kind: str, section: str) -> Cohort:
    (folder / "cohort.yaml").write_text(f"key: id\nmodalities: {{m: {{kind: {kind}, {section}}}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("bad", "said"), [(np.inf, "inf"), (-np.inf, "-.inf"), (-9.9, "-9.9"), (-9.0, "'-9.0'")])
def test_declared_numbers_are_missing_and_counted(form: str, bad: float, said: str, tmp_path: Path) -> None:
    kind, write = FORMS[form]
    cohort = read(tmp_path, kind, f"{write(tmp_path, bad)}, missing: [{said}]")
    frame = cohort.frames["m"].loc[IDS].astype(float)
    wanted = np.where(matrix(bad) == bad, np.nan, matrix(bad))
    np.testing.assert_array_equal(frame.to_numpy(), wanted)
    if form != "a file a sample":  # whose notes are those of the files
        assert sum("read as missing" in str(note) for note in cohort.dropped) == 1


@pytest.mark.parametrize("form", FORMS)
def test_infinite_values_are_refused_with_a_remedy_that_reads_them(form: str, tmp_path: Path) -> None:
    kind, write = FORMS[form]
    section = write(tmp_path, np.inf)
    with pytest.raises(InputError, match=r"infinite.*missing: \[inf, -inf\]"):
        read(tmp_path, kind, section).prepare(IDS)
    cohort = read(tmp_path, kind, f"{section}, missing: [inf, -inf]")
    values = cohort.prepare(cohort.patients).data(IDS).batch().inputs["m"]
    assert bool(np.isfinite(values.numpy()).all())


def test_cells_of_a_patient_are_averaged_without_those_that_are_missing(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    sparse = pytest.importorskip("scipy.sparse")
    values = np.array([[-9, 2], [3, -9], [5, 4], [-9, 1]], dtype=np.float32)
    obs = pd.DataFrame({"id": ["a", "a", "a", "b"]}, index=list("wxyz"))
    data = anndata.AnnData(sparse.csr_matrix(values), obs=obs, var=pd.DataFrame(index=["g1", "g2"]))
    data.write_h5ad(tmp_path / "a.h5ad")
    frame = read(tmp_path, "omics", "file: a.h5ad, rows: mean, missing: [-9]").frames["m"]
    np.testing.assert_array_equal(frame.loc[["a", "b"]].to_numpy(), [[4.0, 3.0], [np.nan, 1.0]])
    kinds = {"omics": {"kind": "omics", "rows": "mean", "missing": -9}}
    frame = Cohort.from_mudata(data, key="id", kinds=kinds).frames["omics"]
    np.testing.assert_array_equal(frame.loc[["a", "b"]].to_numpy(), [[4.0, 3.0], [np.nan, 1.0]])


def test_zero_that_means_nothing_is_missing_where_a_sparse_matrix_stores_none(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    sparse = pytest.importorskip("scipy.sparse")
    values = sparse.csr_matrix(np.array([[0, 2.5], [1.5, 0], [2.5, 3.5]], dtype=np.float32))
    data = anndata.AnnData(values, obs=pd.DataFrame(index=["a", "b", "c"]), var=pd.DataFrame(index=["g1", "g2"]))
    data.write_h5ad(tmp_path / "a.h5ad")
    frame = read(tmp_path, "omics", "file: a.h5ad, missing: [0]").frames["m"]
    np.testing.assert_array_equal(frame.loc[["a", "b", "c"]].to_numpy(), [[np.nan, 2.5], [1.5, np.nan], [2.5, 3.5]])


def test_mutations_take_no_words_for_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing: belongs to matrices"):
        read(tmp_path, "omics", "file: a.maf, format: maf, sequenced: listed, missing: [-9]")


SERIES = {
    "wide": ("layout: wide, file: a.csv", "id,time,HR\np1,0,{bad}\np1,1,70.5\np2,0,80\n"),
    "long": ("file: a.csv", "id,time,variable,value\np1,0,HR,{bad}\np1,1,HR,70.5\np2,0,HR,80\n"),
}


@pytest.mark.parametrize("layout", SERIES)
@pytest.mark.parametrize("bad", ["inf", "-inf", "1e39"])
def test_infinite_values_of_series_are_refused_or_missing(layout: str, bad: str, tmp_path: Path) -> None:
    section, text = SERIES[layout]
    (tmp_path / "a.csv").write_text(text.format(bad=bad))
    with pytest.raises(InputError, match=r"no number \(HR: .*missing: \["):
        read(tmp_path, "series", f"{section}, cache: false")
    skipped = read(tmp_path, "series", f"{section}, cache: false, on_error: skip")
    assert skipped.patients == ("p2",)
    if bad != "1e39":
        stays = read(tmp_path, "series", f"{section}, cache: false, missing: [{bad}]").frames["m"]["stay"]
        assert stays["p1"].value.tolist() == [70.5]


@pytest.mark.parametrize("layout", SERIES)
def test_numbers_of_series_that_are_declared_missing_are_counted(layout: str, tmp_path: Path) -> None:
    section, text = SERIES[layout]
    (tmp_path / "a.csv").write_text(text.format(bad="-9"))
    cohort = read(tmp_path, "series", f"{section}, cache: false, missing: [-9]")
    assert cohort.frames["m"]["stay"]["p1"].value.tolist() == [70.5]
    assert any("'-9' 1" in str(note) for note in cohort.dropped)
