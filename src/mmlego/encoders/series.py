"""Encoders of time series: regular time steps with missing measurements → one token a step."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from mmlego.admitted import Chance, Width
from mmlego.encoders.registry import register_encoder
from mmlego.nn.gaps import VariableDropout
from mmlego.nn.masks import real_first


@register_encoder("gru")
class GRUEncoder(nn.Module):
    """GRU over time steps, told which measurements were made.

    NaN means "not measured": it becomes 0 (the mean of standardised data), and an indicator beside it says so.
    Takes ``(b, n, in_features)``, gives ``n`` ordered tokens, the hidden state after each step.

    Parameters
    ----------
    in_features
        Number of variables.
    out_features
        ``e``, the width of the hidden state.
    layers
        Number of GRU layers.
    dropout
        Dropout of the tokens (and between layers) while training.
    input_dropout
        How often a whole column of a sample counts as not measured while training.

    Examples
    --------
    >>> series = torch.tensor([[[1.0, float("nan")], [float("nan"), 2.0]]])
    >>> GRUEncoder(2, out_features=4)(series).shape
    torch.Size([1, 2, 4])
    """

    ordered = True
    tokenwise = False
    accepts_missing = True

    usual: ClassVar[dict[str, Any]] = {"out_features": 32, "dropout": 0.5, "input_dropout": 0.5}

    def __init__(
        self,
        in_features: Width,
        out_features: Width = 64,
        layers: Annotated[int, Field(ge=1, le=1000)] = 1,
        dropout: Chance = 0.0,
        input_dropout: Chance = 0.0,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.leave_out = VariableDropout(input_dropout)
        self.gru = nn.GRU(
            2 * in_features, out_features, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return tokens ``(b, n, e)``; with a mask ``(b, n)`` also the mask of the tokens.

        Masked steps are moved behind the real ones, so that they cannot touch the state.
        """
        if mask is not None:
            x, mask = real_first(x, mask)
        observed = self.leave_out(~x.isnan())
        hidden, _ = self.gru(torch.cat([torch.where(observed, x, 0.0), observed.to(x.dtype)], dim=-1))
        tokens: Tensor = self.dropout(hidden)
        return tokens if mask is None else (tokens, mask)
