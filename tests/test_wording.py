from __future__ import annotations

import pytest

from mmlego.wording import by_reason, meant, told_of_patients


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


def test_files_of_many_patients_that_are_wrong_alike_are_told_once() -> None:
    lines = [f"ct: patient P{i:02d}: 'P{i:02d}.nii' holds NaN. Mend it." for i in range(30)]
    odd = ["ct: patient P30: 'P30.nii' is damaged", "ct: no header", "patient a b: 'x' is odd", "patient c: 'y' is odd"]
    names = ", ".join(f"P{i:02d}" for i in range(12))
    assert told_of_patients([*lines[:20], odd[0], *lines[20:], *odd[1:]]) == [
        f"ct: 30 patients ({names} and 18 more), as patient P00: 'P00.nii' holds NaN. Mend it.",
        *odd[:2],
        "2 patients (a b, c), as patient a b: 'x' is odd",
    ]


def test_each_reason_is_told_once() -> None:
    found = {f"P{i}": "unknown character 'U'" for i in range(5)} | {"x": "none: 'C('", "y": "empty", "z": "long"}
    assert by_reason(found, 3) == (
        "P0, P1, P2 and 2 more: unknown character 'U'; x: none: 'C('; y: empty and 1 more reason"
    )
