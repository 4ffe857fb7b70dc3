"""GraphML as programs write it: what is in the file is what reaches the graph, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmlego.data import Cohort
from mmlego.data.kinds.graph.graphml import read_graphml
from mmlego.data.kinds.graph.raw import RawGraph
from mmlego.errors import InputError

SPACE = ' xmlns="http://graphml.graphdrawing.org/xmlns"'
EXPR = '<key id="a" for="node" attr.name="expr" attr.type="double"/>'


def path_of(values: list[str | None], key: str = EXPR, directed: str = "undirected") -> str:
    """Return a path of nodes; None has no data, "" an empty element."""
    data = ["" if v is None else "<data key='a'/>" if v == "" else f"<data key='a'>{v}</data>" for v in values]
    nodes = "".join(f'<node id="n{i}">{text}</node>' for i, text in enumerate(data))
    edges = "".join(f'<edge id="e{i}" source="n{i}" target="n{i + 1}"/>' for i in range(len(values) - 1))
    return f'{key}<graph edgedefault="{directed}">{nodes}{edges}</graph>'


def read(
    folder: Path, content: str, space: str = SPACE, head: str = '<?xml version="1.0" encoding="UTF-8"?>'
) -> RawGraph:
    path = folder / "g.graphml"
    path.write_text(f"{head}\n<graphml{space}>{content}</graphml>")
    return read_graphml(path)


def cohort(folder: Path, files: dict[str, str], more: str = "", outcome: str = "") -> Cohort:
    (folder / "g").mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / "g" / f"{name}.graphml").write_text(f"<graphml{SPACE}>{content}</graphml>")
    known = "outcome: {task: classification, file: o.csv, label: died}\n" if outcome else ""
    (folder / "o.csv").write_text(outcome)
    section = f'net: {{kind: graph, pattern: "g/{{key}}.graphml"{more}}}'
    (folder / "c.yaml").write_text(f"key: id\n{known}modalities:\n  {section}\n")
    return Cohort.from_manifest(folder / "c.yaml")


def features(read: Cohort) -> tuple[tuple[str, ...], tuple[str, ...]]:
    fitted = read.prepare(list(read.patients)).preprocessing["net"]
    return tuple("" if part is None else part.features for part in (fitted.nodes, fitted.links))


def test_ids_of_edges_are_no_features(tmp_path: Path) -> None:
    """Gephi and yEd number edges; networkx 3.6 makes an attribute ``id`` of that, which is not in the file as one."""
    read = cohort(tmp_path, {"a": path_of(["1"] * 71), "b": path_of(["2", "3", "1"])})
    assert features(read) == (("expr",), "")
    assert read.frames["net"]["graph"]["a"].links == {}


def test_defaults_count_where_nothing_is_said(tmp_path: Path) -> None:
    """GraphML primer: a default is the value of those without data; networkx 3.6 leaves it to its caller."""
    key = EXPR.replace("/>", "><default>0</default></key>")
    assert read(tmp_path, path_of([None, "10", None], key)).nodes["expr"].tolist() == [0, 10, 0]
    for given in (path_of([None, "10"], EXPR), path_of(["", "10"], key)):  # none declared; an empty element
        np.testing.assert_array_equal(read(tmp_path, given).nodes["expr"], [np.nan, 10])
    ways = '<key id="w" for="edge" attr.name="weight" attr.type="float"><default>1.5</default></key>'
    assert read(tmp_path, ways + path_of(["1", "2"])).links["weight"].tolist() == [1.5, 1.5]
    everybody = '<key id="b" for="all" attr.name="seen" attr.type="boolean"><default>true</default></key>'
    whole = read(tmp_path, everybody + path_of(["1", "2"]))
    assert (whole.nodes["seen"].tolist(), whole.links["seen"].tolist()) == ([True, True], [True, True])


@pytest.mark.parametrize("word", ["", "NaN", "NA", "null", "n/a"])
def test_numbers_that_are_missing(word: str, tmp_path: Path) -> None:
    """One empty element among numbers makes texts of them all in networkx 3.6."""
    read = cohort(tmp_path, {"a": path_of([word, "2.5"]), "b": path_of(["1", "3"])})
    assert features(read)[0] == ("expr",)
    np.testing.assert_array_equal(read.frames["net"]["graph"]["a"].nodes["expr"], [np.nan, 2.5])


def test_texts_that_look_missing_are_texts(tmp_path: Path) -> None:
    graph = read(tmp_path, path_of(["NA", "None", "", "007", " T "], EXPR.replace("double", "string")))
    assert graph.nodes["expr"].tolist() == ["NA", "None", None, "007", "T"]


def test_attributes_without_a_type_are_numbers_where_all_are(tmp_path: Path) -> None:
    key = EXPR.replace(' attr.type="double"', "")
    assert read(tmp_path, path_of(["1", None, "2.5"], key)).nodes["expr"].tolist()[::2] == [1, 2.5]
    assert read(tmp_path, path_of(["1", "x"], key)).nodes["expr"].tolist() == ["1", "x"]
    nameless = key.replace(' attr.name="expr"', "")
    assert read(tmp_path, path_of(["1", "2"], nameless)).nodes["a"].tolist() == [1, 2]


def test_chosen_attributes_and_those_of_the_outcome(tmp_path: Path) -> None:
    key = EXPR + '<key id="b" for="node" attr.name="died" attr.type="int"/>'

    def one(x: int, y: int) -> str:
        nodes = "".join(
            f'<node id="n{i}"><data key="a">{x + i}</data><data key="b">{y}</data></node>' for i in range(2)
        )
        return f'{key}<graph edgedefault="undirected">{nodes}</graph>'

    files, outcome = {"a": one(1, 0), "b": one(5, 1)}, "id,died\na,0\nb,1\n"
    assert features(cohort(tmp_path, files)) == (("expr", "died"), "")
    for more in ("expr", "[expr]", '"e*"'):
        assert features(cohort(tmp_path, files, f", node_columns: {more}", outcome)) == (("expr",), "")
    with pytest.raises(InputError, match=r"leakage: net holds columns of the outcome \(died\)"):
        cohort(tmp_path, files, "", outcome)
    with pytest.raises(InputError, match=r"net: no column matches 'exprs'.*'expr'"):
        cohort(tmp_path, files, ", node_columns: exprs")
    with pytest.raises(InputError, match="net: no column matches 'weight'"):
        cohort(tmp_path, files, ", edge_columns: weight")
    assert features(cohort(tmp_path, files, ", node_columns: []")) == ("", "")


def test_an_edge_that_is_listed_twice_counts_once(tmp_path: Path) -> None:
    def graph(kind: str, *edges: str) -> str:
        key = '<key id="w" for="edge" attr.name="weight" attr.type="double"/>'
        return f'{key}<graph edgedefault="{kind}"><node id="a"/><node id="b"/>{"".join(edges)}</graph>'

    there, back = '<edge id="1" source="a" target="b"/>', '<edge id="2" source="b" target="a"/>'
    for edges in ((there,), (there, back), (there, there), (there, back, back)):
        assert read(tmp_path, graph("undirected", *edges)).edges.tolist() == [[0, 1], [1, 0]]
    assert read(tmp_path, graph("directed", there, there)).edges.tolist() == [[0], [1]]
    assert read(tmp_path, graph("directed", there, back)).edges.tolist() == [[0, 1], [1, 0]]
    oneway = there.replace("/>", ' directed="true"/>')
    assert read(tmp_path, graph("undirected", oneway)).edges.tolist() == [[0], [1]]
    both = there.replace("/>", ' directed="false"/>')
    assert read(tmp_path, graph("directed", both)).edges.tolist() == [[0, 1], [1, 0]]
    weighed = [f'<edge source="{s}" target="{t}"><data key="w">{w}</data></edge>' for s, t, w in ("ab1", "ab2", "ba3")]
    parallel = read(tmp_path, graph("undirected", *weighed[:2]))
    assert (parallel.edges.tolist(), parallel.links["weight"].tolist()) == ([[0, 0, 1, 1], [1, 1, 0, 0]], [1, 2, 1, 2])
    with pytest.raises(InputError, match="an edge that is listed both ways, with different attributes"):
        read(tmp_path, graph("undirected", *weighed))


def test_groups_of_yed_and_what_it_draws(tmp_path: Path) -> None:
    key = '<key for="node" id="d6" yfiles.type="nodegraphics"/>' + EXPR
    inner = (
        '<node id="n0::n0"><data key="a">1</data><data key="d6"><y:ShapeNode xmlns:y="y">'
        '<y:NodeLabel>p53</y:NodeLabel></y:ShapeNode></data></node><node id="n0::n1"><data key="a">2</data></node>'
    )
    edge = '<edge source="n0::n0" target="n0::n1"/>'
    group = f'<node id="n0" yfiles.foldertype="group"><graph edgedefault="directed">{inner}{edge}</graph></node>'
    graph = read(tmp_path, f'{key}<graph edgedefault="directed">{group}</graph>')
    assert graph.size == 3
    assert list(graph.nodes) == ["expr"]
    assert graph.edges.tolist() == [[1], [2]]


def cytoscape(i: int, *, right: bool) -> str:
    rng = np.random.default_rng(i)
    keys = [("SUID", "long", "node"), ("name", "string", "node"), ("expr", "double", "node")]
    keys += [("name", "string", "edge"), ("interaction", "string", "edge"), ("weight", "double", "edge")]
    declared = "".join(
        f'<key attr.name="{a}" attr.type="{t}" for="{w if right else "node"}" id="{a}"/>' for a, t, w in keys
    )
    nodes = "".join(
        f'<node id="{60 + v}"><data key="SUID">{60 + 3 * v}</data><data key="name">G{i * 20 + v}</data>'
        f'<data key="expr">{rng.normal():.3f}</data></node>'
        for v in range(20)
    )
    edges = "".join(
        f'<edge source="{60 + v}" target="{60 + (v + 1) % 20}"><data key="name">G{v} ({"pd"[v % 2]}) {i}</data>'
        f'<data key="interaction">{"pd"[v % 2]}</data><data key="weight">{rng.random():.3f}</data></edge>'
        for v in range(20)
    )
    return f'{declared}<graph edgedefault="directed" id="g">{nodes}{edges}</graph>'


@pytest.mark.parametrize("right", [True, False], ids=["as declared", "all keys for nodes"])
def test_graphs_of_cytoscape(right: bool, tmp_path: Path) -> None:
    """It names nodes and edges by attributes, and may declare all of them as those of nodes (networkx issue 2197)."""
    files = {f"p{i}": cytoscape(i, right=right) for i in range(4)}
    read_as_it_is = cohort(tmp_path, files)
    assert features(read_as_it_is) == (("expr",), ("weight", "interaction=d", "interaction=p"))
    notes = [str(note) for note in read_as_it_is.dropped]
    assert "net: SUID, name tell nodes apart, no feature unless node_columns names it" in notes
    assert "net: name tells edges apart, no feature unless edge_columns names it" in notes
    chosen = cohort(tmp_path, files, ", node_columns: expr, edge_columns: weight")
    assert features(chosen) == (("expr",), ("weight",))
    assert read(tmp_path, cytoscape(0, right=right), space="").size == 20  # the namespace may be left out


def test_a_number_here_and_a_text_there(tmp_path: Path) -> None:
    files = {"a": path_of(["1", "2"]), "b": path_of(["x", "y"], EXPR.replace("double", "string"))}
    with pytest.raises(
        InputError, match=r"net: 'expr' is a text in the graphs of some patients, and a number in .*'x' of b"
    ):
        cohort(tmp_path, files)


NODE = '<graph edgedefault="directed"><node id="a"/></graph>'
BAD = {
    "two graphs": (NODE + NODE.replace('"a"', '"b"'), "expected GraphML with one <graph>, got 2 of them"),
    "no graph": (EXPR, "expected GraphML with one <graph>, got 0 of them"),
    "a hyperedge": (NODE.replace("</graph>", "<hyperedge/></graph>"), "edges between more than two nodes"),
    "an edge to nowhere": (
        NODE.replace("</graph>", '<edge source="a" target="z"/></graph>'),
        "unknown nodes: .*got 'z'",
    ),
    "half an edge": (NODE.replace("</graph>", '<edge source="a"/></graph>'), "unknown nodes: .*got ''"),
    "two nodes of one id": (NODE.replace("</graph>", '<node id="a"/></graph>'), "two of one id"),
    "no id": (NODE.replace(' id="a"', ""), "a node without an id"),
    "not declared": (NODE.replace("/></", '><data key="q">1</data></node></'), "an attribute that is not declared"),
    "an unknown type": (EXPR.replace("double", "complex") + NODE, "type of attribute 'a' is unknown: .*got 'complex'"),
    "no truth": (path_of(["maybe"], EXPR.replace("double", "boolean")), "expected boolean, got 'maybe'"),
    "a comma": (path_of(["1,5"]), "attribute 'expr' of node 'n0' is not of its type: expected double, got '1,5'"),
    "twice": (
        EXPR + NODE.replace("/></", '><data key="a">1</data><data key="a">2</data></node></'),
        "node 'a' has two values of 'expr'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_files_that_are_refused(case: str, tmp_path: Path) -> None:
    content, message = BAD[case]
    with pytest.raises(InputError, match=rf"'g\.graphml'.*{message}"):
        read(tmp_path, content)


def test_encodings(tmp_path: Path) -> None:
    content = path_of(["ä", "ö"], EXPR.replace("double", "string"))
    for code in ("utf-8", "latin-1", "utf-16"):
        text = f'<?xml version="1.0" encoding="{code}"?><graphml>{content}</graphml>'
        (tmp_path / "g.graphml").write_bytes(text.encode(code))
        assert read_graphml(tmp_path / "g.graphml").nodes["expr"].tolist() == ["ä", "ö"]
    for code in ("klingon", "utf-7", "shift_jis"):
        with pytest.raises(InputError, match=r"cannot read 'g\.graphml' \(.*expected GraphML"):
            read(tmp_path, NODE, head=f'<?xml version="1.0" encoding="{code}"?>')


@pytest.mark.parametrize("declared", ['attr.type="double"', ""])
def test_infinite_values_are_refused_with_what_stands_for_missing(declared: str, tmp_path: Path) -> None:
    text = f"""<graphml><key id="a" for="node" attr.name="age" {declared}/><graph edgedefault="undirected">
        <node id="x"><data key="a">INF</data></node><node id="y"><data key="a">3</data></node></graph></graphml>"""
    (tmp_path / "g.graphml").write_text(text)
    with pytest.raises(InputError, match=r"values of 'age' are infinite: expected finite numbers, or an empty value"):
        read_graphml(tmp_path / "g.graphml")
    (tmp_path / "g.graphml").write_text(text.replace("INF", ""))
    np.testing.assert_array_equal(read_graphml(tmp_path / "g.graphml").nodes["age"], [np.nan, 3])
