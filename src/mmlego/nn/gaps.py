"""Series with gaps: the last measurement of each variable, and how long ago it was made. No loop over time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlego.errors import InputError


def last_measured(observed: Tensor) -> Tensor:
    """Return for each step the number of the last step at which a variable was measured, itself included.

    Parameters
    ----------
    observed
        True where a measurement was made, shape ``(b, n, f)``.

    Returns
    -------
    Tensor
        ``(b, n, f)`` int64; 0 where nothing was measured yet.

    Examples
    --------
    >>> last_measured(torch.tensor([False, True, False, True])[None, :, None])[0, :, 0].tolist()
    [0, 1, 1, 3]
    """
    steps = torch.arange(observed.shape[1], device=observed.device)[:, None]
    return torch.where(observed, steps, 0).cummax(1).values


def carry_forward(values: Tensor, last: Tensor) -> Tensor:
    """Return the last measurement of each variable at each step.

    Parameters
    ----------
    values
        Shape ``(b, n, f)``, 0 where nothing was measured.
    last
        From ``last_measured``, shape ``(b, n, f)``.

    Returns
    -------
    Tensor
        ``(b, n, f)``; 0 before the first measurement.

    Examples
    --------
    >>> observed = torch.tensor([False, True, False])[None, :, None]
    >>> values = torch.tensor([0.0, 7.0, 0.0])[None, :, None]
    >>> carry_forward(values, last_measured(observed))[0, :, 0].tolist()
    [0.0, 7.0, 7.0]
    """
    return values.gather(1, last)


def time_since(time: Tensor, last: Tensor) -> Tensor:
    """Return the time since each variable's last measurement before each step.

    ``δ_t = s_t − s_{t'}`` with ``t' < t`` the last step at which the variable was measured, or the first step if
    there is none: equation 2 of Che et al. 2018, *Recurrent neural networks for multivariate time series with missing
    values*, unrolled.

    Parameters
    ----------
    time
        Time of each step, not decreasing, shape ``(b, n)``.
    last
        From ``last_measured``, shape ``(b, n, f)``.

    Returns
    -------
    Tensor
        ``(b, n, f)``, in the unit of ``time``.

    Examples
    --------
    >>> observed = torch.tensor([True, False, False, True])[None, :, None]
    >>> time_since(torch.tensor([[0.0, 1.0, 2.5, 4.0]]), last_measured(observed))[0, :, 0].tolist()
    [0.0, 1.0, 2.5, 4.0]
    """
    before = F.pad(last[:, :-1], (0, 0, 1, 0))  # (b, n, f), 0 at the first step
    times = time[:, :, None].expand(last.shape)
    return times - times.gather(1, before)


class VariableDropout(nn.Module):
    """While training, now and then takes a whole variable of a sample as never measured.

    A model of many variables and few patients learns a rare one by heart; what may be missing it cannot lean on.

    Parameters
    ----------
    share
        How often; 0 for never.

    Raises
    ------
    InputError
        If it is no share below 1.

    Examples
    --------
    >>> VariableDropout(0.5).eval()(torch.ones(1, 3, 2, dtype=torch.bool)).sum().item()
    6
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        if not 0 <= share < 1:
            raise InputError("input_dropout", expected="a share from 0, below 1", got=share)
        self.share = share

    def forward(self, observed: Tensor) -> Tensor:
        """Return which measurements ``(b, n, f)`` count."""
        if not self.training or self.share == 0:
            return observed
        kept = torch.rand(observed.shape[0], 1, observed.shape[2], device=observed.device) >= self.share
        return observed & kept
