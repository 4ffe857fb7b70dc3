"""Constructors get what their signatures admit: names, kinds and sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from torch import Tensor

from mmlego.admitted import Chance, Width, check_arguments, check_plain
from mmlego.encoders import build_encoder, encoder_names
from mmlego.encoders.registry import encoder_class
from mmlego.errors import InputError, LegoError
from mmlego.learners.registry import build_learner
from mmlego.wording import brief


class Net:
    def __init__(
        self,
        width: Width,
        hidden: Annotated[Sequence[Width], Field(max_length=3)] = (1,),
        drop: Chance = 0.0,
        kind: Literal["a", "b"] = "a",
        anything: Any = None,
        odd: Tensor | None = None,
    ) -> None: ...


@pytest.mark.parametrize(
    "given",
    [
        {"width": 3},
        {"width": 2**24, "hidden": [4, 5], "drop": 1, "kind": "b", "anything": {"x": [1, "y"]}, "odd": [1]},
        {"width": 1, "hidden": (1, 2), "drop": 0.5},
    ],
)
def test_what_is_declared_is_admitted(given: dict[str, Any]) -> None:
    check_arguments(Net, given, "Net")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, r"wrong arguments for Net \(missing a required argument: 'width'\)"),
        ({"width": 1, "widht": 2}, "wrong arguments for Net.*unexpected keyword argument 'widht'"),
        ({"width": "3"}, "width of Net: expected a valid integer, got '3'"),
        ({"width": True}, "width of Net: expected .*, got True"),
        ({"width": 3.0}, "width of Net: expected .*, got 3.0"),
        ({"width": None}, "width of Net: expected .*, got None"),
        ({"width": 0}, "greater than or equal to 1"),
        ({"width": 10**12}, "less than or equal to 16777216"),
        ({"width": 10**5000}, "width of Net: .*got a number of a hundred digits or more"),
        ({"width": 1, "hidden": [1, 0]}, r"hidden\[1\] of Net: expected greater than or equal to 1, got \[1, 0\]"),
        ({"width": 1, "hidden": [1] * 4}, "at most 3 items"),
        ({"width": 1, "hidden": 5}, "hidden of Net: expected .*, got 5"),
        ({"width": 1, "drop": math.nan}, "drop of Net: expected .*, got nan"),
        ({"width": 1, "drop": 1.5}, "drop of Net: expected .*, got 1.5"),
        ({"width": 1, "kind": "c"}, "kind of Net: expected 'a' or 'b', got 'c'"),
        ({"width": 1, "kind": "\x1b[2J"}, r"kind of Net: expected .*, got '\\x1b\[2J'"),
        ({"width": 1, "anything": {1, 2}}, "anything of Net: expected a value that JSON can hold"),
    ],
)
def test_all_else_is_one_error(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_arguments(Net, given, "Net")


@pytest.mark.parametrize("value", [None, 3, -1.5, True, "batch norm", "gelu_new", [1, ["a", None]], {"k": {"v": [1]}}])
def test_plain_values(value: Any) -> None:
    check_plain(value, "it")


@pytest.mark.parametrize(
    "value",
    [
        "https://example.org/weights",
        "owner/repository",
        "../up",
        "C:\\weights",
        "~root:x",
        {"a/b": 1},
        {3: 1},
        [["a\n"]],
        math.inf,
        b"x",
        [[[[[[[[[[1]]]]]]]]]],
        "x" * 101,
    ],
)
def test_values_that_could_name_something(value: Any) -> None:
    with pytest.raises(InputError, match="it"):
        check_plain(value, "it")


def test_brief_values_are_fit_to_be_printed() -> None:
    assert brief("a\x1b\u202e") == "'a\\x1b\\u202e'"
    assert len(brief("x" * 1000)) == 100


ODD = ["x", -1, 0, 2.5, None, True, [], {}, [[]], "https://example.org", 10**30, math.nan]


@pytest.mark.parametrize("name", sorted(set(encoder_names()) - {"timm", "monai", "text", "transformers_vision"}))
def test_odd_values_for_each_argument_of_an_encoder_are_our_errors_or_fit(name: str) -> None:
    import inspect

    known = list(inspect.signature(encoder_class(name)).parameters)
    usual = {"in_features": 4, "in_channels": 1, "vocabulary": 5, "sets": [[0, 1]], "out_features": 8}
    whole = {key: value for key, value in usual.items() if key in known}
    build_encoder(name, whole)
    refused = 0
    for argument in known:
        for value in ODD:
            try:
                build_encoder(name, {**whole, argument: value})
            except LegoError:
                refused += 1
    assert refused > 6 * len(known)


@pytest.mark.parametrize(
    "sizes", [{"in_features": "3", "raw": 1}, {"in_features": -1, "raw": 1}, {"in_features": 10**15, "raw": 1}]
)
def test_odd_sizes_of_learners(sizes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="learner 'ridge'"):
        build_learner("ridge", sizes)
