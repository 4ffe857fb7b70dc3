"""Pre-norm Transformer layers over tokens; they know nothing of modalities."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mmlego.errors import InputError


class TransformerLayer(nn.Module):
    """``x + Attention(LN x)``, then ``x + FeedForward(LN x)``.

    Vaswani et al. 2017, with the norms in front (Xiong et al. 2020), which trains without a warm-up.

    Parameters
    ----------
    width
        ``e``, the width of the tokens.
    heads
        Number of heads; divides the width.
    hidden
        Width of the feed-forward's hidden layer.
    dropout
        Dropout of both branches while training.

    Raises
    ------
    InputError
        If the heads do not divide the width.

    Examples
    --------
    >>> import torch
    >>> TransformerLayer(8, heads=2, hidden=16)(torch.zeros(3, 5, 8)).shape
    torch.Size([3, 5, 8])
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise InputError("the heads of a Transformer do not divide its width", expected=f"of {width}", got=heads)
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)
        self.norm_feedforward = nn.LayerNorm(width)
        self.feedforward = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return tokens ``(b, n, e)``; those masked out, where ``mask (b, n)`` is False, are not looked at."""
        split = self.to_qkv(self.norm_attention(x)).unflatten(-1, (3, self.heads, -1))  # (b, n, 3, h, w)
        queries, keys, values = split.permute(2, 0, 3, 1, 4).unbind(0)  # (b, h, n, w) each
        seen = None if mask is None else mask[:, None, None, :]
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen)
        x = x + self.dropout(self.to_out(mixed.transpose(1, 2).flatten(2)))
        out: Tensor = x + self.dropout(self.feedforward(self.norm_feedforward(x)))
        return out


class Transformer(nn.Module):
    """Pre-norm Transformer layers and a last LayerNorm: tokens ``(b, n, e)`` → tokens ``(b, n, e)``.

    It has no notion of order: positions must be told by the tokens.

    Parameters
    ----------
    width
        ``e``, the width of the tokens.
    layers
        Number of layers.
    heads
        Number of heads; divides the width.
    dropout
        Dropout while training.
    expansion
        Width of the feed-forward's hidden layer over that of the tokens.

    Examples
    --------
    >>> import torch
    >>> Transformer(8, layers=2, heads=2)(torch.zeros(3, 5, 8)).shape
    torch.Size([3, 5, 8])
    """

    def __init__(self, width: int, layers: int, heads: int, dropout: float = 0.0, expansion: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(width, heads, expansion * width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return tokens ``(b, n, e)``; those masked out, where ``mask (b, n)`` is False, are not looked at."""
        for layer in self.layers:
            x = layer(x, mask)
        out: Tensor = self.norm(x)
        return out
