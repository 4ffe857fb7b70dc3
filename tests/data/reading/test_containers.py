from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from mmlego.data import Cohort
from mmlego.data.reading.annotated_parts import Part
from mmlego.data.reading.pieces import dense, rows_of_patients
from mmlego.errors import InputError, UnknownNameError

anndata, mudata = pytest.importorskip("anndata"), pytest.importorskip("mudata")

# what the packages say of their own future, and of names that stand twice, which is tested here
pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore:.*names are not unique:UserWarning", "ignore::anndata.ImplicitModificationWarning"
)

NAN = float("nan")


def part(names: list[str], genes: list[str], **obs: object) -> object:
    """An AnnData whose values say whose and which they are."""
    values = [[100.0 * int(name[1:]) + i for i, _ in enumerate(genes)] for name in names]
    return anndata.AnnData(np.array(values), pd.DataFrame(obs, index=names), pd.DataFrame(index=genes))


def whole(**parts: object) -> object:
    return mudata.MuData(parts)


def manifest(folder: Path, text: str, key: str = "id") -> Cohort:
    (folder / "cohort.yaml").write_text(f"key: {key}\nmodalities:\n{text}")
    return Cohort.from_manifest(folder / "cohort.yaml")


BOTH = "  rna: {kind: omics, file: a.h5mu}\n  adt: {kind: omics, file: a.h5mu}\n"


@pytest.mark.parametrize("order", list(itertools.permutations(["p1", "p2", "p3", "p4"])))
def test_who_has_a_modality_whatever_the_order_of_the_file(order: tuple[str, ...], tmp_path: Path) -> None:
    """mudata 0.3.10 reads observations in another order than the masks of the file stand in."""
    together = whole(rna=part(["p1", "p2", "p3"], ["A", "B"]), adt=part(["p4", "p2"], ["Q"]))
    chosen = together[list(order)]
    chosen.write(tmp_path / "a.h5mu")
    chosen.write_zarr(tmp_path / "a.zarr")
    cohorts = [Cohort.from_mudata(chosen), Cohort.from_mudata(mudata.read_h5mu(tmp_path / "a.h5mu"))]
    cohorts += [manifest(tmp_path, BOTH), manifest(tmp_path, BOTH.replace(".h5mu", ".zarr"))]
    for cohort in cohorts:
        assert cohort.frames["rna"].sort_index()["B"].to_dict() == {"p1": 101.0, "p2": 201.0, "p3": 301.0}
        assert cohort.frames["adt"].sort_index()["Q"].to_dict() == {"p2": 200.0, "p4": 400.0}


@pytest.mark.parametrize("order", list(itertools.permutations(["p1", "p2", "p3"])))
def test_an_edited_mask_goes_with_its_names(order: tuple[str, ...], tmp_path: Path) -> None:
    together = whole(rna=part(["p1", "p2", "p3"], ["A"]), adt=part(["p2"], ["Q"]))[list(order)].copy()
    together.obsm["rna"] = np.array([name != "p3" for name in together.obs_names])
    in_memory = Cohort.from_mudata(together)
    together.write(tmp_path / "a.h5mu")  # under pandas 3 mudata 0.3.10 then has another mask in memory
    for cohort in (in_memory, manifest(tmp_path, BOTH)):
        assert sorted(cohort.frames["rna"].index) == ["p1", "p2"]


def test_a_mask_that_leaves_open_who_is_meant(tmp_path: Path) -> None:
    twice = part(["p1", "p1", "p2"], ["A"])
    together = whole(rna=twice)
    together.obsm["rna"] = np.array([True, False, True])
    with pytest.raises(InputError, match=r"'p1' differ in the mask of 'rna'.*obs_names_make_unique"):
        Cohort.from_mudata(together)


def test_a_key_of_the_modalities_alone(tmp_path: Path) -> None:
    rna, adt = part(["c1", "c2"], ["A"], pid=["P1", "P2"]), part(["c2", "c3"], ["Q"], pid=["P2", "P3"])
    rna.obs["died"] = ["no", "yes"]
    together = whole(rna=rna, adt=adt)
    together.obs["died"] = ["no", "yes", "no"]
    task = {"task": "classification", "label": "died"}
    cohort = Cohort.from_mudata(together, key="pid", task=task)
    assert cohort.frames["adt"]["Q"].to_dict() == {"P2": 200.0, "P3": 300.0}
    assert cohort.outcome["label"].to_dict() == {"P1": "no", "P2": "yes", "P3": "no"}
    del adt.obs["pid"]
    together = whole(rna=rna, adt=part(["c2", "c3"], ["Q"]))
    together.write(tmp_path / "a.h5mu")
    for read in (Cohort.from_mudata(together, key="pid"), manifest(tmp_path, BOTH, key="pid")):
        assert read.frames["adt"]["Q"].to_dict() == {"P2": 200.0}  # nobody knows who c3 is, and that is told
        assert "adt: 1 row without a patient id" in map(str, read.dropped)


