"""What is predicted: the outcome columns of a cohort, and the task that they make."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mmlego.data.reading.joins import Dropped, select_columns
from mmlego.errors import InputError, LegoWarning, MismatchError
from mmlego.tasks import Classification, MultiLabel, Regression, Survival, Task
from mmlego.wording import counted, label, listed

if TYPE_CHECKING:
    import pandas as pd

Scalar = bool | int | float | str
T = TypeVar("T", bound=Task)


class Outcome(BaseModel, ABC):
    """The outcome section of a manifest: which columns say what happened, and how to read them.

    Parameters
    ----------
    file
        The file, relative to the manifest; not used where tables are given in memory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = None

    @abstractmethod
    def columns(self, available: Sequence[str]) -> list[str]:
        """Return the columns that hold the outcome, of those available."""

    @abstractmethod
    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the outcome in its canonical columns, NaN where a patient has none.

        Parameters
        ----------
        frame
            One row per patient with the columns of :meth:`columns`.
        """

    @abstractmethod
    def fit_task(self, outcome: pd.DataFrame) -> Task:
        """Return the task, with what it learns (time bins, scale) learnt from these patients."""

    @abstractmethod
    def target(self, outcome: pd.DataFrame, task: Task) -> Tensor:
        """Return the target of these patients in the canonical form of the task, first axis ``n``."""

    @abstractmethod
    def describe(self, outcome: pd.DataFrame) -> str:
        """Return the counts of the outcome as one line."""

    def strata(self, outcome: pd.DataFrame) -> Tensor:
        """Return the group of each patient ``(n,)`` for stratified splits."""
        task = self.fit_task(outcome)
        return task.strata(self.target(outcome, task))

    def known(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the outcome of the patients who have one, and who was dropped.

        Parameters
        ----------
        frame
            One row per patient with the columns of :meth:`columns`.

        Raises
        ------
        InputError
            If no patient has an outcome, or a value cannot be one.
        """
        outcome = self.read(frame)
        missing = self.missing(outcome)
        names = tuple(outcome.index[missing])
        if len(names) == len(outcome):
            raise InputError("no patient has an outcome", expected=f"values in {listed(frame.columns)}")
        notes = (
            [Dropped("outcome", f"{counted(len(names), 'patient')} whose outcome is missing", names)] if names else []
        )
        return outcome[~missing], notes

    def missing(self, outcome: pd.DataFrame) -> pd.Series:
        """Return who lacks a part of the outcome."""
        return outcome.isna().any(axis=1)


