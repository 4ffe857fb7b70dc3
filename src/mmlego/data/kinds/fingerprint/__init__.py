"""Kind ``fingerprint``: molecules as bits."""

from mmlego.data.kinds.fingerprint.preprocess import FingerprintPreprocessor
from mmlego.data.kinds.fingerprint.source import FingerprintSource
from mmlego.data.kinds.registry import register_kind

register_kind(FingerprintSource, FingerprintPreprocessor)
