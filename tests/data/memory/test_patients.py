from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlego.data import PatientData
from mmlego.errors import InputError, UnknownNameError
from mmlego.nn.ragged import Ragged
from mmlego.tasks import Classification

NAN = float("nan")


def gappy() -> PatientData:
    """Patient a has all, b lacks the table, c lacks the bag and the series."""
    return PatientData(
        {
            "table": torch.tensor([[1.0, 2.0], [NAN, NAN], [5.0, 6.0]]),
            "bag": [torch.ones(2, 4), torch.full((3, 4), 2.0), None],
            "series": (torch.ones(3, 2, 5), torch.tensor([[True, False], [True, True], [True, True]])),
        },
        target=[0, 1, 1],
        task=Classification(2),
        patients=["a", "b", "c"],
        present={"series": torch.tensor([True, True, False])},
        weights=torch.tensor([1.0, 2.0, 3.0]),
    )


def test_who_has_what() -> None:
    data = gappy()
    assert len(data) == 3
    assert data.modalities == ("table", "bag", "series")
    assert {name: mask.tolist() for name, mask in data.present.items()} == {
        "table": [True, False, True],
        "bag": [True, True, False],
        "series": [True, True, False],
    }
    assert repr(data) == "PatientData(3 rows of 3 patients; table 2, bag 2, series 2; target: classification)"


def test_a_batch_by_hand() -> None:
    batch = gappy().batch([2, 0])
    assert batch.patients == ["c", "a"]
    assert batch.inputs["table"].tolist() == [[5.0, 6.0], [1.0, 2.0]]
    assert isinstance(batch.inputs["bag"], Ragged)
    assert batch.inputs["bag"].sizes == [0, 2]
    values, mask = batch.inputs["series"]
    assert mask.tolist() == [[False, False], [True, False]]
    assert values[0].abs().sum() == 0  # an absent row is zeros
    assert values[1].tolist() == [[1.0] * 5, [0.0] * 5]  # padding too
    assert batch.present["bag"].tolist() == [False, True]
    assert batch.target.tolist() == [1, 0]
    assert batch.weights.tolist() == [3.0, 1.0]


def test_a_modality_absent_in_the_whole_batch_is_none() -> None:
    batch = gappy().batch([1])
    assert batch.inputs["table"] is None
    assert batch.inputs["bag"].sizes == [3]
    assert gappy().batch([2]).inputs["bag"] is None
    assert gappy().batch([2]).inputs["series"] is None


def test_all_rows_are_the_default_batch() -> None:
    assert gappy().batch().patients == ["a", "b", "c"]


def test_absent_rows_may_hold_anything() -> None:
    values = torch.tensor([[1.0], [NAN], [float("inf")]])
    present = {"rna": torch.tensor([True, False, False])}
    data = PatientData({"rna": values, "cnv": torch.ones(3, 1)}, present=present)
    assert data.batch().inputs["rna"].tolist() == [[1.0], [0.0], [0.0]]
    assert values[1].isnan().all()  # the caller's tensor is not touched


def test_what_is_complete_is_not_copied() -> None:
    values = torch.ones(3, 2)
    assert PatientData({"rna": values}).batch().inputs["rna"].tolist() == values.tolist()
    assert PatientData({"rna": values})._columns["rna"].values.data_ptr() == values.data_ptr()


@pytest.mark.parametrize(
    ("given_type", "expected"),
    [
        (torch.float64, torch.float32),
        (torch.bool, torch.float32),
        (torch.bfloat16, torch.bfloat16),
        (torch.int64, torch.int64),
    ],
)
def test_types_of_features(given_type: torch.dtype, expected: torch.dtype) -> None:
    assert PatientData({"x": torch.ones(2, 3, dtype=given_type)}).batch().inputs["x"].dtype == expected


def test_arrays_do_as_well_as_tensors() -> None:
    values = np.ones((2, 3))
    values.flags.writeable = False
    data = PatientData({"x": values, "y": [np.ones((1, 2)), np.ones((4, 2))]}, present={"x": np.array([True, False])})
    assert data.batch().inputs["x"].tolist() == [[1.0] * 3, [0.0] * 3]
    assert data.batch(np.array([False, True])).inputs["y"].sizes == [4]


def test_a_ragged_goes_in_as_it_comes_out() -> None:
    batch = gappy().batch()
    again = PatientData({"bag": batch.inputs["bag"]}, present={"bag": batch.present["bag"]}, empty="allow")
    assert again.batch().inputs["bag"].sizes == [2, 3, 0]


def test_subset_only_with_all_with_any() -> None:
    data = gappy()
    assert data.with_all().patients == ("a",)
    assert data.subset([2, 1]).patients == ("c", "b")
    assert data.subset(torch.tensor([False, True, True])).target.tolist() == [1, 1]
    bag = data.only(["bag"])
    assert bag.modalities == ("bag",)
    assert bag.patients == ("a", "b", "c")  # c has none of it, and stays until asked to go
    assert bag.with_any().patients == ("a", "b")
    assert bag.with_any().weights.tolist() == [1.0, 2.0]
    with pytest.raises(InputError, match=r"1 patient without any modality \(c\)\. Drop them with \.with_any\(\)"):
        bag.loader(2)


def test_subset_may_repeat_a_row() -> None:
    assert gappy().subset([0, 0, 1]).patients == ("a", "a", "b")


def test_several_rows_of_one_patient_when_allowed() -> None:
    data = PatientData({"rna": torch.ones(2, 1)}, patients=["a", "a"], repeats="allow")
    assert repr(data).startswith("PatientData(2 rows of 1 patient;")
    assert len(data.subset([1, 0])) == 2


