"""Molecules as RDKit reads them from SMILES: what is wrong with one, its canonical form, its scaffold."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.remarks import Dropped, Noted
from mmlego.extras import import_extra
from mmlego.wording import shortened

__doctest_requires__ = {name: ["rdkit"] for name in ("complaint_of", "says_missing", "canonical", "scaffold_groups")}

EXTRA = "'mmlego[graphs]'"


def read_molecule(smiles: str, what: str = "reading SMILES") -> Any:
    """Return the molecule, or None if the text is no one valid SMILES; RDKit says nothing on the terminal.

    Parameters
    ----------
    smiles
        The text.
    what
        Who asks, for messages.

    Raises
    ------
    MissingExtraError
        If RDKit is not installed.
    """
    chem = import_extra("rdkit.Chem", what, EXTRA)
    base = import_extra("rdkit.rdBase", what, EXTRA)
    words = smiles.split()
    if len(words) != 1:  # RDKit takes what comes after a space for a name, and be it another molecule
        return None
    with base.BlockLogs():
        return chem.MolFromSmiles(words[0])


@functools.lru_cache(maxsize=1 << 16)  # a graph, a fingerprint and a sequence may be made of one column
def complaint_of(smiles: str) -> str | None:
    """Return why a text is no molecule, or None.

    Parameters
    ----------
    smiles
        The text.

    Examples
    --------
    >>> complaint_of("CCO"), complaint_of("C1CC")
    (None, "no valid SMILES: 'C1CC'")
    >>> complaint_of("CCO CCN")
    "more than one SMILES, or a name behind it: 'CCO CCN'"
    """
    if len(smiles.split()) > 1:
        return f"more than one SMILES, or a name behind it: {shortened(smiles)!r}"
    molecule = read_molecule(smiles)
    if molecule is None or molecule.GetNumAtoms() == 0:
        return f"no valid SMILES: {shortened(smiles)!r}"
    if any(atom.GetTotalDegree() > 10 or not -6 < atom.GetFormalCharge() < 7 for atom in molecule.GetAtoms()):
        return f"an atom with more than ten neighbours or charges that no atom has: {shortened(smiles)!r}"
    return None


def says_missing(text: str) -> bool:
    """Return whether a text among SMILES is a word for a missing one, and no molecule.

    Parameters
    ----------
    text
        The text.

    Examples
    --------
    >>> says_missing("NA"), says_missing("[Not Available]"), says_missing("CCO"), says_missing("C1CC")
    (True, True, False, False)
    """
    return is_missing(text) and read_molecule(text) is None


@functools.lru_cache(maxsize=1 << 16)
def canonical(smiles: str) -> str:
    """Return the one SMILES of a molecule, however it was written; a text that is none stays.

    Parameters
    ----------
    smiles
        The text.

    Examples
    --------
    >>> canonical("OCC"), canonical("C1CC")
    ('CCO', 'C1CC')
    """
    molecule = read_molecule(smiles)
    if molecule is None:
        return smiles
    text: str = import_extra("rdkit.Chem", "canonical SMILES", EXTRA).MolToSmiles(molecule)
    return text


def parts_of(smiles: Iterable[str], where: str) -> list[Dropped]:
    """Return the note that molecules are of several parts, as salts and mixtures, all of which count.

    Parameters
    ----------
    smiles
        Valid SMILES.
    where
        The modality.

    Examples
    --------
    >>> [str(note) for note in parts_of(["CC(=O)[O-].[Na+]", "CCO"], "drugs")]
    ['drugs: 1 of 2 molecules is of several parts, as salts are, which all count']
    """
    found = ["." in text.split()[0] for text in smiles]
    verb = "is" if sum(found) == 1 else "are"
    text = f"{sum(found)} of {len(found)} molecules {verb} of several parts, as salts are, which all count"
    return [Noted(where, text)] if any(found) else []


def scaffold_groups(smiles: Sequence[str]) -> list[str]:
    """Return the group of each molecule: its Bemis–Murcko scaffold, the rings and what links them.

    Chirality does not count, and all molecules without a ring are one group, as is usual. Of a salt its largest part
    with carbon counts, without charges: a drug stays with its salts, an acid with its anion. A text that is no valid
    SMILES is a group of its own. Bemis & Murcko 1996, *The properties of known drugs*.

    Parameters
    ----------
    smiles
        One text a molecule.

    Returns
    -------
    list of str
        Groups for ``cohort.split(by=groups)``.

    Raises
    ------
    MissingExtraError
        If RDKit is not installed.

    Examples
    --------
    >>> scaffold_groups(["Cc1ccccc1", "OCc1ccccc1", "CCO", "CCCl", "C1CC"])
    ['c1ccccc1', 'c1ccccc1', 'without a ring', 'without a ring', 'unreadable: C1CC']
    >>> scaffold_groups(["c1cc[nH+]cc1.[Cl-]", "c1ccncc1"])
    ['c1ccncc1', 'c1ccncc1']
    """
    scaffolds = import_extra("rdkit.Chem.Scaffolds.MurckoScaffold", "splitting by scaffold", EXTRA)
    groups = []
    for text in smiles:
        molecule = read_molecule(text, "splitting by scaffold")
        if molecule is None:
            groups.append(f"unreadable: {text}")
            continue
        parent = _parent(molecule)
        groups.append(scaffolds.MurckoScaffoldSmiles(mol=parent, includeChirality=False) or "without a ring")
    return groups


def _parent(molecule: Any) -> Any:
    """Return the largest part of a salt, with carbon if there is one, without charges where it can be."""
    chem = import_extra("rdkit.Chem", "splitting by scaffold", EXTRA)
    standard = import_extra("rdkit.Chem.MolStandardize.rdMolStandardize", "splitting by scaffold", EXTRA)

    def size(part: Any) -> tuple[bool, int, str]:
        carbon = any(atom.GetAtomicNum() == 6 for atom in part.GetAtoms())
        return carbon, part.GetNumHeavyAtoms(), chem.MolToSmiles(part)  # of equal parts one, however it was written

    with import_extra("rdkit.rdBase", "splitting by scaffold", EXTRA).BlockLogs():
        return standard.Uncharger().uncharge(max(chem.GetMolFrags(molecule, asMols=True), key=size))
