"""Kind ``fingerprint``, its preprocessing: molecules as bits or counts, and their descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mmlego.anonymity import Kept
from mmlego.data.kinds.fingerprint.descriptors import descriptor_table
from mmlego.data.kinds.fitted import FAR, Preprocessing
from mmlego.data.kinds.molecules import EXTRA, complaint_of, read_molecule
from mmlego.data.kinds.tabular.preprocess import TablePreprocessor
from mmlego.errors import CheckpointError, InputError, LegoError
from mmlego.extras import import_extra
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

__doctest_requires__ = {"FingerprintPreprocessor": ["rdkit"], "FingerprintPreprocessor.fit": ["rdkit"]}


class FingerprintState(BaseModel):
    """What :class:`FingerprintPreprocessor` saves; refuses anything that does not fit.

    Examples
    --------
    >>> FingerprintState(radius=2, bits=2048).version
    1
    """

    model_config = ConfigDict(extra="forbid")

    name: Literal["fingerprint"] = "fingerprint"
    version: Literal[1, 2] = 1
    radius: int = Field(ge=0, le=10)
    bits: int = Field(ge=8, le=2**20)
    counts: bool = False
    descriptors: dict[str, Any] | None = None


@dataclass(frozen=True)
class FingerprintPreprocessor(Preprocessing):
    """SMILES → bits of the Morgan fingerprint (ECFP), 0 or 1; or log(1 + how often), and descriptors beside them.

    Each atom with all that lies up to ``radius`` bonds away is hashed to one of so many bits (Rogers & Hahn 2010,
    *Extended-connectivity fingerprints*); radius 2 is ECFP4. Of bits and counts nothing is learnt.

    Parameters
    ----------
    radius
        How many bonds away a neighbourhood reaches.
    bits
        How many bits there are.
    counts
        Whether they say how often a neighbourhood is there, as log(1 + n).
    descriptors
        The preprocessing of RDKit's descriptors, which come after the bits; None: they are left out.

    Examples
    --------
    >>> import pandas as pd
    >>> bits = FingerprintPreprocessor(bits=64).transform(pd.DataFrame({"smiles": ["CCO", "OCC", "c1ccccc1"]}))
    >>> bits.shape, torch.equal(bits[0], bits[1]), bits.sum(1).tolist()
    (torch.Size([3, 64]), True, [6.0, 6.0, 3.0])
    """

    name: ClassVar[str] = "fingerprint"
    saved_as: ClassVar[type[BaseModel]] = FingerprintState
    called: ClassVar[str] = "fingerprints"

    radius: int = 2
    bits: int = 2048
    counts: bool = False
    descriptors: TablePreprocessor | None = None

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        *,
        radius: int = 2,
        bits: int = 2048,
        counts: bool = False,
        descriptors: bool = False,
        min_patients: int = 1,
    ) -> Self:
        """Learn medians, means and deviations of descriptors, where they are asked for.

        Parameters
        ----------
        frame
            One column of SMILES, of the training patients.
        radius, bits, counts
            Of the fingerprint.
        descriptors
            Whether RDKit's descriptors come with it: those that vary, in standard deviations from their mean, at most
            six; what cannot be reckoned is the median.
        min_patients
            What is learnt of descriptors stands for so many patients at least.

        Raises
        ------
        InputError
            If a text is no valid SMILES, or no descriptor tells the molecules apart.
        MissingExtraError
            If RDKit is not installed.

        Examples
        --------
        >>> import pandas as pd
        >>> drugs = pd.DataFrame({"smiles": ["CCO", "c1ccccc1"]})
        >>> fitted = FingerprintPreprocessor.fit(drugs, bits=64, counts=True, descriptors=True)
        >>> fitted.transform(drugs).shape[1] == 64 + fitted.descriptors.out_features
        True
        """
        if not descriptors:
            return cls(radius, bits, counts)
        table = descriptor_table(_texts(frame)).dropna(axis=1, how="all")
        return cls(radius, bits, counts, TablePreprocessor.fit(table, min_patients=min_patients))

    def transform(self, frame: pd.DataFrame) -> Tensor:
        """Return bits or counts of each molecule and its descriptors, float32 ``(n, bits + descriptors)``.

        Parameters
        ----------
        frame
            One column of SMILES.

        Raises
        ------
        InputError
            If a text is no valid SMILES.
        MissingExtraError
            If RDKit is not installed.
        """
        package = import_extra("rdkit.Chem.rdFingerprintGenerator", "a fingerprint", EXTRA)
        make = package.GetMorganGenerator(radius=self.radius, fpSize=self.bits)
        texts = _texts(frame)
        read = make.GetCountFingerprintAsNumPy if self.counts else make.GetFingerprintAsNumPy
        rows = [read(read_molecule(text)) for text in texts]
        stacked = (np.stack(rows) if rows else np.zeros((0, self.bits))).astype(np.float32)
        told = torch.from_numpy(np.log1p(stacked) if self.counts else stacked)
        if self.descriptors is None:
            return told
        try:
            more = self.descriptors.transform(descriptor_table(texts))
        except LegoError as error:
            raise type(error)(f"descriptors of molecules, as this version of RDKit has them: {error}") from error
        return torch.cat([told, more.clamp(-FAR, FAR)], 1)

    def blank(self) -> Tensor:
        """Return the bits of nobody."""
        return torch.zeros(0, self._width)

    @property
    def _width(self) -> int:
        return self.bits + (0 if self.descriptors is None else self.descriptors.out_features)

    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return the encoder of tables."""
        return "snn", {"in_features": self._width}

    def config(self) -> dict[str, object]:
        """Return radius, number of bits, and what was learnt of descriptors."""
        state = FingerprintState(radius=self.radius, bits=self.bits)
        if not self.counts and self.descriptors is None:
            return state.model_dump(exclude={"counts", "descriptors"})  # as all versions read it
        told = None if self.descriptors is None else self.descriptors.config()
        return state.model_dump() | {"version": 2, "counts": self.counts, "descriptors": told}

    def kept(self) -> list[Kept]:
        """Return what was learnt of descriptors; of bits nothing is."""
        return [] if self.descriptors is None else [one.within("descriptors") for one in self.descriptors.kept()]

    @classmethod
    def _restored(cls, state: FingerprintState) -> Self:
        if state.descriptors is None:
            return cls(state.radius, state.bits, state.counts)
        try:
            table = TablePreprocessor.from_config(state.descriptors)
        except CheckpointError as error:
            raise CheckpointError(f"the preprocessing of fingerprints is damaged: {error}") from error
        return cls(state.radius, state.bits, state.counts, table)


def _texts(frame: pd.DataFrame) -> list[str]:
    """Return the SMILES of a frame, each checked."""
    texts = [str(text) for text in frame.iloc[:, 0]]
    wrong = {row: why for row, text in zip(frame.index, texts, strict=True) if (why := complaint_of(text))}
    if wrong:
        first = listed((f"{row}: {why}" for row, why in wrong.items()), 3)
        raise InputError(f"{counted(len(wrong), 'row')} without a molecule", expected="SMILES", got=first)
    return texts
