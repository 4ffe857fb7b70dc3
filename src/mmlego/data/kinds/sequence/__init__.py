"""Kind ``sequence``: DNA, RNA, protein or SMILES."""

from mmlego.data.kinds.registry import register_kind
from mmlego.data.kinds.sequence.preprocess import SequencePreprocessor
from mmlego.data.kinds.sequence.source import SequenceSource

register_kind(SequenceSource, SequencePreprocessor)
