"""Kinds ``image`` and ``volume``: pictures and scans."""

from mmlego.data.kinds.image.preprocess import ImagePreprocessor
from mmlego.data.kinds.image.source import ImageSource, VolumeSource
from mmlego.data.kinds.registry import register_kind

register_kind(ImageSource, ImagePreprocessor)
register_kind(VolumeSource, ImagePreprocessor)
