"""Rows and columns that are nobody's and no gene's: sums and means beside the data, names that stand again."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.remarks import Doubtful, Dropped
from mmlego.wording import counted, label, listed

if TYPE_CHECKING:
    import pandas as pd

# What people and programs call what sums up other rows.
_SUMS = frozenset(
    word.strip()
    for word in """
    total|totals|grand total|subtotal|sub-total|sum|sums|overall|mean|means|average|averages|avg|sd|s.d|std|stdev|st dev
    std dev|std. dev|standard deviation|variance|var|median|min|max|minimum|maximum|count|n|se|sem|s.e.m|iqr|range|cv
    mean (sd)|mean sd|mean ± sd|mean±sd|mean +/- sd|median (iqr)|median (range)|n (%)|p|p value|p-value|all patients
    gesamt|summe|mittelwert|durchschnitt|standardabweichung|moyenne|écart-type|somme|media|promedio|suma
    """.replace("\n", "|").split("|")
    if word.strip()
)
_COUNT = re.compile(r"n\s*=\s*\d+")
_GENES = ("MAX", "Max")  # of man and mouse (MYC associated factor X): a maximum where other sums stand beside it
# What counting programs write beside the genes: of reads that belong to none.
NO_GENES = re.compile(
    r"__(?:no_feature|ambiguous|too_low_aQual|not_aligned|alignment_not_unique)|N_(?:unmapped|multimapping|noFeature|ambiguous)"
)


def sums_up(word: str) -> bool:
    """Return whether a row or column of that name sums up others.

    Parameters
    ----------
    word
        The name.

    Examples
    --------
    >>> [sums_up(word) for word in ("Mean", "Total:", "n = 20", "SD", "Meanwhile", "P12")]
    [True, True, True, True, False, False]
    """
    plain = " ".join(re.sub(r"^\W+|[\s.:;*]+$", "", word.strip()).casefold().split())
    return plain in _SUMS or _COUNT.fullmatch(plain) is not None


def sums_among(ids: Iterable[object]) -> list[str]:
    """Return which ids are names of sums, where all others hold digits, as no name of a sum does.

    Parameters
    ----------
    ids
        The ids of a table.

    Examples
    --------
    >>> sums_among(["P1", "P2", "Mean", "SD"]), sums_among(["L", "M", "N"])
    (['Mean', 'SD'], [])
    """
    words = {label(one) for one in ids}
    found = sorted(word for word in words if sums_up(word))
    others = words.difference(found)
    return found if found and others and all(re.search(r"\d", word) for word in others) else []


def stray_rows(frame: pd.DataFrame, key: str | None) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which rows of a table are nobody's ``(n,)``, and why, as clauses.

    Parameters
    ----------
    frame
        The rows, by patient.
    key
        The name of the column of patient ids, if it has one.

    Examples
    --------
    >>> import pandas as pd
    >>> rows, why = stray_rows(pd.DataFrame({"age": ["50", "age", "61"]}, index=["P1", "id", "Mean"]), "id")
    >>> rows.tolist(), why
    ([False, True, True], ['1 row of names of columns again (id)', '1 row that sums up others (Mean)'])
    """
    ids = frame.index.unique()
    words = {one: label(one) for one in ids if isinstance(one, str)}
    stray, why = np.zeros(len(frame), dtype=bool), list[str]()
    heads = [one for one, word in words.items() if key is not None and word and _alike(word, key)]
    if heads:
        rows = np.flatnonzero(np.asarray(frame.index.isin(heads)))
        stray[[row for row in rows.tolist() if _is_header(frame, row)]] = True
    if stray.any():
        told = listed(dict.fromkeys(map(str, frame.index[stray])))
        why.append(f"{counted(int(stray.sum()), 'row')} of names of columns again ({told})")
    sums = sums_among(one for one in ids if one not in set(frame.index[stray]))
    if sums:
        here = np.asarray(frame.index.map(label).isin(sums)) & ~stray
        stray |= here
        why.append(
            f"{counted(int(here.sum()), 'row')} that sum{'s' if here.sum() == 1 else ''} up others ({listed(sums)})"
        )
    return stray, why


def _alike(word: str, key: str) -> bool:
    """Return whether an id is the name of its column, maybe cut short by the form of the ids."""
    return key.casefold().startswith(word.casefold())


def _is_header(frame: pd.DataFrame, row: int) -> bool:
    """Return whether the cells of a row are the names of their columns."""
    cells = zip(frame.columns, frame.iloc[row], strict=True)
    return all(str(cell).strip() == str(name).strip() for name, cell in cells if not (cell is None or cell != cell))


def not_genes(genes: Sequence[str], where: str, named: Collection[str] = ()) -> tuple[list[int], list[Dropped]]:
    """Return the places of reads that belong to no gene, and what is to be said of them, and of sums among genes.

    Parameters
    ----------
    genes
        Names of genes.
    where
        The modality, for messages.
    named
        Those that are named one by one, and are taken.

    Examples
    --------
    >>> places, notes = not_genes(["TP53", "__no_feature", "Total"], "rna")
    >>> places, str(notes[0])
    ([1], 'rna: 1 count of reads that belong to no gene left out (__no_feature)')
    """
    places = [place for place, gene in enumerate(genes) if gene not in named and NO_GENES.fullmatch(gene)]
    sums = [gene for gene in dict.fromkeys(genes) if gene not in named and sums_up(gene)]
    sums = [] if all(gene in _GENES for gene in sums) else sums
    notes: list[Dropped] = []
    if places:
        told = listed(dict.fromkeys(genes[place] for place in places))
        text = f"{counted(len(places), 'count')} of reads that belong to no gene left out ({told})"
        notes.append(Dropped(where, text))
    if sums:
        text = f"{counted(len(sums), 'gene')} called as what sums up others ({listed(sums)})"
        notes.append(Doubtful(where, f"{text}: if it is none, leave it out of the file, or choose columns: without it"))
    return places, notes
