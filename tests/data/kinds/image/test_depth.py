"""Images of 8, 12 and 16 bits: the same picture is the same tensor, or it is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmlego.data import Cohort, Prepared
from mmlego.data.kinds.image.depth import one_depth
from mmlego.data.kinds.image.files import open_image
from mmlego.data.kinds.image.plan import ImagePlan
from mmlego.errors import InputError
from tests.data.kinds.image.scans import pixels, write_dicom, write_picture

pytest.importorskip("monai", reason="needs mmlego[images]")
SCENE = pixels(8, 8, seed=3)
DEEP = (SCENE.astype(np.uint16)) * 257  # the same picture: 255 becomes 65535


def cohort(folder: Path, more: str = "") -> Cohort:
    section = f'{{kind: image, pattern: "x/{{key}}.*", size: [8, 8]{more}}}'
    (folder / "cohort.yaml").write_text(f"key: id\nmodalities:\n  scan: {section}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


def seen(read: Cohort, trained: Cohort | None = None) -> torch.Tensor:
    fitted = (trained or read).prepare(list((trained or read).patients))
    prepared = fitted if trained is None else Prepared(read, fitted.preprocessing)
    inputs: torch.Tensor = prepared.data(list(read.patients)).batch().inputs["scan"]
    return inputs


def test_how_deep_files_are(tmp_path: Path) -> None:
    made = {
        "8.png": write_picture(tmp_path / "8.png", SCENE),
        "8.jpg": write_picture(tmp_path / "8.jpg", SCENE),
        "colour.png": write_picture(tmp_path / "colour.png", pixels(8, 8, 3)),
        "16.png": write_picture(tmp_path / "16.png", DEEP),
        "12.dcm": write_dicom(tmp_path / "12.dcm", DEEP // 16, BitsStored=12, HighBit=11, Modality="DX"),
        "ct.dcm": write_dicom(tmp_path / "ct.dcm", DEEP // 16, BitsStored=12, HighBit=11, Modality="CT"),
        "scaled.dcm": write_dicom(tmp_path / "scaled.dcm", SCENE, RescaleSlope=1, RescaleIntercept=-1024),
    }
    found = {name: open_image(path, 10**6).bits for name, path in made.items()}
    expected = {"8.png": 8, "8.jpg": 8, "colour.png": 8, "16.png": 16, "12.dcm": 12, "ct.dcm": 0, "scaled.dcm": 0}
    assert found == expected


def test_a_mixture_is_refused_or_scaled(tmp_path: Path) -> None:
    write_picture(tmp_path / "x" / "p0.png", SCENE)
    write_picture(tmp_path / "x" / "p1.png", DEEP)
    with pytest.raises(
        InputError, match=r"scan: .* got 8 bits \(1 patient: p0\); 16 bits \(1 patient: p1\)\. Declare bits"
    ):
        cohort(tmp_path)
    for more, top in ((", bits: 8", 255.0), (", bits: 16", 65535.0)):
        read = cohort(tmp_path, more)
        plan = read.prepare(["p0", "p1"]).preprocessing["scan"].plan
        loaded = [plan.load(read.frames["scan"]["image"][patient].files) for patient in ("p0", "p1")]
        torch.testing.assert_close(loaded[0], loaded[1])
        torch.testing.assert_close(loaded[0][0], torch.from_numpy(SCENE).float() * top / 255)
    own = seen(cohort(tmp_path, ", percentiles: [0, 100]"))
    torch.testing.assert_close(own[0], own[1])


def test_x_rays_of_two_makers(tmp_path: Path) -> None:
    ten, twelve = {"BitsStored": 10, "HighBit": 9}, {"BitsStored": 12, "HighBit": 11}
    full = np.array([[0, 1023], [0, 1023]], dtype=np.uint16)
    write_dicom(tmp_path / "x" / "p0.dcm", full, Modality="DX", **ten)
    write_dicom(tmp_path / "x" / "p1.dcm", np.where(full > 0, 4095, 0).astype(np.uint16), Modality="DX", **twelve)
    with pytest.raises(InputError, match=r"got 10 bits .* 12 bits"):
        cohort(tmp_path)
    inputs = seen(cohort(tmp_path, ", bits: 12"))
    torch.testing.assert_close(inputs[0], inputs[1])
    write_dicom(tmp_path / "x" / "p2.dcm", full, Modality="CT")
    with pytest.raises(
        InputError, match=r"got units of their own \(1 patient: p2\); 12 bits .*modalities of their own"
    ):
        cohort(tmp_path, ", bits: 12")


def test_the_bits_of_training_are_kept(tmp_path: Path) -> None:
    write_picture(tmp_path / "a" / "x" / "p0.png", SCENE)
    write_picture(tmp_path / "b" / "x" / "p1.png", DEEP)
    old, new = cohort(tmp_path / "a"), cohort(tmp_path / "b")
    with pytest.raises(
        InputError, match=r"of other bits than those of training: expected 8 bits, got 16 bits .*: p1\)"
    ):
        seen(new, old)
    with pytest.raises(InputError, match=r"expected 8 bits, got 16 bits \(1 patient: b\)"):
        one_depth({"a": 8, "b": 16}, ImagePlan(size=(4, 4)), trained=8)
    scaled = seen(new, cohort(tmp_path / "a", ", bits: 8"))
    torch.testing.assert_close(scaled, seen(old))
    config = old.prepare(["p0"]).preprocessing["scan"].config()
    assert (config["version"], config["bits"]) == (3, 8)
