"""Kind ``text``: reports and notes."""

from mmlego.data.kinds.registry import register_kind
from mmlego.data.kinds.text.preprocess import TextPreprocessor
from mmlego.data.kinds.text.source import TextSource

register_kind(TextSource, TextPreprocessor)
