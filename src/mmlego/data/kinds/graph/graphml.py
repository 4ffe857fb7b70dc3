"""Graphs from GraphML files, as networkx, igraph, Cytoscape, Gephi and yEd write them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree
from xml.parsers import expat

from mmlego.data.kinds.graph.raw import RawGraph, entered, gathered
from mmlego.data.reading.files import PACKED, read_bytes
from mmlego.data.reading.missing import is_missing
from mmlego.errors import InputError, within
from mmlego.wording import UTF8, listed

GRAPHML = tuple(f"{kind}{packed}" for kind in (".graphml", ".xml") for packed in PACKED)
_NUMBERS = ("int", "integer", "long", "float", "double")
_KINDS = ("boolean", *_NUMBERS, "string")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}

Value: TypeAlias = bool | float | str


@dataclass(frozen=True)
class _Key:
    """An attribute as a file declares it: ``kind`` is None if it does not say of what type it is."""

    name: str
    kind: str | None
    scope: str
    default: str | None
    drawn: bool  # yEd's, for how things are drawn

    def value(self, text: str | None, of: str) -> Value | None:
        """Return the value that a text stands for; None if it is missing."""
        word = "" if text is None else text.strip()
        if self.kind is None or self.kind == "string":
            return word or None
        if is_missing(word):
            return None
        if self.kind == "boolean":
            if word.lower() in _TRUTH:
                return _TRUTH[word.lower()]
        elif (number := _number(word)) is not None:
            return number
        raise InputError(f"attribute {self.name!r} of {of} is not of its type", expected=self.kind, got=repr(word))


def read_graphml(path: Path) -> RawGraph:
    """Read one graph from a GraphML file; an edge of an undirected graph becomes two.

    Attributes are what its keys declare, with their defaults; ids of nodes and edges are none. An empty value is a
    missing one, and so are the words for it among numbers. Groups of nodes are nodes with others inside. Attributes of
    edges may be declared as those of nodes, as Cytoscape does it (networkx issue 2197); what yEd draws is left out.

    Parameters
    ----------
    path
        The file, plain, ``.gz`` or ``.zip``, in the encoding that it declares.

    Raises
    ------
    InputError
        If it cannot be read, declares entities, holds several graphs or one without nodes, or an edge leads nowhere.
    """
    if not path.name.lower().endswith(GRAPHML):
        expected = listed(GRAPHML, len(GRAPHML))
        raise InputError(f"file {path.name!r} is of a kind that is not read", expected=expected, got=path.suffix)
    content = read_bytes(path)
    try:
        _refuse_entities(content, path)
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, expat.ExpatError, LookupError, ValueError) as error:
        raise InputError(
            f"cannot read {path.name!r} ({error})", expected="GraphML", remedy=_encoded(content)
        ) from error
    graphs = _children(root, "graph") if _name(root) == "graphml" else []
    if len(graphs) != 1:
        raise InputError(
            f"cannot read {path.name!r} as a graph", expected="GraphML with one <graph>", got=f"{len(graphs)} of them"
        )
    with within(repr(path.name)):
        return _graph(graphs[0], _keys(root))


def _graph(graph: ElementTree.Element, keys: Mapping[str, Sequence[_Key]]) -> RawGraph:
    nodes: dict[str, dict[str, Value | None]] = {}
    ends: list[tuple[str, str]] = []
    links: list[dict[str, Value | None]] = []
    directed: list[bool] = []
    for element, oneway in _parts(graph):
        if _name(element) == "node":
            name = element.get("id")
            if not name or name in nodes:
                raise InputError("a node without an id, or two of one id", expected="an id for each", got=repr(name))
            nodes[name] = _attributes(element, keys, "node", f"node {name!r}")
        else:
            a, b = element.get("source") or "", element.get("target") or ""
            ends.append((a, b))
            links.append(_attributes(element, keys, "edge", f"the edge from {a!r} to {b!r}"))
            directed.append({"true": True, "false": False}.get(str(element.get("directed")).lower(), oneway))
    if not nodes:
        raise InputError("a graph without nodes", expected="at least one")
    unknown = [repr(name) for pair in ends for name in pair if name not in nodes]
    if unknown:
        raise InputError("edges that lead to unknown nodes", expected="ids of nodes", got=listed(unknown))
    place = {name: number for number, name in enumerate(nodes)}
    names = list(dict.fromkeys(name for link in links for name in link))
    told = [tuple(link.get(name) for name in names) for link in links]
    edges, rows = entered([(place[a], place[b]) for a, b in ends], told, directed, list(place))
    texts = {key.name for known in keys.values() for key in known if key.kind is None}
    of_nodes, of_links = (_typed(part, texts) for part in (list(nodes.values()), links))
    _check_finite([*of_nodes, *of_links])
    return RawGraph(len(place), edges, gathered(of_nodes), gathered([of_links[row] for row in rows]))


def _parts(graph: ElementTree.Element) -> Iterator[tuple[ElementTree.Element, bool]]:
    """Yield nodes and edges, those of graphs within nodes too, and whether an edge leads one way where it is silent."""
    waiting = [graph]
    while waiting:
        inner = waiting.pop()
        oneway = inner.get("edgedefault") == "directed"
        if _children(inner, "hyperedge"):
            raise InputError("edges between more than two nodes", expected="<edge>", got="<hyperedge>")
        for element in inner:
            if _name(element) in ("node", "edge"):
                yield element, oneway
                waiting.extend(_children(element, "graph"))


def _keys(root: ElementTree.Element) -> dict[str, list[_Key]]:
    """Return the declared attributes by id; Cytoscape gives those of nodes and of edges the same one."""
    keys: dict[str, list[_Key]] = {}
    for element in _children(root, "key"):
        at = element.get("id") or ""
        kind = element.get("attr.type")
        default = _children(element, "default")
        drawn = element.get("yfiles.type") is not None
        if kind is not None and kind.lower() not in _KINDS and not drawn:
            raise InputError(f"the type of attribute {at!r} is unknown", expected=listed(_KINDS, 9), got=repr(kind))
        key = _Key(
            element.get("attr.name") or at,
            None if kind is None else kind.lower(),
            element.get("for") or "all",
            default[0].text if default else None,
            drawn,
        )
        keys.setdefault(at, []).append(key)
    return keys


def _attributes(
    element: ElementTree.Element, keys: Mapping[str, Sequence[_Key]], scope: str, of: str
) -> dict[str, Value | None]:
    found: dict[str, Value | None] = {}
    for known in keys.values():
        for key in known:
            if key.scope in (scope, "all") and key.default is not None and not key.drawn:
                found[key.name] = key.value(key.default, f"every {scope}")
    given: set[str] = set()
    for data in _children(element, "data"):
        declared = keys.get(data.get("key") or "")
        if declared is None:
            raise InputError(f"{of} has an attribute that is not declared", expected="a <key>", got=data.get("key"))
        key = next((key for key in declared if key.scope in (scope, "all")), declared[-1])
        if key.drawn or len(data):
            continue
        if key.name in given:
            raise InputError(f"{of} has two values of {key.name!r}", expected="one")
        given.add(key.name)
        found[key.name] = key.value(data.text, of)
    return found


def _typed(rows: list[dict[str, Value | None]], untyped: set[str]) -> list[dict[str, Value | None]]:
    """Return attributes of which the file does not say whether they are text, as numbers where all of them are."""
    for name in untyped:
        texts = [row[name] for row in rows if row.get(name) is not None]
        numbers = [_number(text) for text in texts if isinstance(text, str)]
        if len(numbers) == len(texts) and None not in numbers:
            rows = [row | {name: _number(str(row[name]))} if row.get(name) is not None else row for row in rows]
    return rows


def _check_finite(rows: Sequence[Mapping[str, Value | None]]) -> None:
    """Refuse infinite values: GraphML has a word for what is not known, the empty one."""
    infinite = dict.fromkeys(name for row in rows for name, value in row.items() if value in (math.inf, -math.inf))
    if infinite:
        what, expected = f"values of {listed(map(repr, infinite))} are infinite", "finite numbers, or an empty value"
        raise InputError(what, expected=expected)


def _number(word: str) -> float | None:
    if "_" in word or not word.isascii():  # what Python alone takes for a number
        return None
    try:
        return float(word)
    except ValueError:
        return None


def _encoded(content: bytes) -> str | None:
    """Return what to do where bytes are no text in the encoding that XML has where a file names none."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return f"{UTF8} Or say in its first line which it has, as <?xml version='1.0' encoding='windows-1252'?>."
    return None


def _children(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [child for child in element if _name(child) == name]


def _name(element: ElementTree.Element) -> str:
    """Return the name of an element without its namespace, which some programs leave out."""
    return str(element.tag).rpartition("}")[2]


def _refuse_entities(content: bytes, path: Path) -> None:
    """Refuse declarations of entities, by which a small file becomes a huge one, or another file is read."""

    def refuse(*_: object) -> None:
        raise InputError(f"{path.name!r} declares a document type", expected="plain GraphML", remedy="Remove it.")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(content, True)
