"""The outcome section of a manifest: what all tasks have in common, and which cells of its columns say nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from mmlego.data.cohort.outcomes.words import meet, same_number, words
from mmlego.data.reading.ids import IdForm
from mmlego.data.reading.missing import is_missing, is_sign
from mmlego.data.reading.remarks import Doubtful, Dropped
from mmlego.data.reading.unmet import doubts_of_unmet, unmet
from mmlego.errors import InputError, MismatchError
from mmlego.tasks import Task
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

Scalar: TypeAlias = bool | int | float | str
Scalars: TypeAlias = Scalar | list[Scalar]
T = TypeVar("T", bound=Task)


class Outcome(BaseModel, ABC):
    """The outcome section of a manifest: which columns say what happened, and how to read them.

    Parameters
    ----------
    file
        The file, relative to the manifest; not used where tables are given in memory.
    id
        The form of its patient ids, where it is not that of the other files.
    rows
        What to do where a patient has several rows that differ: ``error``, ``first`` or ``last``.
    missing
        The word or words that mean that nothing is known, beside the empty cell and the signs of common programs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = None
    id: IdForm | None = None
    rows: Literal["error", "first", "last"] = "error"
    missing: Scalars = Field(default_factory=list)

    @abstractmethod
    def named(self) -> list[str]:
        """Return the columns that hold the outcome, as the section names them: names or globs."""

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

    def doubt(self, outcome: pd.DataFrame, task: Task) -> str | None:
        """Return why these patients' outcome may be coded otherwise than that of a task made elsewhere; None: no sign.

        Parameters
        ----------
        outcome
            Of the patients.
        task
            Made with others.
        """
        return None

    @abstractmethod
    def describe(self, outcome: pd.DataFrame) -> str:
        """Return the counts of the outcome as one line."""

    def beyond(self, outcome: pd.DataFrame, task: Task) -> list[str]:
        """Return the columns of these patients that a task has not, as one of another site; none where it has one."""
        return []

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
        written = frame
        frame, notes = self._without_gaps(frame)
        notes += self._unmet(written, frame)
        outcome = self.read(frame)
        notes += [Doubtful("outcome", text) for text in self.doubts(frame)]
        missing = self.lacking(outcome)
        names = tuple(outcome.index[missing])
        if len(names) == len(outcome):
            said = "".join(f" ({note.what})" for note in notes)
            raise InputError(f"no patient has an outcome{said}", expected=f"values in {listed(frame.columns)}")
        if names:
            notes.append(Dropped("outcome", f"{counted(len(names), 'patient')} whose outcome is missing", names))
        return outcome[~missing], notes

    def doubts(self, frame: pd.DataFrame) -> list[str]:
        """Return what is rather no value, in a clause each: dates and numbers that stand for nothing known.

        Parameters
        ----------
        frame
            As :meth:`read` takes it, once it was read.
        """
        return []

    def measured(self, columns: Sequence[str]) -> list[str]:
        """Return the columns that hold numbers in some unit.

        Parameters
        ----------
        columns
            Those of the outcome.
        """
        return []

    def lacking(self, outcome: pd.DataFrame) -> pd.Series:
        """Return who lacks a part of the outcome."""
        return outcome.isna().any(axis=1)

    def declared(self, column: str) -> list[str]:
        """Return the words of a column that the section names, which are never missing.

        Parameters
        ----------
        column
            One of :meth:`columns`.
        """
        return []

    def doubtful(self, column: str, word: str) -> str | None:
        """Return what to declare where a word may mean that nothing is known, or be a value; None if it is no value.

        Parameters
        ----------
        column
            One of :meth:`columns`.
        word
            The word, which is not declared.
        """
        return None

    def _without_gaps(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the columns with nothing in the cells that say that nothing is known, and which words said so."""
        frame = frame.copy(deep=False)
        notes = []
        for name in frame.columns:
            found = Counter(word for word in words(frame[name]) if word is not None)
            gaps = {word: count for word, count in found.items() if self._is_gap(str(name), word)}
            if gaps:
                told = listed(f"{word!r} {count}" for word, count in gaps.items())
                cells = [None if word in gaps else word for word in words(frame[name])]
                frame[name] = type(frame[name])(cells, index=frame.index, dtype=object)
                total = counted(sum(gaps.values()), "cell")
                notes.append(Dropped("outcome", f"{total} of {str(name)!r} read as missing: {told}"))
        return frame, notes

    def _unmet(self, written: pd.DataFrame, frame: pd.DataFrame) -> list[Dropped]:
        """Return the doubt that no cell is a word of the section; one that is there but for its spelling is refused."""
        notes: list[Dropped] = []
        everywhere = {word for name in frame for word in words(written[name]) if word is not None}
        left = list[str]()
        for name in map(str, frame.columns):
            known = self.declared(name)
            here = sorted({word for word in words(frame[name]) if word is not None})
            meanings = meet(here, known, name)
            left += [word for word in here if word not in meanings]
            if known and here:
                found = unmet(known, set(meanings.values()), [word for word in here if word not in meanings])
                notes += doubts_of_unmet(found, f"no cell of {name!r} is", "outcome")
        gaps = listed_words(self.missing)
        met = {gap for gap in gaps if is_missing(gap) or any(gap == one or same_number(gap, one) for one in everywhere)}
        return [*notes, *doubts_of_unmet(unmet(gaps, met, left), "missing: no cell is", "outcome")]

    def _is_gap(self, column: str, word: str) -> bool:
        if any(word == gap or same_number(word, gap) for gap in listed_words(self.missing)):
            return True
        if meet([word], self.declared(column), column):
            return False
        if is_sign(word):
            return True
        if not is_missing(word):
            return False
        remedy = self.doubtful(column, word)
        if remedy is not None:
            raise InputError(
                f"outcome column {column!r} holds {word!r}, which may mean that nothing is known, or be a value",
                remedy=f"Declare missing: [{word!r}] in the outcome section if nothing is known; {remedy}.",
            )
        return True


def listed_words(value: Scalars | None) -> list[str]:
    """Return one or several values of a section as words.

    Parameters
    ----------
    value
        What the section says; None: nothing.

    Examples
    --------
    >>> listed_words(1), listed_words(["NA", True]), listed_words(None)
    (['1'], ['NA', 'True'], [])
    """
    given = [] if value is None else value if isinstance(value, list) else [value]
    return [word for word in words(given) if word is not None]


def of_kind(task: Task, kind: type[T]) -> T:
    """Return a task, or say that it is of another kind than the outcome.

    Parameters
    ----------
    task
        The task.
    kind
        What it has to be.

    Raises
    ------
    MismatchError
        If it is something else.
    """
    if not isinstance(task, kind):
        raise MismatchError("the task does not fit the outcome", expected=kind.__name__, got=type(task).__name__)
    return task
