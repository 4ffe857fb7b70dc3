"""A modality that several sites have blocks of: each of its columns counts once, and the shares add up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmlego import InputError, LegoBlock, LegoMerge, UnknownNameError
from mmlego.data import PatientData
from mmlego.explaining import explain, feature_values
from mmlego.explaining.together import modality_features
from mmlego.tasks import Classification, Regression, Survival, Task
from tests.bricks import plate, table_block

WHO = [f"p{i}" for i in range(4)]
WIDTH = 3


def data_of(task: Task, lacking: int = 0) -> PatientData:
    """Return patients of whom the last few have no features for the block of site b."""
    generator = torch.Generator().manual_seed(0)
    labs, rna = (torch.randn(len(WHO), WIDTH, generator=generator) for _ in range(2))
    theirs = labs.clone()
    theirs[len(WHO) - lacking :] = torch.nan
    parts = {"labs@a": labs, "labs@b": theirs, "rna": rna}
    return PatientData(parts, None, task, patients=WHO, missing=["labs@b"] if lacking else [])


def model_of(task: Task) -> LegoMerge:
    at = plate(task)
    names = ("labs@a", "labs@b", "rna")
    return LegoMerge([table_block(at, name, WIDTH, seed=seed) for seed, name in enumerate(names)])


@pytest.mark.parametrize("task", [Regression(["y"], [0.0], [1.0]), Classification(2), Survival([1, 2])])
def test_a_column_has_the_sum_over_blocks(task: Task) -> None:
    model, data = model_of(task), data_of(task)
    whole = modality_features(model, data, "labs")
    parts = [feature_values(model, data, name) for name in ("labs@a", "labs@b")]
    assert whole.per_feature[["patient", "feature"]].value_counts().max() == 1
    by_key = [one.per_feature.set_index(["patient", "feature"])["attribution"] for one in (whole, *parts)]
    np.testing.assert_allclose(by_key[0], by_key[1] + by_key[2], atol=1e-9)
    total = whole.per_feature.groupby("patient", sort=False)["attribution"].sum()
    np.testing.assert_allclose(total, whole.sums["attributions"], atol=1e-9)
    moved = whole.sums["prediction"] - whole.sums["base"]
    np.testing.assert_allclose(whole.sums["attributions"] + whole.sums["error"], moved, atol=1e-6)
    assert whole.sums["error"].abs().max() < 0.02
    assert len(whole.summary()) == WIDTH


def test_where_blocks_add_up_it_is_what_the_modality_moves() -> None:
    task = Regression(["y"], [0.0], [1.0])
    model, data = model_of(task), data_of(task)
    found = modality_features(model, data, "labs")
    inputs = dict(data.batch().inputs)
    zero = torch.zeros(len(WHO), WIDTH)
    with torch.no_grad():
        as_is, without = model.eval()(inputs), model(inputs | {"labs@a": zero, "labs@b": zero})
    np.testing.assert_allclose(found.sums["prediction"], as_is[:, 0], atol=1e-5)
    np.testing.assert_allclose(found.sums["base"], without[:, 0], atol=1e-4)


def test_who_lacks_a_block_is_told_by_the_other() -> None:
    task = Regression(["y"], [0.0], [1.0])
    model, data = model_of(task), data_of(task, lacking=1)
    found, of_a = modality_features(model, data, "labs"), feature_values(model, data, "labs@a")
    last = WHO[-1]
    assert list(found.sums.index) == WHO
    rows = [one.per_feature[one.per_feature["patient"] == last]["attribution"].tolist() for one in (found, of_a)]
    assert rows[0] == pytest.approx(rows[1])
    assert found.sums.loc[last].tolist() == pytest.approx(of_a.sums.loc[last].tolist())
    assert found.sums.loc["p0", "attributions"] != pytest.approx(of_a.sums.loc["p0", "attributions"], abs=1e-3)


def test_the_largest_of_the_sums_are_listed() -> None:
    task = Regression(["y"], [0.0], [1.0])
    model, data = model_of(task), data_of(task)
    every, few = (modality_features(model, data, "labs", patients=["p3"], top=top) for top in (None, 1))
    whole = every.per_feature.set_index("feature")["attribution"]
    assert few.per_feature["feature"].tolist() == [whole.abs().idxmax(), "(2 others)"]
    assert few.per_feature["attribution"].sum() == pytest.approx(whole.sum())
    assert few.most == WIDTH


def test_everything_at_once_has_a_modality_once_and_a_block_where_it_is_asked() -> None:
    task = Regression(["y"], [0.0], [1.0])
    model, data = model_of(task), data_of(task)
    assert list(explain(model, data, patients=["p1"]).features) == ["labs", "rna"]
    assert list(explain(model, data, patients=["p1"], modalities=["labs@b"]).features) == ["labs@b"]
    alone = LegoMerge([model.block("labs@a"), model.block("rna")])
    assert list(explain(alone, data.only(["labs@a", "rna"]), patients=["p1"]).features) == ["labs@a", "rna"]


def test_a_modality_that_no_block_reads() -> None:
    task = Regression(["y"], [0.0], [1.0])
    model, data = model_of(task), data_of(task)
    with pytest.raises(UnknownNameError, match="unknown modality"):
        modality_features(model, data, "genes")
    with pytest.raises(InputError, match="nobody has labs"):
        modality_features(model, data, "labs", patients=["nobody"])
    assert isinstance(model.block("rna"), LegoBlock)
    assert modality_features(model.block("labs@a"), data, "labs").sums.index.tolist() == WHO
