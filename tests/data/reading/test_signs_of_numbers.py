"""Commas and points that part thousands or decimals: what is declared counts, what may be two is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmlego.data import Cohort, check_manifest, draft_manifest

IDS = [f"P{i:02d}" for i in range(12)]
# 1,103 stands beside 301; that commas are decimal only the other column shows
MIXED = [('"1,103"', '"0,5"'), ("301", '"1,5"')]


def write(folder: Path, more: str = "") -> Path:
    rows = [f"{p},{MIXED[n % 2][0]},{MIXED[n % 2][1]}\n" for n, p in enumerate(IDS)]
    (folder / "t.csv").write_text("id,ldh,crp\n" + "".join(rows))
    (folder / "o.csv").write_text("id,y\n" + "".join(f"{p},{'ab'[n % 2]}\n" for n, p in enumerate(IDS)))
    outcome = "outcome: {task: classification, file: o.csv, label: y}"
    manifest = folder / "c.yaml"
    manifest.write_text(f"key: id\n{outcome}\nmodalities:\n  m: {{kind: table, file: t.csv{more}}}\n")
    return manifest


@pytest.mark.parametrize(
    ("more", "ldh", "doubted"),
    [("", 1.103, True), (", decimal: ','", 1.103, True), (", decimal: {ldh: '.'}", 1103, False)],
)
def test_what_may_be_thousands_is_told_and_what_is_declared_counts(
    more: str, ldh: float, doubted: bool, tmp_path: Path
) -> None:
    path = write(tmp_path, more)
    values = Cohort.from_manifest(path).frames["m"]
    assert values["ldh"].tolist()[:2] == [ldh, 301]
    assert values["crp"].tolist()[:2] == [0.5, 1.5]
    told = [text for text in check_manifest(path).doubtful if "ldh reads" in text]
    reads = "m: ldh reads '1,103' as 1.103 beside '301': if the sign parts thousands, declare decimal: {ldh: '.'}"
    assert told == ([reads] if doubted else [])


def test_init_reads_as_check_does(tmp_path: Path) -> None:
    write(tmp_path)
    text = draft_manifest([tmp_path / "t.csv", tmp_path / "o.csv"], tmp_path)
    (ldh,) = [line for line in text.splitlines() if "- ldh" in line]
    assert ldh.partition("- ")[2] == (
        "ldh  # numbers from 1.103 to 301; doubtful: reads '1,103' as 1.103 beside '301': if the sign parts thousands, "
        "declare decimal: {ldh: '.'}"
    )
    assert "- crp  # numbers from 0.5 to 1.5" in text
