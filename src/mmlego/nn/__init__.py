"""Building parts on bare tensors: transforms, attention, ragged batches. They know nothing of modalities."""

from mmlego.nn.attention import CrossAttention, Tokens, prepare_tokens
from mmlego.nn.feedforward import GatedFeedForward
from mmlego.nn.graphs import Graph, Graphs
from mmlego.nn.ragged import Ragged
from mmlego.nn.spectral import Spectrum

__all__ = ["CrossAttention", "GatedFeedForward", "Graph", "Graphs", "Ragged", "Spectrum", "Tokens", "prepare_tokens"]
