"""The categories of a column: which words there are, and which of them enough patients have to be kept by name."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmlego.anonymity import OTHER, in_steps
from mmlego.data.kinds.tabular.cells import words_of
from mmlego.data.reading.telling import MOST_CATEGORIES
from mmlego.errors import InputError, LegoWarning
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

Owners = NDArray[np.int64]  # of each row the number of its patient


class Categories(NamedTuple):
    """The categories of a column.

    Parameters
    ----------
    known
        Those that enough patients have, in order; last ``other``, if rarer ones together are of enough patients.
    counts
        How many patients have each at least.
    rare
        What rarer ones count as, ``"other"`` or ``"missing"``; None if there were none.
    """

    known: tuple[str, ...]
    counts: tuple[int, ...]
    rare: Literal["other", "missing"] | None


def categories_of(column: pd.Series, least: int, owners: Owners) -> Categories:
    """Return the categories of training rows.

    Parameters
    ----------
    column
        Cells, ``(n,)``.
    least
        How many patients must have one; rarer ones are one together, ``other``, if so many have any of them.
    owners
        Whose each row is, ``(n,)``.

    Raises
    ------
    InputError
        If there are more than 64 different words.

    Examples
    --------
    >>> import pandas as pd
    >>> categories_of(pd.Series(["a", "a", "b", "c", None]), 2, np.arange(5))
    Categories(known=('a', 'other'), counts=(2, 2), rare='other')
    >>> categories_of(pd.Series(["a", "a", "b"]), 2, np.arange(3))
    Categories(known=('a',), counts=(2,), rare='missing')
    """
    codes, words = words_of(column)
    if len(set(words)) > MOST_CATEGORIES:
        raise InputError(
            f"column {column.name!r} has {len(set(words))} different texts",
            expected=f"at most {MOST_CATEGORIES} categories",
            got=listed(sorted(set(words)), 3),
            remedy="Leave it out if it is an identifier, or group its values.",
        )
    whose: dict[str, set[int]] = {}
    for code, owner in set(zip(codes.tolist(), owners.tolist(), strict=True)):
        if code >= 0:
            whose.setdefault(words[code], set()).add(owner)
    kept = {word: len(those) for word, those in whose.items() if len(those) >= least}
    few = {word: those for word, those in whose.items() if word not in kept}
    if not few:
        known = sorted(kept)
        return Categories(tuple(known), tuple(in_steps(kept[word], least) for word in known), None)
    # a value that is called so is one of them, however many have it
    together = set().union(*few.values(), whose.get(OTHER, ()))
    if len(together) >= least:
        kept.pop(OTHER, None)
        known = sorted(kept)
        counts = [*(kept[word] for word in known), len(together)]
        return Categories((*known, OTHER), tuple(in_steps(count, least) for count in counts), "other")
    known = sorted(kept)
    return Categories(tuple(known), tuple(in_steps(kept[word], least) for word in known), "missing")


def warn_of_rare(names: Sequence[str], few: str) -> None:
    """Say in which columns rare categories are taken as one.

    Parameters
    ----------
    names
        The columns.
    few
        Of how many patients rare ones are.
    """
    if names:
        text = f"Categories {few} are taken as one, {OTHER!r}, in {counted(len(names), 'column')}: {listed(names)}."
        warnings.warn(text, LegoWarning, stacklevel=4)
