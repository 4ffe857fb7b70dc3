from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mmlego.data import Cohort
from mmlego.data.reading.remarks import Doubtful, Dropped
from mmlego.errors import InputError
from tests.data.kinds.image.scans import group, pixels, write_dicom, write_enhanced

pydicom = pytest.importorskip("pydicom", reason="needs mmlego[images]")


def notes(folder: Path, of: type = Dropped, **section: object) -> list[str]:
    """Return what is told of a cohort of DICOM files."""
    (folder / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": section}}))
    return [str(note) for note in Cohort.from_manifest(folder / "c.yaml").dropped if isinstance(note, of)]


def doubts(folder: Path, **section: object) -> list[str]:
    """Return what is doubtful of a cohort of DICOM files."""
    return notes(folder, Doubtful, **section)


def test_a_file_that_says_that_it_is_of_another_patient(tmp_path: Path) -> None:
    for i, owner in enumerate(["p0", "p2", "elsewhere", "", " p4 "]):
        write_dicom(tmp_path / f"p{i}.dcm", pixels(8, 8, seed=i), PatientID=owner)
    said = "1 patient whose file says that it is another's of the cohort (p1: 'p2') (p1)"
    assert doubts(tmp_path, kind="image", pattern="{key}.dcm", size=[8, 8]) == [f"m: {said}"]


def test_slices_of_two_patients(tmp_path: Path) -> None:
    for i in range(2):
        for k in range(3):
            owner = "p0" if (i, k) == (1, 2) else f"p{i}"
            path = tmp_path / f"p{i}/{k}.dcm"
            write_dicom(path, pixels(4, 4, seed=3 * i + k), number=k, place=(0, 0, k), PatientID=owner)
    said = "1 patient of whose slices some say that they are another's (p1: 'p0', 'p1') (p1)"
    assert doubts(tmp_path, kind="volume", pattern="{key}/*.dcm", rows="series", size=[3, 4, 4]) == [f"m: {said}"]


def test_two_units_of_positron_emission(tmp_path: Path) -> None:
    for i, unit in enumerate(["BQML", "BQML", "GML", "US"]):
        name = "RescaleType" if unit == "US" else "Units"  # US is unspecified
        write_dicom(tmp_path / f"p{i}.dcm", pixels(8, 8, seed=i), Modality="PT", **{name: unit})
    said = "values in several units, which count as if they were one ('BQML' in 2 patients, 'GML' in 1 patient)"
    assert doubts(tmp_path, kind="image", pattern="{key}.dcm", size=[8, 8]) == [
        f"m: {said}: convert them, or leave some out"
    ]
    (tmp_path / "p2.dcm").unlink()
    assert doubts(tmp_path, kind="image", pattern="{key}.dcm", size=[8, 8]) == []


def scan(folder: Path, **tags: object) -> Path:
    """Write the one volume of the next patient, two frames that each lie somewhere."""
    path = folder / f"p{len(list(folder.glob('*.dcm')))}.dcm"
    return write_enhanced(path, pixels(2, 4, 4, seed=len(path.name)), [(0, 0, 0), (0, 0, 1)], **tags)


def mapping(slope: float, unit: str) -> dict[str, object]:
    code = group(MeasurementUnitsCodeSequence={"CodeValue": unit}).MeasurementUnitsCodeSequence
    return {"RealWorldValueSlope": slope, "RealWorldValueIntercept": -10.0, "MeasurementUnitsCodeSequence": code}


VOLUME = {"kind": "volume", "pattern": "{key}.dcm", "size": [2, 4, 4]}


def test_units_of_frames(tmp_path: Path) -> None:
    """Of CT nothing said is Hounsfield units, US are others; frames of two units are no volume."""
    scan(tmp_path, Modality="CT", slopes=(1, 1))
    hounsfield = scan(tmp_path, Modality="CT", slopes=(1, 1))
    said = "m: values in several units, which count as if they were one ('HU' in 1 patient, 'US' in 1 patient)"
    made = pydicom.dcmread(hounsfield)
    for frame in made.PerFrameFunctionalGroupsSequence:
        frame.PixelValueTransformationSequence[0].RescaleType = "US"
    made.save_as(hounsfield)
    assert [text.partition(": convert")[0] for text in doubts(tmp_path, **VOLUME)] == [said]
    del made.PerFrameFunctionalGroupsSequence[1].PixelValueTransformationSequence[0].RescaleType
    made.save_as(hounsfield)
    with pytest.raises(InputError, match=r"no regular stack of one volume: expected one Units, got US, HU"):
        doubts(tmp_path, **VOLUME)


def test_mappings_to_the_real_world(tmp_path: Path) -> None:
    """One that is the slope says the unit; one that is another is not applied, which is told."""
    for i, (slope, unit) in enumerate([(2, "mm2/s"), (2, "mm2/s"), (0.5, "s")]):
        scan(tmp_path, Modality="MR", slopes=(2, 2), more=[{"RealWorldValueMappingSequence": mapping(slope, unit)}] * 2)
        assert i or doubts(tmp_path, **VOLUME) == []
    said = "m: 1 volume whose header maps stored values to others (RealWorldValueMapping), which is not applied (p2)"
    assert doubts(tmp_path, **VOLUME) == [said]


def test_what_headers_say_of_values(tmp_path: Path) -> None:
    section = {"kind": "image", "pattern": "{key}.dcm", "size": [8, 8]}
    shown = {"Modality": "MG", "WindowCenter": 2000, "WindowWidth": 4000}
    for i, kind in enumerate(["FOR PRESENTATION", "FOR PROCESSING"]):
        write_dicom(tmp_path / f"p{i}.dcm", pixels(8, 8, seed=i), PresentationIntentType=kind, **shown)
    told = notes(tmp_path, **section)
    assert "m: 2 images whose header says how it is to be shown (VOI LUT, window), which is not applied" in told
    assert doubts(tmp_path, **section) == [
        "m: 1 image for processing, not for presentation (PresentationIntentType) (p1)"
    ]
    write_dicom(tmp_path / "p2.dcm", pixels(8, 8, seed=3), Modality="CT")
    (tmp_path / "p0.dcm").unlink(), (tmp_path / "p1.dcm").unlink()
    (said,) = doubts(tmp_path, **section)
    assert "1 image of CT without RescaleIntercept: its values are those stored" in said


@pytest.mark.parametrize("pixels_too", [True, False])  # read for them, or for what stands before them
def test_an_element_that_says_that_it_is_larger_than_the_memory(
    pixels_too: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(2):
        write_dicom(tmp_path / f"p{i}.dcm", pixels(8, 8, seed=i))
    read = pydicom.dcmread

    def without_memory(path: object, stop_before_pixels: bool = False) -> object:
        if stop_before_pixels is not pixels_too:
            raise MemoryError
        return read(path, stop_before_pixels=stop_before_pixels)

    monkeypatch.setattr(pydicom, "dcmread", without_memory)
    section = {"kind": "image", "pattern": "{key}.dcm", "size": [8, 8]}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": section}}))
    with pytest.raises(InputError, match=r"'p0\.dcm' is damaged: expected elements no larger than the file"):
        Cohort.from_manifest(tmp_path / "c.yaml").prepare(["p0", "p1"]).data(["p0"]).batch()
