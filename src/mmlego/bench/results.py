"""Results of an experiment: JSON beside the experiment, a line a method drawn from it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from mmlego.bench.statistics import Comparison, compare
from mmlego.errors import InputError
from mmlego.json_files import read_json
from mmlego.run_folder import RunFolder
from mmlego.wording import counted

ENSEMBLE = "logit ensemble"


@dataclass(frozen=True)
class Results:
    """What an experiment measured.

    Parameters
    ----------
    experiment
        Its description: cohort, folds, repeats, settings.
    metric
        The task's primary metric, higher is better.
    splits
        One entry a split, as ``score_bricks`` returned it.
    outcome
        By patient, what happened, for pictures.
    """

    experiment: dict[str, Any]
    metric: str
    splits: list[dict[str, Any]]
    outcome: dict[str, list[float]]

    @property
    def methods(self) -> list[str]:
        """The names of the methods, in order."""
        return list(dict.fromkeys(name for split in self.splits for name in split["scores"]))

    def scores(self, method: str, metric: str | None = None) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return a method's score on each split, NaN where it was not defined."""
        name = metric or self.metric
        values = [split["scores"].get(method, {}).get(name) for split in self.splits]
        return np.array([np.nan if value is None else value for value in values], dtype=float)

    def cost(self, method: str) -> float:
        """Return the mean seconds of CPU of a method on a split, NaN where nobody measured."""
        found = [split.get("cpu", {}).get(method) for split in self.splits]
        known = [value for value in found if value is not None]
        return float(np.mean(known)) if known else math.nan

    def rivals(self, needs: str) -> list[str]:
        """Return the rivals of a kind: ``"with pairs"``, ``"without pairs"`` or ``"end to end"``."""
        return [
            name for name in self.methods if any(split.get("needs", {}).get(name) == needs for split in self.splits)
        ]

    def hardest(self, needs: str) -> str | None:
        """Return the rival of a kind that is best on the mean: nobody could have known, so it is a hard one."""
        scores = {name: self.scores(name) for name in self.rivals(needs)}
        means = {name: float(np.nanmean(found)) for name, found in scores.items() if np.isfinite(found).any()}
        return max(means, key=lambda name: means[name], default=None)

    def versus(self, first: str, second: str) -> Comparison:
        """Compare two methods, split by split."""
        share = 1 / self.experiment["folds"]
        return compare(self.scores(first).tolist(), self.scores(second).tolist(), test_share=share)

    def config(self) -> dict[str, Any]:
        """Return all of it as JSON-able values."""
        return {
            "experiment": self.experiment,
            "metric": self.metric,
            "splits": self.splits,
            "outcome": self.outcome,
        }


def read_results(path: Path) -> Results:
    """Read what an experiment wrote.

    Parameters
    ----------
    path
        ``results.json``, or the folder that holds it.

    Raises
    ------
    InputError
        If it is missing or not the results of an experiment.
    """
    file = RunFolder(path).results if path.is_dir() else path
    try:
        content = read_json(file)
        found = _Whole.model_validate(content)
        _check_outcomes(found)
        check_alike(content["splits"])
    except (OSError, ValueError) as error:
        got = _first(error) if isinstance(error, ValidationError) else error
        raise InputError(f"no results in {file}", expected="results.json of mmlego bench", got=got) from error
    said = found.experiment.model_dump(exclude_none=True) | content["experiment"]  # what an older one left out, too
    return Results(said, content["metric"], content["splits"], content["outcome"])


def read_split_result(file: Path, patients: Collection[str]) -> dict[str, Any]:
    """Read what an experiment measured on one split.

    Parameters
    ----------
    file
        Of the cell.
    patients
        Whom the cohort has.

    Raises
    ------
    InputError
        If it is not as it was written.
    """
    try:
        content = read_json(file)
        found: dict[str, Any] = content["result"] if isinstance(content, dict) and "result" in content else {}
        strangers = set(_Split.model_validate(found).patients).difference(patients)
        if strangers:
            raise ValueError(f"{counted(len(strangers), 'patient')} whom the cohort lacks")
    except (OSError, ValueError) as error:
        got = _first(error) if isinstance(error, ValidationError) else error
        expected, remedy = "what mmlego bench measured on a split", "Delete it: the split is then measured again."
        raise InputError(f"{file} is damaged", expected=expected, got=got, remedy=remedy) from error
    return found


