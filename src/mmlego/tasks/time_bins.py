"""What tasks with discrete hazards have in common: bins of time between cuts, a unit, a horizon."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from mmlego.errors import InputError, ShapeError
from mmlego.scalars import as_number
from mmlego.tasks.base import Task
from mmlego.tasks.checks import as_floats, as_numbers, check_logits, check_rows
from mmlego.tasks.survival_prediction import in_single
from mmlego.tasks.survival_unit import check_unit

DECLARED, PATIENTS = "declared", "patients"  # where cuts come from


class BinnedTime(Task):
    """A task whose target is ``(n, 2)``, event and time, and whose logits are of k bins of time.

    The cuts c₁ < … < c_{k−1} divide time into the bins [0, c₁], (c₁, c₂], …, (c_{k−1}, ∞). A bin holds its right end.

    Attributes
    ----------
    cuts : tuple of k − 1 floats
        In the unit of the times.
    unit : str, optional
        Of the cuts and of all times; None: not known.
    typical_time : float, optional
        The median time of the patients that the cuts were made from, by which times of another scale are told.
    cuts_from : str, optional
        ``"declared"`` by who made the task, or ``"patients"``: quantiles of their times; None: not known.
    events : float, optional
        The share with an event of the patients whom the task was made with; None: not known.

    Examples
    --------
    >>> from mmlego.tasks import CompetingRisks, Survival
    >>> issubclass(Survival, BinnedTime), issubclass(CompetingRisks, BinnedTime)
    (True, True)
    """

    cuts: tuple[float, ...]
    unit: str | None
    typical_time: float | None
    events: ClassVar[float | None] = None  # likewise
    cuts_from: ClassVar[str | None] = None  # of each task its own, and no field: a plate's fingerprint is without it

    def _cut(self, cuts: Sequence[float], unit: str | None, typical_time: float | None) -> None:
        """Check cuts, unit and typical time, and keep them."""
        values = as_floats(cuts, "cuts")
        single = in_single(values)  # times are kept in float32, so the cuts must differ there
        if not values or bool((single <= 0).any() | (single.diff() <= 0).any() | single.isinf().any()):
            raise InputError(
                "cuts do not divide time into bins",
                expected="at least one positive time, increasing",
                got=values,
                remedy=f"Sort them and drop repeats, or use {type(self).__name__}.from_data, which finds some.",
            )
        if typical_time is not None and not 0 < as_number(typical_time) < math.inf:
            told = f"typical_time of {type(self).__name__}"
            raise InputError(told, expected="a time > 0, or None", got=repr(typical_time))
        object.__setattr__(self, "cuts", values)
        object.__setattr__(self, "unit", check_unit(unit))
        object.__setattr__(self, "typical_time", None if typical_time is None else as_number(typical_time))
        if typical_time is None:  # only who looks at patients has one
            object.__setattr__(self, "cuts_from", DECLARED)

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Rebuild the task from what :meth:`config` gave, which does not say where the cuts come from.

        Parameters
        ----------
        config
            The arguments, and the name of this task.

        Raises
        ------
        InputError
            If the name is another one, or if an argument is missing, unknown or wrong.
        """
        return super().from_config(config).with_cuts_from(None)

    def with_cuts_from(self, source: object) -> Self:
        """Note where the cuts come from, and return the task; it is not told in its configuration, nor compared.

        Parameters
        ----------
        source
            ``"declared"``, ``"patients"``, or anything else: not known.
        """
        object.__setattr__(self, "cuts_from", source if source in (DECLARED, PATIENTS) else None)
        return self

    def with_events(self, share: object) -> Self:
        """Note the share of patients with an event, and return the task; as :meth:`with_cuts_from` does.

        Parameters
        ----------
        share
            Between 0 and 1, as :func:`mmlego.tasks.event_share.share_of_events` tells it; anything else: not known.
        """
        known = isinstance(share, float) and 0 < share < 1
        object.__setattr__(self, "events", share if known else None)
        return self

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self._fields().items() if value is not None)
        return f"{type(self).__name__}({said})"

    def config(self) -> dict[str, object]:
        """Describe the task in plain values, ready for JSON; what is not known is left out, as before there was a unit.

        Returns
        -------
        dict
            The name under ``"name"``, and the arguments.

        Examples
        --------
        >>> from mmlego.tasks import Survival
        >>> Survival([1, 2], unit="years").config()
        {'name': 'survival', 'cuts': [1.0, 2.0], 'unit': 'years'}
        """
        return {key: value for key, value in super().config().items() if value is not None}

    @property
    def start(self) -> float:
        """Minus the logarithm of :attr:`outputs`: with many bins each hazard is small."""
        return -math.log(self.outputs)

    @property
    def horizon(self) -> float:
        """The last cut: the time up to which predictions are known, in the unit of the cuts."""
        return self.cuts[-1]

    @abstractmethod
    def calibration(self, logits: Tensor, target: object, times: Sequence[float]) -> Sequence[Any]:
        """Compare predictions at times with what was observed, a row a time, and a cause where there are several."""

    def _compared(self, logits: Tensor, target: object, times: Sequence[float]) -> tuple[Tensor, Tensor, list[float]]:
        """Return checked logits (n, k) in float64 and targets (n, 2) on the CPU, and times as they are in float32."""
        known = self.check_target(target).detach().cpu()
        checked = check_logits(logits, self.outputs, finite=True).detach().cpu().double()
        check_rows(known, len(checked))
        return checked, known, in_single(as_floats(times, "times")).double().tolist()


def two_columns(target: object, what: str, remedy: str) -> Tensor:
    """Return a target ``(n, 2)`` of events and times in float32, its values unread.

    Parameters
    ----------
    target : (n, 2)
        Anything with that shape.
    what
        Of which it is the target.
    remedy
        How to make one.

    Raises
    ------
    ShapeError
        If it has another shape.

    Examples
    --------
    >>> two_columns([[1, 3.5]], "survival", "")
    tensor([[1.0000, 3.5000]])
    """
    values = as_numbers(target, "target")
    if values.ndim != 2 or values.shape[1] != 2:
        raise ShapeError(
            f"the target is not one of {what}",
            expected="(n, 2) with the columns event and time",
            got=tuple(values.shape),
            remedy=remedy,
        )
    return values.float()


def place_of(time: Tensor, cuts: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Return in which bin each time lies, and which share of the bin had passed by then: 1 in the last, which is open.

    Parameters
    ----------
    time : (b,) float32
        Times ≥ 0.
    cuts : (k − 1,)
        The times between the bins.

    Returns
    -------
    bin : (b,) int64
    share : (b,) float32

    Examples
    --------
    >>> place_of(torch.tensor([1.0, 1.5, 9.0]), [1.0, 2.0])
    (tensor([0, 1, 2]), tensor([1.0000, 0.5000, 1.0000]))
    """
    ends = in_single(cuts, time.device)  # (k - 1,)
    last = torch.bucketize(time.contiguous(), ends)  # (b,)
    start = torch.cat([ends.new_zeros(1), ends])[last]
    width = torch.cat([ends, ends.new_zeros(1)])[last] - start
    return last, torch.where(last < len(ends), (time - start) / width, 1.0)
