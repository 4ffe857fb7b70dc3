"""What each attribute of nodes and edges was taken for, and which numbers rather say that nothing is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.graph.raw import RawGraph
from mmlego.data.kinds.tabular.taken import Taken
from mmlego.data.reading.likely_codes import likely_codes, told_codes
from mmlego.wording import listed


def attributes_taken(graphs: Sequence[RawGraph], *, declare: bool) -> list[Taken]:
    """Return what the attributes of graphs were taken for; those of molecules are what RDKit says of atoms and bonds.

    Parameters
    ----------
    graphs
        The graph of each patient.
    declare
        Whether ``missing:`` of the section may name them.

    Examples
    --------
    >>> edges = np.array([[0, 1], [1, 0]])
    >>> graph = RawGraph(3, edges, {"charge": np.array([2.0, 1.0, -9.0])}, {"weight": np.array([0.5, 0.5])})
    >>> for one in attributes_taken([graph], declare=True):
    ...     print(one.column, one.taken, one.values, one.doubt)
    charge of nodes number -9 to 2 ...
    weight of edges number 0.5 to 0.5
    """
    found = []
    for part in ("nodes", "links"):
        mine = [
            (
                {name: values for name, values in graph.nodes.items() if name not in graph.apart}
                if part == "nodes"
                else {name: values for name, values in graph.links.items() if name not in graph.links_apart}
            )
            for graph in graphs
            if graph.molecule is None
        ]
        for name in dict.fromkeys(name for attributes in mine for name in attributes):
            columns = [attributes[name] for attributes in mine if name in attributes]
            lacking = len(mine) - sum(any(_known(column)) for column in columns)
            found.append(
                _taken(f"{name} of {'nodes' if part == 'nodes' else 'edges'}", name, columns, lacking, declare)
            )
    return found


def _known(column: NDArray[Any]) -> NDArray[np.bool_]:
    numbers = column.dtype.kind == "f"
    return np.array([bool(np.isfinite(value)) if numbers else value is not None for value in column], dtype=bool)


def _taken(title: str, name: str, columns: Sequence[NDArray[Any]], lacking: int, declare: bool) -> Taken:
    values = np.concatenate([column[_known(column)] for column in columns])
    if values.dtype.kind == "b":
        return Taken(title, "yes/no", f"yes {int(values.sum())}, no {int((~values).sum())}", lacking)
    if values.dtype.kind != "f":
        counts = sorted(Counter(map(str, values.tolist())).items())
        return Taken(title, "categories", listed((f"{word} {count}" for word, count in counts), 6), lacking)
    codes = likely_codes(values)
    doubt = told_codes(codes, values, name if declare else None, declare=declare) if codes else ""
    shown = f"{values.min():g} to {values.max():g}" if len(values) else "none"
    return Taken(title, "number", shown, lacking, doubt)
