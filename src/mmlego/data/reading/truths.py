"""Yes and no, however they are written: ``yes``, ``TRUE``, ``t``, ``Y`` are one word in a column of nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.spellings import number_of
from mmlego.wording import label

if TYPE_CHECKING:
    import pandas as pd

# By family the word for yes and the word for no; letters and digits mean other things, too.
_FAMILIES = (("yes", "no"), ("true", "false"), ("on", "off"), ("y", "n"), ("t", "f"), ("1", "0"))
_VALUES = {word: value for yes, no in _FAMILIES for word, value in ((yes, True), (no, False))}
_LONG = frozenset(word for family in _FAMILIES[:3] for word in family)
# A letter is the beginning of one of these, where both of it are there.
_BEGUN = {"y": ("yes", "no"), "n": ("yes", "no"), "t": ("true", "false"), "f": ("true", "false")}


def truth_of(word: str) -> bool | None:
    """Return whether a word says yes or no; None if neither.

    Parameters
    ----------
    word
        A cell, in any case.

    Examples
    --------
    >>> truth_of("TRUE"), truth_of("No"), truth_of("f"), truth_of("1"), truth_of("maybe")
    (True, False, False, True, None)
    """
    return _VALUES.get(word.strip().casefold())


def truths_of(words: Collection[str], *, alone: bool = False) -> dict[str, bool] | None:
    """Return what each word of a column says, if the column is yes or no; else None.

    It is that if all its words say yes or no, and both are there: of ``F`` alone nobody knows. A letter needs the other
    one of its kind beside it, or the words that it is the beginning of; and numbers alone are numbers.

    Parameters
    ----------
    words
        The words, none of which means that nothing is known.
    alone
        Whether one of yes, no, TRUE, FALSE, on and off suffices: where numbers belong, they can be nothing else.

    Examples
    --------
    >>> truths_of(["yes", "no", "TRUE"]), truths_of(["T", "F"])
    ({'yes': True, 'no': False, 'TRUE': True}, {'T': True, 'F': False})
    >>> truths_of(["F", "M"]), truths_of(["F"]), truths_of(["Y", "F"]), truths_of(["1", "0"]), truths_of(["yes", "1"])
    (None, None, None, None, None)
    """
    values = {word: truth_of(word) for word in words}
    folded = {word.strip().casefold() for word in words}
    if alone and folded and folded <= _LONG:
        return {word: bool(value) for word, value in values.items()}
    whole = [family for family in _FAMILIES if folded >= set(family)]
    if None in values.values() or not any(family != ("1", "0") for family in whole):
        return None
    for word in folded - _LONG:
        if not any(word in family for family in whole) and _BEGUN.get(word) not in whole:
            return None
    return {word: bool(value) for word, value in values.items()}


def met(words: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Return which known category each word stands for: the same, the same number, or what says yes or no as it does.

    Parameters
    ----------
    words
        The words of a column.
    known
        The categories.

    Examples
    --------
    >>> met(["TRUE", "FALSE", "maybe"], ["no", "unknown", "yes"])
    {'TRUE': 'yes', 'FALSE': 'no'}
    >>> met(["F", "M"], ["no", "yes"]), met(["0", "1", "2"], ["no", "yes"]), met(["0", "1"], ["no", "yes"])
    ({}, {}, {'0': 'no', '1': 'yes'})
    >>> met(["FALSE"], ["no", "planned", "done"]), met(["yes"], ["F", "M"])
    ({}, {})
    >>> met(["1.0", "2", "01"], ["1", "2.0"])
    {'1.0': '1', '2': '2.0'}
    """
    own = set(known)
    found = {word: word for word in words if word in own}
    numbers: dict[float, list[str]] = {}
    for word in known:
        if (number := number_of(word)) is not None:
            numbers.setdefault(number, []).append(word)
    for word in words:
        same = numbers.get(number, []) if (number := number_of(word)) is not None else []
        if word not in own and len(same) == 1:
            found[word] = same[0]
    meant = _meanings(known)
    left = [word for word in words if word not in found and not is_missing(word)]
    if not meant or not left:
        return found
    sure = all(truth_of(word) is not None for word in left)  # F beside M is no no
    for word in left:
        value = truth_of(word)
        if value in meant and (sure or word.strip().casefold() in _LONG):
            found[word] = meant[value]
    return found


def _meanings(known: Sequence[str]) -> Mapping[bool | None, str]:
    """Return which category says yes, and which no, where that is one each, or there is but one."""
    said = [word for word in known if not is_missing(word)]
    long = [word for word in said if word.casefold() in _LONG]
    if truths_of(said) is None and not len(said) == len(long) == 1:
        said = long if {truth_of(word) for word in long} == {True, False} else []
    meanings = {truth_of(word): word for word in said}
    return meanings if len(meanings) == len(said) else {}  # yes and TRUE may be two of its categories


def as_numbers(column: pd.Series) -> NDArray[np.float64]:
    """Return a column of yes and no as 1 and 0, NaN where it holds nothing, or another word.

    Parameters
    ----------
    column
        Words, truth values, or the numbers 1 and 0.

    Examples
    --------
    >>> import pandas as pd
    >>> as_numbers(pd.Series(["yes", "FALSE", None, "1"])).tolist()
    [1.0, 0.0, nan, 1.0]
    """
    import pandas as pd

    codes, values = pd.factorize(column.astype(object).to_numpy())
    said = [truth_of(label(value)) for value in values]
    return np.array([*(np.nan if value is None else float(value) for value in said), np.nan])[codes]
