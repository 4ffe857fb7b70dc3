from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from mmlego import Baseplate, LegoBlock, LegoWarning, fit, load, predict, save
from mmlego.data import Cohort, OmicsPreprocessor, Prepared, preprocessing_from_config
from mmlego.data.kinds.omics.gene_sets import read_gmt
from mmlego.encoders import build_encoder
from mmlego.errors import CheckpointError, InputError, MissingExtraError, UnknownNameError
from mmlego.tasks import Classification

anndata, mudata = pytest.importorskip("anndata"), pytest.importorskip("mudata")

NAN = float("nan")
GENES = [f"G{i}" for i in range(12)]
IDS = [f"p{i}" for i in range(20)]
GMT = "FIRST\thttp://x\tG0\tG1\tG2\tG1\nSECOND\t\tG2\tG5\tG9\tOTHER\nLOST\t\tX\tY\tG3\n"


def counts(seed: int = 0) -> pd.DataFrame:
    values = np.random.default_rng(seed).poisson(8, (20, 12)).astype(float)
    return pd.DataFrame(values, index=pd.Index(IDS, name="id"), columns=GENES)


def quiet_mudata(parts: dict[str, object]) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mudata.MuData(parts)


def manifest(folder: Path, section: str) -> Cohort:
    (folder / "cohort.yaml").write_text(f"key: id\nmodalities:\n  rna: {{kind: omics, {section}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


def test_standardised_logarithms_of_training_alone() -> None:
    frame = counts()
    fitted = OmicsPreprocessor.fit(frame[:15], log1p=True)
    logs = np.log1p(frame.to_numpy())
    expected = (logs - logs[:15].mean(0)) / logs[:15].std(0)
    np.testing.assert_allclose(fitted.transform(frame), expected, rtol=1e-5, atol=1e-6)
    assert fitted.encoder() == ("snn", {"in_features": 12})
    assert fitted.transform(frame[GENES[::-1]].assign(more=1.0)).equal(fitted.transform(frame))


def test_missing_values_are_the_mean_and_who_has_none_lacks_it() -> None:
    frame = pd.DataFrame({"A": [1.0, 3.0, NAN], "B": [NAN, 2.0, 4.0]})
    fitted = OmicsPreprocessor.fit(frame)
    assert (fitted.centre, fitted.scale) == ((2.0, 3.0), (1.0, 1.0))
    assert fitted.transform(frame).tolist() == [[-1, 0], [1, -1], [0, 1]]
    assert fitted.observed(pd.DataFrame({"A": [NAN, 1], "B": [NAN, NAN]})).tolist() == [False, True]
    assert fitted.blank().shape == (0, 2)


def test_the_filter_of_variance() -> None:
    frame = pd.DataFrame({"a": [0.0, 1.0], "b": [0.0, 9.0], "c": [5.0, 5.0], "d": [0.0, 4.0], "e": [NAN, NAN]})
    assert OmicsPreprocessor.fit(frame).columns == ("a", "b", "d")
    assert OmicsPreprocessor.fit(frame, keep=2).columns == ("b", "d")
    assert OmicsPreprocessor.fit(frame, keep=9).columns == ("a", "b", "d")


def test_gene_sets_make_pathway_tokens(tmp_path: Path) -> None:
    (tmp_path / "sets.gmt").write_text(GMT)
    counts().to_csv(tmp_path / "rna.csv")
    cohort = manifest(tmp_path, "file: rna.csv, gene_sets: sets.gmt, smallest: 3")
    with pytest.warns(LegoWarning, match="1 gene set with fewer than 3 genes left out: LOST"):
        prepared = cohort.prepare(IDS[:15])
    fitted = prepared.preprocessing["rna"]
    assert fitted.columns == ("G0", "G1", "G2", "G3", "G5", "G9")
    name, arguments = fitted.encoder()
    assert (name, arguments) == ("pathways", {"in_features": 6, "sets": [[0, 1, 2], [2, 4, 5]]})
    assert list(fitted.sets) == ["FIRST", "SECOND"]
    tokens = build_encoder(name, arguments)(prepared.data().batch().inputs["rna"])
    assert tokens.shape == (20, 2, 64)
    config = json.loads(json.dumps(fitted.config()))
    assert preprocessing_from_config(config) == fitted


def test_a_block_of_pathways_is_trained_saved_and_asked(tmp_path: Path) -> None:
    frame = counts()
    died = pd.DataFrame({"died": np.where(frame["G0"] + frame["G1"] > 16, "yes", "no")}, index=IDS)
    (tmp_path / "sets.gmt").write_text("A\t\tG0\tG1\nB\t\tG4\tG5\tG6\n")
    section = {"kind": "omics", "gene_sets": str(tmp_path / "sets.gmt"), "smallest": 2}
    task = {"task": "classification", "label": "died"}
    cohort = Cohort.from_frames({"rna": frame}, outcome=died, task=task, kinds={"rna": section})
    prepared = cohort.prepare(IDS)
    name, arguments = prepared.preprocessing["rna"].encoder()
    plate = Baseplate(Classification(["no", "yes"]), channels=4, width=8, heads=2, head_width=4)
    block = LegoBlock(build_encoder(name, arguments), plate, "rna")
    block.preprocessing = prepared.preprocessing["rna"]
    fit(block, prepared.data(), epochs=2, validation=None, progress=False)
    loaded = load(save(block, tmp_path / "block"))
    again = Prepared(cohort, {"rna": loaded.preprocessing}, loaded.task).data()
    assert torch.equal(predict(loaded, again).probabilities, predict(block, prepared.data()).probabilities)


@pytest.mark.parametrize("form", ["dense", "sparse", "layer"])
def test_anndata_files(form: str, tmp_path: Path) -> None:
    frame = counts()
    matrix = sparse.csr_matrix(frame.to_numpy()) if form == "sparse" else frame.to_numpy()
    data = anndata.AnnData(np.zeros((20, 12)) if form == "layer" else matrix, layers={"raw": matrix})
    data.obs_names, data.var_names = [f"cell{i}" for i in range(20)], GENES
    data.obs["id"] = IDS
    data.write_h5ad(tmp_path / "rna.h5ad")
    cohort = manifest(tmp_path, "file: rna.h5ad" + (", layer: raw" if form == "layer" else ""))
    np.testing.assert_array_equal(cohort.frames["rna"].to_numpy(), frame.to_numpy())
    assert cohort.patients == tuple(IDS)  # by the key of the manifest, which is a column of obs
    del data.obs["id"]
    data.write_h5ad(tmp_path / "rna.h5ad")
    assert manifest(tmp_path, "file: rna.h5ad").patients == tuple(data.obs_names)


def test_cells_of_one_patient_are_averaged(tmp_path: Path) -> None:
    data = anndata.AnnData(np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 5.0]]))
    data.obs_names, data.var_names = ["x", "y", "z"], ["A", "B"]
    data.obs["id"] = ["p0", "p0", "p1"]
    data.write_h5ad(tmp_path / "rna.h5ad")
    cohort = manifest(tmp_path, "file: rna.h5ad, rows: mean")
    assert cohort.frames["rna"].to_numpy().tolist() == [[2, 4], [5, 5]]
    with pytest.raises(InputError, match=r"rna: 1 patient with several rows that differ \(p0\)"):
        manifest(tmp_path, "file: rna.h5ad")


