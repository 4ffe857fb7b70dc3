"""Columns that tell patients apart are no features: a model that has seen a name has learnt one patient by heart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmlego.data.reading.column_rules import ColumnRules, fits
from mmlego.data.reading.words import numbers_of_column
from mmlego.errors import InputError, fault, named
from mmlego.wording import counted, label, listed, quoted, shortened

if TYPE_CHECKING:
    import pandas as pd

# Among so many patients a text that hardly repeats names them; of fewer, nothing can be said.
FEWEST = 10
MOST_CATEGORIES = 64
IDENTIFIER = re.compile(
    r"(?:.*[_.\s-])?(?:id|ids|uid|uuid|guid|mrn|nhs|ssn|barcode|accession|record[ _.-]?(?:id|no|number)?"
    r"|(?:patient|subject|case|sample|study|hospital|person|participant)[ _.-]?(?:id|no|nr|num|number|code)?)",
    re.IGNORECASE,
)


def refuse_names(frame: pd.DataFrame, rules: ColumnRules, where: str) -> None:
    """Refuse columns that tell patients apart: names, record numbers, free text, more categories than are any use.

    Parameters
    ----------
    frame
        A row a patient, all that there are: of a part of them, many a category has no two of a kind.
    rules
        What the manifest says: columns declared as numbers or categories are used.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If there are any.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"surname": pd.Categorical([f"name {i}" for i in range(20)])})
    >>> refuse_names(table, ColumnRules(), "clinical")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: clinical: 1 column tells patients apart (surname: 20 values in 20 ...
    """
    found: dict[str, str] = {}
    many: list[str] = []
    for name in _nameable(frame):
        column = frame[name].dropna()
        different = column.nunique()
        if different > MOST_CATEGORIES and fits(name, rules.categories):
            many.append(f"{name}: {different}")
        if fits(name, [*rules.numeric, *rules.categories, *rules.dates]):
            continue
        whole = column.dtype.kind in "iuf"
        telling = different == len(column) if whole else different * 2 > len(column) or different > MOST_CATEGORIES
        if different >= FEWEST and telling and (not whole or (column.to_numpy() % 1 == 0).all()):
            first = label(column.iloc[0])
            found[name] = f"{different} values in {counted(len(column), 'patient')}, as {shortened(first)!r}"
    if many:
        what = f"{where}: more categories than are any use ({listed(many, named(5))})"
        remedy = "Leave the column out of columns:, or group its values."
        fault(InputError(what, expected=f"at most {MOST_CATEGORIES}", remedy=remedy))
    if found:
        verb = "columns tell" if len(found) > 1 else "column tells"
        told = listed((f"{n}: {why}" for n, why in found.items()), named(4))
        remedy = "Leave it out of columns: if it is a name, a number of a record or free text (which kind: text reads)"
        remedy += _declared(frame[list(found)], rules)
        what = f"{where}: {len(found)} {verb} patients apart ({told})"
        fault(InputError(what, expected="features that patients share", remedy=remedy))


def _declared(frame: pd.DataFrame, rules: ColumnRules) -> str:
    """Return what else may be declared of columns: what the section then takes."""
    ways: dict[str, list[str]] = {"numeric": [], "categories": []}
    for name in frame.columns:
        words = {label(cell) for cell in frame[name].dropna().unique()}
        sign = next((sign for pattern, sign in rules.decimal.items() if fits(name, [pattern])), None)
        if None not in numbers_of_column(words, declared=sign, numeric=True).values():
            ways["numeric"].append(quoted(name, bare=True))
        if len(words) <= MOST_CATEGORIES:
            ways["categories"].append(quoted(name, bare=True))
    said = " or ".join(f"{way}: [{', '.join(names)}]" for way, names in ways.items() if names)
    return f"; else declare what it is, as {said}." if said else "; else group its values."


def _nameable(frame: pd.DataFrame) -> list[str]:
    """Return the columns that may tell patients apart: words, and numbers that are called as those of records are."""
    kinds = frame.dtypes.to_numpy()
    return [
        name
        for name, kind in zip(frame.columns, kinds, strict=True)
        if getattr(kind, "kind", "O") not in "iufb" or IDENTIFIER.fullmatch(name)
    ]
