"""Kind ``omics``: one wide matrix, optionally by gene sets."""

from mmlego.data.kinds.omics.preprocess import OmicsPreprocessor
from mmlego.data.kinds.omics.source import OmicsSource
from mmlego.data.kinds.registry import register_kind

register_kind(OmicsSource, OmicsPreprocessor)