class SurvivalOutcome(Outcome):
    """Time to an event, or to the end of observation.

    Parameters
    ----------
    time
        The column of times, in any unit.
    event
        The column that says whether the event came.
    event_when
        The value, or values, of that column that mean an event; has to be said, for half the files in use
        have it the other way round.
    bins
        How many time bins.

    Examples
    --------
    >>> import pandas as pd
    >>> outcome = SurvivalOutcome(task="survival", time="months", event="censorship", event_when=0)
    >>> frame = pd.DataFrame({"months": [5, 9], "censorship": [0, 1]}, index=["a", "b"])
    >>> outcome.read(frame)["event"].tolist()
    [1.0, 0.0]
    """

    task: Literal["survival"]
    time: str
    event: str
    event_when: Scalar | list[Scalar]
    bins: int = Field(default=4, ge=2)

    def columns(self, available: Sequence[str]) -> list[str]:
        """Return the columns of time and event."""
        return select_columns([self.time, self.event], available, "outcome")

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the columns ``event`` (1 or 0) and ``time``, NaN where missing."""
        import pandas as pd

        time = _numbers(frame, self.time)
        _refuse(time.index[time < 0], "a negative survival time")
        meant = [self.event_when] if isinstance(self.event_when, Scalar) else self.event_when
        codes = frame[self.event].astype(object).where(frame[self.event].notna(), None)
        given = pd.Series([None if v is None else _code(v) for v in codes], index=frame.index, dtype=object)
        yes = {_code(value) for value in meant}
        found = sorted(set(given.dropna()))
        if found and not yes & set(found):
            raise InputError(
                f"no patient has an event: no value of column {self.event!r} is event_when",
                expected=f"{listed(sorted(yes))} among the values",
                got=listed(found),
                remedy="Say which value means an event; put text in quotes in YAML.",
            )
        censored = [value for value in found if value not in yes]
        if len(censored) > 1:
            text = f"Column {self.event!r} has several values that are no event, all taken as censored"
            warnings.warn(f"{text}: {listed(censored)}.", LegoWarning, stacklevel=2)
        event = given.isin(yes).astype(float).where(given.notna(), np.nan)
        return pd.DataFrame({"event": event, "time": time}, index=frame.index)

    def fit_task(self, outcome: pd.DataFrame) -> Survival:
        """Return the task with bins cut at quantiles of the event times of these patients."""
        return Survival.from_data(outcome["event"].to_numpy(), outcome["time"].to_numpy(), bins=self.bins)

    def target(self, outcome: pd.DataFrame, task: Task) -> Tensor:
        """Return the columns event and time, ``(n, 2)``."""
        _of_kind(task, Survival)
        return Survival.target(outcome["event"].to_numpy(), outcome["time"].to_numpy())

    def strata(self, outcome: pd.DataFrame) -> Tensor:
        """Return 1 where the event came, 0 where it did not, ``(n,)``; needs no bins."""
        return torch.tensor(outcome["event"].to_numpy(), dtype=torch.int64)

    def describe(self, outcome: pd.DataFrame) -> str:
        """Return the numbers of events and censored, and the longest time."""
        events = int(outcome["event"].sum())
        longest = f"time up to {outcome['time'].max():g}"
        return f"survival: {events} events, {len(outcome) - events} censored, {longest}"


class ClassificationOutcome(Outcome):
    """One class out of several.

    Parameters
    ----------
    label
        The column of classes.
    classes
        The classes in the order of the logits, the positive one last; without it, all that occur, sorted.

    Examples
    --------
    >>> ClassificationOutcome(task="classification", label="died").columns(["age", "died"])
    ['died']
    """

    task: Literal["classification"]
    label: str
    classes: list[Scalar] | None = None

    def columns(self, available: Sequence[str]) -> list[str]:
        """Return the column of classes."""
        return select_columns([self.label], available, "outcome")

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the column ``label``, whose categories are the classes, NaN where missing."""
        import pandas as pd

        codes = frame[self.label].astype(object).where(frame[self.label].notna(), None)
        given = [None if value is None else label(value) for value in codes]
        found = {value for value in given if value is not None}
        classes = _sorted(found) if self.classes is None else [label(value) for value in self.classes]
        unknown = sorted(found - set(classes))
        if unknown:
            raise InputError(f"unknown classes in {self.label!r}", expected=listed(classes), got=listed(unknown))
        if len(classes) < 2:
            remedy = "Name the classes, as classes: [alive, dead]."
            raise InputError(f"column {self.label!r} holds one class only", got=listed(classes), remedy=remedy)
        return pd.DataFrame({"label": pd.Categorical(given, categories=classes)}, index=frame.index)

    def fit_task(self, outcome: pd.DataFrame) -> Classification:
        """Return the task; the classes are those of the whole cohort."""
        return Classification(list(outcome["label"].cat.categories))

    def target(self, outcome: pd.DataFrame, task: Task) -> Tensor:
        """Return the number of the class of each patient, ``(n,)``."""
        classes = _of_kind(task, Classification).classes
        place = {name: number for number, name in enumerate(classes)}
        unknown = sorted(set(outcome["label"]) - set(place))
        if unknown:
            raise MismatchError("classes that the task lacks", expected=listed(classes), got=listed(unknown))
        return torch.tensor([place[name] for name in outcome["label"]], dtype=torch.int64)

    def describe(self, outcome: pd.DataFrame) -> str:
        """Return the number of patients per class."""
        counts = outcome["label"].value_counts(sort=False)
        return f"classification: {self.label} is " + ", ".join(f"{name} in {n}" for name, n in counts.items())


