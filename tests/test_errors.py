"""Errors that say whose data they are about keep their class, and name nothing twice."""

from __future__ import annotations

import pytest

from mmlego.errors import InputError, LegoError, ShapeError, within


@pytest.mark.parametrize("kind", [InputError, ShapeError])
def test_an_error_is_of_its_class_with_the_place_before_it(kind: type[LegoError]) -> None:
    with pytest.raises(kind) as caught, within("modality 'rna'"):
        raise kind("keep is not positive", got=0)
    assert type(caught.value) is kind
    assert str(caught.value) == "modality 'rna': keep is not positive: got 0"


def test_what_an_error_names_already_is_not_said_again() -> None:
    with pytest.raises(InputError, match=r"^'a.csv' is empty$"), within("cannot read 'a.csv'", "'a.csv'"):
        raise InputError("'a.csv' is empty")


def test_errors_of_others_go_their_way() -> None:
    with pytest.raises(KeyError), within("modality 'rna'"):
        raise KeyError("x")
