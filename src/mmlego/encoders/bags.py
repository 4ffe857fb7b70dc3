"""Encoders of bags: an unordered set of patch features a patient → tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmlego.admitted import Chance, Width
from mmlego.encoders.registry import register_encoder
from mmlego.nn.ragged import Ragged
from mmlego.nn.spectral import at_least_float32


@register_encoder("patch_mlp")
class PatchMLP(nn.Sequential):
    """Linear–ReLU–Linear on each patch by itself; the block's own cross-attention does the pooling.

    Takes ``(b, n, in_features)``, gives ``n`` unordered tokens ``(b, n, out_features)``.

    Parameters
    ----------
    in_features
        Width of the patch features.
    hidden
        Width of the hidden layer.
    out_features
        ``e``, the width of the tokens.
    dropout
        Dropout after the ReLU while training.

    Examples
    --------
    >>> PatchMLP(10, hidden=8, out_features=6)(torch.zeros(2, 5, 10)).shape
    torch.Size([2, 5, 6])
    """

    ordered = False
    tokenwise = True

    def __init__(
        self, in_features: Width, hidden: Width = 128, out_features: Width = 128, dropout: Chance = 0.0
    ) -> None:
        layers: list[nn.Module] = [nn.Linear(in_features, hidden), nn.ReLU()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
        super().__init__(*layers, nn.Linear(hidden, out_features))
        self.in_features, self.out_features = in_features, out_features


@register_encoder("gated_attention_mil")
class GatedAttentionMIL(nn.Module):
    """Gated-attention pooling of a bag into one token.

    ``a_n ∝ exp(uᵀ (tanh(V h_n) ⊙ σ(U h_n)))``, the softmax taken over the patches of one bag, never over the
    batch; the token is ``Σ a_n h_n``, with ``h_n`` the projected patch. Ilse, Tomczak, Welling 2018, eq. 9.

    Parameters
    ----------
    in_features
        Width of the patch features.
    out_features
        ``e``, the width of the token.
    attention_width
        Width of the gate.
    dropout
        Dropout of the projected patches while training.

    Examples
    --------
    >>> GatedAttentionMIL(10, out_features=6)(torch.zeros(2, 5, 10)).shape
    torch.Size([2, 6])
    """

    ordered = False
    tokenwise = False
    accepts_ragged = True

    def __init__(
        self, in_features: Width, out_features: Width = 128, attention_width: Width = 64, dropout: Chance = 0.0
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.project = nn.Sequential(nn.Linear(in_features, out_features), nn.ReLU(), nn.Dropout(dropout))
        self.content = nn.Linear(out_features, attention_width)
        self.gate = nn.Linear(out_features, attention_width)
        self.score = nn.Linear(attention_width, 1)

    def forward(self, x: Tensor | Ragged, mask: Tensor | None = None) -> Tensor:
        """Return one token ``(b, e)`` of bags ``(b, n, in_features)`` with mask ``(b, n)``, or of a Ragged."""
        if isinstance(x, Ragged):
            return self._forward_ragged(x)
        patches = self.project(x)  # (b, n, e)
        scores = self._scores(patches)  # (b, n)
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        return torch.einsum("bn,bne->be", scores.softmax(1).to(patches.dtype), patches)

    def _scores(self, patches: Tensor) -> Tensor:
        scores: Tensor = self.score(torch.tanh(self.content(patches)) * torch.sigmoid(self.gate(patches)))
        return at_least_float32(scores.squeeze(-1))

    def _forward_ragged(self, x: Ragged) -> Tensor:
        patches = self.project(x.values)  # (Σn, e)
        weights = [score.softmax(0) for score in self._scores(patches).split(x.sizes)]
        parts = zip(weights, patches.split(x.sizes), strict=True)
        return torch.stack([weight.to(bag.dtype) @ bag for weight, bag in parts])
