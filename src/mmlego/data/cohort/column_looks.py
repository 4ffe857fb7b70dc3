"""What a column of text seems to hold: numbers, dates, categories, molecules, sentences, a part of an outcome."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmlego.data.reading.columns import BLANK
from mmlego.data.reading.date_forms import is_date
from mmlego.data.reading.dialect import GROUPED, POINT
from mmlego.data.reading.missing import is_missing, is_sign
from mmlego.data.reading.signs import doubt_of_sign
from mmlego.data.reading.telling import FEWEST, IDENTIFIER, MOST_CATEGORIES
from mmlego.data.reading.words import as_number, commas_are_decimal
from mmlego.wording import counted, listed, shortened

if TYPE_CHECKING:
    import pandas as pd

WIDE = 100  # columns of numbers
SHORTEST = 8  # letters of a sequence, on average
SAMPLE = 2000  # rows of a table that are looked at for what a column is

_ENDPOINT = re.compile(r"OS|PFS|PFI|DSS|DFI|DFS|RFS|EFS|DMFS")
_EVENT = re.compile(
    r"event|expire|verstorben|tod(?:$|_)|status|death|dead|died|deceased|vital|censor|relapse|recurrence|progress",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?:^|[_. ])(?:os|pfs|dfs|dss|efs|rfs|ttp|time|days?|weeks?|months?|years?)(?:$|[_. ])|"
    r"survival|follow|length.of.stay|(?:^|_)los(?:$|_)",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^(?:y|label|group|boolean_value|class|target|outcome|diagnosis|response|responder|subtype)$|mortality|readmi|"
    r"(?<!at)_(?:label|class|target|outcome|diagnosis|response)$",
    re.IGNORECASE,
)
_WHEN = re.compile(r"(?:age|year|date|days?|time)(?:$|[_. ])", re.IGNORECASE)  # of a diagnosis, which it is not
_SMILES = re.compile(r"[A-Za-z0-9@+\-\[\]()=#$/\\.%:*]+")


def column_note(column: pd.Series, decimal: str = ".") -> str:
    """Return what a column of text seems to be, as a short comment.

    Parameters
    ----------
    column
        Its cells as text.
    decimal
        The decimal sign of its table.

    Examples
    --------
    >>> import pandas as pd
    >>> column_note(pd.Series(["50", "61", "> 89", None])), column_note(pd.Series(["f", "m", "f"]))
    ("numbers from 50 to 61, 1 empty; doubtful: '> 89' 1×", 'categories: f (2), m (1)')
    """
    cells = column.dropna().str.strip()
    cells = cells[~cells.map(is_sign)]
    empty = len(column) - len(cells)
    more = f", {empty} empty" if empty else ""
    if cells.empty:
        return "empty"
    if cells.map(is_date).mean() > 0.5:
        return f"doubtful: dates, as {cells.iloc[0]}: say what they become under dates:"
    numbers = numbers_of(cells, decimal)
    counts = cells.value_counts()
    if numbers.notna().mean() > 0.5:
        low, high = (f"{value:g}" for value in (numbers.min(), numbers.max()))
        odd = cells[numbers.isna() & ~cells.map(is_missing)].value_counts()
        words = listed((f"{shortened(str(word), 20)!r} {count}×" for word, count in odd.items()), 3)
        if IDENTIFIER.fullmatch(str(column.name)) and len(counts) >= FEWEST and cells.is_unique and odd.empty:
            return f"doubtful: tells patients apart, as {cells.iloc[0]}"
        words = words or ("" if decimal == "." else doubt_of_sign(list(cells), ",", str(column.name)))
        return f"numbers from {low} to {high}{more}" + (f"; doubtful: {words}" if words else "")
    if len(counts) >= FEWEST and (len(counts) * 2 > len(cells) or len(counts) > MOST_CATEGORIES):
        return f"doubtful: {counted(len(counts), 'different text')} in {counted(len(cells), 'row')}{more}"
    blank = [word for word in counts.index if word.casefold() in BLANK]
    more = f", {empty + int(counts[blank].sum())} empty" if empty or blank else ""
    counts = counts.drop(blank)
    if counts.empty:
        return "empty"
    words = listed((f"{shortened(str(word), 20)} ({count})" for word, count in counts.items()), 4)
    return ("one value alone: " if len(counts) == 1 else "categories: ") + words + more


def looks_like_outcome(frame: pd.DataFrame, name: str) -> str | None:
    """Return ``time``, ``event`` or ``label`` where a column looks like a part of an outcome, else None.

    Parameters
    ----------
    frame
        The table, as text.
    name
        Its column.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"os_months": ["5", "7"], "os_status": ["dead", "alive"], "age": ["50", "61"]})
    >>> [looks_like_outcome(table, name) for name in table]
    ['time', 'event', None]
    >>> looks_like_outcome(pd.DataFrame({"id": ["a", "b"], "diagnosis": ["2020-01", "2020-02"]}), "diagnosis") is None
    True
    """
    different = frame[name].dropna().nunique()
    few = 1 <= different <= 3
    if name.startswith("redcap_"):
        return None  # which row of an export it is
    if different == 2 and frame.shape[1] < WIDE and any(is_smiles(frame[o]) for o in frame.columns if o != name):
        return "label"  # of molecules yes or no is what is to be predicted
    if (_EVENT.search(name) or _ENDPOINT.fullmatch(name)) and few:
        return "event"
    if frame[name].dropna().head(SAMPLE).map(is_date).mean() > 0.5:
        return None  # a day is no class
    if (_LABEL.search(name) and not _WHEN.match(name)) or (frame.shape[1] == 2 and 2 <= different <= FEWEST):
        return "label"  # a file of nothing but a few words by patient says what became of them
    return "time" if _TIME.search(name) and is_number(frame[name]) else None


def is_number(column: pd.Series) -> bool:
    """Return whether most cells of a column of text are numbers.

    Parameters
    ----------
    column
        Its cells.
    """
    cells = column.dropna().head(SAMPLE)
    return len(cells) > 0 and bool(numbers_of(cells[~cells.map(is_sign)]).notna().mean() > 0.5)


def decimal_of(frame: pd.DataFrame) -> str:
    """Return the decimal sign of a table: a comma where some column has such, and none has points.

    Parameters
    ----------
    frame
        The table, as text.

    Examples
    --------
    >>> import pandas as pd
    >>> decimal_of(pd.DataFrame({"a": ["1,103"], "b": ["0,5"]})), decimal_of(pd.DataFrame({"a": ["1,103"]}))
    (',', '.')
    """
    head = frame.head(SAMPLE)
    words = [set(head[name].dropna().astype(str).str.strip()) for name in list(head)[:WIDE]]
    points = any(POINT.fullmatch(word) and not GROUPED.fullmatch(word) for found in words for word in found)
    return "," if not points and any(map(commas_are_decimal, words)) else "."


def numbers_of(cells: pd.Series, decimal: str = ".") -> pd.Series:
    """Return cells of text as numbers, with decimal commas where they have such, NaN where they are none.

    Parameters
    ----------
    cells
        The cells.
    decimal
        The decimal sign of their table.

    Examples
    --------
    >>> import pandas as pd
    >>> numbers_of(pd.Series(["3,5", "> 89"])).tolist()
    [3.5, nan]
    """
    import pandas as pd

    commas = "comma" if decimal == "," or commas_are_decimal(set(cells)) else "point"
    return pd.Series([as_number(cell.strip(), commas) for cell in cells], index=cells.index, dtype=float)


def is_smiles(column: pd.Series) -> bool:
    """Return whether a column of text seems to hold molecules.

    Parameters
    ----------
    column
        Its cells.
    """
    cells = column.dropna().head(SAMPLE)
    words = [cell.strip() for cell in cells]
    like = [word for word in words if _SMILES.fullmatch(word) and re.search(r"[CNOc][a-z0-9()=#\[]*[CNOcn()=]", word)]
    return len(words) > 1 and len(like) > 0.9 * len(words) and any(re.search(r"[=()#\[]|1", word) for word in words)


def is_text(column: pd.Series) -> bool:
    """Return whether a column of text holds sentences.

    Parameters
    ----------
    column
        Its cells.
    """
    cells = column.dropna().head(SAMPLE)
    return len(cells) > 0 and bool((cells.str.count(r"\s+") >= 5).mean() > 0.5)


def is_sequence(column: pd.Series) -> str | None:
    """Return the alphabet of which a column of text seems to hold sequences: ``dna``, ``rna``, ``protein``; or None.

    Parameters
    ----------
    column
        Its cells.

    Examples
    --------
    >>> import pandas as pd
    >>> [is_sequence(pd.Series(words)) for words in (["ACGTTGCAACGT", "TTGACGTN"], ["CASSLGQAYEQYF", "CASSPGTEAFF"])]
    ['dna', 'protein']
    >>> is_sequence(pd.Series(["WHITE", "BLACK"])) is None
    True
    """
    words = [cell.strip() for cell in column.dropna().head(SAMPLE)]
    if len(words) < 2 or len(set(words)) * 2 <= len(words) or sum(map(len, words)) < SHORTEST * len(words):
        return None
    for alphabet, letters in (("dna", "ACGTN-"), ("rna", "ACGUN-"), ("protein", "ACDEFGHIKLMNPQRSTVWYX*-")):
        if all(set(word.upper()) <= set(letters) and " " not in word for word in words):
            return alphabet
    return None
