"""Which rows of a table count, by what columns say of them: the key ``where`` of a section."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmlego.errors import InputError
from mmlego.wording import counted, label, listed, meant

Where: TypeAlias = Mapping[str, Sequence[str]]


def chosen_rows(
    where: Where, columns: Mapping[str, Iterable[object]], known: Sequence[str], place: str
) -> tuple[NDArray[np.bool_], str]:
    """Return which rows count ``(n,)``, and how many do not, as a clause.

    Parameters
    ----------
    where
        By column the words, or globs, one of which a row has to have in it; in all columns that are named.
    columns
        What these columns hold, row by row; None where a cell is empty.
    known
        The columns that there are.
    place
        The file or the modality, for messages.

    Raises
    ------
    InputError
        If a column is not there, or no row has any of its words.

    Examples
    --------
    >>> chosen_rows({"type": ["Tumor*"]}, {"type": ["Tumor", None, "Normal"]}, ["type"], "rna.csv")
    (array([ True, False, False]), '2 rows left out by where: (type: nothing 1×, Normal 1×)')
    """
    made: NDArray[np.bool_] | None = None
    told = []
    for name, wanted in where.items():
        if name not in columns:
            raise InputError(f"{place}: where: no column {name!r}", remedy=meant(name, known))
        cells = ["" if cell is None or cell != cell else label(cell) for cell in columns[name]]
        counts = Counter(cells)
        fits = {word: any(fits_word(word, one) for one in wanted) for word in counts}
        if not any(fits.values()):
            got = listed([word or "nothing" for word in fits], 8)
            raise InputError(
                f"{place}: where: no row has {listed(map(repr, wanted))} in {name!r}", expected="one of " + got
            )
        here = np.array([fits[cell] for cell in cells], dtype=bool)
        left = [f"{word or 'nothing'} {count}×" for word, count in sorted(counts.items()) if not fits[word]]
        told += [f"{name}: {listed(left)}"] if left else []
        made = here if made is None else made & here
    if made is None or not made.any():
        raise InputError(f"{place}: where: no row has all that is named", expected="at least one")
    return made, f"{counted(int((~made).sum()), 'row')} left out by where: ({'; '.join(told)})"


def fits_word(cell: str, wanted: str) -> bool:
    """Return whether a cell is a word, or fits it as a glob.

    Parameters
    ----------
    cell
        The cell.
    wanted
        The word or glob.

    Examples
    --------
    >>> fits_word("Tumor [1]", "Tumor [1]"), fits_word("Tumor 2", "Tumor*"), fits_word("tumor", "Tumor")
    (True, True, False)
    """
    return cell == wanted or fnmatch.fnmatchcase(cell, wanted)
