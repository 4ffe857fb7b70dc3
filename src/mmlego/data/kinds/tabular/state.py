"""The saved form of a table's preprocessing, checked when it is read."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator


class TableState(BaseModel):
    """What :class:`~mmlego.data.kinds.tabular.preprocess.TablePreprocessor` saves; refuses anything that does not fit.

    Examples
    --------
    >>> TableState(numeric=["age"], fill=[50], centre=[51], scale=[9], categories=[["sex", ["f", "m"]]]).numeric
    ['age']
    """

    model_config = ConfigDict(extra="forbid")

    name: Literal["table"] = "table"
    # Before 4 it was not counted how many patients anything stands for, before 5 not looked at what is below 0.
    version: Literal[1, 2, 3, 4, 5] = 1
    numeric: list[str]
    fill: list[FiniteFloat]
    centre: list[FiniteFloat]
    scale: list[FiniteFloat]
    categories: list[tuple[str, list[str]]]
    dropped: dict[str, str] = {}
    missing: dict[str, list[str]] = {}
    truths: list[str] = []
    rare: dict[str, Literal["other", "missing"]] = {}
    min_patients: int = Field(default=1, ge=1)
    counts: dict[str, list[int]] = {}
    signed: list[str] | None = None

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if {len(self.fill), len(self.centre), len(self.scale)} != {len(self.numeric)}:
            raise ValueError("fill, centre and scale need one number per numeric column")
        if any(scale <= 0 for scale in self.scale):
            raise ValueError("a scale is not positive")
        if not set(self.truths) <= set(self.numeric):
            raise ValueError("a column of yes and no is no numeric one")
        if not set(self.signed or ()) <= set(self.numeric):
            raise ValueError("a column with values below 0 is no numeric one")
        columns = [*self.numeric, *(name for name, _ in self.categories)]
        if len(set(columns)) < len(columns) or not columns:
            raise ValueError("columns are missing or named twice")
        sizes = dict.fromkeys(self.numeric, 1) | {name: len(known) for name, known in self.categories}
        if any(len(counts) != sizes.get(name) for name, counts in self.counts.items()):
            raise ValueError("counts need a column, and one number for each of its categories")
        known = {name: set(words) for name, words in self.categories}
        if any(how == "other" and "other" not in known.get(name, ()) for name, how in self.rare.items()):
            raise ValueError("rare categories are other, and there is none")
        return self
