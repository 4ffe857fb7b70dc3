"""Encoders: raw input → tokens ``(b, n, e)``. Any ``nn.Module`` will do; these are ready to use.

What a block reads off an encoder, all optional: ``out_features`` (width of its tokens), ``in_features``,
``ordered`` (whether the tokens have an order), ``tokenwise`` (whether each token is encoded by itself),
``accepts_missing`` (NaN means "not measured") and ``accepts_ragged`` (takes a ``Ragged``, or ``Graphs``, as it is).
"""

from mmlego.encoders.bags import GatedAttentionMIL, PatchMLP
from mmlego.encoders.columns import ColumnTransformer
from mmlego.encoders.graphs import GraphEncoder
from mmlego.encoders.image_networks import MonaiEncoder, TimmEncoder, VisionTransformerEncoder
from mmlego.encoders.images import SmallCNN
from mmlego.encoders.irregular import GRUD, TimeTransformer
from mmlego.encoders.omics import PathwayTokens
from mmlego.encoders.registry import arguments_of, build_encoder, encoder_names, register_encoder, usual_options
from mmlego.encoders.sequences import CharTransformer
from mmlego.encoders.series import GRUEncoder
from mmlego.encoders.tables import SNN
from mmlego.encoders.text import TextEncoder

__all__ = [
    "GRUD",
    "SNN",
    "CharTransformer",
    "ColumnTransformer",
    "GRUEncoder",
    "GatedAttentionMIL",
    "GraphEncoder",
    "MonaiEncoder",
    "PatchMLP",
    "PathwayTokens",
    "SmallCNN",
    "TextEncoder",
    "TimeTransformer",
    "TimmEncoder",
    "VisionTransformerEncoder",
    "arguments_of",
    "build_encoder",
    "encoder_names",
    "register_encoder",
    "usual_options",
]
