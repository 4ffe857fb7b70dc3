"""Encoders of text, given as the ids of a tokenizer → one token a word piece."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlego.encoders.hugging_face import check_hugging_face, load_hugging_face, longest_text
from mmlego.encoders.registry import register_encoder
from mmlego.encoders.sequences import check_ids
from mmlego.errors import InputError, ShapeError
from mmlego.nn.masks import real_first

__doctest_requires__ = {"TextEncoder": ["transformers"]}

# Their blocks of attention reach into the padding of long texts alone, where it is not tried.
_LEAKY = ("big_bird", "bigbird_pegasus")


@register_encoder("text")
class TextEncoder(nn.Module):
    """Any text model of the transformers library: BERT and its kin, GPT, the encoder of T5, ….

    Takes integer ids ``(b, n)`` of the model's own tokenizer and a mask, gives ordered tokens, the last hidden states
    ``(b, n, e)``. Needs ``mmlego[text]``. Once saved, it needs its folder no longer.

    Some models answer otherwise where a text stands beside a longer one, for they mix in what is masked (in
    transformers 5.23 FNet, which does not look at the mask, ConvBERT, Nyströmformer, MobileBERT, YOSO, and of long
    texts BigBird): that is tried once, and such a model reads texts of one length at a time.

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
        If the folder or the configuration cannot be used, the model has no vocabulary (Canine) or answers differently
        each time (Reformer), or ids are not in the vocabulary.
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

    packages: ClassVar[tuple[str, ...]] = ("transformers",)
    ordered = True
    tokenwise = False

    of_file: ClassVar[dict[str, Any]] = {"model": dict[str, Any]}  # never a folder

    def __init__(self, model: str | Mapping[str, Any]) -> None:
        super().__init__()
        self.network, self._described = load_hugging_face(model, "TextEncoder")
        kind, vocabulary = self._described.get("model_type"), self._described.get("vocab_size")
        if not isinstance(vocabulary, int) or vocabulary < 1:
            raise InputError(f"a model of type {kind!r} has no vocabulary", expected="ids of a tokenizer to read")
        self.vocabulary = vocabulary
        self.longest = longest_text(self.network.config)
        try:
            tried = _try(self.network, vocabulary, self.longest)
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError) as error:
            got = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(
                f"a model of type {kind!r} cannot read a text", expected="hidden states", got=got
            ) from error
        if tried.wavers:
            raise InputError(
                f"a model of type {kind!r} answers differently each time it is asked",
                expected="one answer for one text",
                remedy="Choose another model.",
            )
        self.out_features = tried.width
        self._apart = tried.leaks or kind in _LEAKY

    @staticmethod
    def admit(arguments: Mapping[str, Any]) -> None:
        """Check the arguments without building anything.

        Parameters
        ----------
        arguments
            Of this class.
        """
        check_hugging_face(arguments["model"], "TextEncoder")

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
        if mask is not None and self._apart:
            return self._one_length_at_a_time(ids, mask), mask
        tokens = _hidden(self.network, ids, torch.ones_like(ids) if mask is None else mask.to(ids.dtype))
        return tokens if mask is None else (tokens, mask)

    def _one_length_at_a_time(self, ids: Tensor, mask: Tensor) -> Tensor:
        lengths = mask.sum(1)
        rows, parts = [], []
        for n in lengths.unique().tolist():
            chosen = (lengths == n).nonzero().squeeze(1)
            rows.append(chosen)
            if n:
                short = ids[chosen, :n]
                found = _hidden(self.network, short, torch.ones_like(short))
                parts.append(F.pad(found, (0, 0, 0, ids.shape[1] - n)))
            else:
                parts.append(torch.zeros(len(chosen), ids.shape[1], self.out_features, device=ids.device))
        return torch.cat([part.to(parts[-1].dtype) for part in parts])[torch.cat(rows).argsort()]


class _Tried(NamedTuple):
    """What a model showed when it was tried: its width, whether it wavers, and whether padding changes its answers."""

    width: int
    wavers: bool
    leaks: bool


def _hidden(network: nn.Module, ids: Tensor, seen: Tensor) -> Tensor:
    states: Tensor = network(input_ids=ids, attention_mask=seen).last_hidden_state
    return states


def _try(network: nn.Module, vocabulary: int, longest: int | None) -> _Tried:
    """Let a model read a short text twice, and once with other ids behind it that are masked."""
    total = min(40, longest or 40)
    short = max(1, total // 4)
    special = {getattr(network.config, f"{name}_token_id", None) for name in ("pad", "bos", "eos")}
    usual = [number for number in range(min(vocabulary, 2 * total)) if number not in special] or [0]
    ids = torch.tensor([[usual[i % len(usual)] for i in range(total)]])
    seen = (torch.arange(total) < short).long()[None]
    was = network.training
    network.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            alone, again = (_hidden(network, ids[:, :short], seen[:, :short]) for _ in range(2))
            among = _hidden(network, ids, seen)[:, :short] if total > short else alone
    finally:
        network.train(was)
    small = 1e-4 * max(float(alone.abs().max()), 1e-30)  # rounding is hundreds of times less
    differ = [bool((other - alone).abs().max() > small) for other in (again, among)]
    return _Tried(int(alone.shape[-1]), *differ)
