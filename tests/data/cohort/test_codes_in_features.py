"""-9, -999 and the like far from all other values are doubted in all kinds of numbers; what is proposed reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from mmlego.data import Cohort
from mmlego.data.cohort.checking import check_manifest
from mmlego.data.cohort.outcomes.classes import ClassificationOutcome
from mmlego.data.reading.likely_codes import likely_codes, told_codes

IDS = [f"p{i:02d}" for i in range(20)]


def manifest(folder: Path, kind: str, **section: object) -> Path:
    """Write 20 patients with values of 40 to 59, of whom two have -999."""
    cells = [-999 if i in (3, 4) else 40 + i for i in range(20)]
    if kind in ("series", "static"):
        text = "id,time,variable,value\n" + "".join(f"{p},0,x,{c}\n" for p, c in zip(IDS, cells, strict=True))
        section |= {"cache": False, "variables": ["x"]}
    else:
        text = "id,x,z\n" + "".join(f"{p},{c},{i % 7}\n" for i, (p, c) in enumerate(zip(IDS, cells, strict=True)))
    (folder / "x.csv").write_text(text)
    part = {"kind": kind, "file": "x.csv", **section}
    (folder / "m.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": part}}))
    return folder / "m.yaml"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("table", "m: x holds -999 2×, far from all others (40 to 59)"),
        ("static", "m: x holds -999 2×, far from all others (40 to 59)"),
        ("series", "m: x holds -999 2×, far from all others (40 to 59)"),
        ("omics", "m: holds -999 2×, far from all others (0 to 59)"),
    ],
)
def test_codes_are_doubted_and_may_be_declared(kind: str, told: str, tmp_path: Path) -> None:
    (doubt,) = [text for text in check_manifest(manifest(tmp_path, kind)).doubtful if "far from" in text]
    assert doubt.startswith(told)
    missing: Any = yaml.safe_load(re.findall(r"missing: (.*)$", doubt)[0])
    assert missing == ({"x": [-999]} if kind == "table" else [-999])
    path = manifest(tmp_path, kind, missing=missing)
    assert not [text for text in check_manifest(path).doubtful if "far from" in text]
    cohort = Cohort.from_manifest(path)
    known = cohort.frames["m"]
    if kind in ("table", "omics"):
        assert np.flatnonzero(known["x"].isna()).tolist() == [3, 4]
    else:
        assert cohort.patients == tuple(name for name in IDS if name not in ("p03", "p04"))


@pytest.mark.parametrize("kind", ["table", "static", "series"])
@pytest.mark.parametrize(
    ("code", "others", "told"),
    [
        (-1, (40, 59), True),
        (-1, (0, 2), False),
        (9, (0, 2), True),
        (9, (1, 4), True),
        (9, (0, 5), False),
        (999, (40, 59), True),
    ],
)
def test_codes_of_few_digits(kind: str, code: int, others: tuple[int, int], told: bool, tmp_path: Path) -> None:
    path = manifest(tmp_path, kind)
    low, high = others
    values = [str(code) if i < 2 else str(low + i % (high - low + 1)) for i in range(20)]
    lines = (tmp_path / "x.csv").read_text().splitlines()
    place = 3 if kind in ("series", "static") else 1
    for row, value in enumerate(values, 1):
        cells = lines[row].split(",")
        cells[place] = value
        lines[row] = ",".join(cells)
    (tmp_path / "x.csv").write_text("\n".join(lines))
    found = [text for text in check_manifest(path).doubtful if f"x holds {code} 2×, far from all others" in text]
    assert len(found) == told


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ([1, 2, 3, 4, 9], {9: 1}),  # grade of SEER
        ([0, 1, 8, 9, 9], {9: 2, 8: 1}),  # receptors of NAACCR
        ([10, 35, 300, 988, 999, 999], {999: 2, 988: 1}),  # size of SEER, in millimetres
        ([1, 2, 77, 99], {99: 1, 77: 1}),  # NHANES
        ([20, 45, 77, 99], {}),  # ages
        ([0, 1, 2, -3, -1], {-1: 1, -3: 1}),  # UK Biobank
        ([-3, -2, -1, 0, 1, 2], {}),
        ([0, 3, 6, 8, 9], {}),  # counts
        ([0.5, 2, 9], {}),
    ],
)
def test_codes_of_registers_and_surveys(values: list[float], codes: dict[float, int]) -> None:
    assert likely_codes(np.array(values, dtype=float)) == codes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("code", [999.9, 9999.99, -99.9])
def test_codes_as_wide_as_a_field_with_decimals(code: float, dtype: type) -> None:
    values = np.array([21.5, 83.25, code, code], dtype=dtype)
    assert likely_codes(values) == {code: 2}
    assert told_codes({code: 2}, values, "a").endswith(f"declare missing: {{a: [{code}]}}")
    assert likely_codes(np.array([98.5, 99.9, 97.0, 100], dtype=dtype)) == {}  # per cent


@pytest.mark.parametrize(("words", "doubted"), [("0 1 9", [9]), ("0 1 2", []), ("1 2 3 9 8", [9, 8]), ("a b 9", [])])
def test_classes_that_are_codes_are_doubted_unless_named(words: str, doubted: list[int]) -> None:
    frame = pd.DataFrame({"r": (words.split() * 20)[:20]}, index=IDS)
    said = ClassificationOutcome(task="classification", label="r").known(frame)[1]
    assert [note.what.split(";")[0].partition("missing: ")[2] for note in said] == ([str(doubted)] if doubted else [])
    named = ClassificationOutcome(task="classification", label="r", classes=words.split())
    assert named.known(frame)[1] == []


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1.0, 1, 999, 999, 999], {999.0: 3}),  # mostly the code, as weights of edges that nobody measured
        ([0.2, 0.7, 999, 999, 999], {999.0: 3}),
        ([0.0, 0, 99], {99.0: 1}),
        ([1.0, 1, 9, 9], {}),  # two grades
        ([1.0, -1], {}),  # two classes
        ([0.0, -9], {}),
    ],
)
def test_a_code_may_be_most_of_the_values_or_stand_beside_one(values: list[float], found: dict[float, int]) -> None:
    assert likely_codes(np.array(values)) == found
