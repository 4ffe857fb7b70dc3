"""Kind ``fingerprint``, its source: molecules as bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from mmlego.data.kinds.fingerprint.preprocess import FingerprintPreprocessor
from mmlego.data.kinds.molecules import canonical, complaint_of, parts_of, says_missing
from mmlego.data.kinds.text_columns import TextColumnSource
from mmlego.data.reading.fingerprints import text_fingerprints
from mmlego.data.reading.remarks import Dropped

if TYPE_CHECKING:
    import pandas as pd


class FingerprintSource(TextColumnSource):
    """A modality of kind ``fingerprint``: Morgan bits of a column of SMILES, each read by RDKit.

    Parameters
    ----------
    radius, bits, counts
        As :class:`FingerprintPreprocessor` takes them.
    descriptors
        Whether RDKit's descriptors of a molecule come with them.

    Examples
    --------
    >>> FingerprintSource(file="drugs.csv", radius=3).bits
    2048
    """

    kind: Literal["fingerprint"] = "fingerprint"
    column: str = "smiles"
    radius: int = Field(default=2, ge=0, le=10)
    bits: int = Field(default=2048, ge=8, le=2**20)
    counts: bool = False
    descriptors: bool = False

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the SMILES of a table in memory, a row a patient, each checked; how many are salts is noted."""
        texts, notes = super().choose(frame, key, modality, taken)
        return texts, [*notes, *parts_of(map(str, texts.iloc[:, 0]), modality)]

    def complaint(self, text: str) -> str | None:
        """Return that a text is no molecule, or None."""
        return complaint_of(text)

    def absent(self, text: str) -> bool:
        """Return whether a text says that there is no molecule."""
        return says_missing(text)

    def fingerprints(self, frame: pd.DataFrame) -> list[bytes | None]:
        """Return a hash of each molecule, however its SMILES was written."""
        return text_fingerprints(frame.iloc[:, 0].map(canonical))

    def molecules(self, frame: pd.DataFrame) -> dict[str, str]:
        """Return the SMILES of the patients, to split by scaffold."""
        return {str(patient): str(text) for patient, text in frame.iloc[:, 0].items()}

    def fit(self, frame: pd.DataFrame) -> FingerprintPreprocessor:
        """Return the fingerprint as the section asks for it; only of descriptors something is learnt."""
        return FingerprintPreprocessor.fit(
            frame,
            radius=self.radius,
            bits=self.bits,
            counts=self.counts,
            descriptors=self.descriptors,
            min_patients=self.least(frame),
        )
