"""Which rows of a table of measurements count: as ``where`` says, and none that the table itself calls an error."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.series.values import DOUBTED
from mmlego.data.reading.chosen_rows import Where, chosen_rows
from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.remarks import Doubtful
from mmlego.data.reading.tables import TableFile
from mmlego.data.reading.truths import truth_of
from mmlego.errors import InputError
from mmlego.wording import counted, label, quoted

if TYPE_CHECKING:
    import pandas as pd

# Flags of MIMIC and eICU: what was recorded in error is no measurement, and every pipeline leaves it out; a warning
# says that a value is unusual, which it may well be.
ERRORS = ("error", "iserror", "is_error")
WARNINGS = ("warning", "iswarning", "is_warning")
# What an order that was withdrawn or written anew says of itself.
CANCELLED = {"statusdescription": ("rewritten", "cancelled", "canceled"), "cancelreason": ("1", "2", "3", "4")}


def rows_of_measurements(
    frame: pd.DataFrame, table: TableFile, where: Where, columns: Collection[str | None], place: str
) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows that count, and notes of the others.

    Rows of which a column ``error`` or ``iserror`` says yes, in any of its forms, are left out, as in MIMIC they are
    no measurements; unless ``where`` names the column. Warnings, and orders that were cancelled, are doubted.

    Parameters
    ----------
    frame
        The rows of the table.
    table
        The file.
    where
        By column the words of the rows that count.
    columns
        Those that the section names, which are no flags.
    place
        The name of the file, for messages.

    Raises
    ------
    InputError
        If no row counts.
    """
    notes: list[str] = []
    flags = [name for name in table.names if name not in columns]
    kept = np.ones(len(frame), dtype=bool)
    if where:
        wanted = [name for name in where if name in table.names]
        cells = table.frame(wanted, wanted) if wanted else frame
        kept, said = chosen_rows(where, {name: cells[name] for name in wanted}, list(table.names), place)
        notes += [f"{DOUBTED if isinstance(note, Doubtful) else ''}{note}" for note in said]
    for name in (one for one in flags if one not in where):
        if (flag := name.casefold()) in ERRORS and (wrong := _says_yes(frame[name])) is not None and wrong.any():
            if not (kept & ~wrong).any():
                remedy = f"If they are measurements all the same, declare where: {{{quoted(name, bare=True)}: '*'}}."
                raise InputError(f"{place}: {name!r} says of all rows that they are errors", remedy=remedy)
            if count := int((kept & wrong).sum()):
                way = f"where: {{{quoted(name, bare=True)}: '*'}} takes them"
                notes.append(f"{place}: {counted(count, 'row')} whose {name!r} says that they are errors; {way}")
            kept &= ~wrong
        elif flag in WARNINGS and (odd := _says_yes(frame[name])) is not None and (count := int((kept & odd).sum())):
            words = _others(frame[name][~odd])
            notes.append(
                f"{DOUBTED}{place}: {counted(count, 'row')} with a {name!r}, which count: leave them out by "
                f"where: {{{quoted(name, bare=True)}: {words}}} if they are no measurements"
            )
        elif flag in CANCELLED:
            gone = (
                frame[name].map(lambda cell, flag=flag: label(cell).casefold() in CANCELLED[flag]).to_numpy(dtype=bool)
            )
            if count := int((kept & gone).sum()):
                text = f"whose {name!r} says that they were cancelled, which count: leave them out by where: "
                notes.append(
                    f"{DOUBTED}{place}: {counted(count, 'row')} {text}{{{name}: {_others(frame[name][~gone])}}}"
                )
    return (frame if kept.all() else frame[kept].reset_index(drop=True)), notes


def _says_yes(column: pd.Series) -> NDArray[np.bool_] | None:
    """Return which cells say yes; None where some say neither yes nor no, as numbers of an error do.

    A word for what is not known, as ``?``, says no more than an empty cell.
    """
    words = {cell: label(cell) for cell in column.dropna().unique().tolist()}
    said = {cell: truth_of(word) for cell, word in words.items() if not is_missing(word)}
    if None in said.values():
        return None
    return column.map(said).eq(True).to_numpy(dtype=bool)


def _others(column: pd.Series) -> str:
    """Return the words of a column as a list of YAML, with an empty one where cells are empty."""
    words = [quoted(label(word)) for word in column.dropna().unique().tolist()][:12]
    return f"[{', '.join([*words, *([chr(39) * 2] if column.isna().any() else [])])}]"
