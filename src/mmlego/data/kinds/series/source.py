"""Kinds ``series`` and ``static``: what is measured over time, and what is said once, from the same files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, FiniteFloat, model_validator

from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.series.binning import Rule
from mmlego.data.kinds.series.cells import stays_of_cells
from mmlego.data.kinds.series.choices import check_patterns, fits
from mmlego.data.kinds.series.meds import EVENT
from mmlego.data.kinds.series.physionet import DESCRIPTORS
from mmlego.data.kinds.series.preprocess import QUANTILES, SeriesPreprocessor
from mmlego.data.kinds.series.stay_source import StaySource
from mmlego.data.kinds.series.stays import COLUMN, Stays
from mmlego.data.kinds.series.taken import variables_in_short, variables_taken
from mmlego.data.kinds.tabular.keys import Texts
from mmlego.data.kinds.tabular.preprocess import TablePreprocessor
from mmlego.data.kinds.tabular.taken import Taken, columns_taken, in_short
from mmlego.data.reading.dialect import SEPARATORS
from mmlego.data.reading.remarks import Dropped, Noted
from mmlego.errors import InputError, fault
from mmlego.wording import counted, label, listed

if TYPE_CHECKING:
    import pandas as pd


class SeriesSource(StaySource):
    """A modality of kind ``series``: what is measured over time, irregular and sparse.

    The files are read as :class:`~mmlego.data.kinds.series.stay_source.StaySource` says. In the PhysioNet layout,
    ``variables: "*"`` leaves out what describes the patient (Age, Gender, Height, ICUType), which can be named.

    Parameters
    ----------
    bin_hours
        Hours a bin.
    horizon
        Hours that are looked at, as the end of a ``window``; not given: each stay to its end.
    aggregate
        How several values in one bin become one: ``mean``, ``first``, ``last``, ``min``, ``max``, ``sum``, ``count``,
        or several of them for as many columns; for all variables, or by name or glob.
    log
        Names or globs of variables of which ``log(1 + x)`` is taken; ``auto``: of those without negative values that
        are skewed in the training patients, and less so by it.
    clip
        By name or glob, the lowest and highest plausible value.
    quantiles
        The quantiles of the training patients' values beyond which values are clipped.

    Examples
    --------
    >>> SeriesSource(file="set-a.tar.gz", variables=["HR", "*ABP"], horizon=48).aggregate
    'mean'
    """

    endings: ClassVar[tuple[str, ...]] = (".tar", ".tar.gz", ".tgz")

    kind: Literal["series"] = "series"
    bin_hours: FiniteFloat = Field(default=1.0, gt=0)
    horizon: FiniteFloat | None = Field(default=None, gt=0)
    aggregate: Rule | list[Rule] | dict[str, Rule | list[Rule]] = "mean"
    log: Literal["auto"] | list[str] = "auto"
    clip: dict[str, tuple[FiniteFloat, FiniteFloat]] = Field(default_factory=dict)
    quantiles: tuple[float, float] = QUANTILES

    @model_validator(mode="after")
    def _check_horizon(self) -> Self:
        start, end = self.window or (0.0, None)
        if self.horizon is not None and end is not None:
            raise ValueError("window has an end, which horizon declares again: leave one out")
        if self.horizon is not None and self.horizon <= start:
            raise ValueError("horizon is before the window")
        return self

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the chosen variables, a stay a patient; patients without any measurement do not have the modality."""
        found, notes = self.load(folder, modality)
        names, hidden = self.chosen(found, self.layout_of(folder), modality, lenient=folder.expected.lenient)
        notes += hidden
        _refuse_outcome(names, taken, modality)
        found, outside = self.narrowed(found, names, modality)
        notes += outside
        frame, empty = self._measured(found, modality)
        return frame, [*notes, *empty]

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the series of a table in memory, whose one column holds tables or arrays, rows in order of time.

        A table's index says when its rows were measured, in ``unit`` since the start; the ``i``-th row of an array
        ``(t, v)`` is of the ``i``-th bin, its variables are called ``v0``, ``v1``, …. NaN was not measured.

        Raises
        ------
        InputError
            If a cell is no series, or a patient has several.
        """
        found, notes = stays_of_cells(frame, key, modality, bin_hours=self.bin_hours, unit=self.unit)
        names, hidden = self.chosen(found, "wide", modality, lenient=not taken)
        notes += hidden
        _refuse_outcome(names, taken, modality)
        found, outside = self.narrowed(found, names, modality)
        table, empty = self._measured(found, modality)
        return table, [*notes, *outside, *empty]

    def _measured(self, found: Stays, modality: str) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the stays of those who have a measurement until the horizon, and notes of those who have none."""
        counts = np.asarray(found.sizes)
        early = counts
        if self.horizon is not None:
            early = np.bincount(found.stay[found.time <= self.horizon], minlength=len(found))
        frame, notes = found.frame(), []
        for gone, what in (
            (counts == 0, "without any measurement"),
            ((counts > 0) & (early == 0), f"without any measurement until the horizon ({self.horizon or 0:g} h)"),
        ):
            if gone.any():
                who = tuple(frame.index[gone])
                notes.append(Dropped(modality, f"{counted(len(who), 'patient')} {what}", who))
        if (late := int(counts.sum() - early.sum())) > counts.sum() / 2:
            what = f"{late} of {int(counts.sum())} measurements are after the horizon ({self.horizon or 0:g} h)"
            way = "" if self.index is not None else f": check unit: {self.unit}, if that is too many"
            notes.append(Dropped(modality, f"{what}, and left out{way}"))
        return frame[early > 0], notes

    def width(self, frame: pd.DataFrame) -> int:
        """Return how many variables there are."""
        return len({name for stay in frame[COLUMN] for name in stay.names})

    def columns_taken(self, frame: pd.DataFrame) -> list[Taken]:
        """Return what each variable was taken for."""
        name = (self.file or ".csv").lower().removesuffix(".gz").removesuffix(".zip")
        table = name.endswith((*SEPARATORS, ".parquet", ".xlsx"))
        declare = table if self.layout is None else self.layout != "physionet"
        return variables_taken(list(frame[COLUMN]), declare=declare)

    def in_short(self, frame: pd.DataFrame) -> str:
        """Return in one line what the variables were taken for."""
        return variables_in_short(list(frame[COLUMN]))

    def fit(self, frame: pd.DataFrame) -> SeriesPreprocessor:
        """Return preprocessing fitted on the stays of training patients."""
        start, end = self.window or (0.0, None)
        return SeriesPreprocessor.fit(
            frame,
            bin_hours=self.bin_hours,
            horizon=self.horizon if end is None else end,
            start=start,
            rules=self.aggregate,
            log=self.log,
            clip=self.clip,
            quantiles=self.quantiles,
            min_patients=self.least(frame),
        )


