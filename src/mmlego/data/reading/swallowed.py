"""Rows that a stray quotation mark has swallowed: all up to the next one are one cell, and their patients are gone."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import BinaryIO

from mmlego.data.reading.dialect import Dialect, whole_lines
from mmlego.data.reading.rows import count_lines
from mmlego.errors import InputError
from mmlego.wording import counted, listed, shortened


def refuse_swallowed(content: BinaryIO, dialect: Dialect, key: str, ids: Collection[str]) -> None:
    r"""Refuse a table in a cell of which lines stand that read as rows: as many cells, and an id like the others.

    Parameters
    ----------
    content
        The table.
    dialect
        As it was found.
    key
        The column of patient ids.
    ids
        Those of all rows that were read.

    Raises
    ------
    InputError
        If there are such lines, and nobody else has their ids.

    Examples
    --------
    >>> import io
    >>> from mmlego.data.reading.dialect import detect
    >>> file = io.BytesIO(b'id,age,note\nP1,50,"x\nP2,60,y\nP3,61,z"\nP4,62,w\n')
    >>> refuse_swallowed(file, detect(file, ",", "id"), "id", ["P1", "P4"])
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: a quotation mark that swallows 2 rows (P2, P3): expected ...
    """
    lines, quotes = count_lines(content, dialect.start)
    width = len(dialect.names)
    if not quotes or lines - 1 <= len(ids) or width < 2:
        return
    known, forms, place = set(ids), {_form(word) for word in ids}, dialect.names.index(key)
    content.seek(dialect.start)
    for line in whole_lines(content):
        first, *more = line.rstrip("\r\n").split("\n")
        cells = [part.split(dialect.separator) for part in more]
        found = [row[place].strip(' "') for row in cells if len(row) == width]
        lost = [word for word in found if word not in known and _form(word) in forms]
        if lost:
            raise InputError(
                f"a quotation mark that swallows {counted(len(lost), 'row')} ({listed(lost)})",
                expected="a row a line",
                got=f"one that begins with {shortened(first.strip(), 60)!r}",
                remedy='Mend the quotation marks: within a cell in quotes, "" stands for one.',
            )


def _form(word: str) -> str:
    """Return an id with one sign for all digits, and one for all letters."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", word))