def test_patients_are_named_by_number_without_ids() -> None:
    assert PatientData({"rna": torch.ones(2, 1)}).patients == ("0", "1")
    assert PatientData({"rna": torch.ones(2, 1)}, patients=[7, 8]).patients == ("7", "8")


def test_loader_yields_every_row_once_in_batches() -> None:
    data = PatientData({"x": torch.arange(7.0)[:, None]}, target=torch.arange(7) % 2, task=Classification(2))
    plain = [batch.patients for batch in data.loader(3)]
    assert plain == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert [len(batch) for batch in data.loader(3, drop_last=True)] == [3, 3]
    loader = data.loader(3, shuffle=True, seed=5)
    first, second = ([p for batch in loader for p in batch.patients] for _ in range(2))
    assert sorted(first) == sorted(second) == list("0123456")
    assert first != second
    again = [p for batch in data.loader(3, shuffle=True, seed=5) for p in batch.patients]
    assert again == first
    for batch in loader:
        assert batch.inputs["x"].flatten().tolist() == [float(p) for p in batch.patients]
        assert batch.target.tolist() == [int(p) % 2 for p in batch.patients]


@settings(deadline=None)
@given(st.data())
def test_batches_hold_the_rows_that_were_asked_for(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.none() | st.integers(1, 4), min_size=1, max_size=8))
    bags = [None if n is None else torch.full((n, 2), float(row)) for row, n in enumerate(sizes)]
    table = torch.arange(float(len(sizes)))[:, None]
    rows = data.draw(st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=8))
    if all(bag is None for bag in bags):
        return
    batch = PatientData({"table": table, "bag": bags}).batch(rows)
    assert batch.inputs["table"].flatten().tolist() == rows
    assert batch.present["bag"].tolist() == [sizes[row] is not None for row in rows]
    if batch.inputs["bag"] is None:
        assert not batch.present["bag"].any()
        return
    assert batch.inputs["bag"].sizes == [sizes[row] or 0 for row in rows]
    for row, bag in zip(rows, batch.inputs["bag"].unbind(), strict=True):
        assert (bag == row).all()


def test_weights() -> None:
    data = PatientData({"x": torch.ones(4, 1)}, target=[0, 0, 0, 1], task=Classification(2))
    assert data.weights is None
    balanced = data.with_weights("balanced")
    torch.testing.assert_close(balanced.weights, torch.tensor([2 / 3, 2 / 3, 2 / 3, 2.0]))
    assert balanced.subset([3]).batch().weights.tolist() == [2.0]
    assert balanced.with_weights(None).weights is None
    assert data.weights is None


def test_concat_by_hand() -> None:
    left = PatientData({"t": torch.ones(1, 2), "b": [torch.ones(2, 3)]}, [0], Classification(2), ["a"])
    right = PatientData({"b": [torch.zeros(1, 3)], "s": torch.ones(1, 1)}, [1], Classification(2), ["z"])
    both = PatientData.concat([left, right])
    assert both.modalities == ("t", "b", "s")
    assert both.patients == ("a", "z")
    assert both.target.tolist() == [0, 1]
    assert both.present["t"].tolist() == [True, False]
    assert both.present["s"].tolist() == [False, True]
    assert both.batch().inputs["b"].sizes == [2, 1]
    assert both.batch([1]).inputs["t"] is None
    reverse = PatientData.concat([right, left.subset([0])])
    assert reverse.batch([1]).inputs["s"] is None
    only_bags = PatientData.concat([right.only(["s"]), left.only(["b"])])
    assert only_bags.batch().inputs["b"].sizes == [0, 2]


def test_concat_pads_series_to_the_longer() -> None:
    def series(patient: str, tokens: int) -> PatientData:
        mask = torch.ones(1, tokens, dtype=torch.bool)
        return PatientData({"s": (torch.ones(1, tokens, 3), mask)}, patients=[patient])

    table = PatientData({"t": torch.ones(1, 1)}, patients=["c"])
    for parts in ([series("a", 2), series("b", 4), table], [table, series("b", 4), series("a", 2)]):
        values, mask = PatientData.concat(parts).batch().inputs["s"]
        assert values.shape == (3, 4, 3)
        assert sorted(mask.sum(1).tolist()) == [0, 2, 4]
        assert torch.equal(values.sum(2), mask * 3.0)


def test_concat_undoes_subset() -> None:
    data = gappy()
    again = PatientData.concat([data.subset([0]), data.subset([1, 2])])
    assert again.patients == data.patients
    assert torch.equal(again.weights, data.weights)
    assert torch.equal(again.batch().inputs["table"], data.batch().inputs["table"])


def test_nan_stays_where_it_means_not_measured() -> None:
    series = torch.tensor([[[1.0, float("nan")]], [[float("nan"), float("nan")]]])
    data = PatientData({"vitals": series}, missing=["vitals"], empty="allow")
    assert data.present["vitals"].tolist() == [True, False]
    assert torch.isnan(data.batch([0]).inputs["vitals"]).any()
    with pytest.raises(InputError, match="NaN or infinite features"):
        PatientData({"vitals": series}, empty="allow")
    with pytest.raises(InputError, match="infinite features"):
        PatientData({"vitals": series.masked_fill(series == 1, float("inf"))}, missing=["vitals"], empty="allow")
    with pytest.raises(InputError, match="infinite features"):
        PatientData({"vitals": [torch.full((2, 1), float("inf"))]}, missing=["vitals"])
    assert (
        PatientData({"vitals": [torch.full((2, 1), float("nan"))]}, missing=["vitals"]).batch().present["vitals"].all()
    )
    with pytest.raises(UnknownNameError, match="labs"):
        PatientData({"vitals": series}, missing=["labs"], empty="allow")
