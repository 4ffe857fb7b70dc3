"""The saved form of a table's preprocessing, checked when it is read."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, FiniteFloat, model_validator


class TableState(BaseModel):
    """What :class:`~mmlego.data.kinds.tabular.preprocess.TablePreprocessor` saves; refuses anything that does not fit.

    Examples
    --------
    >>> TableState(numeric=["age"], fill=[50], centre=[51], scale=[9], categories=[["sex", ["f", "m"]]]).numeric
    ['age']
    """

    model_config = ConfigDict(extra="forbid")

    name: Literal["table"] = "table"
    version: Literal[1, 2, 3] = 1
    numeric: list[str]
    fill: list[FiniteFloat]
    centre: list[FiniteFloat]
    scale: list[FiniteFloat]
    categories: list[tuple[str, list[str]]]
    dropped: dict[str, str] = {}
    missing: dict[str, list[str]] = {}
    truths: list[str] = []

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if {len(self.fill), len(self.centre), len(self.scale)} != {len(self.numeric)}:
            raise ValueError("fill, centre and scale need one number per numeric column")
        if any(scale <= 0 for scale in self.scale):
            raise ValueError("a scale is not positive")
        if not set(self.truths) <= set(self.numeric):
            raise ValueError("a column of yes and no is no numeric one")
        columns = [*self.numeric, *(name for name, _ in self.categories)]
        if len(set(columns)) < len(columns) or not columns:
            raise ValueError("columns are missing or named twice")
        return self
