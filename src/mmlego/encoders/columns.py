"""Encoders of tables that look at columns together: one row a patient → one token a column."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmlego.admitted import Chance, Heads, Layers, Width
from mmlego.encoders.registry import register_encoder
from mmlego.nn.transformer import Transformer


@register_encoder("column_transformer")
class ColumnTransformer(nn.Module):
    """One token a column, then Transformer layers: the FT-Transformer's tokens, pooled by the block itself.

    The token of column ``j`` is ``x_j W_j + b_j``; NaN means "not measured" and gives a learned token of that column.
    Gorishniy et al. 2021, *Revisiting deep learning models for tabular data*, section 3.3. Its cost grows with the
    square of the number of columns: for thousands of them take ``SNN`` or ``PathwayTokens``.

    Takes ``(b, in_features)``, gives ``in_features`` unordered tokens ``(b, in_features, out_features)``: which column
    a token stands for is told by its ``b_j``.

    Parameters
    ----------
    in_features
        Number of columns.
    out_features
        ``e``, the width of the tokens.
    layers
        Number of Transformer layers.
    heads
        Number of heads; divides ``out_features``.
    dropout
        Dropout in the Transformer layers while training.

    Examples
    --------
    >>> table = torch.tensor([[1.0, float("nan"), 0.5]])
    >>> ColumnTransformer(3, out_features=8, heads=2)(table).shape
    torch.Size([1, 3, 8])
    """

    ordered = False
    tokenwise = False
    accepts_missing = True

    def __init__(
        self,
        in_features: Width,
        out_features: Width = 64,
        layers: Layers = 2,
        heads: Heads = 4,
        dropout: Chance = 0.1,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        bound = out_features**-0.5
        self.weight, self.bias, self.missing = (
            nn.Parameter(torch.empty(in_features, out_features).uniform_(-bound, bound)) for _ in range(3)
        )
        self.transformer = Transformer(out_features, layers, heads, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens ``(b, f, e)`` of rows ``(b, f)``."""
        missing = x.isnan()[:, :, None]
        known = torch.where(missing, 0.0, x[:, :, None]) * self.weight + self.bias  # (b, f, e)
        tokens: Tensor = self.transformer(torch.where(missing, self.missing.to(known.dtype), known))
        return tokens
