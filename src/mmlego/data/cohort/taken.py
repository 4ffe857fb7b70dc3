"""What each column of a cohort was taken for, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmlego.wording import counted, label, listed, shortened

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data.cohort.table import CohortTable

MOST_COLUMNS = 60  # that are told one by one


def taken_for(cohort: CohortTable) -> dict[str, dict[str, str]]:
    """Return by modality and column what the column was taken for; nothing of kinds that have no columns.

    Of a wide modality all columns are told together, under ``*``.

    Parameters
    ----------
    cohort
        The cohort.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego.data import Cohort
    >>> table = pd.DataFrame({"age": [50.0, None, 61.0], "sex": ["f", "m", "f"]}, index=["a", "b", "c"])
    >>> taken_for(Cohort.from_frames({"clinical": table}))
    {'clinical': {'age': 'numbers from 50 to 61, 1 missing', 'sex': 'categories: f (2), m (1)'}}
    """
    found = {}
    for modality, frame in cohort.frames.items():
        plain = [name for name in frame.columns if _is_plain(frame[name])] if frame.shape[1] <= MOST_COLUMNS else []
        if plain:
            found[modality] = {str(name): _words(frame[name]) for name in plain}
        elif frame.shape[1] > MOST_COLUMNS:
            numbers = frame.select_dtypes("number")
            missing = int(numbers.isna().to_numpy().sum())
            rest = frame.shape[1] - numbers.shape[1]
            text = f"numbers: {counted(numbers.shape[1], 'column')}" + (
                f", {counted(missing, 'cell')} missing" * (missing > 0)
            )
            found[modality] = {"*": text + (f"; categories: {counted(rest, 'column')}" if rest else "")}
    return found


def _is_plain(column: pd.Series) -> bool:
    """Return whether cells are numbers or words, and not files or arrays."""
    return column.dtype != object or all(value is None or np.isscalar(value) for value in column)


def _words(column: pd.Series) -> str:
    missing = int(column.isna().sum())
    more = f", {missing} missing" if missing else ""
    known = column.dropna()
    if known.empty:
        return "nothing known"
    if getattr(column.dtype, "kind", "O") in "iuf":
        return f"numbers from {known.min():g} to {known.max():g}{more}"
    counts = known.astype(object).map(label).value_counts()
    words = listed((f"{shortened(str(word), 20)} ({count})" for word, count in counts.items() if count), 4)
    return ("yes or no: " if column.dtype == bool else "categories: ") + words + more
