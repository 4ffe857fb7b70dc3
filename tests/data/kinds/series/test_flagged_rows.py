"""Rows that a table of measurements calls errors are none; ``where`` chooses rows; warnings are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmlego.data import Cohort, check_manifest
from mmlego.data.kinds.series.flagged_rows import ERRORS
from mmlego.errors import InputError

HEAD = "id,time,variable,value,{flag}\n"
ROWS = [("a", 0, 70, "0"), ("a", 1, 999, "1"), ("b", 0, 80, ""), ("b", 1, 90, "0")]


def read(folder: Path, flag: str, more: str = "", rows: list[Any] = ROWS) -> tuple[dict[str, list[float]], str]:
    text = "".join(f"{who},{time},HR,{value},{mark}\n" for who, time, value, mark in rows)
    (folder / "events.csv").write_text(HEAD.format(flag=flag) + text)
    manifest = folder / "cohort.yaml"
    section = f"kind: series, file: events.csv, cache: false{more}"
    manifest.write_text(f"key: id\nmodalities:\n  m: {{{section}}}\n")
    cohort = Cohort.from_manifest(manifest)
    stays = cohort.frames["m"].iloc[:, 0]
    told = " | ".join([*map(str, cohort.dropped), *check_manifest(manifest).doubtful])
    return {str(who): stay.value.tolist() for who, stay in stays.items()}, told


@pytest.mark.parametrize("flag", ERRORS)
def test_what_was_recorded_in_error_is_left_out_and_told(flag: str, tmp_path: Path) -> None:
    values, told = read(tmp_path, flag)
    assert values == {"a": [70], "b": [80, 90]}
    assert f"1 row whose '{flag}' says that they are errors; where: {{{flag}: '*'}} takes them" in told


@pytest.mark.parametrize("words", [("False", "True"), ("no", "yes"), ("0.0", "1.0")])
def test_in_any_form(words: tuple[str, str], tmp_path: Path) -> None:
    rows = [(*row, words[mark == "1"] if mark else "") for *row, mark in ROWS]
    assert read(tmp_path, "error", rows=rows)[0] == {"a": [70], "b": [80, 90]}


@pytest.mark.parametrize("word", ["?", "NA", "unknown"])
def test_a_flag_that_is_not_known_hides_no_other(word: str, tmp_path: Path) -> None:
    rows = [(*row, {"1": "Yes", "0": "No"}.get(mark, word)) for *row, mark in ROWS]
    assert read(tmp_path, "error", rows=rows)[0] == {"a": [70], "b": [80, 90]}


def test_where_decides(tmp_path: Path) -> None:
    assert read(tmp_path, "error", ", where: {error: '*'}")[0] == {"a": [70, 999], "b": [80, 90]}
    assert read(tmp_path, "error", ", where: {error: 0}")[0] == {"a": [70], "b": [90]}
    assert read(tmp_path, "error", ", where: {error: [0, '']}")[0] == {"a": [70], "b": [80, 90]}


def test_an_error_of_measurement_is_no_flag(tmp_path: Path) -> None:
    rows = [(*row, mark) for (*row, _), mark in zip(ROWS, ("0.5", "1", "2", "1"), strict=True)]
    assert read(tmp_path, "error", rows=rows)[0] == {"a": [70, 999], "b": [80, 90]}


def test_warnings_and_cancelled_orders_count_and_are_doubted(tmp_path: Path) -> None:
    values, told = read(tmp_path, "warning")
    assert values == {"a": [70, 999], "b": [80, 90]}
    way = "where: {warning: ['0', '']}"
    assert f"1 row with a 'warning', which count: leave them out by {way}" in told
    assert read(tmp_path, "warning", f", {way}")[0] == {"a": [70], "b": [80, 90]}
    rows = [(*row, "Rewritten" if mark == "1" else "Finished") for *row, mark in ROWS]
    told = read(tmp_path, "statusdescription", rows=rows)[1]
    assert (
        "says that they were cancelled, which count: leave them out by where: {statusdescription: ['Finished']}" in told
    )


def test_all_rows_in_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'error' says of all rows that they are errors.*where: \{error: '\*'\}"):
        read(tmp_path, "error", rows=[(*row, "1") for *row, _ in ROWS])


def test_where_is_for_one_table(tmp_path: Path) -> None:
    (tmp_path / "stays").mkdir()
    (tmp_path / "stays" / "1.txt").write_text("Time,Parameter,Value\n00:00,RecordID,1\n00:07,HR,73\n")
    manifest = tmp_path / "cohort.yaml"
    manifest.write_text("key: RecordID\nmodalities: {m: {kind: series, file: stays, where: {error: 0}}}")
    with pytest.raises(InputError, match=r"where: is for one table of all stays"):
        Cohort.from_manifest(manifest)
