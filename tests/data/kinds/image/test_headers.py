from __future__ import annotations

from pathlib import Path

import yaml

from mmlego.data import Cohort
from mmlego.data.reading.remarks import Doubtful
from tests.data.kinds.image.scans import pixels, write_dicom


def doubts(folder: Path, **section: object) -> list[str]:
    """Return what is doubtful of a cohort of DICOM files."""
    (folder / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": section}}))
    return [str(note) for note in Cohort.from_manifest(folder / "c.yaml").dropped if isinstance(note, Doubtful)]


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
