from __future__ import annotations

from pathlib import Path

import pytest

from mmlego.data.reading.names import NamePattern
from mmlego.errors import InputError


def owners(pattern: str, names: list[str], patients: set[str] | None = None) -> dict[str, str | None]:
    return NamePattern(pattern, alone=True).owners(names, patients, "slides")


def test_the_pattern_says_where_an_id_ends() -> None:
    assert owners("{key}.h5", ["p1.h5", "p12.h5"]) == {"p1.h5": "p1", "p12.h5": "p12"}
    assert owners("s/{key}/*.h5", ["s/p1/a.h5", "s/p1/b.h5"]) == {"s/p1/a.h5": "p1", "s/p1/b.h5": "p1"}
    assert owners("{key}_*.h5", ["p_1_a.h5"]) == {"p_1_a.h5": "p"}
    assert owners("**/x-{key}.h5", ["x-a.h5", "deep/er/x-b.h5"]) == {"x-a.h5": "a", "deep/er/x-b.h5": "b"}


def test_known_patients_settle_what_is_open() -> None:
    """One patient's files are never another's whose id begins alike."""
    names = ["p1.h5", "p12.h5", "p1-a.h5", "p1_2.h5", "q1-a.h5"]
    found = owners("{key}*.h5", names, {"p1", "p12", "p1_2"})
    assert found == {"p1.h5": "p1", "p12.h5": "p12", "p1-a.h5": "p1", "p1_2.h5": "p1_2", "q1-a.h5": None}
    assert owners("{key}*.h5", ["p123.h5"], {"p12"}) == {"p123.h5": None}
    assert owners("*{key}.h5", ["xp1.h5", "x-p1.h5"], {"p1"}) == {"xp1.h5": None, "x-p1.h5": "p1"}
    tcga = "TCGA-2F-A9KO-01Z-00-DX1.195576CF.h5"
    assert owners("{key}*.h5", [tcga], {"TCGA-2F-A9KO"}) == {tcga: "TCGA-2F-A9KO"}
    assert owners("{key}_*.h5", ["p_1_a.h5"], {"p_1"}) == {"p_1_a.h5": "p_1"}


@pytest.mark.parametrize("pattern", ["{key}*.h5", "*{key}.h5", "{key}?.h5"])
def test_an_id_without_end_needs_known_patients(pattern: str) -> None:
    with pytest.raises(InputError, match="does not say where the patient's id begins and ends"):
        owners(pattern, ["p1.h5"])


def test_files_in_order_hidden_ones_left_out(tmp_path: Path) -> None:
    for name in ("b/p2.h5", "b/p1.h5", "b/.p3.h5", "b/p4.txt", ".c/p5.h5", "b[1]/p6.h5"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert NamePattern("b/{key}.h5", alone=True).glob(tmp_path) == ["b/p1.h5", "b/p2.h5"]
    assert NamePattern("**/{key}.h5", alone=True).glob(tmp_path) == ["b/p1.h5", "b/p2.h5", "b[1]/p6.h5"]
    assert NamePattern("b/{key}*.h5", alone=True).glob(tmp_path) == ["b/p1.h5", "b/p2.h5"]
    assert NamePattern("b[1]/{key}.h5", alone=True).glob(tmp_path) == ["b[1]/p6.h5"]


@pytest.mark.parametrize(
    ("pattern", "alone", "message"),
    [
        ("/etc/{key}.h5", True, "leaves"),
        ("../{key}.h5", True, "leaves"),
        ("a\\..\\{key}.h5", True, "leaves"),
        ("../{slide}.h5", False, "leaves"),
        ("slides/*.h5", True, "needs {key} once"),
        ("{key}/{key}.h5", True, "needs {key} once"),
        ("{slide}.h5", True, "needs {key} once"),
        ("slides/*.h5", False, "needs columns in braces"),
        ("{slide}*.h5", False, "needs columns in braces"),
        ("{}.h5", False, "needs columns in braces"),
        ("{key}}.h5", True, "brace without its other"),
        ("{key}**/a.h5", True, "beside other characters"),
        ("a/**.h5/{key}", True, "beside other characters"),
    ],
)
def test_bad_patterns(pattern: str, alone: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NamePattern(pattern, alone=alone)