def mu(mask: bool = False) -> object:
    rna = anndata.AnnData(counts().to_numpy(), var=pd.DataFrame(index=GENES))
    rna.obs_names = IDS
    protein = anndata.AnnData(np.arange(24.0).reshape(12, 2), var=pd.DataFrame(index=["CD3", "CD4"]))
    protein.obs_names = IDS[8:]
    data = quiet_mudata({"rna": rna, "protein": protein})
    data.obs["died"] = ["no", "yes"] * 10
    if mask:
        has = data.obsm["rna"].copy()
        has[[0, 3]] = False
        data.obsm["rna"] = has
    return data


@pytest.mark.parametrize("mask", [False, True])
def test_mudata_in_memory_and_in_files(mask: bool, tmp_path: Path) -> None:
    data = mu(mask)
    task = {"task": "classification", "label": "died"}
    cohort = Cohort.from_mudata(data, task=task)
    has = [p for i, p in enumerate(IDS) if not (mask and i in (0, 3))]
    assert cohort.modalities == ("rna", "protein")
    assert cohort.frames["rna"].index.tolist() == has
    assert cohort.frames["protein"].index.tolist() == IDS[8:]
    assert {name: source.kind for name, source in cohort.sources.items()} == {"rna": "omics", "protein": "omics"}
    assert cohort.prepare(cohort.patients).data().present["rna"].sum() == len(has)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.write(tmp_path / "both.h5mu")
    read = manifest(tmp_path, "file: both.h5mu")
    assert read.frames["rna"].index.tolist() == has
    np.testing.assert_array_equal(read.frames["rna"], cohort.frames["rna"])
    other = manifest(tmp_path, "file: both.h5mu, modality: protein, columns: CD4")
    assert other.frames["rna"]["CD4"].tolist() == list(range(1, 24, 2))


