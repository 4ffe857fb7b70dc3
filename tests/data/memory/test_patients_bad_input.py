from __future__ import annotations

import numpy as np
import pytest
import torch

from mmlego.data import PatientData
from mmlego.errors import InputError, LegoError, MismatchError, ShapeError, UnknownNameError
from mmlego.tasks import Classification, Survival

NAN = float("nan")


def one(**changes: object) -> PatientData:
    arguments: dict[str, object] = {"modalities": {"rna": torch.ones(3, 2)}, "patients": ["a", "b", "c"]}
    arguments.update(changes)
    return PatientData(**arguments)


MASK = torch.ones(3, 2, dtype=torch.bool)
SERIES = torch.ones(3, 2, 5)
BAD_CONSTRUCTION = {
    "no modality": ({"modalities": {}}, InputError, "no modality"),
    "lengths": (
        {"modalities": {"rna": torch.ones(3, 2), "cnv": torch.ones(2, 2)}},
        ShapeError,
        "lengths disagree: expected one row per patient everywhere, got rna 3, cnv 2, patients 3",
    ),
    "target length": ({"target": [0, 1], "task": Classification(2)}, ShapeError, "rna 3, target 2, patients 3"),
    "ids length": ({"patients": ["a"]}, ShapeError, "patients 1"),
    "present length": ({"present": {"rna": MASK[:2, 0]}}, ShapeError, "present of rna 2"),
    "weights length": ({"weights": torch.ones(2)}, ShapeError, "weights 2"),
    "no rows": ({"modalities": {"rna": torch.ones(0, 2)}, "patients": []}, InputError, "no patients"),
    "NaN": (
        {"modalities": {"rna": torch.tensor([[1.0, 2.0], [NAN, 2.0], [1.0, 2.0]])}},
        InputError,
        r"modality 'rna' has NaN or infinite features for 1 of 3 patients \(b\)",
    ),
    "NaN row said to be there": (
        {"modalities": {"rna": torch.full((3, 2), NAN)}, "present": {"rna": MASK[:, 0]}},
        InputError,
        r"3 of 3 patients \(a, b, c\)",
    ),
    "infinite": (
        {"modalities": {"rna": torch.tensor([[1.0], [2.0], [float("-inf")]])}},
        InputError,
        r"NaN or infinite features for 1 of 3 patients \(c\)",
    ),
    "too large for float32": (
        {"modalities": {"rna": torch.full((3, 1), 1e300, dtype=torch.float64)}},
        InputError,
        "NaN or infinite",
    ),
    "NaN token": (
        {"modalities": {"s": (torch.full((3, 2, 5), NAN), MASK)}, "present": {"s": MASK[:, 0]}},
        InputError,
        "modality 's' has NaN",
    ),
    "NaN in a bag": (
        {"modalities": {"bag": [torch.ones(2, 2), torch.full((1, 2), NAN), None], "rna": torch.ones(3, 1)}},
        InputError,
        r"modality 'bag' has NaN or infinite features for 1 of 3 patients \(b\)",
    ),
    "empty bag": (
        {"modalities": {"bag": [torch.ones(2, 2), torch.ones(0, 2), torch.ones(1, 2)]}},
        InputError,
        r"modality 'bag' is an empty bag for 1 of 3 patients \(b\)\. Give None",
    ),
    "None said to be there": (
        {"modalities": {"bag": [torch.ones(2, 2), None, None]}, "present": {"bag": torch.tensor([True, True, False])}},
        InputError,
        r"modality 'bag' is None for 1 of 3 patients \(b\)",
    ),
    "no bag": ({"modalities": {"bag": [None, None, None]}}, InputError, "no patient has modality 'bag'"),
    "flat bag": (
        {"modalities": {"bag": [torch.ones(2, 2), torch.ones(2), torch.ones(2, 2)]}},
        ShapeError,
        r"not \(tokens, features\) for 1 of 3 patients \(b\)",
    ),
    "bag of another width": (
        {"modalities": {"bag": [torch.ones(2, 2), torch.ones(2, 3), torch.ones(2, 2)]}},
        ShapeError,
        r"another width than \(2,\) for 1 of 3 patients \(b\)",
    ),
    "no token": (
        {"modalities": {"s": (SERIES, torch.tensor([[True, True], [False, False], [True, False]]))}},
        InputError,
        r"modality 's' has no real token for 1 of 3 patients \(b\)",
    ),
    "mask of another shape": ({"modalities": {"s": (SERIES, MASK[:, :1])}}, ShapeError, r"booleans of shape \(3, 2\)"),
    "mask of numbers": ({"modalities": {"s": (SERIES, MASK.long())}}, ShapeError, "got int64"),
    "mask of a flat table": ({"modalities": {"s": (torch.ones(3, 2), MASK)}}, ShapeError, "no features"),
    "tuple of bags": ({"modalities": {"bag": (MASK, MASK, MASK)}}, InputError, r"a tuple that is not \(tensor, mask\)"),
    "vector": ({"modalities": {"rna": torch.ones(3)}}, ShapeError, r"no features: expected \(n, f\)"),
    "no width": ({"modalities": {"rna": torch.ones(3, 0)}}, ShapeError, "no features"),
    "text": ({"modalities": {"rna": np.array([["x"], ["y"], ["z"]])}}, InputError, "modality 'rna' is not numbers"),
    "complex": ({"modalities": {"rna": torch.ones(3, 2, dtype=torch.complex64)}}, InputError, "complex"),
    "a string": ({"modalities": {"rna": "abc"}}, InputError, "kind that is not understood"),
    "a number": ({"modalities": {"rna": torch.tensor(1.0)}}, ShapeError, "rna 0"),
    "repeated ids": (
        {"patients": ["a", "b", "a"]},
        InputError,
        r"1 patient with several rows \(a\).*repeats='allow'",
    ),
    "blank id": ({"patients": ["a", "", "c"]}, InputError, r"rows without a patient id \(1\)"),
    "NaN id": ({"patients": ["a", NAN, "c"]}, InputError, r"rows without a patient id \(1\)"),
    "unknown present": ({"present": {"rnaa": MASK[:, 0]}}, UnknownNameError, "'rnaa' in present. Did you mean 'rna'"),
    "present as numbers": ({"present": {"rna": torch.ones(3)}}, ShapeError, "present of modality 'rna' is not a mask"),
    "target without task": ({"target": [0, 1, 1]}, InputError, "a target without a task"),
    "label out of range": ({"target": [0, 1, 7], "task": Classification(2)}, InputError, "7"),
    "negative time": ({"target": [[1.0, -1.0]] * 3, "task": Survival([1.0])}, InputError, "negative"),
    "negative weight": ({"weights": torch.tensor([1.0, -1.0, 1.0])}, InputError, "weights cannot be used"),
    "matrix of weights": ({"weights": torch.ones(3, 1)}, InputError, "weights cannot be used"),
    "nobody home": (
        {"modalities": {"rna": torch.tensor([[1.0], [NAN], [NAN]])}},
        InputError,
        r"2 patients without any modality \(b, c\).*\.with_any\(\)",
    ),
}


