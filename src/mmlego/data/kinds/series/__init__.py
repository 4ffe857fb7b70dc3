"""Kinds ``series`` and ``static``: what is measured over time, and what the same files say once."""

from mmlego.data.kinds.registry import register_kind
from mmlego.data.kinds.series.preprocess import SeriesPreprocessor
from mmlego.data.kinds.series.source import SeriesSource, StaticSource
from mmlego.data.kinds.tabular.preprocess import TablePreprocessor

register_kind(SeriesSource, SeriesPreprocessor)
register_kind(StaticSource, TablePreprocessor)