def test_anndata_in_memory() -> None:
    data = anndata.AnnData(counts().to_numpy(), var=pd.DataFrame(index=GENES))
    data.obs_names = [f"s{i}" for i in range(20)]
    data.obs["patient"], data.obs["died"] = IDS, ["no", "yes"] * 10
    cohort = Cohort.from_mudata(data, task={"task": "classification", "label": "died"}, key="patient", name="one")
    assert repr(cohort) == "Cohort(one: 20 patients; omics 20)"
    outcome = pd.DataFrame({"age": np.arange(20.0)}, index=IDS)
    told = Cohort.from_mudata(data, outcome=outcome, task={"task": "regression", "target": "age"}, key="patient")
    assert told.outcome["age"].sum() == 190
    plain = Cohort.from_mudata(data, kinds={"omics": {"kind": "table", "keep": 3}})
    assert plain.sources["omics"].kind == "table"
    with pytest.raises(InputError, match="expected a MuData or an AnnData, got dict"):
        Cohort.from_mudata({})


def test_a_mudata_whose_whole_says_who_is_who() -> None:
    data = mu()
    data.obs["person"] = [f"x{i}" for i in range(20)]
    cohort = Cohort.from_mudata(data, key="person")
    assert cohort.frames["protein"].index.tolist() == [f"x{i}" for i in range(8, 20)]


def test_damaged_states() -> None:
    config = OmicsPreprocessor.fit(counts()[:15]).config()
    bad = {
        "columns": config | {"columns": []},
        "the whole": config | {"scale": [1.0]},
        "the whole ": config | {"scale": [0.0] * 12},
        "the whole  ": config | {"sets": [["A", [12]]]},
    }
    for where, state in bad.items():
        with pytest.raises(CheckpointError, match=f"the preprocessing of omics is damaged at {where.strip()}"):
            OmicsPreprocessor.from_config(state)


def text(content: str) -> object:
    return lambda path: path.write_text(content)


def no_values(path: Path) -> None:
    anndata.AnnData(None, obs=pd.DataFrame(index=IDS), var=pd.DataFrame(index=GENES)).write_h5ad(path)


