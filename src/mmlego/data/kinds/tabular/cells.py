"""Cells of a table as numbers, words, yes or no, when preprocessing is fitted or used."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.truths import as_numbers, truth_of
from mmlego.errors import InputError
from mmlego.wording import label, listed, quoted

if TYPE_CHECKING:
    import pandas as pd


def yes_as_one(
    frame: pd.DataFrame, numeric: Sequence[str], truths: Collection[str], like: Collection[str]
) -> pd.DataFrame:
    """Return a table whose columns of yes and no are 1 and 0, however they are written.

    Parameters
    ----------
    frame
        The table.
    numeric
        The columns that were numbers in training.
    truths
        Those of them that were yes or no.
    like
        Those that had no other numbers than 1 and 0.

    Raises
    ------
    InputError
        If a column is yes or no and was numbers in training, or the other way round.

    Examples
    --------
    >>> import pandas as pd
    >>> yes_as_one(pd.DataFrame({"smoker": ["TRUE", "no", None]}), ["smoker"], ["smoker"], [])["smoker"].tolist()
    [1.0, 0.0, nan]
    """
    kinds = dict(zip(frame.columns, (getattr(kind, "kind", "O") for kind in frame.dtypes), strict=True))
    made = {}
    for name in numeric:
        if kinds[name] in "mMc" or (kinds[name] in "iuf" and name not in truths):
            continue
        try:
            words = [word for word in words_of(frame[name])[1] if not is_missing(word)]
        except TypeError:  # lists and the like have no hash; they are refused as numbers are
            continue
        said = [word for word in words if truth_of(word) is not None and word not in ("0", "1")]
        odd = [word for word in words if truth_of(word) is None]
        known = name in truths or name in like
        if said and not odd and not known:
            raise InputError(
                f"column {name!r} holds yes and no",
                expected="numbers, as in training",
                got=listed(map(repr, said)),
                remedy="Give the column that the model was trained on another name, or leave this one out.",
            )
        if odd and (name in truths or (said and known)):
            words_ = ", ".join(map(quoted, odd[:8]))
            raise InputError(
                f"column {name!r} holds something else than yes and no",
                expected="yes and no, or 1 and 0, as in training",
                got=listed(map(repr, odd)),
                remedy="Mend them, or if they mean that nothing is known, declare in the section of the modality: "
                f"missing: {{{quoted(name, bare=True)}: [{words_}]}}.",
            )
        if said and known:
            made[name] = as_numbers(frame[name])
    return frame.assign(**made) if made else frame


def blanked(frame: pd.DataFrame, missing: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return a table whose words for missing are missing, where it still has them.

    Parameters
    ----------
    frame
        The table.
    missing
        By column the words.
    """
    made = {}
    for name, words in missing.items():
        if name in frame.columns and frame[name].dtype.kind not in "iufbmM":
            gone = frame[name].map(lambda cell, words=frozenset(words): isinstance(cell, str) and cell.strip() in words)
            if gone.astype(bool).any():
                made[name] = frame[name].astype(object).mask(gone.astype(bool), None)
    if made:
        frame = frame.copy(deep=False)
        for name, column in made.items():
            frame[name] = column
    return frame


def others(frame: pd.DataFrame, numeric: Sequence[str]) -> list[str]:
    """Return the columns that are not among some.

    Parameters
    ----------
    frame
        The table.
    numeric
        Some of its columns.
    """
    numbers = set(numeric)
    return [name for name in frame.columns if name not in numbers]


def with_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns have texts for names.

    Parameters
    ----------
    frame
        The table.

    Raises
    ------
    InputError
        If two have one name.
    """
    frame = frame.copy(deep=False)
    frame.columns = [str(name) for name in frame.columns]
    again = frame.columns[frame.columns.duplicated()]
    if len(again):
        raise InputError(f"columns of the same name ({listed(dict.fromkeys(again))})", remedy="Rename or drop them.")
    return frame


def is_numeric(column: pd.Series) -> bool:
    """Return whether a column holds numbers or truth values, and no words.

    Parameters
    ----------
    column
        The column.

    Raises
    ------
    InputError
        If it holds neither, as dates.
    """
    from pandas.api import types

    if types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype):
        return True
    found = types.infer_dtype(column, skipna=True)
    if found in ("string", "categorical", "mixed", "mixed-integer", "empty"):
        return False
    if found in ("boolean", "integer", "floating", "mixed-integer-float", "decimal"):
        return True
    raise InputError(
        f"column {column.name!r} is of a type that a table cannot have",
        expected="numbers, booleans or text",
        got=found,
        remedy="Turn dates into numbers, say days since admission.",
    )


def words_of(column: pd.Series) -> tuple[NDArray[np.int64], list[str]]:
    """Return which word each cell is, −1 where it is missing, and the words that occur.

    Parameters
    ----------
    column
        The column.
    """
    import pandas as pd

    codes, values = pd.factorize(column.astype(object).to_numpy())
    return codes, [label(value) for value in values]


def truth_values(frame: pd.DataFrame) -> list[str]:
    """Return the columns of truth values.

    Parameters
    ----------
    frame
        The table.
    """
    from pandas.api import types

    kinds = zip(frame.columns, frame.dtypes, strict=True)
    return [
        str(name)
        for name, kind in kinds
        if types.is_bool_dtype(kind)
        or (getattr(kind, "kind", "") == "O" and types.infer_dtype(frame[name], skipna=True) == "boolean")
    ]
