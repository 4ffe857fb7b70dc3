"""Reading a batch with gaps, the copies a model is made of, and the small parts: card and errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from mmlego import (
    CheckpointError,
    InputError,
    LegoError,
    LegoFuse,
    LegoMerge,
    LegoWarning,
    MismatchError,
    MissingExtraError,
    Ragged,
    ShapeError,
    UnknownNameError,
    VersionError,
)
from mmlego.card import Card
from tests.bricks import batch, family


@pytest.fixture
def model() -> LegoMerge:
    return LegoMerge(family(3)).eval()


@pytest.fixture
def inputs(model: LegoMerge) -> dict[str, Any]:
    return batch([model.block(name) for name in model.modalities], 3)


TWO = torch.tensor([True, False, True])


def test_a_whole_batch_is_read_without_copies(model: LegoMerge, inputs: dict[str, Any]) -> None:
    read = model.read(inputs)
    assert read.present is None
    assert read.size == 3
    assert list(read.parts) == ["rna", "slide", "vitals"]
    for name, part in read.parts.items():
        assert part.x is inputs[name]
        assert part.rows is None


def test_the_order_is_the_models_not_the_batchs(model: LegoMerge, inputs: dict[str, Any]) -> None:
    assert list(model.read(dict(reversed(inputs.items()))).parts) == list(model.modalities)


def test_only_present_rows_are_taken(model: LegoMerge, inputs: dict[str, Any]) -> None:
    mask = torch.ones(3, 10, dtype=torch.bool)
    mask[2, 5:] = False
    read = model.read({**inputs, "vitals": (inputs["vitals"], mask)}, {"slide": TWO, "vitals": TWO})
    assert read.present is not None
    assert read.present.tolist() == [[True] * 3, [True, False, True], [True, False, True]]
    slide, vitals = read.parts["slide"], read.parts["vitals"]
    assert isinstance(slide.x, Ragged)
    assert slide.x.sizes == [inputs["slide"].sizes[i] for i in (0, 2)]
    assert vitals.rows is not None
    assert vitals.rows.tolist() == [0, 2]
    assert vitals.mask is not None
    assert torch.equal(vitals.mask, mask[[0, 2]])


@pytest.mark.parametrize("absent", [{}, {"slide": None}], ids=["left out", "None"])
def test_a_modality_that_nobody_has(model: LegoMerge, inputs: dict[str, Any], absent: dict[str, Any]) -> None:
    part = {name: x for name, x in inputs.items() if name != "slide"} | absent
    nobody = {"slide": torch.zeros(3, dtype=torch.bool)}
    for present in (None, {}, {"slide": None}, nobody):
        read = model.read(part, present)
        assert list(read.parts) == ["rna", "vitals"]
        assert read.present is not None
        assert read.present[1].sum() == 0
    assert torch.equal(model(part), model(inputs, nobody))


def test_full_presence_is_no_gap(model: LegoMerge, inputs: dict[str, Any]) -> None:
    everybody = {name: torch.ones(3, dtype=torch.bool) for name in inputs}
    assert model.read(inputs, everybody).present is None
    assert torch.equal(model(inputs, everybody), model(inputs))


def test_a_mask_of_none_is_no_mask(model: LegoMerge, inputs: dict[str, Any]) -> None:
    paired = {name: (x, None) for name, x in inputs.items()}
    assert torch.equal(model(paired), model(inputs))


def test_modality_names_that_python_has_no_identifier_for() -> None:
    blocks = family(2)
    for block, name in zip(blocks, ("RNA-seq (log₂)", "blood labs"), strict=True):
        block.modality = name
    model = LegoMerge(blocks).eval()
    assert model.modalities == ("RNA-seq (log₂)", "blood labs")
    assert model({"blood labs": Ragged(torch.randn(3, 4), [1, 2])}).shape == (2, 3)


def test_a_block_replaced_by_something_else_is_refused(model: LegoMerge, inputs: dict[str, Any]) -> None:
    model.blocks["rna"] = torch.nn.Linear(5, 3)
    with pytest.raises(MismatchError, match=r"'rna' is no block: expected LegoBlock, got Linear"):
        model(inputs)


def test_the_parents_stand_in_the_card() -> None:
    blocks = family(2)
    blocks[0].card = Card(data="Cohort A", validation={"auroc": 0.8125, "ece": 0.1})
    for model in (LegoMerge(blocks), LegoFuse(blocks)):
        assert model.card.parents == ["rna: auroc 0.812, ece 0.100; Cohort A", "slide: no validation score"]
        assert model.block("rna").card is not blocks[0].card


def test_a_card_is_json() -> None:
    card = Card(data="Cohort A", licence="CC-BY-4.0", patients={"train": 90})
    assert Card(**json.loads(json.dumps(card.config()))) == card


def test_an_error_says_what_expected_got_and_remedy() -> None:
    error = InputError("bins are not sorted", expected="rising times", got=[2, 1], remedy="Sort them.")
    assert str(error) == "bins are not sorted: expected rising times, got [2, 1]. Sort them."
    assert str(LegoError("this is wrong")) == "this is wrong"
    assert str(LegoError("wrong", got=0)) == "wrong: got 0"


@pytest.mark.parametrize(
    ("ours", "standard"),
    [
        (InputError, ValueError),
        (ShapeError, ValueError),
        (UnknownNameError, LookupError),
        (MismatchError, ValueError),
        (CheckpointError, ValueError),
        (VersionError, CheckpointError),
        (MissingExtraError, ImportError),
    ],
)
def test_each_error_is_also_the_standard_one_it_refines(ours: type[Exception], standard: type[Exception]) -> None:
    assert issubclass(ours, LegoError)
    assert issubclass(ours, standard)
    assert issubclass(LegoWarning, UserWarning)
