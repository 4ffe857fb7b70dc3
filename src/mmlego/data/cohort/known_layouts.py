"""Layouts that everybody downloads, as a first manifest describes them: genes in rows, MAF, MEDS, stays, containers."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmlego.data.kinds.omics.files import open_annotated
from mmlego.data.kinds.omics.gene_rows import ABOUT_GENES
from mmlego.data.kinds.omics.number_forms import is_number
from mmlego.data.kinds.omics.text_matrix import find_header, open_text
from mmlego.data.reading.annotated import Annotated
from mmlego.data.reading.ids import IdForm
from mmlego.data.reading.normal_tissue import BARCODE, tissue_of, tumours_only
from mmlego.errors import InputError
from mmlego.wording import listed

if TYPE_CHECKING:
    import pandas as pd

MAF = {"Hugo_Symbol", "Variant_Classification", "Tumor_Sample_Barcode"}
MEDS = {"subject_id", "time", "code"}
TIMES = ("iculos", "hours", "hour", "time", "charttime", "minutes", "t")


def id_in(sample: str, ids: Collection[str]) -> str | None:
    """Return the patient whose id a name of a sample begins with, or None.

    Parameters
    ----------
    sample
        The name.
    ids
        The patients.

    Examples
    --------
    >>> id_in("TCGA-AA-0001-01", {"TCGA-AA-0001", "TCGA"}), id_in("P12", {"P1"})
    ('TCGA-AA-0001', None)
    """
    if sample in ids:
        return sample
    ends = [place for place, sign in enumerate(sample) if place and not sign.isalnum()]
    return next((sample[:end] for end in reversed(ends) if sample[:end] in ids), None)


def is_maf(names: Collection[str]) -> bool:
    """Return whether columns are those of a table of mutations.

    Parameters
    ----------
    names
        The columns.

    Examples
    --------
    >>> is_maf(["Hugo_Symbol", "Variant_Classification", "Tumor_Sample_Barcode"])
    True
    """
    return set(names) >= MAF


def is_meds(names: Collection[str]) -> bool:
    """Return whether columns are those of a shard of MEDS.

    Parameters
    ----------
    names
        The columns.

    Examples
    --------
    >>> is_meds(["subject_id", "time", "code", "numeric_value"])
    True
    """
    return set(names) >= MEDS


def time_of(names: Sequence[str]) -> str | None:
    """Return the column of times of a wide stay, None where none is called so.

    Parameters
    ----------
    names
        The columns.

    Examples
    --------
    >>> time_of(["HR", "ICULOS"])
    'ICULOS'
    """
    lower = {name.lower(): name for name in names}
    return next((lower[name] for name in TIMES if name in lower), None)


def genes_in_rows(frame: pd.DataFrame, ids: Collection[str]) -> list[str]:
    """Return the columns of a table that are samples of patients, where genes are its rows; else none.

    Parameters
    ----------
    frame
        The table, as text.
    ids
        The patients.

    Examples
    --------
    >>> import pandas as pd
    >>> genes_in_rows(pd.DataFrame({"gene": ["TP53"], "P1-01": ["2"], "P2-01": ["3"]}), {"P1", "P2"})
    ['P1-01', 'P2-01']
    """
    others = [str(name) for name in frame.columns[1:] if str(name).strip().lower() not in ABOUT_GENES]
    samples = [name for name in others if id_in(name, ids) is not None]
    return samples if len(samples) > 1 and len(samples) * 2 > len(others) else []


def first_rows(path: Path) -> pd.DataFrame | None:
    """Return the first rows of a matrix of numbers, as text; None if the file is no such matrix.

    Lines about it may stand above, as GEO and GCT have them, and the name of the row names may be left out, as R does.

    Parameters
    ----------
    path
        A text table.
    """
    import pandas as pd

    try:
        with open_text(path, whole=False) as content:
            header = find_header(content, path.name)
    except (InputError, OSError, EOFError, zlib.error):
        return None
    cells = [cell for row in header.rows for cell in row[1:]]
    numbers = sum(is_number(cell.replace(",", ".") if header.decimal == "," else cell) for cell in cells)
    if len(header.names) < 3 or numbers * 2 <= len(cells):
        return None
    return pd.DataFrame(header.rows, columns=list(header.names), dtype=object)


def forms(samples: Sequence[str], ids: Collection[str]) -> list[str]:
    """Return the lines that say how names of samples become ids of patients.

    Parameters
    ----------
    samples
        Names of samples.
    ids
        The patients.

    Examples
    --------
    >>> forms(["TCGA-AA-0001-01"], {"TCGA-AA-0001"})
    ['id: {length: 12}  # TCGA-AA-0001-01 is a sample of TCGA-AA-0001', '# rows: first  # if a patient has several']
    """
    owners = {name: owner for name in samples if name not in ids and (owner := id_in(name, ids)) is not None}
    if not owners:
        return []
    longer, owner = next(iter(owners.items()))
    lengths = {len(one) for one in ids}
    tumours = [name for name in owners if BARCODE.match(name) and tissue_of(name) == "tumour"]
    if len(lengths) == 1 and len(tumours) < len(owners) and any(tissue_of(name) == "normal" for name in owners):
        alone = tumours_only(IdForm(length=len(owner)), tumours) if tumours else None
        if alone is not None:
            told = f"{alone.written()}  # tumours alone: {tumours[0]} is a sample of {owners[tumours[0]]}"
            return [told, "# rows: first  # if a patient has several"]
    way = f"length: {len(owner)}" if len(lengths) == 1 else f"pattern: '^(.+?){longer[len(owner)]}'"
    return [f"id: {{{way}}}  # {longer} is a sample of {owner}", "# rows: first  # if a patient has several"]


def known_table(frame: pd.DataFrame, where: str, key: str, ids: Collection[str]) -> list[str]:
    """Return the section of a table in a layout of its own, mutations or genes in rows; nothing of any other.

    Parameters
    ----------
    frame
        The table, as text.
    where
        How the manifest names its file, as YAML.
    key
        The column of patient ids.
    ids
        The patients.
    """
    if is_maf([str(name) for name in frame.columns]):
        samples = [str(cell) for cell in frame["Tumor_Sample_Barcode"].dropna().unique()]
        listed_alone = "sequenced: listed  # doubtful: who has no mutation in the file lacks the modality; name a list"
        return ["kind: omics", f"file: {where}", "format: maf", listed_alone, *forms(samples, ids)]
    samples = [] if key in frame else genes_in_rows(frame, ids)
    return ["kind: omics", f"file: {where}", "genes: rows", *forms(samples, ids)] if samples else []


def container(path: Path, where: str, name: str, key: str, ids: Collection[str]) -> list[tuple[str, list[str]]]:
    """Return the sections of an AnnData, MuData or SpatialData.

    Parameters
    ----------
    path
        The file.
    where
        How the manifest names it, as YAML.
    name
        What a modality would be called.
    key
        The column of patient ids.
    ids
        The patients that tables name.
    """
    with open_annotated(path) as data:
        parts = data.parts()
        if not parts:
            return [(name, [*_head(where), *_rows(data, key, ids)])]
        return [(part, [*_head(where, part), *_rows(data.part(part), key, ids)]) for part in parts]


def _head(where: str, part: str | None = None) -> list[str]:
    return ["kind: omics", f"file: {where}", *([] if part is None else [f"modality: {part}"])]


def _rows(data: Annotated, key: str, ids: Collection[str]) -> list[str]:
    columns, names = data.columns("obs"), data.names("obs")
    if key in columns:
        owners = [str(cell) for cell in data.column("obs", key)]
        several = ["rows: mean  # patients have several cells or samples: first, mean"]
        return [f"# patients are the column {key!r} of obs", *(several if len(set(owners)) < len(owners) else [])]
    lines = ["# patients are the names of the observations"]
    if ids and not set(names) & set(ids):
        found = f"none is a patient ({listed(names, 2)}); columns of obs: {listed(columns, 8) or 'none'}"
        lines.append(f"# doubtful: {found}. Rename the one of patients to {key!r}")
    return lines
