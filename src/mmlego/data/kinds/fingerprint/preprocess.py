"""Kind ``fingerprint``, its preprocessing: molecules as bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mmlego.data.kinds.fitted import Preprocessing
from mmlego.data.kinds.molecules import EXTRA, complaint_of, read_molecule
from mmlego.errors import InputError
from mmlego.extras import import_extra
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

__doctest_requires__ = {"FingerprintPreprocessor": ["rdkit"]}


class FingerprintState(BaseModel):
    """What :class:`FingerprintPreprocessor` saves; refuses anything that does not fit.

    Examples
    --------
    >>> FingerprintState(radius=2, bits=2048).version
    1
    """

    model_config = ConfigDict(extra="forbid")

    name: Literal["fingerprint"] = "fingerprint"
    version: Literal[1] = 1
    radius: int = Field(ge=0, le=10)
    bits: int = Field(ge=8, le=2**20)


@dataclass(frozen=True)
class FingerprintPreprocessor(Preprocessing):
    """SMILES → bits of the Morgan fingerprint (ECFP), 0 or 1.

    Each atom with all that lies up to ``radius`` bonds away is hashed to one of so many bits (Rogers & Hahn 2010,
    *Extended-connectivity fingerprints*); radius 2 is ECFP4. Nothing is learnt.

    Parameters
    ----------
    radius
        How many bonds away a neighbourhood reaches.
    bits
        How many bits there are.

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

    def transform(self, frame: pd.DataFrame) -> Tensor:
        """Return the bits of each molecule, float32 ``(n, bits)``.

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
        texts = [str(text) for text in frame.iloc[:, 0]]
        wrong = {row: why for row, text in zip(frame.index, texts, strict=True) if (why := complaint_of(text))}
        if wrong:
            first = listed((f"{row}: {why}" for row, why in wrong.items()), 3)
            raise InputError(f"{counted(len(wrong), 'row')} without a molecule", expected="SMILES", got=first)
        rows = [make.GetFingerprintAsNumPy(read_molecule(text)) for text in texts]
        stacked = np.stack(rows) if rows else np.zeros((0, self.bits))
        return torch.from_numpy(stacked.astype(np.float32))

    def blank(self) -> Tensor:
        """Return the bits of nobody."""
        return torch.zeros(0, self.bits)

    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return the encoder of tables."""
        return "snn", {"in_features": self.bits}

    def config(self) -> dict[str, object]:
        """Return radius and number of bits."""
        return FingerprintState(radius=self.radius, bits=self.bits).model_dump()

    @classmethod
    def _restored(cls, state: FingerprintState) -> Self:
        return cls(state.radius, state.bits)
