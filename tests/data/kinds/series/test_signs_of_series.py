"""Thousands and decimals of series, in each layout of text: by hand; what an error proposes reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mmlego.data import Cohort
from mmlego.errors import InputError
from tests.thousands import AMBIGUOUS, doubts_of, proposed_signs

LAYOUTS = ["long", "wide", "files"]


def read(folder: Path, cells: list[str], layout: str, sign: str, **section: Any) -> Cohort:
    """Read one patient's values of one variable, an hour each."""
    rows = list(enumerate(cells))
    lines = [["id", "time", "variable", "value"], *(["p", str(hour), "PLT", cell] for hour, cell in rows)]
    if layout == "wide":
        lines = [["id", "time", "PLT"], *(["p", str(hour), cell] for hour, cell in rows)]
    if layout == "files":
        lines = [["time", "PLT"], *([str(hour), cell] for hour, cell in rows)]
    place = folder / ("s/p.csv" if layout == "files" else "s.csv")
    place.parent.mkdir(exist_ok=True)
    place.write_text("\n".join(sign.join(line) for line in lines) + "\n")
    part = {"kind": "series", "file": "s" if layout == "files" else "s.csv", "cache": False, **section}
    part |= {} if layout == "long" else {"layout": "physionet" if layout == "physionet" else "wide"}
    (folder / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": {"m": part}}))
    return Cohort.from_manifest(folder / "c.yaml")


def values(cohort: Cohort) -> list[float]:
    return [round(float(value), 5) for value in cohort.frames["m"]["stay"].iloc[0].value]


@pytest.mark.parametrize("layout", LAYOUTS)
@AMBIGUOUS
def test_what_may_be_thousands_is_refused_and_read_as_declared(
    layout: str, cells: list[str], separator: str, comma: list[float], point: list[float], tmp_path: Path
) -> None:
    assert proposed_signs(lambda: read(tmp_path, cells, layout, separator)) == [",", "."]
    for sign, expected in ((",", comma), (".", point)):
        cohort = read(tmp_path, cells, layout, separator, decimal=sign)
        assert values(cohort) == expected
        doubts = doubts_of(cohort)
        assert len(doubts) == (1.1 in expected)  # 1.1 beside 301 is rather 1100
        assert all("PLT reads '1" in text for text in doubts)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_decimals_of_a_file_with_semicolons_settle_it(layout: str, tmp_path: Path) -> None:
    assert values(read(tmp_path, ["1.100", "0.5", "2.200"], layout, ";")) == [1.1, 0.5, 2.2]
    assert values(read(tmp_path, ["1,100", "0,5", "2,200"], layout, ";")) == [1.1, 0.5, 2.2]


def test_a_decimal_sign_is_of_tables_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="layout 'physionet' has no use for decimal"):
        read(tmp_path, ["1"], "physionet", ",", decimal=",")
