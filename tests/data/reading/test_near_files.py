"""Files that are called almost as a pattern says are named with their patient, in every kind that has files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mmlego.data import Cohort, check_manifest
from mmlego.data.reading.near_files import near_files
from mmlego.errors import InputError
from tests.terminal import mmlego

IDS = ["P1", "P2", "P3", "P4", "P5", "P6"]
# What is wrong with each name but the first; P12 is somebody else, and P6 has no file at all.
STEMS = {"P1": "P1", "p2": "P2", "P03": "P3", "P4_a": "P4"}


def write(path: Path, ending: str, number: float) -> None:
    path.parent.mkdir(exist_ok=True)
    if ending == ".txt":
        path.write_text(f"a note, number {number:g}")
    elif ending == ".tsv":
        path.write_text(f"gene\ttpm\nTP53\t{number}\nMYC\t{number * 2}\n")
    elif ending == ".psv":
        path.write_text(f"HR|ICULOS\n{60 + number}|1\n")
    elif ending == ".graphml":
        key = '<key id="w" for="node" attr.name="weight" attr.type="double"/>'
        node = f'<node id="a"><data key="w">{number}</data></node>'
        path.write_text(f"<graphml>{key}<graph edgedefault='undirected'>{node}</graph></graphml>")
    else:
        torch.save(torch.full((2, 3), number), path)


KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bag": (".pt", ".pth", {"kind": "bag", "pattern": "files/{key}.pt"}),
    "text": (".txt", ".text", {"kind": "text", "pattern": "files/{key}.txt"}),
    "omics": (".tsv", ".txt", {"kind": "omics", "pattern": "files/{key}.tsv", "value": "tpm"}),
    "graph": (".graphml", ".xml", {"kind": "graph", "pattern": "files/{key}.graphml"}),
}


def manifest(folder: Path, section: dict[str, Any]) -> Path:
    (folder / "outcome.csv").write_text("id,y\n" + "".join(f"{one},{i}\n" for i, one in enumerate(IDS)))
    outcome = {"task": "regression", "file": "outcome.csv", "target": "y"}
    (folder / "cohort.yaml").write_text(repr({"key": "id", "outcome": outcome, "modalities": {"m": section}}))
    return folder / "cohort.yaml"


@pytest.mark.parametrize("kind", KINDS)
def test_near_misses_are_named_with_their_patient(kind: str, tmp_path: Path) -> None:
    ending, other, section = KINDS[kind]
    for number, stem in enumerate([*STEMS, "P12"]):
        write(tmp_path / "files" / f"{stem}{ending}", ending, number)
    write(tmp_path / "files" / f"P5{other}", ending, 7)
    path = manifest(tmp_path, section)
    cohort = Cohort.from_manifest(path)
    assert cohort.patients == ("P1",)
    near = (
        "m: 4 patients without a file, for whom one of almost that name is there ("
        f"P2: files/p2{ending} differs in case; P3: files/P03{ending} differs in zeros in front; "
        f"P5: files/P5{other} differs in the ending; P4: files/P4_a{ending} differs in what is behind the id)"
    )
    assert near in [str(note) for note in cohort.dropped]
    doubts = check_manifest(path).doubtful
    assert any("P3: files/P03" in doubt for doubt in doubts), doubts
    assert "doubtful: m: 4 patients without a file" in mmlego("check", path, width=200).text


def test_where_no_file_fits_the_pattern_those_that_almost_do_are_the_remedy(tmp_path: Path) -> None:
    for one in IDS:
        write(tmp_path / "files" / f"{one}.text", ".txt", 1)
    path = manifest(tmp_path, KINDS["text"][2])
    with pytest.raises(
        InputError, match=r"no file is named as .*6 patients without a file, .*P1: files/P1\.text differs in the ending"
    ):
        Cohort.from_manifest(path)
    manifest(tmp_path, {"kind": "text", "pattern": "files/{key}.text"})  # the remedy: mend the pattern
    assert Cohort.from_manifest(path).patients == tuple(IDS)


def test_stays_in_a_folder(tmp_path: Path) -> None:
    for number, stem in enumerate(["P1", "P2", "p3"]):
        write(tmp_path / "stays" / f"{stem}.psv", ".psv", number)
    section = {"kind": "series", "file": "stays", "layout": "wide", "pattern": "{key}.psv", "time": "ICULOS"}
    cohort = Cohort.from_manifest(manifest(tmp_path, section | {"cache": False}))
    assert cohort.patients == ("P1", "P2")
    assert any("P3: p3.psv differs in case" in str(note) for note in cohort.dropped), cohort.dropped


def test_paths_of_a_table_that_lead_nowhere_are_told_with_what_is_near(tmp_path: Path) -> None:
    write(tmp_path / "files" / "P1.txt", ".txt", 1)
    write(tmp_path / "files" / "P2_slide.txt", ".txt", 2)
    (tmp_path / "files.csv").write_text("id,path\nP1,files/P1.txt\nP2,files/p2-slide.txt\nP3,files/zzz.txt\n")
    section = {"kind": "text", "file": "files.csv", "pattern": "{path}", "on_error": "skip"}
    cohort = Cohort.from_manifest(manifest(tmp_path, section))
    assert cohort.patients == ("P1",)
    said = "m: 2 files not there: files/p2-slide.txt (Did you mean 'P2_slide.txt'?), files/zzz.txt"
    assert said in [str(note) for note in cohort.dropped]


def test_whose_file_it_is_not() -> None:
    assert near_files("{key}.h5", ["P10.h5", "P1b.h5", "XP1.h5"], ["P1"]) == {}
    # A file is offered to one patient alone, and each patient one file.
    assert near_files("{key}.h5", ["p1.h5"], ["P1", "P01"]) == {"P1": ("p1.h5", "case")}
    assert near_files("s/{key}_*.h5", ["s/p1_x.h5", "s/p1_y.h5"], ["P1"]) == {"P1": ("s/p1_x.h5", "case")}
    assert near_files("**/{key}.h5", ["a/b/S_P1.h5"], ["P1"]) == {"P1": ("a/b/S_P1.h5", "what is before the id")}
    assert near_files("ct/{key}/*.dcm", ["ct/p1/1.dcm"], ["P1"]) == {"P1": ("ct/p1/1.dcm", "case")}
