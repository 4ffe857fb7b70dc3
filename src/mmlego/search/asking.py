"""What to try next: Optuna is asked for it, and told how good it was; the same answers bring the same questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmlego.extras import import_extra
from mmlego.sections import Range, Tried


class Asking:
    """The tree-structured Parzen estimator of Optuna (Bergstra et al. 2011) over the settings of one method.

    Parameters
    ----------
    space
        What is tried, by dotted setting; not empty.
    seed
        Of what is tried.

    Raises
    ------
    MissingExtraError
        If Optuna is not there.

    Examples
    --------
    >>> made = [Asking({"x": Range(low=0.0, high=1.0)}, seed=3).ask() for _ in range(2)]
    >>> made[0] == made[1], 0 <= made[0]["x"] <= 1
    (True, True)
    """

    def __init__(self, space: Mapping[str, Tried], seed: int) -> None:
        self._optuna = optuna = import_extra("optuna", "tuning", "'mmlego[tune]'")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = dict(space)
        self._distributions = {name: self._distribution(tried) for name, tried in self._space.items()}
        self._study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        self._asked: list[Any] = []

    def ask(self) -> dict[str, Any]:
        """Return what to try next, by dotted setting."""
        trial = self._study.ask(self._distributions)
        self._asked.append(trial)
        return {
            name: value if isinstance(self._space[name], Range) else self._space[name][value]  # type: ignore[index]
            for name, value in trial.params.items()
        }

    def tell(self, values: list[float | None]) -> None:
        """Say how good what was asked for was, in this order: higher is better, None where it failed."""
        states = self._optuna.trial.TrialState
        for trial, value in zip(self._asked, values, strict=True):
            if value is None:
                self._study.tell(trial, state=states.FAIL)
            else:
                self._study.tell(trial, value)
        self._asked = []

    def _distribution(self, tried: Tried) -> Any:
        kinds = self._optuna.distributions
        if not isinstance(tried, Range):
            return kinds.CategoricalDistribution(list(range(len(tried))))  # lists are no values to Optuna
        if tried.whole:
            return kinds.IntDistribution(tried.low, tried.high, log=tried.log)
        return kinds.FloatDistribution(float(tried.low), float(tried.high), log=tried.log)
