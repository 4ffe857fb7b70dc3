"""NaN and infinite values within files are found before training; where they are not, patient and file are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mmlego.data import Cohort, check_manifest
from mmlego.data.cohort.file_values import unfit_files
from mmlego.errors import InputError
from tests.data.kinds.image.scans import write_dicom, write_nifti

OUTCOME = "id,died\n" + "".join(f"p{i},{'yes' if i % 2 else 'no'}\n" for i in range(6))


def features(bad: float | None, number: int) -> np.ndarray:
    made = np.random.default_rng(number).normal(size=(9000, 3)).astype(np.float32)
    if bad is not None:
        made[8500, 1] = bad  # in the second block that is read, and in no small sample
    return made


def h5(path: Path, values: np.ndarray, chunks: tuple[int, int] | None = None) -> None:
    h5py = pytest.importorskip("h5py", reason="needs mmlego[bags]")
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file.create_dataset("features", data=values, chunks=chunks, compression=None if chunks is None else "gzip")


def zarr(path: Path, values: np.ndarray) -> None:
    package = pytest.importorskip("zarr", reason="needs mmlego[zarr]")
    package.open_group(str(path.with_suffix(".zarr")), mode="w").create_array("features", data=values)


BAGS: dict[str, tuple[str, Callable[[Path, np.ndarray], None]]] = {
    "h5": ("h5", h5),
    "h5 in chunks": ("h5", lambda path, values: h5(path, values, (1000, 3))),
    "pt": ("pt", lambda path, values: torch.save(torch.from_numpy(values), path.with_suffix(".pt"))),
    "npy": ("npy", lambda path, values: np.save(path.with_suffix(".npy"), values)),
    "zarr": ("zarr", zarr),
}


def manifest(folder: Path, section: str) -> Path:
    (folder / "outcome.csv").write_text(OUTCOME)
    outcome = "outcome: {task: classification, file: outcome.csv, label: died}\n"
    (folder / "cohort.yaml").write_text(f"key: id\n{outcome}modalities:\n  m: {{{section}}}\n")
    return folder / "cohort.yaml"


def check_found(folder: Path, section: str, file: str) -> None:
    """Check that NaN of p3 is found by ``check``, left out by ``skip``, and named with patient and file in a batch."""
    cohort = Cohort.from_manifest(manifest(folder, section))  # headers alone
    assert cohort.patients == tuple(f"p{i}" for i in range(6))
    report = check_manifest(folder / "cohort.yaml")
    lines = [line for line in report.wrong if f"'{file}' holds NaN or infinite" in line]
    assert len(lines) == 1
    assert lines[0].startswith("m: patient p3: ")
    assert lines[0].endswith("declare on_error: skip to go on without it.")
    data = cohort.prepare([p for p in cohort.patients if p != "p3"]).data(["p3"])
    with pytest.raises(
        InputError, match=rf"^modality 'm': patient p3: '{file}' holds NaN or infinite .*on_error: skip"
    ):
        data.batch()
    skipping = manifest(folder, f"{section}, on_error: skip")
    left = Cohort.from_manifest(skipping)  # the remedy
    assert left.patients == ("p0", "p1", "p2", "p4", "p5")
    assert any(f"patient p3: '{file}' holds NaN" in str(note) for note in left.dropped)
    assert check_manifest(skipping).wrong == []
    assert left.prepare(left.patients).data().batch().inputs["m"] is not None


@pytest.mark.parametrize("form", BAGS)
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_bags(form: str, bad: float, tmp_path: Path) -> None:
    ending, write = BAGS[form]
    for i in range(6):
        write(tmp_path / f"p{i}", features(bad if i == 3 else None, i))
    column = ", file: files.csv" if ending == "zarr" else f', pattern: "{{key}}.{ending}"'
    (tmp_path / "files.csv").write_text("id,path\n" + "".join(f"p{i},p{i}.zarr\n" for i in range(6)))
    check_found(tmp_path, f"kind: bag{column}", f"p3.{ending}")


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_volumes_in_nifti(ending: str, tmp_path: Path) -> None:
    pytest.importorskip("monai", reason="needs mmlego[images]")
    for i in range(6):
        values = np.random.default_rng(i).normal(size=(4, 5, 6)).astype(np.float32)
        values[1, 1, 1] = np.nan if i == 3 else 0
        write_nifti(tmp_path / f"p{i}{ending}", values, np.eye(4))
    check_found(tmp_path, f'kind: volume, size: [4, 5, 6], pattern: "{{key}}{ending}"', f"p3{ending}")


def test_images_whose_units_are_infinite(tmp_path: Path) -> None:
    pytest.importorskip("monai", reason="needs mmlego[images]")
    for i in range(6):
        grey = np.random.default_rng(i).integers(1, 255, (6, 7)).astype(np.uint8)
        write_dicom(tmp_path / f"p{i}.dcm", grey, RescaleSlope="1e308" if i == 3 else "2", RescaleIntercept="0")
    check_found(tmp_path, 'kind: image, size: [6, 7], pattern: "{key}.dcm"', "p3.dcm")


def test_of_more_bytes_than_are_read_some_patients_are_looked_at(tmp_path: Path) -> None:
    for i in range(6):
        np.save(tmp_path / f"p{i}.npy", features(np.nan if i == 3 else None, i))
    cohort = Cohort.from_manifest(manifest(tmp_path, 'kind: bag, pattern: "{key}.npy"'))
    size = sum((tmp_path / f"p{i}.npy").stat().st_size for i in range(6))
    assert unfit_files(cohort, size)[0].keys() == {"m"}
    found, notes = unfit_files(cohort, size // 2)  # p0, p2, p4
    assert found == {}
    assert notes == [f"m: files of 3 patients not read to their end: they have more than {size // 2} bytes"]


def test_of_several_slides_the_one_that_cannot_be_used_is_left_out(tmp_path: Path) -> None:
    for i in range(6):
        np.save(tmp_path / f"p{i}_a.npy", features(None, i)[:50])
        np.save(tmp_path / f"p{i}_b.npy", np.full((4, 3), np.nan if i == 3 else 1.0))
    section = 'kind: bag, rows: concat, on_error: skip, pattern: "{key}_*.npy"'
    bags = Cohort.from_manifest(manifest(tmp_path, section)).frames["m"]["bag"]
    assert [bags[f"p{i}"].tokens for i in range(6)] == [54, 54, 54, 50, 54, 54]


def test_arrays_of_numpy_that_are_no_features(tmp_path: Path) -> None:
    np.save(tmp_path / "p0.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    message = r"patient p0: cannot read 'p0\.npy' \(it holds objects, and nothing of it was executed\): expected an"
    with pytest.raises(InputError, match=message):
        Cohort.from_manifest(manifest(tmp_path, 'kind: bag, pattern: "{key}.npy"'))
    np.save(tmp_path / "p0.npy", np.array([[True]]))
    with pytest.raises(InputError, match=r"'p0\.npy' is no array of numbers: expected .*got bool"):
        Cohort.from_manifest(manifest(tmp_path, 'kind: bag, pattern: "{key}.npy"'))
    (tmp_path / "p0.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"cannot read 'p0\.npy'"):
        Cohort.from_manifest(manifest(tmp_path, 'kind: bag, pattern: "{key}.npy"'))


@pytest.mark.parametrize("order", ["<f4", ">f4", "F", "batch"])
def test_arrays_of_numpy_are_read_as_they_lie(order: str, tmp_path: Path) -> None:
    values = np.arange(20).reshape(5, 4)
    stored = {"F": np.asfortranarray(values), "batch": values[None]}.get(order)
    np.save(tmp_path / "p0.npy", values.astype(order) if stored is None else stored)
    bag = Cohort.from_manifest(manifest(tmp_path, 'kind: bag, pattern: "{key}.npy"')).frames["m"]["bag"]["p0"]
    assert bag.features().tolist() == values.tolist()
    assert bag.features(np.array([1, 4])).tolist() == values[[1, 4]].tolist()