def same_names(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        anndata.AnnData(np.ones((2, 2)), var=pd.DataFrame(index=["A", "A"])).write_h5ad(path)


def bomb(path: Path) -> None:
    good_h5ad(path)
    with h5py.File(path, "a") as file:
        file.create_dataset("layers/big", shape=(10**7, 10**4), dtype="f4", chunks=(1000, 1000), compression="gzip")


def leading_out(path: Path) -> None:
    good_h5ad(path.with_name("other.h5"))
    good_h5ad(path)
    with h5py.File(path, "a") as file:
        del file["X"]
        file["X"] = h5py.ExternalLink("other.h5", "X")


def lying_elsewhere(path: Path) -> None:
    good_h5ad(path)
    with h5py.File(path, "a") as file:
        del file["X"]
        where = [(str(path.with_name("secret.bin")), 0, 4 * 240)]
        file.create_dataset("X", shape=(20, 12), dtype="f4", external=where)


def good_h5ad(path: Path) -> None:
    data = anndata.AnnData(counts().to_numpy(), obs=pd.DataFrame(index=IDS), var=pd.DataFrame(index=GENES))
    data.write_h5ad(path)


def cut(path: Path) -> None:
    good_h5ad(path)
    path.write_bytes(path.read_bytes()[:5000])


FILES = {
    "no HDF5": ("a.h5ad", text("x"), "", r"cannot read 'a\.h5ad'"),
    "truncated": ("a.h5ad", cut, "", r"cannot read 'a\.h5ad'"),
    "no values": ("a.h5ad", no_values, "", "an AnnData without values in X"),
    "two of a name": ("a.h5ad", same_names, "", r"variables of the same name \(A\)"),
    "a bomb": ("a.h5ad", bomb, "", r"'a\.h5ad' grows too large when unpacked"),
    "a link to another file": ("a.h5ad", leading_out, "", r"'X' in 'a\.h5ad' lies in another file"),
    "bytes of another file": ("a.h5ad", lying_elsewhere, "", r"'X' in 'a\.h5ad' lies in another file"),
    "no such layer": ("a.h5ad", good_h5ad, ", layer: raw", "no layer 'raw'"),
    "no MuData": ("a.h5mu", good_h5ad, "", r"cannot read 'a\.h5mu'|no modality 'rna'"),
    "a layer of a table": ("a.csv", text("id,A\np,1\n"), ", layer: raw", "layer: belongs to a .h5ad, .h5mu, .zarr"),
    "no such column": ("a.csv", text("id,A\np,1\n"), ", columns: B", "rna: no column matches 'B'"),
    "an unknown key": (
        "a.csv",
        text("id,A\np,1\n"),
        ", genesets: x",
        "unknown key 'genesets'. Did you mean 'gene_sets'",
    ),
    "no such gene sets": ("a.csv", text("id,A\np,1\n"), ", gene_sets: x.gmt", "there is no file 'x.gmt'"),
    "gene sets elsewhere": ("a.csv", text("id,A\np,1\n"), ", gene_sets: ../x.gmt", "'../x.gmt' leaves"),
}


@pytest.mark.parametrize("case", FILES)
def test_files_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    name, write, more, message = FILES[case]
    write(tmp_path / name)
    with pytest.raises((InputError, UnknownNameError), match=message):
        manifest(tmp_path, f"file: {name}{more}")


def test_parts_of_unknown_types(tmp_path: Path) -> None:
    obs = pd.DataFrame({"id": IDS, "more": 1.0}, index=[f"c{i}" for i in range(20)])
    data = anndata.AnnData(counts().to_numpy(), obs, pd.DataFrame(index=GENES))
    data.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        file.create_group("uns/tree").attrs["encoding-type"] = "of-tomorrow"
        file["obs/more"].attrs["encoding-type"] = "of-tomorrow"
    np.testing.assert_array_equal(manifest(tmp_path, "file: a.h5ad").frames["rna"].to_numpy(), counts().to_numpy())
    with h5py.File(tmp_path / "a.h5ad", "a") as file:
        file["obs/id"].attrs["encoding-type"] = "of-tomorrow"
    with pytest.raises(InputError, match=r"'a\.h5ad': '/obs/id' is of a type that is not read: .*got 'of-tomorrow'"):
        manifest(tmp_path, "file: a.h5ad")


def test_an_anndata_whose_observations_are_genes(tmp_path: Path) -> None:
    data = anndata.AnnData(counts().to_numpy().T, pd.DataFrame(index=GENES), pd.DataFrame(index=IDS))
    data.write_h5ad(tmp_path / "a.h5ad")
    pd.DataFrame({"id": IDS, "y": list("ab") * 10}).to_csv(tmp_path / "outcome.csv", index=False)
    (tmp_path / "cohort.yaml").write_text(
        "key: id\noutcome: {task: classification, file: outcome.csv, label: y}\n"
        "modalities:\n  rna: {kind: omics, file: a.h5ad}\n"
    )
    with pytest.raises(InputError, match=r"rna: patients are the variables \(p0, p1, p2 and 17 more\).*adata\.T"):
        Cohort.from_manifest(tmp_path / "cohort.yaml")


def test_too_large_to_be_dense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmlego.data.reading.pieces.MOST_VALUES", 100)
    good_h5ad(tmp_path / "a.h5ad")
    with pytest.raises(InputError, match=r"too large to be made dense: expected at most 100 values, got \(20, 12\)"):
        manifest(tmp_path, "file: a.h5ad")


VALUES = {
    "text": ({"A": ["x", "y"], "B": [1.0, 2.0]}, {}, r"columns that are not numbers \(A\)"),
    "infinity": ({"A": [np.inf, 1.0], "B": [1.0, 2.0]}, {}, "infinite values in A: expected finite numbers"),
    "negative counts": (
        {"A": [-1.0, 1.0], "B": [1.0, 2.0]},
        {"log1p": True},
        "negative values in A: .*leave log1p out",
    ),
    "all the same": ({"A": [1.0, 1.0], "B": [NAN, NAN]}, {}, "no column tells training rows apart"),
    "sets of other names": (
        {"A": [1.0, 2.0], "B": [2.0, 1.0]},
        {"sets": {"P53": ("ENSG1", "ENSG2")}, "smallest": 1},
        "no gene set has 1 gene in the data: expected names as ENSG1, ENSG2, got A, B",
    ),
}


@pytest.mark.parametrize("case", VALUES)
def test_values_that_cannot_be_used(case: str) -> None:
    values, options, message = VALUES[case]
    with pytest.raises(InputError, match=message):
        OmicsPreprocessor.fit(pd.DataFrame(values), **options)


def test_genes_missing_at_prediction() -> None:
    fitted = OmicsPreprocessor.fit(counts())
    with pytest.raises(InputError, match=r"2 columns missing: G3, G4: expected the 12 columns seen in training"):
        fitted.transform(counts().drop(columns=["G3", "G4"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no gene sets"),
        ("A\thttp\n", r"line 1 of 'x\.gmt' is no gene set"),
        ("A\t\tG1\n\nA\t\tG2\n", "has two gene sets 'A'"),
        ("A,x,G1\n", "line 1 of .* is no gene set"),
        (b"A\t\t\xff\n", r"cannot read 'x\.gmt'.*expected text in UTF-8"),
    ],
)
def test_bad_gene_sets(content: str | bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.gmt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        read_gmt(path)


@pytest.mark.parametrize(("module", "name"), [("anndata", "a.h5ad"), ("h5py", "a.h5mu"), ("zarr", "a.zarr")])
def test_without_the_packages(module: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good_h5ad(tmp_path / "a.h5ad")
    good_h5ad(tmp_path / "a.h5mu")
    (tmp_path / "a.zarr").mkdir()
    monkeypatch.setitem(sys.modules, module, None)
    extra = "zarr" if module == "zarr" else "omics"
    with pytest.raises(MissingExtraError, match=rf"needs {module}.* pip install 'mmlego\[{extra}\]'"):
        manifest(tmp_path, f"file: {name}")


def test_how_many_values_are_missing_is_told() -> None:
    frame = pd.DataFrame({"A": [1.0, np.nan, 3], "B": [np.nan, np.nan, 2], "C": [1.0, 2, 3]}, index=["p", "q", "r"])
    cohort = Cohort.from_frames({"rna": frame}, kinds={"rna": {"kind": "omics"}})
    assert "columns of rna: 3 numbers (3 of 9 values missing)" in cohort.summary()


def test_the_container_of_10x_is_told_with_what_makes_another_of_it(tmp_path: Path) -> None:
    (tmp_path / "filtered_feature_bc_matrix.h5").write_bytes(b"\x89HDF")
    manifest = tmp_path / "cohort.yaml"
    manifest.write_text("key: id\nmodalities: {rna: {kind: omics, file: filtered_feature_bc_matrix.h5}}")
    with pytest.raises(
        InputError, match=r"expected a table, \.h5ad, .*scanpy\.read_10x_h5\(FILE\) with a column of obs"
    ):
        Cohort.from_manifest(manifest)


def test_a_value_below_zero_where_training_had_none_marks_the_patient() -> None:
    skewed = pd.DataFrame(np.random.default_rng(0).lognormal(1, 1.5, (40, 3)), columns=list("xyz"))
    new = pd.DataFrame({"x": [-1.0, 2.0], "y": [1.0, None], "z": [3.0, 3.0]}, index=["p", "q"])
    fitted = OmicsPreprocessor.fit(skewed, min_patients=5)
    assert fitted.signed is False
    assert fitted.odd(new) == ({"p": ["x = -1"]}, {})
    assert OmicsPreprocessor.fit(skewed - 9, min_patients=5).odd(new - 9) == ({}, {})
    few = skewed.copy()
    few.loc[:3, "y"] = -0.5  # of four patients, who are too few to tell of
    assert OmicsPreprocessor.fit(few, min_patients=5).signed is False
    assert OmicsPreprocessor.fit(few, min_patients=4).signed is True
    config = fitted.config()
    assert (config["version"], preprocessing_from_config(config)) == (3, fitted)
    old = preprocessing_from_config({name: part for name, part in config.items() if name != "signed"} | {"version": 2})
    assert old.odd(new) == ({}, {})
    assert fitted.kept()[-1].value == "few or none"


@pytest.mark.parametrize("log1p", [False, True])
@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_who_is_on_another_scale_as_a_whole_is_marked_and_nobody_else(spread: float, log1p: bool) -> None:
    draw = np.random.default_rng(0)
    level = draw.normal(5, 1.5, 200)  # of each gene
    counts = pd.DataFrame(np.exp(level + spread * draw.normal(size=(160, 200)))).add_prefix("g")
    fitted = OmicsPreprocessor.fit(counts[:80], log1p=log1p, min_patients=5)
    fresh = counts[80:].set_axis([f"p{i}" for i in range(80)])
    fresh.loc["p3"], fresh.loc["p7"], fresh.loc["p9"] = np.log10(fresh.loc["p3"] + 1), 0.0, fresh.loc["p9"] / 1000
    told = {who: words[0] for who, words in fitted.odd(fresh)[0].items() if words[0].endswith("measured?")}
    assert set(told) == ({"p3", "p7", "p9"} if spread < 1 else {"p7"})  # of such that vary by more, zeros alone tell
    assert told["p7"] == "0 in all of 200 columns: nothing measured?"
    logs = OmicsPreprocessor.fit(np.log2(counts[:80] + 1), min_patients=5)
    marked = logs.odd(np.log2(fresh + 1))[0]
    assert {who for who, words in marked.items() if words[0].endswith("measured?")} >= {"p7"}
    marked = logs.odd(np.log2(counts[80:] + 1))[0]
    assert not any(words[0].endswith("measured?") for words in marked.values())


def test_nobody_with_no_mutation_is_marked() -> None:
    mutated = pd.DataFrame((np.random.default_rng(0).random((60, 120)) < 0.1).astype(float)).add_prefix("g")
    fitted = OmicsPreprocessor.fit(mutated, min_patients=1)
    assert fitted.odd(pd.DataFrame(0.0, ["p"], mutated.columns)) == ({}, {})
