"""Every kind with files of its own from the command line: trained, merged, and predicted from raw files elsewhere."""

from __future__ import annotations

from pathlib import Path

import networkx
import numpy as np
import pandas as pd
import pytest

from tests.data.kinds.image.scans import pixels, write_nifti, write_picture
from tests.data.kinds.text.test_texts import build_model
from tests.terminal import done

for package in ("monai", "rdkit", "torch_geometric", "transformers"):
    pytest.importorskip(package, reason="needs mmlego[all]")

MODALITIES = """
modalities:
  xray: {kind: image, pattern: "xrays/{key}.png", size: [16, 16], augment: {flip: [w], noise: 0.1}}
  ct: {kind: volume, pattern: "ct/{key}.nii.gz", size: [8, 8, 8]}
  cells: {kind: graph, pattern: "cells/{key}.graphml"}
  network: {kind: graph, edges: edges.csv}
  drug: {kind: graph, file: drugs.csv}
  bits: {kind: fingerprint, file: drugs.csv, bits: 64}
  report: {kind: text, file: reports.csv, model: models/tiny}
"""
OUTCOME = "outcome: {task: classification, file: outcome.csv, label: died}"


def write_patients(folder: Path, numbers: range, *, outcome: bool) -> Path:
    names = [f"p{i}" for i in numbers]
    for i, name in zip(numbers, names, strict=True):
        write_picture(folder / "xrays" / f"{name}.png", pixels(12, 14, seed=i))
        write_nifti(folder / "ct" / f"{name}.nii.gz", pixels(9, 8, 7, seed=i).astype(np.int16))
        graph = networkx.path_graph(3 + i % 4)
        for node in graph:
            graph.nodes[node]["size"] = float(node + i)
        (folder / "cells").mkdir(exist_ok=True)
        networkx.write_graphml(graph, folder / "cells" / f"{name}.graphml")
    edges = [{"id": n, "source": j, "target": j + 1, "weight": i + j} for i, n in enumerate(names) for j in range(4)]
    pd.DataFrame(edges).to_csv(folder / "edges.csv", index=False)
    smiles = ["C" * (1 + i) + "O" * (i % 2) for i in numbers]
    pd.DataFrame({"id": names, "smiles": smiles}).to_csv(folder / "drugs.csv", index=False)
    texts = ["benign nodule" if i % 2 else "malignant mass" for i in numbers]
    pd.DataFrame({"id": names, "text": texts}).to_csv(folder / "reports.csv", index=False)
    died = ["yes" if i % 2 else "no" for i in numbers]
    pd.DataFrame({"id": names, "died": died}).to_csv(folder / "outcome.csv", index=False)
    sections = MODALITIES if outcome else MODALITIES.replace(", model: models/tiny", "")  # a block brings its own
    if outcome:
        build_model(folder / "models" / "tiny")
    (folder / "cohort.yaml").write_text(f"key: id\n{OUTCOME if outcome else ''}\n{sections}")
    return folder / "cohort.yaml"


@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
def test_all_kinds_from_raw_files_to_predictions(tmp_path: Path) -> None:
    manifest = write_patients(tmp_path / "here", range(20), outcome=True)
    new = write_patients(tmp_path / "there", range(20, 26), outcome=False)
    small = ["-s", "fit.epochs=1", "-s", "plate.channels=2", "-s", "plate.width=4", "-s", "plate.head_width=2"]
    run = tmp_path / "run"
    done("train", "-d", manifest, "-o", run, "--shared-patients", "--no-progress", *small)
    done("merge", run)
    said = done("evaluate", run, "-d", manifest).out
    names = ["xray", "ct", "cells", "network", "drug", "bits", "report"]
    assert all(f"blocks/{name}" in said for name in names)
    done("predict", run / "merge", "-d", new, "-o", tmp_path / "predicted.csv")
    predicted = pd.read_csv(tmp_path / "predicted.csv", index_col=0)
    assert predicted.index.tolist() == [f"p{i}" for i in range(20, 26)]
    assert predicted[[f"has_{name}" for name in names]].all(axis=None)
    assert predicted["probability_yes"].between(0, 1).all()
    single = done("predict", run / "blocks" / "report", "-d", new, "-o", tmp_path / "report.csv")
    assert "6 patients" in single.out
