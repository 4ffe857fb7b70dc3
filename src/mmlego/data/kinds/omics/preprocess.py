"""Kind ``omics``, its preprocessing: one wide matrix, optionally by gene sets."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator
from torch import Tensor

from mmlego.anonymity import Kept, in_steps
from mmlego.data.kinds.fitted import Odd, Preprocessing, far_values
from mmlego.data.kinds.omics.faint_rows import FaintRows
from mmlego.data.kinds.omics.gene_sets import GeneSets, sets_of_columns
from mmlego.data.reading.words import INFINITE
from mmlego.errors import InputError, LegoWarning
from mmlego.wording import counted, listed, meant

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
PART = 4096  # columns at a time


class OmicsState(BaseModel):
    """What :class:`OmicsPreprocessor` saves; refuses anything that does not fit.

    Examples
    --------
    >>> OmicsState(columns=["TP53"], centre=[0], scale=[1], sets=[["P53", [0]]]).log1p
    False
    """

    model_config = ConfigDict(extra="forbid")

    name: Literal["omics"] = "omics"
    # Before 2 it was not counted how many patients anything stands for, before 3 not looked at what is below 0.
    version: Literal[1, 2, 3] = 1
    columns: list[str] = Field(min_length=1)
    centre: list[FiniteFloat]
    scale: list[FiniteFloat]
    log1p: bool = False
    sets: list[tuple[str, list[int]]] = []
    zeros: bool = False
    min_patients: int = Field(default=1, ge=1)
    patients: int | None = Field(default=None, ge=0)
    signed: bool | None = None

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if {len(self.centre), len(self.scale)} != {len(self.columns)} or len(set(self.columns)) < len(self.columns):
            raise ValueError("centre and scale need one number a column, and each column stands once")
        if any(scale <= 0 for scale in self.scale):
            raise ValueError("a scale is not positive")
        if any(not 0 <= gene < len(self.columns) for _, genes in self.sets for gene in genes):
            raise ValueError("a gene set names a column that is not there")
        return self


@dataclass(frozen=True)
class OmicsPreprocessor(Preprocessing):
    """A wide matrix → float32 features: ``log(1 + x)`` if wanted, then ``(x − mean) / sd`` of training; missing is 0.

    Parameters
    ----------
    columns
        The columns kept, in order.
    centre, scale
        Mean and standard deviation of each in the training patients who have it, after the logarithm.
    log1p
        Whether the logarithm is taken.
    sets
        For each gene set the numbers of its columns; without any, an ``snn`` reads all columns.
    zeros
        Whether a column that a table lacks is zeros, as a gene that is mutated in nobody; else it is an error.
    min_patients
        How many patients a mean and a deviation stand for at least.
    patients
        How many have the column that fewest have: in steps of ``min_patients``, rounded down; None: not counted.
    signed
        Whether ``min_patients`` training patients have a value below 0; where not, such a value is told of whoever is
        predicted for. None: it was not looked at.

    Examples
    --------
    >>> import pandas as pd
    >>> train = pd.DataFrame({"TP53": [0.0, 2.0], "MDM2": [1.0, 3.0], "ACTB": [5.0, 5.0]})
    >>> omics = OmicsPreprocessor.fit(train, sets={"P53": ("TP53", "MDM2")}, smallest=2)
    >>> omics.transform(pd.DataFrame({"MDM2": [3.0, None], "TP53": [1.0, 1.0]})).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    >>> omics.encoder()
    ('pathways', {'in_features': 2, 'sets': [[0, 1]]})
    """

    name: ClassVar[str] = "omics"
    saved_as: ClassVar[type[BaseModel]] = OmicsState
    called: ClassVar[str] = "omics"

    columns: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    log1p: bool = False
    sets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    zeros: bool = False
    min_patients: int = 1
    patients: int | None = None
    signed: bool | None = None

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        *,
        log1p: bool = False,
        keep: int | None = None,
        sets: GeneSets | None = None,
        smallest: int = 5,
        zeros: bool = False,
        min_patients: int = 1,
    ) -> Self:
        """Learn which columns vary, and their means and deviations, from training rows.

        Parameters
        ----------
        frame
            The training rows, a column a gene.
        log1p
            Take ``log(1 + x)``, as of counts.
        keep
            At most so many columns, those of the largest variance; None for all that vary.
        sets
            Genes by set: genes in none of them are left out.
        smallest
            Sets of which fewer genes are there are left out.
        zeros
            Columns that a table lacks are zeros.
        min_patients
            Columns that fewer patients have are left out.

        Raises
        ------
        InputError
            If values cannot be used, no column varies, or no set has genes enough.

        Warns
        -----
        LegoWarning
            If gene sets are left out.
        """
        names = [str(name) for name in frame.columns]
        if sets:
            wanted = {gene for genes in sets.values() for gene in genes}
            sets_of_columns(sets, names, smallest)  # before all else: what is wrong may be the kind of names
            names = [name for name in names if name in wanted]
        varies, centre, scale, patients = _moments(frame, names, log1p)
        varying = np.flatnonzero(varies & (patients >= min_patients))
        if len(varying) == 0:
            expected = "columns that vary" + (f", known of {min_patients} patients" if min_patients > 1 else "")
            raise InputError("no column tells training rows apart", expected=expected, got=listed(names, 3))
        kept = varying[np.sort(np.argsort(-(scale[varying] ** 2), kind="stable")[:keep])]
        columns = tuple(names[i] for i in kept.tolist())
        numbers: dict[str, list[int]] = {}
        if sets:
            numbers, lost = sets_of_columns(sets, columns, smallest)
            if lost:
                text = f"{counted(len(lost), 'gene set')} with fewer than {smallest} genes left out: {listed(lost)}."
                warnings.warn(text, LegoWarning, stacklevel=2)
        return cls(
            columns,
            tuple(centre[kept].tolist()),
            tuple(scale[kept].tolist()),
            log1p,
            {name: tuple(genes) for name, genes in numbers.items()},
            zeros,
            min_patients,
            in_steps(int(patients[kept].min()), min_patients),
            _below_zero(frame, columns) >= min_patients,
        )

    def transform(self, frame: pd.DataFrame) -> Tensor:
        """Return features ``(n, f)``, float32, finite.

        Parameters
        ----------
        frame
            Rows with at least the columns of :attr:`columns`, in any order.

        Raises
        ------
        InputError
            If a column is missing, or values cannot be used.
        """
        places = self._places(frame)
        centre, scale = np.asarray(self.centre), np.asarray(self.scale)
        features = np.empty((len(frame), len(places)), dtype=np.float32)
        for part in _parts(len(places)):
            names = self.columns[part]
            values = (_values(frame, places[part], names, self.log1p) - centre[part]) / scale[part]
            features[:, part] = np.where(np.isnan(values), 0.0, values)
        return torch.from_numpy(features)

    def observed(self, frame: pd.DataFrame) -> Tensor:
        """Return which rows have at least one value, booleans ``(n,)``."""
        places = self._places(frame)
        if self.zeros:
            return torch.ones(len(frame), dtype=torch.bool)  # who is there was looked at
        return torch.from_numpy(frame.iloc[:, places].notna().any(axis=1).to_numpy(dtype=bool, copy=True))

    def needed(self) -> tuple[str, ...]:
        """Return :attr:`columns`, whose values are missing where one is absent; none where absence is a 0."""
        return () if self.zeros else self.columns

    def odd(self, frame: pd.DataFrame) -> tuple[Odd, Odd]:
        """Return by patient the values far from those of training, and whose are far below them as a whole."""
        places = self._places(frame)
        centre, scale = np.asarray(self.centre), np.asarray(self.scale)
        found: Odd = {}
        faint = FaintRows(len(frame))
        for part in _parts(len(places)):
            names = self.columns[part]
            values = _values(frame, places[part], names, self.log1p)
            given = np.expm1(values) if self.log1p else values
            scaled = (values - centre[part]) / scale[part]
            if self.signed is False:
                scaled[given < 0] = -np.inf
                if not self.zeros:
                    faint.add(given, *_raw(centre[part], scale[part], self.log1p))
            for patient, cells in far_values(list(frame.index), names, given, scaled).items():
                found.setdefault(patient, []).extend(cells)
        for row, text in faint.told().items():
            found.setdefault(str(frame.index[row]), []).insert(0, text)
        return found, {}

    def blank(self) -> Tensor:
        """Return the features of nobody, ``(0, f)``."""
        return torch.zeros(0, len(self.columns))

    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return pathway tokens where there are gene sets, else the encoder of tables."""
        width: dict[str, object] = {"in_features": len(self.columns)}
        if not self.sets:
            return "snn", width
        return "pathways", {**width, "sets": [list(genes) for genes in self.sets.values()]}

    def config(self) -> dict[str, object]:
        """Return all that was learnt, as values that JSON can hold."""
        return {
            "name": self.name,
            "version": 2 if self.signed is None else 3,
            "columns": list(self.columns),
            "centre": list(self.centre),
            "scale": list(self.scale),
            "log1p": self.log1p,
            "sets": [[name, list(genes)] for name, genes in self.sets.items()],
            **({"zeros": True} if self.zeros else {}),
            "min_patients": self.min_patients,
            "patients": self.patients,
            **({} if self.signed is None else {"signed": self.signed}),
        }

    def kept(self) -> list[Kept]:
        """Return means and deviations, which stand for those who have the column that fewest have."""
        moments = zip(self.columns, self.centre, self.scale, strict=True)
        found = [Kept(name, "mean, deviation", f"{a:g}, {b:g}", self.patients) for name, a, b in moments]
        told = "some" if self.signed else "few or none"
        signs = [] if self.signed is None else [Kept("all columns", "values below 0", told, self.patients)]
        return [*found, *signs]

    @classmethod
    def _restored(cls, state: OmicsState) -> Self:
        sets = {name: tuple(genes) for name, genes in state.sets}
        moments = tuple(state.centre), tuple(state.scale)
        counted = state.min_patients, state.patients
        return cls(tuple(state.columns), *moments, state.log1p, sets, state.zeros, *counted, state.signed)

    def _places(self, frame: pd.DataFrame) -> NDArray[np.int64]:
        """Return where the columns are in a table, −1 for one that is not there and counts as zeros."""
        places = _find(frame, self.columns)
        absent = [self.columns[i] for i in np.flatnonzero(places < 0).tolist()]
        if absent and not self.zeros:
            raise InputError(
                f"{counted(len(absent), 'column')} missing: {listed(absent)}",
                expected=f"the {len(self.columns)} columns seen in training",
                remedy=meant(absent[0], sorted(map(str, frame.columns))),
            )
        return places


