"""Cases of bad input: what is wrong, how it is called, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from mmlego import LegoError


@dataclass(frozen=True)
class Case:
    """One bad call; the message is a regular expression."""

    name: str
    call: Callable[[], Any]
    error: type[LegoError]
    message: str


def by_name(tables: Mapping[str, Sequence[Case]]) -> dict[str, Case]:
    """Return all cases of several tables by a name that is no other's."""
    cases = {f"{table}: {case.name}": case for table, rows in tables.items() for case in rows}
    assert len(cases) == sum(map(len, tables.values())), "two cases have one name"
    return cases


def assert_refused(case: Case) -> None:
    """Call it: exactly this error, which says what was expected and what was got."""
    with pytest.raises(LegoError, match=f"(?s){case.message}") as caught:
        case.call()
    assert type(caught.value) is case.error
    text = str(caught.value)
    assert ": expected " in text
    assert ", got " in text
