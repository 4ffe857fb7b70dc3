"""Kind ``table``: numeric and categorical columns."""

from mmlego.data.kinds.registry import register_kind
from mmlego.data.kinds.table.preprocess import TablePreprocessor
from mmlego.data.kinds.table.source import TableSource

register_kind(TableSource, TablePreprocessor)
