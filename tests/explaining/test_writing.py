"""Files for others: squares of slides, molecules, images, and the summary."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mmlego.data import FingerprintPreprocessor
from mmlego.explaining.explain import Explanation
from mmlego.explaining.features import FeatureValues
from mmlego.explaining.modalities import ModalityValues
from mmlego.explaining.molecules import atom_shares, drawn
from mmlego.explaining.slides import geojson_of, patch_size
from mmlego.explaining.writing import is_explanation, summary_of, write_explanation

PNG = b"\x89PNG"


def of_slide(patient: str = "p/1") -> FeatureValues:
    patches = [(x, y) for y in (0, 256) for x in (0, 256, 512)]
    lines = [
        {
            "patient": patient,
            "feature": f"patch {i}",
            "value": None,
            "attribution": i - 2.0,
            "slide": "s.h5",
            "x": x,
            "y": y,
        }
        for i, (x, y) in enumerate(patches)
    ]
    lines.append({"patient": patient, "feature": "(number of patches)", "value": None, "attribution": 0.5})
    sums = pd.DataFrame({"base": [0.0], "prediction": [3.5], "attributions": [3.5], "error": [0.0], "exact": [True]})
    sums.index = pd.Index([patient], name="patient")
    return FeatureValues(pd.DataFrame(lines), sums)


def explanation(features: dict[str, FeatureValues], patient: str = "p/1") -> Explanation:
    frame = pd.DataFrame({name: [1.0] for name in features} | {"base": [0.0], "prediction": [1.0 * len(features)]})
    frame.index = pd.Index([patient], name="patient")
    outputs = pd.Series(["dead"], index=frame.index, name="output")
    return Explanation(ModalityValues(frame, outputs, "log-odds of the class"), features)


def test_a_slide_is_written_with_all_its_patches(tmp_path: Path) -> None:
    write_explanation(explanation({"wsi": of_slide()}), tmp_path)
    (drawing,) = (tmp_path / "wsi").glob("p_1*.geojson")
    made = json.loads(drawing.read_text())
    assert made["type"] == "FeatureCollection"
    assert len(made["features"]) == 6
    first = made["features"][0]
    assert first["geometry"] == {"type": "Polygon", "coordinates": [[[0, 0], [256, 0], [256, 256], [0, 256], [0, 0]]]}
    assert first["properties"]["objectType"] == "detection"
    assert first["properties"]["measurements"] == {"attribution": -2.0, "rank": 2}
    assert first["properties"]["classification"]["name"] == "lowers"
    assert made["features"][5]["properties"]["measurements"]["rank"] == 1
    assert drawing.with_suffix(".png").read_bytes().startswith(PNG)
    assert is_explanation(tmp_path)
    (tmp_path / "wsi" / "notes.txt").write_text("mine")
    assert not is_explanation(tmp_path)


def test_colours_go_both_ways() -> None:
    patches = of_slide().per_feature.dropna(subset="x")
    red, _, blue = json.loads(geojson_of(patches, 256))["features"][5]["properties"]["classification"]["color"]
    assert red > blue
    red, _, blue = json.loads(geojson_of(patches, 256))["features"][0]["properties"]["classification"]["color"]
    assert blue > red


def test_steps_of_shifted_rows_do_not_mislead() -> None:
    grid = np.array([[x + (37 if y else 0), y] for y in (0, 512) for x in range(0, 2048, 512)], dtype=np.float64)
    assert patch_size(grid) == 512.0
    assert patch_size(grid[:1]) == 1.0


def test_the_summary_is_of_what_patients_share() -> None:
    summary = summary_of(explanation({"wsi": of_slide()}))
    assert summary["feature"].tolist() == ["(number of patches)"]
    assert summary["mean_size"].tolist() == [0.5]


def test_images_and_molecules_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    image = FeatureValues(of_slide("p").per_feature.drop(columns=["x", "y", "slide"]), of_slide("p").sums)
    image.maps["p"] = (np.zeros((8, 8)), np.eye(8))
    volume = FeatureValues(image.per_feature, image.sums, maps={"p": (np.zeros((4, 8, 8)), np.ones((4, 8, 8)))})
    drug = FeatureValues(image.per_feature, image.sums, molecules={"p": ("CCO", np.array([0.5, 0.0, -1.0]))})
    write_explanation(explanation({"scan": image, "ct": volume, "drug": drug}, "p"), tmp_path)
    for name in ("scan", "ct", "drug"):
        assert (tmp_path / name / "p.png").read_bytes().startswith(PNG)
    atoms = pd.read_csv(tmp_path / "drug" / "atoms.csv")
    assert atoms["attribution"].tolist() == [0.5, 0.0, -1.0]


def test_bits_go_to_their_atoms() -> None:
    """Of ethanol at radius 0 each atom has a bit of its own; of radius 1 the whole is one neighbourhood more."""
    pytest.importorskip("rdkit")
    fitted = FingerprintPreprocessor(radius=0, bits=2048)
    row = fitted.transform(pd.DataFrame({"smiles": ["CCO"]}))[0]
    shares = (row * torch.arange(2048)).tolist()
    found = atom_shares("CCO", fitted, shares)
    assert sorted(found.tolist()) == sorted(share for share in shares if share)
    wide = FingerprintPreprocessor(radius=2, bits=2048)
    bits = wide.transform(pd.DataFrame({"smiles": ["CC(=O)Oc1ccccc1"]}))[0]
    assert atom_shares("CC(=O)Oc1ccccc1", wide, bits.tolist()).sum() == pytest.approx(float(bits.sum()))
    assert drawn("CCO", found).startswith(PNG)
