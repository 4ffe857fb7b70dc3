"""What tuning has found: all trials, and of each modality the best."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmlego.settings import Settings
from mmlego.training.loop import LOWER

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Trial:
    """What was tried, and how good it was.

    Parameters
    ----------
    modality, method
        Of whose block, and of what it was made.
    number
        From 0, which is the method as the settings have it.
    tried
        Values by dotted setting, as ``options.hidden``.
    score, error
        The mean over the inner folds, and its standard error; None where it failed.
    seconds
        How long it took.
    failure
        What went wrong; None: nothing.
    """

    modality: str
    method: str
    number: int
    tried: Mapping[str, Any]
    score: float | None
    error: float | None
    seconds: float
    failure: str | None = None


@dataclass(frozen=True)
class Tuned:
    """What tuning has found.

    Parameters
    ----------
    settings
        All settings, with the best of each modality under ``encoders``.
    metric
        By what trials were compared.
    trials
        All of them.
    best
        By modality, the best one.
    """

    settings: Settings
    metric: str
    trials: Sequence[Trial]
    best: Mapping[str, Trial]

    @property
    def higher(self) -> bool:
        """Whether higher is better."""
        return self.metric not in LOWER

    def table(self) -> pd.DataFrame:
        """Return a row a trial."""
        import pandas as pd

        rows = [
            {
                "modality": one.modality,
                "method": one.method,
                "trial": one.number,
                self.metric: one.score,
                "standard_error": one.error,
                "seconds": one.seconds,
                "best": one is self.best[one.modality],
                "tried": json.dumps(dict(one.tried)),
                "failure": one.failure,
            }
            for one in self.trials
        ]
        return pd.DataFrame(rows)
