"""Columns of genes hold numbers: a cell that is none is missing where it says so, and refused elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.omics.number_forms import number_in
from mmlego.data.reading.dialect import NULLS
from mmlego.data.reading.missing import is_missing, told_missing, without_codes
from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.data.reading.signs import doubt_of_sign, ways_of_sign
from mmlego.data.reading.truths import truths_of
from mmlego.data.reading.word_forms import other_form
from mmlego.data.reading.words import as_number, numbers_among
from mmlego.errors import InputError, fault, named
from mmlego.wording import counted, label, listed, quoted, shortened

if TYPE_CHECKING:
    import pandas as pd


def only_numbers(
    frame: pd.DataFrame,
    missing: Collection[str],
    where: str,
    decimal: str = ".",
    *,
    declared: str | None = None,
) -> tuple[pd.DataFrame, list[Dropped]]:
    """Return a table of numbers.

    Parameters
    ----------
    frame
        The table, a column a gene.
    missing
        Words that mean that nothing is known, beside the usual ones.
    where
        The modality, for messages.
    decimal
        The decimal sign of the file.
    declared
        The one that the section declares; the other one then parts thousands.

    Raises
    ------
    InputError
        If a cell is neither a number nor says that it is missing; the column, the words and how often are named.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"TP53": ["1.5", "NA", "[Not Available]"], "MDM2": [1.0, 2.0, 3.0]})
    >>> found, notes = only_numbers(table, [], "rna")
    >>> found["TP53"].tolist(), str(notes[0])
    ([1.5, nan, nan], "rna: read as missing: '[Not Available]' 1×")
    """
    import pandas as pd

    codes = numbers_among(missing)
    places = [place for place, kind in enumerate(frame.dtypes) if getattr(kind, "kind", "O") not in "iufb"]
    if not places and not codes:
        return frame, []
    made: dict[int, NDArray[np.float64]] = {}
    odd: dict[str, Counter[str]] = {}
    gone: Counter[str] = Counter()
    texts: list[str] = []
    truths: list[str] = []
    for place in places:
        name, column = str(frame.columns[place]), frame.iloc[:, place]
        cells = column.astype(object).where(column.notna(), None)
        if (said := _said(cells, missing)) is not None:
            cells = cells.map(lambda cell, said=said: said.get(cell.strip(), cell) if isinstance(cell, str) else cell)
            truths.append(name)
        made[place], wrong, lost = _read(cells, missing, codes, decimal, declared)
        gone += lost
        if wrong:
            odd[name] = wrong
            if sum(wrong.values()) * 2 > cells.notna().sum():
                texts.append(name)
    _refuse(odd, texts, where, signs=declared is None)
    others = np.setdiff1d(np.arange(frame.shape[1]), places)
    numbers = frame.iloc[:, others].to_numpy(na_value=np.nan, dtype=np.float64 if places else None)
    numbers = numbers if numbers.dtype.kind in "iuf" else numbers.astype(np.float64)
    numbers, lost = without_codes(numbers, codes)
    gone += lost
    notes = told_missing(gone, where)
    if declared is not None:
        cells_of = ([str(cell).strip() for cell in frame.iloc[:, place].dropna()] for place in places)
        if doubt := next(filter(None, (doubt_of_sign(cells, declared) for cells in cells_of)), ""):
            notes.append(Doubtful(where, doubt))
    if truths:
        notes = [Noted(where, f"yes and no read as 1 and 0: {listed(truths)}"), *notes]
    if not places and not lost:
        return frame, []
    values = np.empty((frame.shape[1], len(frame)), dtype=np.result_type(numbers, np.float32) if not places else float)
    values[others] = numbers.T  # (f, n), as pandas keeps a table of one type
    for place, numbers in made.items():
        values[place] = numbers
    return pd.DataFrame(values.T, frame.index, frame.columns, copy=False), notes


def _refuse(odd: dict[str, Counter[str]], texts: Sequence[str], where: str, *, signs: bool) -> None:
    """Refuse words where numbers belong: those of columns of text, and those among numbers."""
    words = list(dict.fromkeys(word for found in odd.values() for word in found))
    if signs and (way := ways_of_sign(words)):
        what = f"{where}: {counted(len(odd), 'column')} with cells that are no numbers ({_shown(odd, list(odd))})"
        fault(InputError(what, expected="numbers", remedy=way))
        return
    if texts:
        remedy = "Say which columns are genes, as columns: 'ENSG*'; the others may be a modality of kind: table."
        what = f"{where}: {counted(len(texts), 'column')} of text among the genes ({_shown(odd, texts)})"
        fault(InputError(what, expected="numbers", remedy=remedy))
        odd = {name: found for name, found in odd.items() if name not in texts}
    if odd:
        cells_of = counted(sum(sum(found.values()) for found in odd.values()), "cell")
        remedy = f"Mend them; if they mean that nothing is known, say so, as missing: [{_quoted(odd)}]."
        if all(other_form(word.strip()) for found in odd.values() for word in found):
            remedy = "Write numbers alone, in one unit and with a decimal point."
        what = f"{where}: {cells_of} that are no numbers ({_shown(odd, list(odd))})"
        fault(InputError(what, expected="numbers, or an empty cell", remedy=remedy))


def _said(cells: pd.Series, missing: Collection[str]) -> dict[str, float] | None:
    """Return what the words of a column say that is yes and no; None of any other."""
    words = {cell.strip() for cell in cells if isinstance(cell, str)}
    said = truths_of([word for word in words if word not in missing and not is_missing(word)], alone=True)
    return None if said is None else {word: float(value) for word, value in said.items()}


def _read(
    cells: Iterable[Any], missing: Collection[str], codes: Collection[float], decimal: str, declared: str | None
) -> tuple[NDArray[np.float64], Counter[str], Counter[str]]:
    """Return numbers, the words that are none, and those that say that nothing is known."""
    values, odd, gone = [], Counter[str](), Counter[str]()
    for cell in cells:
        values.append(np.nan)
        if cell is None:
            continue
        number = isinstance(cell, bool | int | float | np.number | np.bool_)
        word = str(cell) if isinstance(cell, str) else _word(cell)
        value = float(cell) if number else number_in(word, decimal, declared)
        if word in missing or (codes and (as_number(word.strip(), ".") if value is None else value) in codes):
            gone[word] += 1
        elif value is not None:
            values[-1] = value
        elif not is_missing(word):
            odd[word] += 1
        elif word.strip() not in NULLS:
            gone[word] += 1
    return np.array(values, dtype=np.float64), odd, gone


def _word(cell: Any) -> str:
    return label(cell) if np.isscalar(cell) else f"a cell of {type(cell).__name__}"


def _shown(odd: dict[str, Counter[str]], names: Sequence[str]) -> str:
    return listed((f"{name}: {_words(odd[name])}" for name in names), named(4))


def _words(words: Counter[str]) -> str:
    return listed((f"{shortened(word)!r} {count}×" for word, count in words.most_common()), 3)


def _quoted(odd: dict[str, Counter[str]]) -> str:
    words: Counter[str] = Counter()
    for found in odd.values():
        words += found
    return ", ".join(quoted(word) for word, _ in words.most_common(3))
