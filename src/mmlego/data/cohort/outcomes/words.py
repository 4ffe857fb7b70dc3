"""Words of a file and of its manifest that mean the same: ``1`` and ``1.0``, ``yes`` and ``TRUE``, ``1:DECEASED``."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeAlias

from mmlego.data.reading.spellings import number_of
from mmlego.data.reading.truths import truth_of
from mmlego.errors import InputError
from mmlego.wording import label, listed

_CODED = re.compile(r"(\d+):(.+)")  # as cBioPortal codes events: 1:DECEASED
_Key: TypeAlias = Callable[[str], Hashable | None]


def words(values: Iterable[object]) -> list[str | None]:
    """Return values as words, None where there is none.

    Parameters
    ----------
    values
        A column, or what a manifest says.

    Examples
    --------
    >>> words([1.0, " a ", None, float("nan"), True])
    ['1', 'a', None, None, 'True']
    """
    return [None if _is_nothing(value) else label(value) for value in values]


def truth(word: str) -> bool | None:
    """Return whether a word says yes or no; None if neither.

    Parameters
    ----------
    word
        One that :func:`words` returns.

    Examples
    --------
    >>> truth("TRUE"), truth("no"), truth("0.0"), truth("2")
    (True, False, False, None)
    """
    number = number_of(word)
    return truth_of(word if number is None else f"{number:g}")


def same_number(first: str, second: str) -> bool:
    """Return whether two words are one number: ``1`` and ``1.0``, but not ``1`` and ``01``, which may be two codes.

    Parameters
    ----------
    first, second
        The words.

    Examples
    --------
    >>> same_number("1", "1.0"), same_number("1", "01")
    (True, False)
    """
    return number_of(first) is not None and number_of(first) == number_of(second)


def meet(found: Iterable[str], declared: Sequence[str], column: str) -> dict[str, str]:
    """Return which declared word each word of a file stands for, where it stands for one.

    A word meets the one that is written alike; else the same number; else the same but for case. Where none meets in
    these ways, ``1:DECEASED`` meets ``1`` and ``DECEASED``, and words that all say yes or no meet those of the same
    meaning.

    Parameters
    ----------
    found
        The words of the file.
    declared
        The words of the manifest.
    column
        The column, for messages.

    Raises
    ------
    InputError
        If a word could stand for several.

    Examples
    --------
    >>> meet(["0.0", "1.0"], ["1"], "died"), meet(["Dead", "Alive"], ["dead"], "status")
    ({'1.0': '1'}, {'Dead': 'dead'})
    >>> meet(["TRUE", "FALSE"], ["yes"], "died"), meet(["1:DECEASED", "0:LIVING"], ["DECEASED"], "status")
    ({'TRUE': 'yes'}, {'1:DECEASED': 'DECEASED'})
    >>> meet(["1", "yes"], ["1"], "died")
    {'1': '1'}
    """
    names = list(dict.fromkeys(found))
    meanings: dict[str, str] = {}
    for key in (str, number_of, str.casefold):
        for word in names:
            if word not in meanings:
                meanings |= _met(word, key(word), declared, key, column)
    if meanings or not names:
        return meanings
    coded = {word: _CODED.fullmatch(word) for word in names}
    if all(coded.values()):
        for word, parts in coded.items():
            hits = [name for name in declared if parts and name.casefold() in (parts[1], parts[2].strip().casefold())]
            meanings |= dict.fromkeys([word], hits[0]) if hits else {}
    elif all(truth(word) is not None for word in (*names, *declared)):
        for word in names:
            meanings |= _met(word, truth(word), declared, truth, column)
    return meanings


def _met(word: str, key: Hashable | None, declared: Sequence[str], key_of: _Key, column: str) -> dict[str, str]:
    hits = [] if key is None else [name for name in dict.fromkeys(declared) if key_of(name) == key]
    if len(hits) > 1:
        raise InputError(
            f"{word!r} of column {column!r} could be several of the words that are declared",
            expected="one of them",
            got=listed(map(repr, hits)),
            remedy="Declare the words as the file has them.",
        )
    return {word: hits[0]} if hits else {}


def _is_nothing(value: object) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value)
