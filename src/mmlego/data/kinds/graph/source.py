"""Kind ``graph``: molecules as SMILES in a column of a table, GraphML files, or tables of edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import model_validator

from mmlego.data.kinds.file_sources import FileSource
from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.graph.attributes import choose, set_apart
from mmlego.data.kinds.graph.edge_tables import graph_of_rows, pick_columns
from mmlego.data.kinds.graph.graphml import read_graphml
from mmlego.data.kinds.graph.molecule import molecule_graph
from mmlego.data.kinds.graph.preprocess import COLUMN, GraphPreprocessor
from mmlego.data.kinds.graph.raw import BothWaysError, RawGraph
from mmlego.data.kinds.graph.taken import attributes_taken
from mmlego.data.kinds.molecules import complaint_of, parts_of, says_missing
from mmlego.data.kinds.tabular.keys import ColumnKeys
from mmlego.data.kinds.tabular.taken import Taken
from mmlego.data.kinds.text_columns import TextRules, choose_texts
from mmlego.data.reading.columns import read_types
from mmlego.data.reading.names import NamePattern
from mmlego.data.reading.remarks import Dropped
from mmlego.errors import InputError
from mmlego.wording import by_reason, counted, meant

if TYPE_CHECKING:
    import pandas as pd


class GraphSource(ColumnKeys, FileSource):
    """A modality of kind ``graph``, in one of three forms.

    What else may be said of the columns of tables of edges and nodes, see
    :class:`~mmlego.data.kinds.tabular.keys.ColumnKeys`. A key that a form does not heed is refused.

    Parameters
    ----------
    file, column
        A table, and its column of SMILES: atoms are nodes, bonds are edges.
    pattern
        How GraphML files are named, one a patient; beside ``file``, made of the columns of that table.
    edges
        A table of edges: the key of the manifest, the columns ``source`` and ``target``, and attributes.
    nodes
        A table of nodes beside it: the key, the column ``node``, and attributes; without it, the nodes are those that
        the edges name.
    source, target, node
        The columns that name nodes.
    edge_columns, node_columns
        Which other columns, or which attributes of GraphML, are features, as names or globs; all if not given, but for
        names and numbers that tell nodes apart.
    directed
        Whether an edge of the table leads one way only; a GraphML file says so itself.
    rows
        What to do where a patient has several SMILES or files: ``error`` or ``first``.

    Examples
    --------
    >>> GraphSource(file="drugs.csv").column, GraphSource(edges="ppi.csv", edge_columns="weight").directed
    ('smiles', False)
    """

    cells: ClassVar[str] = COLUMN
    endings: ClassVar[tuple[str, ...]] = (".graphml", ".graphml.gz")

    kind: Literal["graph"] = "graph"
    column: str = "smiles"
    rows: Literal["error", "first"] = "error"
    edges: str | None = None
    nodes: str | None = None
    source: str = "source"
    target: str = "target"
    node: str = "node"
    edge_columns: str | list[str] = "*"
    node_columns: str | list[str] = "*"
    directed: bool = False

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        if self.edges is not None and (self.file is not None or self.pattern is not None):
            raise ValueError("graphs are either SMILES (file:), files (pattern:) or tables (edges:)")
        if self.nodes is not None and self.edges is None:
            raise ValueError("nodes: needs edges: beside it")
        if self.pattern is not None:
            NamePattern(self.pattern, alone=self.file is None)
        return self

    def unplaced(self) -> str | None:
        """Return None: what is missing of three ways to give graphs is said when they are read."""
        return None

    def names(self) -> Sequence[str]:
        """Return the column of SMILES, where there is one."""
        return (self.column,) if self.pattern is None and self.edges is None else ()

    def unheeded(self) -> tuple[str, Sequence[str]]:
        """Return in which of its forms the section is, and which keys that form does not heed."""
        tables = ("source", "target", "node", "directed", *ColumnKeys.model_fields)
        if self.edges is None:
            if self.pattern is not None:
                return "GraphML files (pattern:)", (*tables, "column")
            return "a column of SMILES", (*tables, "edge_columns", "node_columns")
        if self.nodes is None:
            return "a table of edges without one of nodes (nodes:)", ("column", "rows", "node", "node_columns")
        return "tables of edges and nodes", ("column", "rows")

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the graphs, one a patient.

        Raises
        ------
        InputError
            If a text is no valid SMILES, a file cannot be read, an edge leads nowhere, or a graph has no nodes.
        """
        if self.pattern is not None:
            frame, notes = super().read(folder, modality, taken)
            graphs: Mapping[str, RawGraph] = dict(zip(frame.index, frame[COLUMN], strict=True))
            graphs = choose(graphs, "nodes", self.node_columns, taken, modality)
            graphs = choose(graphs, "links", self.edge_columns, taken, modality)
            return self._framed(graphs, modality, notes)
        if self.edges is not None:
            return self._read_tables(folder, modality, taken)
        if self.file is None:
            raise InputError(
                f"{modality} names no file", expected="file: (SMILES), pattern: (GraphML) or edges: (tables)"
            )
        return self.choose(folder.table(self.file, text=[self.column]), folder.key, modality, taken)

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the molecules of a column of SMILES in memory."""
        made: dict[str, RawGraph] = {}

        def complaint(text: str) -> str | None:
            if (said := complaint_of(text)) is None:
                try:
                    made[text] = molecule_graph(text)
                except InputError as error:
                    return str(error)
            return said

        rules = TextRules(self.column, self.rows, self.on_error, complaint, says_missing)
        texts, notes = choose_texts(frame, key, modality, taken, rules)
        notes = [*notes, *parts_of(map(str, texts.iloc[:, 0]), modality)]
        graphs = {str(patient): made[text] for patient, text in texts.iloc[:, 0].items()}
        return _column_of(graphs), notes

    def open(self, path: Path) -> RawGraph:
        """Return the graph of a GraphML file."""
        return read_graphml(path)

    def together(self, parts: Sequence[RawGraph]) -> RawGraph:
        """Return the one graph of a patient."""
        return parts[0]

    def _read_tables(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        written = self.as_text()
        dotted = folder.opened(self.edges or "").dotted
        table = folder.table(self.edges or "", text=[self.source, self.target, *written, *dotted])
        edges = pick_columns(table, folder.key, [self.source, self.target], self.edge_columns, taken, modality)
        nodes = None
        if self.nodes is not None:
            table = folder.table(self.nodes, text=[self.node, *written, *folder.opened(self.nodes).dotted])
            nodes = pick_columns(table, folder.key, [self.node], self.node_columns, taken, modality)
        edges, nodes, notes = self._typed(folder, edges, nodes, modality, strict=not folder.expected.lenient)
        groups = _by_patient(edges)
        of_nodes = {} if nodes is None else _by_patient(nodes)
        graphs: dict[str, RawGraph] = {}
        wrong: dict[str, str] = {}
        both_ways = False
        for patient in dict.fromkeys([*of_nodes, *groups]):
            rows = groups.get(patient, edges.iloc[:0])
            mine = None if nodes is None else of_nodes.get(patient, nodes.iloc[:0])
            try:
                graphs[patient] = graph_of_rows(rows, mine, directed=self.directed)
            except InputError as error:
                wrong[patient] = str(error)
                both_ways = both_ways or isinstance(error, BothWaysError)
        if not wrong:
            return self._framed(graphs, modality, notes)
        first = by_reason(wrong, 3)
        text = f"{counted(len(wrong), 'patient')} whose graph cannot be used ({first})"
        if self.on_error == "raise" or not graphs:
            way = "Declare directed: true, if each row leads one way; else mend" if both_ways else "Mend"
            raise InputError(f"{modality}: {text}", remedy=f"{way} them, or declare on_error: skip to go on without.")
        return self._framed(graphs, modality, [*notes, Dropped(modality, text)])

    def _typed(
        self, folder: Folder, edges: pd.DataFrame, nodes: pd.DataFrame | None, modality: str, *, strict: bool
    ) -> tuple[pd.DataFrame, pd.DataFrame | None, list[Dropped]]:
        """Return the tables with each attribute as what it is, decided on all patients, and what is to be said."""
        import pandas as pd

        rules = self.rules()
        tables = [(edges, 2, self.edges)] if nodes is None else [(edges, 2, self.edges), (nodes, 1, self.nodes)]
        known = [str(name) for table, fixed, _ in tables for name in table.columns[fixed:]]
        for stray in rules.strays(known):
            raise InputError(f"{modality}: no attribute matches {stray!r}", remedy=meant(stray, known))
        made: list[pd.DataFrame] = []
        notes: list[Dropped] = []
        for table, fixed, name in tables:
            own, file = table.iloc[:, fixed:], folder.opened(name or "")
            here = rules.within([str(column) for column in own])
            found = read_types(
                own, here, modality, strict=strict, decimal=file.decimal, dotted=file.dotted, model=not strict
            )
            made.append(pd.concat([table.iloc[:, :fixed], found.frame], axis=1))
            notes += found.notes
        return made[0], None if nodes is None else made[1], notes

    def _framed(
        self, graphs: Mapping[str, RawGraph], modality: str, notes: list[Dropped]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        graphs, of_nodes = set_apart(graphs, "nodes", self.node_columns, modality)
        graphs, of_links = set_apart(graphs, "links", self.edge_columns, modality)
        return _column_of(graphs), [*notes, *of_nodes, *of_links]

    def columns_taken(self, frame: pd.DataFrame) -> list[Taken]:
        """Return what each attribute of nodes and edges was taken for."""
        return attributes_taken(list(frame[COLUMN]), declare=self.edges is not None)

    def fingerprints(self, frame: pd.DataFrame) -> list[bytes | None]:
        """Return a hash of each graph: of a molecule however it was written; None of a tiny one, alike by chance."""
        return [graph.fingerprint() if graph.telling else None for graph in frame[COLUMN]]

    def molecules(self, frame: pd.DataFrame) -> dict[str, str]:
        """Return the SMILES of the patients whose graphs are molecules, to split by scaffold."""
        found = {str(patient): graph.molecule for patient, graph in frame[COLUMN].items()}
        return {patient: text for patient, text in found.items() if text is not None}

    def fit(self, frame: pd.DataFrame) -> GraphPreprocessor:
        """Return preprocessing fitted on the graphs of training patients."""
        return GraphPreprocessor.fit(frame, min_patients=self.least(frame))


def _column_of(graphs: Mapping[str, RawGraph]) -> pd.DataFrame:
    import pandas as pd

    index = pd.Index(list(graphs), name="patient", dtype=object)
    cells: list[Any] = list(graphs.values())
    return pd.Series(cells, index=index, dtype=object).to_frame(COLUMN)


def _by_patient(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(patient): mine for patient, mine in rows.groupby(level=0, sort=False)}
