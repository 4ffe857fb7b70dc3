"""Kind ``bag``: patch features of slides."""

from mmlego.data.kinds.bag.preprocess import BagPreprocessor
from mmlego.data.kinds.bag.source import BagSource
from mmlego.data.kinds.registry import register_kind

register_kind(BagSource, BagPreprocessor)
