"""Small cohorts whose features lie in files of each format that is read; each returns which of them are mutated."""

from __future__ import annotations

import gzip
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

WHO = ("p0", "p1", "p2")
ANNDATA = "ANNDATA_ALLOW_WRITE_NULLABLE_STRINGS"


def _draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _manifest(folder: Path, section: str) -> None:
    (folder / "cohort.yaml").write_text(
        "key: id\nmin_patients: 1\noutcome: {task: classification, file: o.csv, label: died}\n"
        f"modalities:\n  m: {section}\n"
    )
    (folder / "o.csv").write_text("\n".join(["id,died", *(f"{who},{i % 2}" for i, who in enumerate(WHO))]))


def _each(section: str, ending: str, write: Callable[[Path, int], None]) -> Callable[[Path], list[str]]:
    """Return what writes a file a patient."""

    def make(folder: Path) -> list[str]:
        _manifest(folder, section)
        for seed, who in enumerate(WHO):
            write(folder / f"{who}.{ending}", seed)
        return [f"{who}.{ending}" for who in WHO]

    return make


def _one(section: str, name: str, write: Callable[[Path], None]) -> Callable[[Path], list[str]]:
    """Return what writes one file for all."""

    def make(folder: Path) -> list[str]:
        _manifest(folder, section)
        write(folder / name)
        return [str(file.relative_to(folder)) for file in sorted((folder / name).rglob("*")) if file.is_file()] or [
            name
        ]

    return make


def _frame(**more: Any) -> pd.DataFrame:
    return pd.DataFrame({"id": WHO, "age": [50.5, 61.0, 72.0], "crp": [1, 2, 3], "sex": ["f", "m", "f"], **more})


def _h5(path: Path, seed: int) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("features", data=_draw(seed, 6, 4), chunks=(3, 4), compression="gzip" if seed else None)
        file["coords"] = np.arange(12).reshape(6, 2)
        file.attrs["encoder"] = "uni"


def _picture(path: Path, seed: int) -> None:
    from PIL import Image

    Image.fromarray((60 * _draw(seed, 9, 8, 3) + 128).clip(0, 255).astype(np.uint8)).save(path)


def _dicom(path: Path, seed: int) -> None:
    from tests.data.kinds.image.scans import pixels, write_dicom

    write_dicom(path, pixels(8, 6, seed=seed, most=4000), number=1)


def _nifti(path: Path, seed: int) -> None:
    import nibabel

    made = nibabel.Nifti1Image(_draw(seed, 6, 5, 4), np.eye(4))
    made.header.set_xyzt_units("mm")
    nibabel.save(made, path)


def _annotated(seed: int = 0) -> Any:
    import anndata
    from scipy import sparse

    os.environ.setdefault(ANNDATA, "1")
    obs = pd.DataFrame({"batch": pd.Categorical(["a", "b", "a"]), "age": [1.5, 2.0, 3.0]}, index=list(WHO))
    made = anndata.AnnData(
        sparse.csr_matrix(abs(_draw(seed, 3, 5))), obs, pd.DataFrame(index=[f"G{j}" for j in range(5)])
    )
    made.layers["counts"] = np.ones((3, 5), dtype=np.float32)
    made.obsm["X_pca"] = _draw(seed, 3, 2)
    made.uns["told"] = {"a": 1}
    return made


def _h5mu(path: Path) -> None:
    import mudata

    mudata.MuData({"rna": _annotated(), "adt": _annotated(1)[:2].copy()}).write(path)


def _lazy_slide(path: Path, seed: int) -> None:
    import anndata
    import zarr

    os.environ.setdefault(ANNDATA, "1")
    group = zarr.open_group(path, mode="w", zarr_format=2).create_group("tables")
    anndata.io.write_elem(group, "uni_tiles", anndata.AnnData(_draw(seed, 4, 3)))


def _zarr_slides(folder: Path) -> list[str]:
    _manifest(folder, "{kind: bag, pattern: '{key}.zarr'}")
    for seed, who in enumerate(WHO):
        _lazy_slide(folder / f"{who}.zarr", seed)
    return [
        str(file.relative_to(folder)) for file in sorted(folder.rglob("*")) if file.is_file() and ".zarr" in str(file)
    ]


def _packed(path: Path) -> None:
    text = _frame().to_csv(index=False).encode()
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text, mtime=0))
        return
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("m.csv", text)


def _graphml(path: Path, seed: int) -> None:
    import networkx

    graph = networkx.path_graph(3 + seed)
    networkx.set_node_attributes(graph, {node: {"size": float(node), "kind": "ab"[node % 2]} for node in graph})
    networkx.set_edge_attributes(graph, {edge: {"weight": 0.5} for edge in graph.edges})
    networkx.write_graphml(graph, path)


def _stays(path: Path) -> None:
    path.mkdir()
    for seed, who in enumerate(WHO):
        lines = [f"00:00,RecordID,{who}", f"00:00,Age,{50 + seed}"]
        lines += [f"{hour:02d}:30,{name},{80 + seed + hour}" for hour in range(4) for name in ("HR", "RR")]
        (path / f"{who}.txt").write_text("\n".join(["Time,Parameter,Value", *lines]).replace("RecordID", "id"))


