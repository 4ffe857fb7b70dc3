"""What estimators of times have in common: bins, a unit, curves that end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from mmlego.data.cohort.manifest import check_section
from mmlego.data.cohort.outcomes.survival import SurvivalOutcome
from mmlego.data.cohort.splitting import Duplicates
from mmlego.errors import MismatchError
from mmlego.estimators.base import LegoEstimator, as_array
from mmlego.estimators.inputs import Columns, Kinds
from mmlego.estimators.steps import StepFunction
from mmlego.estimators.wishes import Blocks, Overrides, Weights
from mmlego.tasks import CompetingPrediction, SurvivalPrediction
from mmlego.tasks.time_bins import BinnedTime

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data import Cohort
    from mmlego.data.cohort.outcomes import Outcome


class LegoOverTime(LegoEstimator):
    """The base of :class:`LegoSurvival` and :class:`LegoCompetingRisks`."""

    _task: ClassVar[str] = "survival"

    def __init__(
        self,
        blocks: Blocks = "auto",
        *,
        fuse: bool = True,
        weights: Weights = "auto",
        calibrate: bool = False,
        validation: float = 0.2,
        partial_modalities: bool = True,
        bins: int | None = None,
        cuts: Sequence[float] | None = None,
        unit: str | None = None,
        modalities: Columns | None = None,
        kinds: Kinds | None = None,
        cohort: Cohort | None = None,
        duplicates: Duplicates = "error",
        settings: Overrides = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        super().__init__(
            blocks,
            fuse=fuse,
            weights=weights,
            calibrate=calibrate,
            validation=validation,
            partial_modalities=partial_modalities,
            modalities=modalities,
            kinds=kinds,
            cohort=cohort,
            duplicates=duplicates,
            settings=settings,
            random_state=random_state,
        )
        self.bins = bins
        self.cuts = cuts
        self.unit = unit

    def predict_survival_function(self, X: Any, return_array: bool = False) -> np.ndarray:
        """Return the survival curve of each patient.

        Parameters
        ----------
        X
            Patients.
        return_array
            Return the probabilities to be free of the event at ``unique_times_``, ``(n, t)``.

        Returns
        -------
        array (n,) of StepFunction, or array (n, t)
        """
        return self._curves(self._survival(X), 1.0, return_array=return_array)

    def _survival(self, X: Any) -> np.ndarray:
        logits = self._logits(X)
        prediction = cast("SurvivalPrediction | CompetingPrediction", self.model_.task.predict(logits))
        return as_array(prediction.survival_at(self.unique_times_.tolist()))

    def _curves(self, values: np.ndarray, start: float, *, return_array: bool) -> np.ndarray:
        if return_array:
            return values
        times = self.unique_times_
        curves = np.empty(len(values), dtype=object)
        for row, one in enumerate(values):
            curves[row] = StepFunction(times, one, start=start, domain=(0.0, float(times[-1])))
        return curves

    def _keep(self, outcome: pd.DataFrame, spec: Outcome) -> Outcome:
        """Keep which times there are; return what reads an outcome with the bins that are asked for."""
        given = {"bins": self.bins, "cuts": None if self.cuts is None else list(self.cuts), "unit": self.unit}
        asked = {name: value for name, value in given.items() if value is not None}
        said = spec.model_dump(exclude_unset=True)
        if self.unit is not None and said.get("unit") not in (None, self.unit):
            raise MismatchError("the unit of the cohort's times", expected=said["unit"], got=self.unit)
        if "bins" in asked or "cuts" in asked:
            said = {name: value for name, value in said.items() if name not in ("bins", "cuts")}
        if said.get("causes") is not None:
            said.pop("event_when", None)  # which causes says
        made = check_section(SurvivalOutcome, said | asked, type(self).__name__)
        self.event_times_ = np.unique(outcome["time"].to_numpy()[outcome["event"].to_numpy() > 0])
        self._times = outcome["time"].to_numpy()
        return made

    def _finish(self) -> None:
        cuts = np.array(cast(BinnedTime, self.model_.task).cuts)
        times = np.concatenate([cuts, self._times])
        times = times[np.unique(times.astype(np.float32), return_index=True)[1]]  # the precision of targets
        self.unique_times_ = times[(times > 0) & (times.astype(np.float32) <= np.float32(cuts[-1]))]
        del self._times