class MultiLabelOutcome(Outcome):
    """Several labels, each 0 or 1 or missing.

    Parameters
    ----------
    labels
        The columns, as names or globs.

    Examples
    --------
    >>> MultiLabelOutcome(task="multilabel", labels="toxic_*").columns(["toxic_liver", "toxic_skin", "age"])
    ['toxic_liver', 'toxic_skin']
    """

    task: Literal["multilabel"]
    labels: str | list[str]

    def columns(self, available: Sequence[str]) -> list[str]:
        """Return the columns of labels."""
        return select_columns(self.labels, available, "outcome")

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return one column per label, 0, 1 or NaN."""
        import pandas as pd

        outcome = pd.DataFrame({name: _numbers(frame, name) for name in frame.columns}, index=frame.index)
        wrong = outcome.notna() & ~outcome.isin([0, 1])
        _refuse(outcome.index[wrong.any(axis=1)], "a label that is neither 0 nor 1")
        return outcome

    def missing(self, outcome: pd.DataFrame) -> pd.Series:
        """Return who has no label at all; some may be missing."""
        return outcome.isna().all(axis=1)

    def fit_task(self, outcome: pd.DataFrame) -> MultiLabel:
        """Return the task; the labels are the columns."""
        return MultiLabel(list(outcome.columns))

    def target(self, outcome: pd.DataFrame, task: Task) -> Tensor:
        """Return the labels ``(n, k)``, NaN where missing."""
        return _columns(outcome, _of_kind(task, MultiLabel).labels)

    def describe(self, outcome: pd.DataFrame) -> str:
        """Return how many patients have each label."""
        counts = (f"{name} {int(outcome[name].sum())} of {outcome[name].count()}" for name in outcome.columns)
        return "multilabel: " + listed(counts, 8)


class RegressionOutcome(Outcome):
    """One or more numbers.

    Parameters
    ----------
    target_columns
        The columns, as names or globs; ``target`` in a manifest.

    Examples
    --------
    >>> RegressionOutcome(task="regression", target="age").columns(["age", "sex"])
    ['age']
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Literal["regression"]
    target_columns: str | list[str] = Field(alias="target")

    def columns(self, available: Sequence[str]) -> list[str]:
        """Return the columns of numbers."""
        return select_columns(self.target_columns, available, "outcome")

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the numbers, NaN where missing."""
        import pandas as pd

        return pd.DataFrame({name: _numbers(frame, name) for name in frame.columns}, index=frame.index)

    def fit_task(self, outcome: pd.DataFrame) -> Regression:
        """Return the task with mean and scale of these patients."""
        return Regression.from_data(outcome.to_numpy(), targets=list(outcome.columns))

    def target(self, outcome: pd.DataFrame, task: Task) -> Tensor:
        """Return the numbers in their units, ``(n, k)``."""
        return _columns(outcome, _of_kind(task, Regression).targets)

    def describe(self, outcome: pd.DataFrame) -> str:
        """Return mean and standard deviation of each number."""
        values = (f"{name} {outcome[name].mean():.4g} ± {outcome[name].std(ddof=0):.4g}" for name in outcome.columns)
        return "regression: " + listed(values, 8)


OUTCOMES: dict[str, type[Outcome]] = {
    "survival": SurvivalOutcome,
    "classification": ClassificationOutcome,
    "multilabel": MultiLabelOutcome,
    "regression": RegressionOutcome,
}


def _numbers(frame: pd.DataFrame, name: str) -> pd.Series:
    import pandas as pd

    column = frame[name]
    if column.dtype.kind in "mMc":
        remedy = "Turn dates into a duration, say days since diagnosis."
        raise InputError(f"outcome column {name!r} holds dates", expected="numbers", remedy=remedy)
    values = pd.to_numeric(column, errors="coerce").astype(float)
    text = column[column.notna() & values.isna()]
    if len(text):
        raise InputError(f"outcome column {name!r} holds text", expected="numbers", got=listed(map(repr, text)))
    _refuse(values.index[np.isinf(values)], f"an infinite value in outcome column {name!r}")
    return values


def _refuse(patients: pd.Index, what: str) -> None:
    if len(patients):
        remedy = "Mend these rows, or empty the cell to drop the patient."
        raise InputError(f"{counted(len(patients), 'patient')} with {what} ({listed(patients)})", remedy=remedy)


def _code(value: object) -> str:
    return str(int(value)) if isinstance(value, bool | np.bool_) else label(value)


def _sorted(names: set[str]) -> list[str]:
    try:
        return sorted(names, key=float)
    except ValueError:
        return sorted(names)


def _of_kind(task: Task, kind: type[T]) -> T:
    if not isinstance(task, kind):
        raise MismatchError("the task does not fit the outcome", expected=kind.__name__, got=type(task).__name__)
    return task


def _columns(outcome: pd.DataFrame, names: Sequence[str]) -> Tensor:
    lacking = [name for name in names if name not in outcome.columns]
    if lacking:
        raise MismatchError(
            "the outcome lacks targets of the task", expected=listed(names), got=listed(outcome.columns)
        )
    return torch.tensor(outcome[list(names)].to_numpy(), dtype=torch.float32)
