"""Writings of one word: ``Male`` and ``male``, ``1`` and ``1.0`` differ in form alone, and are rarely meant as two."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

from mmlego.data.reading.remarks import Doubtful, Dropped
from mmlego.wording import listed

# Atoms, bonds, rings and branches, as Weininger (1988) writes them; and what no id has.
_SMILES = re.compile(r"(?:Cl|Br|[BCNOPSFIbcnops*]|\[[^\[\]\s]+\]|%\d\d|[-=#$:/\\.()\d])+")
_BONDS = re.compile(r"[=#(\[]|c1c|C1C")
SMILES, BONDED = 0.9, 0.1  # shares of words that look so
_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(\.\d+)?", re.ASCII)


def number_of(word: str) -> float | None:
    """Return the number that a word is; None of any other word, and of ``01``, which may be a code.

    Parameters
    ----------
    word
        One of a column, or a name.

    Examples
    --------
    >>> number_of("1.0"), number_of("01"), number_of("a")
    (1.0, None, None)
    """
    return float(word) if _NUMBER.fullmatch(word) else None


def spelling(word: str) -> str | float:
    """Return what all writings of one word share: its number, or its letters but for case, width and what is not seen.

    Parameters
    ----------
    word
        As :func:`number_of` takes it.

    Examples
    --------
    >>> spelling("Stage  II") == spelling("stage ii"), spelling("1") == spelling("1.0"), spelling("1") == spelling("01")
    (True, True, False)
    """
    number = number_of(word)
    if number is not None:
        return number
    if not word.isascii():  # a space of no width, a hyphen where a line may break
        word = "".join(sign for sign in word if unicodedata.category(sign) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", word).casefold().split())


def alike(words: Iterable[str]) -> list[list[str]]:
    """Return the words that differ in form alone, as ``Male`` and ``male``, ``1`` and ``1.0``.

    Parameters
    ----------
    words
        All of a column, or all names; again and again the same are one.

    Examples
    --------
    >>> alike(["Male", "male", "1", "01"])
    [['Male', 'male']]
    """
    different = list(dict.fromkeys(words))
    plain = all(map(str.isidentifier, different)) and "".join(different).isascii()
    if plain and len(set(map(str.casefold, different))) == len(different):
        return []  # which is told at once, of half a million names too
    groups: dict[str | float, list[str]] = {}
    for word in different:
        groups.setdefault(spelling(word), []).append(word)
    return [sorted(group) for group in groups.values() if len(group) > 1]


def are_smiles(words: Collection[str]) -> bool:
    """Return whether words are SMILES, of which small letters are aromatic atoms: ``c1ccccc1`` is not ``C1CCCCC1``.

    Parameters
    ----------
    words
        All of a column, or all names.

    Examples
    --------
    >>> are_smiles(["c1ccccc1", "C1CCCCC1", "CC(=O)O"]), are_smiles(["C1", "c1", "P02"])
    (True, False)
    """
    alike_smiles = sum(_SMILES.fullmatch(word) is not None for word in words)
    bonds = sum(_BONDS.search(word) is not None for word in words)
    return bool(words) and alike_smiles >= SMILES * len(words) and bonds >= BONDED * len(words)


def told_alike(words: Iterable[str]) -> str:
    """Return which words differ in form alone, to be told; nothing if none do.

    Parameters
    ----------
    words
        As :func:`alike` takes them.

    Examples
    --------
    >>> told_alike(["Male", "male", "f"])
    "'Male' and 'male'"
    """
    return listed((" and ".join(map(repr, group)) for group in alike(words)), 4)


def doubts_of_names(names: Iterable[str], where: str, what: str) -> list[Dropped]:
    """Return the doubt that names of one thing are written in several ways; nothing if none are.

    Parameters
    ----------
    names
        The names.
    where
        The modality.
    what
        What each was taken as, as ``a gene``.

    Examples
    --------
    >>> [str(doubt) for doubt in doubts_of_names(["HR", "hr", "Temp"], "icu", "a variable")]
    ["icu: 'HR' and 'hr' differ in form alone, each a variable of its own; mend the files if they are one"]
    """
    different = list(dict.fromkeys(names))
    told = told_alike(different)
    if told and are_smiles(different):
        told = ""
    text = f"{told} differ in form alone, each {what} of its own; mend the files if they are one"
    return [Doubtful(where, text)] if told else []
