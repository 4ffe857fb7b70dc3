"""From raw rows to one row per patient: joined by key, never by position, and nothing lost in silence."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.dialect import is_unnamed
from mmlego.data.reading.ids import plain_ids
from mmlego.data.reading.remarks import Dropped, Noted
from mmlego.data.reading.spellings import doubts_of_names
from mmlego.data.reading.stray_rows import stray_rows
from mmlego.errors import InputError, fault
from mmlego.wording import counted, listed, meant

if TYPE_CHECKING:
    import pandas as pd

# What R (read.csv, readr, data.table) and pandas call a column that has no name; rows numbered from 0 or 1 are in it.
DEFAULTS = ("X", "...1", "V1", "index", "Index", "level_0", "rownames", "row_names", "rn", "rowname")
FEW = 20
FEWEST = 5  # rows whose numbers only rise: fewer may do so by chance
RowRule: TypeAlias = Literal["error", "first", "mean"]
AnyRowRule: TypeAlias = Literal["error", "first", "last", "mean"]


def select_columns(
    patterns: str | Sequence[str],
    available: Sequence[str],
    where: str,
    hidden: Collection[str] = (),
    absent: list[str] | None = None,
    globs: bool = True,
) -> list[str]:
    """Return the columns that names or globs choose, each once: in the order of the patterns, then of the file.

    A column without a name of its own is chosen by no glob, for it is the row number that R and pandas write.

    Parameters
    ----------
    patterns
        A name or glob, or several.
    available
        The columns of the table, without the key.
    where
        The modality, for messages.
    hidden
        Further columns that no glob chooses.
    absent
        A list that takes the patterns that match nothing; None: they are refused.
    globs
        Whether a pattern may be a glob, or is one column's name.

    Raises
    ------
    InputError
        If a pattern matches no column, and none may be absent.

    Examples
    --------
    >>> select_columns(["age", "*_rnaseq"], ["A_rnaseq", "age", "B_rnaseq"], "mixed")
    ['age', 'A_rnaseq', 'B_rnaseq']
    """
    chosen: dict[str, None] = {}
    names = set(available)
    named = [name for name in available if name not in hidden and not is_unnamed(name)]
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        # a column may have brackets in its name, so the name itself comes before its reading as a glob
        if pattern in names or pattern == "*" or not globs:
            found = [pattern] if pattern in names else named if globs else []
        else:
            found = [name for name in named if fnmatch.fnmatchcase(name, pattern)]
        if not found and absent is None:
            fault(InputError(f"{where}: no column matches {pattern!r}", remedy=meant(pattern, available)))
        if not found and absent is not None:
            absent.append(pattern)
        chosen |= dict.fromkeys(found)
    return list(chosen)


def by_patient(frame: pd.DataFrame, key: str | None, where: str) -> tuple[pd.DataFrame, list[Dropped]]:
    """Return a table indexed by patient id as text; rows without an id, of sums and of names of columns are dropped.

    Parameters
    ----------
    frame
        The raw rows.
    key
        The column of patient ids; None if the index holds them.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If there are no patient ids, or two of them would become one.

    Examples
    --------
    >>> import pandas as pd
    >>> by_patient(pd.DataFrame({"id": [7, 8], "age": [50, 60]}), "id", "clinical")[0].index.tolist()
    ['7', '8']
    """
    import pandas as pd

    if key is not None:
        if key not in frame.columns:
            names = [str(name) for name in frame.columns]
            raise InputError(f"{where}: no key column {key!r}", remedy=meant(key, names))
        if (frame.columns == key).sum() > 1:
            raise InputError(f"{where}: several columns {key!r}", expected="one key", remedy="Rename the others.")
        index = pd.Index(frame[key])
        frame = pick(frame, [name for name in frame.columns if name != key])
    elif isinstance(frame.index, pd.RangeIndex):
        remedy = "Set the patient ids as the index, or name their column with key=."
        raise InputError(f"{where}: rows are numbered, not named by patient", remedy=remedy)
    else:
        index = frame.index
        if index.nlevels > 1:
            raise InputError(f"{where}: several levels of index", expected="one, the patient id", got=index.nlevels)
    named = np.asarray(index.notna())
    notes = [] if named.all() else [Dropped(where, f"{counted(int((~named).sum()), 'row')} without a patient id")]
    frame = (frame if named.all() else frame[named]).copy(deep=False)
    called = key if key is not None else None if index.name is None else str(index.name)
    frame.index = index[named]
    stray, why = stray_rows(frame, called)
    if stray.any():
        notes += [Dropped(where, f"{text} left out") for text in why]
        frame = frame[~stray].copy(deep=False)
    frame.index = pd.Index(plain_ids(frame.index, where), name="patient", dtype=object)
    return frame, notes


def pick(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return columns of a table, as a view where all but a few are wanted, or they lie side by side.

    Parameters
    ----------
    frame
        The table.
    names
        Some of its columns.

    Examples
    --------
    >>> import pandas as pd
    >>> list(pick(pd.DataFrame({"a": [1], "b": [2], "c": [3]}), ["b", "c"]))
    ['b', 'c']
    """
    import pandas as pd

    places = frame.columns.get_indexer(pd.Index(names))
    steps = np.diff(places)
    if (steps > 0).all() and frame.shape[1] - len(places) <= FEW and _lies_whole(frame, places):
        others = frame.columns.delete(places)
        frame = frame.copy(deep=False)
        for name in others:
            del frame[name]  # pandas 2 copies whatever else it does to a frame of numbers and text
        return frame
    if len(places) and (steps == 1).all():
        return frame.iloc[:, places[0] : places[-1] + 1]
    return frame[list(names)]


