"""Patches that are padding: blank ones are told or left out, a mask beside the features is heeded or asked about."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from mmlego.data import BagPreprocessor, Cohort, preprocessing_from_config
from mmlego.data.cohort.checking import check_manifest
from mmlego.data.kinds.bag.bag import Bag
from mmlego.data.reading.remarks import Doubtful
from mmlego.errors import InputError
from tests.data.kinds.bag.slides import patches, places, write_h5, write_pt
from tests.data.kinds.bag.test_bags import cohort

SLIDES = "pattern: 'slides/{key}.*'"
BLANK = [0.0] * 3


def padded(seed: int = 0) -> np.ndarray:
    """Return five patches, of which the third and the last hold nothing."""
    made = patches(5, seed=seed)
    made[2], made[4] = 2.5, BLANK
    return made


def bag_of(read: Cohort, patient: str = "p0") -> Bag:
    found: Bag = read.frames["slides"]["bag"][patient]
    return found


def doubts(read: Cohort) -> list[str]:
    return [str(note) for note in read.dropped if isinstance(note, Doubtful)]


@pytest.mark.parametrize("chunks", [None, (2, 3)])
def test_blank_patches_are_told_and_left_out_on_demand(chunks: tuple[int, int] | None, tmp_path: Path) -> None:
    made = {f"p{i}": padded(i) if i < 2 else patches(5, seed=i) for i in range(3)}
    for name, features in made.items():
        write_h5(tmp_path / f"slides/{name}.h5", features, chunks=chunks)
    read = cohort(tmp_path, SLIDES)
    assert bag_of(read).tokens == 5
    ways = ": declare blank: drop to leave them out"
    assert doubts(read) == [f"slides: 2 patients whose last patch is blank, as padding is{ways} (p0, p1)"]
    told = "2 patients with blank patches, of one value throughout (p0: 2 of 5, p1: 2 of 5)"
    assert f"slides: {told}{ways}" in check_manifest(tmp_path / "cohort.yaml").doubtful
    assert f"slides: {told}{ways}" in doubts(cohort(tmp_path, f"{SLIDES}, on_error: skip"))
    dropped = cohort(tmp_path, f"{SLIDES}, blank: drop")
    assert "slides: 4 of 10 patches, blank or left out by their mask" in [str(note) for note in dropped.dropped]
    bag = bag_of(dropped)
    np.testing.assert_array_equal(bag.features().numpy(), made["p0"][[0, 1, 3]])
    np.testing.assert_array_equal(bag.features(np.array([0, 2])).numpy(), made["p0"][[0, 3]])
    where = bag.coords()
    assert where is not None
    assert where.tolist() == places(5)[[0, 1, 3]].tolist()
    assert bag.fingerprint() != bag_of(read).fingerprint()
    assert bag_of(dropped, "p2").features().tolist() == made["p2"].tolist()
    assert check_manifest(tmp_path / "cohort.yaml").doubtful == []


def test_patches_of_nan_are_left_out_and_values_of_nan_are_not(tmp_path: Path) -> None:
    made = patches(4)
    made[1] = np.nan
    write_pt(tmp_path / "slides/p0.pt", torch.from_numpy(made))
    assert bag_of(cohort(tmp_path, f"{SLIDES}, blank: drop")).features().tolist() == made[[0, 2, 3]].tolist()
    made[2, 1] = np.nan
    write_pt(tmp_path / "slides/p0.pt", torch.from_numpy(made))
    with pytest.raises(InputError, match="holds NaN"):
        bag_of(cohort(tmp_path, f"{SLIDES}, blank: drop")).features()


@pytest.mark.parametrize("form", ["pt", "h5"])
@pytest.mark.parametrize(("name", "section", "kept"), [
    ("mask", "mask: mask", [0, 1, 3]),
    ("padding_mask", "mask: not padding_mask", [0, 1, 3]),
    ("valid", "mask: false", [0, 1, 2, 3, 4]),
    ("valid", "mask: valid, blank: drop", [0, 1, 3]),
])  # fmt: skip
def test_a_mask_beside_the_features(name: str, section: str, kept: list[int], form: str, tmp_path: Path) -> None:
    made = patches(5)
    counts = np.array([True, True, False, True, False]) ^ ("not " in section)
    path = tmp_path / f"slides/p0.{form}"
    if form == "pt":
        write_pt(path, {"features": torch.from_numpy(made)[None], name: torch.from_numpy(counts)[None]})
    else:
        write_h5(path, made, coords=False)
        with h5py.File(path, "a") as file:
            file[name] = counts
    with pytest.raises(InputError, match=rf"a mask beside its features: .* got {name}\. Declare mask: {name} if those"):
        cohort(tmp_path, SLIDES)
    assert bag_of(cohort(tmp_path, f"{SLIDES}, {section}")).features().tolist() == made[kept].tolist()


def test_masks_that_say_nothing_or_are_none(tmp_path: Path) -> None:
    made = torch.from_numpy(patches(5))
    for mask in (torch.ones(5), torch.zeros(5), torch.tensor([[1, 0], [0, 1]])):
        write_pt(tmp_path / "slides/p0.pt", {"features": made, "mask": mask})
        assert bag_of(cohort(tmp_path, SLIDES)).tokens == 5
    with pytest.raises(InputError, match=r"has no mask 'mask' of its patches: expected 5 of 0 and 1, got 4 values"):
        cohort(tmp_path, f"{SLIDES}, mask: mask")
    with pytest.raises(InputError, match="got none of that name"):
        cohort(tmp_path, f"{SLIDES}, mask: valid")
    write_pt(tmp_path / "slides/p0.pt", torch.zeros(5, 3))
    with pytest.raises(InputError, match="is an empty bag: expected a patch that counts, got all blank"):
        cohort(tmp_path, f"{SLIDES}, blank: drop")


def test_arrays_in_memory() -> None:
    frame = pd.DataFrame({"slide": [padded(), patches(2)]}, index=["a", "b"])
    read = Cohort.from_frames({"slides": frame}, kinds={"slides": {"kind": "bag"}})
    assert "(a: 2 of 5): declare blank: drop to leave them out" in doubts(read)[0]
    read = Cohort.from_frames({"slides": frame}, kinds={"slides": {"kind": "bag", "blank": "drop"}})
    assert bag_of(read, "a").features().tolist() == padded()[[0, 1, 3]].tolist()
    assert doubts(read) == []


def test_features_made_in_two_ways(tmp_path: Path) -> None:
    """ResNet-50 and UNI are both 1024 wide: what STAMP and TRIDENT write beside the features tells them apart."""
    for i in range(3):
        path = write_h5(tmp_path / f"slides/p{i}.h5", patches(4, seed=i))
        with h5py.File(path, "a") as file:
            file.attrs["extractor"] = "uni" if i < 2 else "conch"
            file["coords"].attrs["target_magnification"] = 20
            file["coords"].attrs["name"] = f"slide{i}"
    read = cohort(tmp_path, SLIDES)
    ways = "extractor 'uni' of 2 patients, 'conch' of 1 patient"
    assert doubts(read) == [f"slides: features made in several ways, which count as one: {ways}"]
    fitted = BagPreprocessor.fit(read.frames["slides"].iloc[:2])
    assert fitted.made == {"extractor": "uni", "target_magnification": "20"}
    again = preprocessing_from_config(fitted.config())
    assert again.odd(read.frames["slides"]) == ({"p2": ["extractor = conch, not uni"]}, {})
    old = {"name": "bag", "version": 1, "width": 3, "sample": 5}
    assert preprocessing_from_config(old).odd(read.frames["slides"]) == ({}, {})
