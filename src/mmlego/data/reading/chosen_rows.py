"""Which rows of a table count, by what columns say of them: the key ``where`` of a section."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.remarks import Dropped
from mmlego.data.reading.spellings import number_of
from mmlego.data.reading.unmet import doubts_of_unmet, unmet
from mmlego.errors import InputError
from mmlego.wording import counted, label, listed, meant

Where: TypeAlias = Mapping[str, Sequence[str]]


def chosen_rows(
    where: Where, columns: Mapping[str, Iterable[object]], known: Sequence[str], place: str
) -> tuple[NDArray[np.bool_], list[Dropped]]:
    """Return which rows count ``(n,)``; how many do not, and which words no row has, are noted.

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
        If a column is not there, no row has any of its words, or one of them is spelt otherwise in the rows left out.

    Examples
    --------
    >>> types = {"type": ["Tumor", None, "Normal"]}
    >>> kept, notes = chosen_rows({"type": ["Tumor*", "Blood"]}, types, ["type"], "rna.csv")
    >>> kept, str(notes[0])
    (array([ True, False, False]), 'rna.csv: 2 rows left out by where: (type: nothing 1×, Normal 1×)')
    >>> str(notes[1])
    "rna.csv: where: no row of 'type' is 'Blood'; mend it if it is misspelt"
    """
    made: NDArray[np.bool_] | None = None
    told: list[str] = []
    doubts: list[Dropped] = []
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
        doubts += doubts_of_words(name, wanted, counts, place)
        here = np.array([fits[cell] for cell in cells], dtype=bool)
        left = [f"{word or 'nothing'} {count}×" for word, count in sorted(counts.items()) if not fits[word]]
        told += [f"{name}: {listed(left)}"] if left else []
        made = here if made is None else made & here
    if made is None or not made.any():
        raise InputError(f"{place}: where: no row has all that is named", expected="at least one")
    left_out = f"{counted(int((~made).sum()), 'row')} left out by where: ({'; '.join(told)})"
    return made, [*([] if made.all() else [Dropped(place, left_out)]), *doubts]


def doubts_of_words(column: str, wanted: Sequence[str], cells: Iterable[str], place: str) -> list[Dropped]:
    """Return the doubt that no row has a word that is named beside others, whose rows would be missing unnoticed.

    Parameters
    ----------
    column
        The column.
    wanted
        Its words, or globs.
    cells
        The different cells of the column.
    place
        The file or the modality, for messages.

    Raises
    ------
    InputError
        If a cell that fits none of the words is one but for its spelling.
    """
    here = list(dict.fromkeys(cells))
    met = {word for word in wanted if any(fits_word(cell, word) for cell in here)}
    rest = [cell for cell in here if cell and not any(fits_word(cell, word) for word in wanted)]
    return [*doubts_of_unmet(unmet(wanted, met, rest), f"where: no row of {column!r} is", place)]


def fits_word(cell: str, wanted: str) -> bool:
    """Return whether a cell is a word, the same number, true or false in another case, or fits it as a glob.

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
    >>> fits_word("0.0", "0"), fits_word("TRUE", "True"), fits_word("00", "0")
    (True, True, False)
    """
    if cell == wanted or fnmatch.fnmatchcase(cell, wanted):
        return True
    number, folded = number_of(wanted), wanted.casefold()
    same = number is not None and number_of(cell) == number
    return same or (folded in ("true", "false") and cell.casefold() == folded)
