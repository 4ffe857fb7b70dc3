"""Tables that lie the other way round than they are declared: refused, with the key that turns them."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.omics.gene_rows import ABOUT_GENES
from mmlego.data.kinds.omics.mutations import BARCODE, CLASS
from mmlego.data.kinds.omics.text_matrix import find_header, open_text
from mmlego.errors import InputError
from mmlego.wording import listed

if TYPE_CHECKING:
    import pandas as pd

# Names of a first column that a table with a row a patient may have as well.
EITHER = frozenset({"id", "name", "identifier", "length", "start", "end"})


def refuse_genes_in_rows(folder: Folder, name: str, where: str) -> None:
    """Refuse a table whose columns are samples, as Xena, cBioPortal and GEO give it out.

    Parameters
    ----------
    folder
        Where the files lie, and who the patients are.
    name
        The file.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If patients stand in its first line and not in the column of the key, or that line names genes; or if it is a
        MAF.
    """
    path = folder.file(name)
    if name.lower().endswith((".parquet", ".xlsx")):
        return
    with open_text(path, whole=False) as content:
        try:
            header = find_header(content, path.name)
        except (InputError, OSError, EOFError, zlib.error):
            return  # what is wrong with it, the reader of tables says
    if {BARCODE, CLASS} <= set(header.names):
        raise InputError(
            f"{where}: {name!r} has a line a mutation, not a row a patient",
            remedy="Say so, as format: maf, and a matrix is made of it; sequenced: says who was looked at.",
        )
    place = header.names.index(folder.key) if folder.key in header.names else 0
    why = turned(header.names, [row[place] for row in header.rows], folder.key, folder.patients)
    if why is not None:
        raise InputError(
            f"{where}: {name!r} has genes in rows and samples in its columns ({why})",
            expected="a row a patient",
            remedy="Say so, as genes: rows, and the matrix is turned.",
        )


def turned(known: Sequence[str], first: Iterable[str], key: str, patients: Collection[str] | None) -> str | None:
    """Return why a table seems to have genes in rows, or None if it does not.

    Parameters
    ----------
    known
        The names of its columns.
    first
        What stands in the first rows of the column of the key, or of the first one where there is none.
    key
        The column of patient ids.
    patients
        The patients with an outcome, where they are known.

    Examples
    --------
    >>> turned(["sample", "P001", "P002-01"], ["TP53"], "id", {"P001", "P002", "P003"})
    'P001, P002-01 in its first line'
    >>> turned(["id", "TP53"], ["P1"], "id", {"P1", "P2"}) is None
    True
    """
    if patients:
        inside = _theirs([name for name in known if name != key], patients)
        return f"{listed(inside, 3)} in its first line" if inside and not _theirs(first, patients) else None
    about = known[0].strip().casefold() in ABOUT_GENES - EITHER
    return f"the first of them is {known[0]!r}" if about and key not in known else None


def refuse_patients_in_rows(frame: pd.DataFrame, key: str, patients: Collection[str] | None, where: str) -> None:
    """Refuse a table of which it is said that genes stand in rows, and patients do.

    Parameters
    ----------
    frame
        The table as it was turned, genes in columns.
    key
        The column of patient ids.
    patients
        The patients with an outcome, where they are known.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If patients stand where genes should.
    """
    inside = _theirs([str(gene) for gene in frame.columns], patients or ())
    if inside and not _theirs([str(name) for name in frame.index], patients or ()):
        raise InputError(
            f"{where}: patients stand in rows ({listed(inside, 3)})",
            expected="genes in rows, as it is declared",
            remedy=f"Leave genes: rows out; the column of patients is {key!r}.",
        )


def refuse_patients_in_columns(
    ids: Iterable[object], genes: Iterable[object], patients: Collection[str] | None, where: str
) -> None:
    """Refuse an AnnData whose observations are genes, as packages of R keep them.

    Parameters
    ----------
    ids
        Whose its rows are.
    genes
        The names of its columns.
    patients
        The patients with an outcome, where they are known.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If patients are its variables, and not its observations.

    Examples
    --------
    >>> refuse_patients_in_columns(["TP53"], ["P001", "P002"], {"P001", "P002"}, "rna")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: rna: patients are the variables (P001, P002): expected observations of patients. ...
    """
    inside = _theirs(map(str, genes), patients or ())
    if inside and not _theirs(map(str, ids), patients or ()):
        raise InputError(
            f"{where}: patients are the variables ({listed(inside, 3)})",
            expected="observations of patients",
            remedy="Write it transposed, as adata.T.write_h5ad(...).",
        )


def _theirs(words: Iterable[str], patients: Collection[str]) -> list[str]:
    """Return the words that are a patient, or begin with one as a barcode of a sample does."""
    known = {patient for patient in patients if patient}
    lengths = sorted({len(patient) for patient in known if len(patient) > 3})
    return [word for word in words if word in known or any(word[:length] in known for length in lengths)]
