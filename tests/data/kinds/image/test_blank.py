"""Images and slices of one value throughout: an export that failed, which is told and never merely trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmlego.data import Cohort, ImagePreprocessor, preprocessing_from_config
from mmlego.data.cohort.checking import check_manifest
from mmlego.data.kinds.image.plan import ImagePlan
from mmlego.errors import LegoWarning
from tests.data.kinds.image.scans import pixels, write_dicom, write_nifti, write_picture
from tests.data.kinds.image.test_headers import doubts

pytest.importorskip("monai", reason="needs mmlego[images]")


def told(folder: Path, **section: object) -> list[str]:
    """Return what is blank, as check says it and as files are read that may be left out."""
    skipped = doubts(folder, on_error="skip", **section)
    doubts(folder, **section)
    found = [text for text in check_manifest(folder / "c.yaml").doubtful if "blank" in text]
    assert found == [text for text in skipped if "blank" in text]
    return found


def test_images(tmp_path: Path) -> None:
    write_picture(tmp_path / "p0.png", pixels(8, 8))
    write_picture(tmp_path / "p1.png", np.zeros((8, 8), np.uint8))
    write_picture(tmp_path / "p2.png", np.full((8, 8, 3), [200, 30, 30], np.uint8))
    coloured = np.full((8, 8, 3), [9, 8, 7], np.uint8)
    write_dicom(tmp_path / "p3.png", coloured)
    write_dicom(tmp_path / "p4.png", np.eye(8, dtype=np.uint8) + 4, PixelPaddingValue=5)
    (found,) = told(tmp_path, kind="image", pattern="{key}.png", size=[8, 8], colour="rgb")
    assert found.startswith("m: 4 patients with blank images, of one value throughout (p1: 1 of 1, p2: 1 of 1, p3:")


def test_slices_of_volumes(tmp_path: Path) -> None:
    """What lies outside of a brain in NIfTI is no fault, a slice that is lost within is."""
    brain = pixels(4, 4, 6, most=200) + 1
    brain[..., [0, 5]] = 0
    write_nifti(tmp_path / "p0.nii", brain.astype(np.float32))
    lost = brain.copy()
    lost[..., 3] = 0
    write_nifti(tmp_path / "p1.nii", lost.astype(np.float32))
    write_nifti(tmp_path / "p2.nii", np.zeros((4, 4, 6), np.float32))
    (found,) = told(tmp_path, kind="volume", pattern="{key}.nii", size=[6, 4, 4])
    assert found.endswith("m: 2 patients with blank slices, of one value throughout (p1: 1 of 6, p2: 6 of 6)")


def test_slices_of_a_series(tmp_path: Path) -> None:
    for k in range(3):
        plane = np.full((4, 4), 7, np.uint8) if k == 2 else pixels(4, 4, seed=k)
        write_dicom(tmp_path / f"p0/{k}.dcm", plane, number=k, place=(0, 0, k))
    (found,) = told(tmp_path, kind="volume", pattern="{key}/*.dcm", rows="series", size=[3, 4, 4])
    assert found.endswith("(p0: 1 of 3)")


def test_training_warns(tmp_path: Path) -> None:
    write_picture(tmp_path / "p0.png", pixels(8, 8))
    write_picture(tmp_path / "p1.png", np.zeros((8, 8), np.uint8))
    doubts(tmp_path, kind="image", pattern="{key}.png", size=[8, 8])
    read = Cohort.from_manifest(tmp_path / "c.yaml")
    with pytest.warns(
        LegoWarning, match=r"^1 image of one value throughout, for training to learn nothing from: p1\.$"
    ):
        read.prepare(["p0", "p1"])


def test_prediction_marks_blank_images_and_other_units(tmp_path: Path) -> None:
    for i, unit in enumerate(["BQML", "BQML", "GML", ""]):
        array = np.full((8, 8), 4, np.uint8) if i == 3 else pixels(8, 8, seed=i)
        write_dicom(tmp_path / f"p{i}.dcm", array, Modality="PT", Units=unit)
    doubts(tmp_path, kind="image", pattern="{key}.dcm", size=[8, 8])
    frame = Cohort.from_manifest(tmp_path / "c.yaml").frames["m"]
    fitted = ImagePreprocessor.fit(frame.iloc[:2], ImagePlan(size=(8, 8)))
    assert fitted.unit == "BQML"
    again = preprocessing_from_config(fitted.config())
    assert again == fitted
    marks = {"p2": ["unit = GML, not BQML"], "p3": ["image of one value throughout"]}
    assert again.odd(frame) == (marks, {})
    mixed = ImagePreprocessor.fit(frame.iloc[:3], ImagePlan(size=(8, 8)))
    assert "unit" not in mixed.config()
    assert mixed.odd(frame.iloc[:3]) == ({}, {})
