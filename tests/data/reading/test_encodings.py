"""Texts as programs under Windows write them: each reader says how to save them, and reads what was saved so."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from mmlego.data import Cohort, check_manifest
from mmlego.errors import InputError, LegoError
from mmlego.settings import read_settings

REMEDY = "Save it as UTF-8 (in Excel: CSV UTF-8), or turn it into that, as iconv -f WINDOWS-1252 -t UTF-8 does."
MAF = "Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\n{}\tMissense_Mutation\ta\nTP\tMissense_Mutation\tb\n"
STAY = "Time,Parameter,Value\n00:00,id,1\n00:00,{},3\n00:10,HR,80\n"

# By reader a section, and the files it reads; {} is a word that is written in another way in each encoding.
READERS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "table": ({"kind": "table", "file": "t.csv"}, {"t.csv": "id,town,x\na,{},1\nb,Ulm,2\n"}),
    "names of columns": ({"kind": "table", "file": "t.csv"}, {"t.csv": "id,{}\na,1\nb,2\n"}),
    "packed": ({"kind": "table", "file": "t.csv.gz"}, {"t.csv.gz": "id,town\na,{}\nb,Ulm\n"}),
    "omics": ({"kind": "omics", "file": "t.csv"}, {"t.csv": "id,{},TP\na,1,2\nb,2,3\n"}),
    "genes in rows": ({"kind": "omics", "file": "t.csv", "genes": "rows"}, {"t.csv": "gene,a,b\n{},1,2\nTP,1,3\n"}),
    "a file a sample": (
        {"kind": "omics", "pattern": "{key}.tsv", "value": "tpm"},
        {"a.tsv": "gene\ttpm\n{}\t1\n", "b.tsv": "gene\ttpm\n{}\t2\n"},
    ),
    "mutations": ({"kind": "omics", "file": "m.maf", "format": "maf", "sequenced": "listed"}, {"m.maf": MAF}),
    "who was sequenced": (
        {"kind": "omics", "file": "m.maf", "format": "maf", "sequenced": "ids.txt"},
        {"m.maf": MAF.format("KRAS"), "ids.txt": "a\nb\n{}\n"},
    ),
    "gene sets": (
        {"kind": "omics", "file": "t.csv", "gene_sets": "s.gmt", "smallest": 1},
        {"t.csv": "id,TP,MY\na,1,2\nb,2,3\n", "s.gmt": "{}\tx\tTP\tMY\n"},
    ),
    "notes": ({"kind": "text", "pattern": "{key}.txt"}, {"a.txt": "{} is better", "b.txt": "no {}"}),
    "PhysioNet": ({"kind": "series", "file": "p", "cache": False}, {"p/1.txt": STAY}),
    "wide stays": (
        {"kind": "series", "file": "w", "layout": "wide", "time": "ICULOS", "cache": False},
        {"w/a.psv": "HR|{}|ICULOS\n1|2|1\n"},
    ),
    "long stays": (
        {"kind": "series", "file": "l.csv", "layout": "long", "cache": False},
        {"l.csv": "id,time,variable,value\na,0,{},1\n"},
    ),
    "FASTA": ({"kind": "sequence", "file": "q.fasta"}, {"q.fasta": ">{}\nACGT\n>b\nACGG\n"}),
    "edges": ({"kind": "graph", "edges": "e.csv"}, {"e.csv": "id,source,target\na,{},x\n"}),
    "GraphML": (
        {"kind": "graph", "pattern": "{key}.graphml"},
        {"a.graphml": "<graphml><graph edgedefault='undirected'><node id='{}'/></graph></graphml>"},
    ),
}


def write(folder: Path, files: dict[str, str], encoding: str) -> None:
    for name, text in files.items():
        content = text.replace("{}", "Größe").encode(encoding)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


@pytest.mark.parametrize("reader", READERS)
def test_another_encoding_is_refused_with_how_to_save_and_read_after_that(reader: str, tmp_path: Path) -> None:
    section, files = READERS[reader]
    (tmp_path / "c.yaml").write_text(repr({"key": "id", "modalities": {"m": section}}))
    write(tmp_path, files, "cp1252")
    with pytest.raises(InputError) as caught:
        Cohort.from_manifest(tmp_path / "c.yaml")
    assert REMEDY in str(caught.value)
    write(tmp_path, files, "utf-8")
    assert Cohort.from_manifest(tmp_path / "c.yaml").patients


def test_graphml_may_say_its_encoding_instead(tmp_path: Path) -> None:
    section, files = READERS["GraphML"]
    (tmp_path / "c.yaml").write_text(repr({"key": "id", "modalities": {"m": section}}))
    line = "<?xml version='1.0' encoding='windows-1252'?>"
    write(tmp_path, {name: line + text for name, text in files.items()}, "cp1252")
    assert Cohort.from_manifest(tmp_path / "c.yaml").patients == ("a",)


def test_manifest_settings_outcome_and_splits_say_it_too(tmp_path: Path) -> None:
    manifest = "key: id\nname: {}\nmodalities: {m: {kind: omics, file: t.csv}}\n"
    manifest += "outcome: {task: classification, file: o.csv, label: y}\n"
    outcome, splits = "id,y\na,{}\nb,no\n", '{"train": ["a", "{}"]}'
    right = {"t.csv": "id,TP\na,1\nb,2\n", "c.yaml": manifest, "o.csv": outcome, "s.json": splits}
    for wrong in ("c.yaml", "o.csv", "s.json"):
        write(tmp_path, right, "utf-8")
        write(tmp_path, {wrong: right[wrong]}, "cp1252")
        told = check_manifest(tmp_path / "c.yaml", splits=[tmp_path / "s.json"]).wrong
        assert sum(line.endswith(REMEDY) for line in told) == 1, (wrong, told)
    write(tmp_path, {"settings.yaml": "# {}\nseed: 1\n"}, "cp1252")
    with pytest.raises(LegoError) as caught:
        read_settings(tmp_path / "settings.yaml")
    assert str(caught.value).endswith(REMEDY)