def _find(frame: pd.DataFrame, names: Sequence[str]) -> NDArray[np.int64]:
    """Return the numbers of columns by name, −1 for one that is not there."""
    place = {str(name): number for number, name in enumerate(frame.columns)}
    return np.array([place.get(name, -1) for name in names], dtype=np.int64)


def _parts(columns: int) -> Iterator[slice]:
    """Yield slices of so many columns: a matrix of 450,000 is not held twice."""
    for start in range(0, columns, PART):
        yield slice(start, min(start + PART, columns))


def _moments(
    frame: pd.DataFrame, names: Sequence[str], log1p: bool
) -> tuple[NDArray[np.bool_], Floats, Floats, NDArray[np.int64]]:
    """Return which columns ``(f,)`` have two different values, their means and deviations, and of how many patients."""
    places = _find(frame, names)
    varies = np.zeros(len(names), dtype=bool)
    centre, scale = np.zeros(len(names)), np.zeros(len(names))
    patients = np.zeros(len(names), dtype=np.int64)
    for part in _parts(len(names)):
        values = _values(frame, places[part], names[part], log1p)
        patients[part] = (~np.isnan(values)).sum(axis=0)
        known = np.flatnonzero(patients[part])
        values, place = values[:, known], known + part.start
        centre[place], scale[place] = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        varies[place] = (np.nanmin(values, axis=0) < np.nanmax(values, axis=0)) & (np.nanvar(values, axis=0) > 0)
    return varies, centre, scale, patients


