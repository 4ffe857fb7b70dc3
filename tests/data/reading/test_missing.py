from __future__ import annotations

import pytest

from mmlego.data.reading.missing import is_missing, is_sign


@pytest.mark.parametrize(
    "word", ["", " ", "#N/A", "<NA>", "NaN", "'--", "[Not Available]", "[not available]", "#DIV/0!"]
)
def test_signs_are_nobodys_name(word: str) -> None:
    assert is_sign(word)
    assert is_missing(word)


@pytest.mark.parametrize("word", ["NA", "None", "null", "Unknown", "not reported", ".", "?", "-", "n/a"])
def test_names_are_missing_among_numbers_alone(word: str) -> None:
    assert not is_sign(word)
    assert is_missing(word)


@pytest.mark.parametrize("word", ["0", "no", "> 89", "Not", "NAD", "1,5", "-1", "inf"])
def test_what_says_something_is_not_missing(word: str) -> None:
    assert not is_missing(word)
