"""Images and volumes as they should not be: each refused by name, unread where it says that it is too large."""

from __future__ import annotations

import gzip
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmlego.data import Cohort, Prepared
from mmlego.data.kinds.image.files import open_image, open_volume
from mmlego.data.kinds.image.plan import ImagePlan
from mmlego.data.kinds.image.preprocess import ImagePreprocessor
from mmlego.data.kinds.image.reading import read_image, read_volume
from mmlego.errors import InputError, MissingExtraError
from tests.data.kinds.image.scans import pixels, write_dicom, write_nifti, write_picture

pytest.importorskip("monai", reason="needs mmlego[images]")

Make = Callable[[Path], object]
DEFLATED = "1.2.840.10008.1.2.1.99"


def cut(path: object, keep: float = 0.5) -> None:
    assert isinstance(path, Path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(path: Path, side: int = 60_000) -> None:
    """Write a PNG of a few bytes that claims to be huge."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def damaged(path: Path) -> None:
    """Write a PNG with one byte of its pixels changed."""
    content = bytearray(write_picture(path, pixels(64, 64)).read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(bytes(content))


def write_icon(path: Path) -> None:
    write_picture(path.with_suffix(".ico"), pixels(16, 16)).rename(path)


def huge_dicom(path: Path) -> None:
    write_dicom(path, pixels(4, 4), NumberOfFrames=2**23)


def compressed(path: Path) -> None:
    """Write compressed pixels, and cut their end."""
    import pydicom

    write_dicom(path, pixels(64, 64))
    found = pydicom.dcmread(path)
    found.compress(pydicom.uid.RLELossless)
    found.save_as(path)
    assert open_image(path, 10**6).shape == (64, 64)
    assert read_image(open_image(path, 10**6), "grey").tolist() == [pixels(64, 64).tolist()]
    cut(path, 0.99)


def without_pixels(path: Path) -> None:
    write_dicom(path, pixels(4, 4))
    import pydicom

    found = pydicom.dcmread(path)
    del found.PixelData
    found.save_as(path)


IMAGES: dict[str, tuple[str, Make, str]] = {
    "text": (
        "p0.png",
        lambda p: p.write_text("no image"),
        "of a kind that is not read: expected PNG, JPEG, TIFF.*Save it as PNG",
    ),
    "nothing": ("p0.png", lambda p: p.write_bytes(b""), "of a kind that is not read"),
    "another kind": ("p0.png", write_icon, "of a kind that is not read"),
    "a truncated PNG": ("p0.png", lambda p: cut(write_picture(p, pixels(64, 64))), "cannot read 'p0.png'"),
    "a PNG cut in its header": ("p0.png", lambda p: cut(write_picture(p, pixels(64, 64)), 0.005), "cannot read"),
    "a damaged PNG": ("p0.png", damaged, "cannot read 'p0.png'.*expected a whole image"),
    "a truncated JPEG": ("p0.jpg", lambda p: cut(write_picture(p, pixels(64, 64))), "cannot read 'p0.jpg'"),
    "a truncated DICOM": ("p0.dcm", lambda p: cut(write_dicom(p, pixels(64, 64)), 0.9), "'p0.dcm' is truncated"),
    "DICOM cut in its header": ("p0.dcm", lambda p: cut(write_dicom(p, pixels(4, 4)), 0.4), "'p0.dcm' holds no pixels"),
    "DICOM without pixels": ("p0.dcm", without_pixels, "'p0.dcm' holds no pixels"),
    "compressed DICOM, cut": ("p0.dcm", compressed, "'p0.dcm' is truncated"),
    "deflated DICOM": ("p0.dcm", lambda p: write_dicom(p, pixels(4, 4), syntax=DEFLATED), "'p0.dcm' is deflated"),
    "several frames": ("p0.dcm", lambda p: write_dicom(p, pixels(5, 4, 4)), "no single image.*got 5 frames. Declare k"),
    "a palette": (
        "p0.dcm",
        lambda p: write_dicom(p, pixels(4, 4), PhotometricInterpretation="PALETTE COLOR"),
        "'p0.dcm' is drawn with a palette",
    ),
    "a bomb": ("p0.png", bomb, "may be a decompression bomb"),
    "a small bomb": ("p0.png", lambda p: bomb(p, 12_000), "says that it is too large.*got 12000 × 12000"),
    "DICOM that claims to be huge": ("p0.dcm", huge_dicom, "says that it is too large.*got 8388608 × 4 × 4"),
}


def cohort(folder: Path, section: str) -> Cohort:
    (folder / "outcome.csv").write_text("id,died\np0,no\np1,yes\n")
    outcome = "outcome: {task: classification, file: outcome.csv, label: died}"
    (folder / "cohort.yaml").write_text(f"key: id\n{outcome}\nmodalities:\n  scan: {{{section}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


def assert_refused_or_left_out(folder: Path, section: str, message: str) -> None:
    with pytest.raises(InputError, match=f"scan: patient p0: .*{message}.*on_error: skip"):
        cohort(folder, section)
    read = cohort(folder, section + ", on_error: skip")
    assert read.patients == ("p1",)
    assert any("scan: 1 file left out: patient p0: " in str(note) for note in read.dropped)


@pytest.mark.parametrize("case", IMAGES)
def test_images_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    name, make, message = IMAGES[case]
    write_picture(tmp_path / "x" / "p1.png", pixels(8, 8))
    make(tmp_path / "x" / name)
    assert_refused_or_left_out(tmp_path, 'kind: image, pattern: "x/{key}.*", size: [8, 8]', message)


def nifti_header(path: Path, *shape: int) -> None:
    """Write a NIfTI header that claims a size, and hardly any voxels."""
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    content = header.binaryblock + b"\0" * 100
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


LARGE = pixels(16, 16, 16).astype(np.int16)
SMALL = pixels(4, 4, 4).astype(np.int16)
VOLUMES: dict[str, tuple[str, Make, str]] = {
    "text": ("p0.nii", lambda p: p.write_text("no volume" * 99), "cannot read 'p0.nii'"),
    "text, packed": ("p0.nii.gz", lambda p: p.write_text("no volume" * 99), "cannot read 'p0.nii.gz'"),
    "a picture": ("p0.png", lambda p: write_picture(p, pixels(8, 8)), "not read: expected NIfTI or DICOM, got .png"),
    "truncated": ("p0.nii", lambda p: cut(write_nifti(p, SMALL), 0.9), "'p0.nii' is truncated: expected 480 bytes"),
    "truncated and packed": (
        "p0.nii.gz",
        lambda p: cut(write_nifti(p, pixels(16, 16, 16).astype(np.int16)), 0.8),
        "0.nii",
    ),
    "too few voxels, packed": ("p0.nii.gz", lambda p: nifti_header(p, 64, 64, 64), "'p0.nii.gz' is truncated"),
    "a claim": ("p0.nii.gz", lambda p: nifti_header(p, 2000, 2000, 2000), "too large.*got 2000 × 2000 × 2000"),
    "over time": (
        "p0.nii",
        lambda p: write_nifti(p, pixels(4, 4, 4, 5).astype(np.int16)),
        "is no volume: expected three",
    ),
    "a truncated DICOM": ("p0.dcm", lambda p: cut(write_dicom(p, pixels(9, 64, 64)), 0.9), "'p0.dcm' is truncated"),
    "colours": ("p0.dcm", lambda p: write_dicom(p, pixels(9, 9, 3)), "is coloured: expected a grey volume, got RGB"),
    "a mosaic": (
        "p0.dcm",
        lambda p: write_dicom(p, pixels(9, 9), place=(0, 0, 0), ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"]),
        "is a mosaic",
    ),
    "frames without a place": ("p0.dcm", lambda p: write_dicom(p, pixels(9, 4, 4)), "does not say how it lies"),
    "complex": (
        "p0.nii",
        lambda p: write_nifti(p, np.full((4, 4, 4), 3 + 4j, np.complex64)),
        "holds complex numbers: expected real ones, as their magnitude",
    ),
    "colours in NIfTI": (
        "p0.nii",
        lambda p: write_nifti(p, np.zeros((4, 4, 4), np.dtype([(c, "u1") for c in "RGB"]))),
        "holds no numbers: expected a grey volume",
    ),
}


@pytest.mark.parametrize("case", VOLUMES)
def test_volumes_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    name, make, message = VOLUMES[case]
    write_nifti(tmp_path / "x" / "p1.nii.gz", SMALL)
    make(tmp_path / "x" / name)
    assert_refused_or_left_out(tmp_path, 'kind: volume, pattern: "x/{key}.*", size: [4, 4, 4]', message)


def slices(folder: Path, *numbers: int | None, **odd: object) -> None:
    for i, number in enumerate(numbers):
        more = odd if i == len(numbers) - 1 else {}
        array = pixels(*more.pop("shape", (6, 6)))  # type: ignore[misc]
        write_dicom(folder / f"{i}.dcm", array, number=number, **{"place": (0, 0, i)} | more)


SERIES: dict[str, tuple[Make, str]] = {
    "one without a place": (lambda p: slices(p, 1, 2, place=None), "a place for each slice, got 1 of 2 without"),
    "numbers twice": (
        lambda p: [write_dicom(p / f"{i}.dcm", pixels(6, 6), number=n) for i, n in enumerate((1, 2, 2))],
        "without a place or number of their own: expected ImagePositionPatient, or InstanceNumber, got 2.dcm",
    ),
    "without numbers": (
        lambda p: [write_dicom(p / f"{i}.dcm", pixels(6, 6), number=n) for i, n in enumerate((1, None))],
        "without a place or number of their own: .* got 1.dcm",
    ),
    "without places": (
        lambda p: [write_dicom(p / f"{n}.dcm", pixels(6, 6), number=n) for n in (1, 2)],
        "'p0' does not say how it lies: expected ImagePositionPatient and ImageOrientationPatient. .* orientation: RAS",
    ),
    "two series": (lambda p: slices(p, 1, 2, series="9.9"), "are not of one series: expected one, got 2"),
    "two sizes": (lambda p: slices(p, 1, 2, shape=(6, 7)), "are not of one size"),
    "frames among them": (lambda p: slices(p, 1, 2, shape=(3, 6, 6)), "are not the slices of a series"),
    "a picture among them": (lambda p: write_picture(p / "9.png", pixels(6, 6)), "kind that is not read"),
    "a NIfTI among them": (lambda p: (slices(p, 1), write_nifti(p / "9.nii", SMALL)), "not the slices of a series"),
    "nothing": (lambda p: p.mkdir(parents=True), "holds no file: expected the slices"),
    "too many": (lambda p: slices(p, *range(6)), "too many voxels: expected at most 200"),
}


@pytest.mark.parametrize("case", SERIES)
def test_series_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    make, message = SERIES[case]
    slices(tmp_path / "ct" / "p1", 1, 2, 3)
    make(tmp_path / "ct" / "p0")
    (tmp_path / "scans.csv").write_text("id,path\np0,ct/p0\np1,ct/p1\n")
    assert_refused_or_left_out(tmp_path, "kind: volume, file: scans.csv, size: [4, 4, 4], most: 200", message)


def test_slices_that_are_links(tmp_path: Path) -> None:
    slices(tmp_path / "ct" / "p0", 1, 2, 3)
    slices(tmp_path / "store", 1, 2, 3)
    (tmp_path / "ct" / "p1").mkdir()
    for i in range(3):
        (tmp_path / "ct" / "p1" / f"{i}.dcm").symlink_to(tmp_path / "store" / f"{i}.dcm")
    for name in ("DICOMDIR", "LICENSE", "notes.txt"):  # as viewers and archives put them beside slices
        (tmp_path / "ct" / "p1" / name).write_text("no slice")
    (tmp_path / "study").mkdir()
    (tmp_path / "ct").rename(tmp_path / "study" / "ct")
    (tmp_path / "study" / "scans.csv").write_text("id,path\np0,ct/p0\np1,ct/p1\n")
    (tmp_path / "study" / "outcome.csv").write_text("id,y\np0,0\np1,1\n")
    text = """
key: id
outcome: {task: classification, file: outcome.csv, label: y}
modalities: {scan: {kind: volume, file: scans.csv, size: [4, 4, 4], on_error: skip}}
"""
    manifest = tmp_path / "study" / "cohort.yaml"
    manifest.write_text(text)
    with pytest.raises(InputError, match=r"links in the folder 'p1' leave the manifest's folder: .*links: true"):
        Cohort.from_manifest(manifest)
    for more in ("links: true", "roots: [., ../store]"):
        manifest.write_text(text + more)
        seen = Cohort.from_manifest(manifest).frames["scan"]["image"]
        whole = [read_volume(seen[patient].files).array for patient in ("p0", "p1")]
        np.testing.assert_array_equal(whole[0], whole[1])


def test_several_volumes_are_no_series(tmp_path: Path) -> None:
    for name in ("p0_a.nii", "p0_b.nii"):
        write_nifti(tmp_path / name, SMALL)
    (tmp_path / "outcome.csv").write_text("id,y\np0,0\n")
    (tmp_path / "cohort.yaml").write_text("""
key: id
outcome: {task: classification, file: outcome.csv, label: y, classes: [0, 1]}
modalities: {scan: {kind: volume, pattern: "{key}_*.nii", size: [4, 4, 4]}}
""")
    with pytest.raises(InputError, match=r"Declare what to do, as rows: first \(the first of each counts\)\.$"):
        Cohort.from_manifest(tmp_path / "cohort.yaml")


def test_one_broken_slice_spoils_the_volume(tmp_path: Path) -> None:
    slices(tmp_path / "ct" / "p0", 1, 2, 3, 4)
    slices(tmp_path / "ct" / "p1", 1, 2, 3, 4)
    cut(tmp_path / "ct" / "p0" / "3.dcm", 0.97)  # the last: the others are an even stack
    section = 'kind: volume, pattern: "ct/{key}/*.dcm", rows: series, size: [4, 4, 4]'
    with pytest.raises(InputError, match=r"scan: patient p0: '3\.dcm' is truncated"):
        cohort(tmp_path, section)
    assert cohort(tmp_path, section + ", on_error: skip").patients == ("p1",)


def test_a_slice_alone_is_told(tmp_path: Path) -> None:
    slices(tmp_path / "ct" / "p0", 1)
    slices(tmp_path / "ct" / "p1", 1, 2)
    read = cohort(tmp_path, 'kind: volume, pattern: "ct/{key}/*.dcm", rows: series, size: [4, 4, 4]')
    assert "scan: 1 volume of one slice alone (p0)" in map(str, read.dropped)


SECTIONS = {
    "no size": ('kind: image, pattern: "x/{key}.png"', "'size' is missing"),
    "three axes of an image": ('kind: image, pattern: "x/{key}.png", size: [4, 4, 4]', "'size' is wrong"),
    "size nought": ('kind: image, pattern: "x/{key}.png", size: [4, 0]', "size is not positive"),
    "both": ('kind: image, pattern: "{key}.png", size: [4, 4], window: [0, 9], percentiles: [1, 99]', "exclude one an"),
    "a window upside down": ('kind: image, pattern: "{key}.png", size: [4, 4], window: [9, 0]', "lower and a higher"),
    "percentiles beyond": ('kind: image, pattern: "{key}.png", size: [4, 4], percentiles: [1, 101]', "from 0 to 100"),
    "no spacing": ('kind: volume, pattern: "{key}.nii", size: [4, 4, 4], spacing: [1, 1, 0]', "spacing is that of vol"),
    "an axis": (
        'kind: image, pattern: "{key}.png", size: [4, 4], augment: {flip: [d]}',
        "no axis d to flip",
    ),
    "a change": (
        'kind: image, pattern: "{key}.png", size: [4, 4], augment: {spin: 3}',
        "unknown key 'spin' in 'augment'",
    ),
    "no place": ("kind: image, size: [4, 4]", "name the files, by file: .* or by pattern:"),
    "bits of a volume": ('kind: volume, pattern: "{key}.nii", size: [4, 4, 4], bits: 8', "unknown key 'bits'"),
    "no bits": ('kind: image, pattern: "{key}.png", size: [4, 4], bits: 0', "'bits'|bits"),
    "too many voxels": ('kind: volume, pattern: "{key}.nii", size: [999, 999, 999]', "size is of more than 268435456"),
    "an orientation": (
        'kind: volume, pattern: "{key}.nii", size: [4, 4, 4], orientation: RAP',
        "orientation is one letter each of L or R, P or A, I or S, as LPS",
    ),
    "colour": ('kind: image, pattern: "{key}.png", size: [4, 4], colour: blue', "'colour' is wrong"),
}


@pytest.mark.parametrize("case", SECTIONS)
def test_sections_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    section, message = SECTIONS[case]
    with pytest.raises(InputError, match=message):
        cohort(tmp_path, section)


def test_volumes_have_no_colours() -> None:
    with pytest.raises(ValueError, match="volumes are grey"):
        ImagePlan(size=(4, 4, 4), colour="rgb")


def test_files_that_leave_the_folder(tmp_path: Path) -> None:
    write_picture(tmp_path / "secret.png", pixels(8, 8))
    folder = tmp_path / "cohort"
    write_picture(folder / "x" / "p1.png", pixels(8, 8))
    (folder / "x" / "p0.png").symlink_to(tmp_path / "secret.png")
    (folder / "scans.csv").write_text("id,path\np0,../secret.png\np1,x/p1.png\n")
    for section in ("file: scans.csv", 'pattern: "x/{key}.png"', 'pattern: "../{key}.png"'):
        for more in ("", ", on_error: skip"):
            with pytest.raises(InputError, match="leaves the manifest's folder"):
                cohort(folder, f"kind: image, {section}, size: [8, 8]{more}")


def test_pixels_that_are_no_numbers_or_all_one(tmp_path: Path) -> None:
    broken = np.ones((4, 4, 4), dtype=np.float32)
    broken[1, 1, 1] = np.nan
    file = open_volume(write_nifti(tmp_path / "a.nii", broken), 10**6)
    with pytest.raises(InputError, match=r"'a\.nii' holds NaN or infinite values"):
        read_volume([file])
    write_picture(tmp_path / "x" / "p0.png", np.full((8, 8), 7, dtype=np.uint8))
    with pytest.raises(InputError, match=r"'scan': the images of the training patients are all of one value.*got 7"):
        cohort(tmp_path, 'kind: image, pattern: "x/{key}.png", size: [8, 8]').prepare(["p0"])


def test_files_that_break_or_hide_later(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", pixels(64, 64))
    file = open_image(path, 10**6)
    cut(path)
    with pytest.raises(InputError, match=r"cannot read 'a\.png'"):
        read_image(file, "grey")
    path.unlink()
    with pytest.raises(InputError, match=r"cannot read 'a\.png'"):
        file.fingerprint()
    packed = tmp_path / "c.nii.gz"  # in two parts, as parallel programs pack: the last says the size of its own
    raw = write_nifti(tmp_path / "c.nii", SMALL).read_bytes()
    packed.write_bytes(gzip.compress(raw[:300]) + gzip.compress(raw[300:]))
    assert open_volume(packed, 99).shape == (4, 4, 4)


def test_preprocessing_meets_another_kind() -> None:
    other = Cohort.from_frames({"scan": pd.DataFrame({"x": [1.0, 2.0]}, index=["a", "b"])})
    fitted = ImagePreprocessor(ImagePlan(size=(4, 4)), (0.0,), (1.0,))
    with pytest.raises(InputError, match=r"'scan': a modality that holds no images: expected kind: image .* got x"):
        Prepared(other, {"scan": fitted}).data()
    table = pd.DataFrame({"y": [1.0, 2.0]}, index=["a", "b"])
    nobody = Cohort.from_frames({"rna": table})
    data = Prepared(nobody, {"scan": fitted, **nobody.prepare(["a", "b"]).preprocessing}).data()
    assert data.batch().inputs["scan"] is None
    with pytest.raises(InputError, match="kind 'image' is not made of a table in memory"):
        Cohort.from_frames({"scan": table}, kinds={"scan": {"kind": "image", "pattern": "{key}.png", "size": [4, 4]}})


@pytest.mark.parametrize(
    ("package", "name"),
    [("PIL.Image", "p0.png"), ("pydicom", "p0.dcm"), ("nibabel", "p0.nii"), ("monai.data.image_reader", "p0.png")],
)
def test_without_the_package(package: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x" / name
    if name.endswith("png"):
        write_picture(path, pixels(8, 8))
    else:
        write_dicom(path, pixels(8, 8)) if name.endswith("dcm") else write_nifti(path, SMALL)
    monkeypatch.setitem(sys.modules, package, None)
    kind, size = ("volume", "[4, 4, 4]") if name.endswith("nii") else ("image", "[4, 4]")
    with pytest.raises(MissingExtraError, match=rf"needs {package.split('.')[0]}.* pip install 'mmlego\[images\]'"):
        cohort(tmp_path, f'kind: {kind}, pattern: "x/{{key}}.*", size: {size}').prepare(["p0"])
