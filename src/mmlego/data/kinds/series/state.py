"""The saved form of the preprocessing of series, checked when it is read."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from mmlego.data.kinds.series.binning import Rule


class ColumnState(BaseModel):
    """One column of binned series: a variable, and how its values in one bin become one.

    Parameters
    ----------
    variable
        Its name.
    rule
        How several values in one bin become one.
    log
        Whether ``log(1 + x)`` is taken of that.
    low, high
        Values are clipped to these before anything else.
    centre, scale
        Mean and standard deviation of the cells of the training patients.
    patients
        In how many it was measured: in steps of ``min_patients``, rounded down; None: not counted.

    Examples
    --------
    >>> ColumnState(variable="HR", low=30, high=200, centre=80, scale=20).rule
    'mean'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    variable: str
    rule: Rule = "mean"
    log: bool = False
    low: FiniteFloat
    high: FiniteFloat
    centre: FiniteFloat
    scale: FiniteFloat = Field(gt=0)
    patients: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        if self.log and self.low < 0:
            raise ValueError("a logarithm of negative values")
        return self


class SeriesState(BaseModel):
    """What :class:`~mmlego.data.kinds.series.preprocess.SeriesPreprocessor` saves; refuses anything that does not fit.

    Examples
    --------
    >>> column = {"variable": "HR", "low": 30, "high": 200, "centre": 80, "scale": 20}
    >>> SeriesState(columns=[column], bin_hours=1, horizon=48).bin_hours
    1.0
    """

    model_config = ConfigDict(extra="forbid")

    name: Literal["series"] = "series"
    version: Literal[1, 2] = 1  # before 2 it was not counted how many patients anything stands for
    columns: list[ColumnState] = Field(min_length=1)
    bin_hours: FiniteFloat = Field(gt=0)
    start: FiniteFloat = 0.0
    horizon: FiniteFloat | None = None
    dropped: dict[str, str] = {}
    min_patients: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        if len({(column.variable, column.rule) for column in self.columns}) < len(self.columns):
            raise ValueError("a column is named twice")
        if self.horizon is not None and not self.horizon > self.start:
            raise ValueError("the horizon is not after the start")
        return self
