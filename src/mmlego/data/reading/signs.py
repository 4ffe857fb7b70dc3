"""What commas and points in numbers may be, decimals or thousands: what is doubtful, and what to declare."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from mmlego.data.reading.words import DOTTED, GROUPED, NUMBER, as_number, plain
from mmlego.errors import InputError
from mmlego.wording import counted, listed, quoted

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 3


def doubt_of_sign(words: Collection[str], declared: str, column: str | None = None) -> str:
    """Return that a declared decimal sign may part thousands: all that have it have three digits, beside hundreds.

    Parameters
    ----------
    words
        The words of a column.
    declared
        What ``decimal:`` says of it, ``.`` or ``,``.
    column
        The column, where ``decimal:`` of the section may name it.

    Examples
    --------
    >>> doubt_of_sign(["301", "1,103"], ",")
    "reads '1,103' as 1.103 beside '301': if the sign parts thousands, declare decimal: '.'"
    >>> doubt_of_sign(["301", "1,103", "3,5"], ","), doubt_of_sign(["2", "1,103"], ","), doubt_of_sign(["1,103"], ".")
    ('', '', '')
    """
    cells = {plain(word): word for word in words}
    signed = [number for number in cells if declared in number]
    form = GROUPED if declared == "," else DOTTED
    hundreds = [word for number, word in cells.items() if re.fullmatch(r"[+-]?[1-9]\d{2,}", number)]
    one_sign = all(form.fullmatch(number) and number.count(declared) == 1 for number in signed)
    if not signed or not hundreds or not one_sign or any({",", "."} < {*number} for number in signed):
        return ""
    first, other = cells[signed[0]], {",": ".", ".": ","}[declared]
    read = f"reads {first!r} as {signed[0].replace(',', '.')} beside {hundreds[0]!r}"
    way = repr(other) if column is None else f"{{{quoted(column, bare=True)}: {other!r}}}"
    return f"{read}: if the sign parts thousands, declare decimal: {way}"


def ways_of_sign(words: Collection[str]) -> str:
    """Return what ``decimal:`` of a section may say of words; nothing where they hold no sign that it is about.

    Parameters
    ----------
    words
        Words that are no numbers as they stand.

    Examples
    --------
    >>> ways_of_sign(["1,100"])
    "Say in the section what the comma is: decimal: ',' if '1,100' is 1.1, or decimal: '.' if it is 1100."
    >>> ways_of_sign(["3,5"]), ways_of_sign(["1,100", "lost"]), ways_of_sign(["inf"])
    ("Say in the section what the comma is: decimal: ',' if '3,5' is 3.5.", '', '')
    """
    if not all("," in word or "." in word for word in words):
        return ""
    read = {sign: {word: as_number(word.strip(), sign) for word in words} for sign in (",", ".")}
    ways = [(sign, values) for sign, values in read.items() if words and None not in values.values()]
    if not ways:
        return ""
    first = next(iter(words))
    told = f"decimal: {ways[0][0]!r} if {first!r} is {ways[0][1][first]:.12g}"
    for sign, values in ways[1:]:
        told += f", or decimal: {sign!r} if it is {values[first]:.12g}"
    return f"Say in the section what the {'comma' if ',' in first else 'point'} is: {told}."


class Thousands:
    """Words as 1.234 between semicolons: a thousand and more, unless some cell has other decimals.

    Parameters
    ----------
    looked_for
        Whether they are doubtful at all.

    Examples
    --------
    >>> thousands = Thousands(True)
    >>> thousands.look(["1.234", "301"])
    >>> thousands.refuse("rna")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: rna: 1 cell that may be thousands or decimals, between semicolons: got '1.234'. Say in ...
    >>> thousands.look(["0.5"])
    >>> thousands.refuse("rna")
    """

    def __init__(self, looked_for: bool) -> None:
        self.looked_for = looked_for
        self._count = 0
        self._found: dict[str, None] = {}  # a few of them

    def look(self, words: Iterable[str | None]) -> None:
        """Look at words; one that has other decimals settles it."""
        for word in words if self.looked_for else ():
            if word is not None and "." in word:
                if DOTTED.fullmatch(word.strip()):
                    self._count += 1
                    if len(self._found) < _SHOWN:
                        self._found[word.strip()] = None
                elif NUMBER.fullmatch(word.strip()):
                    self.looked_for = False
                    return

    def refuse(self, where: str) -> None:
        """Refuse them, unless it is settled.

        Parameters
        ----------
        where
            The modality or the file, for the message.

        Raises
        ------
        InputError
            If there are any.
        """
        if self.looked_for and self._found:
            what = f"{where}: {counted(self._count, 'cell')} that may be thousands or decimals, between semicolons"
            raise InputError(what, got=listed(map(repr, self._found)), remedy=ways_of_sign(list(self._found)))


def refuse_dotted(frame: pd.DataFrame, dotted: Sequence[str], where: str) -> None:
    """Refuse columns of a file with semicolons in which 1.234 may be a thousand and more.

    Parameters
    ----------
    frame
        The table, these columns as text.
    dotted
        The columns, as the dialect of the file names them.
    where
        The modality or the file, for the message.

    Raises
    ------
    InputError
        If there are any, and no cell of them has other decimals.
    """
    thousands = Thousands(bool(dotted))
    for name in dotted:
        thousands.look(frame[name].dropna())
    thousands.refuse(where)
