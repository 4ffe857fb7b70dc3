"""Kind ``graph``: molecules, and graphs of one's own."""

from mmlego.data.kinds.graph.preprocess import GraphPreprocessor
from mmlego.data.kinds.graph.source import GraphSource
from mmlego.data.kinds.registry import register_kind

register_kind(GraphSource, GraphPreprocessor)