def test_a_key_that_is_nowhere_or_says_two_things() -> None:
    together = whole(rna=part(["c1"], ["A"], pid=["P1"]), adt=part(["c1"], ["Q"], pid=["P2"]))
    with pytest.raises(InputError, match=r"named 'c1' differ in 'pid' of the modalities: .* got P1 and P2"):
        Cohort.from_mudata(together, key="pid")
    for data in (together, part(["c1"], ["A"], pid=["P1"])):
        with pytest.raises(UnknownNameError, match="no column 'patient' in obs"):
            Cohort.from_mudata(data, key="patient")


def test_what_lies_under_a_mask_is_missing() -> None:
    values = np.ma.masked_equal([[-1.0, 2.0], [3.0, -1.0]], -1.0)
    data = anndata.AnnData(values, pd.DataFrame(index=["a", "b"]), pd.DataFrame(index=["A", "B"]))
    for frame in (
        Cohort.from_mudata(data).frames["omics"],
        Cohort.from_arrays({"x": values}, ["a", "b"]).frames["x"],
    ):
        np.testing.assert_array_equal(frame.to_numpy(), [[NAN, 2.0], [3.0, NAN]])
    assert Cohort.from_arrays({"x": sparse.eye_array(2)}, ["a", "b"]).frames["x"].to_numpy().tolist() == [
        [1, 0],
        [0, 1],
    ]
    whole_numbers = np.ma.masked_equal([[5, -1]], -1)
    assert np.isnan(Cohort.from_arrays({"x": whole_numbers}, ["a"]).frames["x"].iloc[0, 1])


@pytest.mark.parametrize("form", ["csr", "csc", "dense"])
def test_a_matrix_that_stays_in_its_file(form: str, tmp_path: Path) -> None:
    values = np.arange(6.0).reshape(3, 2)
    matrix = values if form == "dense" else sparse.csr_array(values).asformat(form)
    data = anndata.AnnData(matrix, pd.DataFrame(index=["a", "b", "c"]), pd.DataFrame(index=["A", "B"]))
    data.write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    np.testing.assert_array_equal(Cohort.from_mudata(backed).frames["omics"].to_numpy(), values)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "dense", "float32"])
@pytest.mark.parametrize("columns", [None, [3, 0, 2]])
def test_means_and_first_rows_piece_by_piece(
    form: str, columns: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmlego.data.reading.pieces.PIECE", 9)
    rng = np.random.default_rng(0)
    values = rng.poisson(1, (40, 4)) * 1.0
    values[rng.random(values.shape) < 0.1] = NAN
    owner = [f"p{i}" for i in rng.integers(0, 7, 40)]
    owner[5] = None
    kept = [i for i, who in enumerate(owner) if who is not None]
    table = pd.DataFrame(values, index=owner).iloc[kept]
    if columns is not None:
        table = table.iloc[:, columns]
    matrix = values.astype(np.float32 if form == "float32" else float)
    if form not in ("dense", "float32"):
        matrix = sparse.coo_matrix(matrix).asformat(form)
    whose = Part(matrix, np.arange(40), owner, list("ABCD"))
    chosen = None if columns is None else np.array(columns)
    found, notes = rows_of_patients(whose, chosen, "mean", "rna")
    expected = table.groupby(level=0, sort=False).mean()
    assert found.index.tolist() == expected.index.tolist()
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=1e-12)
    assert [str(note) for note in notes] == ["rna: 1 row without a patient id", "rna: 39 rows averaged to 7 patients"]
    first, notes = rows_of_patients(whose, chosen, "first", "rna")
    np.testing.assert_array_equal(first.to_numpy(), table[~table.index.duplicated()].to_numpy())
    assert str(notes[1]) == "rna: 32 further rows of a patient, the first is kept"
    with pytest.raises(InputError, match="rna: 6 patients with several rows that differ"):
        rows_of_patients(whose, chosen, "error", "rna")
    assert found.columns.tolist() == first.columns.tolist() == [list("ABCD")[i] for i in columns or range(4)]