class StaticSource(StaySource):
    """A modality of kind ``static``: what the same files say once, as a table with a row a patient.

    The files are read as :class:`~mmlego.data.kinds.series.stay_source.StaySource` says. Of each variable
    the first value until ``until`` counts.

    Parameters
    ----------
    variables
        A name or glob, or several; in the PhysioNet layout Age, Gender, Height, Weight and ICUType if not given.
    categories
        Those of them whose numbers are codes of categories.
    until
        Hours since the start, or the end of a ``window``.

    Examples
    --------
    >>> StaticSource(file="set-a.tar.gz", categories=["Gender", "ICUType"]).until
    0.0
    """

    timeless: ClassVar[bool] = True

    kind: Literal["static"] = "static"
    variables: str | list[str] = Field(default_factory=lambda: [*DESCRIPTORS, "Weight"])
    categories: Texts = Field(default_factory=list)
    until: FiniteFloat = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _check_until(self) -> Self:
        if self.window is not None and self.window[1] is not None and "until" in self.model_fields_set:
            raise ValueError("window has an end, which until declares again: leave one out")
        return self

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the chosen variables as a table, a row a patient."""
        import pandas as pd

        found, notes = self.load(folder, modality)
        names, told = self.chosen(found, self.layout_of(folder), modality, lenient=folder.expected.lenient)
        notes += [note for note in told if isinstance(note, Noted)]
        _refuse_outcome(names, taken, modality)
        if not folder.expected.lenient:
            check_patterns(f"{modality}: categories", self.categories, names)
        found, outside = self.narrowed(found, names, modality)
        notes += outside
        end = None if self.window is None else self.window[1]
        early = np.flatnonzero(found.time <= (self.until if end is None else end))
        cell = found.stay[early] * len(names) + found.variable[early]
        cell, first = np.unique(cell, return_index=True)  # of several the first
        flat = np.full(len(found) * len(names), np.nan)
        flat[cell] = found.value[early[first]]
        table = flat.reshape(len(found), len(names))
        events = np.array([name.endswith(EVENT) for name in names], dtype=bool)
        table[:, events] = np.nan_to_num(table[:, events])  # an event that is not there did not happen
        frame = pd.DataFrame(table, index=pd.Index(found.patients, dtype=object, name="patient"), columns=names)
        for name in frame.columns[[fits(name, self.categories) for name in names]]:
            frame[name] = frame[name].map(label, na_action="ignore").astype(object)
        empty = frame.isna().all(axis=1)
        if empty.any():
            who = tuple(frame.index[empty])
            notes.append(Dropped(modality, f"{counted(len(who), 'patient')} without any value", who))
        return frame[~empty], notes

    def columns_taken(self, frame: pd.DataFrame) -> list[Taken]:
        """Return what each variable was taken for."""
        return columns_taken(frame, None, {}, by_column=False)

    def in_short(self, frame: pd.DataFrame) -> str:
        """Return in one line what the variables were taken for."""
        return in_short(frame, None, {})

    def fit(self, frame: pd.DataFrame) -> TablePreprocessor:
        """Return a table's preprocessing fitted on training rows."""
        return TablePreprocessor.fit(frame, min_patients=self.least(frame))


def _refuse_outcome(names: Sequence[str], taken: Sequence[str], modality: str) -> None:
    leaked = [name for name in names if name in taken]
    if leaked:
        remedy = "Choose the variables of the modality without them."
        what = f"leakage: {modality} holds variables of the outcome ({listed(leaked)})"
        fault(InputError(what, expected="features alone", remedy=remedy))
