"""What a survival target must be: events of 0 and 1, times that are finite and not negative."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from mmlego.errors import InputError
from mmlego.tasks.checks import refuse


def split_structured(value: object) -> tuple[np.ndarray, np.ndarray]:
    """Take events and times out of a structured array, as scikit-survival makes them.

    Parameters
    ----------
    value : (n,)
        A structured array of one boolean and one numeric field, in any order and with any names.

    Returns
    -------
    event, time : array (n,)
        Its fields.

    Raises
    ------
    InputError
        If it is not such an array.

    Examples
    --------
    >>> surv = np.array([(True, 3.0)], dtype=[("event", "?"), ("time", "<f8")])
    >>> split_structured(surv)
    (array([ True]), array([3.]))
    """
    names = getattr(getattr(value, "dtype", None), "names", None) or ()
    array = np.asarray(value)
    events = [name for name in names if array.dtype[name].kind == "b"]
    times = [name for name in names if array.dtype[name].kind in "iuf"]
    if len(names) != 2 or len(events) != 1 or len(times) != 1:
        raise InputError(
            "events without times",
            expected="event and time, or a structured array of a boolean and a numeric field",
            got=f"the fields {names}" if names else type(value).__name__,
            remedy="Call Survival.target(event, time).",
        )
    return array[events[0]], array[times[0]]


def split_causes(value: object) -> tuple[np.ndarray, np.ndarray]:
    """Take numbers of causes and times out of a structured array.

    Parameters
    ----------
    value : (n,)
        A structured array of a field of whole numbers, 0 where the patient was censored, and one of floats, the time;
        in any order and with any names.

    Returns
    -------
    event : (n,) int64
    time : (n,) float64

    Raises
    ------
    InputError
        If it is not such an array.

    Examples
    --------
    >>> split_causes(np.array([(2, 3.0)], dtype=[("event", "i4"), ("time", "<f8")]))
    (array([2]), array([3.]))
    """
    names = getattr(getattr(value, "dtype", None), "names", None) or ()
    array = np.asarray(value)
    events = [name for name in names if array.dtype[name].kind in "iu"]
    times = [name for name in names if array.dtype[name].kind == "f"]
    if len(names) != 2 or len(events) != 1 or len(times) != 1:
        raise InputError(
            "causes without times",
            expected="a structured array of a field of whole numbers, the causes, and one of floats, the times",
            got=", ".join(f"{name}: {array.dtype[name]}" for name in names) if names else type(value).__name__,
            remedy="Make one with dtype=[('event', 'i4'), ('time', 'f8')].",
        )
    return array[events[0]].astype(np.int64), array[times[0]].astype(np.float64)


def check_values(target: Tensor) -> Tensor:
    """Check the values of a survival target; the error names the first bad one with its row.

    Parameters
    ----------
    target : (n, 2)
        The columns event and time.

    Returns
    -------
    Tensor : (n, 2)
        The same.

    Raises
    ------
    InputError
        If an event is not 0 or 1, or a time is negative, missing or infinite.

    Examples
    --------
    >>> import torch
    >>> check_values(torch.tensor([[1.0, 3.0]]))
    tensor([[1., 3.]])
    """
    event, time = target.detach().unbind(1)
    refuse(
        (event != 0) & (event != 1),
        event,
        "event is neither 0 nor 1",
        expected="1 where the event was observed, 0 where the patient was censored",
        remedy="Drop patients without follow-up; recode with event = (status == the code of the event).",
    )
    refuse(
        ~time.isfinite(),
        time,
        "time is not finite",
        expected="finite times in float32",
        remedy="Drop patients without follow-up, or measure time in a larger unit.",
    )
    refuse(
        time < 0,
        time,
        "time is negative",
        expected="times ≥ 0",
        remedy="Count the time from the start of follow-up, or drop the patient.",
    )
    return target
