"""Graphs from GraphML files and tables of edges, and what is wrong with some."""

from __future__ import annotations

import gzip
from pathlib import Path

import networkx
import pandas as pd
import pytest
import torch

from mmlego.data import Cohort, GraphPreprocessor, duplicates
from mmlego.data.kinds.graph.edge_tables import graph_of_rows
from mmlego.errors import CheckpointError, InputError, LegoWarning

HEAD = '<?xml version="1.0" encoding="utf-8"?><graphml xmlns="http://graphml.graphdrawing.org/xmlns">'


def cohort(folder: Path, section: str, outcome: str | None = None) -> Cohort:
    known = "outcome: {task: classification, file: outcome.csv, label: died}\n" if outcome else ""
    if outcome:
        (folder / "outcome.csv").write_text(outcome)
    (folder / "cohort.yaml").write_text(f"key: id\n{known}modalities:\n  net: {{kind: graph, {section}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


def path_graph(scale: float = 1.0, *, directed: bool = False) -> networkx.Graph:
    graph = networkx.DiGraph() if directed else networkx.Graph()
    for node, size, kind in (("x", 1.0, "T"), ("y", 3.0, "B"), ("z", 5.0, "T")):
        graph.add_node(node, size=scale * size, kind=kind, alive=node != "z")
    graph.add_edge("x", "y", weight=0.5)
    graph.add_edge("y", "z", weight=2.0)
    return graph


def write_graphs(folder: Path) -> None:
    (folder / "graphs").mkdir(exist_ok=True)
    networkx.write_graphml(path_graph(), folder / "graphs" / "p0.graphml")
    networkx.write_graphml(path_graph(2.0), folder / "graphs" / "p1.graphml")
    content = "\n".join(networkx.generate_graphml(path_graph(3.0, directed=True)))
    (folder / "graphs" / "p2.graphml.gz").write_bytes(gzip.compress(content.encode()))


def test_graphml(tmp_path: Path) -> None:
    write_graphs(tmp_path)
    read = cohort(tmp_path, 'pattern: "graphs/{key}.graphml*"', "id,died\np0,1\np1,0\np2,1\n")
    prepared = read.prepare(["p0", "p1"])
    batch = prepared.data().batch().inputs["net"]
    assert prepared.preprocessing["net"].nodes.features == ("size", "alive", "kind=B", "kind=T")
    assert batch.sizes == [3, 3, 3]
    assert batch.edge_sizes == [4, 4, 2]  # the third is directed
    assert batch[[2]].edges.tolist() == [[0, 1], [1, 2]]
    sizes = torch.tensor([1.0, 3, 5, 2, 6, 10])
    torch.testing.assert_close(batch.values[:6, 0], (sizes - sizes.mean()) / sizes.std(correction=0))
    assert batch.values[:3, 2:].tolist() == [[0, 1], [1, 0], [0, 1]]
    assert batch.edge_features[:4, 0].sign().tolist() == [-1, 1, -1, 1]  # then the ways back
    assert duplicates(read) == {}  # small graphs may be alike by chance


EDGES = "id,source,target,weight\np0,a,b,0.5\np0,b,c,1.5\np0,b,a,0.5\np1,a,c,2.5\n"
NODES = "id,node,expression,died\np0,a,1,1\np0,b,2,1\np0,c,,1\np1,a,5,0\np1,c,2,0\np1,d,3,0\np2,e,4,1\n"
OUTCOME = "id,died\np0,1\np1,0\np2,1\n"


def test_tables_of_edges_and_nodes(tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text(EDGES)
    (tmp_path / "nodes.csv").write_text(NODES)
    read = cohort(tmp_path, "edges: edges.csv, nodes: nodes.csv, node_columns: expression")
    fitted = read.prepare(["p0", "p1"])
    batch = fitted.data(["p0", "p1", "p2"]).batch().inputs["net"]
    assert batch.sizes == [3, 3, 1]  # d and e have no edges
    assert batch.edge_sizes == [4, 2, 0]
    assert fitted.preprocessing["net"].nodes.columns == ("expression",)
    assert fitted.preprocessing["net"].links.columns == ("weight",)
    assert batch.edges.tolist() == [[0, 1, 1, 2, 0, 1], [1, 2, 0, 1, 1, 0]]
    bare = cohort(tmp_path, "edges: edges.csv, edge_columns: []")
    prepared = bare.prepare(["p0", "p1"])
    assert prepared.preprocessing["net"].nodes.columns == ("number of neighbours",)
    assert prepared.preprocessing["net"].links is None
    assert prepared.data(["p0"]).batch().inputs["net"].edge_features is None
    oneway = cohort(tmp_path, "edges: edges.csv, directed: true").prepare(["p0", "p1"]).data(["p0"]).batch()
    assert oneway.inputs["net"].edges.tolist() == [[0, 1, 1], [1, 2, 0]]
    same = cohort(tmp_path, "edges: edges.csv").prepare(["p1"])  # one edge: nothing tells nodes or edges apart
    assert same.preprocessing["net"].encoder() == ("graph", {"in_features": 1, "edge_features": 0})
    assert same.data(["p1"]).batch().inputs["net"].values.tolist() == [[1.0], [1.0]]


def test_large_graphs_alike_are_one_patient(tmp_path: Path) -> None:
    line = "".join(f"{{p}},{i},{i + 1}\n" for i in range(16))
    whole = "id,source,target\n" + line.replace("{p}", "a") + "b,1,2\nc,1,2\n" + line.replace("{p}", "d")
    (tmp_path / "edges.csv").write_text(whole)
    assert duplicates(cohort(tmp_path, "edges: edges.csv")) == {"net": [("a", "d")]}
    (tmp_path / "edges.csv").write_text(whole.replace("d,15,16", "d,15,0"))
    assert duplicates(cohort(tmp_path, "edges: edges.csv")) == {}


BAD_TABLES = {
    "no such column": ("edges: e.csv, source: from", EDGES, "net: no column 'from'"),
    "an attribute that is not there": ("edges: e.csv, edge_columns: wieght", EDGES, "net: no column matches 'wieght'"),
    "an end without a name": ("edges: e.csv", "id,source,target\np0,a,\np1,a,b\n", "p0: a node without a name"),
    "an edge both ways that differs": (
        "edges: e.csv",
        "id,source,target,weight\np0,a,b,1\np0,b,a,2\np1,a,c,3\n",
        "p0: an edge that is listed both ways, with different attributes",
    ),
    "keys of tables": (
        "file: e.csv, node_columns: x",
        EDGES,
        "node_columns: means nothing for a column of SMILES: leave",
    ),
    "keys of files": ("edges: e.csv, rows: first", EDGES, "rows: means nothing for a table of edges"),
    "keys of nodes": (
        "edges: e.csv, node: gene",
        EDGES,
        "node: means nothing for a table of edges without one of nodes",
    ),
    "keys of edges": ('pattern: "{key}.graphml", directed: true', EDGES, "directed: means nothing for GraphML files"),
    "an unknown node": ("edges: e.csv, nodes: n.csv", "id,source,target\np0,a,zz\np1,a,c\n", "p0: edges .* got zz"),
    "nodes alone": ("file: e.csv, nodes: n.csv", EDGES, "nodes: needs edges: beside it"),
    "two forms": ("edges: e.csv, file: e.csv", EDGES, r"either SMILES \(file:\), files \(pattern:\) or tables"),
    "nothing": ("rows: first", EDGES, "net names no file: expected file: .SMILES., pattern: .* or edges:"),
    "a pattern without a key": ('pattern: "graphs/*.graphml"', EDGES, "needs {key} once"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_tables_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    section, edges, message = BAD_TABLES[case]
    (tmp_path / "e.csv").write_text(edges)
    (tmp_path / "n.csv").write_text(NODES)
    with pytest.raises(InputError, match=message):
        cohort(tmp_path, section)
    if ": p0: " in message or message.startswith("p0"):
        read = cohort(tmp_path, section + ", on_error: skip")
        assert "p0" not in read.patients
        assert any("1 patient whose graph cannot be used (p0: " in str(note) for note in read.dropped)


def test_nodes_twice_and_columns_of_the_outcome(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(EDGES)
    (tmp_path / "n.csv").write_text(NODES + "p0,a,1,1\n")
    with pytest.raises(InputError, match="p0: nodes that stand twice: expected a row a node, got a"):
        cohort(tmp_path, "edges: e.csv, nodes: n.csv")
    with pytest.raises(InputError, match=r"leakage: net holds columns of the outcome \(died\)"):
        cohort(tmp_path, "edges: e.csv, nodes: n.csv", OUTCOME)


def test_an_attribute_that_is_missing_at_prediction(tmp_path: Path) -> None:
    write_graphs(tmp_path)
    section = 'pattern: "graphs/{key}.graphml"'
    prepared = cohort(tmp_path, section).prepare(["p0", "p1"])
    bare = path_graph()
    for node in bare.nodes:
        del bare.nodes[node]["size"]
    networkx.write_graphml(bare, tmp_path / "graphs" / "p0.graphml")
    (tmp_path / "graphs" / "p1.graphml").unlink()
    new = cohort(tmp_path, section)
    with pytest.raises(InputError, match="'net': nodes of the graphs: 1 column missing in the table: size"):
        type(prepared)(new, prepared.preprocessing).data()


BAD_FILES = {
    "text": ("no graph", "cannot read 'p0.graphml'.*expected GraphML"),
    "nothing": ("", "cannot read 'p0.graphml'"),
    "truncated": ("".join(networkx.generate_graphml(path_graph()))[:400], "cannot read 'p0.graphml'"),
    "another document": ("<html/>", "cannot read 'p0.graphml'"),
    "without nodes": (HEAD + '<graph edgedefault="directed"/></graphml>', "'p0.graphml': a graph without nodes"),
    "entities": (
        '<?xml version="1.0"?><!DOCTYPE g [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><graphml>&b;</graphml>',
        "'p0.graphml' declares a document type: expected plain GraphML",
    ),
    "another file": (
        '<!DOCTYPE g [<!ENTITY x SYSTEM "file:///etc/passwd">]><graphml>&x;</graphml>',
        "declares a docum",
    ),
    "no number": (
        HEAD + '<key id="d0" for="node" attr.name="size" attr.type="double"/><graph edgedefault="directed">'
        '<node id="a"><data key="d0">big</data></node></graph></graphml>',
        "'p0.graphml': attribute 'size' of node 'a' is not of its type: expected double, got 'big'",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_files_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    content, message = BAD_FILES[case]
    write_graphs(tmp_path)
    (tmp_path / "graphs" / "p0.graphml").write_text(content)
    section = 'pattern: "graphs/{key}.graphml"'
    with pytest.raises(InputError, match=f"net: .*{message}.*on_error: skip"):
        cohort(tmp_path, section)
    read = cohort(tmp_path, section + ", on_error: skip")
    assert read.patients == ("p1",)
    assert any("1 file left out: " in str(note) and "p0.graphml" in str(note) for note in read.dropped)


def test_files_of_other_kinds_and_places(tmp_path: Path) -> None:
    write_graphs(tmp_path)
    (tmp_path / "graphs" / "p9.gml").write_text("graph []")
    with pytest.raises(InputError, match=r"'p9\.gml' is of a kind that is not read: expected \.graphml, "):
        cohort(tmp_path, 'pattern: "graphs/{key}.gml"')
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "link.graphml").symlink_to(tmp_path / "graphs" / "p0.graphml")
    (folder / "files.csv").write_text("id,name\np0,link\n")
    with pytest.raises(InputError, match=r"net: 'link\.graphml' leaves"):
        cohort(folder, 'file: files.csv, pattern: "{name}.graphml"')
    (tmp_path / "files.csv").write_text("id,name\np0,p0\np0,p1\n")
    with pytest.raises(InputError, match=r"net: 1 patient with several files \(p0\)"):
        cohort(tmp_path, 'file: files.csv, pattern: "graphs/{name}.graphml"')
    first = cohort(tmp_path, 'file: files.csv, pattern: "graphs/{name}.graphml", rows: first')
    assert first.frames["net"]["graph"]["p0"].nodes["size"].tolist() == [1.0, 3.0, 5.0]


def test_a_graph_without_nodes_and_columns_without_graphs() -> None:
    nothing = pd.DataFrame({"source": [], "target": []})
    with pytest.raises(InputError, match="a graph without nodes: expected at least one"):
        graph_of_rows(nothing, None, directed=True)
    alone = graph_of_rows(nothing, pd.DataFrame({"node": ["a"], "size": [2.0]}), directed=False)
    assert (alone.size, alone.edges.shape, alone.nodes["size"].tolist()) == (1, (2, 0), [2.0])
    assert repr(alone) == str(alone)
    blank = GraphPreprocessor(None, None).blank()
    assert len(blank) == 0
    absent = blank.blank(2)
    assert absent.input() is None
    joined = absent.join(GraphPreprocessor(None, None).transform(pd.DataFrame({"graph": [alone]}, index=["p"])))
    assert joined.present.tolist() == [False, False, True]
    assert joined.input().sizes == [0, 0, 1]
    with pytest.raises(CheckpointError, match="the preprocessing of graphs is damaged at links"):
        GraphPreprocessor.from_config({"name": "graph", "version": 1, "nodes": None, "links": 3})


def test_nodes_are_named_as_they_are_written(tmp_path: Path) -> None:
    """A gene NA, None or 007 is a name; only the empty cell is nobody's."""
    (tmp_path / "e.csv").write_text("id,source,target,weight\np0,NA,007,1\np0,7,None,2\np1,NA,null,3\np1,null,1e2,4\n")
    (tmp_path / "n.csv").write_text("id,node,x\np0,NA,1\np0,007,2\np0,7,3\np0,None,4\np1,NA,5\np1,null,6\np1,1e2,7\n")
    for more in ("", ", nodes: n.csv"):
        graphs = cohort(tmp_path, "edges: e.csv" + more).frames["net"]["graph"]
        assert [graph.size for graph in graphs] == [4, 3]
        assert graphs["p1"].edges.tolist() == [[0, 1, 1, 2], [1, 2, 0, 1]]


def test_rows_of_edges_count_once(tmp_path: Path) -> None:
    rows = "a,b,1\na,b,1\nb,a,1\na,b,2\na,a,3\n"  # twice, both ways, parallel with another weight, to itself
    (tmp_path / "e.csv").write_text("id,source,target,weight\n" + rows.replace("\n", "\np0,").join(["p0,", ""])[:-3])
    graph = cohort(tmp_path, "edges: e.csv").frames["net"]["graph"]["p0"]
    assert graph.edges.tolist() == [[0, 0, 0, 1, 1], [1, 1, 0, 0, 0]]
    assert graph.links["weight"].tolist() == [1, 2, 3, 1, 2]
    graph = cohort(tmp_path, "edges: e.csv, directed: true").frames["net"]["graph"]["p0"]
    assert graph.edges.tolist() == [[0, 1, 0, 0], [1, 0, 1, 0]]


def test_columns_that_tell_nodes_apart_are_no_features_unless_named(tmp_path: Path) -> None:
    nodes = "".join(
        f"p{i},n{k},n{k},{100 * i + 3 * k},{(k * 7 + i) % 5},T{k % 3}\n" for i in range(3) for k in range(8)
    )
    edges = "".join(f"p{i},n{k},n{k + 1},{'ab'[k % 2]}\n" for i in range(3) for k in range(7))
    (tmp_path / "n.csv").write_text("id,node,symbol,SUID,count,type\n" + nodes)
    (tmp_path / "e.csv").write_text("id,source,target,kind\n" + edges)
    read = cohort(tmp_path, "edges: e.csv, nodes: n.csv")
    assert "net: symbol, SUID tell nodes apart, no feature unless node_columns names it" in map(str, read.dropped)
    prepared = read.prepare(["p0", "p1"])
    assert prepared.preprocessing["net"].nodes.columns == ("count", "type")
    assert prepared.preprocessing["net"].links.columns == ("kind",)
    # of one new patient all columns may look so; what was learnt is taken
    (tmp_path / "n.csv").write_text("id,node,count,type\n" + "".join(f"q,n{k},{k},T{k}\n" for k in range(20)))
    (tmp_path / "e.csv").write_text("id,source,target,kind\nq,n0,n1,a\n")
    with pytest.warns(LegoWarning, match="'type' has values not seen"):
        new = type(prepared)(cohort(tmp_path, "edges: e.csv, nodes: n.csv"), prepared.preprocessing).data()
    assert new.batch().inputs["net"].values.shape == (20, 4)
    (tmp_path / "n.csv").write_text("id,node,symbol,SUID,count,type\n" + nodes)
    (tmp_path / "e.csv").write_text("id,source,target,kind\n" + edges)
    named = cohort(tmp_path, "edges: e.csv, nodes: n.csv, node_columns: [symbol, c*]").prepare(["p0", "p1"])
    assert named.preprocessing["net"].nodes.columns == ("count", "symbol")


def test_the_row_number_of_a_table_is_no_attribute(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(",id,source,target\n0,p0,a,b\n1,p0,b,c\n2,p1,a,c\n")
    assert cohort(tmp_path, "edges: e.csv").frames["net"]["graph"]["p0"].links == {}


def test_odd_cells_of_attributes_are_no_categories(tmp_path: Path) -> None:
    outcome = "id,died\n" + "".join(f"p{i},{i % 2}\n" for i in range(4))
    (tmp_path / "edges.csv").write_text("id,source,target,weight\n" + "".join(f"p{i},a,b,{i}.5\n" for i in range(4)))
    cells = [("a", "50"), ("b", "> 89")], [("a", "61"), ("b", "[Not Available]")], [("a", "70")], [("b", "80")]
    rows = "".join(f"p{i},{node},{age}\n" for i, own in enumerate(cells) for node, age in own)
    rows += "p2,b,64\np3,a,72\n"
    (tmp_path / "nodes.csv").write_text(f"id,node,age\n{rows}")
    section = "edges: edges.csv, nodes: nodes.csv"
    with pytest.raises(InputError, match=r"net: 1 column of numbers holds other words \(age: '> 89' 1×\)"):
        cohort(tmp_path, section, outcome)
    read = cohort(tmp_path, f"{section}, missing: {{age: ['> 89']}}", outcome)
    assert "net: read as missing: age '> 89' 1×, age '[Not Available]' 1×" in [str(note) for note in read.dropped]
    fitted = read.prepare(read.patients).preprocessing["net"]
    assert fitted.nodes.numeric == ("age",)
    assert fitted.nodes.fill == (67.0,)  # the median of 50, 61, 64, 70, 72, 80
    with pytest.raises(InputError, match=r"no attribute matches 'wieght'.*Did you mean 'weight'"):
        cohort(tmp_path, f"{section}, numeric: wieght", outcome)


BOTH_WAYS = "id,source,target,weight\np0,TP53,MDM2,1\np0,MDM2,TP53,2\np1,TP53,MYC,3\n"


def test_an_edge_that_is_listed_both_ways_is_named_with_the_remedy_that_reads_it(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(BOTH_WAYS)
    with pytest.raises(
        InputError, match=r"got MDM2 to TP53 and TP53 to MDM2.*Declare directed: true, if each row leads"
    ):
        cohort(tmp_path, "edges: e.csv")
    read = cohort(tmp_path, "edges: e.csv, directed: true")  # the remedy
    graph = read.frames["net"]["graph"]["p0"]
    assert graph.edges.tolist() == [[0, 1], [1, 0]]
    assert graph.links["weight"].tolist() == [1.0, 2.0]


def test_a_graphml_file_does_not_recommend_a_key_that_it_does_not_heed(tmp_path: Path) -> None:
    graph = networkx.MultiGraph()
    graph.add_edge("a", "b", weight=1.0)
    graph.add_edge("b", "a", weight=2.0)
    text = "\n".join(networkx.generate_graphml(graph))
    text = text.replace('source="a" target="b" id="1"', 'source="b" target="a" id="1"')
    (tmp_path / "p0.graphml").write_text(text)
    with pytest.raises(InputError, match=r"listed both ways.*got \w to \w and \w to \w") as caught:
        cohort(tmp_path, 'pattern: "{key}.graphml"')
    assert "directed: true" not in str(caught.value)


def test_edges_whose_names_are_written_otherwise_than_the_nodes_are_told_how(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("id,source,target\np0,1.0,2.0\np1,2.0,1.0\n")
    (tmp_path / "n.csv").write_text("id,node,size\np0,1,0.5\np0,2,1.5\np1,1,2.5\np1,2,3.5\n")
    with pytest.raises(InputError, match=r"got 1\.0, 2\.0\. Write '1\.0' as the table of nodes does: '1'"):
        cohort(tmp_path, "edges: e.csv, nodes: n.csv")
    (tmp_path / "e.csv").write_text("id,source,target\np0,tp53,mdm2\n")
    (tmp_path / "n.csv").write_text("id,node,size\np0,TP53,0.5\np0,MDM2,1.5\n")
    with pytest.raises(InputError, match=r"Write 'tp53' as the table of nodes does: 'TP53'"):
        cohort(tmp_path, "edges: e.csv, nodes: n.csv")


def test_a_node_that_is_1_in_one_column_and_1_0_in_the_other_is_not_two(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("id,source,target\np0,1,2.0\np0,2,3.0\n")
    with pytest.raises(InputError, match=r"written in two ways: expected each node by one name, got 2\.0 and 2"):
        cohort(tmp_path, "edges: e.csv")
    (tmp_path / "e.csv").write_text("id,source,target\np0,A,2.0\np0,2,B\n")  # among other names, too
    with pytest.raises(InputError, match=r"got 2\.0 and 2"):
        cohort(tmp_path, "edges: e.csv")
    (tmp_path / "e.csv").write_text("id,source,target\np0,1.0,2.0\np0,2.0,3.0\n")
    assert cohort(tmp_path, "edges: e.csv").frames["net"]["graph"]["p0"].edges.tolist() == [[0, 1, 1, 2], [1, 2, 0, 1]]
