"""Survival, with the interface of scikit-survival."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from mmlego.data.cohort.outcomes import Outcome
from mmlego.data.cohort.outcomes.survival import SurvivalOutcome
from mmlego.errors import InputError, MismatchError
from mmlego.estimators.base import as_array
from mmlego.estimators.over_time import LegoOverTime
from mmlego.tasks import Survival
from mmlego.tasks.survival_scores import concordance
from mmlego.tasks.survival_target import split_structured
from mmlego.wording import listed

if TYPE_CHECKING:
    import pandas as pd


class LegoSurvival(LegoOverTime):
    """Time to an event, by blocks that are trained apart, merged and fused.

    ``y`` is a structured array of a boolean and a numeric field, as ``sksurv.util.Surv`` makes it: whether the event
    was observed, and the time. Higher risk = earlier event, always.

    Parameters
    ----------
    bins
        How many bins time is cut into, where ``cuts`` are not given; None: as the main job does.
    cuts
        Where to cut time, in its unit; beyond the last cut nothing is predicted.
    unit
        Of the times, ``days``, ``weeks``, ``months`` or ``years``: models keep it; None: not known.
    blocks, fuse, weights, calibrate, validation, partial_modalities, modalities, kinds, cohort, duplicates, settings, \
    random_state
        As :class:`LegoClassifier` takes them.

    Attributes
    ----------
    model_, merge_, fuse_, blocks_, modalities_, n_patients_, n_features_in_, feature_names_in_
        As :class:`LegoClassifier` has them.
    unique_times_ : array (t,)
        The times at which curves step: those seen in training and the cuts of the bins, up to the last cut. Beyond it
        nothing is known, and curves refuse to tell.
    event_times_ : array
        The times at which events were observed in training.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 3))
    >>> y = np.array([(True, t) for t in np.exp(-X[:, 0]) * 10], dtype=[("event", "?"), ("time", "<f8")])
    >>> model = LegoSurvival("coxnet").fit(X, y)
    >>> curve = model.predict_survival_function(X[:1])[0]
    >>> bool(model.score(X, y) > 0.8), float(curve(0.0)), curve.x.tolist() == model.unique_times_.tolist()
    (True, 1.0, True)
    """

    _estimator_type: ClassVar[str] = "survival"
    _predict_risk_score: ClassVar[bool] = True  # what scikit-survival asks of an estimator

    def predict(self, X: Any) -> np.ndarray:
        """Return the risk of each patient ``(n,)``; higher = earlier event.

        Parameters
        ----------
        X
            Patients.
        """
        return self._answers(self._logits(X))[:, 0]

    def predict_cumulative_hazard_function(self, X: Any, return_array: bool = False) -> np.ndarray:
        """Return the cumulative hazard ``−log S`` of each patient.

        Parameters
        ----------
        X
            Patients.
        return_array
            Return the values at ``unique_times_``, ``(n, t)``.

        Returns
        -------
        array (n,) of StepFunction, or array (n, t)
        """
        hazards = -np.log(np.maximum(self._survival(X), np.finfo(np.float64).tiny))
        return self._curves(hazards + 0.0, 0.0, return_array=return_array)  # of −0, 0

    def score(self, X: Any, y: Any = None, *, patients: Any = None) -> float:
        """Return Harrell's concordance index.

        Parameters
        ----------
        X
            Patients.
        y
            Events and times, a structured array; None: as the cohort says.
        patients
            Their ids: those whom the model was trained on are refused then.

        Raises
        ------
        InputError
            If no two patients can be compared, or the model was trained on one of them.
        """
        self._guard(X, patients)
        risk = torch.from_numpy(self.predict(X))
        if y is None:
            outcome = self._cohort_outcome(X)
            target = Survival.target(outcome["event"].to_numpy(), outcome["time"].to_numpy())
        else:
            target = Survival.target(y)
        if len(target) != len(risk):
            raise InputError("y and X differ in their number of patients", expected=len(risk), got=len(target))
        found = concordance(risk, target[:, 0] == 1, target[:, 1].double())
        if math.isnan(found):
            raise InputError("no two patients can be compared", expected="an event before another time")
        return found

    def _answers(self, logits: Tensor) -> np.ndarray:
        return as_array(cast(Survival, self.model_.task).predict(logits).risk)[:, None]

    def _read(self, y: Any) -> tuple[pd.DataFrame, Outcome]:
        import pandas as pd

        if not bool((Survival.target(y)[:, 0] == 1).any()):
            raise InputError("y of a survival estimator", expected="an observed event", got="all patients are censored")
        spec = SurvivalOutcome(task="survival", time="time", event="event", event_when=1)
        events, times = split_structured(y)
        frame = pd.DataFrame({"event": events.astype(np.float64), "time": times.astype(np.float64)})
        return frame, self._learn(frame, spec)

    def _learn(self, outcome: pd.DataFrame, spec: Outcome) -> Outcome:
        causes = getattr(spec, "causes", None)
        if causes:
            raise MismatchError(
                "the outcome of the cohort has several causes",
                expected="one kind of event",
                got=listed(causes),
                remedy="Take LegoCompetingRisks.",
            )
        return self._keep(outcome, spec)
