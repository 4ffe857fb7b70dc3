"""Competing risks, with the outcome as scikit-survival has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from mmlego.data.cohort.outcomes import Outcome
from mmlego.data.cohort.outcomes.survival import SurvivalOutcome
from mmlego.data.cohort.splitting import Duplicates
from mmlego.errors import InputError, MismatchError
from mmlego.estimators.base import as_array
from mmlego.estimators.inputs import Columns, Kinds
from mmlego.estimators.over_time import LegoOverTime
from mmlego.estimators.steps import StepFunction
from mmlego.estimators.wishes import Blocks, Overrides, Weights
from mmlego.tasks import CompetingRisks
from mmlego.tasks.checks import as_names
from mmlego.tasks.competing_scores import cause_concordance
from mmlego.tasks.survival_target import split_causes

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data import Cohort


class LegoCompetingRisks(LegoOverTime):
    """Which of several events comes first, and when, by blocks that are trained apart, merged and fused.

    ``y`` is a structured array of a whole number and a time in floats: 0 where the patient was censored, else the
    number of the cause, from 1, as ``sksurv.nonparametric.cumulative_incidence_competing_risks`` takes it.

    Parameters
    ----------
    causes
        Names of the causes in the order of their numbers, or how many there are; None: as many as the largest number
        of y, called ``cause_1`` on, or as the cohort names them.
    bins, cuts, unit
        As :class:`LegoSurvival` takes them.
    blocks, fuse, weights, calibrate, validation, partial_modalities, modalities, kinds, cohort, duplicates, settings, \
    random_state
        As :class:`LegoClassifier` takes them.

    Attributes
    ----------
    model_, merge_, fuse_, blocks_, modalities_, n_patients_, n_features_in_, feature_names_in_
        As :class:`LegoClassifier` has them.
    causes_ : tuple of str
        The names of the ``m`` causes.
    unique_times_, event_times_
        As :class:`LegoSurvival` has them, of events of whatever cause.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(120, 2))
    >>> each = rng.exponential(np.exp(-X)) * 10  # the first column drives relapse, the second death
    >>> y = np.array(list(zip(each.argmin(1) + 1, each.min(1))), dtype=[("event", "i4"), ("time", "f8")])
    >>> model = LegoCompetingRisks("coxnet", causes=["relapse", "death"]).fit(X, y)
    >>> model.predict(X).shape, bool(model.score(X, y) > 0.7)
    ((120, 2), True)
    >>> relapse, death = model.predict_cumulative_incidence(X[:1])[0]
    >>> bool(0 < relapse(5.0) + death(5.0) < 1)
    True
    """

    _estimator_type: ClassVar[str] = "survival"

    def __init__(
        self,
        blocks: Blocks = "auto",
        *,
        causes: int | Sequence[str] | None = None,
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
            bins=bins,
            cuts=cuts,
            unit=unit,
            modalities=modalities,
            kinds=kinds,
            cohort=cohort,
            duplicates=duplicates,
            settings=settings,
            random_state=random_state,
        )
        self.causes = causes

    def predict(self, X: Any) -> np.ndarray:
        """Return the risk of each cause ``(n, m)``; higher = its event comes earlier, or at all.

        Parameters
        ----------
        X
            Patients.
        """
        return self._answers(self._logits(X))

    def predict_cumulative_incidence(self, X: Any, return_array: bool = False) -> np.ndarray:
        """Return by patient and cause the probability that its event has come first.

        Parameters
        ----------
        X
            Patients.
        return_array
            Return the probabilities at ``unique_times_``, ``(n, m, t)``.

        Returns
        -------
        array (n, m) of StepFunction, or array (n, m, t)
        """
        prediction = cast(CompetingRisks, self.model_.task).predict(self._logits(X))
        found = as_array(prediction.incidence_at(self.unique_times_.tolist())).transpose(0, 2, 1)  # (n, m, t)
        if return_array:
            return found
        times = self.unique_times_
        curves = np.empty(found.shape[:2], dtype=object)
        for place in np.ndindex(curves.shape):
            curves[place] = StepFunction(times, found[place], start=0.0, domain=(0.0, float(times[-1])))
        return curves

    def score(self, X: Any, y: Any = None, *, patients: Any = None) -> float:
        """Return the mean over the causes of their concordance index (Wolbers et al. 2009).

        Parameters
        ----------
        X
            Patients.
        y
            Numbers of causes and times, a structured array; None: as the cohort says.
        patients
            Their ids: those whom the model was trained on are refused then.

        Raises
        ------
        InputError
            If for a cause no two patients can be compared, or the model was trained on one of them.
        """
        self._guard(X, patients)
        risks = torch.from_numpy(self.predict(X))
        if y is None:
            outcome = self._cohort_outcome(X)
            event, time = outcome["event"].to_numpy(), outcome["time"].to_numpy()
        else:
            event, time = split_causes(y)
        if len(event) != len(risks):
            raise InputError("y and X differ in their number of patients", expected=len(risks), got=len(event))
        task = cast(CompetingRisks, self.model_.task)
        target = task.check_target(np.stack([event.astype(float), time.astype(float)], axis=1))
        came, when = target[:, 0], target[:, 1].double()
        each = [cause_concordance(risks[:, c], came, when, c + 1) for c in range(len(task.causes))]
        missing = [cause for cause, value in zip(task.causes, each, strict=True) if math.isnan(value)]
        if missing:
            raise InputError(
                f"no two patients can be compared for {missing[0]}", expected="an event of it before another time"
            )
        return float(np.mean(each))

    def _answers(self, logits: Tensor) -> np.ndarray:
        return as_array(cast(CompetingRisks, self.model_.task).predict(logits).risks)

    def _answer_names(self) -> list[str]:
        return list(self.causes_)

    def _read(self, y: Any) -> tuple[pd.DataFrame, Outcome]:
        import pandas as pd

        events, times = split_causes(y)
        most = int(events.max(initial=0))
        if most < 1:
            raise InputError("y of competing risks", expected="an observed event", got="all patients are censored")
        if self.causes is None and most < 2:
            raise InputError(
                "y of competing risks has one cause",
                expected="events of two causes or more",
                got="1 alone",
                remedy="Take LegoSurvival, or say causes=, if nobody here happened to have the others.",
            )
        count = self.causes if isinstance(self.causes, int) else None
        names = [f"cause_{number}" for number in range(1, (count or most) + 1)]
        if self.causes is not None and count is None:
            names = list(as_names(cast("Sequence[str]", self.causes), "causes", "cause_", 2))
        if most > len(names) or events.min(initial=0) < 0:
            odd = most if most > len(names) else int(events.min())
            raise InputError("y names no cause", expected=f"0 censored, 1 to {len(names)}", got=odd)
        spec = SurvivalOutcome(
            task="survival",
            time="time",
            event="event",
            event_when=list(range(1, len(names) + 1)),
            causes={name: number for number, name in enumerate(names, start=1)},
        )
        frame = pd.DataFrame({"event": events.astype(np.float64), "time": times.astype(np.float64)})
        return frame, self._learn(frame, spec)

    def _learn(self, outcome: pd.DataFrame, spec: Outcome) -> Outcome:
        causes = getattr(spec, "causes", None)
        if not causes:
            raise MismatchError(
                "the outcome of the cohort has one kind of event",
                expected="causes: of two or more",
                got="none",
                remedy="Take LegoSurvival.",
            )
        self.causes_ = tuple(causes)
        return self._keep(outcome, spec)
