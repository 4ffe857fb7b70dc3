"""Outcomes that are classes: one out of several, or several labels that are there or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from mmlego.data.cohort.outcomes.base import Outcome, Scalar, listed_words, of_kind
from mmlego.data.cohort.outcomes.numbers import refuse
from mmlego.data.cohort.outcomes.regression import columns_of
from mmlego.data.cohort.outcomes.words import meet, truth, words
from mmlego.data.reading.ids import whole
from mmlego.data.reading.joins import select_columns
from mmlego.data.reading.likely_codes import likely_codes, told_codes
from mmlego.data.reading.spellings import alike
from mmlego.data.reading.telling import FEWEST
from mmlego.data.reading.words import as_number
from mmlego.errors import InputError, MismatchError
from mmlego.tasks import Classification, MultiLabel, Task
from mmlego.wording import listed

if TYPE_CHECKING:
    import pandas as pd

_AS_WRITTEN = "Name the classes as the file has them, in quotes where YAML reads another word (yes, no, 01)"


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

    def named(self) -> list[str]:
        """Return the column of classes."""
        return [self.label]

    def columns(self, available: Sequence[str]) -> list[str]:
        """Return the column of classes."""
        return select_columns([self.label], available, "outcome", globs=False)

    def declared(self, column: str) -> list[str]:
        """Return the classes."""
        return [] if self.classes is None else listed_words(self.classes)

    def doubtful(self, column: str, word: str) -> str:
        """Return that the word is to be named among the classes."""
        return f"name it in classes: [..., {word!r}] if it is a class"

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the column ``label``, whose categories are the classes, NaN where missing."""
        import pandas as pd

        given = words(frame[self.label])
        found = list(dict.fromkeys(word for word in given if word is not None))
        if self.classes is None:
            meanings = dict(zip(found, whole(found), strict=True))
            classes = _sorted(set(meanings.values()))
            self._refuse_alike(classes)
            self._refuse_names(classes, sum(word is not None for word in given))
        else:
            classes = self.declared(self.label)
            meanings = meet(found, classes, self.label)
        unknown = sorted(set(found) - set(meanings))
        if unknown:
            raise InputError(
                f"outcome: unknown classes in {self.label!r}",
                expected=listed(map(repr, classes)),
                got=listed(map(repr, unknown)),
                remedy=f"{_AS_WRITTEN}: classes: [{listed((repr(word) for word in _sorted(set(found))), 12)}].",
            )
        if len(classes) < 2:
            remedy = "Name the classes, as classes: [alive, dead]."
            raise InputError(f"outcome: column {self.label!r} holds one class only", got=listed(classes), remedy=remedy)
        values = [None if word is None else meanings[word] for word in given]
        return pd.DataFrame({"label": pd.Categorical(values, categories=classes)}, index=frame.index)

    def doubts(self, frame: pd.DataFrame) -> list[str]:
        """Return that a class which nobody named is rather a code for what is not known, as 9 beside 0 and 1."""
        given = [as_number(word, "point") for word in words(frame[self.label]) if word is not None]
        if self.classes is not None or None in given:
            return []
        values = np.array(given, dtype=float)
        codes = {code: count for code, count in likely_codes(values).items() if code != -1}
        told = f"{self.label!r} {told_codes(codes, values)}" if codes else ""
        return [f"{told}; if each is a class, name them under classes:"] if codes else []

    def _refuse_alike(self, classes: Sequence[str]) -> None:
        for group in alike(classes):
            raise InputError(
                f"outcome: classes of {self.label!r} that differ in form only",
                expected="one word a class",
                got=listed(map(repr, group)),
                remedy=f"Name each class once: classes: [{group[0]!r}, ...].",
            )

        said = [truth(name) for name in classes]
        if None not in said and len(set(said)) < len(classes):
            raise InputError(
                f"outcome: classes of {self.label!r} that differ in form only: all say yes or no",
                expected="one word a class",
                got=listed(map(repr, classes)),
                remedy="Write each class in one way in the file.",
            )

    def _refuse_names(self, classes: Sequence[str], patients: int) -> None:
        """Refuse what names or measures patients: nothing can be learnt of a class that hardly repeats."""
        if len(classes) < FEWEST or len(classes) * 2 <= patients:
            return
        measured = all(as_number(word, "point") is not None for word in classes)
        named = f"name the classes, as classes: [{classes[0]!r}, ...]"
        raise InputError(
            f"outcome: column {self.label!r} has {len(classes)} values in {patients} patients",
            expected="classes that patients share",
            got=listed(map(repr, classes), 3),
            remedy=f"If it is measured, declare task: regression, target: {self.label}; else {named}."
            if measured
            else f"Take another column as label:, or {named}.",
        )

    def fit_task(self, outcome: pd.DataFrame) -> Classification:
        """Return the task; the classes are those of the whole cohort."""
        return Classification(list(outcome["label"].cat.categories))

    def target(self, outcome: pd.DataFrame, task: Task) -> Tensor:
        """Return the number of the class of each patient, ``(n,)``; yes and TRUE meet, and so do 1 and 1.0.

        Raises
        ------
        MismatchError
            If the task lacks a class.
        """
        classes = of_kind(task, Classification).classes
        place = {name: number for number, name in enumerate(classes)}
        found = sorted(set(outcome["label"]))
        meanings = meet(found, classes, self.label)
        unknown = [name for name in found if name not in meanings]
        if unknown:
            raise MismatchError(
                "classes that the task lacks",
                expected=listed(classes),
                got=listed(unknown),
                remedy="Write the classes in the file as the model has them.",
            )
        return torch.tensor([place[meanings[name]] for name in outcome["label"]], dtype=torch.int64)

    def describe(self, outcome: pd.DataFrame) -> str:
        """Return the number of patients per class."""
        counts = outcome["label"].value_counts(sort=False)
        return f"classification: {self.label} is " + ", ".join(f"{name} in {n}" for name, n in counts.items())


