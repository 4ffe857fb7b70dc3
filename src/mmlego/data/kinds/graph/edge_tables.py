"""Graphs of many patients from one table of edges, and one of nodes if there is one."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from mmlego.data.kinds.graph.attributes import pick_names
from mmlego.data.kinds.graph.raw import RawGraph, entered, gathered
from mmlego.data.reading.joins import by_patient, refuse_taken, row_numbers
from mmlego.data.reading.near_ids import near_miss
from mmlego.errors import InputError
from mmlego.wording import label, listed, meant

if TYPE_CHECKING:
    import pandas as pd


def pick_columns(
    frame: pd.DataFrame, key: str, fixed: Sequence[str], patterns: str | Sequence[str], taken: Sequence[str], where: str
) -> pd.DataFrame:
    """Return the columns of a table of nodes or edges: those that name them first, then their attributes.

    Parameters
    ----------
    frame
        The table.
    key
        The column of patient ids.
    fixed
        The columns that name a node, or the two nodes of an edge.
    patterns
        Which of the others are attributes, as names or globs; ``"*"`` may match none.
    taken
        Columns of the outcome.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If a column is not there, or belongs to the outcome.

    Examples
    --------
    >>> import pandas as pd
    >>> edges = pd.DataFrame({"id": [7], "source": ["a"], "target": ["b"], "weight": [0.5]})
    >>> list(pick_columns(edges, "id", ["source", "target"], "*", [], "ppi"))
    ['source', 'target', 'weight']
    """
    rows, _ = by_patient(frame, key, where)
    rows = rows.set_axis([str(column) for column in rows.columns], axis=1)
    names = list(rows.columns)
    for column in fixed:
        if column not in names:
            raise InputError(f"{where}: no column {column!r}", remedy=meant(column, names))
    numbered = row_numbers(rows) if patterns == "*" else ()
    chosen = pick_names([name for name in names if name not in (*fixed, *numbered)], patterns, taken, where)
    refuse_taken(fixed, taken, where)
    return rows[[*fixed, *chosen]]


def graph_of_rows(edges: pd.DataFrame, nodes: pd.DataFrame | None, *, directed: bool) -> RawGraph:
    """Return the graph of one patient.

    Parameters
    ----------
    edges
        Rows of source, target and attributes.
    nodes
        Rows of node and attributes; None: the nodes are those that edges name.
    directed
        Whether an edge leads one way only; else each is entered both ways, once, however often it is listed.

    Raises
    ------
    InputError
        If a name is missing, a node stands twice, an edge leads to an unknown node or is listed both ways with
        different attributes, or there are no nodes.

    Examples
    --------
    >>> import pandas as pd
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "weight": [0.5, 2.0]})
    >>> graph = graph_of_rows(edges, None, directed=False)
    >>> graph.edges.tolist(), graph.links["weight"].tolist()
    ([[0, 1, 1, 2], [1, 2, 0, 1]], [0.5, 2.0, 0.5, 2.0])
    """
    ends = edges.iloc[:, :2]
    if ends.isna().any(axis=None) or (nodes is not None and nodes.iloc[:, 0].isna().any()):
        raise InputError("a node without a name", expected="source and target in each row")
    pairs = [(label(a), label(b)) for a, b in ends.to_numpy().tolist()]
    named = [name for pair in pairs for name in pair] if nodes is None else [label(n) for n in nodes.iloc[:, 0]]
    place = {name: number for number, name in enumerate(dict.fromkeys(named))}
    if nodes is not None and len(place) < len(named):
        again = [name for name in place if named.count(name) > 1]
        raise InputError("nodes that stand twice", expected="a row a node", got=listed(again))
    unknown = [name for pair in pairs for name in pair if name not in place]
    if unknown:
        miss = near_miss("edges", list(dict.fromkeys(unknown)), "nodes", [n for n in place if n not in set(unknown)])
        raise InputError(
            "edges that lead to unknown nodes",
            expected="nodes of the table of nodes",
            got=listed(unknown),
            remedy=None
            if miss is None
            else f"Write {miss.example[0]!r} as the table of nodes does: {miss.example[1]!r}.",
        )
    _refuse_two_forms(place)
    if not place:
        raise InputError("a graph without nodes", expected="at least one")
    ways = [(place[a], place[b]) for a, b in pairs]
    told = [tuple(row) for row in edges.iloc[:, 2:].astype(object).to_numpy().tolist()]
    numbers, rows = entered(ways, told, [directed] * len(ways), list(place))
    links = edges.iloc[:, 2:].iloc[rows]
    attributes = {} if nodes is None else _attributes(nodes.iloc[:, 1:])
    return RawGraph(len(place), numbers, attributes, _attributes(links))


def _refuse_two_forms(names: Collection[str]) -> None:
    """Refuse ``1`` beside ``1.0``: a program wrote numbers of nodes as floats in one column, and not in another."""
    numbers = [found for name in names if (found := re.fullmatch(r"(\d+)\.0+", name))]
    twice = [f"{found[0]} and {found[1]}" for found in numbers if found[1] in names]
    if twice:
        raise InputError(
            "nodes whose names are written in two ways", expected="each node by one name", got=listed(twice)
        )


def _attributes(frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    return gathered([dict(zip(frame.columns, row, strict=True)) for row in frame.astype(object).to_numpy().tolist()])
