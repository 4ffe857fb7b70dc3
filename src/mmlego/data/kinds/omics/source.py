"""Kind ``omics``, its source: one wide matrix, optionally by gene sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from mmlego.data.kinds.expected import Expected
from mmlego.data.kinds.file_sources import OnError
from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.omics.files import CONTAINERS, open_annotated
from mmlego.data.kinds.omics.gene_rows import GeneRows, dated_genes, numbered_genes
from mmlego.data.kinds.omics.gene_sets import read_gmt
from mmlego.data.kinds.omics.layouts import (
    refuse_genes_in_rows,
    refuse_patients_in_columns,
    refuse_patients_in_rows,
)
from mmlego.data.kinds.omics.logarithms import MOST, doubt_of_logarithms
from mmlego.data.kinds.omics.mutations import CHANGING, Mutations
from mmlego.data.kinds.omics.numbers import only_numbers
from mmlego.data.kinds.omics.panels import PanelKeys, SaidOfPanels
from mmlego.data.kinds.omics.preprocess import OmicsPreprocessor
from mmlego.data.kinds.omics.sample_files import SampleFiles
from mmlego.data.kinds.source import Source
from mmlego.data.kinds.tabular.keys import Words
from mmlego.data.kinds.tabular.taken import in_short
from mmlego.data.reading.annotated import Annotated
from mmlego.data.reading.annotated_parts import Part, part_of, part_of_whole
from mmlego.data.reading.annotated_rows import doubt_of_types, rows_that_count
from mmlego.data.reading.containers import settled
from mmlego.data.reading.joins import RowRule, choose_rows, pick, select_columns
from mmlego.data.reading.missing import without_codes
from mmlego.data.reading.names import NamePattern
from mmlego.data.reading.pieces import rows_of_patients
from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.data.reading.settled import SameName, one_of_several, plain
from mmlego.data.reading.signs import refuse_dotted
from mmlego.data.reading.stray_rows import not_genes
from mmlego.data.reading.words import numbers_among
from mmlego.errors import InputError, LegoError
from mmlego.wording import counted, label, listed

if TYPE_CHECKING:
    import pandas as pd


class OmicsSource(Source):
    """A modality of kind ``omics``: a wide matrix, genes in columns or in rows, in one file or one a sample.

    Parameters
    ----------
    file
        The file, relative to the manifest; beside ``pattern`` a table with the key, as a sample sheet of GDC.
    pattern
        How files of one sample each are named: with ``{key}``, or with columns of ``file`` in braces.
    format
        ``matrix``, or ``maf``: a line a mutation.
    genes
        Whether genes stand in ``columns`` and patients in rows, or genes in ``rows``.
    gene_column
        The column that names genes where they stand in rows, in a MAF, or in ``var``.
    samples
        Which columns are samples where genes stand in rows, as names or globs.
    same_name
        What becomes of rows of one gene: ``error``, ``first``, ``mean``, ``sum`` or ``max``.
    value
        The column of values of files of one sample each.
    on_error
        Of files of one sample each that cannot be read: ``raise``, or ``skip``.
    columns
        Genes, as a name or glob, or several.
    missing
        Words in a text that mean that nothing is known, beside the usual ones.
    decimal
        The decimal sign of a text, ``.`` or ``,``; the other one then parts thousands. As the cells show, if not given.
    rows
        What to do where a patient has several rows that differ (samples, cells): ``error``, ``first`` or ``mean``.
    modality
        Which modality of an ``.h5mu``; that of the same name as this section if not given.
    layer
        Which layer of an ``.h5ad`` or ``.h5mu``; ``X`` if not given.
    variants, values, sequenced, panels
        Of a MAF: the classes that count, ``mutated`` (0 or 1) or ``count``, who was sequenced, and by which panels: a
        table of them, or ``same``.
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
    needs: ClassVar[tuple[str, ...]] = ()
    endings: ClassVar[tuple[str, ...]] = (".h5ad", ".h5mu", ".zarr")

    file: str | None = None
    pattern: str | None = None
    format: Literal["matrix", "maf"] = "matrix"
    genes: Literal["columns", "rows"] = "columns"
    gene_column: str | None = None
    samples: str | list[str] | None = None
    same_name: SameName = "error"
    value: str | None = None
    on_error: OnError = "raise"
    columns: str | list[str] = "*"
    missing: Words = Field(default_factory=list)
    decimal: Literal[".", ","] | None = None
    rows: RowRule = "error"
    modality: str | None = None
    layer: str | None = None
    variants: str | list[str] = Field(default_factory=lambda: list(CHANGING))
    values: Literal["mutated", "count"] = "mutated"
    sequenced: str | None = None
    panels: SaidOfPanels = None
    log1p: bool = False
    keep: int | None = Field(default=None, ge=1)
    gene_sets: str | None = None
    smallest: int = Field(default=5, ge=1)
    _sets: dict[str, tuple[str, ...]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        name = (self.file or "").lower().rstrip("/")
        contained = name.endswith(CONTAINERS) or (self.file is None and self.pattern is None)  # in memory
        belongs = {  # to which layouts a key belongs that others would not heed
            "modality": (contained, f"a {', '.join(CONTAINERS)}"),
            "layer": (contained, f"a {', '.join(CONTAINERS)}"),
            "missing": (self.format != "maf", "matrices"),
            "decimal": (self.format != "maf" and not contained, "matrices in text or tables"),
            "samples": (self.genes == "rows", "genes: rows"),
            "same_name": (
                contained or self.genes == "rows" or self.pattern is not None,
                "genes: rows, pattern: or a container",
            ),
            "value": (self.pattern is not None, "pattern:"),
            "on_error": (self.pattern is not None, "pattern:"),
            "variants": (self.format == "maf", "format: maf"),
            "values": (self.format == "maf", "format: maf"),
            "sequenced": (self.format == "maf", "format: maf"),
            "panels": (self.format == "maf", "format: maf"),
            "gene_column": (
                contained or self.genes == "rows" or self.pattern is not None or self.format == "maf",
                "genes: rows, pattern:, format: maf or a container",
            ),
        }
        for key, (fits, where) in belongs.items():
            if key in self.model_fields_set and not fits:
                raise ValueError(f"{key}: belongs to {where}")
        layouts = {"genes: rows": self.genes == "rows", "format: maf": self.format == "maf"}
        layouts |= {"pattern:": self.pattern is not None, f"file: {self.file}": name.endswith(CONTAINERS)}
        chosen = [layout for layout, is_so in layouts.items() if is_so]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} do not go together")
        if self.pattern is not None:
            NamePattern(self.pattern, alone=self.file is None)
        return self

    def of_rows(self) -> bool:
        """Return whether rows, observations or lines of a MAF are samples, of which some may count."""
        return self.genes == "columns" and super().of_rows()

    def unheeded(self) -> tuple[str, Sequence[str]]:
        """Return that without gene sets none is too small."""
        return "a matrix without gene_sets:", () if self.gene_sets else ("smallest",)

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the chosen columns, a row a patient, and the gene sets."""
        self._read_sets(None if self.gene_sets is None else folder.file(self.gene_sets))
        name = self.file or ""
        if not name and self.pattern is None:
            raise InputError(
                f"{modality} names no file", remedy="Add file: to the section, or pattern: of a file a sample."
            )
        if name.lower().endswith((".h5", ".hdf5")):
            remedy = (
                "Of 10x: scanpy.read_10x_h5(FILE) with a column of obs that says whose each cell is, .write(NAME.h5ad)."
            )
            expected = "a table, .h5ad, .h5mu or .zarr"
            raise InputError(f"{modality}: {name!r} does not say whose its rows are", expected=expected, remedy=remedy)
        if name.lower().rstrip("/").endswith(CONTAINERS):
            return self._read_container(folder, modality, taken)
        if self.pattern is not None:
            keys = {"file", "pattern", "rows", "value", "gene_column", "same_name", "on_error", "decimal"}
            said = self.model_dump(include=keys) | {"missing": self._words()}
            frame, notes = SampleFiles(**said).frame(folder, modality, taken)
        elif self.format == "maf":
            frame, notes = self._mutations().read(name, folder, self.columns, modality)
        elif self.genes == "rows":
            frame, notes = self._gene_rows().read(folder.file(name), modality)
            refuse_patients_in_rows(frame, folder.key, folder.patients, modality)
            frame = frame.set_axis(folder.ids(list(frame.index), modality), axis=0)
        else:
            refuse_genes_in_rows(folder, name, modality)
            opened = folder.opened(name)
            dotted = opened.dotted if opened.decimal == "." else ()  # of which 1.234 may be a thousand and more
            frame = folder.table(name, text=dotted if self.decimal is None else ["*"])
            if self.decimal is None:
                refuse_dotted(frame, dotted, modality)
            return self._choose(frame, folder.key, modality, taken, decimal=opened.decimal, expected=folder.expected)
        if self.format != "maf":
            frame = frame.set_axis(folder.expected.named([str(gene) for gene in frame.columns], modality), axis=1)
        return self._choose(frame, None, modality, taken, notes, expected=folder.expected)

    def _read_container(
        self, folder: Folder, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        path = folder.file(self.file or "", folders=True)
        with open_annotated(path) as data:
            try:
                part, own = self._part(data, modality, folder.key)
                part = replace(part, patients=list(folder.ids_of_rows(part.patients, modality)))
                part, left = rows_that_count(part, own, data, folder.where, folder.key, modality)
                refuse_patients_in_columns(part.patients, part.genes, folder.patients, modality)
                whole, part = part, settled(part, modality, self._words(), self.same_name)
                names = folder.expected.named([str(gene) for gene in part.genes], modality)
                absent: list[str] | None = [] if folder.expected.lenient else None
                chosen = select_columns(self.columns, names, modality, absent=absent)
                left = [
                    *left,
                    *self._logarithms(whole, modality),
                    *doubt_of_types(whole, modality, None if chosen == names else set(chosen)),
                ]
                place = {gene: number for number, gene in enumerate(names)}
                columns = None if chosen == names else np.array([place[gene] for gene in chosen])
                part = replace(part, genes=[*names])
                frame, notes = rows_of_patients(part, columns, self.rows, modality)
                notes = [*left, *notes]
            except LegoError as error:
                raise type(error)(f"{path.name!r}: {error}") from error
        if absent:
            notes.append(
                Noted(modality, f"{counted(len(absent), 'column')} of the manifest not there ({listed(absent)})")
            )
        named = [self.columns] if isinstance(self.columns, str) else self.columns
        frame, more = choose_rows(frame, None, "*", "error", modality, taken, known={*named, *folder.expected.known})
        frame, said = self._genes_alone(frame, modality)
        genes = list(map(str, frame.columns))
        return frame, [*notes, *said, *dated_genes(genes, modality), *numbered_genes(genes, modality), *more]

    def _part(self, data: Annotated, modality: str, key: str) -> tuple[Part, Annotated]:
        """Return the matrix, and the AnnData that it is of."""
        parts = data.parts()
        if not parts and self.modality is None and not (self.file or "").lower().endswith(".h5mu"):
            return part_of(data, layer=self.layer, key=key, gene_column=self.gene_column), data
        only = parts[0] if len(parts) == 1 and modality not in parts else modality
        name = self.modality or only
        part = part_of_whole(data, name, layer=self.layer, key=key, gene_column=self.gene_column)
        return part, data.part(name)

    def _logarithms(self, part: Part, modality: str) -> list[Doubtful]:
        """Return the doubt that a matrix holds logarithms already, by its first rows."""
        if not self.log1p or not part.genes:
            return []
        head = part.matrix[: max(1, MOST // len(part.genes))]
        return doubt_of_logarithms(without_codes(plain(head), numbers_among(self._words()))[0], modality)

    def _gene_rows(self) -> GeneRows:
        return GeneRows(self.gene_column, self.samples, self.same_name, tuple(self._words()), self.decimal)

    def _mutations(self) -> Mutations:
        return Mutations(self.variants, self.values, self.sequenced, self.gene_column, self.panels, self.rows_where())

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the chosen columns of a table in memory, a row a patient, and read the gene sets."""
        self._read_sets(None if self.gene_sets is None else Path(self.gene_sets))
        if self.layer is not None or self.modality is not None:
            remedy = "Leave them out, or use Cohort.from_mudata."
            raise InputError(f"{modality}: a table in memory has no layers or modalities", remedy=remedy)
        if self.format == "maf":
            raise InputError(
                f"{modality}: mutations in memory are not counted", remedy="Describe the MAF in a manifest."
            )
        if self.genes == "rows":
            frame, notes = self._gene_rows().turn(frame, modality)
            return self._choose(frame, None, modality, taken, notes)
        return self._choose(frame, key, modality, taken)

    def _choose(
        self,
        frame: pd.DataFrame,
        key: str | None,
        modality: str,
        taken: Sequence[str],
        notes: Sequence[Dropped] = (),
        *,
        decimal: str = ".",
        expected: Expected | None = None,
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        frame = frame.set_axis([str(column) for column in frame.columns], axis=1)
        frame, told = self._one_each(frame, modality)

        def read(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
            picked = pick(rows, columns)
            numbers, found = only_numbers(picked, self._words(), modality, decimal, declared=self.decimal)
            told.extend(found)
            if self.log1p:
                told.extend(doubt_of_logarithms(numbers.to_numpy(), modality))
            return numbers

        lenient, known = (False, ()) if expected is None else (expected.lenient, expected.known)
        chosen, more = choose_rows(
            frame, key, self.columns, self.rows, modality, taken, read, lenient=lenient, known=known
        )
        if self.genes == "columns" and self.pattern is None:  # elsewhere it was said where rows were read
            told.extend(dated_genes(list(chosen.columns), modality))
            if self.format != "maf":
                chosen, said = self._genes_alone(chosen, modality)
                told.extend(said)
        if self.format != "maf":
            told.extend(numbered_genes(list(chosen.columns), modality))
        return chosen, [*notes, *told, *more]

    def _genes_alone(self, frame: pd.DataFrame, modality: str) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return a matrix without counts of reads that belong to no gene, but for those that are named."""
        named = {self.columns} if isinstance(self.columns, str) else set(self.columns)
        places, said = not_genes([str(gene) for gene in frame.columns], modality, named)
        return (frame.drop(columns=[frame.columns[place] for place in places]) if places else frame), said

    def _one_each(self, frame: pd.DataFrame, modality: str) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return a table in memory whose columns of one name are one, as the section says."""
        again = [str(name) for name in frame.columns[frame.columns.duplicated()].unique()]
        if not again:
            return frame, []
        if self.same_name == "error":
            remedy = "Rename them, or declare what becomes of them, as same_name: mean (or first, sum, max)."
            raise InputError(f"{modality}: columns of the same name ({listed(again)})", remedy=remedy)
        made, notes = frame.loc[:, ~frame.columns.duplicated()].copy(), list[Dropped]()
        for name in again:
            numbers, told = only_numbers(frame.loc[:, frame.columns == name], self._words(), modality)
            made[name] = one_of_several(numbers.to_numpy(dtype=np.float64, na_value=np.nan), self.same_name)
            notes += told
        text = f"{counted(len(again), 'gene')} with several columns: {self.same_name} of them"
        return made, [*notes, Dropped(modality, text)]

    def _words(self) -> list[str]:
        """Return the words that mean that nothing is known."""
        return [label(word) for word in self.missing]

    def _read_sets(self, path: Path | None) -> None:
        self._sets.clear()
        if path is not None:
            self._sets.update(read_gmt(path))

    def in_short(self, frame: pd.DataFrame) -> str:
        """Return in one line what the columns were taken for: numbers, all of them; and how many are missing."""
        values = frame.to_numpy()
        missing = sum(int(np.isnan(row).sum()) for row in values) if values.dtype.kind == "f" else 0
        told = f" ({missing} of {values.size} values missing)" if missing else ""
        return in_short(frame, None, {}) + told

    def fit(self, frame: pd.DataFrame) -> OmicsPreprocessor:
        """Return preprocessing fitted on training rows."""
        return OmicsPreprocessor.fit(
            frame,
            log1p=self.log1p,
            keep=self.keep,
            sets=self._sets,
            smallest=self.smallest,
            zeros=self.format == "maf" and not isinstance(self.panels, PanelKeys),
            min_patients=self.least(frame),
        )
