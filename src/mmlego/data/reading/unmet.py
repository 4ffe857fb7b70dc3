"""Words of a section that nothing in a file meets: rather misspelt than meant, and what they name is lost."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from mmlego.data.reading.column_rules import fits
from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.remarks import Doubtful, Noted
from mmlego.data.reading.spellings import number_of
from mmlego.errors import InputError, fault
from mmlego.wording import listed, nearest

_LETTERS = re.compile(r"[^\W\d_]")


def unmet(wanted: Iterable[str], met: Collection[str], others: Sequence[str]) -> dict[str, str | None]:
    """Return the words that nothing meets, each with the word of the file that may be meant; None: there is none.

    Parameters
    ----------
    wanted
        The words of the section.
    met
        Those of them that something meets.
    others
        The words of the file that meet none. A number stands for no other one.

    Examples
    --------
    >>> unmet(["Tumor", "metastasis", "-9"], ["Tumor"], ["Metastasis", "-99"])
    {'metastasis': 'Metastasis', '-9': None}
    """
    found = [word for word in dict.fromkeys(wanted) if word not in met]
    return {word: nearest(word, others) if _LETTERS.search(word) else None for word in found}


def told_unmet(found: Mapping[str, str | None], what: str) -> str:
    """Return that words are met by nothing, as a clause; nothing if there are none.

    Parameters
    ----------
    found
        What :func:`unmet` returns.
    what
        What does not meet them, as ``no row of 'type' is``.

    Examples
    --------
    >>> told_unmet({"metastasis": "Metastasis", "blood": None}, "where: no row of 'type' is")
    "where: no row of 'type' is 'metastasis' (did you mean 'Metastasis'?), 'blood'"
    """
    words = (f"{word!r}" + (f" (did you mean {near!r}?)" if near is not None else "") for word, near in found.items())
    return f"{what} {listed(words)}" if found else ""


def doubts_of_unmet(found: Mapping[str, str | None], what: str, where: str) -> list[Doubtful]:
    """Return the doubt that words are met by nothing; one that is a word of the file but for its spelling is refused.

    A word that only stands in a longer one, as ``Metastatic`` in ``Additional Metastatic``, may well be another, which
    these patients happen not to have.

    Parameters
    ----------
    found, what
        As :func:`told_unmet` takes them.
    where
        The section, for messages.

    Raises
    ------
    InputError
        If a word of the file is spelt otherwise.

    Examples
    --------
    >>> [str(doubt) for doubt in doubts_of_unmet({"blood": None}, "where: no row of 'type' is", "rna")]
    ["rna: where: no row of 'type' is 'blood'; mend it if it is misspelt"]
    >>> doubts_of_unmet({"metastasis": "Metastasis"}, "where: no row of 'type' is", "rna")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: rna: where: no row of 'type' is 'metastasis' (did you mean 'Metastasis'?). ...
    """
    slips = {word: near for word, near in found.items() if near is not None and not _held(word, near)}
    if slips:
        remedy = "Write it as the file has it, or leave it out."
        fault(InputError(f"{where}: {told_unmet(slips, what)}", remedy=remedy))
    rest = {word: near for word, near in found.items() if word not in slips}
    return [Doubtful(where, f"{told_unmet(rest, what)}; mend it if it is misspelt")] if rest else []


def unmet_missing(
    missing: Mapping[str, Sequence[str]],
    columns: Sequence[str],
    gone: Mapping[str, Collection[str]],
    kept: Mapping[str, Sequence[str]],
    where: str,
) -> list[Noted]:
    """Return the note that no column holds a word for "missing"; where a category is near it, as a doubt.

    Parameters
    ----------
    missing
        The words by column or glob, ``*`` for all. Beside numbers none is named: other codes are doubted by their size.
    columns
        The columns of the table.
    gone
        By column the words that were read as missing.
    kept
        By column its categories.
    where
        The modality.

    Examples
    --------
    >>> kept = {"stage": ["I", "n.k."]}
    >>> for note in unmet_missing({"*": ["n.k", "-9"]}, ["age", "stage"], {"age": ["-9.0"]}, kept, "clinical"):
    ...     print(note)
    clinical: missing: no column holds 'n.k' (did you mean 'n.k.'?)
    """
    notes: list[Noted] = []
    for pattern, said in missing.items():
        here = [name for name in columns if pattern == "*" or fits(name, [pattern])]
        words = {word.casefold() for name in here for word in gone.get(name, ())}
        numbers = {number_of(word) for word in words} - {None}
        met = {word for word in said if is_missing(word) or word.casefold() in words or number_of(word) in numbers}
        found = unmet(said, met, [word for name in here for word in kept.get(name, ())])
        what = f"missing: no {'column' if pattern == '*' else f'cell of {pattern!r}'} holds"
        for kind, near in ((Doubtful, True), (Noted, False)):
            if part := {word: one for word, one in found.items() if (one is not None) is near}:
                notes.append(kind(where, told_unmet(part, what)))
    return notes


def _held(word: str, longer: str) -> bool:
    """Return whether a word stands in a longer text, between its signs."""
    plain = longer.casefold()
    return len(plain) > len(word) and re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", plain) is not None
