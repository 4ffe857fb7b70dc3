"""What a section says of columns may be one word, or several."""

from __future__ import annotations

import pytest

from mmlego.data.kinds.omics.source import OmicsSource
from mmlego.data.kinds.series.source import SeriesSource, StaticSource
from mmlego.data.kinds.tabular.keys import ColumnKeys


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("> 89", {"*": ("> 89",)}),
        (-9, {"*": ("-9",)}),
        ([-9, "lost"], {"*": ("-9", "lost")}),
        ({"age": -9, "crp": ["<1"]}, {"age": ("-9",), "crp": ("<1",)}),
    ],
)
def test_words_of_columns(given: object, expected: dict[str, tuple[str, ...]]) -> None:
    assert ColumnKeys(missing=given).rules().missing == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("given", "expected"), [("lost", ["lost"]), (-9, ["-9"]), ([-9, "lost"], ["-9", "lost"])])
def test_words_of_series(given: object, expected: list[str]) -> None:
    assert SeriesSource(file="a.csv", missing=given).missing == expected  # type: ignore[arg-type]
    static = StaticSource(file="a.csv", missing=given, categories="sex")  # type: ignore[arg-type]
    assert (static.missing, static.categories) == (expected, ["sex"])


def test_words_of_omics() -> None:
    assert OmicsSource(file="a.csv", missing=-9).missing == [-9]  # type: ignore[arg-type]
