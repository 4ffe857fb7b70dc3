from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from mmlego.data.reading.ids import IdForm, formed, plain_ids
from mmlego.data.reading.joins import by_patient
from mmlego.errors import InputError


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([17.0, 3.0], ["17", "3"]),
        (["17.0", "3.0"], ["17", "3"]),
        (["17.0", "3.5"], ["17.0", "3.5"]),
        (["17.0", "a"], ["17.0", "a"]),
        (["007", "1e2"], ["007", "1e2"]),
        ([np.int64(7), " b "], ["7", "b"]),
        ([], []),
    ],
)
def test_floats_are_whole_where_all_are(ids: list[object], expected: list[str]) -> None:
    assert plain_ids(ids, "x") == expected


def test_two_ids_never_become_one() -> None:
    with pytest.raises(InputError, match=r"x: two ids become one without .0.*'17.0' and '17.00' as '17'"):
        plain_ids(["17.0", "17.00"], "x")
    with pytest.raises(InputError, match=r"floats beyond 2.53"):
        by_patient(pd.DataFrame({"v": [1, 2]}, index=[float(2**53), float(2**53 + 1)]), None, "x")
    with pytest.raises(InputError, match=r"two ids become one by id: case or number.*'007' and '7' as '7'"):
        formed(["007", "7"], IdForm(number=True), "x")
    with pytest.raises(InputError, match=r"two ids become one by id: replace.*'a.b' and 'a-b'"):
        formed(["a.b", "a-b"], IdForm(replace={".": "-"}), "x")


def test_samples_of_one_patient_become_one() -> None:
    ids = ["TCGA-AA-0001-01A", "TCGA-AA-0001-11A", "TCGA-AA-0002-01A"]
    assert formed(ids, IdForm(length=12), "x") == ["TCGA-AA-0001", "TCGA-AA-0001", "TCGA-AA-0002"]
    pattern = IdForm(pattern="^(TCGA-..-....)")
    assert formed([*ids[:1], "blank"], pattern, "x") == ["TCGA-AA-0001", "blank"]
    with pytest.raises(InputError, match=r"id: pattern .* fits no id: got blank"):
        formed(["blank"], pattern, "x")


def test_all_parts_in_order() -> None:
    form = IdForm(replace={".": "-"}, pattern="^x-(.*)", length=6, case="upper", number=True)
    assert form.of("x.ab.012") == "AB-12"
    assert form.of("x.00012") == "12"


def test_numbers_without_zeros_in_front() -> None:
    ids = ["007", "7.0", "P007", "A-010-B02", "0", "000", "1.05"]
    assert [IdForm(number=True).of(text) for text in ids] == ["7", "7", "P7", "A-10-B2", "0", "0", "1.05"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "say replace, pattern, length, case or number"),
        ({"pattern": "("}, "is no regular expression"),
        ({"pattern": "(a)(b)"}, "has 2 groups"),
        ({"length": 0}, "greater than or equal to 1"),
        ({"replace": {"": "x"}}, "needs characters to replace"),
    ],
)
def test_forms_that_say_nothing(content: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        IdForm.model_validate(content)