Scores: TypeAlias = dict[str, FiniteFloat | None]  # what was not defined is null


class _Split(BaseModel):
    """What stands in a split's result and is relied on; what else stands there is kept as it is."""

    model_config = ConfigDict(strict=True)

    scores: dict[str, Scores]
    repeat: int = 0
    patients: list[str] = Field(default_factory=list)
    cpu: Scores = Field(default_factory=dict)
    needs: dict[str, str] = Field(default_factory=dict)
    seconds: FiniteFloat = 0.0
    risk: dict[str, list[FiniteFloat]] | None = None
    cut: dict[str, FiniteFloat] | None = None
    risks: dict[str, list[list[FiniteFloat]]] | None = None
    cuts: dict[str, list[FiniteFloat]] | None = None
    probability: dict[str, list[FiniteFloat]] | None = None

    def model_post_init(self, _: Any) -> None:
        """Refuse answers that are not one of each patient, or lack the cut that goes with them."""
        for name, answers, cuts in (("risk", self.risk, self.cut), ("risks", self.risks, self.cuts)):
            if answers is not None and (cuts is None or answers.keys() - cuts.keys()):
                raise ValueError(f"{name} of {', '.join(answers)} without the cuts that belong to it")
        for model, risks in (self.risks or {}).items():
            if any(len(one) != len((self.cuts or {})[model]) for one in risks):
                raise ValueError(f"risks of {model} are not of each cause")
        given: tuple[Mapping[str, list[Any]] | None, ...] = (self.risk, self.risks, self.probability)
        for told in given:
            for model, of_patients in (told or {}).items():
                if len(of_patients) != len(self.patients):
                    raise ValueError(f"{len(of_patients)} answers of {model} for {len(self.patients)} patients")


class _Experiment(BaseModel):
    model_config = ConfigDict(strict=True)

    cohort: str
    patients: int = Field(ge=0)
    folds: int = Field(ge=2)
    repeats: int = Field(default=1, ge=1)
    disjoint: bool = True
    validation: FiniteFloat = Field(default=0.2, ge=0, le=1)
    outcome: dict[str, Any] | None = None
    paired: float | None = None
    columns: dict[str, int | None] = Field(default_factory=dict)
    have: dict[str, int] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)


class _Whole(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    experiment: _Experiment
    metric: str
    splits: list[_Split] = Field(min_length=1)
    outcome: dict[str, list[FiniteFloat | None]]


def check_alike(splits: Sequence[Mapping[str, Any]]) -> None:
    """Refuse splits that do not tell the same of their patients, or of which none is of the first repeat.

    Parameters
    ----------
    splits
        Those of an experiment.

    Raises
    ------
    ValueError
        If they are so.
    """
    told = [{name for name in ("risk", "risks", "probability") if split.get(name) is not None} for split in splits]
    if any(one != told[0] for one in told):
        raise ValueError("splits that do not tell the same of their patients")
    if all(split.get("repeat", 0) for split in splits):
        raise ValueError("no split of the first repeat")


def _check_outcomes(found: _Whole) -> None:
    """Refuse patients of whom nothing is known, and causes that are not those of the outcome."""
    task = (found.experiment.outcome or {}).get("task")
    least = 2 if task == "survival" else 1
    causes = TypeAdapter(dict[str, Any] | None).validate_python((found.experiment.outcome or {}).get("causes")) or {}
    for split in found.splits:
        for patient in split.patients:
            if len(found.outcome.get(patient, ())) < least:
                raise ValueError(f"the outcome of patient {patient!r} is not there")
        for model, cuts in (split.cuts or {}).items():
            if len(cuts) != len(causes):
                raise ValueError(f"cuts of {model} are not of each cause")


def _first(error: ValidationError) -> str:
    fault = error.errors()[0]
    place = ".".join(map(str, fault["loc"]))
    return f"{place}: {fault['msg']}" if place else fault["msg"]
