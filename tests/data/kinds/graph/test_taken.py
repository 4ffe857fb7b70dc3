"""What is told of attributes of graphs: what they were taken for, and numbers that say that nothing is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmlego.data import Cohort, check_manifest

GRAPHML = """<graphml><key id="a" for="node" attr.name="age" attr.type="double"/>
<key id="k" for="node" attr.name="kind" attr.type="string"/>
<key id="w" for="edge" attr.name="weight" attr.type="double"/><graph edgedefault="undirected">
<node id="n0"><data key="a">{0}</data><data key="k">in</data></node>
<node id="n1"><data key="a">61</data><data key="k">out</data></node>
<edge source="n0" target="n1"><data key="w">{1}</data></edge></graph></graphml>"""
AGES, WEIGHTS = [50, 47, -9, 55, 52, 49], [0.5, 0.25, 0.75, 999, 0.5, 0.25]


def written(folder: Path, form: str, more: str = "") -> Path:
    """Write six graphs of two nodes and an edge, of which one has an age of -9 and one a weight of 999."""
    rows = [f"P{n},n0,n1,{weight}" for n, weight in enumerate(WEIGHTS)]
    (folder / "edges.csv").write_text("\n".join(["id,source,target,weight", *rows]) + "\n")
    rows = [f"P{n},n0,{age},in\nP{n},n1,61,out" for n, age in enumerate(AGES)]
    (folder / "nodes.csv").write_text("\n".join(["id,node,age,kind", *rows]) + "\n")
    for n, (age, weight) in enumerate(zip(AGES, WEIGHTS, strict=True)):
        (folder / f"P{n}.graphml").write_text(GRAPHML.format(age, weight))
    section = {"tables": "edges: edges.csv, nodes: nodes.csv", "GraphML": "pattern: '{key}.graphml'"}[form]
    (folder / "cohort.yaml").write_text(f"key: id\nmodalities:\n  m: {{kind: graph, {section}{more}}}\n")
    return folder / "cohort.yaml"


@pytest.mark.parametrize("form", ["tables", "GraphML"])
def test_likely_codes_of_attributes_are_doubted(form: str, tmp_path: Path) -> None:
    report = check_manifest(written(tmp_path, form))
    assert report.wrong == []
    taken = {"age of nodes": "number: -9 to 61", "kind of nodes": "categories: in 6, out 6"}
    assert report.taken["m"] == {**taken, "weight of edges": "number: 0.25 to 999"}
    ways = ("declare missing: {age: [-9]}", "declare missing: {weight: [999]}")
    if form == "GraphML":  # which has no missing:
        ways = ("mend the files", "mend the files")
    assert [doubt.partition("nothing is known there, ")[2] for doubt in report.doubtful] == list(ways)
    assert [doubt.partition(" holds")[0] for doubt in report.doubtful] == ["m: age of nodes", "m: weight of edges"]


def test_what_is_declared_is_missing_and_no_longer_doubted(tmp_path: Path) -> None:
    path = written(tmp_path, "tables", ", missing: {age: [-9], weight: [999]}")
    report = check_manifest(path)
    assert report.doubtful == []
    assert report.taken["m"]["age of nodes"] == "number: 47 to 61"
    graph = Cohort.from_manifest(path).frames["m"].iloc[3, 0]
    assert str(graph.links["weight"].tolist()) == "[nan, nan]"


def test_molecules_have_no_attributes_of_their_own(tmp_path: Path) -> None:
    pytest.importorskip("rdkit")
    (tmp_path / "m.csv").write_text("id,smiles\nP1,CCO\nP2,CCN\n")
    (tmp_path / "cohort.yaml").write_text("key: id\nmodalities:\n  m: {kind: graph, file: m.csv}\n")
    assert "m" not in check_manifest(tmp_path / "cohort.yaml").taken
