"""Outcomes that are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor

from mmlego.data.cohort.outcomes.base import Outcome, of_kind
from mmlego.data.cohort.outcomes.numbers import Decimal, code_doubts, numbers, sign_doubts
from mmlego.data.reading.joins import select_columns
from mmlego.errors import MismatchError
from mmlego.tasks import Regression, Task
from mmlego.tasks.regression_unit import check_numbers, units_of
from mmlego.wording import listed

if TYPE_CHECKING:
    import pandas as pd


class RegressionOutcome(Outcome):
    """One or more numbers.

    Parameters
    ----------
    target_columns
        The columns, as names or globs; ``target`` in a manifest.
    unit
        Of the numbers, as ``mg/dl``, or by column. It becomes that of the models; numbers are never converted.
    decimal
        What stands before the decimals: ``.`` or ``,``; the other sign then parts thousands.

    Examples
    --------
    >>> RegressionOutcome(task="regression", target="age").columns(["age", "sex"])
    ['age']
    """

    task: Literal["regression"]
    target_columns: str | list[str] = Field(alias="target")
    unit: str | dict[str, str] | None = None
    decimal: Decimal | None = None

    def named(self) -> list[str]:
        """Return the columns of numbers."""
        return [self.target_columns] if isinstance(self.target_columns, str) else self.target_columns

    def columns(self, available: Sequence[str]) -> list[str]:
        """Return the columns of numbers."""
        return select_columns(self.target_columns, available, "outcome")

    def measured(self, columns: Sequence[str]) -> list[str]:
        """Return all columns."""
        return list(columns)

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the numbers, NaN where missing."""
        import pandas as pd

        return pd.DataFrame({name: numbers(frame, name, self.decimal) for name in frame.columns}, index=frame.index)

    def doubts(self, frame: pd.DataFrame) -> list[str]:
        """Return which columns hold numbers that rather say that nothing is known."""
        names = [str(name) for name in frame.columns]
        return [*code_doubts(self.read(frame)), *sign_doubts(frame, names, self.decimal)]

    def fit_task(self, outcome: pd.DataFrame) -> Regression:
        """Return the task with mean and scale of these patients."""
        names = list(outcome.columns)
        return Regression.from_data(outcome.to_numpy(), targets=names, units=units_of(self.unit, names))

    def target(self, outcome: pd.DataFrame, task: Task) -> Tensor:
        """Return the numbers in their units, ``(n, k)``.

        Raises
        ------
        MismatchError
            If a target of the task is not there, its unit is another, or numbers are of another scale.
        """
        known = of_kind(task, Regression)
        values = columns_of(outcome, known.targets, "Call the columns as the model does.")
        units = units_of(self.unit, list(outcome.columns))
        if units is not None:
            named = dict(zip(outcome.columns, units, strict=True))
            units = tuple(named[name] for name in known.targets)
        check_numbers(known, values.double().numpy(), units)
        return values

    def beyond(self, outcome: pd.DataFrame, task: Task) -> list[str]:
        """Return the columns that the task has not."""
        return [name for name in outcome.columns if name not in of_kind(task, Regression).targets]

    def describe(self, outcome: pd.DataFrame) -> str:
        """Return mean and standard deviation of each number."""
        values = (f"{name} {outcome[name].mean():.4g} ± {outcome[name].std(ddof=0):.4g}" for name in outcome.columns)
        return "regression: " + listed(values, 8)


def columns_of(outcome: pd.DataFrame, names: Sequence[str], remedy: str) -> Tensor:
    """Return columns of an outcome as a tensor ``(n, k)``.

    Parameters
    ----------
    outcome
        The outcome.
    names
        The ``k`` columns that the task has.
    remedy
        Where one is not there.

    Raises
    ------
    MismatchError
        If the outcome lacks one.
    """
    lacking = [name for name in names if name not in outcome.columns]
    if lacking:
        raise MismatchError(
            f"the outcome lacks targets of the task: {listed(lacking)}",
            expected=listed(names),
            got=listed(outcome.columns),
            remedy=remedy,
        )
    return torch.tensor(outcome[list(names)].to_numpy(), dtype=torch.float32)
