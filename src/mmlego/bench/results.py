"""Results of an experiment: JSON beside the experiment, a line a method drawn from it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmlego.bench.statistics import Comparison, compare
from mmlego.errors import InputError
from mmlego.run_folder import RunFolder

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
        return Results(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"no results in {file}", expected="results.json of mmlego bench", got=error) from error
