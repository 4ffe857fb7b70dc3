"""Encoders of irregular series: column 0 is the time, the others are measurements with gaps → one token a step."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from mmlego.admitted import Chance, Heads, Layers, Span, Width
from mmlego.encoders.registry import register_encoder
from mmlego.errors import InputError
from mmlego.nn.gaps import VariableDropout, carry_forward, last_measured, time_since
from mmlego.nn.masks import real_first
from mmlego.nn.transformer import Transformer
from mmlego.nn.waves import geometric_periods, waves


@register_encoder("gru_d")
class GRUD(nn.Module):
    """GRU with decay: what was measured long ago counts less.

    With ``δ`` the time since each variable's last measurement, a missing value becomes the last one, decayed towards
    the mean (0, for the data are standardised): ``γ_x x_last``, ``γ_x = exp(−max(0, w δ + b))``; the state decays
    before each step as ``γ_h ⊙ h``, ``γ_h = exp(−max(0, W δ + b))``. The GRU reads the values and which of them were
    measured. Che et al. 2018, *Recurrent neural networks for multivariate time series with missing values*,
    equations 2–8; the reset gate acts behind the recurrent product, as in ``torch.nn.GRU``.
    All but the recurrence itself is computed for all steps at once.

    Takes ``(b, n, in_features)``: column 0 is the time, the others are standardised values, NaN where nothing was
    measured. Gives ``n`` ordered tokens, the state after each step.

    Parameters
    ----------
    in_features
        Number of columns, the time included.
    out_features
        ``e``, the width of the state.
    unit
        The time over which decays are learned, in the unit of column 0: a day, for hours.
    dropout
        Dropout of the tokens while training.
    input_dropout
        How often a whole column of a sample counts as never measured while training.

    Raises
    ------
    InputError
        If times are missing or decrease.

    Examples
    --------
    >>> nan = float("nan")
    >>> series = torch.tensor([[[0.0, 1.2, nan], [0.5, nan, 0.3], [6.0, -0.4, nan]]])  # hour, pulse, lactate
    >>> GRUD(3, out_features=8)(series).shape
    torch.Size([1, 3, 8])
    """

    ordered = True
    tokenwise = False
    accepts_missing = True

    def __init__(
        self,
        in_features: Width,
        out_features: Width = 64,
        unit: Span = 24.0,
        dropout: Chance = 0.0,
        input_dropout: Chance = 0.0,
    ) -> None:
        super().__init__()
        variables = _count_variables(in_features)
        self.leave_out = VariableDropout(input_dropout)
        self.in_features, self.out_features, self.unit = in_features, out_features, unit
        self.value_decay = nn.Parameter(torch.ones(variables))
        self.value_offset = nn.Parameter(torch.zeros(variables))
        self.state_decay = nn.Linear(variables, out_features)
        self.to_gates = nn.Linear(2 * variables, 3 * out_features)
        self.recurrent = nn.Linear(out_features, 3 * out_features)
        for linear in (self.to_gates, self.recurrent):
            nn.init.uniform_(linear.weight, -(out_features**-0.5), out_features**-0.5)
            nn.init.uniform_(linear.bias, -(out_features**-0.5), out_features**-0.5)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return tokens ``(b, n, e)``; with a mask ``(b, n)`` also the mask of the tokens.

        Masked steps are moved behind the real ones, so that they cannot touch the state.
        """
        if mask is not None:
            x, mask = real_first(torch.where(mask[:, :, None], x, 0.0), mask)
        _check_times(x, mask)
        time, values = x[..., 0], x[..., 1:]  # (b, n), (b, n, f)
        observed = self.leave_out(~values.isnan())
        values = torch.where(observed, values, 0.0)
        last = last_measured(observed)
        since = time_since(time, last).clamp(min=0.0) / self.unit  # steps behind the real ones go back in time
        kept = torch.exp(-torch.relu(self.value_decay * since + self.value_offset))
        values = torch.where(observed, values, kept * carry_forward(values, last))
        given = self.to_gates(torch.cat([values, observed.to(values.dtype)], dim=-1))  # (b, n, 3e)
        decay = torch.exp(-torch.relu(self.state_decay(since)))  # (b, n, e)
        tokens: Tensor = self.dropout(self._recur(given, decay))
        return tokens if mask is None else (tokens, mask)

    def _recur(self, given: Tensor, decay: Tensor) -> Tensor:
        """Return the state after each step: the only loop over time."""
        e = self.out_features
        state = torch.zeros_like(decay[:, 0])  # (b, e)
        states = []
        of_gates, of_new = given[..., : 2 * e].unbind(1), given[..., 2 * e :].unbind(1)
        for gates, new, kept in zip(of_gates, of_new, decay.unbind(1), strict=True):
            state = kept * state
            past_gates, past_new = self.recurrent(state).split([2 * e, e], dim=-1)
            reset, update = torch.sigmoid(gates + past_gates).chunk(2, dim=-1)
            state = torch.lerp(torch.tanh(torch.addcmul(new, reset, past_new)), state, update)
            states.append(state)
        return torch.stack(states, dim=1)