def test_equal_rows_become_one_and_types_stay() -> None:
    matrix = sparse.csr_matrix(np.array([[1, 0], [0, 2], [1, 0]], dtype=np.float32))
    found, notes = rows_of_patients(Part(matrix, np.arange(3), ["a", "b", "a"], ["A", "B"]), None, "error", "rna")
    assert found.to_numpy().tolist() == [[1, 0], [0, 2]]
    assert found.dtypes.tolist() == [np.float32, np.float32]
    assert str(notes[0]) == "rna: 1 row merged, equal to another row of the patient"
    assert dense(Part(matrix, np.array([2, 1]), ["a", "b"], ["A", "B"])).tolist() == [[1, 0], [0, 2]]


def test_infinite_values_are_not_averaged() -> None:
    part = Part(np.array([[np.inf], [1.0]]), np.arange(2), ["a", "a"], ["A"])
    with pytest.raises(InputError, match="rna: infinite values"):
        rows_of_patients(part, None, "mean", "rna")


def test_a_large_sparse_container_is_averaged_where_it_is_read() -> None:
    matrix = sparse.random(3000, 20, 0.1, format="csr", random_state=0)
    data = anndata.AnnData(matrix, pd.DataFrame({"who": ["x", "y", "z"] * 1000}, index=map(str, range(3000))))
    cohort = Cohort.from_mudata(data, key="who", kinds={"omics": {"kind": "omics", "rows": "mean"}})
    np.testing.assert_allclose(cohort.frames["omics"].loc["y"], matrix.toarray()[1::3].mean(0))
    assert str(cohort.dropped[0]) == "omics: 3000 rows averaged to 3 patients"


def test_what_is_taken_out_of_a_container_in_memory() -> None:
    data = part(["p1", "p2"], ["ENSG1", "ENSG2"])
    data.layers["log"] = data.X * 2
    data.var["symbol"] = ["TP53", "NA"]
    section = {"kind": "omics", "layer": "log", "gene_column": "symbol", "columns": "NA"}
    assert Cohort.from_mudata(data, kinds={"omics": section}).frames["omics"]["NA"].tolist() == [202.0, 402.0]
    with pytest.raises(UnknownNameError, match="no layer 'raw'"):
        Cohort.from_mudata(data, kinds={"omics": {"kind": "omics", "layer": "raw"}})
    data.raw = data.copy()
    raw = Cohort.from_mudata(data[:, :1].copy(), kinds={"omics": {"kind": "omics", "layer": "raw"}}).frames["omics"]
    assert raw.loc["p2"].to_dict() == {"ENSG1": 200.0, "ENSG2": 201.0}
    with pytest.raises(InputError, match=r"rna: a table in memory has no layers.*from_mudata"):
        Cohort.from_frames({"rna": raw}, kinds={"rna": {"kind": "omics", "layer": "raw"}})


def test_the_mean_is_over_rows_also_where_ids_have_a_form() -> None:
    data = part(["c1", "c2", "c4"], ["A"], pid=["P1-01", "P1-01", "P1-02"])
    for section in ({"kind": "omics", "rows": "mean"}, {"kind": "omics", "rows": "mean", "id": {"length": 2}}):
        frame = Cohort.from_mudata(data, key="pid", kinds={"omics": section}).frames["omics"]
        expected = {"P1-01": 150.0, "P1-02": 400.0} if "id" not in section else {"P1": 700 / 3}
        assert frame["A"].to_dict() == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore:Writing zarr v2:UserWarning")
def test_a_zarr_folder_whose_part_says_no_type(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    part(["p0", "p1"], ["A", "B"]).write_zarr(tmp_path / "m.zarr")  # type: ignore[attr-defined]
    for file in (tmp_path / "m.zarr" / "obs").iterdir():
        if file.name in (".zattrs", "zarr.json"):
            file.write_text(file.read_text().replace('"dataframe"', '""'))
    with pytest.raises(InputError, match=r"'m\.zarr': .*obs.* is of a type that is not read: expected numbers, text"):
        manifest(tmp_path, "  m: {kind: omics, file: m.zarr}")


def test_genes_beside_antibodies_are_doubted(tmp_path: Path) -> None:
    data = part(["p1", "p2", "p3"], ["CD3E", "CD8A", "CD3"])
    data.var["feature_types"] = ["Gene Expression", "Gene Expression", "Antibody Capture"]
    told = "what was measured in 2 ways counts as one matrix ('Gene Expression' 2, 'Antibody Capture' 1 in"
    in_memory = Cohort.from_mudata(data)
    assert [str(note) for note in in_memory.dropped if told in str(note)]
    data.write_h5ad(tmp_path / "x.h5ad")
    for columns, doubted in (("", True), (", columns: [CD3E, CD8A]", False), (", columns: [CD3E, CD3]", True)):
        cohort = manifest(tmp_path, f"  rna: {{kind: omics, file: x.h5ad{columns}}}")
        assert bool([note for note in cohort.dropped if "measured in 2 ways" in str(note)]) is doubted
