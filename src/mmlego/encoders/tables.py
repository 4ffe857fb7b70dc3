"""Encoders of tables: one row of numbers a patient → one token."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch import nn

from mmlego.admitted import Chance, Width
from mmlego.encoders.registry import register_encoder


@register_encoder("snn")
class SNN(nn.Sequential):
    """Self-normalising network: Linear–SELU–AlphaDropout, weights drawn with variance 1/fan-in.

    Klambauer et al. 2017. Takes ``(b, in_features)``, gives one token ``(b, e)``.

    Parameters
    ----------
    in_features
        Number of columns.
    hidden
        Width of each layer; the last is the token's width ``e``.
    dropout
        Alpha dropout after each layer while training.
    input_dropout
        Dropout of the input columns, for tables with many more columns than patients.

    Examples
    --------
    >>> import torch
    >>> SNN(10, hidden=(32, 16))(torch.zeros(4, 10)).shape
    torch.Size([4, 16])
    """

    ordered = False
    tokenwise = False

    usual: ClassVar[dict[str, Any]] = {"hidden": [32], "dropout": 0.5, "input_dropout": 0.3}

    def __init__(
        self,
        in_features: Width,
        hidden: Annotated[Sequence[Width], Field(min_length=1, max_length=100)] = (64, 64),
        dropout: Chance = 0.25,
        input_dropout: Chance = 0.0,
    ) -> None:
        layers: list[nn.Module] = [nn.Dropout(input_dropout)] if input_dropout > 0 else []
        widths = [in_features, *hidden]
        for fan_in, fan_out in itertools.pairwise(widths):
            linear = nn.Linear(fan_in, fan_out)
            nn.init.normal_(linear.weight, std=1.0 / math.sqrt(fan_in))
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.SELU(), nn.AlphaDropout(dropout)]
        super().__init__(*layers)
        self.in_features = in_features
        self.out_features = widths[-1]
