from __future__ import annotations

import pytest

from mmlego.wording import meant


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("Age", ["Stage", "Date of diagnosis", "AGE"], "AGE"),
        ("os_months", ["DFS_MONTHS", "OS.Months"], "OS.Months"),
        ("age", ["stage", "age at diagnosis"], "age at diagnosis"),
        ("colums", ["columns", "file"], "columns"),
        ("evnet", ["event", "event_when"], "event"),
        ("a.cvs", ["a.csv", "b.csv"], "a.csv"),
        ("aeg", ["a", "b", "age"], "age"),
    ],
)
def test_the_nearest_name_is_hinted_at(name: str, known: list[str], hint: str) -> None:
    assert meant(name, known) == f"Did you mean {hint!r}?"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Age", ["Stage", "Date of diagnosis"]),
        ("TP53", ["TP63", "EGFR"]),
        ("date", ["date of birth", "date of death"]),
        ("tox_1", ["tox_2"]),
        ("ab1", ["a1b2"]),
        ("p12", ["p21"]),
    ],
)
def test_what_is_far_is_no_hint(name: str, known: list[str]) -> None:
    assert meant(name, known) == f"Known: {', '.join(known)}."
