"""Matrices with genes in rows and samples in columns, as Xena, cBioPortal, GEO, GDC and GCT files have them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.omics.geo import doubts_of_samples
from mmlego.data.kinds.omics.number_forms import is_number
from mmlego.data.kinds.omics.numbers import only_numbers
from mmlego.data.kinds.omics.text_matrix import find_header, open_text, read_cells
from mmlego.data.reading.joins import select_columns
from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.data.reading.settled import SameName, one_of_several
from mmlego.data.reading.stray_rows import not_genes, sums_among
from mmlego.data.reading.tables import TableFile
from mmlego.errors import InputError
from mmlego.wording import counted, label, listed, meant

if TYPE_CHECKING:
    import pandas as pd

# Columns that describe a gene beside its name, in the files of cBioPortal, Xena, GEO, GDC, GTEx and GISTIC.
ABOUT_GENES = frozenset(
    word.strip()
    for word in """
    hugo_symbol|entrez_gene_id|gene_symbol|gene symbol|gene|genes|symbol|gene_id|gene id|gene_name|gene name|genename
    gene_type|gene type|biotype|gene_biotype|description|name|id|id_ref|identifier|entrez|entrezid|entrez_id|locus id
    cytoband|chr|chrom|chromosome|chromstart|chromend|start|end|strand|length|gene_length|ensembl|ensembl_id|ensembl id
    ensembl_gene_id|composite element ref|composite_element_ref|composite.element.ref|hybridization ref|probe|probe_id
    probeid|probeset_id|transcript_id|transcript_id(s)|uniprot|cpg|genomic_coordinate|entity_stable_id|geneid
    gene_short_name|tracking_id|target_id|hgnc_symbol|hgnc_id|entrezgene|refseq|unigene|accession|geneset|locus
    """.replace("\n", "|").split("|")
    if word.strip()
)
# 1-Mar, 2-Sep, Mar-01, 2024-03-01: what Excel makes of MARCH1, SEPT2, MARC1.
BARCODE = re.compile(r"(?P<who>TCGA[-.]\w{2}[-.]\w{4})[-.](?P<type>[01])\d")  # 01 to 09 are tumours, 10 to 19 are not
DATED = re.compile(
    r"\d{1,2}-(?:mar|sept?|dec|oct|apr|nov|feb)|(?:mar|sept?|dec)-\d{1,2}|\d{4}-\d\d-\d\d(?: 00:00:00)?", re.IGNORECASE
)


@dataclass(frozen=True)
class GeneRows:
    """What is read of a matrix with genes in rows.

    Parameters
    ----------
    gene_column
        The column that names the genes; None: the first.
    samples
        The columns of samples, as names or globs; None: all that do not describe genes.
    same_name
        What becomes of rows of one gene: ``error``, ``first``, ``mean``, ``sum`` or ``max``.
    missing
        Words that mean that nothing is known, beside the usual ones.
    decimal
        The decimal sign of text, ``.`` or ``,``; the other one then parts thousands. None: as the cells show.
    """

    gene_column: str | None = None
    samples: str | Sequence[str] | None = None
    same_name: SameName = "error"
    missing: tuple[str, ...] = ()
    decimal: str | None = None

    def read(self, path: Path, where: str) -> tuple[pd.DataFrame, list[Dropped]]:
        r"""Return a file as a table, a row a sample.

        Parameters
        ----------
        path
            Text with commas, tabs or semicolons between cells, plain, ``.gz`` or ``.zip``; Parquet; or Excel. Of text,
            lines above the names of the samples that begin with ``#``, ``!`` or ``^`` are left out, and the end of a
            series of GEO.
        where
            The modality, for messages.

        Raises
        ------
        InputError
            If the file cannot be read so; the message names the column, the gene or the cells.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "mrna.txt"
        ...     _ = path.write_text("Hugo_Symbol\tEntrez_Gene_Id\tP1\tP2\nTP53\t7157\t0.5\t1.5\nNA\t1\t2\t3\n")
        ...     table, notes = GeneRows().read(path, "rna")
        >>> table.to_dict("index"), str(notes[0])
        ({'P1': {'TP53': 0.5, 'NA': 2.0}, 'P2': {'TP53': 1.5, 'NA': 3.0}}, 'rna: 1 column beside the names of ...')
        """
        if path.name.lower().endswith(".parquet"):
            return self.turn(_parquet(path), where)
        if path.name.lower().endswith(".xlsx"):
            if self.gene_column is None:
                remedy = "Say which column names the genes, as gene_column: Gene."
                raise InputError(f"{where}: genes in rows of {path.name!r}", expected="gene_column:", remedy=remedy)
            book = TableFile(path, self.gene_column)
            frame, notes = self.turn(book.frame(), where)
            said: list[Dropped] = [Noted(where, f"{path.name}: {note}") for note in book.notes]
            said += [Doubtful(where, f"{path.name}: {doubt}") for doubt in book.doubts]
            return frame, [*said, *notes]
        with open_text(path) as content:
            header = find_header(content, path.name)
            names, samples, notes = self._columns(header.names, header.rows, where)
            cells = read_cells(content, header, names, samples, where, self.missing, self.decimal)
            found = [header.names[place] for place in samples]
            notes += doubts_of_samples(content, header, found, path.name, where)
        return self.table(cells.names, found, cells.values, where, [*notes, *cells.notes])

    def turn(self, frame: pd.DataFrame, where: str) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return a table in memory with genes in rows as one with a row a sample.

        Parameters
        ----------
        frame
            Genes in rows, named by a column or by the index.
        where
            The modality, for messages.

        Raises
        ------
        InputError
            If it cannot be read so.

        Examples
        --------
        >>> import pandas as pd
        >>> GeneRows().turn(pd.DataFrame({"P1": [1.0, 2.0]}, index=["TP53", "MDM2"]), "rna")[0].to_dict("index")
        {'P1': {'TP53': 1.0, 'MDM2': 2.0}}
        """
        import pandas as pd

        if self.gene_column is None and not isinstance(frame.index, pd.RangeIndex):
            frame = frame.reset_index()
        known = [str(name) for name in frame.columns]
        rows = [[_written(cell) for cell in row] for row in frame.head(20).itertuples(index=False)]
        place, samples, notes = self._columns(known, rows, where)
        genes = [_written(cell) for cell in frame.iloc[:, place]]
        chosen, told = only_numbers(frame.iloc[:, samples], self.missing, where, declared=self.decimal)
        values = chosen.to_numpy(dtype=float, na_value=np.nan)
        notes = [*notes, *told]
        return self.table(genes, [known[i] for i in samples], values, where, notes)

    def _columns(
        self, known: Sequence[str], rows: Sequence[Sequence[str]], where: str
    ) -> tuple[int, list[int], list[Dropped]]:
        """Return the place of the column of names, and those of the samples."""
        place = 0
        if self.gene_column is not None:
            if self.gene_column not in known:
                raise InputError(
                    f"{where}: no column {self.gene_column!r} names genes", remedy=meant(self.gene_column, known)
                )
            place = list(known).index(self.gene_column)
        elif not known[0].strip() and _numbered([row[0] for row in rows if row]):
            remedy = f"Say which column names the genes, as gene_column: {known[1] or 'NAME'}."
            raise InputError(f"{where}: the first column numbers the rows", expected="names of genes", remedy=remedy)
        others = [number for number in range(len(known)) if number != place]
        if self.samples is not None:
            wanted = set(select_columns(self.samples, [known[number] for number in others], where))
            left = [number for number in others if known[number] not in wanted]
            notes = [Dropped(where, f"{counted(len(left), 'column')} that samples: leaves out")] if left else []
            return place, [number for number in others if known[number] in wanted], notes
        about = [
            number for number in others if known[number].strip().casefold() in ABOUT_GENES or not known[number].strip()
        ]
        sums = set(sums_among([known[number] for number in others if number not in set(about)]))
        about = [number for number in others if number in set(about) or known[number] in sums]
        samples = [number for number in others if number not in set(about)]
        if not samples:
            raise InputError(f"{where}: no column of a sample", got=listed(known, 6))
        names = listed(known[number] or "one without a name" for number in about)
        text = f"{counted(len(about), 'column')} beside the names of genes left out: {names}"
        return place, samples, [Dropped(where, text)] if about else []

    def table(
        self,
        names: Sequence[str],
        samples: Sequence[str],
        values: NDArray[np.float64],
        where: str,
        notes: Sequence[Dropped] = (),
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return values with genes in rows as a table with a row a sample; each gene has a name and stands once.

        Parameters
        ----------
        names
            Of the ``f`` genes.
        samples
            Of the ``n`` samples.
        values
            Numbers ``(f, n)``.
        where
            The modality, for messages.
        notes
            What was noted before.

        Raises
        ------
        InputError
            If a gene has several rows, and it is not said what becomes of them.
        """
        import pandas as pd

        genes, notes = [name.strip() for name in names], list(notes)
        bare = [row for row, name in enumerate(genes) if not name]
        if bare:
            notes = [*notes, Dropped(where, f"{counted(len(bare), 'row')} without the name of a gene left out")]
            kept = np.setdiff1d(np.arange(len(genes)), bare)
            genes, values = [genes[row] for row in kept.tolist()], values[kept]
        counts, said = not_genes(genes, where)
        if counts:
            kept = np.setdiff1d(np.arange(len(genes)), counts)
            genes, values = [genes[row] for row in kept.tolist()], values[kept]
        notes += [*said, *dated_genes(genes, where), *_normal(samples, where)]
        again = [name for name, count in Counter(genes).items() if count > 1]
        if again and self.same_name == "error":
            raise InputError(
                f"{where}: {counted(len(again), 'gene')} with several rows ({listed(again)})",
                expected="each gene once",
                remedy="Declare what becomes of them, as same_name: mean (or first, sum, max).",
            )
        if again:
            genes, values = _one_each(genes, values, set(again), self.same_name)
            notes = [
                *notes,
                Dropped(where, f"{counted(len(again), 'gene')} with several rows: {self.same_name} of them"),
            ]
        index = pd.Index(list(samples), dtype=object)
        return pd.DataFrame(values.T, index, pd.Index(genes, dtype=object), copy=False), notes


def dated_genes(genes: Sequence[str], where: str) -> list[Noted]:
    """Return a note of genes that are called as dates.

    Parameters
    ----------
    genes
        Their names.
    where
        The modality.

    Examples
    --------
    >>> [str(note) for note in dated_genes(["TP53", "1-Mar"], "rna")]
    ['rna: 1 gene called as dates, as Excel writes MARCH1 and SEPT2: 1-Mar']
    """
    dated = [name for name in genes if DATED.fullmatch(name)]
    if not dated:
        return []
    text = f"{counted(len(dated), 'gene')} called as dates, as Excel writes MARCH1 and SEPT2: {listed(dated)}"
    return [Noted(where, text)]


def numbered_genes(genes: Sequence[str], where: str) -> list[Dropped]:
    """Return the doubt that genes are called by their numbers, as programs call those whose names were lost.

    Parameters
    ----------
    genes
        Their names.
    where
        The modality.

    Examples
    --------
    >>> [str(doubt) for doubt in numbered_genes(["0", "1", "2"], "rna")]
    ['rna: genes are called 0 to 2, as if their names were lost: a model would know them by their place alone']
    """
    for start in (0, 1):
        if len(genes) > 1 and list(genes) == [str(number) for number in range(start, start + len(genes))]:
            text = f"genes are called {genes[0]} to {genes[-1]}, as if their names were lost"
            return [Doubtful(where, f"{text}: a model would know them by their place alone")]
    return []


def _one_each(
    genes: Sequence[str], values: NDArray[np.float64], again: set[str], rule: SameName
) -> tuple[list[str], NDArray[np.float64]]:
    """Return each gene once; what is missing in one of its rows is taken from the others."""
    place: dict[str, list[int]] = {}
    for row, name in enumerate(genes):
        place.setdefault(name, []).append(row)
    made = values[[rows[0] for rows in place.values()]]
    for number, (name, rows) in enumerate(place.items()):
        if name in again:
            made[number] = one_of_several(values[rows].T, rule)
    return list(place), made


def _numbered(words: Sequence[str]) -> bool:
    """Return whether the words are 0, 1, 2, … or 1, 2, 3, …."""
    if len(words) < 2 or not all(is_number(word) for word in words):
        return False
    start = float(words[0])
    return start in (0, 1) and [float(word) for word in words] == [start + step for step in range(len(words))]


def _written(cell: Any) -> str:
    return "" if cell is None or cell != cell else label(cell)


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        frame: pd.DataFrame = parquet.read_table(path).to_pandas()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"cannot read the table {path.name!r} ({error})", expected="Parquet") from error
    return frame


def _normal(samples: Sequence[str], where: str) -> list[Dropped]:
    """Return the doubt that samples of normal tissue stand beside tumours of the same patients, by barcodes of TCGA."""
    found = [(sample, match) for sample in samples if (match := BARCODE.match(sample))]
    tumours = {match["who"] for _, match in found if match["type"] == "0"}
    normal = [sample for sample, match in found if match["type"] == "1" and match["who"] in tumours]
    if not normal:
        return []
    what = f"{counted(len(normal), 'sample')} of normal tissue or blood ({listed(normal, 2)})"
    sign = normal[0][4]
    way = f"samples: 'TCGA{sign}??{sign}????{sign}0*' takes the tumours alone"
    return [Doubtful(where, f"{what}, whose patients have tumours in the file, too: {way}")]