@register_encoder("time_transformer")
class TimeTransformer(nn.Module):
    """Transformer over the steps of an irregular series, told the time of each as a real number.

    The token of a step is ``W [x, m] + V φ(t)``: the values (0 where missing), which of them were measured, and sines
    and cosines of the time with periods from ``shortest`` to ``longest``. Time embeddings: Vaswani et al. 2017 for
    real-valued positions, as in Horn et al. 2020, *Set functions for time series*, section 3.2.

    Takes ``(b, n, in_features)``: column 0 is the time, the others are standardised values, NaN where nothing was
    measured. Gives ``n`` ordered tokens ``(b, n, out_features)``.

    Parameters
    ----------
    in_features
        Number of columns, the time included.
    out_features
        ``e``, the width of the tokens.
    layers
        Number of Transformer layers.
    heads
        Number of heads; divides ``out_features``.
    shortest, longest
        The periods of the fastest and the slowest wave, in the unit of column 0.
    periods
        Number of periods.
    dropout
        Dropout in the Transformer layers while training.
    input_dropout
        How often a whole column of a sample counts as never measured while training.

    Raises
    ------
    InputError
        If times are missing or decrease.

    Examples
    --------
    >>> nan = float("nan")
    >>> series = torch.tensor([[[0.0, 1.2, nan], [0.5, nan, 0.3], [6.0, -0.4, nan]]])  # hour, pulse, lactate
    >>> TimeTransformer(3, out_features=8, heads=2)(series).shape
    torch.Size([1, 3, 8])
    """

    ordered = True
    tokenwise = False
    accepts_missing = True

    usual: ClassVar[dict[str, Any]] = {"out_features": 32, "layers": 1, "dropout": 0.5, "input_dropout": 0.5}

    def __init__(
        self,
        in_features: Width,
        out_features: Width = 64,
        layers: Layers = 2,
        heads: Heads = 4,
        shortest: Span = 1.0,
        longest: Span = 200.0,
        periods: Annotated[int, Field(ge=1, le=4096)] = 8,
        dropout: Chance = 0.1,
        input_dropout: Chance = 0.0,
    ) -> None:
        super().__init__()
        variables = _count_variables(in_features)
        self.leave_out = VariableDropout(input_dropout)
        self.in_features, self.out_features = in_features, out_features
        self.project = nn.Linear(2 * variables, out_features)
        self.time = nn.Linear(2 * periods, out_features, bias=False)
        self.register_buffer("periods", geometric_periods(shortest, longest, periods), persistent=False)
        self.transformer = Transformer(out_features, layers, heads, dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return tokens ``(b, n, e)``; masked steps, where ``mask (b, n)`` is False, are not looked at."""
        _check_times(x, mask)
        time, values = x[..., 0], x[..., 1:]  # (b, n), (b, n, f)
        observed = self.leave_out(~values.isnan())
        seen = torch.cat([torch.where(observed, values, 0.0), observed.to(values.dtype)], dim=-1)
        of_time = waves(time, self.get_buffer("periods")).to(values.dtype)
        tokens: Tensor = self.transformer(self.project(seen) + self.time(of_time), mask)
        return tokens


def _count_variables(in_features: int) -> int:
    if in_features < 2:
        raise InputError(
            "an irregular series without variables", expected="in_features ≥ 2, the time included", got=in_features
        )
    return in_features - 1


def _check_times(x: Tensor, mask: Tensor | None) -> None:
    if torch.compiler.is_compiling():
        return
    time = x[..., 0].detach()  # (b, n)
    if mask is not None:
        time = time.masked_fill(~mask, -torch.inf)
    right = time >= time.cummax(1).values  # no NaN is
    if mask is not None:
        right |= ~mask
    if not bool(right.all()):
        sample, step = (~right).nonzero()[0].tolist()
        raise InputError(
            "column 0 of a series is not its time",
            expected="numbers that do not decrease",
            got=f"{x[sample, step, 0].item():g} at step {step} of sample {sample}",
            remedy="Put the time into column 0, and sort each patient's rows by it.",
        )
