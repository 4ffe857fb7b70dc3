"""Preprocessing of series: irregular measurements → equal bins, standardised, NaN where nothing was measured."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor

from mmlego.anonymity import Kept, in_steps
from mmlego.data.kinds.fitted import FAR, Odd, Preprocessing
from mmlego.data.kinds.series.binning import Cells, Floats, Integers, Rule, aggregate, count_bins, group_cells
from mmlego.data.kinds.series.choices import check_patterns, declared, fits
from mmlego.data.kinds.series.flat import Flat, flat_of
from mmlego.data.kinds.series.ranges import ranges
from mmlego.data.kinds.series.skewness import calls_for_log
from mmlego.data.kinds.series.state import ColumnState, SeriesState
from mmlego.data.kinds.series.stays import COLUMN
from mmlego.data.memory.columns import Column, DenseColumn
from mmlego.errors import InputError, LegoWarning
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = (0.001, 0.999)
_LIKE_VALUES: tuple[Rule, ...] = ("mean", "first", "last", "min", "max")  # of one value in a bin, that value
FEW_BINS = 4  # to which a Transformer suits better than a recurrent network


@dataclass(frozen=True)
class SeriesPreprocessor(Preprocessing):
    """Measurements over time → float32 steps ``(t, 1 + f)``; made by :meth:`fit` or :meth:`from_config`.

    Column 0 is the time at which a bin begins, in hours. The others: values are clipped to ``[low, high]``, several
    in one bin become one, of which ``log(1 + x)`` is taken where declared, then x ↦ (x − mean) / sd with the mean and
    (population) standard deviation of the training patients' bins; NaN where nothing was measured.

    Parameters
    ----------
    columns
        For each column the variable, and what was learnt of it.
    bin_hours
        Hours a bin.
    horizon
        The hour up to which is looked at, the same number of bins for all; None: each stay up to the last measurement.
    dropped
        The variables left out at fitting, each with the reason.
    start
        The hour at which the first bin begins; below 0 where what was measured before the start of the stay counts.
    min_patients
        How many patients each value that was learnt stands for at least.

    Examples
    --------
    >>> from mmlego.data.kinds.series.long_tables import LongColumns
    >>> import pandas as pd
    >>> rows = [("a", 0.2, "HR", 80), ("a", 0.9, "HR", 100), ("a", 2.5, "Temp", 37), ("b", 0, "HR", 110)]
    >>> table = pd.DataFrame(rows, columns=["patient", "time", "variable", "value"])
    >>> stays = LongColumns().read(table, "table").frame()
    >>> series = SeriesPreprocessor.fit(stays, bin_hours=1, horizon=3, quantiles=(0, 1))
    >>> series.transform(stays)[0]
    tensor([[ 0., -1.,    nan],
            [ 1.,    nan,    nan],
            [ 2.,    nan, 0.]])
    """

    name: ClassVar[str] = "series"
    ragged: ClassVar[bool] = True
    accepts_missing: ClassVar[bool] = True
    saved_as: ClassVar[type[BaseModel]] = SeriesState
    called: ClassVar[str] = "series"

    columns: tuple[ColumnState, ...]
    bin_hours: float
    horizon: float | None
    dropped: Mapping[str, str] = field(default_factory=dict)
    start: float = 0.0
    min_patients: int = 1

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        *,
        bin_hours: float = 1.0,
        horizon: float | None = None,
        start: float = 0.0,
        rules: Rule | Sequence[Rule] | Mapping[str, Rule | Sequence[Rule]] = "mean",
        log: Sequence[str] | Literal["auto"] = (),
        clip: Mapping[str, tuple[float, float]] | None = None,
        quantiles: tuple[float, float] = QUANTILES,
        min_patients: int = 1,
    ) -> Self:
        """Learn ranges, means and deviations from training patients.

        A variable that is always the same stays: that it was measured may tell something. One that was never
        measured is dropped, with a warning.

        Parameters
        ----------
        frame
            The stays of the training patients.
        bin_hours, horizon, start
            Hours a bin, and the hours up to which and from which is looked at.
        rules
            How several values in one bin become one: ``mean``, ``first``, ``last``, ``min``, ``max``, ``sum`` or
            ``count``; several rules give a variable several columns. For all variables, or by name or glob; the
            first that fits counts, and those that none fits get the mean.
        log
            Names or globs of variables of which the logarithm ``log(1 + x)`` is taken; ``"auto"``: of those without
            negative values whose skewness is above 1, and becomes smaller by it, in the training patients.
        clip
            By name or glob, the range of plausible values; values outside become its ends.
        quantiles
            Ranges are never wider than these quantiles of the training patients' values.
        min_patients
            So many patients have values at the ends of each range or beyond them; of fewer than twice so many the range
            is three deviations on either side of the mean. Variables that fewer have are dropped, with a warning.

        Returns
        -------
        SeriesPreprocessor
            The fitted preprocessing.

        Raises
        ------
        InputError
            If nothing was measured, a pattern fits no variable, or there are logarithms of negative values.

        Warns
        -----
        LegoWarning
            If a variable was never measured, or in too few patients.
        """
        names = _names(frame)
        by_rule: Mapping[str, Rule | Sequence[Rule]] = rules if isinstance(rules, Mapping) else {"*": rules}
        said = () if log == "auto" else log
        for what, patterns in (("rules", by_rule), ("log", said), ("clip", clip or {})):
            check_patterns(what, patterns if names else (), names)
        _check_numbers(bin_hours, horizon, start, quantiles)
        raw = tuple(ColumnState(variable=name, low=0.0, high=0.0, centre=0.0, scale=1.0) for name in names)
        flat = cls(raw, bin_hours, horizon, start=start)._flat(frame)
        if len(flat.value) == 0:
            who = counted(len(frame), "stay")
            raise InputError("no training patient has a measurement", expected="at least one", got=f"{who} without")
        low, high, patients = ranges(
            flat.patient, flat.variable, flat.value, names, clip or {}, quantiles, min_patients
        )
        why = ("never measured", f"measured in fewer than {min_patients} patients")
        never = {name: why[int(patients[i] > 0)] for i, name in enumerate(names) if np.isnan(low[i])}
        for reason in why:
            if gone := [name for name, said in never.items() if said == reason]:
                how = "never measured in the training patients" if reason == why[0] else reason
                warnings.warn(
                    f"{counted(len(gone), 'variable')} {how} dropped: {listed(gone)}.", LegoWarning, stacklevel=2
                )
        if len(never) == len(names):
            raise InputError("no variable is measured in enough training patients", expected=f"{min_patients} of them")
        columns = []
        for i, column in enumerate(raw):
            name = column.variable
            if log == "auto":
                logged = calls_for_log(flat.value[flat.variable == i].clip(low[i], high[i]))
            else:
                logged = fits(name, log)
            if logged and low[i] < 0:
                raise InputError(
                    f"a logarithm of negative values of {name!r}",
                    expected="values ≥ 0",
                    got=f"{low[i]:g}",
                    remedy="Leave it out of log:, or clip it at 0.",
                )
            chosen = declared(name, by_rule, "mean")
            for rule in [] if name in never else [chosen] if isinstance(chosen, str) else dict.fromkeys(chosen):
                learnt = {"rule": rule, "log": logged, "low": float(low[i]), "high": float(high[i])}
                learnt["patients"] = in_steps(int(patients[i]), min_patients)
                columns.append(column.model_copy(update=learnt))
        return cls(tuple(columns), bin_hours, horizon, never, start, min_patients)._standardised(frame)

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that are needed, each once."""
        return tuple(dict.fromkeys(column.variable for column in self.columns))

    def known(self) -> tuple[str, ...]:
        """Return :attr:`variables`: one that nobody has is not measured."""
        return self.variables

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the columns of what is made; of a variable with several, with the rule."""
        several = [c.variable for c in self.columns if sum(c.variable == d.variable for d in self.columns) > 1]
        return ("time", *(f"{c.variable} {c.rule}" if c.variable in several else c.variable for c in self.columns))

    @property
    def out_features(self) -> int:
        """How many columns there are, the time included."""
        return 1 + len(self.columns)

    def transform(self, frame: pd.DataFrame) -> Tensor | list[Tensor]:
        """Return the steps of some patients.

        Parameters
        ----------
        frame
            Stays of patients who have something measured.

        Returns
        -------
        Tensor or list of Tensor
            Steps ``(n, t, 1 + f)`` where a horizon gives all equally many, else a list of ``(t_i, 1 + f)``; float32.

        Raises
        ------
        InputError
            If none of the variables is there, or a stay is far too long.

        Warns
        -----
        LegoWarning
            If some of the variables are not there: they count as not measured.
        """
        flat = self._flat(frame, warn=True)
        count = len(frame)
        if self.horizon is not None:
            steps = np.full(count, count_bins(self.horizon - self.start, self.bin_hours))
        else:
            steps = np.zeros(count, dtype=np.int64)
            np.maximum.at(steps, flat.patient, flat.bin + 1)
        first = np.cumsum(steps) - steps
        cells, values = self._cells(flat, first)
        made = np.full((int(steps.sum()), self.out_features), np.nan, dtype=np.float32)
        made[:, 0] = self.start + (np.arange(len(made)) - np.repeat(first, steps)) * self.bin_hours
        place = {name: i for i, name in enumerate(self.variables)}
        for j, column in enumerate(self.columns):
            which = _of_variable(cells, place[column.variable])
            made[cells.row[which], 1 + j] = (values[j] - column.centre) / column.scale
        whole = torch.from_numpy(made)
        if self.horizon is not None:
            return whole.reshape(count, count_bins(self.horizon - self.start, self.bin_hours), self.out_features)
        # Bags even where all stays happen to be of one length: patients chosen otherwise have to fit to these.
        return list(whole.split(steps.tolist()))

    def observed(self, frame: pd.DataFrame) -> Tensor:
        """Return which patients have at least one measurement that counts; booleans ``(n,)``.

        Parameters
        ----------
        frame
            Stays.

        Raises
        ------
        InputError
            If none of the variables is there.
        """
        there = torch.zeros(len(frame), dtype=torch.bool)
        there[torch.from_numpy(self._flat(frame).patient)] = True
        return there

    def odd(self, frame: pd.DataFrame) -> tuple[Odd, Odd]:
        """Return by patient the variables whose median is far from training: measured in another unit, say.

        It is far beyond six deviations of the mean, and, of values above zero, beyond twice the highest of training or
        below half of the lowest, to which it would be clipped without a word.

        Parameters
        ----------
        frame
            Stays.
        """
        import pandas as pd

        found: Odd = {}
        flat = self._flat(frame) if len(frame) else None
        if flat is None or not len(flat.value):
            return found, {}
        parts = {"patient": flat.patient, "variable": flat.variable, "value": flat.value}
        median = pd.DataFrame(parts).groupby(["patient", "variable"])["value"].median()
        patient, variable = (median.index.get_level_values(level).to_numpy() for level in (0, 1))
        value = median.to_numpy()
        for place, name in enumerate(self.variables):
            mine, columns = variable == place, [column for column in self.columns if column.variable == name]
            here, low, high = value[mine], columns[0].low, columns[0].high
            far = (here < low / 2) | (here > high * 2) if low > 0 else np.zeros(len(here), dtype=bool)
            for column in columns:
                if column.rule in _LIKE_VALUES:
                    moved = np.log1p(np.maximum(here, 0)) if column.log else here
                    far |= np.abs(moved - column.centre) > FAR * column.scale
            for who, one in zip(patient[mine][far].tolist(), here[far].tolist(), strict=True):
                found.setdefault(str(frame.index[who]), []).append(f"{name} = {one:g}")
        return found, {}

    def blank(self) -> Tensor | Column:
        """Return the steps of nobody, ``(0, 1 + f)``; where all have the same number, a column of nobody."""
        if self.horizon is None:
            return torch.zeros(0, self.out_features)
        steps = count_bins(self.horizon - self.start, self.bin_hours)
        return DenseColumn(torch.zeros(0, steps, self.out_features), None, torch.zeros(0, dtype=torch.bool))

    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return the name of the encoder that suits series, and the arguments that follow from the data.

        Few wide bins are hardly a series any more: they go to a Transformer, many to a recurrent network.
        """
        few = self.horizon is not None and count_bins(self.horizon - self.start, self.bin_hours) <= FEW_BINS
        return "time_transformer" if few else "gru_d", {"in_features": self.out_features}

    def config(self) -> dict[str, object]:
        """Return all that was learnt, as values that JSON can hold."""
        columns = [column.model_dump() for column in self.columns]
        settings: dict[str, object] = {"bin_hours": self.bin_hours, "horizon": self.horizon}
        if self.start:  # who reads only what came before windows need not know of them
            settings["start"] = self.start
        settings |= {"dropped": dict(self.dropped), "min_patients": self.min_patients}
        return {"name": self.name, "version": 2, "columns": columns, **settings}

    def kept(self) -> list[Kept]:
        """Return ends of ranges, means and deviations of variables, and in how many patients each was measured.

        So many as ``min_patients`` lie at an end or beyond it.
        """
        found = []
        for one in self.columns:
            ends = None if one.patients is None else min(one.patients, self.min_patients)
            found.append(Kept(one.variable, "ends of the range", f"{one.low:g}, {one.high:g}", ends))
            found.append(Kept(one.variable, "mean, deviation", f"{one.centre:g}, {one.scale:g}", one.patients))
        return found

    @classmethod
    def _restored(cls, state: SeriesState) -> Self:
        return cls(tuple(state.columns), state.bin_hours, state.horizon, state.dropped, state.start, state.min_patients)

    def _flat(self, frame: pd.DataFrame, *, warn: bool = False) -> Flat:
        return flat_of(frame, self.variables, self.bin_hours, self.horizon, self.start, warn=warn)

    def _cells(self, flat: Flat, first: Integers) -> tuple[Cells, list[Floats]]:
        """Return the cells, and for each column the value of each cell of its variable, not yet standardised."""
        place = {name: i for i, name in enumerate(self.variables)}
        low, high = np.zeros(len(place)), np.zeros(len(place))
        for column in self.columns:
            low[place[column.variable]], high[place[column.variable]] = column.low, column.high
        value = flat.value.clip(low[flat.variable], high[flat.variable])
        cells = group_cells(flat.variable, first[flat.patient] + flat.bin)
        by_rule = {rule: aggregate(value, cells, rule) for rule in {column.rule for column in self.columns}}
        parts = []
        for column in self.columns:
            part = by_rule[column.rule][_of_variable(cells, place[column.variable])]
            parts.append(np.log1p(part) if column.log else part)
        return cells, parts

    def _standardised(self, frame: pd.DataFrame) -> Self:
        """Return the same with mean and deviation of each column's cells."""
        flat = self._flat(frame)
        steps = int(flat.bin.max()) + 1
        values = self._cells(flat, np.arange(len(frame)) * steps)[1]
        columns = []
        for column, value in zip(self.columns, values, strict=True):
            learnt = {"centre": float(value.mean()), "scale": float(value.std())}
            if not learnt["scale"] > 1e-6 * max(abs(learnt["centre"]), 1.0):
                learnt["scale"] = 1.0  # always the same, but for rounding
            columns.append(column.model_copy(update=learnt))
        return replace(self, columns=tuple(columns))


def _of_variable(cells: Cells, variable: int) -> slice:
    """Return where the cells of a variable lie, which are sorted by it."""
    return slice(*np.searchsorted(cells.variable, [variable, variable + 1]).tolist())


def _names(frame: pd.DataFrame) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for stay in frame[COLUMN] for name in stay.names))


def _check_numbers(bin_hours: float, horizon: float | None, start: float, quantiles: tuple[float, float]) -> None:
    if not (np.isfinite(bin_hours) and bin_hours > 0):
        raise InputError("bin_hours", expected="a number > 0", got=bin_hours)
    if not np.isfinite(start):
        raise InputError("start", expected="hours", got=start)
    if horizon is not None and not (np.isfinite(horizon) and horizon > start):
        raise InputError("horizon", expected=f"hours > {start:g}, or None", got=horizon)
    low, high = quantiles
    if not 0 <= low < high <= 1:
        raise InputError("quantiles", expected="two rising numbers from 0 to 1", got=f"{low}, {high}")
