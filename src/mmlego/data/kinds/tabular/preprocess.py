"""Preprocessing of one table: fitted on training rows alone, saved as JSON, the same at prediction."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor

from mmlego.anonymity import OTHER, Kept
from mmlego.data.kinds.fitted import Odd, Preprocessing, far_values
from mmlego.data.kinds.tabular.cells import (
    blanked,
    with_names,
    words_of,
    yes_as_one,
)
from mmlego.data.kinds.tabular.fitting import learn
from mmlego.data.kinds.tabular.moments import blocks, matrix_of, refuse_infinite
from mmlego.data.kinds.tabular.state import TableState
from mmlego.data.reading.joins import pick
from mmlego.data.reading.missing import is_sign
from mmlego.data.reading.truths import met
from mmlego.errors import InputError, LegoWarning
from mmlego.wording import counted, listed, meant

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TablePreprocessor(Preprocessing):
    """Columns of a table → float32 features; made by :meth:`fit` or :meth:`from_config`.

    Numbers and booleans: missing values become the training median, then x ↦ (x − mean) / sd with the mean and
    the (population) standard deviation of the imputed training rows. Anything else is a category and becomes
    one 0/1 feature per value seen in training; missing and unknown values become zeros. Values that fewer patients have
    than ``min_patients`` are not kept: they are one category, ``other``, as is what is met at prediction alone; where
    so many do not have any of them, they are unknown. A median stands for so many, too: where fewer have it, the mean
    of the values in the middle takes its place.

    Parameters
    ----------
    numeric
        The numeric columns kept, in order.
    fill, centre, scale
        Median, mean and standard deviation of each numeric column.
    categories
        For each categorical column, in order, its values.
    dropped
        The columns left out at fitting, each with the reason.
    missing
        By column the words that mean that nothing is known.
    truths
        The numeric columns that are yes and no, as 1 and 0: they are so however a file writes them.
    rare
        By column that had categories of fewer patients, what these count as: ``"other"`` or ``"missing"``.
    min_patients
        How many patients each value stands for at least.
    counts
        By column how many patients have it, or each of its categories: in steps of ``min_patients``, rounded down.
    signed
        The numeric columns in which ``min_patients`` training patients have a value below 0; in others such a value is
        told of whoever is predicted for. None: it was not looked at.

    Examples
    --------
    >>> import pandas as pd
    >>> train = pd.DataFrame({"age": [40.0, 60.0, None, 50.0], "sex": ["f", "m", "f", None], "site": 1})
    >>> table = TablePreprocessor.fit(train)
    >>> table.features, table.dropped
    (('age', 'sex=f', 'sex=m'), {'site': 'constant'})
    >>> table.transform(pd.DataFrame({"age": [50.0, None], "sex": ["m", None]})).tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """

    name: ClassVar[str] = "table"
    saved_as: ClassVar[type[BaseModel]] = TableState
    called: ClassVar[str] = "a table"

    numeric: tuple[str, ...]
    fill: tuple[float, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    categories: Mapping[str, tuple[str, ...]]
    dropped: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    truths: tuple[str, ...] = ()
    rare: Mapping[str, Literal["other", "missing"]] = field(default_factory=dict)
    min_patients: int = 1
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)
    signed: tuple[str, ...] | None = None

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        *,
        keep: int | None = None,
        missing: Mapping[str, Sequence[str]] | None = None,
        truths: Collection[str] = (),
        min_patients: int = 1,
        owners: Sequence[int] | None = None,
    ) -> Self:
        """Learn medians, means, deviations and categories from training rows.

        Rows that are entirely missing do not count. Constant columns are dropped; so are, with a warning,
        columns without any value.

        Parameters
        ----------
        frame
            The training rows, one column a variable.
        keep
            At most so many numeric columns, those of the largest variance before scaling; None for all.
        missing
            By column the words that mean that nothing is known.
        truths
            Columns of 1 and 0 that are yes and no, beside those of truth values.
        min_patients
            How many patients each value that is kept stands for at least: columns that fewer have are dropped, rarer
            categories are ``other``.
        owners
            Whose each row is, ``(n,)``; None: each is a patient.

        Returns
        -------
        TablePreprocessor
            The fitted preprocessing.

        Raises
        ------
        InputError
            If a column holds infinite values, dates or too many categories, or nothing is left.

        Warns
        -----
        LegoWarning
            If a column has no value at all, or rare categories are taken as one.

        Examples
        --------
        >>> import pandas as pd
        >>> table = TablePreprocessor.fit(pd.DataFrame({"a": [0.0, 9.0], "b": [0.0, 1.0]}), keep=1)
        >>> table.columns, table.fill, table.scale
        (('a',), (4.5,), (4.5,))
        >>> sites = pd.DataFrame({"site": ["Ulm", "Ulm", "Bonn", "Graz"]})
        >>> TablePreprocessor.fit(sites[:3], min_patients=2).features  # Bonn is missing: it would be of one patient
        ('site=Ulm',)
        """
        learnt = learn(frame, keep, missing or {}, truths, min_patients, owners)
        return cls(**learnt._asdict())

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a table must have at prediction."""
        return (*self.numeric, *self.categories)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features, ``column`` or ``column=category``."""
        return (*self.numeric, *(f"{name}={value}" for name, known in self.categories.items() for value in known))

    @property
    def out_features(self) -> int:
        """How many features there are."""
        return len(self.features)

    def transform(self, frame: pd.DataFrame) -> Tensor:
        """Return the features of a table.

        Parameters
        ----------
        frame
            Rows with at least the columns of :attr:`columns`, in any order.

        Returns
        -------
        Tensor
            Features ``(n, f)``, float32, finite.

        Raises
        ------
        InputError
            If a column is missing, or holds infinite values or text in place of numbers.

        Warns
        -----
        LegoWarning
            If a category was not seen in training, or in too few patients, and is not ``other``.

        Examples
        --------
        >>> import pandas as pd
        >>> table = TablePreprocessor.fit(pd.DataFrame({"age": [40.0, 60.0]}))
        >>> table.transform(pd.DataFrame({"age": [70.0, None]}))
        tensor([[2.],
                [0.]])
        """
        frame = self._needed(frame)
        values = matrix_of(frame, self.numeric)
        fill, centre, scale = (np.asarray(part) for part in (self.fill, self.centre, self.scale))
        scaled = np.zeros((len(frame), self.out_features), dtype=np.float32)
        with np.errstate(over="ignore"):
            for part in blocks(values):
                block = np.where(np.isnan(values[:, part]), fill[part], values[:, part])
                scaled[:, : len(self.numeric)][:, part] = (block - centre[part]) / scale[part]
        refuse_infinite(scaled[:, : len(self.numeric)], self.numeric, "too far from the training values")
        start = len(self.numeric)
        for name, known in self.categories.items():
            codes, words = words_of(frame[name])
            meant = met(words, known)
            unknown = sorted(set(words) - set(meant))
            how = self.rare.get(name)
            if unknown and how != OTHER:
                seen = "not seen in training" if how is None else f"that fewer than {self.min_patients} patients had"
                text = f"Column {name!r} has values {seen}, taken as missing: {listed(unknown)}."
                warnings.warn(text, LegoWarning, stacklevel=2)
            place = {word: start + number for number, word in enumerate(known)}
            other = place[OTHER] if how == OTHER else -1
            at = np.array([*(place[meant[word]] if word in meant else other for word in words), -1])[codes]
            scaled[np.flatnonzero(at >= 0), at[at >= 0]] = 1
            start += len(known)
        return torch.from_numpy(scaled)

    def observed(self, frame: pd.DataFrame) -> Tensor:
        """Return which rows have at least one value; the others count as patients without the modality.

        Parameters
        ----------
        frame
            Rows with at least the columns of :attr:`columns`.

        Returns
        -------
        Tensor
            Booleans ``(n,)``.

        Raises
        ------
        InputError
            If a column is missing.

        Examples
        --------
        >>> import pandas as pd
        >>> table = TablePreprocessor.fit(pd.DataFrame({"age": [40.0, 60.0]}))
        >>> table.observed(pd.DataFrame({"age": [None, 50.0]})).tolist()
        [False, True]
        """
        return torch.from_numpy(self._needed(frame).notna().any(axis=1).to_numpy(dtype=bool, copy=True))

    def needed(self) -> tuple[str, ...]:
        """Return :attr:`columns`; of one that is absent, all values are missing."""
        return self.columns

    def gaps(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return which cells say nothing; of yes and no, a word as ``unknown`` does not."""
        frame = blanked(pick(frame, [name for name in self.columns if name in frame.columns]), self.missing)
        numbers = [name for name in self.numeric if name in frame.columns]
        return yes_as_one(frame, numbers, self.truths, self._like_truths).isna()

    def odd(self, frame: pd.DataFrame) -> tuple[Odd, Odd]:
        """Return by patient the values far from those of training, and the categories that it did not have."""
        frame = self._needed(frame)
        values = matrix_of(frame, self.numeric)
        scaled = (values - np.asarray(self.centre)) / np.asarray(self.scale)
        if self.signed is not None:
            signed = set(self.signed)
            others = np.array([name not in signed for name in self.numeric], dtype=bool)
            scaled[(values < 0) & others] = -np.inf
        unknown: Odd = {}
        for name, known in self.categories.items():
            codes, words = words_of(frame[name])
            meant = met(words, known)
            strange = {number for number, word in enumerate(words) if word not in meant}
            for row in np.flatnonzero(np.isin(codes, list(strange))).tolist():
                unknown.setdefault(str(frame.index[row]), []).append(f"{name} = {words[codes[row]]}")
        return far_values(list(frame.index), self.numeric, values, scaled), unknown

    def blank(self) -> Tensor:
        """Return the features of nobody, ``(0, f)``."""
        return torch.zeros(0, self.out_features)

    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return the name of the encoder that suits a table, and the arguments that follow from the data."""
        return "snn", {"in_features": self.out_features}

    def config(self) -> dict[str, object]:
        """Return all that was learnt, as values that JSON can hold.

        Examples
        --------
        >>> import pandas as pd
        >>> table = TablePreprocessor.fit(pd.DataFrame({"age": [40.0, 60.0]}))
        >>> TablePreprocessor.from_config(table.config()) == table
        True
        """
        return {
            "name": self.name,
            "version": 4 if self.signed is None else 5,
            "numeric": list(self.numeric),
            "fill": list(self.fill),
            "centre": list(self.centre),
            "scale": list(self.scale),
            "categories": [[name, list(known)] for name, known in self.categories.items()],
            "dropped": dict(self.dropped),
            "missing": {name: list(words) for name, words in self.missing.items()},
            "truths": list(self.truths),
            "rare": dict(self.rare),
            "min_patients": self.min_patients,
            "counts": {name: list(counts) for name, counts in self.counts.items()},
            **({} if self.signed is None else {"signed": list(self.signed)}),
        }

    def kept(self) -> list[Kept]:
        """Return medians, means, deviations and categories, and how many patients have the column or the category."""
        numbers = zip(self.numeric, self.fill, self.centre, self.scale, strict=True)
        signs = dict.fromkeys(self.numeric, "") if self.signed is None else dict.fromkeys(self.numeric, ", few below 0")
        signs |= dict.fromkeys(self.signed or (), ", some below 0")
        found = [
            Kept(
                name,
                f"median or middle, mean, deviation{signs[name]}",
                f"{a:g}, {b:g}, {c:g}",
                *self.counts.get(name, (None,)),
            )
            for name, a, b, c in numbers
        ]
        for name, known in self.categories.items():
            counts = self.counts.get(name, (None,) * len(known))
            found += [Kept(name, "a category", word, n) for word, n in zip(known, counts, strict=True)]
        return found

    @classmethod
    def _restored(cls, state: TableState) -> Self:
        signs = {name: odd for name, known in state.categories if (odd := [word for word in known if is_sign(word)])}
        if state.version == 1 and signs:
            text = listed(f"{name}: {listed(map(repr, words))}" for name, words in signs.items())
            warnings.warn(
                f"This model was trained when words that mean that nothing is known were categories ({text}). They are "
                "read as missing now; declare these columns as categories: to predict as before.",
                LegoWarning,
                stacklevel=2,
            )
        return cls(
            numeric=tuple(state.numeric),
            fill=tuple(state.fill),
            centre=tuple(state.centre),
            scale=tuple(state.scale),
            categories={name: tuple(known) for name, known in state.categories},
            dropped=state.dropped,
            missing={name: tuple(words) for name, words in state.missing.items()},
            truths=tuple(state.truths),
            rare=state.rare,
            min_patients=state.min_patients,
            counts={name: tuple(counts) for name, counts in state.counts.items()},
            signed=None if state.signed is None else tuple(state.signed),
        )

    def _needed(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame = with_names(frame)
        absent = [name for name in self.columns if name not in frame.columns]
        if absent:
            raise InputError(
                f"{counted(len(absent), 'column')} missing in the table: {listed(absent)}",
                expected=f"the {len(self.columns)} columns seen in training",
                remedy=meant(absent[0], [str(name) for name in frame.columns]),
            )
        return yes_as_one(
            blanked(pick(frame, self.columns), self.missing), self.numeric, self.truths, self._like_truths
        )

    @property
    def _like_truths(self) -> set[str]:
        """The columns whose training values were 1 and 0 alone, as median, mean and variance say.

        Of numbers from 0 to 1 with mean c none but 1 and 0 have a variance as large as c (1 − c) (Bhatia and Davis
        2000); where both are as frequent, what is missing counts as ½, and the variance is smaller.
        """
        told = zip(self.numeric, self.fill, self.centre, self.scale, strict=True)
        return {
            name
            for name, fill, c, scale in told
            if (fill in (0, 1) and abs(scale**2 - c * (1 - c)) < 1e-9)
            or (fill == 0.5 and abs(c - 0.5) < 1e-9 and scale**2 <= 0.25 + 1e-9)
        }
