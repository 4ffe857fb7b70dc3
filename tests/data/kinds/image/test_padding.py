"""Padding of DICOM is background, whatever number stands for it, before slopes are applied (PS3.3 C.7.5.1.1.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmlego.data.kinds.image.files import open_image, open_volume
from mmlego.data.kinds.image.reading import look_through, read_image, read_volume
from mmlego.errors import InputError
from tests.data.kinds.image.scans import group, write_dicom, write_enhanced
from tests.data.kinds.image.test_headers import notes

pydicom = pytest.importorskip("pydicom", reason="needs mmlego[images]")
pytest.importorskip("monai", reason="needs mmlego[images]")
MOST = 10**6
IMPLICIT = "1.2.840.10008.1.2"
CT: dict[str, Any] = {"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024}


def grey(path: Path) -> list[list[float]]:
    found: list[list[float]] = read_image(open_image(path, MOST), "grey")[0].tolist()
    return found


@pytest.mark.parametrize("syntax", [IMPLICIT, "1.2.840.10008.1.2.1"])
@pytest.mark.parametrize("padding", [-2000, 63536])
def test_padding_of_a_scanner(padding: int, syntax: str, tmp_path: Path) -> None:
    """−2000 in 16 bits is 63536 without a sign; files name one where their pixels hold the other."""
    for signed in (True, False):
        stored = np.array([[-2000, 24], [1064, -2000]], dtype=np.int16)
        stored = stored if signed else stored.view(np.uint16)
        path = write_dicom(tmp_path / f"{signed}.dcm", stored, syntax=syntax, **CT)
        made = pydicom.dcmread(path)
        made.add_new("PixelPaddingValue", "SS" if padding < 0 else "US", padding)
        made.save_as(path)
        assert grey(path) == [[-1000, -1000], [40, -1000]]


def test_padding_takes_the_darkest_value_of_the_whole_volume(tmp_path: Path) -> None:
    """Also where small values are bright, by a range of values, and slope by slope."""
    stored = np.array([[[7, 9], [100, 200]], [[8, 300], [7, 9]]], dtype=np.uint16)
    places = [(0, 0, 0), (0, 0, 1)]
    tags = {"PixelPaddingValue": 9, "PixelPaddingRangeLimit": 7}
    path = write_enhanced(tmp_path / "a.dcm", stored, places, slopes=(1, 2), **tags)
    found = read_volume([open_volume(path, MOST)])[0].numpy().transpose(2, 1, 0)
    assert found.tolist() == [[[90, 90], [90, 190]], [[90, 590], [90, 90]]]
    for k, plane in enumerate(stored):
        write_dicom(tmp_path / f"s/{k}.dcm", plane, number=k, place=(0, 0, k), PixelPaddingValue=7, **CT)
    series = [open_volume(tmp_path / f"s/{k}.dcm", MOST) for k in range(2)]
    assert read_volume(series)[0].numpy().transpose(2, 1, 0).tolist() == [
        [[-1016, -1015], [-924, -824]],
        [[-1016, -724], [-1016, -1015]],
    ]
    mammogram = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "HighBit": 11}
    film = write_dicom(
        tmp_path / "b.dcm", np.array([[0, 4000], [95, 4090]], np.uint16), PixelPaddingValue=0, **mammogram
    )
    assert grey(film) == [[5, 95], [4000, 5]]


def test_looked_up_values_and_numbers_with_a_point(tmp_path: Path) -> None:
    table = group(ModalityLUTSequence={"LUTDescriptor": [4, 0, 8], "LUTData": [0, 10, 100, 200]}).ModalityLUTSequence
    table[0]["LUTDescriptor"].VR = table[0]["LUTData"].VR = "US"
    stored = np.array([[0, 1], [2, 3]], dtype=np.uint16)
    path = write_dicom(tmp_path / "a.dcm", stored, ModalityLUTSequence=table, PixelPaddingValue=3)
    assert grey(path) == [[0, 10], [100, 0]]


def test_padding_alone_or_no_stored_value_is_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.full((2, 2), 5, np.uint16), PixelPaddingValue=5)
    with pytest.raises(InputError, match=r"'a\.dcm' holds nothing but padding"):
        grey(path)
    twelve = {"BitsStored": 12, "HighBit": 11, "PixelPaddingValue": 63536}
    path = write_dicom(tmp_path / "b.dcm", np.array([[1, 2]], np.uint16), **twelve)
    with pytest.raises(InputError, match=r"PixelPaddingValue of 'b\.dcm' is no value that is stored: .*got 63536"):
        look_through([open_image(path, MOST)])


def test_it_is_told(tmp_path: Path) -> None:
    for i in range(3):
        more = {"PixelPaddingValue": 0} if i else {}
        write_dicom(tmp_path / f"p{i}.dcm", np.arange(i, i + 64, dtype=np.uint8).reshape(8, 8), **more)
    said = "m: 2 images whose header names a value of padding, which counts as the darkest that was measured"
    assert said in notes(tmp_path, kind="image", pattern="{key}.dcm", size=[8, 8])