class MultiLabelOutcome(Outcome):
    """Several labels, each 0 or 1, no or yes, or missing.

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

    def named(self) -> list[str]:
        """Return the columns of labels."""
        return [self.labels] if isinstance(self.labels, str) else self.labels

    def columns(self, available: Sequence[str]) -> list[str]:
        """Return the columns of labels."""
        return select_columns(self.labels, available, "outcome")

    def doubtful(self, column: str, word: str) -> str | None:
        """Return, of ``None``, that it is to be made a 0: it may mean that there is no finding."""
        return "write 0 if there is no finding" if word.casefold() == "none" else None

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return one column per label, 0, 1 or NaN."""
        import pandas as pd

        outcome = {}
        for name in frame.columns:
            given = words(frame[name])
            said = [None if word is None else truth(word) for word in given]
            odd = [
                (patient, word)
                for patient, word, value in zip(frame.index, given, said, strict=True)
                if word is not None and value is None
            ]
            told = listed(dict.fromkeys(repr(word) for _, word in odd))
            what = f"a label of {name!r} that is neither 0 nor 1, no nor yes: {told}"
            refuse(pd.Index([patient for patient, _ in odd]), what)
            outcome[name] = [np.nan if value is None else float(value) for value in said]
        return pd.DataFrame(outcome, index=frame.index, dtype=float)

    def lacking(self, outcome: pd.DataFrame) -> pd.Series:
        """Return who has no label at all; some may be missing."""
        return outcome.isna().all(axis=1)

    def fit_task(self, outcome: pd.DataFrame) -> MultiLabel:
        """Return the task; the labels are the columns."""
        return MultiLabel(list(outcome.columns))

    def target(self, outcome: pd.DataFrame, task: Task) -> Tensor:
        """Return the labels ``(n, k)``, NaN where missing."""
        remedy = "Call the columns as the model does; add one that is not known, with empty cells."
        return columns_of(outcome, of_kind(task, MultiLabel).labels, remedy)

    def beyond(self, outcome: pd.DataFrame, task: Task) -> list[str]:
        """Return the labels that the task has not."""
        return [name for name in outcome.columns if name not in of_kind(task, MultiLabel).labels]

    def describe(self, outcome: pd.DataFrame) -> str:
        """Return how many patients have each label."""
        counts = (f"{name} {int(outcome[name].sum())} of {outcome[name].count()}" for name in outcome.columns)
        return "multilabel: " + listed(counts, 8)


def _sorted(names: set[str]) -> list[str]:
    try:
        numbers = {name: float(name) for name in names}
    except ValueError:
        return sorted(names)
    if not all(map(math.isfinite, numbers.values())):
        return sorted(names)
    return sorted(names, key=lambda name: (numbers[name], name))
