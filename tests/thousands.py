"""Cells whose sign may be that of thousands or of decimals, and what has to follow, for readers of all kinds."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from mmlego.data import Cohort
from mmlego.data.reading.remarks import Doubtful
from mmlego.errors import InputError

AMBIGUOUS = pytest.mark.parametrize(
    ("cells", "separator", "comma", "point"),
    [
        (['"1,100"', "301", '"2,200"'], ",", [1.1, 301, 2.2], [1100, 301, 2200]),
        (["1.100", "301", "2.200"], ";", [1100, 301, 2200], [1.1, 301, 2.2]),
    ],
)


def proposed_signs(read: Callable[[], Cohort]) -> list[str]:
    """Return which signs an error proposes, in the order of what they are called in it."""
    with pytest.raises(InputError, match=r"Say in the section what the (comma|point) is") as wrong:
        read()
    return re.findall("decimal: '(.)'", str(wrong.value))


def doubts_of(cohort: Cohort) -> list[str]:
    """Return what is doubtful, as users read it."""
    return [str(note) for note in cohort.dropped if isinstance(note, Doubtful)]
