"""Images and volumes from their files to a trained block."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mmlego import Baseplate, LegoBlock, fit, load, predict, save
from mmlego.data import Cohort, Draw, ImagePreprocessor, Prepared, duplicates, preprocessing_from_config
from mmlego.data.kinds.image.files import open_image, open_volume
from mmlego.data.kinds.image.plan import Augment, ImagePlan
from mmlego.data.kinds.image.reading import read_image, read_volume
from mmlego.encoders import build_encoder
from mmlego.errors import CheckpointError, InputError, VersionError
from mmlego.tasks import Classification
from tests.data.kinds.image.scans import pixels, write_dicom, write_nifti, write_picture

pytest.importorskip("monai", reason="needs mmlego[images]")
MOST = 10**6


def cohort(folder: Path, section: str, patients: int = 0) -> Cohort:
    outcome = ""
    if patients:
        rows = "".join(f"p{i},{'yes' if i % 2 else 'no'}\n" for i in range(patients))
        (folder / "outcome.csv").write_text("id,died\n" + rows)
        outcome = "outcome: {task: classification, file: outcome.csv, label: died}\n"
    (folder / "cohort.yaml").write_text(f"key: id\n{outcome}modalities:\n  scan: {{{section}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


GREY = pixels(5, 7)
COLOUR = pixels(5, 7, 3)
LUMINANCE = torch.tensor([0.299, 0.587, 0.114])


def test_pictures_are_upright_and_of_the_colour_wanted(tmp_path: Path) -> None:
    grey = open_image(write_picture(tmp_path / "grey.png", GREY), MOST)
    assert grey.shape == (5, 7)
    assert read_image(grey, "grey").tolist() == [GREY.tolist()]
    assert read_image(grey, "rgb").tolist() == [GREY.tolist()] * 3
    colour = open_image(write_picture(tmp_path / "colour.png", COLOUR), MOST)
    assert read_image(colour, "rgb").tolist() == COLOUR.transpose(2, 0, 1).tolist()
    luminance = torch.from_numpy(COLOUR).float() @ LUMINANCE
    assert (read_image(colour, "grey")[0] - luminance).abs().max() <= 1
    deep = pixels(5, 7, most=60000)
    assert read_image(open_image(write_picture(tmp_path / "deep.png", deep), MOST), "grey").tolist() == [deep.tolist()]
    smooth = np.add.outer(np.arange(32), np.arange(40)).astype(np.uint8) * 2
    jpeg = read_image(open_image(write_picture(tmp_path / "a.jpg", smooth, quality=95), MOST), "grey")
    assert (jpeg[0] - torch.from_numpy(smooth)).abs().max() <= 8
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera turned
    turned = open_image(write_picture(tmp_path / "turned.png", GREY, exif=exif), MOST)
    assert read_image(turned, "grey").tolist() == [np.rot90(GREY, -1).tolist()]


def test_dicom_comes_in_its_units_and_small_values_dark(tmp_path: Path) -> None:
    plain = open_image(write_dicom(tmp_path / "a.dcm", GREY), MOST)
    assert read_image(plain, "grey").tolist() == [GREY.tolist()]
    scaled = write_dicom(tmp_path / "b.dcm", GREY, RescaleSlope=2, RescaleIntercept=-1000)
    expected = torch.from_numpy(GREY).float() * 2 - 1000
    assert torch.equal(read_image(open_image(scaled, MOST), "grey")[0], expected)
    swapped = {"PhotometricInterpretation": "MONOCHROME1", "RescaleSlope": 2, "RescaleIntercept": -1000}
    inverted = write_dicom(tmp_path / "c.dcm", 255 - GREY, **swapped)
    assert torch.equal(read_image(open_image(inverted, MOST), "grey")[0], expected)
    coloured = open_image(write_dicom(tmp_path / "d.dcm", COLOUR), MOST)
    assert read_image(coloured, "rgb").tolist() == COLOUR.transpose(2, 0, 1).tolist()
    torch.testing.assert_close(read_image(coloured, "grey")[0], torch.from_numpy(COLOUR).float() @ LUMINANCE)


def test_volumes_of_all_forms_lie_alike(tmp_path: Path) -> None:
    volume = pixels(3, 5, 7, most=1000)  # (z, y, x), x to the left and y to the back as in DICOM
    for i, part in enumerate(volume):
        number = i + 1
        write_dicom(tmp_path / "series" / f"{9 - i}.dcm", part, number=number, place=(0, 0, 4.0 * i), spacing=(2, 3))
    files = [open_volume(path, MOST) for path in sorted((tmp_path / "series").iterdir())]
    series = read_volume(files)
    frames = write_dicom(tmp_path / "frames.dcm", volume, place=(0, 0, 0), spacing=(2, 3), SpacingBetweenSlices=4)
    multi = read_volume([open_volume(frames, MOST)])
    affine = np.diag([-3.0, -2.0, 4.0, 1.0])
    nifti = read_volume([open_volume(write_nifti(tmp_path / "a.nii.gz", volume.T.astype(np.int16), affine), MOST)])
    for found in (series, multi, nifti):
        assert found.shape == (1, 7, 5, 3)
        np.testing.assert_array_equal(found[0].numpy(), volume.T)
        np.testing.assert_allclose(found.affine.numpy(), affine)
    plan = ImagePlan(size=(3, 5, 7))
    placed = plan.load([open_volume(frames, MOST)])
    assert torch.equal(placed[0], torch.from_numpy(volume[:, ::-1, ::-1].astype(np.float32)))  # to front and right


def test_resampling_keeps_millimetres(tmp_path: Path) -> None:
    volume = np.zeros((8, 8, 8), dtype=np.float32)
    volume[2:6, 2:6, 2:6] = 100.0
    file = open_volume(write_nifti(tmp_path / "a.nii", volume, np.diag([1.0, 1.0, 2.0, 1.0])), MOST)
    assert ImagePlan(size=(4, 4, 4)).load([file]).shape == (1, 4, 4, 4)
    even = ImagePlan(size=(24, 12, 12), spacing=(1.0, 1.0, 1.0)).load([file])  # 8 slices of 2 mm are 15 or 16 of 1 mm
    assert even.shape == (1, 24, 12, 12)
    inside = even[0] > 50
    assert inside.any(2).any(1).sum().item() in (7, 8)
    assert inside.any(2).any(0).sum().item() == 4
    assert even[0, 0].unique().tolist() == [0.0]  # padded with air


def test_intensities(tmp_path: Path) -> None:
    values = np.array([[-2000.0, -1000.0, -300.0, 400.0]] * 4, dtype=np.int16)
    file = open_image(write_dicom(tmp_path / "a.dcm", values), MOST)
    plan = ImagePlan(size=(4, 4), window=(-1000, 400))
    assert plan.load([file])[0, 0].tolist() == [0, 0, 0.5, 1]
    ramp = open_image(write_picture(tmp_path / "b.png", np.arange(100, dtype=np.uint8).reshape(10, 10)), MOST)
    own = ImagePlan(size=(10, 10), percentiles=(10, 90)).load([ramp]).flatten()
    assert own[:10].max() < 0.01
    assert own[90:].min() > 0.99
    assert own[50].item() == pytest.approx(0.5, abs=0.02)
    flat = open_image(write_picture(tmp_path / "c.png", np.full((9, 9), 7, dtype=np.uint8)), MOST)
    assert ImagePlan(size=(4, 4), percentiles=(1, 99)).load([flat]).unique().tolist() == [0]


def write_xrays(folder: Path, count: int = 12) -> None:
    """Write images with a bright spot, to the left or to the right by outcome."""
    for i in range(count):
        array = pixels(20, 24, seed=i, most=60)
        array[8:12, (16 if i % 2 else 4) : (20 if i % 2 else 8)] += 150
        write_picture(folder / "xrays" / f"p{i}.png", array)


XRAYS = 'kind: image, pattern: "xrays/{key}.png", size: [16, 16]'


def test_standardised_on_training_patients_alone(tmp_path: Path) -> None:
    write_xrays(tmp_path, 6)
    write_picture(tmp_path / "xrays" / "p6.png", np.full((20, 24), 255, dtype=np.uint8))
    prepared = cohort(tmp_path, XRAYS, 7).prepare([f"p{i}" for i in range(6)])
    batch = prepared.data([f"p{i}" for i in range(6)]).batch().inputs["scan"]
    assert batch.shape == (6, 1, 16, 16)
    assert batch.dtype == torch.float32
    assert batch.mean().item() == pytest.approx(0, abs=1e-4)
    assert batch.std(correction=0).item() == pytest.approx(1, abs=1e-4)
    assert prepared.data(["p6"]).batch().inputs["scan"].min() > 1


def test_changed_while_training_alone_and_by_seed_epoch_and_patient(tmp_path: Path) -> None:
    write_xrays(tmp_path, 4)
    section = XRAYS + ", augment: {flip: [w], rotate: 20, noise: 0.5}"
    data = cohort(tmp_path, section, 4).prepare(["p0", "p1", "p2", "p3"]).data()

    def seen(draw: Draw | None, rows: list[int] | None = None) -> torch.Tensor:
        return data.batch(rows, draw=draw).inputs["scan"]

    plain = seen(None)
    assert torch.equal(plain, seen(None))
    first = seen(Draw(0, 0))
    assert torch.equal(first, seen(Draw(0, 0)))
    torch.testing.assert_close(first[2:3], seen(Draw(0, 0), [2]))  # the others in a batch change nothing
    assert not torch.equal(first, seen(Draw(0, 1)))
    assert not torch.equal(first, seen(Draw(1, 0)))
    assert (first - plain).abs().mean() > 0.05
    bare = cohort(tmp_path, XRAYS, 4).prepare(["p0", "p1", "p2", "p3"]).data()
    assert torch.equal(bare.batch(draw=Draw(0, 0)).inputs["scan"], plain)


def test_a_run_with_other_changes_is_another_run(tmp_path: Path) -> None:
    write_xrays(tmp_path, 2)
    first, again, other = (
        cohort(tmp_path, section).prepare(["p0", "p1"]).preprocessing["scan"]
        for section in (XRAYS, XRAYS, XRAYS + ", augment: {flip: [w]}")
    )
    frame = cohort(tmp_path, XRAYS).frames["scan"]
    marks = [list(fitted.transform(frame).contents()) for fitted in (first, again, other)]
    assert marks[0] == marks[1]
    assert not {*marks[0]} & {*marks[2]}


def test_flips_go_along_their_axis() -> None:
    rng = np.random.default_rng(0)
    image, volume = torch.arange(6.0).reshape(1, 2, 3), torch.arange(24.0).reshape(1, 2, 3, 4)
    for size, axis, one in (((2, 3), "w", image), ((2, 3), "h", image), ((2, 3, 4), "d", volume)):
        plan = ImagePlan(size=size, augment=Augment(flip=(axis,)))
        results = [plan.changed(one, rng) for _ in range(20)]
        dim = {"d": -3, "h": -2, "w": -1}[axis]
        mirrored = [torch.equal(found, one.flip(dim)) for found in results]
        assert all(flipped or torch.equal(found, one) for flipped, found in zip(mirrored, results, strict=True))
        assert 3 < sum(mirrored) < 17
    turned = ImagePlan(size=(2, 3, 4), augment=Augment(rotate=30)).changed(volume, rng)
    assert turned.shape == volume.shape
    assert not torch.equal(turned, volume)
    assert torch.equal(ImagePlan(size=(2, 3), augment=Augment()).changed(image, rng), image)


@pytest.mark.parametrize("kind", ["image", "volume"])
def test_a_trained_block_takes_raw_files(kind: str, tmp_path: Path) -> None:
    if kind == "image":
        write_xrays(tmp_path)
        section = XRAYS + ", augment: {rotate: 5, noise: 0.1}"
    else:
        for i in range(12):
            volume = pixels(10, 10, 10, seed=i, most=60).astype(np.int16)
            volume[2:4, (6 if i % 2 else 1) : (9 if i % 2 else 4)] += 150
            write_nifti(tmp_path / "scans" / f"p{i}.nii.gz", volume)
        section = 'kind: volume, pattern: "scans/{key}.nii.gz", size: [8, 8, 8]'
    read = cohort(tmp_path, section, 12)
    prepared = read.prepare(read.patients[:10])
    name, arguments = prepared.preprocessing["scan"].encoder()
    assert (name, arguments) == ("small_cnn", {"in_channels": 1, "dims": 2 if kind == "image" else 3})
    torch.manual_seed(0)
    plate = Baseplate(Classification(["no", "yes"]), channels=4, width=8, heads=2, head_width=4)
    block = LegoBlock(build_encoder(name, arguments | {"channels": [8, 8], "out_features": 8}), plate, "scan")
    block.preprocessing = prepared.preprocessing["scan"]
    fit(block, prepared.data(read.patients[:10]), epochs=12, lr=1e-2, validation=None, progress=False)
    test = prepared.data(read.patients[10:])
    whole = predict(block, test).probabilities
    assert (whole[:, 1] > 0.5).tolist() == [False, True]
    loaded = load(save(block, tmp_path / "block"))
    assert loaded.preprocessing == block.preprocessing
    again = Prepared(read, {"scan": loaded.preprocessing}, plate.task).data(read.patients[10:])
    torch.testing.assert_close(predict(loaded, again).probabilities, whole)


def test_who_is_told_by_an_image(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1), ("c", 0)):
        write_dicom(tmp_path / "x" / f"{name}.dcm", pixels(9, 9, seed=seed), PatientID=name)
    contents = [(tmp_path / "x" / f"{name}.dcm").read_bytes() for name in "ac"]
    assert contents[0] != contents[1]  # of another patient, says the header
    read = cohort(tmp_path, 'kind: image, pattern: "x/{key}.dcm", size: [8, 8]')
    assert duplicates(read) == {"scan": [("a", "c")]}
    cell = read.frames["scan"]["image"]["a"]
    assert str(cell) == str(read.frames["scan"]["image"]["c"])
    assert str(tmp_path) not in str(cell)


def test_series_by_pattern_and_by_folder(tmp_path: Path) -> None:
    for patient, seed in (("p0", 0), ("p1", 1)):
        for i, part in enumerate(pixels(4, 6, 6, seed=seed, most=900)):
            write_dicom(tmp_path / "ct" / patient / f"{i}.dcm", part, number=i, place=(0, 0, i))
    (tmp_path / "scans.csv").write_text("id,path\np0,ct/p0\np1,ct/p1\n")
    more = "kind: volume, size: [4, 6, 6]"
    with pytest.raises(InputError, match=r"scan: 2 patients with several files .* as rows: series \(.*\)\.$"):
        cohort(tmp_path, more + ', pattern: "ct/{key}/*.dcm"')
    by_pattern = cohort(tmp_path, more + ', pattern: "ct/{key}/*.dcm", rows: series')
    assert "scan: 8 files of 2 patients put together" in map(str, by_pattern.dropped)
    by_folder = cohort(tmp_path, more + ", file: scans.csv")
    inputs = [read.prepare(["p0", "p1"]).data().batch().inputs["scan"] for read in (by_pattern, by_folder)]
    assert torch.equal(*inputs)
    assert inputs[0].shape == (2, 1, 4, 6, 6)
    with pytest.raises(InputError, match=r"the first of several files of 'p0' is no volume: .* rows: series"):
        cohort(tmp_path, more + ', pattern: "ct/{key}/*.dcm", rows: first')


def test_what_is_saved(tmp_path: Path) -> None:
    write_xrays(tmp_path, 4)
    section = XRAYS + ", colour: rgb, window: [0, 200], augment: {flip: [w]}"
    fitted = cohort(tmp_path, section, 4).prepare(["p0", "p1"]).preprocessing["scan"]
    config = json.loads(json.dumps(fitted.config()))
    assert preprocessing_from_config(config) == fitted
    assert len(fitted.mean) == 3
    older = {name: value for name, value in config.items() if name not in ("bits", "patients")} | {"version": 1}
    assert ImagePreprocessor.from_config(older) == dataclasses.replace(fitted, bits=None, patients=None)
    with pytest.raises(VersionError, match="preprocessing of images of a newer format"):
        ImagePreprocessor.from_config(config | {"version": 5})
    for wrong in ({"mean": [0.5]}, {"deviation": [0.0, 1, 1]}, {"plan": {"size": [8]}}):
        with pytest.raises(CheckpointError, match="the preprocessing of images is damaged"):
            ImagePreprocessor.from_config(config | wrong)
