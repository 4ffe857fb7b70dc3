"""TIFF, BMP, GIF and WebP are read as they are written, or refused with what helps."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from mmlego.data import Cohort
from mmlego.data.kinds.image.files import open_image, open_volume
from mmlego.data.kinds.image.pictures import open_picture
from mmlego.data.kinds.image.reading import read_image
from mmlego.errors import InputError
from tests.data.kinds.image.scans import write_dicom, write_picture

pytest.importorskip("monai", reason="needs mmlego[images]")
MOST = 10**6
GREY = (np.arange(12, dtype=np.uint8) * 20).reshape(3, 4)
DEEP = GREY.astype(np.uint16) * 257
COLOUR = np.dstack([GREY, GREY + 5, GREY + 10])


def tiff(path: Path, values: np.ndarray, order: str = "<", **tags: int) -> Path:
    """Write a TIFF of one stripe, byte by byte, independent of Pillow; tags: bits, photometric, orientation."""
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    colours = 1 if values.ndim == 2 else values.shape[2]
    bits = tags.get("bits", values.dtype.itemsize * 8)
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()  # type: ignore[arg-type]
    entries: list[tuple[int, str, list[int]]] = [
        (256, "I", [values.shape[1]]),
        (257, "I", [values.shape[0]]),
        (258, "H", [bits] * colours),
        (259, "H", [1]),
        (262, "H", [tags.get("photometric", 1 if colours == 1 else 2)]),
        (273, "I", [8]),
        (274, "H", [tags.get("orientation", 1)]),
        (277, "H", [colours]),
        (278, "I", [values.shape[0]]),
        (279, "I", [len(data)]),
        (339, "H", [kind] * colours),
    ]
    directory, behind = b"", b""
    end = 8 + len(data) + 2 + 12 * len(entries) + 4
    for tag, form, numbers in entries:
        raw = struct.pack(order + form * len(numbers), *numbers)
        where = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack(order + "I", end + len(behind))
        behind += b"" if len(raw) <= 4 else raw
        directory += struct.pack(order + "HHI", tag, {"H": 3, "I": 4}[form], len(numbers)) + where
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8 + len(data))
    path.write_bytes(head + data + struct.pack(order + "H", len(entries)) + directory + b"\0\0\0\0" + behind)
    return path


READ: dict[str, tuple[np.ndarray, dict[str, Any], int]] = {  # with its bits
    "8 bits": (GREY, {}, 8),
    "16 bits": (DEEP, {}, 16),
    "16 bits, big end first": (DEEP, {"order": ">"}, 16),
    "16 bits, signed": (GREY.astype(np.int16) - 100, {}, 0),
    "32 bits, signed": (GREY.astype(np.int32) * 10**6 - 100, {}, 0),
    "floating point": (GREY / np.float32(3), {}, 0),
    "floating point, big end first": (GREY / np.float32(3), {"order": ">"}, 0),
}


@pytest.mark.parametrize("case", READ)
def test_tiff_is_read_as_it_is_written(case: str, tmp_path: Path) -> None:
    values, how, bits = READ[case]
    file = open_image(tiff(tmp_path / "a.tif", values, **how), MOST)
    assert (file.shape, file.bits) == ((3, 4), bits)
    assert torch.equal(read_image(file, "grey")[0], torch.from_numpy(values.astype(np.float32)))


def test_colours_and_white_as_0_of_8_bits(tmp_path: Path) -> None:
    colour = read_image(open_image(tiff(tmp_path / "a.tif", COLOUR), MOST), "rgb")
    assert colour.tolist() == COLOUR.transpose(2, 0, 1).tolist()
    white = read_image(open_image(tiff(tmp_path / "b.tif", GREY, photometric=0), MOST), "grey")
    assert white[0].tolist() == (255 - GREY.astype(int)).tolist()


@pytest.mark.parametrize("form", ["bmp", "gif", "webp", "tif"])
def test_other_pictures(form: str, tmp_path: Path) -> None:
    how = {"lossless": True} if form == "webp" else {"compression": "tiff_lzw"} if form == "tif" else {}
    grey = open_image(write_picture(tmp_path / f"a.{form}", GREY, **how), MOST)
    assert (grey.shape, grey.bits) == ((3, 4), 8)
    assert read_image(grey, "grey")[0].tolist() == GREY.tolist()
    if form != "gif":  # which has palettes alone
        colour = read_image(open_image(write_picture(tmp_path / f"b.{form}", COLOUR, **how), MOST), "rgb")
        assert colour.tolist() == COLOUR.transpose(2, 0, 1).tolist()


def pages(path: Path) -> Path:
    from PIL import Image

    several = [Image.fromarray(np.roll(GREY, i)) for i in range(3)]
    several[0].save(path, save_all=True, append_images=several[1:])
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-4000])
    return path


LARGE = np.random.default_rng(0).integers(0, 255, (80, 80), dtype=np.uint8)
REFUSED = {
    "pages": ("a.tif", pages, r"no single image: expected one page, got 3 pages\. Save the page that counts, as PNG"),
    "frames of a GIF": ("a.gif", pages, "got 3 pages"),
    "frames of WebP": ("a.webp", pages, "got 3 pages"),
    "signed bytes": ("a.tif", lambda p: tiff(p, GREY.astype(np.int16).astype(np.int8)), "got 8 bits, signed.*as PNG"),
    "32 bits": ("a.tif", lambda p: tiff(p, GREY.astype(np.uint32) * 2 * 10**7), "got 32 bits, unsigned"),
    "white as 0": ("a.tif", lambda p: tiff(p, DEEP, photometric=0), "got 16 bits in which 0 is white"),
    "a turned picture": ("a.tif", lambda p: tiff(p, GREY, orientation=6), "got a picture that was turned"),
    "double precision": ("a.tif", lambda p: tiff(p, GREY / 3.0), "cannot read 'a.tif'"),
    "a truncated TIFF": (
        "a.tif",
        lambda p: cut(write_picture(p, LARGE, compression="tiff_lzw")),
        "cannot read 'a.tif'",
    ),
    "a truncated BMP": ("a.bmp", lambda p: cut(write_picture(p, LARGE)), "cannot read 'a.bmp'"),
    "a truncated WebP": ("a.webp", lambda p: cut(write_picture(p, LARGE, lossless=True)), "cannot read 'a.webp'"),
    "a sound": ("a.webp", lambda p: p.write_bytes(b"RIFF\0\0\0\0WAVE"), r"not read: expected PNG.*Save it as PNG"),
    "JPEG 2000": (
        "a.jp2",
        lambda p: write_picture(p, LARGE),
        r"not read: expected PNG, JPEG, TIFF.*got .jp2\. Save it as",
    ),
    "NIfTI": ("a.nii", lambda p: p.write_bytes(b"x" * 400), r"got .nii\. Declare kind: volume"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_not_be_read_as_it_is_written_is_refused(case: str, tmp_path: Path) -> None:
    name, write, message = REFUSED[case]
    write(tmp_path / name)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        open_image(tmp_path / name, MOST)


def test_a_dicom_file_that_begins_as_a_tiff_is_dicom(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", GREY)
    content = bytearray(path.read_bytes())
    content[:4] = b"II*\0"
    path.write_bytes(content)
    file = open_image(path, MOST)
    assert file.form == "dicom"
    assert read_image(file, "grey")[0].tolist() == GREY.tolist()


def test_volumes_of_other_formats_say_how_they_are_turned_into_nifti(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_text("NRRD0004\n")
    with pytest.raises(
        InputError, match=r"expected NIfTI or DICOM, got \.nrrd\. .*ReadImage\('a\.nrrd'\), 'a\.nii\.gz'\)"
    ):
        open_volume(tmp_path / "a.nrrd", MOST)


def test_pictures_of_a_cohort_and_nan_in_one_of_them(tmp_path: Path) -> None:
    for i in range(4):
        values = np.roll(GREY, i) / np.float32(3)
        values[0, 0] = np.nan if i == 2 else values[0, 0]
        tiff(tmp_path / f"p{i}.tif", values)
    section = 'm: {kind: image, pattern: "{key}.tif", size: [3, 4], on_error: skip}'
    (tmp_path / "cohort.yaml").write_text(f"key: id\nmodalities: {{{section}}}\n")
    cohort = Cohort.from_manifest(tmp_path / "cohort.yaml")
    assert cohort.patients == ("p0", "p1", "p3")
    pixels = cohort.prepare(cohort.patients).data().batch().inputs["m"]
    assert pixels.shape == (3, 1, 3, 4)
    assert abs(float(pixels.mean())) < 1e-5


@pytest.mark.parametrize(("colour", "told"), [("grey", True), ("rgb", False)])
def test_colours_that_are_not_looked_at_are_told(colour: str, told: bool, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (200, 10, 10)).save(tmp_path / "a.png")
    Image.new("L", (8, 8), 90).save(tmp_path / "b.png")
    section = {"kind": "image", "pattern": "{key}.png", "size": [8, 8], "colour": colour}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": section}}))
    notes = [str(note) for note in Cohort.from_manifest(tmp_path / "c.yaml").dropped]
    assert notes == (["m: 1 image in colour read as grey: colour: rgb keeps it"] if told else [])


def palette(path: Path, second: tuple[int, int, int], clear: int | None) -> None:
    """Write a picture of a palette of black and another colour."""
    image = Image.fromarray(np.arange(4, dtype=np.uint8).reshape(2, 2) % 2, "P")
    image.putpalette([0, 0, 0, *second])
    image.save(path, **({} if clear is None else {"transparency": clear}))


def test_transparent_pixels_and_palettes_in_colour_are_told(tmp_path: Path) -> None:
    clear = np.full((2, 2, 4), 255, dtype=np.uint8)
    Image.fromarray(clear).save(tmp_path / "opaque.png")
    clear[0, 0, 3] = 0  # white that cannot be seen: on black it would be black
    Image.fromarray(clear).save(tmp_path / "clear.png")
    Image.fromarray(clear[..., 2:]).save(tmp_path / "grey.png")
    palette(tmp_path / "red.png", (255, 0, 0), None)
    palette(tmp_path / "white.png", (255, 255, 255), 1)
    palette(tmp_path / "unused.png", (255, 255, 255), 2)
    Image.fromarray(np.full((2, 2), 7, dtype=np.uint8)).save(tmp_path / "a.gif", transparency=8)
    found = {path.stem: open_picture(path, 100).doubts for path in sorted(tmp_path.iterdir())}
    assert found == {
        "a": (),
        "opaque": ("in colour",),
        "clear": ("in colour", "transparent"),
        "grey": ("transparent",),
        "red": ("in colour",),
        "white": ("transparent",),
        "unused": (),
    }
    section = {"kind": "image", "pattern": "{key}.png", "size": [2, 2], "colour": "rgb"}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": section}}))
    (tmp_path / "white.png").unlink()
    said = [str(note) for note in Cohort.from_manifest(tmp_path / "c.yaml").dropped]
    assert said == [
        "m: 2 images with transparent pixels, whose colours count as if they could be seen: save them without "
        "transparency, on the background that is meant (clear, grey)"
    ]
