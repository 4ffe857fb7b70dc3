"""What a block asks of an encoder: that it is one, that samples stay apart in it, and how wide its tokens are."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from mmlego.baseplate import Baseplate
from mmlego.brick import check_place
from mmlego.encoding import check_kind, encode
from mmlego.errors import InputError, LegoWarning
from mmlego.nn.modes import modes_kept
from mmlego.nn.ragged import Ragged


def values_of(tokens: Tensor | Ragged) -> Tensor:
    """Return tokens without the lengths of their bags."""
    return tokens.values if isinstance(tokens, Ragged) else tokens


def check_encoder(encoder: nn.Module, plate: Baseplate, modality: str) -> None:
    """Refuse an encoder that is none or turns time and batch round; warn of layers that may."""
    if not isinstance(encoder, nn.Module):
        raise InputError("the encoder of a LegoBlock", expected="an nn.Module", got=type(encoder).__name__)
    check_place(plate, modality)
    recurrent = [m for m in encoder.modules() if isinstance(m, (nn.RNNBase, nn.MultiheadAttention))]
    if all(m.batch_first for m in recurrent):
        return
    if isinstance(encoder, (nn.RNNBase, nn.TransformerEncoder)):
        raise InputError(
            f"the encoder of modality {modality!r} puts time before the batch",
            expected="batch_first=True",
            got="batch_first=False",
        )
    warnings.warn(
        f"The encoder of modality {modality!r} holds a layer with batch_first=False: unless the encoder turns its "
        "input round, samples of a batch see one another.",
        LegoWarning,
        stacklevel=3,
    )


def dry_run(encoder: nn.Module, sample: Any, modality: str) -> int:
    """Return the width of the tokens, leaving mode and random state as they were."""
    x, mask = sample if isinstance(sample, tuple) and len(sample) == 2 else (sample, None)
    check_kind(x, mask, modality)
    with modes_kept(encoder), torch.no_grad(), torch.random.fork_rng(devices=[]):
        encoder.eval()
        return int(values_of(encode(encoder, x, mask, modality).tokens).shape[-1])
