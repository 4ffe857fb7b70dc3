"""Masks among images, scans that were shifted, values saved with other bits: told where all pixels are read."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from mmlego.data.cohort.checking import check_manifest
from mmlego.errors import InputError
from tests.data.kinds.image.scans import pixels, write_nifti, write_picture
from tests.data.kinds.image.test_headers import doubts, notes

pytest.importorskip("monai", reason="needs mmlego[images]")
IMAGE = {"kind": "image", "pattern": "{key}.png", "size": [8, 8]}
VOLUME = {"kind": "volume", "pattern": "{key}.nii.gz", "size": [4, 4, 4]}


def doubtful(folder: Path, **section: object) -> list[str]:
    """Return what check says; the same is told of files that are read through because they may be left out."""
    skipped = doubts(folder, on_error="skip", **section)
    notes(folder, **section)
    found = check_manifest(folder / "c.yaml").doubtful
    assert found == skipped
    return found


def test_masks(tmp_path: Path) -> None:
    write_picture(tmp_path / "p0.png", pixels(16, 16))
    write_picture(tmp_path / "p1.png", (pixels(16, 16, seed=1) > 99).astype(np.uint8) * 255)
    said = "m: 1 image of few whole numbers (p1), as a mask or a segmentation: they count as brightness"
    assert doubtful(tmp_path, **IMAGE) == [said]
    write_nifti(tmp_path / "p0.nii.gz", pixels(8, 8, 8).astype(np.int16))
    write_nifti(tmp_path / "p1.nii.gz", pixels(8, 8, 8, seed=1, most=5).astype(np.int16))
    assert doubtful(tmp_path, **VOLUME) == [said.replace("image", "volume")]


def test_scans_with_padding_or_shifted(tmp_path: Path) -> None:
    for i in range(4):
        scan = (pixels(8, 8, 8, seed=i, most=2000).astype(np.int16) - 1024) + (1024 if i == 3 else 0)
        scan[0] = -3024 if i == 1 else scan[0]
        write_nifti(tmp_path / f"p{i}.nii.gz", scan)
    shifted = "m: 1 volume without values below -100 (p3) beside others down to -900 and less, as Hounsfield units:"
    padded = "m: 1 volume with a value of padding (p1: -3024), which counts as tissue: declare window: to cut it off"
    assert doubtful(tmp_path, **VOLUME) == [padded, f"{shifted} are they shifted?"]
    assert doubtful(tmp_path, **VOLUME, window=[-1000, 1500]) == [f"{shifted} are they shifted?"]
    assert doubtful(tmp_path, **VOLUME, percentiles=[1, 99]) == []


def test_values_of_twelve_bits_in_sixteen(tmp_path: Path) -> None:
    for i, most in enumerate([65535, 65535, 4096]):
        write_picture(tmp_path / f"p{i}.png", pixels(16, 16, seed=i, most=most))
    said = "m: 1 image using less than an eighth of their bits (p2) beside others using more than half"
    assert doubtful(tmp_path, **IMAGE) == [f"{said}: were they saved with other bits?"]
    assert doubtful(tmp_path, **IMAGE, percentiles=[1, 99]) == []


def test_shapes_that_differ(tmp_path: Path) -> None:
    for i, width in enumerate([16, 20, 40]):
        write_picture(tmp_path / f"p{i}.png", pixels(16, width, seed=i))
    said = "m: images of several shapes (p0: 16 × 16, p2: 16 × 40) are stretched to one size"
    assert said in notes(tmp_path, **IMAGE)
    (tmp_path / "p2.png").unlink()
    assert notes(tmp_path, **IMAGE) == []


def write_tiff(path: Path, array: np.ndarray) -> None:
    """Write channels ``(h, w, ch)`` beside one another, the last of which is of no known kind (tag 338 is 0)."""
    height, width, channels = array.shape
    data, bits = array.tobytes(), b"\x08\0" * channels
    tags = {256: width, 257: height, 259: 1, 262: 2 if channels == 4 else 1, 277: channels, 278: height, 284: 1, 338: 0}
    found = {tag: (3, 1, struct.pack("<HH", value, 0)) for tag, value in tags.items()}
    found |= {273: (4, 1, struct.pack("<I", 8)), 279: (4, 1, struct.pack("<I", len(data)))}
    long = channels > 2
    found[258] = (3, channels, struct.pack("<I", 8 + len(data)) if long else bits)
    entries = b"".join(struct.pack("<HHI", tag, *found[tag][:2]) + found[tag][2] for tag in sorted(found))
    start = 8 + len(data) + len(bits)
    table = struct.pack("<H", len(found)) + entries + b"\0" * 4
    path.write_bytes(b"II*\0" + struct.pack("<I", start) + data + bits + table)


@pytest.mark.parametrize("channels", [2, 4])
def test_tiff_of_more_channels(channels: int, tmp_path: Path) -> None:
    """Of two channels Pillow 13 shows one, of red, green, blue and another three, and says nothing."""
    write_tiff(tmp_path / "p0.tif", pixels(16, 16, channels))
    section = IMAGE | {"pattern": "{key}.tif", "colour": "rgb"}
    if channels == 2:
        with pytest.raises(InputError, match="got 2 channels, of which 1 would be read"):
            doubts(tmp_path, **section)
    else:
        said = "m: 1 image with channels beside red, green and blue, which are not read (p0)"
        assert doubts(tmp_path, **section) == [said]