def _below_zero(frame: pd.DataFrame, names: Sequence[str]) -> int:
    """Return how many patients have a value below 0 in some of the columns."""
    places = _find(frame, names)
    below = np.zeros(len(frame), dtype=bool)
    for part in _parts(len(names)):
        below |= (_values(frame, places[part], names[part], False) < 0).any(axis=1)
    return int(below.sum())


def _raw(centre: Floats, scale: Floats, log1p: bool) -> tuple[Floats, Floats]:
    """Return means and deviations before the logarithm, of values whose logarithm is normal."""
    if not log1p:
        return centre, scale
    mean = np.expm1(centre + scale**2 / 2)
    return mean, mean * np.sqrt(np.expm1(scale**2))


def _values(frame: pd.DataFrame, places: NDArray[np.int64], names: Sequence[str], log1p: bool) -> Floats:
    """Return columns as float64 ``(n, f)``, NaN where missing; refuse text, infinity, and what has no logarithm."""
    there = np.flatnonzero(places >= 0)
    chosen = frame.iloc[:, places[there]]
    odd = [names[i] for i, dtype in zip(there.tolist(), chosen.dtypes, strict=True) if dtype.kind not in "iufb"]
    if odd:
        raise InputError(
            f"columns that are not numbers ({listed(odd)})",
            expected="measurements",
            remedy="Choose columns without them.",
        )
    values = np.zeros((len(frame), len(places)))
    values[:, there] = chosen.to_numpy(dtype=np.float64, na_value=np.nan)
    checks = [(np.isinf(values), "infinite values", INFINITE)]
    if log1p:
        checks.append((values < 0, "negative values", "They may be logarithms already: leave log1p out."))
    for wrong, what, remedy in checks:
        bad = [names[i] for i in np.flatnonzero(wrong.any(axis=0)).tolist()]
        if bad:
            expected = "numbers ≥ 0, to take logarithms of" if log1p else "finite numbers"
            raise InputError(f"{what} in {listed(bad)}", expected=expected, remedy=remedy)
    return np.log1p(values) if log1p else values
