"""How messages name things: a list cut short, the nearest known name, a value as a label."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Sequence

MOST_COMPARED = 5000  # to compare a name with half a million takes as long as to read them


def listed(names: Iterable[object], limit: int = 5) -> str:
    """Name the first few of many things and count the rest.

    Parameters
    ----------
    names
        What to name.
    limit
        How many are spelled out.

    Returns
    -------
    str
        The names, separated by commas.

    Examples
    --------
    >>> listed(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    words = [str(name) for name in names]
    text = ", ".join(words[:limit])
    return text if len(words) <= limit else f"{text} and {len(words) - limit} more"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun in singular or plural.

    Parameters
    ----------
    number
        How many.
    noun
        What, in the singular.

    Examples
    --------
    >>> counted(1, "patient"), counted(2, "row")
    ('1 patient', '2 rows')
    """
    return f"{number} {noun}" + ("" if number == 1 else "s")


def meant(name: str, known: Sequence[str]) -> str:
    """Return the hint ``Did you mean …?`` for a misspelled name, or the list of the known ones.

    Parameters
    ----------
    name
        What was written.
    known
        What could have been written.

    Examples
    --------
    >>> meant("colums", ["columns", "file"])
    "Did you mean 'columns'?"
    >>> meant("zzz", ["columns", "file"])
    'Known: columns, file.'
    """
    compared = known if len(known) <= MOST_COMPARED else _alike(name, known)
    near = difflib.get_close_matches(name, compared, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {listed(known, 12)}." if known else "None is known here."


def _alike(name: str, known: Sequence[str]) -> list[str]:
    """Return the first few of very many names that may be meant: of about the same length, and beginning the same."""
    first = name[:1].casefold()
    close = (other for other in known if abs(len(other) - len(name)) <= 2 and other[:1].casefold() == first)
    return list(itertools.islice(close, MOST_COMPARED))


def label(value: object) -> str:
    """Return a key, class or category as text, so that ``1``, ``1.0`` and ``"1"`` are one and the same.

    Parameters
    ----------
    value
        Any scalar that is not missing.

    Examples
    --------
    >>> label(1.0), label(" a "), label(2.5), label(True)
    ('1', 'a', '2.5', 'True')
    """
    number = getattr(value, "item", None)
    if callable(number):
        value = number()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def shortened(text: str, most: int = 40) -> str:
    """Return a text, its end cut off where it is long.

    Parameters
    ----------
    text
        The text.
    most
        How many characters are kept.

    Examples
    --------
    >>> shortened("CC(C)NCC(O)COc1cccc2ccccc12", 9)
    'CC(C)NCC…'
    """
    return text if len(text) <= most else f"{text[: most - 1]}…"
