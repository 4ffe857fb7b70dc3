"""Kind ``omics``, its source: one wide matrix, optionally by gene sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, PrivateAttr

from mmlego.data.kinds.omics.files import CONTAINERS, open_annotated
from mmlego.data.kinds.omics.gene_sets import read_gmt
from mmlego.data.kinds.omics.preprocess import OmicsPreprocessor
from mmlego.data.kinds.source import Folder, Source
from mmlego.data.reading.annotated import Annotated, Part, part_of, part_of_whole
from mmlego.data.reading.containers import name_columns
from mmlego.data.reading.joins import Dropped, RowRule, choose_rows, select_columns
from mmlego.data.reading.pieces import rows_of_patients
from mmlego.errors import InputError, LegoError
from mmlego.wording import listed

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
        name = self.file or ""
        if name.lower().rstrip("/").endswith(CONTAINERS):
            return self._read_container(folder, modality, taken)
        if self.layer is not None or self.modality is not None:
            raise InputError(f"{modality}: {name!r} has no layers or modalities", expected=listed(CONTAINERS))
        return self._choose(folder.table(name), folder.key, modality, taken)

    def _read_container(
        self, folder: Folder, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        path = folder.file(self.file or "", folders=True)
        with open_annotated(path) as data:
            try:
                part = self._part(data, modality, folder.key)
                part = replace(part, patients=list(folder.ids_of_rows(part.patients, modality)))
                names = name_columns(part.genes, modality)
                chosen = select_columns(self.columns, names, modality)
                place = {gene: number for number, gene in enumerate(names)}
                columns = None if chosen == names else np.array([place[gene] for gene in chosen])
                frame, notes = rows_of_patients(part, columns, self.rows, modality)
            except LegoError as error:
                raise type(error)(f"{path.name!r}: {error}") from error
        frame, more = choose_rows(frame, None, "*", "error", modality, taken)
        return frame, [*notes, *more]

    def _part(self, data: Annotated, modality: str, key: str) -> Part:
        parts = data.parts()
        if not parts and self.modality is None and not (self.file or "").lower().endswith(".h5mu"):
            return part_of(data, layer=self.layer, key=key)
        only = parts[0] if len(parts) == 1 and modality not in parts else modality
        return part_of_whole(data, self.modality or only, layer=self.layer, key=key)

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
