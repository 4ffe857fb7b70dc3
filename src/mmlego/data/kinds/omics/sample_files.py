"""A file a sample, of a value a gene: STAR counts of GDC, counts of HTSeq, salmon, kallisto or RSEM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr

from mmlego.data.kinds.file_sources import FileSource
from mmlego.data.kinds.fitted import Preprocessing
from mmlego.data.kinds.omics.gene_rows import GeneRows
from mmlego.data.kinds.omics.number_forms import is_number
from mmlego.data.kinds.omics.text_matrix import find_header, open_text, read_cells
from mmlego.data.reading.remarks import Dropped
from mmlego.data.reading.settled import SameName
from mmlego.errors import InputError
from mmlego.wording import counted, listed, meant

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data.kinds.folder import Folder


class SampleFiles(FileSource):
    r"""The files of a modality of kind ``omics`` that has one a sample.

    Parameters
    ----------
    value
        The column of values; None: the only one of numbers.
    gene_column
        The column that names genes; None: the first.
    same_name
        What becomes of rows of one gene.
    missing
        Words that mean that nothing is known.
    decimal
        The decimal sign; the other one then parts thousands. None: as the cells show.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "p1.counts"
    ...     _ = path.write_text("TP53\t7\nMDM2\t0\n__no_feature\t99\n")
    ...     SampleFiles(pattern="{key}.counts").open(path)
    (['TP53', 'MDM2'], array([7., 0.]))
    """

    kind: Literal["omics"] = "omics"
    cells: ClassVar[str] = "values"
    ways: ClassVar[Mapping[str, str]] = {"first": "the first of each counts", "mean": "their mean counts"}

    value: str | None = None
    gene_column: str | None = None
    same_name: SameName = "error"
    missing: list[str] = Field(default_factory=list)
    decimal: Literal[".", ","] | None = None
    _genes: list[list[str]] = PrivateAttr(default_factory=list)

    def open(self, path: Path) -> tuple[list[str], NDArray[np.float64]]:
        """Return the genes of a file, and a value each."""
        where = repr(path.name)
        with open_text(path) as content:
            header = find_header(content, path.name)
            if all(is_number(name) for name in header.names[1:]) and len(header.names) > 1:  # a line of genes
                header = find_header(content, path.name, named=False)
            names = list(header.names)
            place = self._number(names, self.gene_column, 0)
            words = list(zip(*header.rows, strict=True))
            numbers = [i for i in range(len(names)) if i != place and any(map(is_number, words[i]))]
            if self.value is None and len(numbers) != 1:
                known = listed((names[i] for i in numbers), 12) or "none"
                remedy = f"Say which, as value: {names[numbers[-1]]}." if numbers else None
                raise InputError(
                    f"{where}: {counted(len(numbers), 'column')} of numbers", expected="one", got=known, remedy=remedy
                )
            column = self._number(names, self.value, numbers[0] if numbers else 0)
            found = read_cells(content, header, place, [column], where, self.missing, self.decimal)
        rows = GeneRows(same_name=self.same_name)
        table, _ = rows.table(found.names, ["value"], found.values, where, [])
        genes = [str(gene) for gene in table.columns]
        if self._genes and self._genes[0] == genes:
            genes = self._genes[0]  # once in memory
        else:
            self._genes.append(genes)
        return genes, table.to_numpy()[0]

    def together(self, parts: Sequence[Any]) -> Any:
        """Return the values of a patient, of several files their mean."""
        genes = parts[0][0]
        if any(other is not genes for other, _ in parts):
            raise InputError("files of one patient have other genes", expected="the same genes in all files")
        return genes, np.mean([values for _, values in parts], axis=0)

    def frame(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the values of all patients as a table.

        Parameters
        ----------
        folder, modality, taken
            As :meth:`read` takes them.

        Raises
        ------
        InputError
            If files cannot be read, or differ in their genes.
        """
        import pandas as pd

        self._genes.clear()
        found, notes = self.read(folder, modality, taken)
        cells: list[Any] = found[self.cells].tolist()
        genes = cells[0][0]
        other = [row for row, (names, _) in enumerate(cells) if names is not genes]
        if other:
            names = cells[other[0]][0]
            differ = sorted(set(genes) ^ set(names)) or ["their order"]
            raise InputError(
                f"{modality}: {counted(len(other), 'patient')} whose files have other genes "
                f"({listed(found.index[other])})",
                expected=f"the {len(genes)} genes of {found.index[0]}",
                got=f"{len(names)}, differing in {listed(differ, 3)}",
                remedy="Bring them to one annotation, or choose those alike by pattern:.",
            )
        values = np.stack([values for _, values in cells])
        return pd.DataFrame(values, found.index, pd.Index(genes, dtype=object)), notes

    def fit(self, frame: pd.DataFrame) -> Preprocessing:
        """Refuse: the modality these are the files of is fitted."""
        raise NotImplementedError

    @staticmethod
    def _number(names: Sequence[str], wanted: str | None, otherwise: int) -> int:
        if wanted is None:
            return otherwise
        if wanted not in names:
            raise InputError(f"no column {wanted!r}", remedy=meant(wanted, list(names)))
        return list(names).index(wanted)