def _lies_whole(frame: pd.DataFrame, places: np.ndarray) -> bool:
    """Return whether the columns of each type still lie side by side without the others.

    A column that is taken from among its like leaves pandas with an array a column, and all that is done to thousands
    of them takes a hundred times as long: then one copy is better.
    """
    kinds, gone = frame.dtypes.to_numpy(), np.delete(np.arange(frame.shape[1]), places)
    for kind in {*kinds[gone]}:
        left = ~np.isin(np.flatnonzero(kinds == kind), gone)
        if (np.diff(np.flatnonzero(left)) > 1).any():
            return False
    return True


def row_numbers(frame: pd.DataFrame) -> list[str]:
    """Return the columns that number the rows, as R and pandas write them: without a name, or with one by default.

    The numbers count the rows from 0 or 1, or, in the first column, where rows were left out before the table was
    written, each is larger than the one before.

    Parameters
    ----------
    frame
        The table, with names as text.

    Examples
    --------
    >>> import pandas as pd
    >>> row_numbers(pd.DataFrame({"X": [1, 2], "age": [50, 60], "Unnamed: 2": [7, 8]}))
    ['X', 'Unnamed: 2']
    >>> row_numbers(pd.DataFrame({"level_0": range(5), "age": [50, 61, 55, 50, 72], "index": range(5), "X": 7}))
    ['level_0', 'index']
    """
    unnamed = [name for name in frame.columns if is_unnamed(name)]
    found = []
    for place, name in enumerate(frame.columns):
        if name not in DEFAULTS or name in unnamed or (column := frame.iloc[:, place]).dtype.kind not in "iuf":
            continue
        numbers = column.to_numpy(dtype=np.float64)
        enough = len(frame) >= FEWEST
        counts = (place == 0 or enough) and any(
            np.array_equal(numbers, start + np.arange(len(frame))) for start in (0, 1)
        )
        rising = place == 0 and enough and numbers[0] >= 0 and bool((np.diff(numbers) >= 1).all())
        if counts or (rising and bool((numbers % 1 == 0).all())):
            found.append(name)
    return [*found, *unnamed]


def choose_rows(
    frame: pd.DataFrame,
    key: str | None,
    patterns: str | Sequence[str],
    rule: RowRule,
    where: str,
    taken: Sequence[str],
    read: Callable[[pd.DataFrame, list[str]], pd.DataFrame] | None = None,
    *,
    lenient: bool = False,
    known: Collection[str] = (),
) -> tuple[pd.DataFrame, list[Dropped]]:
    """Return the chosen columns of a table, a row a patient, of those who have any value.

    Parameters
    ----------
    frame
        The raw rows.
    key
        The column of patient ids; None if the index holds them.
    patterns
        The columns, as names or globs.
    rule
        What to do where a patient has several rows that differ.
    where
        The modality, for messages.
    taken
        Columns of the outcome, which features may not be.
    read
        Returns the chosen columns of all rows as what they are: numbers, categories. None: they stay as they are.
    lenient
        Note patterns that match no column, in place of refusing them.
    known
        Columns that a model was trained on: they are no row numbers, whatever the rows of those it is asked about are.

    Raises
    ------
    InputError
        If a column is not there or belongs to the outcome, two have one name, or rows of a patient differ.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"id": ["a", "b"], "age": [50, None], "died": [0, 1]})
    >>> rows, notes = choose_rows(table, "id", "age", "error", "clinical", ["died"])
    >>> rows["age"].to_dict(), str(notes[0])
    ({'a': 50.0}, 'clinical: 1 patient without any value (b)')
    """
    frame, notes = by_patient(frame, key, where)
    frame.columns = [str(column) for column in frame.columns]
    if not frame.columns.is_unique:
        again = frame.columns[frame.columns.duplicated()].unique().tolist()
        raise InputError(
            f"{where}: columns of the same name ({listed(again)})", remedy="Rename them, or leave one out."
        )
    hidden = [name for name in row_numbers(frame) if name not in known]
    absent: list[str] | None = [] if lenient else None
    columns = select_columns(patterns, list(frame.columns), where, hidden, absent)
    refuse_taken(columns, taken, where)
    columns = [name for name in columns if name not in taken]  # of which some are, where errors are noted
    if absent:
        notes = [*notes, Noted(where, f"{counted(len(absent), 'column')} of the manifest not there ({listed(absent)})")]
    notes = [*notes, *doubts_of_names(columns, where, "a column")]
    left = [name for name in hidden if name not in columns]
    if left:
        text = f"row numbers left out ({listed(left)}): a column without a name of its own is a feature if it is named"
        notes = [*notes, Noted(where, text)]
    chosen = pick(frame, columns) if read is None else read(frame, columns)
    frame, merged = one_row_each(chosen, rule, where)
    empty = _empty_rows(frame)
    if len(empty):
        who = tuple(frame.index[empty])
        notes = [*notes, Dropped(where, f"{counted(len(who), 'patient')} without any value", who)]
        frame = frame.drop(index=list(who))
    return frame, [*notes, *merged]


