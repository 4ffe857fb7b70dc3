"""Shares of the atoms of molecules, from those of the bits of their fingerprints, and drawings of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmlego.data import FingerprintPreprocessor
from mmlego.extras import import_extra

__doctest_requires__ = {"atom_shares": ["rdkit"]}
_EXTRA, _WHAT = "'mmlego[graphs]'", "explaining molecules"
RAISES, LOWERS = (0.84, 0.37, 0.0), (0.0, 0.45, 0.70)  # vermillion and blue of Okabe and Ito


def atom_shares(smiles: str, bits: FingerprintPreprocessor, shares: Sequence[float]) -> NDArray[np.float64]:
    """Return the shares of the atoms of a molecule: each bit evenly over where it is, and there over its atoms.

    Parameters
    ----------
    smiles
        The molecule.
    bits
        How its fingerprint was made.
    shares
        Of the bits.

    Returns
    -------
    array (atoms,)
        In the order of the SMILES; they sum to the shares of those bits that the molecule has.

    Raises
    ------
    MissingExtraError
        If RDKit is not installed.

    Examples
    --------
    >>> fitted = FingerprintPreprocessor(radius=0, bits=1024)
    >>> bit = int(fitted.transform(__import__("pandas").DataFrame({"smiles": ["O"]}))[0].argmax())
    >>> atom_shares("O", fitted, [float(place == bit) for place in range(1024)]).tolist()
    [1.0]
    """
    chem = import_extra("rdkit.Chem", _WHAT, _EXTRA)
    package = import_extra("rdkit.Chem.rdFingerprintGenerator", _WHAT, _EXTRA)
    molecule = chem.MolFromSmiles(smiles)
    told = package.AdditionalOutput()
    told.AllocateBitInfoMap()
    package.GetMorganGenerator(radius=bits.radius, fpSize=bits.bits).GetFingerprint(molecule, additionalOutput=told)
    found = np.zeros(molecule.GetNumAtoms())
    for bit, places in told.GetBitInfoMap().items():
        for atom, radius in places:
            around = {atom}
            for bond in chem.FindAtomEnvironmentOfRadiusN(molecule, radius, atom) if radius else ():
                ends = molecule.GetBondWithIdx(bond)
                around |= {ends.GetBeginAtomIdx(), ends.GetEndAtomIdx()}
            found[sorted(around)] += shares[bit] / len(places) / len(around)
    return found


def drawn(smiles: str, shares: NDArray[np.float64], *, size: int = 480) -> bytes:
    """Return a PNG of a molecule, whose atoms are coloured by their shares: vermillion raises, blue lowers.

    Parameters
    ----------
    smiles
        The molecule.
    shares
        Of its atoms, in the order of the SMILES.
    size
        Of the picture, in pixels.
    """
    chem = import_extra("rdkit.Chem", _WHAT, _EXTRA)
    draw = import_extra("rdkit.Chem.Draw.rdMolDraw2D", _WHAT, _EXTRA)
    molecule = chem.MolFromSmiles(smiles)
    top = float(np.abs(shares).max()) or 1.0
    colours = {}
    for atom, share in enumerate(shares.tolist()):
        strong, full = abs(share) / top, RAISES if share > 0 else LOWERS
        colours[atom] = tuple(1 - strong * (1 - part) for part in full)
    canvas = draw.MolDraw2DCairo(size, size)
    draw.PrepareAndDrawMolecule(
        canvas, molecule, highlightAtoms=list(colours), highlightAtomColors=colours, highlightBonds=[]
    )
    canvas.FinishDrawing()
    png: bytes = canvas.GetDrawingText()
    return png
