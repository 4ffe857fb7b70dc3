"""Modalities are indexed by scikit-learn; cells of arrays, MuData and AnnData are read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.utils import _safe_indexing

from mmlego.data import Cohort
from mmlego.errors import InputError, LegoWarning, ShapeError, UnknownNameError
from mmlego.estimators import LegoClassifier, Modalities
from tests.estimators.made import features, two_levels

ASKED = {"blocks": "logistic", "fuse": False}


def bags(risk: np.ndarray, seed: int = 0) -> list[np.ndarray | None]:
    rng = np.random.default_rng([seed, 2])
    made = [rng.normal(size=(rng.integers(2, 7), 3)) + one for one in risk]
    return [None if row % 7 == 3 else bag for row, bag in enumerate(made)]


@pytest.mark.parametrize(
    "rows", [[2, 0], np.array([2, 0]), np.array([True, False, True]), slice(1, 3), (np.array([1]), ...)]
)
def test_rows_are_taken_of_each(rows: object) -> None:
    rna = pd.DataFrame(np.arange(6.0).reshape(3, 2), columns=["a", "b"])
    wsi = [np.full((2, 4), 0.0), None, np.full((5, 4), 2.0)]
    x = Modalities({"rna": rna, "wsi": wsi, "cnv": np.arange(3.0)[:, None]})
    taken = x[rows]
    place = np.arange(3)[rows[0] if isinstance(rows, tuple) else rows].tolist()
    assert taken["rna"]["a"].tolist() == [2.0 * row for row in place]
    assert [None if bag is None else bag[0, 0] for bag in taken["wsi"]] == [
        None if row == 1 else float(row) for row in place
    ]
    assert taken["cnv"]["cnv_0"].tolist() == [float(row) for row in place]
    assert taken.shape == (len(place), 3)


def test_scikit_learn_indexes_them() -> None:
    x = Modalities({"rna": np.arange(8.0).reshape(4, 2), "wsi": [np.ones((i + 1, 2)) for i in range(4)]})
    for key in ([3, 1], np.array([3, 1]), np.array([False, True, False, True])):
        found = _safe_indexing(x, key)
        assert [len(bag) for bag in found["wsi"]] == ([4, 2] if key[0] else [2, 4])
    first, second = train_test_split(x, test_size=0.5, random_state=0)
    assert sorted(len(bag) for part in (first, second) for bag in part["wsi"]) == [1, 2, 3, 4]
    assert repr(x) == "Modalities(4 patients; rna, wsi)"
    assert "rna" in x
    assert list(x.keys()) == ["rna", "wsi"]
    assert len(list(x.values())) == 2


def test_modalities_that_are_none() -> None:
    with pytest.raises(InputError, match="no modalities"):
        Modalities({})
    with pytest.raises(ShapeError, match="rna 3, wsi 2"):
        Modalities({"rna": np.ones((3, 1)), "wsi": [np.ones((1, 1))] * 2})
    x = Modalities({"rna": np.ones((3, 1))})
    with pytest.raises(UnknownNameError, match="no modality 'wsi'"):
        x["wsi"]
    with pytest.raises(InputError, match="indexed by rows"):
        x[0, 1]
    with pytest.raises(InputError, match="modality 'rna'"):
        Modalities({"rna": 3})
    with pytest.raises(TypeError):
        iter(x)


def test_forms_of_cells_say_the_same() -> None:
    rna, _, risk = features()
    y = risk > 0
    wsi = bags(risk)
    cells = pd.DataFrame({"rna": list(rna.to_numpy()), "wsi": pd.Series(wsi, dtype=object)})
    by_name = Modalities({"rna": rna.set_axis([f"rna_{i}" for i in range(4)], axis=1), "wsi": wsi})
    tensors = Modalities({"rna": rna.to_numpy(), "wsi": [None if bag is None else torch.tensor(bag) for bag in wsi]})
    levels = rna.set_axis(pd.MultiIndex.from_tuples([("rna", f"rna_{i}") for i in range(4)]), axis=1)
    levels["wsi", "bag"] = pd.Series(wsi, dtype=object)
    model = LegoClassifier(**ASKED).fit(cells, y)
    assert model.modalities_ == ("rna", "wsi")
    proba = model.predict_proba(cells)
    assert model.score(cells, y) > 0.8
    for other in (by_name, tensors, levels):
        np.testing.assert_array_equal(model.predict_proba(other), proba)
        np.testing.assert_array_equal(LegoClassifier(**ASKED).fit(other, y).predict_proba(cells), proba)
    assert cross_val_score(LegoClassifier(**ASKED), by_name, y, cv=2).mean() > 0.6
    alone = model.predict_proba(cells[["wsi"]].iloc[4:9])
    assert alone.shape == (5, 2)


def test_bags_are_asked_in_full() -> None:
    """A neural block pools all patches of a bag: the order of these says nothing, their values do."""
    _, _, risk = features()
    x = Modalities({"wsi": bags(risk)})
    here = np.flatnonzero([bag is not None for bag in x["wsi"]])
    x, y = x[here], risk[here] > 0
    model = LegoClassifier("neural", settings={"fit.epochs": 2}).fit(x, y)
    turned = Modalities({"wsi": [bag[::-1] for bag in x["wsi"]]})
    np.testing.assert_allclose(model.predict_proba(turned), model.predict_proba(x), atol=1e-6)
    other = Modalities({"wsi": [bag + 1 for bag in x["wsi"]]})
    assert not np.allclose(model.predict_proba(other), model.predict_proba(x), atol=1e-3)


def test_series_of_arrays_and_of_tables() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    arrays = [rng.normal(size=(rng.integers(3, 8), 2)) + one for one in y]
    arrays[0][1, 0] = np.nan
    tables = [pd.DataFrame(values, columns=["v0", "v1"]) for values in arrays]
    model = LegoClassifier(kinds={"vitals": "series"}, **ASKED).fit(Modalities({"vitals": arrays}), y)
    proba = model.predict_proba(Modalities({"vitals": arrays}))
    np.testing.assert_array_equal(model.predict_proba(Modalities({"vitals": tables})), proba)
    again = LegoClassifier(**ASKED).fit(Modalities({"vitals": tables}), y)  # a table in a cell is a series
    np.testing.assert_array_equal(again.predict_proba(Modalities({"vitals": tables})), proba)
    assert model.score(Modalities({"vitals": arrays}), y) > 0.8
    short = Modalities({"vitals": [tables[3][["v1"]]]})  # who lacks a variable
    with pytest.warns(LegoWarning, match="not in the series, taken as not measured: v0"):
        assert model.predict_proba(short).shape == (1, 2)


def test_texts_are_of_a_kind_that_is_named() -> None:
    y = np.arange(40) % 2
    acids = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
    rng = np.random.default_rng(0)
    x = Modalities({"protein": ["".join(rng.choice(acids[:10] if one else acids[10:], 12)) for one in y]})
    model = LegoClassifier(kinds={"protein": {"kind": "sequence", "alphabet": "protein"}}, **ASKED).fit(x, y)
    assert model.score(x, y) > 0.8
    with pytest.raises(InputError, match="expected a kind"):
        LegoClassifier(**ASKED).fit(x, y)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([np.ones(3), np.ones(2)], "another length"),
        ([np.ones(3), np.ones((2, 3))], "several sorts"),
        ([np.ones((2, 3, 3))] * 2, r"shape \(2, 3, 3\)"),
        ([np.ones((2, 3)), np.full((2, 3), np.nan)], "NaN or infinite"),
        ([np.eye(3), np.eye(4)], "another width"),
        ([np.ones((0, 3)), np.ones((2, 3))], "at least one row"),
        ([None, None], "holds no value"),
    ],
)
def test_cells_that_cannot_be_used(cells: list[object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        LegoClassifier(duplicates="together", **ASKED).fit(Modalities({"wsi": cells * 10}), np.arange(20) // 10)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # what the packages say of their own future
def test_mudata_and_anndata() -> None:
    anndata, mudata = pytest.importorskip("anndata"), pytest.importorskip("mudata")
    x, risk = two_levels()
    y = risk > 0
    names = [f"p{i:02d}" for i in range(len(x))]
    parts = {}
    for name in ("rna", "clinical"):
        frame = x[name].set_axis(names, axis=0).dropna(how="all")
        parts[name] = anndata.AnnData(frame)
    data = mudata.MuData(parts)
    kinds = {"rna": {"kind": "table"}, "clinical": {"kind": "table"}}
    order = [names.index(name) for name in data.obs_names]
    model = LegoClassifier(kinds=kinds, **ASKED).fit(data, y[order])
    frame = x.iloc[order].set_axis(list(data.obs_names), axis=0)
    np.testing.assert_allclose(
        LegoClassifier(**ASKED).fit(frame, y[order], patients=frame.index).predict_proba(frame),
        model.predict_proba(data),
        atol=1e-6,
    )
    np.testing.assert_array_equal(model.predict_proba(data[:7]), model.predict_proba(data)[:7])
    one = parts["clinical"]
    single = LegoClassifier(**ASKED).fit(one, y[[names.index(name) for name in one.obs_names]])
    assert single.modalities_ == ("omics",)


def test_bags_of_a_table_in_memory_are_a_cohort() -> None:
    frame = pd.DataFrame({"wsi": [np.ones((2, 3)), None, np.zeros((4, 3))]}, index=["a", "b", "a"])
    with pytest.raises(InputError, match=r"several bags \(a\)"):
        Cohort.from_frames({"wsi": frame}, kinds={"wsi": {"kind": "bag"}})
    cohort = Cohort.from_frames({"wsi": frame}, kinds={"wsi": {"kind": "bag", "rows": "concat"}})
    assert cohort.patients == ("a",)
    batch = cohort.prepare(["a"]).data().batch()
    assert batch.inputs["wsi"].values.tolist() == [[1.0] * 3] * 2 + [[0.0] * 3] * 4