def _empty_rows(frame: pd.DataFrame) -> NDArray[np.int64]:
    """Return which rows hold nothing; hardly ever are more than the first columns looked at."""
    rows, start, step = np.arange(len(frame)), 0, 1
    while len(rows) and start < frame.shape[1]:
        part = frame.iloc[:, start : start + step]
        empty = (part if len(rows) == len(frame) else part.iloc[rows]).isna().to_numpy().all(axis=1)
        rows, start, step = rows[empty], start + step, 2 * step
    return rows


def refuse_taken(columns: Sequence[str], taken: Sequence[str], where: str) -> None:
    """Refuse features that are columns of the outcome.

    Parameters
    ----------
    columns
        The features.
    taken
        The columns of the outcome.
    where
        The modality, for messages.

    Raises
    ------
    InputError
        If there are any.

    Examples
    --------
    >>> refuse_taken(["age", "died"], ["died"], "clinical")
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: leakage: clinical holds columns of the outcome (died): expected features alone. ...
    """
    leaked = [column for column in columns if column in taken]
    if leaked:
        fault(
            InputError(
                f"leakage: {where} holds columns of the outcome ({listed(leaked)})",
                expected="features alone",
                remedy="Choose the columns of the modality without them.",
            )
        )


def one_row_each(
    frame: pd.DataFrame, rule: AnyRowRule, where: str, allowed: Sequence[str] = ("first", "mean")
) -> tuple[pd.DataFrame, list[Dropped]]:
    """Return one row per patient.

    Parameters
    ----------
    frame
        Rows indexed by patient, of which a patient may have several.
    rule
        ``"error"``: rows of one patient that are equal become one, others are refused; ``"first"``: the first
        row, ``"last"``: the last; ``"mean"``: the mean of each column over the rows that have it.
    where
        The modality, for messages.
    allowed
        The rules that its section takes beside ``"error"``, for messages.

    Raises
    ------
    InputError
        If rows of a patient differ under ``"error"``, or there are texts to average.

    Examples
    --------
    >>> import pandas as pd
    >>> slides = pd.DataFrame({"score": [1.0, 3.0, 5.0]}, index=["a", "a", "b"])
    >>> one_row_each(slides, "mean", "wsi")[0]["score"].to_dict()
    {'a': 2.0, 'b': 5.0}
    """
    import pandas as pd

    if frame.index.is_unique:
        return frame, []
    rows, patients = len(frame), frame.index.nunique()
    if rule == "mean":
        text = [str(name) for name in frame.columns if frame[name].dtype.kind not in "iufb"]
        if text:
            remedy = "Choose rows: first, or leave these columns out."
            fault(InputError(f"{where}: cannot take the mean of text ({listed(text)})", remedy=remedy))
            return frame[~frame.index.duplicated()], []
        frame = frame.astype(float).groupby(level=0, sort=False).mean()
        return frame, [Dropped(where, f"{rows} rows averaged to {counted(patients, 'patient')}")]
    if rule != "error":
        kept = frame[~frame.index.duplicated(keep=rule)]
        return kept, [Dropped(where, f"{counted(rows - patients, 'further row')} of a patient, the {rule} is kept")]
    keyed = pd.concat([frame.index.to_frame(index=False), frame.reset_index(drop=True)], axis=1)
    frame = frame[~keyed.duplicated().to_numpy()]
    if not frame.index.is_unique:
        again = frame.index[frame.index.duplicated()].unique()
        rules = " or ".join(f"rows: {other}" for other in allowed)
        fewer = ", or choose fewer columns" if "mean" in allowed else ""
        fault(
            InputError(
                f"{where}: {counted(len(again), 'patient')} with several rows that differ ({listed(again)})",
                expected="one row per patient",
                remedy=f"Declare what to do, as {rules}{fewer}." if rules else "Mend these rows.",
            )
        )
        return frame[~frame.index.duplicated()], []
    return frame, [Dropped(where, f"{counted(rows - patients, 'row')} merged, equal to another row of the patient")]
