"""What each column of a table was taken for, for a person to look at before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmlego.data.reading.column_rules import Found
from mmlego.data.reading.date_numbers import told_counted_dates
from mmlego.data.reading.likely_codes import likely_codes, told_codes
from mmlego.wording import counted, label, listed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Taken:
    """What a column was taken for.

    Parameters
    ----------
    column
        Its name.
    taken
        ``number``, ``yes/no``, ``categories``, what dates became, or ``left out``.
    values
        The smallest and the largest number, or the categories with how many patients have each; why it is left out.
    missing
        How many patients have no value.
    doubt
        What may be wrong with it.
    """

    column: str
    taken: str
    values: str
    missing: int
    doubt: str = ""


def columns_taken(
    frame: pd.DataFrame, found: Found | None, left: Mapping[str, str], *, by_column: bool = True
) -> list[Taken]:
    """Return what each column was taken for.

    Parameters
    ----------
    frame
        Rows by patient.
    found
        What was found when the table was read; None if it was not.
    left
        The columns that were left out, and why.
    by_column
        Whether ``missing:`` of the section may name columns.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [50.0, None], "sex": pd.Categorical(["f", "m"])})
    >>> for column in columns_taken(table, None, {"Unnamed: 0": "numbers the rows"}):
    ...     print(column.column, column.taken, column.values, column.missing)
    age number 50 to 50 1
    sex categories f 1, m 1 0
    Unnamed: 0 left out numbers the rows 0
    """
    said = {} if found is None else found.taken
    doubts = {} if found is None else found.doubts
    columns = []
    for name in frame.columns:
        column, word = frame[name], kind_of(frame[name], said.get(name))
        known = column.dropna()
        if word == "categories":
            counts = known.astype(object).map(label).value_counts(sort=False).sort_index()
            values = listed((f"{value} {count}" for value, count in counts.items()), 6)
        elif word == "yes/no":
            values = f"yes {int(known.astype(float).sum())}, no {int((known.astype(float) == 0).sum())}"
        else:
            values = f"{known.min():g} to {known.max():g}" if len(known) else "none"
        doubt = [doubts[str(name)]] if str(name) in doubts else []
        if word == "number" and (codes := likely_codes(numbers := known.to_numpy(dtype=np.float64))):
            doubt.append(told_codes(codes, numbers, str(name) if by_column else None))
        if word == "number" and (told := told_counted_dates(str(name), known.to_numpy(dtype=np.float64))):
            doubt.append(told)
        columns.append(Taken(str(name), word, values, len(column) - len(known), "; ".join(doubt)))
    return [*columns, *(Taken(name, "left out", why, 0) for name, why in left.items())]


def kind_of(column: pd.Series, said: str | None = None) -> str:
    """Return what a column was taken for, in a word.

    Parameters
    ----------
    column
        The column.
    said
        What was found when it was read.

    Examples
    --------
    >>> import pandas as pd
    >>> kind_of(pd.Series([1.0])), kind_of(pd.Series([True])), kind_of(pd.Series(["a"]))
    ('number', 'yes/no', 'categories')
    """
    if said is not None:
        return said
    kind = getattr(column.dtype, "kind", "O")
    return "yes/no" if kind == "b" else "number" if kind in "iuf" else "categories"


def in_short(frame: pd.DataFrame, found: Found | None, left: Mapping[str, str]) -> str:
    """Return in one line how many columns were taken for what.

    Parameters
    ----------
    frame, found, left
        As :func:`columns_taken` takes them.

    Examples
    --------
    >>> import pandas as pd
    >>> in_short(pd.DataFrame({"age": [50.0], "bmi": [25.0], "sex": pd.Categorical(["f"])}), None, {})
    '2 numbers, 1 of categories (sex 1)'
    """
    said = {} if found is None else found.taken
    kinds = frame.dtypes.to_numpy()
    plain = [name for name, kind in zip(frame.columns, kinds, strict=True) if getattr(kind, "kind", "O") in "iuf"]
    numbers = sum(str(name) not in said for name in plain)
    seen = set(plain)
    others = [name for name in frame.columns if name not in seen or str(name) in said]
    words = {str(name): kind_of(frame[name], said.get(str(name))) for name in others}
    parts = [counted(numbers, "number")] if numbers else []
    categories = [f"{name} {frame[name].nunique()}" for name, word in words.items() if word == "categories"]
    if categories:
        parts.append(f"{len(categories)} of categories ({listed(categories)})")
    truths = [name for name, word in words.items() if word == "yes/no"]
    if truths:
        parts.append(f"{len(truths)} yes or no ({listed(truths)})")
    parts += [f"{name}: {word}" for name, word in words.items() if word not in ("categories", "yes/no")]
    if left:
        parts.append(f"left out: {listed(f'{name} ({why})' for name, why in left.items())}")
    return ", ".join(parts)
