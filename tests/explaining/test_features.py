"""Tables of features: names and values of the user's columns, of every kind, and one object for everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import mmlego
from mmlego import InputError, LegoBlock, LegoMerge, UnknownNameError
from mmlego.data import (
    BagPreprocessor,
    Cohort,
    ImagePreprocessor,
    OmicsPreprocessor,
    SequencePreprocessor,
    TablePreprocessor,
)
from mmlego.data.kinds.image.plan import ImagePlan
from mmlego.explaining import feature_values, modality_values
from mmlego.explaining.naming import lines_of
from mmlego.explaining.spreading import LENGTH, NOT_THERE, Cells
from mmlego.tasks import Classification
from tests.bricks import plate

TWO = Classification(["no", "yes"])


def clinic(n: int = 30) -> Cohort:
    rng = np.random.default_rng(0)
    ids = [f"p{i}" for i in range(n)]
    table = pd.DataFrame({"age": rng.normal(60, 9, n).round(1), "sex": rng.choice(["f", "m"], n)}, index=ids)
    table.loc["p2", "age"] = np.nan
    genes = pd.DataFrame(rng.normal(size=(n, 6)), index=ids, columns=[f"G{i}" for i in range(6)])
    return Cohort.from_frames({"clinical": table, "rna": genes})


def model_of(cohort: Cohort) -> LegoMerge:
    """Return two linear bricks merged, fitted to a rule that looks at age and at one gene."""
    prepared = cohort.prepare(cohort.patients, task=TWO)
    data = prepared.data()
    x = data.batch().inputs
    target = (x["clinical"][:, 0] + x["rna"][:, 3] > 0).long()
    bricks = []
    for name in ("clinical", "rna"):
        brick = LegoBlock.of("logistic", plate(TWO), name, (x[name], target), folds=2)
        brick.preprocessing = prepared.preprocessing[name]
        bricks.append(brick)
    return LegoMerge(bricks)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return clinic()


@pytest.fixture(scope="module")
def model(cohort: Cohort) -> LegoMerge:
    return model_of(cohort)


def test_columns_are_the_users_and_values_those_of_the_file(cohort: Cohort, model: LegoMerge) -> None:
    found = feature_values(model, cohort, "clinical", patients=["p2", "p0"])
    table = found.per_feature.set_index(["patient", "feature"])
    assert table.index.tolist() == [("p2", "age"), ("p2", "sex"), ("p0", "age"), ("p0", "sex")]
    assert table.loc[("p0", "age"), "value"] == cohort.frames["clinical"].loc["p0", "age"]
    assert table.loc[("p0", "sex"), "value"] == cohort.frames["clinical"].loc["p0", "sex"]
    assert pd.isna(table.loc[("p2", "age"), "value"])
    assert found.sums["error"].abs().max() < 1e-5
    assert found.sums["exact"].all()
    bare = feature_values(model, mmlego.data_of(model, cohort), "clinical", patients=["p0"]).per_feature
    assert bare["value"].tolist() == [
        pytest.approx(table.loc[("p0", "age"), "value"], rel=1e-5),
        table.loc[("p0", "sex"), "value"],
    ]
    assert bare["attribution"].tolist() == pytest.approx(table.loc["p0", "attribution"].tolist())


def test_a_category_is_the_sum_of_its_columns() -> None:
    table = TablePreprocessor.fit(pd.DataFrame({"age": [1.0, 3.0], "sex": ["f", "m"]}))
    lines = lines_of(table, torch.tensor([1.0, 0.0, 1.0]), Cells(torch.tensor([0.5, -0.25, 2.0])))
    assert lines == [
        {"feature": "age", "value": 3.0, "attribution": 0.5},
        {"feature": "sex", "value": "m", "attribution": 1.75},
    ]


def test_genes_and_gene_sets(cohort: Cohort, model: LegoMerge) -> None:
    fitted = model.block("rna").preprocessing
    assert isinstance(fitted, OmicsPreprocessor | TablePreprocessor)
    genes = OmicsPreprocessor.fit(cohort.frames["rna"], sets={"A": ("G0", "G3"), "B": ("G3", "G4")}, smallest=2)
    brick = LegoBlock.of("ridge", plate(mmlego.tasks.Regression()), "rna", _regression(genes, cohort), folds=2)
    brick.preprocessing = genes
    found = feature_values(brick, cohort, "rna", patients=["p1"])
    by_gene = found.per_feature.set_index("feature")["attribution"]
    assert list(by_gene.index) == ["G0", "G3", "G4"]
    assert found.sets is not None
    by_set = found.sets.set_index("feature")["attribution"]
    assert by_set["A"] == pytest.approx(by_gene["G0"] + by_gene["G3"])
    assert by_set["B"] == pytest.approx(by_gene["G3"] + by_gene["G4"])
    assert found.per_feature["value"].tolist() == cohort.frames["rna"].loc["p1", ["G0", "G3", "G4"]].tolist()


def _regression(genes: OmicsPreprocessor, cohort: Cohort) -> tuple[torch.Tensor, torch.Tensor]:
    x = genes.transform(cohort.frames["rna"])
    return x, x[:, :1] * 2


def test_the_summary_orders_by_mean_size(cohort: Cohort, model: LegoMerge) -> None:
    found = feature_values(model, cohort, "rna")
    summary = found.summary()
    assert summary.index[0] == "G3"
    mine = found.per_feature[found.per_feature["feature"] == "G3"]["attribution"]
    assert summary.loc["G3", "mean_size"] == pytest.approx(mine.abs().mean())
    assert summary.loc["G3", "patients"] == len(cohort)


def test_explain_is_of_everything(cohort: Cohort, model: LegoMerge) -> None:
    found = mmlego.explain(model, cohort, patients=["p4", "p1"])
    alone = modality_values(model, mmlego.data_of(model, cohort, ["p4", "p1"])).per_patient
    assert found.modalities.per_patient.equals(alone)
    assert list(found.features) == ["clinical", "rna"]
    assert found.features["rna"].sums["prediction"].tolist() == pytest.approx(alone["prediction"].tolist(), abs=1e-5)
    only = mmlego.explain(model, cohort, patients=["p4"], modalities=["rna"])
    assert list(only.features) == ["rna"]


def test_a_patient_who_lacks_a_modality_is_explained_by_the_others(cohort: Cohort, model: LegoMerge) -> None:
    frames = dict(cohort.frames)
    frames["rna"] = frames["rna"].drop(index="p4")
    found = mmlego.explain(model, Cohort.from_frames(frames), patients=["p4"])
    assert list(found.features) == ["clinical"]
    assert found.features["clinical"].sums["error"].abs().max() < 1e-5


def test_whom_and_what_nobody_knows(cohort: Cohort, model: LegoMerge) -> None:
    with pytest.raises(InputError, match=r"patients who cannot be explained: .*got nobody"):
        mmlego.explain(model, cohort, patients=["nobody"])
    with pytest.raises(InputError, match="nobody to explain"):
        mmlego.explain(model, cohort, patients=[])
    with pytest.raises(UnknownNameError, match="one of clinical, rna"):
        mmlego.explain(model, cohort, modalities=["dna"])
    with pytest.raises(UnknownNameError, match="one of no, yes"):
        feature_values(model, cohort, "rna", output="maybe")


def test_patches_have_their_places(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["features"], file["coords"] = np.ones((2, 3), np.float32), np.array([[0, 256], [512, 0]])
    from mmlego.data.kinds.bag.bag import Bag
    from mmlego.data.kinds.bag.files import BagFile

    raw: dict[str, Any] = {"bag": Bag((BagFile.open(tmp_path / "a.h5"),))}
    cells = Cells(torch.tensor([[0.5, 0.5, 0.0], [-1.0, 0.0, 0.0]]), {LENGTH: 0.25})
    lines = lines_of(BagPreprocessor(3), torch.ones(2, 3), cells, raw)
    assert lines == [
        {"feature": "patch 0", "value": None, "attribution": 1.0, "slide": "a.h5", "x": 0.0, "y": 256.0},
        {"feature": "patch 1", "value": None, "attribution": -1.0, "slide": "a.h5", "x": 512.0, "y": 0.0},
        {"feature": "(number of patches)", "value": None, "attribution": 0.25},
    ]


def test_characters_and_what_is_not_there() -> None:
    fitted = SequencePreprocessor("any", 9, ("A", "C"))
    lines = lines_of(fitted, torch.tensor([2, 0]), Cells(torch.tensor([0.5, 0.1]), {NOT_THERE: 1.0}))
    assert [line["value"] for line in lines] == ["C", "?", None]
    assert [line["feature"] for line in lines] == ["position 0", "position 1", NOT_THERE]


def test_regions_of_images_sum_to_the_whole() -> None:
    fitted = ImagePreprocessor(ImagePlan(size=(20, 8)), (0.0,), (1.0,))
    values = torch.arange(160.0).reshape(1, 20, 8)
    lines = lines_of(fitted, values, Cells(values))
    assert len(lines) == 16 * 8
    assert sum(line["attribution"] for line in lines) == pytest.approx(float(values.sum()))
    assert lines[0]["feature"] == "region y0 x0"


def test_columns_beside_others_by_hand(cohort: Cohort, model: LegoMerge) -> None:
    """By how much the prediction moves beside each of 30 others, on average: ``|w (x − x')|``, features of a category
    summed."""
    found = feature_values(model, cohort, "clinical", patients=["p0"]).per_feature.set_index("feature")
    brick = model.block("clinical")
    x = mmlego.data_of(model, cohort).batch().inputs["clinical"].double()
    learner: Any = brick.encoder
    inner = getattr(learner, "learner", learner)
    kept = learner.config["kept"] if inner is not learner else range(x.shape[1])
    weight = torch.zeros(x.shape[1], dtype=torch.float64)
    weight[list(kept)] = ((brick.slope[1] - brick.slope[0]) @ inner.weight.mT).double()  # type: ignore[index, operator]
    moved = weight * (x[0] - x)
    scale = float(found.loc["age", "attribution"]) / float(weight[0] * x[0, 0])  # of the brick within the merge
    assert found.loc["age", "beside_others"] == pytest.approx(float(moved[:, 0].abs().mean()) * scale, rel=1e-4)
    both = float(moved[:, 1:].sum(1).abs().mean()) * scale
    assert found.loc["sex", "beside_others"] == pytest.approx(both, rel=1e-4, abs=1e-9)


def test_few_patients_have_nobody_to_be_put_beside() -> None:
    few = clinic(30)
    model = model_of(few)
    alone = Cohort.from_frames({name: frame.iloc[:9] for name, frame in few.frames.items()})
    assert "beside_others" not in feature_values(model, alone, "clinical").per_feature
