"""The same image under two patients is known, whatever its file says of dates, names and programs."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from mmlego.data.cohort.checking import check_manifest
from mmlego.data.kinds.image.contents import nifti_fingerprint, picture_fingerprint
from tests.data.kinds.image.scans import pixels, write_dicom, write_nifti, write_picture
from tests.data.kinds.image.test_headers import notes

pytest.importorskip("monai", reason="needs mmlego[images]")
from PIL import Image, PngImagePlugin


def test_pictures_but_for_their_metadata(tmp_path: Path) -> None:
    array = pixels(40, 40)
    text = PngImagePlugin.PngInfo()
    text.add_text("Patient", "another " * 100)
    same = [
        write_picture(tmp_path / "a.png", array),
        write_picture(tmp_path / "b.png", array, pnginfo=text, dpi=(9, 9)),
    ]
    exif = Image.Exif()
    exif[305] = "a program of its own"
    shots = [
        write_picture(tmp_path / "a.jpg", array),
        write_picture(tmp_path / "b.jpg", array, exif=exif, comment="x" * 9),
    ]
    assert picture_fingerprint(same[0]) == picture_fingerprint(same[1])
    assert picture_fingerprint(shots[0]) == picture_fingerprint(shots[1])
    array[39, 39] ^= 1
    others = [write_picture(tmp_path / "c.png", array), write_picture(tmp_path / "c.jpg", array ^ 8)]
    assert len({picture_fingerprint(path) for path in (same[0], shots[0], *others)}) == 4


def test_scans_that_were_packed_again(tmp_path: Path) -> None:
    """Skull-stripped brains begin alike: it is the checksum that tells them apart."""
    array = np.zeros((80, 80, 80), np.float32)
    array[30:50, 30:50, 70] = pixels(20, 20)
    plain = write_nifti(tmp_path / "a.nii", array).read_bytes()
    found = []
    for name, level, when, content in (
        ("a", 9, 1, plain),
        ("b", 1, 2, plain),
        ("c", 9, 1, plain[:-9] + b"\1" + plain[-8:]),
    ):
        path = tmp_path / f"{name}.nii.gz"
        with path.open("wb") as raw, gzip.GzipFile(name, "wb", level, raw, when) as packed:
            packed.write(content)
        found.append(nifti_fingerprint(path))
    assert found[0] == found[1] != found[2]
    assert nifti_fingerprint(tmp_path / "a.nii") not in found


def test_check_tells_them(tmp_path: Path) -> None:
    for i, dpi in enumerate([(72, 72), (96, 96), (72, 72)]):
        write_picture(tmp_path / f"p{i}.png", pixels(16, 16, seed=i // 2), dpi=dpi)
    notes(tmp_path, kind="image", pattern="{key}.png", size=[8, 8])
    (said,) = check_manifest(tmp_path / "c.yaml").wrong
    assert "the same features under several ids (p0 = p1)" in said
    for i in range(3):
        write_dicom(tmp_path / f"p{i}.dcm", pixels(16, 16, seed=i // 2), PatientID=f"p{i}")
    notes(tmp_path, kind="image", pattern="{key}.dcm", size=[8, 8])
    assert check_manifest(tmp_path / "c.yaml").wrong == [said]
