"""Encoders of sequences of characters (DNA, RNA, protein, SMILES), given as ids → one token a character."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlego.admitted import Chance, Heads, Layers, Width
from mmlego.encoders.registry import register_encoder
from mmlego.errors import InputError
from mmlego.nn.masks import real_first
from mmlego.nn.transformer import Transformer
from mmlego.nn.waves import geometric_periods, waves


@register_encoder("char_transformer")
class CharTransformer(nn.Module):
    """Embedding of characters, convolutions for motifs, Transformer layers for what lies far apart.

    Each convolution adds to the tokens: ``x + GELU(Conv(LN x))``, with zeros beyond both ends of the sequence, not of
    the batch. Positions are told by sines and cosines, so that sequences may be longer than any in training.

    Takes integer ids ``(b, n)``: 0 for a character that is not in the vocabulary (its vector is zero and stays so),
    from 1 on for those that are. What pads a sequence is told by the mask alone, and may be any id, as 0.
    Gives ordered tokens ``(b, ⌈n / stride⌉, out_features)``.

    Parameters
    ----------
    vocabulary
        Number of different ids, 0 included.
    out_features
        ``e``, the width of the tokens.
    convolutions
        Number of convolutions.
    kernel
        Characters that a convolution sees, an odd number.
    stride
        Characters a token, for long sequences: the Transformer's cost grows with the square of the number of tokens.
    layers
        Number of Transformer layers.
    heads
        Number of heads; divides ``out_features``.
    dropout
        Dropout in the Transformer layers while training.

    Raises
    ------
    InputError
        If ids are no integers or not in the vocabulary.

    Examples
    --------
    >>> ids = torch.tensor([[1, 2, 2, 3], [4, 1, 0, 0]])
    >>> mask = torch.tensor([[True, True, True, True], [True, True, False, False]])
    >>> tokens, mask = CharTransformer(5, out_features=8, heads=2)(ids, mask)
    >>> tokens.shape
    torch.Size([2, 4, 8])
    """

    ordered = True
    tokenwise = False

    def __init__(
        self,
        vocabulary: Width,
        out_features: Width = 64,
        convolutions: Layers = 2,
        kernel: Width = 5,
        stride: Width = 1,
        layers: Layers = 2,
        heads: Heads = 4,
        dropout: Chance = 0.1,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0 or kernel < 1 or stride < 1:
            raise InputError(
                "the convolutions of a CharTransformer",
                expected="an odd kernel and a stride ≥ 1",
                got=f"kernel={kernel}, stride={stride}",
            )
        self.vocabulary, self.out_features, self.stride = vocabulary, out_features, stride
        self.embedding = nn.Embedding(vocabulary, out_features, padding_idx=0)
        self.norms = nn.ModuleList(nn.LayerNorm(out_features) for _ in range(convolutions))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(out_features, out_features, kernel, padding=kernel // 2) for _ in range(convolutions)
        )
        self.shorten = nn.Conv1d(out_features, out_features, stride, stride) if stride > 1 else None
        self.position = nn.Linear(32, out_features, bias=False)
        self.register_buffer("periods", geometric_periods(2.0, 10_000.0, 16), persistent=False)
        self.transformer = Transformer(out_features, layers, heads, dropout)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return tokens ``(b, n', e)`` of ids ``(b, n)``; with a mask ``(b, n)`` also the mask of the tokens.

        Masked characters are moved behind the real ones, so that neighbours are those in the sequence itself.
        """
        check_ids(ids, self.vocabulary)
        if mask is not None:
            ids, mask = real_first(ids, mask)
        x = self.embedding(ids)  # (b, n, e)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = x + F.gelu(convolution(_channels(norm(x), mask))).mT
        if self.shorten is not None:
            missing = -x.shape[1] % self.stride
            x = self.shorten(F.pad(_channels(x, mask), (0, missing))).mT  # (b, n', e)
            mask = None if mask is None else mask[:, :: self.stride]
        positions = waves(torch.arange(x.shape[1], device=x.device), self.get_buffer("periods"))
        x = self.transformer(x + self.position(positions.to(x.dtype)), mask)
        return x if mask is None else (x, mask)


def _channels(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return tokens as a convolution takes them, ``(b, e, n)``, zero where there is none."""
    return (x if mask is None else torch.where(mask[:, :, None], x, 0.0)).mT


def check_ids(ids: Tensor, vocabulary: int) -> None:
    """Check that ids are integers in the vocabulary.

    Parameters
    ----------
    ids
        Any shape.
    vocabulary
        Number of different ids.

    Raises
    ------
    InputError
        If they are not.

    Examples
    --------
    >>> check_ids(torch.tensor([3]), 3)
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: an id is not in the vocabulary: expected numbers from 0 to 2, got 3. ...
    """
    if ids.dtype not in (torch.int32, torch.int64):
        raise InputError("ids are no integers", expected="int64", got=ids.dtype, remedy="Convert them with .long().")
    if torch.compiler.is_compiling() or ids.numel() == 0:
        return
    low, high = (int(bound) for bound in ids.aminmax())
    if low < 0 or high >= vocabulary:
        raise InputError(
            "an id is not in the vocabulary",
            expected=f"numbers from 0 to {vocabulary - 1}",
            got=low if low < 0 else high,
            remedy="Encode the text with the vocabulary or tokenizer of this encoder.",
        )