def _maf(path: Path) -> None:
    head = "Hugo_Symbol\tTumor_Sample_Barcode\tVariant_Classification"
    rows = [f"G{j}\t{who}\tMissense_Mutation" for j in range(3) for who in WHO[j % 2 :]]
    path.write_text("\n".join(["#version 2.4", head, *rows]))


def _gene_rows(path: Path) -> None:
    rows = ["\t".join([f"G{j}", str(j), *(f"{x:.3f}" for x in _draw(j, 3))]) for j in range(5)]
    path.write_text("\n".join(["Hugo_Symbol\tEntrez_Gene_Id\t" + "\t".join(WHO), *rows]))


def _parts(folder: Path) -> list[str]:
    _manifest(folder, "{kind: graph, edges: edges.csv, nodes: nodes.csv, node_columns: [size]}")
    edges = [f"{who},n{j},n{j + 1},{j}" for who in WHO for j in range(3)]
    (folder / "edges.csv").write_text("\n".join(["id,source,target,weight", *edges]))
    nodes = [f"{who},n{j},{j}" for who in WHO for j in range(4)]
    (folder / "nodes.csv").write_text("\n".join(["id,node,size", *nodes]))
    return ["edges.csv", "nodes.csv"]


def _notes(folder: Path) -> list[str]:
    from tests.data.kinds.text.test_texts import WORDS, build_model

    build_model(folder / "model")
    _manifest(folder, "{kind: text, file: m.csv, model: model}")
    words = [word for word in WORDS if word.isalpha()]
    (folder / "m.csv").write_text(
        "\n".join(["id,text", *(f"{who},{' '.join(words[i : i + 5])}" for i, who in enumerate(WHO))])
    )
    return ["m.csv", *(str(file.relative_to(folder)) for file in sorted((folder / "model").iterdir()))]


def _sequences(path: Path) -> None:
    path.write_text("".join(f">{who} gene\n{'ACGT' * (2 + i)}\n" for i, who in enumerate(WHO)))


def _molecules(path: Path) -> None:
    path.write_text("\n".join(["id,smiles", "p0,CCO", "p1,c1ccccc1", "p2,CC(=O)N"]))


def _long(path: Path) -> None:
    rows = [f"{who},{hour},{name},{80 + hour}" for who in WHO for hour in range(3) for name in ("HR", "RR")]
    path.write_text("\n".join(["id,time,variable,value", *rows]))


FORMATS: Mapping[str, Callable[[Path], list[str]]] = {
    "csv": _one("{kind: table, file: m.csv}", "m.csv", lambda path: _frame().to_csv(path, index=False)),
    "csv.gz": _one("{kind: table, file: m.csv.gz}", "m.csv.gz", _packed),
    "csv.zip": _one("{kind: table, file: m.csv.zip}", "m.csv.zip", _packed),
    "parquet": _one("{kind: table, file: m.parquet}", "m.parquet", lambda path: _frame().to_parquet(path)),
    "xlsx": _one("{kind: table, file: m.xlsx}", "m.xlsx", lambda path: _frame().to_excel(path, index=False)),
    "h5": _each("{kind: bag, pattern: '{key}.h5'}", "h5", _h5),
    "pt": _each(
        "{kind: bag, pattern: '{key}.pt'}",
        "pt",
        lambda path, seed: torch.save(torch.from_numpy(_draw(seed, 4, 3)), path),
    ),
    "npy": _each("{kind: bag, pattern: '{key}.npy'}", "npy", lambda path, seed: np.save(path, _draw(seed, 4, 3))),
    "zarr of slides": _zarr_slides,
    "png": _each("{kind: image, pattern: '{key}.png', size: [8, 8]}", "png", _picture),
    "jpg": _each("{kind: image, pattern: '{key}.jpg', size: [8, 8]}", "jpg", _picture),
    "dicom": _each("{kind: image, pattern: '{key}.dcm', size: [8, 8]}", "dcm", _dicom),
    "nifti": _each("{kind: volume, pattern: '{key}.nii', size: [4, 4, 4]}", "nii", _nifti),
    "nifti.gz": _each("{kind: volume, pattern: '{key}.nii.gz', size: [4, 4, 4]}", "nii.gz", _nifti),
    "h5ad": _one("{kind: omics, file: m.h5ad}", "m.h5ad", lambda path: _annotated().write_h5ad(path)),
    "h5mu": _one("{kind: omics, file: m.h5mu, modality: rna}", "m.h5mu", _h5mu),
    "zarr": _one("{kind: omics, file: m.zarr}", "m.zarr", lambda path: _annotated().write_zarr(path)),
    "genes by patients": _one("{kind: omics, file: m.txt, genes: rows}", "m.txt", _gene_rows),
    "maf": _one("{kind: omics, file: m.maf, format: maf, sequenced: listed}", "m.maf", _maf),
    "fasta": _one("{kind: sequence, file: m.fasta, alphabet: dna}", "m.fasta", _sequences),
    "smiles": _one("{kind: fingerprint, file: m.csv, bits: 64}", "m.csv", _molecules),
    "graphml": _each("{kind: graph, pattern: '{key}.graphml'}", "graphml", _graphml),
    "edges and nodes": _parts,
    "stays": _one("{kind: series, file: stays, variables: [HR, RR], cache: false}", "stays", _stays),
    "events": _one("{kind: series, file: m.csv}", "m.csv", _long),
    "text with its model": _notes,
}
