"""Encoders of text, given as the ids of a tokenizer → one token a word piece."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mmlego.encoders.hugging_face import load_hugging_face
from mmlego.encoders.registry import register_encoder
from mmlego.encoders.sequences import check_ids
from mmlego.errors import ShapeError
from mmlego.nn.masks import real_first

__doctest_requires__ = {"TextEncoder": ["transformers"]}


@register_encoder("text")
class TextEncoder(nn.Module):
    """Any text model of the transformers library: BERT and its kin, GPT, the encoder of T5, ….

    Takes integer ids ``(b, n)`` of the model's own tokenizer and a mask, gives ordered tokens, the last hidden states
    ``(b, n, e)``. Needs ``mmlego[text]``. Once saved, it needs its folder no longer.

    Parameters
    ----------
    model
        A local folder, as ``save_pretrained`` writes it, with safetensors; or a configuration with ``model_type``
        for random weights. Nothing is ever downloaded.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    InputError
        If the folder or the configuration cannot be used, or ids are not in the vocabulary.
    ShapeError
        If a text is longer than the model allows.

    Examples
    --------
    >>> tiny = {"model_type": "bert", "vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1}
    >>> encoder = TextEncoder({**tiny, "num_attention_heads": 2, "intermediate_size": 16})
    >>> ids, mask = torch.tensor([[2, 9, 3], [2, 3, 0]]), torch.tensor([[True, True, True], [True, True, False]])
    >>> tokens, mask = encoder(ids, mask)
    >>> tokens.shape
    torch.Size([2, 3, 8])
    """

    ordered = True
    tokenwise = False

    def __init__(self, model: str | Mapping[str, Any]) -> None:
        super().__init__()
        self.network, self._described = load_hugging_face(model, "TextEncoder")
        self.vocabulary = int(self._described["vocab_size"])
        longest = self._described.get("max_position_embeddings")
        self.longest = longest if isinstance(longest, int) else None
        self.out_features = _width(self.network)

    def portable_arguments(self) -> dict[str, Any]:
        """Return the arguments that build this encoder anywhere: a configuration instead of a folder."""
        return {"model": self._described}

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return tokens ``(b, n, e)`` of ids ``(b, n)``; with a mask ``(b, n)`` also the mask of the tokens.

        Masked ids are moved behind the real ones, so that positions are those in the text itself.
        """
        check_ids(ids, self.vocabulary)
        if self.longest is not None and ids.shape[1] > self.longest:
            raise ShapeError(
                "a text is longer than its model allows",
                expected=f"at most {self.longest} ids",
                got=ids.shape[1],
                remedy="Truncate texts when tokenizing them.",
            )
        if mask is not None:
            ids, mask = real_first(ids, mask)
        seen = torch.ones_like(ids) if mask is None else mask.to(ids.dtype)
        tokens: Tensor = self.network(input_ids=ids, attention_mask=seen).last_hidden_state
        return tokens if mask is None else (tokens, mask)


def _width(network: nn.Module) -> int:
    """Return the width of the hidden states, by one dry run."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        ids = torch.zeros(1, 2, dtype=torch.int64)
        return int(network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.shape[-1])