@pytest.mark.parametrize("case", BAD_CONSTRUCTION)
def test_bad_construction(case: str) -> None:
    changes, error, message = BAD_CONSTRUCTION[case]
    with pytest.raises(error, match=message):
        one(**changes)


def series(tokens: int, width: int = 3) -> PatientData:
    mask = torch.ones(3, tokens, dtype=torch.bool)
    return PatientData({"rna": (torch.ones(3, tokens, width), mask)}, patients=["x", "y", "z"])


def bags(width: int) -> PatientData:
    return PatientData({"rna": [torch.ones(2, width)] * 3}, patients=["x", "y", "z"])


def labelled(classes: int, patients: str = "xyz") -> PatientData:
    return one(target=[0, 1, 1], task=Classification(classes), patients=list(patients))


BAD_USE = {
    "unknown modality": (lambda: one().only(["rnb"]), UnknownNameError, "unknown modality .rnb.. Known: rna"),
    "a string for a list": (lambda: one().only("rna"), InputError, "no list of modalities"),
    "no modality": (lambda: one().only([]), InputError, "no list of modalities"),
    "row too far": (lambda: one().batch([3]), InputError, "expected numbers from 0 to 2"),
    "row before the first": (lambda: one().subset([-1]), InputError, "rows that do not exist"),
    "row that is no number": (lambda: one().batch(torch.tensor([0.5])), InputError, r"float32 of shape \(1,\)"),
    "mask too short": (lambda: one().batch(torch.tensor([True])), InputError, r"bool of shape \(1,\)"),
    "rows of text": (lambda: one().batch(["a"]), InputError, "not numbers"),
    "no rows": (lambda: one().subset([]), InputError, "no rows are left"),
    "nobody has all": (
        lambda: PatientData({"x": [torch.ones(1, 1), None], "y": [None, torch.ones(1, 1)]}).with_all(),
        InputError,
        "no rows are left",
    ),
    "batch size": (lambda: one().loader(0), InputError, "batch_size of a loader: expected an int ≥ 1, got 0"),
    "unknown weights": (lambda: one().with_weights("balance"), InputError, "'balanced', a tensor or None"),
    "nothing to balance": (lambda: one().with_weights("balanced"), InputError, "without a target"),
    "concat of nothing": (lambda: PatientData.concat([]), InputError, "nothing to put together"),
    "concat of the same": (lambda: PatientData.concat([one(), one()]), InputError, r"3 patients with several rows"),
    "concat of two tasks": (
        lambda: PatientData.concat([labelled(2), labelled(3, "abc")]),
        MismatchError,
        "data of two tasks",
    ),
    "concat of half a target": (
        lambda: PatientData.concat([labelled(2), one()]),
        MismatchError,
        "a target in all or in none, got 1 of 2",
    ),
    "concat of two kinds": (lambda: PatientData.concat([one(), bags(2)]), MismatchError, "expected a tensor, got bags"),
    "concat of bags and more": (
        lambda: PatientData.concat([bags(2), one()]),
        MismatchError,
        "expected bags, got a tensor",
    ),
    "concat of masks and none": (
        lambda: PatientData.concat([series(2), one()]),
        MismatchError,
        "expected a tensor with a mask, got a tensor",
    ),
    "concat of two widths": (
        lambda: PatientData.concat([one(), one(modalities={"rna": torch.ones(3, 4)}, patients=["x", "y", "z"])]),
        ShapeError,
        "one modality of two widths",
    ),
    "concat of bags of two widths": (
        lambda: PatientData.concat([bags(2), one(modalities={"rna": [torch.ones(1, 3)] * 3})]),
        ShapeError,
        "one modality of two widths",
    ),
    "present said twice": (
        lambda: PatientData(one()._columns, present={"rna": MASK[:, 0]}),
        InputError,
        "says itself who has it",
    ),
}


@pytest.mark.parametrize("case", BAD_USE)
def test_bad_use(case: str) -> None:
    act, error, message = BAD_USE[case]
    with pytest.raises(error, match=message) as caught:
        act()
    assert isinstance(caught.value, LegoError)
