"""Bags in memory are those of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mmlego.data import Cohort
from mmlego.data.kinds.bag.arrays import BagArray, choose_bags
from mmlego.errors import InputError


def test_memory_and_files_give_the_same_batch(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = {f"p{i}": rng.normal(size=(i + 2, 3)).astype(np.float32) for i in range(4)}
    for name, array in values.items():
        torch.save(torch.from_numpy(array), tmp_path / f"{name}.pt")
    manifest = tmp_path / "cohort.yaml"
    manifest.write_text('key: id\nmodalities: {wsi: {kind: bag, pattern: "{key}.pt", sample: 2}}')
    files = Cohort.from_manifest(manifest)
    frame = pd.DataFrame({"any": pd.Series(values, dtype=object)})
    memory = Cohort.from_frames({"wsi": frame}, kinds={"wsi": {"kind": "bag", "sample": 2}})
    assert memory.patients == files.patients
    ours, theirs = (cohort.prepare(cohort.patients) for cohort in (memory, files))
    assert ours.preprocessing["wsi"] == theirs.preprocessing["wsi"]
    torch.testing.assert_close(ours.data().batch().inputs["wsi"].values, theirs.data().batch().inputs["wsi"].values)
    sampled = [next(iter(one.data().loader(4, seed=3, training=True))).inputs["wsi"] for one in (ours, theirs)]
    torch.testing.assert_close(sampled[0].values, sampled[1].values)
    assert sampled[0].sizes == [2, 2, 2, 2]


def test_marks_tell_bags_apart() -> None:
    one, same, other = (BagArray.of(values, "p") for values in (np.eye(3), torch.eye(3), np.ones((3, 3))))
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
    assert BagArray.of(np.arange(6.0).reshape(2, 3), "p").fingerprint() != one.fingerprint()
    assert one.coords() is None
    with pytest.raises(ValueError, match="read-only"):
        one.values[0, 0] = 5


def test_an_array_is_copied() -> None:
    values = np.ones((2, 2), dtype=np.float32)
    bag = BagArray.of(values, "p")
    values[:] = 7
    assert bag.values.tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.ones((2, 2, 2)), "no bag"),
        (np.ones((0, 2)), "no bag"),
        (np.array([["a"]]), "no bag"),
        (np.array([[np.inf]]), "NaN or infinite"),
        (np.array([[1e300]]), "NaN or infinite"),
    ],
)
def test_no_bags(values: np.ndarray, told: str) -> None:
    with pytest.raises(InputError, match=f"patient p: .*{told}|patient p: {told}"):
        BagArray.of(values, "patient p")


def test_tables_that_are_none_of_bags() -> None:
    frame = pd.DataFrame({"id": ["a", "a", "b"], "x": [np.ones((1, 2))] * 2 + [None]})
    assert [len(bags) for bags in choose_bags(frame, "id", "wsi", [], "concat")[0].values()] == [2]
    assert [len(bags) for bags in choose_bags(frame, "id", "wsi", [], "first")[0].values()] == [1]
    with pytest.raises(InputError, match="leakage"):
        choose_bags(frame, "id", "wsi", ["x"], "first")
    with pytest.raises(InputError, match="one column of arrays"):
        choose_bags(frame.assign(y=1), "id", "wsi", [], "first")
    with pytest.raises(InputError, match="one width"):
        Cohort.from_frames(
            {"wsi": pd.DataFrame({"x": [np.ones((1, 2)), np.ones((1, 3))]}, index=["a", "a"])},
            kinds={"wsi": {"kind": "bag", "rows": "concat"}},
        )
