"""Which attributes of nodes and edges are features: those that are chosen, and say more than which node it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.graph.raw import Attributes, RawGraph
from mmlego.data.reading.dialect import is_unnamed
from mmlego.data.reading.joins import refuse_taken, select_columns
from mmlego.data.reading.remarks import Dropped, Noted
from mmlego.errors import InputError
from mmlego.wording import listed

Part: TypeAlias = Literal["nodes", "links"]
Graphs: TypeAlias = Mapping[str, RawGraph]

# So many values, in graphs of which one has so many nodes, are not all different or in order by chance.
_VALUES, _LARGEST = 16, 4
_NUMBERS = re.compile(r"(suid|uid|index|nr|no|number|(.*[ _.])?id)", re.IGNORECASE)


def pick_names(
    names: Sequence[str], patterns: str | Sequence[str], taken: Sequence[str], where: str, nowhere: str = "column"
) -> list[str]:
    """Return which of the attributes are chosen; of none, ``"*"`` chooses none.

    Parameters
    ----------
    names
        The attributes that there are.
    patterns
        Those that are wanted, as names or globs.
    taken
        Columns of the outcome.
    where
        The modality, for messages.
    nowhere
        What an attribute is called there.

    Raises
    ------
    InputError
        If one is not there, or belongs to the outcome.

    Examples
    --------
    >>> pick_names(["weight", "kind"], "w*", [], "ppi"), pick_names([], "*", [], "ppi")
    (['weight'], [])
    """
    nothing = patterns == "*" and all(map(is_unnamed, names))
    chosen = [] if nothing else select_columns(patterns, names, where)
    refuse_taken(chosen, taken, where)
    return chosen


def choose(graphs: Graphs, part: Part, patterns: str | Sequence[str], taken: Sequence[str], where: str) -> Graphs:
    """Return graphs with those attributes of nodes or edges that are chosen.

    Parameters
    ----------
    graphs
        The graphs by patient.
    part
        ``nodes`` or ``links``.
    patterns
        The attributes that are wanted, as names or globs.
    taken
        Columns of the outcome.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If one is not there, or belongs to the outcome.
    """
    names = list(dict.fromkeys(name for graph in graphs.values() for name in _of(graph, part)))
    chosen = pick_names(names, patterns, taken, where)
    if chosen == names:
        return graphs
    return {
        patient: _with(graph, part, {name: _of(graph, part)[name] for name in chosen if name in _of(graph, part)})
        for patient, graph in graphs.items()
    }


def set_apart(graphs: Graphs, part: Part, patterns: str | Sequence[str], where: str) -> tuple[Graphs, list[Dropped]]:
    """Return graphs that know which of their attributes tell nodes apart; those that are named stay features.

    Texts do that which differ from node to node in each graph, and whole numbers that differ and are in the order of
    the file or are called an id. All patients are looked at.

    Parameters
    ----------
    graphs
        The graphs by patient.
    part
        ``nodes`` or ``links``.
    patterns
        The attributes that are wanted, as names or globs: a name by itself is meant.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If an attribute is a number in one graph and a text in another.
    """
    names = list(dict.fromkeys(name for graph in graphs.values() for name in _of(graph, part)))
    named = {patterns} if isinstance(patterns, str) else set(patterns)
    apart = []
    for name in names:
        columns = {patient: _of(graph, part)[name] for patient, graph in graphs.items() if name in _of(graph, part)}
        _refuse_two_types(columns, name, where)
        if name not in named and _tells_apart(name, list(columns.values())):
            apart.append(name)
    if not apart:
        return graphs, []
    key, what = ("apart", "node") if part == "nodes" else ("links_apart", "edge")
    note = (
        f"{listed(apart)} tell{'s' if len(apart) == 1 else ''} {what}s apart, no feature unless {what}_columns names it"
    )
    marked = {p: replace(graph, **{key: getattr(graph, key) | frozenset(apart)}) for p, graph in graphs.items()}
    return marked, [Noted(where, note)]


def _tells_apart(name: str, columns: Sequence[NDArray[Any]]) -> bool:
    known = [_known(column) for column in columns]
    known = [values for values in known if len(values)]
    if sum(map(len, known)) < _VALUES or max(map(len, known)) < _LARGEST:
        return False
    if any(len(set(values)) < len(values) for values in known):
        return False
    if any(isinstance(value, str) for values in known for value in values):
        return True
    if any(value != round(value) for values in known for value in values):
        return False
    in_order = all(a < b for values in known for a, b in pairwise(values))
    return in_order or _NUMBERS.fullmatch(name) is not None


def _known(column: NDArray[Any]) -> list[Any]:
    if column.dtype.kind in "bf":
        numbers = column.astype(np.float64)
        return list(numbers[np.isfinite(numbers)].tolist())
    return [value for value in column.tolist() if value is not None]


def _refuse_two_types(columns: Mapping[str, NDArray[Any]], name: str, where: str) -> None:
    texts = {patient: column for patient, column in columns.items() if column.dtype == object}
    numbers = [p for p, column in columns.items() if p not in texts and len(_known(column))]
    texts = {patient: column for patient, column in texts.items() if len(_known(column))}
    if texts and numbers:
        patient, column = next(iter(texts.items()))
        raise InputError(
            f"{where}: {name!r} is a text in the graphs of some patients, and a number in those of others",
            expected="one or the other",
            got=f"{_known(column)[0]!r} of {patient}, numbers of {listed(numbers, 2)}",
        )


def _of(graph: RawGraph, part: Part) -> Attributes:
    return graph.nodes if part == "nodes" else graph.links


def _with(graph: RawGraph, part: Part, attributes: Attributes) -> RawGraph:
    return replace(graph, nodes=attributes) if part == "nodes" else replace(graph, links=attributes)
