"""Kind ``omics``, its source: one wide matrix, optionally by gene sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PrivateAttr

from mmlego.data.kinds.omics.files import read_h5ad, read_h5mu
from mmlego.data.kinds.omics.gene_sets import read_gmt
from mmlego.data.kinds.omics.preprocess import OmicsPreprocessor
from mmlego.data.kinds.source import Folder, Source
from mmlego.data.reading.joins import Dropped, RowRule, choose_rows
from mmlego.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


class OmicsSource(Source):
    """A modality of kind ``omics``: a wide table, an ``.h5ad``, or one modality of an ``.h5mu``.

    Parameters
    ----------
    file
        The file, relative to the manifest.
    columns
        Genes, as a name or glob, or several.
    rows
        What to do where a patient has several rows that differ (samples, cells): ``error``, ``first`` or ``mean``.
    modality
        Which modality of an ``.h5mu``; that of the same name as this section if not given.
    layer
        Which layer of an ``.h5ad`` or ``.h5mu``; ``X`` if not given.
    log1p
        Take ``log(1 + x)``.
    keep
        At most so many columns, those of the largest variance in the training patients.
    gene_sets
        A GMT file, relative to the manifest: one token a gene set.
    smallest
        Gene sets of which fewer genes are there are left out.

    Examples
    --------
    >>> OmicsSource(file="rna.h5ad", log1p=True, gene_sets="hallmark.gmt").smallest
    5
    """

    kind: Literal["omics"] = "omics"
    file: str | None = None
    columns: str | list[str] = "*"
    rows: RowRule = "error"
    modality: str | None = None
    layer: str | None = None
    log1p: bool = False
    keep: int | None = Field(default=None, ge=1)
    gene_sets: str | None = None
    smallest: int = Field(default=5, ge=1)
    _sets: dict[str, tuple[str, ...]] = PrivateAttr(default_factory=dict)

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the chosen columns, a row a patient, and the gene sets."""
        self._read_sets(None if self.gene_sets is None else folder.file(self.gene_sets))
        name, key = self.file or "", folder.key
        if name.lower().endswith(".h5ad"):
            return self._choose(read_h5ad(folder.file(name), self.layer, key), None, modality, taken)
        if name.lower().endswith(".h5mu"):
            frame = read_h5mu(folder.file(name), self.modality or modality, self.layer, key)
            return self._choose(frame, None, modality, taken)
        if self.layer is not None or self.modality is not None:
            raise InputError(f"{modality}: {name!r} has no layers or modalities", expected=".h5ad or .h5mu")
        return self._choose(folder.table(name), key, modality, taken)

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the chosen columns of a table in memory, a row a patient, and read the gene sets."""
        self._read_sets(None if self.gene_sets is None else Path(self.gene_sets))
        return self._choose(frame, key, modality, taken)

    def _choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        return choose_rows(frame, key, self.columns, self.rows, modality, taken)

    def _read_sets(self, path: Path | None) -> None:
        self._sets.clear()
        if path is not None:
            self._sets.update(read_gmt(path))

    def fit(self, frame: pd.DataFrame) -> OmicsPreprocessor:
        """Return preprocessing fitted on training rows."""
        return OmicsPreprocessor.fit(frame, log1p=self.log1p, keep=self.keep, sets=self._sets, smallest=self.smallest)
