"""Who is in two data can be told by ids; by row numbers only where both come from one data."""

from __future__ import annotations

import pickle

import torch

from mmlego.data import PatientData
from mmlego.data.memory.naming import shared_patients
from mmlego.tasks import Classification


def unnamed(n: int = 4) -> PatientData:
    return PatientData({"rna": torch.ones(n, 2)}, torch.zeros(n), Classification(2))


def named(*ids: str) -> PatientData:
    return PatientData({"rna": torch.ones(len(ids), 2)}, torch.zeros(len(ids)), Classification(2), ids)


def test_ids_tell() -> None:
    assert shared_patients(named("b", "c", "a"), named("a", "d", "b")) == ["a", "b"]
    assert shared_patients(named("0", "1"), named("2")) == []


def test_row_numbers_of_other_data_tell_nothing() -> None:
    assert shared_patients(unnamed(), unnamed()) is None
    assert shared_patients(unnamed(), named("0", "1")) is None
    assert shared_patients(named("0", "1"), unnamed()) is None


def test_row_numbers_tell_within_what_was_made_of_one_data() -> None:
    data = unnamed()
    parts = (
        data.subset([1, 2]),
        data.only(["rna"]).with_all().subset([1]),
        data.with_weights("balanced").with_any().subset([1, 3]),
        PatientData.concat([data.subset([0]), data.subset([1])]),
    )
    for part in parts:
        assert "1" in (shared_patients(part, data.subset([0, 1])) or [])
        assert shared_patients(part, unnamed()) is None
    assert shared_patients(data.subset([0, 1]), data.subset([2, 3])) == []


def test_rows_of_several_data_put_together_tell_nothing() -> None:
    data = unnamed()
    both = PatientData.concat([data, named("a")])
    assert shared_patients(both, data) is None
    assert shared_patients(both, named("a")) is None
    assert shared_patients(both.subset([0, 1]), both.subset([1])) == ["1"]
    assert shared_patients(PatientData.concat([named("a"), named("b")]), named("b")) == ["b"]


def test_a_copy_in_another_process_tells_by_id_alone() -> None:
    data, ids = unnamed(), named("a", "b")
    assert shared_patients(pickle.loads(pickle.dumps(data)), data) is None
    assert shared_patients(pickle.loads(pickle.dumps(ids)), ids) == ["a", "b"]
