"""Descriptors of molecules, as RDKit reckons them: weight, charges, surfaces, counts of rings and groups."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmlego.data.kinds.molecules import EXTRA, canonical, read_molecule
from mmlego.extras import import_extra

if TYPE_CHECKING:
    import pandas as pd

__doctest_requires__ = {"descriptor_table": ["rdkit"]}

FARTHEST = 1e6  # a few descriptors grow without bound with the size of a molecule
_WHAT = "descriptors of molecules"


def descriptor_table(smiles: Sequence[str]) -> pd.DataFrame:
    """Return a row a molecule and a column a descriptor; NaN where one cannot be reckoned, none beyond ±1e6.

    Parameters
    ----------
    smiles
        Valid SMILES; however a molecule is written, its descriptors are those of its canonical form.

    Raises
    ------
    MissingExtraError
        If RDKit is not installed.

    Examples
    --------
    >>> descriptor_table(["CCO", "OCC"])[["MolWt", "HeavyAtomCount"]].round(1).to_numpy().tolist()
    [[46.1, 3.0], [46.1, 3.0]]
    """
    import pandas as pd

    package = import_extra("rdkit.Chem.Descriptors", _WHAT, EXTRA)
    names = [name for name, _ in package.descList]
    values = np.array([_values(canonical(text)) for text in smiles]).reshape(len(smiles), len(names))
    values = np.where(np.isfinite(values), np.clip(values, -FARTHEST, FARTHEST), np.nan)
    return pd.DataFrame(values, columns=names)


@functools.lru_cache(maxsize=1 << 14)  # some milliseconds each, and asked for by each preparation of a cohort
def _values(smiles: str) -> tuple[float, ...]:
    package = import_extra("rdkit.Chem.Descriptors", _WHAT, EXTRA)
    with import_extra("rdkit.rdBase", _WHAT, EXTRA).BlockLogs():
        told = package.CalcMolDescriptors(read_molecule(smiles), missingVal=float("nan"), silent=True)
    return tuple(float(told[name]) for name, _ in package.descList)
