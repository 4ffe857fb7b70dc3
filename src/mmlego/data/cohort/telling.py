"""Features that are the outcome in other words: a column of the same file under another name, a time in other units."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data.cohort.table import CohortTable

FEWEST = 12  # patients: with fewer, a column may agree with the outcome by chance
RAREST = 3  # patients of the rarer value: one of a kind agrees with many columns
MOST_WORDS = 20


def telling_columns(cohort: CohortTable) -> list[tuple[str, str, str]]:
    """Return the columns of features from which the outcome can be read off, each with modality and outcome.

    A column of numbers that is a column of the outcome but for its unit, or a column of words or of few numbers that
    stand one to one for its values, in all patients who have both.

    Parameters
    ----------
    cohort
        The cohort.

    Returns
    -------
    list of tuple
        Modality, column, column of the outcome.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego.data import Cohort
    >>> names = [f"p{i}" for i in range(20)]
    >>> died = pd.DataFrame({"died": [i % 2 for i in range(20)]}, index=names)
    >>> more = pd.DataFrame({"age": range(20), "status": ["alive", "dead"] * 10}, index=names)
    >>> task = {"task": "classification", "label": "died"}
    >>> telling_columns(Cohort.from_frames({"clinical": more}, outcome=died, task=task))
    [('clinical', 'status', 'died')]
    """
    if cohort.outcome is None or cohort.outcome_spec is None:
        return []
    names = _called(cohort, cohort.outcome)
    found = []
    for modality, frame in cohort.frames.items():
        outcome = cohort.outcome.loc[frame.index]
        for column, called in names.items():
            found += [(modality, name, str(called)) for name in _same_numbers(frame, outcome[column])]
            found += [(modality, name, str(called)) for name in _same_words(frame, outcome[column])]
    return list(dict.fromkeys(found))


def telling_gaps(cohort: CohortTable) -> list[tuple[str, str, str]]:
    """Return the columns that are filled in for patients of one outcome alone, as the days to death of the dead.

    Parameters
    ----------
    cohort
        The cohort.

    Returns
    -------
    list of tuple
        Modality, column, column of the outcome.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego.data import Cohort
    >>> names = [f"p{i}" for i in range(20)]
    >>> died = pd.DataFrame({"died": [i % 2 for i in range(20)]}, index=names)
    >>> more = pd.DataFrame({"age": range(20), "until": [i if i % 2 else None for i in range(20)]}, index=names)
    >>> task = {"task": "classification", "label": "died"}
    >>> telling_gaps(Cohort.from_frames({"clinical": more}, outcome=died, task=task))
    [('clinical', 'until', 'died')]
    """
    if cohort.outcome is None or cohort.outcome_spec is None:
        return []
    found = []
    names = _called(cohort, cohort.outcome)
    for modality, frame in cohort.frames.items():
        there = frame.notna().to_numpy()
        for column, called in names.items():
            outcome = cohort.outcome.loc[frame.index, column]
            codes = outcome.astype("category").cat.codes.to_numpy()
            if len(frame) < FEWEST or outcome.isna().any() or outcome.nunique() != 2:
                continue
            one = codes == codes.max()
            if min(one.sum(), (~one).sum()) >= RAREST:
                same = (there == one[:, None]).all(0) | (there != one[:, None]).all(0)
                found += [(modality, str(name), called) for name in frame.columns[same]]
    return found


def _called(cohort: CohortTable, outcome: pd.DataFrame) -> dict[str, str]:
    """Return the columns of the outcome, each with what it is called in the file."""
    names = {str(name): str(name) for name in outcome.columns}
    label = getattr(cohort.outcome_spec, "label", None)
    return dict.fromkeys(names, str(label)) if len(names) == 1 and label is not None else names


def _same_numbers(frame: pd.DataFrame, outcome: pd.Series) -> list[str]:
    """Return the columns of numbers that are a multiple of the outcome plus a constant."""
    target = _as_numbers(outcome)
    numbers = frame.select_dtypes("number")
    if target is None or numbers.empty:
        return []
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)  # (n, f)
    both = np.isfinite(values) & np.isfinite(target)[:, None]
    count = both.sum(0)
    x, y = np.where(both, values, 0.0), np.where(both, target[:, None], 0.0)
    x, y = (np.where(both, part - part.sum(0) / np.maximum(count, 1), 0.0) for part in (x, y))
    alike = np.abs((x * y).sum(0)) >= (1 - 1e-12) * np.sqrt((x**2).sum(0) * (y**2).sum(0))
    varies = ((x**2).sum(0) > 0) & ((y**2).sum(0) > 0)
    chosen = numbers.columns[alike & varies & (count >= FEWEST)]
    return [str(name) for name in chosen if _often(numbers[name], outcome)]


def _same_words(frame: pd.DataFrame, outcome: pd.Series) -> list[str]:
    """Return the columns whose few values stand one to one for those of the outcome."""
    if not 2 <= outcome.nunique() <= MOST_WORDS:
        return []
    found = []
    for name in [*frame.columns[[not _is_number(dtype) for dtype in frame.dtypes]], *_constant(frame, outcome)]:
        column = frame[name]
        known = column.notna() & outcome.notna()
        if known.sum() < FEWEST or not all(map(np.isscalar, column[known])):
            continue
        pairs = set(zip(column[known].astype(str), outcome[known].astype(str), strict=True))
        left, right = ({pair[side] for pair in pairs} for side in (0, 1))
        if 2 <= len(pairs) == len(left) == len(right) and _often(column, outcome):
            found.append(str(name))
    return found


def _constant(frame: pd.DataFrame, outcome: pd.Series) -> list[Hashable]:
    """Return the columns of numbers that are one number in each class, as 1 and 2 for no and yes."""
    numbers = frame.select_dtypes("number")
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)  # (n, f)
    same = np.ones(values.shape[1], dtype=bool)
    for _, rows in outcome.reset_index(drop=True).groupby(outcome.to_numpy(), observed=True).groups.items():
        part = values[rows]
        same &= np.fmin.reduce(part) == np.fmax.reduce(part)
    return list(numbers.columns[same])


def _often(column: pd.Series, outcome: pd.Series) -> bool:
    """Return whether the agreement rests on more than a few patients: of few values, each must be there often."""
    counts = column[column.notna() & outcome.notna()].value_counts()
    return len(counts) > MOST_WORDS or int(counts.iloc[1:].sum()) >= RAREST


def _as_numbers(outcome: pd.Series) -> NDArray[np.float64] | None:
    import pandas as pd

    values = pd.to_numeric(outcome, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return values if np.isfinite(values).sum() >= FEWEST else None


def _is_number(dtype: object) -> bool:
    return getattr(dtype, "kind", "O") in "iufb"
