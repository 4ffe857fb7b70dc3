"""A molecule as a graph: atoms and bonds with their attributes, the same however its SMILES was written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.graph.raw import RawGraph
from mmlego.data.kinds.molecules import EXTRA, read_molecule
from mmlego.errors import InputError
from mmlego.extras import import_extra
from mmlego.wording import shortened

__doctest_requires__ = {"molecule_graph": ["rdkit", "torch_geometric"]}

CHIRALITY = "chirality (R/S)"
WRITTEN = "chirality"  # what RDKit tags: it hangs on the order in which a SMILES names the neighbours
_ENOUGH = 1_250_000  # comparisons of neighbourhoods, about a second; molecules need some hundreds


def molecule_graph(smiles: str) -> RawGraph:
    """Return the atoms and bonds of a molecule, as PyTorch Geometric describes them, but for chirality.

    The canonical SMILES is read, so that a molecule is one graph whoever wrote it. Chirality is R or S (r and s of
    pseudo-asymmetric centres) by the rules of Cahn, Ingold and Prelog: that of a molecule and that of its mirror image
    differ. The tags that PyTorch Geometric 2.8 takes from RDKit, clockwise or not, hang on how a SMILES is written;
    they are kept for preprocessing that was fitted on them, and no feature of any other.

    Parameters
    ----------
    smiles
        A valid SMILES.

    Raises
    ------
    MissingExtraError
        If RDKit or PyTorch Geometric is not installed.
    InputError
        If an atom or a bond is of a kind that PyTorch Geometric does not know, as a square-planar centre.

    Examples
    --------
    >>> ethanol = molecule_graph("OCC")
    >>> ethanol.nodes["atomic_num"].tolist(), ethanol.edges.tolist(), ethanol.molecule
    (['6', '6', '8'], [[0, 1, 1, 2], [1, 0, 2, 1]], 'CCO')
    >>> [molecule_graph(text).nodes[CHIRALITY].tolist()[1] for text in ("C[C@H](N)O", "N[C@@H](C)O", "C[C@@H](N)O")]
    ['R', 'R', 'S']
    """
    package = import_extra("torch_geometric.utils.smiles", "a graph of a molecule", EXTRA)
    written = read_molecule(smiles, "a graph of a molecule")
    text: str = import_extra("rdkit.Chem", "a graph of a molecule", EXTRA).MolToSmiles(written)
    molecule, order = _in_order(written, text)
    try:
        found = package.from_rdmol(molecule)
    except ValueError as error:
        raise InputError(
            f"{shortened(smiles)!r} has an atom or a bond of a kind that a graph cannot describe",
            expected="those of organic molecules and usual complexes",
            got=str(error),
        ) from error
    nodes = {name: _named(known, found.x[:, i]) for i, (name, known) in enumerate(package.x_map.items())}
    nodes[WRITTEN] = _texts(str(written.GetAtomWithIdx(place).GetChiralTag()) for place in order)
    nodes[CHIRALITY] = _chirality(molecule, text)
    links = {name: _named(known, found.edge_attr[:, i]) for i, (name, known) in enumerate(package.e_map.items())}
    return RawGraph(len(found.x), found.edge_index.numpy(), nodes, links, text, frozenset({WRITTEN}))


def _in_order(written: Any, text: str) -> tuple[Any, Sequence[int]]:
    """Return the molecule as its canonical SMILES has it, and which of the written atoms each of its atoms is."""
    molecule = read_molecule(text)
    order = list(written.GetPropsAsDict(True, True).get("_smilesAtomOutputOrder", ()))
    if molecule is None or len(order) != molecule.GetNumAtoms() or len(order) != written.GetNumAtoms():
        return written, range(written.GetNumAtoms())
    return molecule, order


def _chirality(molecule: Any, text: str) -> NDArray[Any]:
    """Return R, S, r or s of each atom, ``none``, or ``other`` of what is chiral in another way."""
    try:
        import_extra("rdkit.Chem.rdCIPLabeler", "a graph of a molecule", EXTRA).AssignCIPLabels(
            molecule, maxRecursiveIterations=_ENOUGH
        )
    except RuntimeError:  # of a cage without end: the older rules, which reading has applied
        molecule = read_molecule(text) or molecule
    return _texts(
        atom.GetProp("_CIPCode")
        if atom.HasProp("_CIPCode")
        else "none"
        if "TETRAHEDRAL" in (tag := str(atom.GetChiralTag())) or tag == "CHI_UNSPECIFIED"
        else "other"
        for atom in molecule.GetAtoms()
    )


def _named(known: Sequence[Any], places: Any) -> NDArray[Any]:
    """Return attributes as categories, but for what is true or false."""
    values = [known[place] for place in places.tolist()]
    return np.array(values, dtype=bool) if known == [False, True] else _texts(str(value) for value in values)


def _texts(values: Any) -> NDArray[Any]:
    return np.array(list(values), dtype=object)
