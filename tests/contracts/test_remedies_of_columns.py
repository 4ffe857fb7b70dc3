"""Columns that cannot be read: each thing that an error tells to declare is tried, and the value is the right one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mmlego.data import Cohort
from mmlego.data.cohort.checking import check_manifest
from tests.contracts.test_remedies import proposals

Reading = dict[str, object]  # by what is declared the first cell, or None for a missing one
N = 12


def cells(*first: str, then: str = "{}") -> list[str]:
    """Return cells of which the first are given, and the others are numbers in a form."""
    return [*first, *(then.format(n) for n in range(11, 11 + N - len(first)))]


# By name: what stands between cells, the cells, and by what is proposed what the first cell then is.
CASES: dict[str, tuple[str, list[str], Reading]] = {
    "a limit": (",", cells("> 89"), {"missing": None, "categories": "> 89"}),
    "limits": (",", cells("<0.01", ">= 5", "90+"), {"missing": None, "categories": "<0.01"}),
    "a comma": (";", cells("1,234", then="{}.5"), {"decimal: ,": 1.234, "decimal: .": 1234.0}),
    # nothing is proposed that is not taken: with a decimal point 11,5 is no number
    "a point among commas": (";", cells("2.941", then="{},5"), {"decimal: ,": 2941.0}),
    "points in a file of commas": (";", cells("180.000", then="{}.000"), {"decimal: ,": 180000.0, "decimal: .": 180.0}),
    "points twice": (",", cells("1.234.567"), {"decimal: ,": 1234567.0}),
    "spaces": (",", cells("4 750", then="{} 750"), {"decimal: ,": 4750.0, "decimal: .": 4750.0}),
    "commas and a limit": (";", cells("1,234", "> 9,999", then="{},500"), {"decimal: ,": 1.234, "decimal: .": 1234.0}),
    "percentages": (",", cells("9.24%", then="{}%"), {"numeric": 0.0924, "categories": "9.24%"}),
    "some percentages": (",", cells("9%", "8%", then="0.{}"), {"categories": "9%"}),
    "many percentages": (",", cells(*(f"{n}%" for n in range(9)), then="0.{}"), {"categories": "0%"}),
    "amounts": (",", cells("12 mg", then="{} mg"), {"categories": "12 mg"}),
    "flags": (",", cells("4.75*", "4.8 H"), {"categories": "4.75*"}),
    "Fortran": (",", cells("4.75D0"), {"categories": "4.75D0"}),
    "powers": (",", cells("2×10³", then="{}x10^9/l"), {"categories": "2×10³"}),
    "hexadecimal": (",", cells("0x2f", then="0x{}"), {"categories": "0x2f"}),
    "other digits": (",", cells("٣٤", "²"), {"categories": "٣٤"}),
    "a dash": (",", cells("–5"), {"categories": "–5"}),
    "brackets": (",", cells("(5.2)"), {"categories": "(5.2)"}),
    "a quoted number": (",", cells("'5"), {"categories": "'5"}),
    "a bound and an amount": (",", cells("> 89", "12 mg"), {"missing": None, "categories": "> 89"}),
    "days of no year": (",", cells("1-Mar", "Mar-20", then="{}-Mar"), {"categories": "1-Mar"}),
    "codes with zeros": (",", cells("001"), {"numeric": 1.0, "categories": "001"}),
    "a range": (",", cells("10-20"), {"missing": None, "categories": "10-20"}),
    "times of day": (",", cells("00:24", then="{}:30"), {"categories": "00:24"}),
    "quarters": (",", cells("2010-Q1", "2010-Q2", then="20{}-Q3"), {"categories": "2010-Q1"}),
    "weeks": (",", cells("2010-W05", then="20{}-W05"), {"categories": "2010-W05"}),
    "codes": (",", cells("A001", then="B{}"), {"categories": "A001"}),
    "long numbers": (",", cells("9007199254740993", then="900719925474099{}1"),
                     {"numeric": 9007199254740992.0, "categories": "9007199254740993"}),
}  # fmt: skip


def written(folder: Path, separator: str, column: list[str], *, outcome: bool, **section: object) -> Path:
    rows = [f"id{separator}x", *(f'p{n}{separator}"{cell}"' for n, cell in enumerate(column))]
    (folder / "t.csv").write_text("\n".join(rows))
    (folder / "o.csv").write_text("\n".join(["id,y", *(f"p{n},{'ab'[n % 2]}" for n in range(len(column)))]))
    manifest: dict[str, Any] = {"key": "id", "modalities": {"m": {"kind": "table", "file": "t.csv", **section}}}
    if outcome:
        manifest["outcome"] = {"task": "classification", "file": "o.csv", "label": "y"}
    (folder / "c.yaml").write_text(yaml.safe_dump(manifest, allow_unicode=True))
    return folder / "c.yaml"


@pytest.mark.parametrize("case", CASES)
def test_what_an_error_of_a_column_proposes_reads_it(case: str, tmp_path: Path) -> None:
    separator, column, expected = CASES[case]
    wrong = {
        outcome: [
            one
            for one in check_manifest(written(tmp_path, separator, column, outcome=outcome)).wrong
            if one.startswith("m: ")  # of so few patients nothing can be learnt, which is told, too
        ]
        for outcome in (True, False)
    }
    assert len(wrong[True]) == 1
    assert wrong[True] == wrong[False], "a column is looked at alike with and without an outcome"
    found = [one for one in proposals(wrong[True][0], []) if one.key in ("missing", "numeric", "categories", "decimal")]
    tried: Reading = {}
    for one in found:
        name = f"decimal: {one.value['x']}" if one.key == "decimal" else one.key  # type: ignore[index]
        more = {"missing": {"x": ["> 9,999"]}} if case == "commas and a limit" and one.key == "decimal" else {}
        if case == "commas and a limit" and one.key == "missing":
            assert one.value == {"x": ["> 9,999"]}
            continue
        if case == "a bound and an amount" and one.key == "missing":
            assert one.value == {"x": ["> 89"]}
            assert "Write numbers alone, in one unit, in place of cells as '12 mg' in x" in wrong[True][0]
            more = {"columns": ["x"]}
            column = [cell.removesuffix(" mg") for cell in column]  # as it is told
        path = written(tmp_path, separator, column, outcome=True, **{one.key: one.value}, **more)
        cell = Cohort.from_manifest(path).frames["m"]["x"].get("p0")
        missing = cell is None or (isinstance(cell, float) and np.isnan(cell))
        tried[name] = None if missing else cell
    assert tried == expected


@pytest.mark.parametrize("written_as", ["4'750", "4’750", "4\u00a0750", "4\u202f750", "4750"])
def test_thousands_that_can_only_be_that_are_read_and_told(written_as: str, tmp_path: Path) -> None:
    column = cells(written_as, "950", "\u22121'234.5")
    cohort = Cohort.from_manifest(written(tmp_path, ",", column, outcome=False))
    assert cohort.frames["m"]["x"].tolist()[:4] == [4750.0, 950.0, -1234.5, 11.0]
    assert "m: read with apostrophes or spaces between thousands: x" in map(str, cohort.dropped)


@pytest.mark.parametrize("cell", ["4'75", "4'7500", "4'750 000", "4\u00a075"])
def test_groups_of_another_size_are_no_thousands(cell: str, tmp_path: Path) -> None:
    assert "other words" in check_manifest(written(tmp_path, ",", cells(cell), outcome=False)).wrong[0]


def test_several_columns_are_mended_by_what_is_told_at_once(tmp_path: Path) -> None:
    rows = ["id;ldh;plt;age;ki67", *(f"p{n};{2 + n % 3}.9{n:02d};{n + 100}.000;{50 + n};{n}%" for n in range(20))]
    rows[3] = rows[3].replace(";52;", ";> 89;")
    (tmp_path / "t.csv").write_text(
        "\n".join([rows[0], *(f"{row};{i},5" for i, row in enumerate(rows[1:], 1))]).replace("ki67", "ki67;crp")
    )
    (tmp_path / "c.yaml").write_text("key: id\nmodalities: {m: {kind: table, file: t.csv}}")
    wrong = check_manifest(tmp_path / "c.yaml").wrong
    assert len(wrong) == 1
    assert wrong[0].startswith("m: 4 columns of numbers hold other words (ldh")
    section = {"kind": "table", "file": "t.csv"}
    for one in proposals(wrong[0], []):
        if one.key != "categories":  # of two signs the first
            section.setdefault(one.key, one.value)
    assert section["decimal"] == {"ldh": ",", "plt": ","}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": section}}))
    assert check_manifest(tmp_path / "c.yaml").wrong == []
    frame = Cohort.from_manifest(tmp_path / "c.yaml").frames["m"]
    assert frame.loc["p0"].tolist() == [2900, 100000, 50, 0, 1.5]
    assert np.isnan(frame.loc["p2", "age"])
    assert frame.loc["p7", "ki67"] == 0.07
