"""Outcomes that are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field
from torch import Tensor

from mmlego.data.cohort.outcomes.base import Outcome, of_kind
from mmlego.data.cohort.outcomes.numbers import Decimal, numbers
from mmlego.data.reading.joins import select_columns
from mmlego.errors import MismatchError
from mmlego.tasks import Regression, Task
from mmlego.wording import listed

if TYPE_CHECKING:
    import pandas as pd


class RegressionOutcome(Outcome):
    """One or more numbers.

    Parameters
    ----------
    target_columns
        The columns, as names or globs; ``target`` in a manifest.
    decimal
        What stands before the decimals: ``.`` or ``,``.

    Examples
    --------
    >>> RegressionOutcome(task="regression", target="age").columns(["age", "sex"])
    ['age']
    """

    task: Literal["regression"]
    target_columns: str | list[str] = Field(alias="target")
    decimal: Decimal = "."

    def named(self) -> list[str]:
        """Return the columns of numbers."""
        return [self.target_columns] if isinstance(self.target_columns, str) else self.target_columns

    def columns(self, available: Sequence[str]) -> list[str]:
        """Return the columns of numbers."""
        return select_columns(self.target_columns, available, "outcome")

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the numbers, NaN where missing."""
        import pandas as pd

        return pd.DataFrame({name: numbers(frame, name, self.decimal) for name in frame.columns}, index=frame.index)

    def fit_task(self, outcome: pd.DataFrame) -> Regression:
        """Return the task with mean and scale of these patients."""
        return Regression.from_data(outcome.to_numpy(), targets=list(outcome.columns))

    def target(self, outcome: pd.DataFrame, task: Task) -> Tensor:
        """Return the numbers in their units, ``(n, k)``."""
        return columns_of(outcome, of_kind(task, Regression).targets)

    def describe(self, outcome: pd.DataFrame) -> str:
        """Return mean and standard deviation of each number."""
        values = (f"{name} {outcome[name].mean():.4g} ± {outcome[name].std(ddof=0):.4g}" for name in outcome.columns)
        return "regression: " + listed(values, 8)


def columns_of(outcome: pd.DataFrame, names: Sequence[str]) -> Tensor:
    """Return columns of an outcome as a tensor ``(n, k)``.

    Parameters
    ----------
    outcome
        The outcome.
    names
        The ``k`` columns that the task has.

    Raises
    ------
    MismatchError
        If the outcome lacks one.
    """
    lacking = [name for name in names if name not in outcome.columns]
    if lacking:
        raise MismatchError(
            "the outcome lacks targets of the task", expected=listed(names), got=listed(outcome.columns)
        )
    return torch.tensor(outcome[list(names)].to_numpy(), dtype=torch.float32)
