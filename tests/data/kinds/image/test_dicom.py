"""DICOM frame by frame: places, scales and greys, against what the standard says (PS3.3 2024)."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmlego.data.kinds.image.codestream import check_decoder
from mmlego.data.kinds.image.files import open_image, open_volume
from mmlego.data.kinds.image.plan import ImagePlan
from mmlego.data.kinds.image.reading import read_image, read_volume
from mmlego.errors import InputError
from tests.data.kinds.image.scans import group, pixels, write_dicom, write_enhanced

pydicom = pytest.importorskip("pydicom", reason="needs mmlego[images]")
pytest.importorskip("monai", reason="needs mmlego[images]")
MOST = 10**6
LOSSLESS = "1.2.840.10008.1.2.4.70"


def volume(path: Path) -> Any:
    return read_volume([open_volume(path, MOST)])


def grey(path: Path) -> list[list[float]]:
    found: list[list[float]] = read_image(open_image(path, MOST), "grey")[0].tolist()
    return found


def planes(path: Path) -> list[float]:
    """Return the first value of each slice, from first to last."""
    found: list[float] = volume(path)[0, 0, 0].tolist()
    return found


def flat(*values: int) -> np.ndarray:
    return np.array([np.full((4, 5), value) for value in values], dtype=np.uint16)


def test_frames_are_scaled_one_by_one(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "pet.dcm", flat(100, 100, 100), [(0, 0, z) for z in range(3)], slopes=(1, 2, 5))
    assert planes(path) == [90, 190, 490]
    image = write_enhanced(tmp_path / "one.dcm", flat(7)[0], [(0, 0, 0)], slopes=(3,))
    assert grey(image)[0] == [11.0] * 5


def test_frames_lie_where_they_say(tmp_path: Path) -> None:
    path = write_enhanced(tmp_path / "ct.dcm", flat(30, 10, 20), [(0, 0, z) for z in (8, 0, 4)])
    assert planes(path) == [10, 20, 30]
    np.testing.assert_allclose(volume(path).affine.numpy(), np.diag([-3.0, -2.0, 4.0, 1.0]))
    array = pixels(3, 5, 7, most=1000)
    coronal = write_enhanced(
        tmp_path / "cor.dcm", array, [(0, 4.0 * i, 0) for i in range(3)], axes=(1, 0, 0, 0, 0, -1), slopes=(2, 2, 2)
    )
    found = volume(coronal)
    np.testing.assert_array_equal(found[0].numpy(), array.T * 2.0 - 10)
    np.testing.assert_allclose(found.affine.numpy(), [[-3, 0, 0, 0], [0, 0, -4, 0], [0, -2, 0, 0], [0, 0, 0, 1]])


def test_several_volumes_in_one_file(tmp_path: Path) -> None:
    twice = [(0, 0, z) for z in (0, 1, 0, 1)]
    times: list[dict[str, dict[str, object]]] = [
        {"FrameContentSequence": {"TemporalPositionIndex": n}} for n in (1, 1, 2, 2)
    ]
    path = write_enhanced(tmp_path / "a.dcm", flat(1, 2, 3, 4), twice, more=times)
    with pytest.raises(InputError, match=r"2 slices of 4 where another one lies.* TemporalPositionIndex: 1, 2"):
        volume(path)
    stacks: list[dict[str, dict[str, object]]] = [{"FrameContentSequence": {"StackID": n}} for n in "1122"]
    path = write_enhanced(tmp_path / "b.dcm", flat(1, 2, 3, 4), [(0, 0, z) for z in range(4)], more=stacks)
    with pytest.raises(InputError, match=r"expected one StackID, got 1, 2"):
        volume(path)
    short = write_enhanced(tmp_path / "c.dcm", flat(1, 2, 3), [(0, 0, 0), (0, 0, 1)])
    with pytest.raises(InputError, match=r"'c\.dcm' describes 2 of its frames: expected 3"):
        open_volume(short, MOST)


def test_doses(tmp_path: Path) -> None:
    dose = np.array([np.full((4, 5), value) for value in (1000, 2000, 3000)], dtype=np.uint32)
    tags: dict[str, Any] = {"DoseGridScaling": "0.001", "Modality": "RTDOSE", "FrameIncrementPointer": 0x3004000C}
    path = write_dicom(tmp_path / "a.dcm", dose, place=(0, 0, 50), GridFrameOffsetVector=[0, 2.5, 5], **tags)
    assert planes(path) == [1, 2, 3]
    assert volume(path).affine[:, 2].tolist() == [0, 0, 2.5, 0]
    kept = ImagePlan(size=(3, 4, 5), spacing=(2.5, 1, 1)).load([open_volume(path, MOST)])
    assert kept[0, :, 0, 0].tolist() == [1, 2, 3]
    places = write_dicom(tmp_path / "b.dcm", dose, place=(0, 0, 50), GridFrameOffsetVector=[50, 47.5, 45], **tags)
    assert planes(places) == [3, 2, 1]  # as places along the body, to the feet
    assert volume(places).affine[2, 3] == 45
    lost = write_dicom(tmp_path / "c.dcm", dose, place=(0, 0, 50), GridFrameOffsetVector=[3, 5, 7], **tags)
    with pytest.raises(InputError, match=r"the planes of 'c\.dcm' have no place: .* got 3"):
        open_volume(lost, MOST)


def test_nuclear_medicine_counts_along_its_first_slice(tmp_path: Path) -> None:
    where = {"ImagePositionPatient": [0, 0, 10], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    tags: dict[str, Any] = {"Modality": "NM", **vars_of(where), "SliceVector": [1, 2, 3]}
    path = write_dicom(
        tmp_path / "a.dcm", flat(1, 2, 3), SpacingBetweenSlices=-4, FrameIncrementPointer=0x00540080, **tags
    )
    assert planes(path) == [3, 2, 1]  # a negative step: in front of the first
    assert volume(path).affine[2].tolist() == [0, 0, 4, 2]
    gated = write_dicom(
        tmp_path / "b.dcm",
        flat(1, 2, 3),
        SpacingBetweenSlices=4,
        FrameIncrementPointer=[0x00540080, 0x00540070],
        **tags,
    )
    assert open_volume(gated, MOST).slices[0].place is None


def vars_of(where: dict[str, object]) -> dict[str, Any]:
    """Return the sequence of one detector."""
    return {"DetectorInformationSequence": group(DetectorInformationSequence=where).DetectorInformationSequence}


def test_small_values_are_dark_in_images_and_volumes(tmp_path: Path) -> None:
    swapped = {"PhotometricInterpretation": "MONOCHROME1"}
    signed = np.array([[-5, 5], [0, 1]], dtype=np.int16)
    assert grey(write_dicom(tmp_path / "a.dcm", signed, **swapped)) == [[4, -6], [-1, -2]]  # within −32768 to 32767
    twelve = {"BitsStored": 12, "HighBit": 11}
    stored = np.array([[4095, 0], [95, 4000]], dtype=np.uint16)
    image = write_dicom(tmp_path / "b.dcm", stored, RescaleSlope=2, RescaleIntercept=-1000, **twelve, **swapped)
    assert grey(image) == [[-1000, 7190], [7000, -810]]
    scan = write_enhanced(
        tmp_path / "c.dcm", np.array([stored, stored]), [(0, 0, 0), (0, 0, 1)], slopes=(1, 2), **twelve, **swapped
    )
    assert volume(scan)[0, 0, 1].tolist() == [4000 - 10, 8000 - 10]
    overlay = np.array([[0x8005, 0x0005]], dtype=np.uint16)  # a plane of an overlay above the bits stored
    assert grey(write_dicom(tmp_path / "d.dcm", overlay, **twelve)) == [[5, 5]]


def test_looked_up_values(tmp_path: Path) -> None:
    table = group(ModalityLUTSequence={"LUTDescriptor": [4, 0, 8], "LUTData": [0, 10, 100, 200]}).ModalityLUTSequence
    table[0]["LUTDescriptor"].VR = table[0]["LUTData"].VR = "US"
    stored = np.array([[0, 1], [2, 3]], dtype=np.uint16)
    assert grey(write_dicom(tmp_path / "a.dcm", stored, ModalityLUTSequence=table)) == [[0, 10], [100, 200]]
    swapped = write_dicom(
        tmp_path / "b.dcm", stored, ModalityLUTSequence=table, PhotometricInterpretation="MONOCHROME1"
    )
    assert grey(swapped) == [[255, 245], [155, 55]]


def test_colours_stored_as_luminance(tmp_path: Path) -> None:
    array = np.full((4, 4, 3), (76, 85, 255), dtype=np.uint8)  # red, by ITU-R BT.601
    path = write_dicom(tmp_path / "a.dcm", array, PhotometricInterpretation="YBR_FULL")
    assert read_image(open_image(path, MOST), "rgb")[:, 0, 0].tolist() == [254, 0, 0]
    halved = np.tile(np.array([76, 76, 85, 255], dtype=np.uint8), 8)  # two pixels, then their colour
    path = write_dicom(tmp_path / "b.dcm", array, PhotometricInterpretation="YBR_FULL_422")
    found = pydicom.dcmread(path)
    found.PixelData = halved.tobytes()
    found.save_as(path)
    assert read_image(open_image(path, MOST), "rgb")[:, 3, 3].tolist() == [254, 0, 0]


def test_series_keep_rows_as_rows_without_places(tmp_path: Path) -> None:
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint16)
    files = [open_volume(write_dicom(tmp_path / f"{n}.dcm", array + 10 * n, number=n), MOST) for n in (1, 2)]
    assert ImagePlan(size=(2, 2, 3)).load(files)[0, 0].tolist() == (array + 10).tolist()
    declared = [dataclasses.replace(file, orientation="LPS") for file in files]
    turned = ImagePlan(size=(2, 2, 3)).load(declared)[0, 1].tolist()
    assert turned == (array + 20)[::-1, ::-1].tolist()  # as an axial series with places
    with pytest.raises(InputError, match=r"does not say how large its voxels are.* Leave spacing: out"):
        ImagePlan(size=(2, 2, 3), spacing=(1, 1, 1)).load(declared)


def test_files_of_other_programs(tmp_path: Path) -> None:
    """Files that come with pydicom, written by scanners and other programs; the same scan in several encodings."""
    pytest.importorskip("gdcm", reason="needs mmlego[images]")
    from pydicom.data import get_testdata_file

    def stored(name: str) -> torch.Tensor:
        found = get_testdata_file(name, read=False)
        assert isinstance(found, str)
        return read_image(open_image(Path(found), MOST), "grey")

    plain = stored("MR_small.dcm")
    assert plain.shape == (1, 64, 64)
    for name in ("MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"):
        assert torch.equal(stored(name), plain), name


def test_without_a_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = b"\xff\xd8\xff\xc3\x00\x0b\x10\x00\x08\x00\x08\x01\x01\x11\x00" + bytes(80) + b"\xff\xd9"

    def write(name: str, frame: bytes, syntax: str = LOSSLESS, **tags: object) -> Path:
        path = write_dicom(tmp_path / name, pixels(8, 8, most=999), **tags)
        found = pydicom.dcmread(path)
        found.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
        found.PixelData = pydicom.encaps.encapsulate([frame])
        found["PixelData"].is_undefined_length = True
        found.save_as(path)
        return path

    path = write("a.dcm", frame)
    decoder = pydicom.pixels.get_decoder(pydicom.uid.JPEGLosslessSV1)
    with monkeypatch.context() as changed:
        changed.setattr(decoder, "_available", {})
        changed.setattr(decoder, "_unavailable", {"gdcm": ("gdcm>=3.0.10",)})
        with pytest.raises(InputError, match=r"'a\.dcm' is compressed as JPEG Lossless.* pip install python-gdcm"):
            open_image(path, MOST)
        changed.setattr(decoder, "_unavailable", {"pylibjpeg": ("pylibjpeg>=2.0", "pylibjpeg-openjpeg>=2.0")})
        with pytest.raises(InputError, match=r"pip install pylibjpeg pylibjpeg-openjpeg"):
            open_image(path, MOST)
        changed.setattr(decoder, "_available", {"gdcm": None})
        assert open_image(path, MOST).shape == (8, 8)
        for wrong, got in (
            (frame.replace(b"\x08\x00\x08", b"\x99\x00\x08", 1), "153 × 8"),
            (b"JPEG?", "something else"),
        ):
            with pytest.raises(InputError, match=rf"pixels of 'b\.dcm' are damaged: .* 8 × 8, got {got}"):
                open_image(write("b.dcm", wrong), MOST)
    video = write("c.dcm", frame, "1.2.840.10008.1.2.4.100")
    with pytest.raises(InputError, match=r"'c\.dcm' is compressed in a way that is not read \(MPEG2"):
        open_image(video, MOST)
    twelve = write("d.dcm", frame, "1.2.840.10008.1.2.4.51", BitsStored=12)
    monkeypatch.setattr(
        pydicom.pixels.get_decoder(pydicom.uid.JPEGExtended12Bit), "_available", {"gdcm": None, "pillow": None}
    )
    with pytest.raises(InputError, match=r"'d\.dcm' is compressed as JPEG Extended"):
        open_image(twelve, MOST)


@pytest.mark.parametrize(
    ("syntax", "bits", "packages"),
    [
        ("JPEGBaseline8Bit", 8, "python-gdcm"),
        ("JPEGExtended12Bit", 8, "python-gdcm"),
        ("JPEGExtended12Bit", 12, "pylibjpeg pylibjpeg-libjpeg"),  # gdcm and Pillow unpack eight bits alone
        ("JPEGLossless", 12, "python-gdcm"),
        ("JPEGLosslessSV1", 12, "python-gdcm"),
        ("JPEGLSLossless", 12, "python-gdcm"),
        ("JPEGLSNearLossless", 12, "python-gdcm"),
        ("JPEG2000Lossless", 12, "python-gdcm"),
        ("JPEG2000", 12, "python-gdcm"),
        ("HTJ2KLossless", 12, "pylibjpeg pylibjpeg-openjpeg"),
        ("HTJ2KLosslessRPCL", 12, "pylibjpeg pylibjpeg-openjpeg"),
        ("HTJ2K", 12, "pylibjpeg pylibjpeg-openjpeg"),
        ("RLELossless", 12, None),  # pydicom itself
    ],
)
def test_the_packages_told_are_those_that_pydicom_unpacks_it_with(
    syntax: str, bits: int, packages: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing being installed; the table is pydicom's own of what each syntax depends on."""
    uid = getattr(pydicom.uid, syntax)
    decoder, needs = pydicom.pixels.get_decoder(uid), {}
    for plugin in ("gdcm", "pylibjpeg", "pillow", "pyjpegls"):
        found = importlib.import_module(f"pydicom.pixels.decoders.{plugin}").DECODER_DEPENDENCIES
        needs |= {plugin: found[uid]} if uid in found else {}
    monkeypatch.setattr(decoder, "_available", {"pydicom": None} if packages is None else {})
    monkeypatch.setattr(decoder, "_unavailable", needs)
    if packages is None:
        check_decoder(uid, bits, "a.dcm")
        return
    with pytest.raises(InputError, match=rf"which no installed package unpacks.* pip install {packages}$"):
        check_decoder(uid, bits, "a.dcm")


def test_jpeg_2000_says_its_size(tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image")
    import io

    from PIL import Image

    for name, size in (("a.dcm", (8, 8)), ("b.dcm", (9, 8))):
        packed = io.BytesIO()
        Image.fromarray(pixels(*size)).save(packed, "JPEG2000", no_jp2=name == "a.dcm", irreversible=False)
        path = write_dicom(tmp_path / name, pixels(8, 8))
        found = pydicom.dcmread(path)
        found.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
        found.PixelData = pydicom.encaps.encapsulate([packed.getvalue()])
        found["PixelData"].is_undefined_length = True
        found.save_as(path)
    assert grey(tmp_path / "a.dcm") == pixels(8, 8).tolist()
    with pytest.raises(InputError, match=r"expected a frame of 8 × 8, got 9 × 8"):
        open_image(tmp_path / "b.dcm", MOST)
