"""Encoders: raw input → tokens ``(b, n, e)``. Any ``nn.Module`` will do; these are ready to use.

What a block reads off an encoder, all optional: ``out_features`` (width of its tokens), ``in_features``,
``ordered`` (whether the tokens have an order), ``tokenwise`` (whether each token is encoded by itself),
``accepts_missing`` (NaN means "not measured") and ``accepts_ragged`` (takes a ``Ragged`` as it is).
"""

from mmlego.encoders.bags import GatedAttentionMIL, PatchMLP
from mmlego.encoders.registry import build_encoder, encoder_names, register_encoder
from mmlego.encoders.series import GRUEncoder
from mmlego.encoders.tables import SNN

__all__ = [
    "SNN",
    "GRUEncoder",
    "GatedAttentionMIL",
    "PatchMLP",
    "build_encoder",
    "encoder_names",
    "register_encoder",
]
