"""Kinds of modalities, a folder each: how one is read, prepared and saved. Importing a folder registers its kind."""

from mmlego.data.kinds import bag, fingerprint, graph, image, omics, sequence, series, table, text
from mmlego.data.kinds.registry import KINDS, preprocessing_from_config, preprocessing_names, register_kind

__all__ = [
    "KINDS",
    "bag",
    "fingerprint",
    "graph",
    "image",
    "omics",
    "preprocessing_from_config",
    "preprocessing_names",
    "register_kind",
    "sequence",
    "series",
    "table",
    "text",
]
